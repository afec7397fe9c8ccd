//! `luigi-mqtt publish`: one reading or message, and how it ends.

use crate::support::Script;

#[track_caller]
fn check(answer: &str, arguments: &[&str], output: &str, errors: &str, code: i32) {
    let script = Script::always(answer);
    let outcome = script.run(&[&["publish"], arguments].concat(), b"");
    assert_eq!((outcome.output.as_str(), outcome.errors.as_str(), outcome.code), (output, errors, code));
}

#[test]
fn a_reading_that_is_accepted_makes_no_noise_in_a_script() {
    let script = Script::always(r#"{"ok":"accepted"}"#);
    let outcome = script.run(&["publish", "attic", "-0.5", "--attributes", r#"{"battery":81}"#], b"");
    assert_eq!((outcome.output.as_str(), outcome.errors.as_str(), outcome.code), ("", "", 0));
    assert_eq!(
        script.asked(),
        [r#"{"attributes":{"battery":81},"entity":"attic","op":"reading","value":"-0.5"}"#]
    );
}

#[test]
fn people_are_told_what_became_of_it() {
    for (answer, told) in [
        (r#"{"ok":"accepted"}"#, "attic: accepted"),
        (r#"{"ok":"delivered"}"#, "attic: delivered"),
        (r#"{"ok":"queued","in":"memory"}"#, "attic: queued in memory, for the broker is not connected"),
        (r#"{"ok":"queued","in":"card"}"#, "attic: queued on the card, for the broker is not connected"),
    ] {
        let outcome = Script::always(answer).on_a_terminal("publish attic 1", &[]);
        assert_eq!((outcome.output.trim_end(), outcome.code), (told, 0));
    }
}

#[test]
fn a_payload_may_be_any_bytes_of_a_file_or_of_standard_input() {
    let script = Script::always(r#"{"ok":"accepted"}"#);
    let outcome = script.run(&["publish", "--topic", "a/b", "--retain", "--payload-file", "-"], b"\xff\n\0");
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "text\n").unwrap();
    let outcome = script.run(&["publish", "-t", "a/b", "--payload-file", file.path().to_str().unwrap()], b"");
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert_eq!(
        script.asked(),
        [
            r#"{"op":"publish","payload_base64":"/woA","retain":true,"topic":"a/b"}"#,
            r#"{"op":"publish","payload":"text\n","topic":"a/b"}"#,
        ]
    );
}

#[test]
fn json_is_the_answer_as_it_came() {
    check(
        r#"{"ok":"queued","in":"card"}"#,
        &["attic", "1", "--json"],
        "{\"in\":\"card\",\"ok\":\"queued\"}\n",
        "",
        0,
    );
    let refusal = r#"{"error":"invalid","expected":"a number","more":1,"reason":"attic"}"#;
    check(refusal, &["attic", "x", "--json"], &format!("{refusal}\n"), "", 65);
}

#[test]
fn the_exit_code_says_what_to_do_about_a_failure() {
    for (error, code) in [
        ("invalid", 65),
        ("field", 65),
        ("taken", 65),
        ("unknown_entity", 65),
        ("line_too_long", 65),
        ("full", 75),
        ("too_many", 75),
        ("not_connected", 75),
        ("ended", 75),
        ("unknown_operation", 76),
        ("unknown_version", 76),
        ("forbidden", 77),
        ("timeout", 124),
        ("replaced", 1),
        ("dropped", 1),
        ("internal", 1),
        ("of_a_newer_daemon", 1),
    ] {
        let answer = format!(r#"{{"error":"{error}","reason":"no","expected":"yes"}}"#);
        check(&answer, &["attic", "1", "--wait"], "", "luigi-mqtt: no: expected yes\n", code);
    }
}

#[test]
fn a_daemon_that_answers_nonsense_or_goes_away_is_named_as_such() {
    let script = Script::always("HTTP/1.1 400 Bad Request");
    let outcome = script.run(&["publish", "attic", "1"], b"");
    assert_eq!(outcome.code, 76, "{outcome:?}");
    let script = Script::start(|_| None);
    let outcome = script.run(&["publish", "attic", "1"], b"");
    assert_eq!(outcome.code, 69, "{outcome:?}");
    assert!(outcome.errors.starts_with("luigi-mqtt: the daemon has closed the connection"), "{outcome:?}");
}

#[test]
fn what_the_daemon_says_cannot_take_over_the_terminal() {
    check(
        r#"{"error":"invalid","reason":"\u001b[2Jgone\r"}"#,
        &["attic", "1"],
        "",
        "luigi-mqtt: \u{fffd}[2Jgone\u{fffd}\n",
        65,
    );
}

#[test]
fn what_can_be_no_request_is_never_asked() {
    let script = Script::always(r#"{"ok":"accepted"}"#);
    let long = "x".repeat(300 << 10);
    for (arguments, code, part) in [
        (["at/tic", "1"].as_slice(), 65, "the sensor's id: expected 1 to 64 of"),
        (&["-t", "a/#", "1"], 65, r#"the topic "a/#": expected"#),
        (&["attic", "--attributes", "[]"], 65, "--attributes: expected a JSON object"),
        (&["-t", "a", "--payload-file", "/no/such"], 65, "cannot read /no/such: No such file"),
        (&["-t", "a", "--payload-file", "-"], 65, "expected at most 262144"),
        (&["attic"], 2, "expected a value, --attributes or --available"),
        (&["attic", "1", "--qos", "1"], 2, "--topic"),
    ] {
        let outcome = script.run(&[&["publish"], arguments].concat(), long.as_bytes());
        assert_eq!(outcome.code, code, "{outcome:?}");
        assert!(outcome.errors.contains(part), "{outcome:?}");
    }
    assert_eq!(script.asked(), [""; 0]);
}
