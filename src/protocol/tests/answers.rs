//! What comes back: answers, failures, events, the status.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::super::{Answer, Code, Failure, Reply, Status};

/// What the program reads that is sent `line`.
#[track_caller]
fn check(line: &str, expected: Reply) {
    assert!(!line.contains('\n'), "{line}");
    assert_eq!(Reply::parse(line.as_bytes()), Ok(expected), "{line}");
}

fn object(json: Json) -> Map<String, Json> {
    json.as_object().cloned().unwrap()
}

#[test]
fn an_answer_is_read_as_it_was_given_whatever_its_tag() {
    let answer = Answer::ok("queued").with("in", "card").with("text", "a\nb\u{0}\"");
    let fields = object(json!({"in": "card", "text": "a\nb\u{0}\""}));
    for tag in [None, Some(json!(7)), Some(json!("ok\n"))] {
        let line = answer.clone().line(tag.as_ref());
        assert_eq!(serde_json::from_str::<Json>(&line).unwrap().get("tag"), tag.as_ref());
        check(&line, Reply::Ok("queued".to_owned(), fields.clone()));
    }
}

#[test]
fn a_failure_is_read_as_it_was_given() {
    for code in Code::ALL {
        assert_eq!(Code::from_name(code.as_str()), Some(code));
        let plain = Failure::new(code, "it is so");
        let whole = plain.clone().expected("another").with("problems", json!(["a", "b"]));
        for failure in [plain, whole] {
            check(&failure.clone().line(None), Reply::Failed(failure.clone()));
            check(&failure.clone().line(Some(&json!(1))), Reply::Failed(failure));
        }
    }
    assert_eq!(Code::from_name("field "), None);
}

#[test]
fn an_event_is_what_is_neither() {
    let content = json!({"entity": "pump", "value": true});
    let event = Reply::Event("command".to_owned(), content.clone());
    check(&Answer::event("command", content).line(None), event);
}

#[test]
fn what_a_newer_daemon_says_is_understood_as_far_as_it_goes() {
    let failure = Failure { code: Code::Internal, ..Failure::new(Code::Internal, "so") };
    check(r#"{"error":"too_hot","reason":"so"}"#, Reply::Failed(failure));
    let failure = Failure::new(Code::Full, "");
    check(r#"{"error":"full","expected":7}"#, Reply::Failed(failure));
    check(r#"{"ok":"cooled","by":3}"#, Reply::Ok("cooled".to_owned(), object(json!({"by": 3}))));
    check(r#"{"weather":[1]}"#, Reply::Event("weather".to_owned(), json!([1])));
}

#[test]
fn what_is_no_answer_is_said_to_be_none() {
    for (line, flaw) in [
        ("", "expected JSON: EOF while parsing a value at line 1 column 0"),
        ("HTTP/1.1 400", "expected JSON: expected value at line 1 column 1"),
        ("[]", "expected a JSON object"),
        ("{}", "expected an answer, found an empty object"),
        (r#"{"tag":1}"#, "expected an answer, found an empty object"),
    ] {
        assert_eq!(Reply::parse(line.as_bytes()), Err(flaw.to_owned()), "{line}");
    }
}

#[test]
fn the_status_is_read_as_it_was_told_and_a_newer_or_older_one_too() {
    let mut status = Status { version: "1.2.3".to_owned(), pid: 7, uptime: 86_400, ..Status::default() };
    status.connection.error = Some("refused".to_owned());
    status.messages.delivered = u64::MAX;
    status.entities = BTreeMap::from([("attic".to_owned(), status.messages.clone())]);
    status.troubles = vec![Default::default()];
    status.clients = vec![Default::default()];
    let line = Answer::ok("status").with("status", json!(status)).line(None);
    let Ok(Reply::Ok(_, mut fields)) = Reply::parse(line.as_bytes()) else { panic!("{line}") };
    let mut told = fields.remove("status").unwrap();
    assert_eq!(serde_json::from_value::<Status>(told.clone()).unwrap(), status);
    told["connection"]["latency"] = 5.into();
    told.as_object_mut().unwrap().remove("memory");
    assert_eq!(serde_json::from_value::<Status>(told).unwrap(), status);
}
