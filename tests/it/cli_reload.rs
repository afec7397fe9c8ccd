//! `luigi-mqtt reload`.

use crate::support::Script;

#[track_caller]
fn check(answer: &str, arguments: &[&str], output: &str, errors: &str, code: i32) {
    let script = Script::always(answer);
    let outcome = script.run(&[&["reload"], arguments].concat(), b"");
    assert_eq!((outcome.output.as_str(), outcome.errors.as_str(), outcome.code), (output, errors, code));
    assert_eq!(script.asked(), [r#"{"op":"reload"}"#]);
}

#[test]
fn what_has_changed_is_printed() {
    let answer = r#"{"added":["Sensor attic"],"changed":[],"connection_made_anew_for":[],"needs_restart":[],"ok":"reloaded","removed":["Host wifi"]}"#;
    check(answer, &[], "added: Sensor attic\nremoved: Host wifi\n", "", 0);
    check(answer, &["--json"], &format!("{answer}\n"), "", 0);
}

#[test]
fn every_mistake_is_printed_and_nothing_has_changed() {
    let answer = r#"{"error":"configuration","problems":["a.conf:7: [Client] QOS: expected 0, 1 or 2","a.conf:9: [Hosts]: unknown section"],"reason":"the configuration has 2 mistakes"}"#;
    check(
        answer,
        &[],
        "",
        "a.conf:7: [Client] QOS: expected 0, 1 or 2\na.conf:9: [Hosts]: unknown section\n\
         luigi-mqtt: nothing was changed, for the configuration is wrong\n",
        78,
    );
    check(answer, &["--json"], &format!("{answer}\n"), "", 78);
}

#[test]
fn who_may_not_is_told_so() {
    check(
        r#"{"error":"forbidden","reason":"reload is for the group admins","expected":"a member of it"}"#,
        &[],
        "",
        "luigi-mqtt: reload is for the group admins: expected a member of it\n",
        77,
    );
}
