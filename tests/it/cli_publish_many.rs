//! `luigi-mqtt publish -`: as many as standard input has, over one connection.

use std::io::Write;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use nix::sys::signal::Signal;

use crate::support::LIMIT;
use crate::support::Process;
use crate::support::Script;
use crate::support::wait_until;

/// Accepts whatever is not bad.
fn accepts_good(line: &str) -> Option<String> {
    let refused = r#"{"error":"invalid","reason":"attic","expected":"a number"}"#;
    Some(if line.contains("bad") { refused } else { r#"{"ok":"accepted"}"# }.to_owned())
}

#[test]
fn each_line_is_a_reading_and_a_wrong_one_is_named_and_does_not_keep_the_others() {
    let script = Script::start(accepts_good);
    let outcome = script.run(&["publish", "-"], b"attic 1\nattic bad\n\nattic\nattic 2");
    assert_eq!((outcome.output.as_str(), outcome.code), ("", 1));
    let mut errors: Vec<&str> = outcome.errors.lines().collect();
    // Lines are read ahead of the answers.
    errors.sort_unstable();
    assert_eq!(
        errors,
        [
            "luigi-mqtt: line 2: attic: expected a number",
            "luigi-mqtt: line 4: no value in the line: expected SENSOR VALUE",
        ]
    );
    assert_eq!(script.asked().len(), 3);
    assert!(script.asked()[2].contains(r#""value":"2""#), "{:?}", script.asked());
}

#[test]
fn thousands_go_through_one_connection_in_order() {
    let script = Script::always(r#"{"ok":"accepted"}"#);
    let input: String = (0..5_000).map(|it| format!("a/b {it}\n")).collect();
    let outcome = script.run(&["publish", "--topic-lines", "--qos", "0"], input.as_bytes());
    assert_eq!((outcome.output.as_str(), outcome.errors.as_str(), outcome.code), ("", "", 0));
    let expected =
        (0..5_000).map(|it| format!(r#"{{"op":"publish","payload":"{it}","qos":0,"topic":"a/b"}}"#));
    assert!(script.asked().into_iter().eq(expected));
}

#[test]
fn json_answers_name_the_line_and_carry_the_tag() {
    let script = Script::start(accepts_good);
    let input = br#"{"op":"reading","entity":"attic","value":1,"tag":"first"}
        {"op":"reading","entity":"attic","value":"bad","tag":2}"#;
    let outcome = script.run(&["publish", "--json-lines", "--json"], input);
    assert_eq!((outcome.errors.as_str(), outcome.code), ("", 1));
    assert_eq!(
        outcome.output.lines().collect::<Vec<_>>(),
        [
            r#"{"line":1,"ok":"accepted","tag":"first"}"#,
            r#"{"error":"invalid","expected":"a number","line":2,"reason":"attic","tag":2}"#,
        ]
    );
    assert_eq!(script.asked()[0], r#"{"entity":"attic","op":"reading","value":1}"#);
}

#[test]
fn one_that_comes_slowly_is_told_at_once_and_an_interruption_says_how_far_it_came() {
    let script = Script::always(r#"{"ok":"accepted"}"#);
    let mut command = script.command(&["publish", "--stdin", "--json"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let (answers, errors) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<Vec<String>>>::default());
    let (seen, said) = (Arc::clone(&answers), Arc::clone(&errors));
    let readers = [
        Process::each_line(child.stdout.take().unwrap(), move |it| seen.lock().unwrap().push(it)),
        Process::each_line(child.stderr.take().unwrap(), move |it| said.lock().unwrap().push(it)),
    ];
    let mut child = Process::of(child);
    for count in 1..=3 {
        writeln!(stdin, "attic {count}").unwrap();
        wait_until("the answer to a line", LIMIT, || answers.lock().unwrap().len() == count);
    }
    child.signal(Signal::SIGINT);
    assert_eq!(child.wait_exit(LIMIT).code(), Some(130));
    readers.into_iter().for_each(|it| it.join().unwrap());
    assert_eq!(*errors.lock().unwrap(), ["luigi-mqtt: interrupted: 3 accepted, 0 refused"]);
}

#[test]
fn people_see_how_many_there_are() {
    let script = Script::start(accepts_good);
    let outcome =
        script.on_a_terminal("publish - <<< $'attic 1\\nattic bad\\nattic 2'", &[("SHELL", "/bin/bash")]);
    assert_eq!(outcome.code, 1, "{outcome:?}");
    let lines: Vec<&str> = outcome.output.lines().map(|it| it.rsplit("\u{1b}[K").next().unwrap()).collect();
    assert_eq!(lines, ["luigi-mqtt: line 2: attic: expected a number", "2 accepted, 1 refused"]);
}

#[test]
fn a_daemon_that_goes_away_in_the_middle_leaves_no_doubt_how_much_it_took() {
    let mut count = 0;
    let script = Script::start(move |_| {
        count += 1;
        (count <= 2).then(|| r#"{"ok":"accepted"}"#.to_owned())
    });
    let outcome = script.run(&["publish", "-"], b"a 1\na 2\na 3\n");
    assert_eq!(outcome.code, 69, "{outcome:?}");
    let last = outcome.errors.lines().last();
    assert_eq!(last, Some("luigi-mqtt: not all was published: 2 accepted, 0 refused, 1 without an answer"));
}

#[test]
fn lines_and_a_single_value_do_not_go_together() {
    let script = Script::always(r#"{"ok":"accepted"}"#);
    for arguments in [["publish", "--stdin", "attic", "1"].as_slice(), &["publish", "--stdin", "-t", "a"]] {
        let outcome = script.run(arguments, b"attic 1");
        assert_eq!(outcome.code, 2, "{outcome:?}");
    }
    assert_eq!(script.asked(), [""; 0]);
}
