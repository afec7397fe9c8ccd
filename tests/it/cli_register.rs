//! `luigi-mqtt register` and `unregister`.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use nix::sys::signal::Signal;

use crate::support::LIMIT;
use crate::support::Process;
use crate::support::Script;
use crate::support::wait_until;

#[test]
fn an_entity_is_registered_for_good_unless_it_is_to_end_with_the_command() {
    let script = Script::always(r#"{"ok":"registered"}"#);
    let outcome = script.run(&["register", "sensor", "attic", "--unit", "°C"], b"");
    assert_eq!((outcome.output.as_str(), outcome.errors.as_str(), outcome.code), ("", "", 0));
    let outcome = script.run(&["unregister", "attic"], b"");
    assert_eq!((outcome.output.as_str(), outcome.errors.as_str(), outcome.code), ("", "", 0));
    assert_eq!(
        script.asked(),
        [
            r#"{"entity":{"id":"attic","name":"Attic","platform":"sensor","unit":"°C"},"op":"register","permanent":true}"#,
            r#"{"entity":"attic","op":"unregister"}"#,
        ]
    );
}

#[test]
fn what_home_assistant_asks_of_an_entity_is_printed_for_as_long_as_the_command_runs() {
    let answer = "{\"command\":{\"entity\":\"bell\",\"value\":\"PRESS\"}}\n{\"ok\":\"registered\"}\n\
                  {\"command\":{\"entity\":\"bell\",\"value\":\"again\"}}";
    let script = Script::always(answer);
    let mut command = script.command(&["register", "button", "bell", "--until-exit"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&lines);
    let reader = Process::each_line(child.stdout.take().unwrap(), move |it| seen.lock().unwrap().push(it));
    let mut child = Process::of(child);
    wait_until("both commands", LIMIT, || lines.lock().unwrap().len() == 2);
    child.signal(Signal::SIGTERM);
    child.wait_exit(LIMIT);
    reader.join().unwrap();
    assert_eq!(
        *lines.lock().unwrap(),
        [r#"{"entity":"bell","value":"PRESS"}"#, r#"{"entity":"bell","value":"again"}"#]
    );
    assert!(!script.asked()[0].contains("permanent"), "{:?}", script.asked());
}

#[test]
fn an_entity_goes_when_nobody_reads_any_more_what_is_asked_of_it() {
    let answer = "{\"ok\":\"registered\"}\n{\"command\":{\"entity\":\"bell\",\"value\":true}}";
    let script = Script::always(answer);
    let mut command = script.command(&["register", "button", "bell", "--until-exit"]);
    let (_, output) = UnixStream::pair().unwrap();
    let child = command.stdin(Stdio::null()).stdout(OwnedFd::from(output)).spawn().unwrap();
    assert_eq!(Process::of(child).wait_exit(LIMIT).code(), Some(0));
}

#[test]
fn a_refusal_is_told_and_has_a_code() {
    let script = Script::always(
        r#"{"error":"taken","reason":"attic is fed by [Sensor attic]","expected":"another id"}"#,
    );
    let outcome = script.run(&["register", "sensor", "attic"], b"");
    assert_eq!(outcome.code, 65);
    assert_eq!(outcome.errors, "luigi-mqtt: attic is fed by [Sensor attic]: expected another id\n");
    let outcome = script.run(&["unregister", "at/tic"], b"");
    assert_eq!(outcome.code, 65, "{outcome:?}");
    assert_eq!(script.asked().len(), 1, "what can be no id is not asked");
}
