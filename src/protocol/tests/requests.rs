//! What is asked, and what is wrong with it.

use std::thread;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::super::{Code, Envelope, Failure, LINE_BYTES, Request, payload_of};
use crate::model::Delivery;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Topic;
use crate::model::TopicFilter;

fn parse(line: &str) -> Result<Envelope, (Option<Json>, Failure)> {
    Envelope::parse(line.as_bytes())
}

/// What `line` is refused with: code, and what is said to people.
#[track_caller]
fn check_refused(line: &str, code: Code, text: &str) {
    let (_, failure) = parse(line).expect_err(line);
    assert_eq!((failure.code, failure.to_string().as_str()), (code, text), "{line}");
}

/// What comes back from the line that asks `request`.
#[track_caller]
fn check_repeated(request: Request) {
    let line = request.line();
    assert!(!line.contains('\n'), "{line}");
    assert_eq!(parse(&line).as_ref(), Ok(&Envelope { tag: None, request }), "{line}");
}

fn id(text: &str) -> ObjectId {
    ObjectId::new(text).unwrap()
}

#[test]
fn every_request_is_read_from_the_line_that_it_writes() {
    let odd = ["", " ", "é", "\"", "\\", "\n", "\u{0}", "\u{1f4a9}", "a\u{2028}b", "{\"op\":1}", "null", "0"];
    let reading = |value, attributes, available, wait| Request::Reading {
        entity: id("attic-1_x"),
        value,
        attributes,
        available,
        wait,
    };
    for text in odd {
        let attributes = json!({text: text, "deep": [{"a": null}]}).as_object().cloned();
        check_repeated(reading(Some(json!(text)), attributes, Some(false), None));
        check_repeated(Request::Set { entity: format!("x{text}"), value: json!({text: [1, text]}) });
        check_repeated(Request::Get { entity: format!("{text}x") });
        check_repeated(Request::Devices { after: Some(text.to_owned()) });
        let description = json!({"id": text, "device": {"id": text}}).as_object().cloned().unwrap();
        check_repeated(Request::Register { description, permanent: text.is_empty() });
        for (qos, retain) in [(None, false), (Some(Qos::AtMostOnce), true), (Some(Qos::ExactlyOnce), false)] {
            let topic = Topic::new(format!("a/{}", text.replace('\0', ""))).unwrap();
            let (payload, wait) = (text.as_bytes().to_vec(), Some(Duration::from_millis(1500)));
            let delivery = if retain { Delivery::Latest } else { Delivery::Every };
            check_repeated(Request::Publish { topic, payload, qos, retain, delivery, wait });
        }
    }
    for value in [json!(null), json!(true), json!(-5), json!(21.5), json!(u64::MAX), json!(1e300), json!({})]
    {
        check_repeated(reading(Some(value), None, None, None));
    }
    for nanos in [1, 999_999_999, 1_000_000_000, 3_599_999_999_999, 3_600_000_000_000] {
        check_repeated(reading(None, None, Some(true), Some(Duration::from_nanos(nanos))));
    }
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        check_repeated(Request::Subscribe { filter: TopicFilter::new("a/+/#").unwrap(), qos });
    }
    check_repeated(Request::Unregister { entity: id("x") });
    check_repeated(Request::Unsubscribe { subscription: u64::MAX });
    for request in
        [Request::Hello, Request::Devices { after: None }, Request::Watch, Request::Status, Request::Reload]
    {
        check_repeated(request);
    }
}

#[test]
fn payloads_of_any_bytes_come_through() {
    let mut payload = Vec::new();
    for byte in 0..=u8::MAX {
        let request = Request::Publish {
            topic: Topic::new("a").unwrap(),
            payload: payload.clone(),
            qos: None,
            retain: false,
            delivery: Delivery::Every,
            wait: None,
        };
        let fields: Json = serde_json::from_str(&request.line()).unwrap();
        assert_eq!(payload_of(fields.as_object().unwrap()).as_ref(), Some(&payload));
        check_repeated(request);
        payload.insert(payload.len() / 2, byte);
    }
}

#[test]
fn a_payload_that_is_json_goes_out_as_it_is_spelt() {
    for (found, payload) in [
        (r#"{"b": 1.10,"a":[ 1e400 ]}"#, r#"{"b": 1.10,"a":[ 1e400 ]}"#),
        (r#""a\n\u00e9""#, "a\né"),
        ("21.50", "21.50"),
        ("null", "null"),
        (r#""""#, ""),
    ] {
        let Ok(Envelope { request: Request::Publish { payload: read, .. }, .. }) =
            parse(&format!(r#"{{"op":"publish","topic":"a","payload": {found} }}"#))
        else {
            panic!("{found}");
        };
        assert_eq!(String::from_utf8(read).unwrap(), payload);
    }
}

#[test]
fn what_is_left_out_is_as_the_reference_says() {
    let publish = Request::Publish {
        topic: Topic::new("a").unwrap(),
        payload: b"b".to_vec(),
        qos: None,
        retain: false,
        delivery: Delivery::Every,
        wait: None,
    };
    let register =
        Request::Register { description: json!({}).as_object().cloned().unwrap(), permanent: false };
    let subscribe = Request::Subscribe { filter: TopicFilter::new("a").unwrap(), qos: Qos::AtLeastOnce };
    for (line, request) in [
        (r#"{"op":"publish","topic":"a","payload_base64":"Yg=="}"#, publish),
        (r#"{"op":"register","entity":{}}"#, register),
        (r#"{"op":"subscribe","topic":"a"}"#, subscribe),
        (" {\"protocol\" : 1 ,\t\"op\":\"st\\u0061tus\"}\r", Request::Status),
    ] {
        assert_eq!(parse(line), Ok(Envelope { tag: None, request }), "{line}");
    }
}

#[test]
fn the_tag_comes_back_with_whatever_is_wrong() {
    for (line, tag) in [
        (r#"{"tag":7,"op":"status"}"#, Some(json!(7))),
        (r#"{"op":"status","tag":"a\"b"}"#, Some(json!("a\"b"))),
        (r#"{"op":"status","tag":1.5}"#, Some(json!(1.5))),
        (r#"{"op":"stats","tag":7}"#, Some(json!(7))),
        (r#"{"op":"status","tag":7,"x":1}"#, Some(json!(7))),
        (r#"{"tag":7,"op":"status","protocol":2}"#, Some(json!(7))),
        (r#"{"tag":7,"op":"status"#, Some(json!(7))),
        (r#"{"tag":7} x"#, Some(json!(7))),
        (r#"{"tag":7,"tag":8,"op":"status"}"#, Some(json!(7))),
        (r#"{"op":"status","tag":null}"#, None),
        (r#"{"op":"status","tag":[7]}"#, None),
        (r#"{"op":"status","tag"#, None),
    ] {
        let found = match parse(line) {
            Ok(envelope) => envelope.tag,
            Err((tag, _)) => tag,
        };
        assert_eq!(found, tag, "{line}");
    }
    let long = "x".repeat(129);
    check_refused(
        &format!(r#"{{"op":"status","tag":"{long}"}}"#),
        Code::Field,
        &format!(r#"the field tag is "{}…: expected a number, or a text of at most 128 bytes"#, &long[..59]),
    );
}

#[test]
fn what_is_no_request_is_refused_with_the_nearest_that_is() {
    const ALL: &str = "one of hello, reading, publish, register, unregister, subscribe, unsubscribe, devices, watch, \
                       get, set, status, reload";
    for (line, code, text) in [
        ("", Code::NotJson, "the line is empty: expected a JSON object".to_owned()),
        ("[1]", Code::NotJson, "the line is [1]: expected a JSON object".to_owned()),
        ("{}", Code::UnknownOperation, format!("the field op is missing: expected {ALL}")),
        (
            r#"{"op":"raeding"}"#,
            Code::UnknownOperation,
            format!(r#"the operation "raeding" is unknown (did you mean reading?): expected {ALL}"#),
        ),
        (r#"{"op":7}"#, Code::UnknownOperation, format!("the operation 7 is unknown: expected {ALL}")),
        (
            r#"{"op":"hello","protocol":2}"#,
            Code::UnknownVersion,
            "version 2 of the protocol is not spoken here: expected 1".to_owned(),
        ),
        (
            r#"{"op":"hello","protocol":"1"}"#,
            Code::Field,
            r#"the field protocol is "1": expected a whole number, the version"#.to_owned(),
        ),
    ] {
        check_refused(line, code, &text);
    }
    for (line, cause) in [
        (r#"{"op":"status""#, "EOF while parsing an object at line 1 column 14"),
        (r#"{"op":"status"} {}"#, "trailing characters at line 1 column 17"),
        (r#"{op:"status"}"#, "key must be a string at line 1 column 2"),
        (r#"{"op":"status",}"#, "trailing comma at line 1 column 16"),
    ] {
        check_refused(line, Code::NotJson, &format!("the line is no JSON: {cause}: expected a JSON object"));
    }
}

#[test]
fn a_wrong_field_is_named_with_what_it_can_be_and_what_it_is() {
    const ID: &str = "an id of 1 to 64 of a-z A-Z 0-9 _ -";
    const WAIT: &str = "seconds, more than 0 and at most 3600";
    const FILTER: &str = "a topic filter, + and # only as whole levels, # as the last";
    for (fields, text) in [
        (r#""op":"reading""#, format!("the field entity is missing: expected {ID}")),
        (
            r#""op":"reading","entity":"a""#,
            "the field value is missing: expected it, or attributes, or available".to_owned(),
        ),
        (
            r#""op":"reading","entity":"a","valeu":1"#,
            "the field valeu is unknown (did you mean value?): expected only entity, value, attributes, available, \
             wait, op, tag, protocol"
                .to_owned(),
        ),
        (
            r#""op":"status","entity":"a""#,
            "the field entity is unknown: expected only op, tag, protocol".to_owned(),
        ),
        (
            r#""op":"get","entity":"a","entity":"b""#,
            "the field entity is there twice: expected it once".to_owned(),
        ),
        (r#""op":"get","tag":1,"entity":"b","tag":2"#, "the field tag is there twice: expected it once".to_owned()),
        (r#""op":"reading","entity":"a b""#, format!(r#"the field entity is "a b": expected {ID}"#)),
        (r#""op":"reading","entity":null"#, format!("the field entity is null: expected {ID}")),
        (r#""op":"reading","entity":"a","value":1,"wait":0"#, format!("the field wait is 0: expected {WAIT}")),
        (
            r#""op":"reading","entity":"a","value":1,"wait":1e-300"#,
            format!("the field wait is 1e-300: expected {WAIT}"),
        ),
        (
            r#""op":"reading","entity":"a","value":1,"wait":3600.001"#,
            format!("the field wait is 3600.001: expected {WAIT}"),
        ),
        (
            r#""op":"reading","entity":"a","value":1,"wait":-1"#,
            format!("the field wait is -1: expected {WAIT}"),
        ),
        (
            r#""op":"reading","entity":"a","available":"yes""#,
            r#"the field available is "yes": expected true or false"#.to_owned(),
        ),
        (
            r#""op":"reading","entity":"a","attributes":[1,2]"#,
            "the field attributes is [1,2]: expected a JSON object".to_owned(),
        ),
        (
            r#""op":"publish","topic":"a/+","payload":"x""#,
            r#"the field topic is "a/+": expected a topic without wildcards"#.to_owned(),
        ),
        (r#""op":"publish","topic":"a""#, "the field payload is missing: expected it, or payload_base64".to_owned()),
        (
            r#""op":"publish","topic":"a","payload":"","payload_base64":"""#,
            "the fields payload and payload_base64 are both there: expected one of them".to_owned(),
        ),
        (
            r#""op":"publish","topic":"a","payload_base64":"Yg""#,
            r#"the field payload_base64 is "Yg": expected base64 with its padding"#.to_owned(),
        ),
        (
            r#""op":"publish","topic":"a","payload":"\ud800""#,
            r#"the field payload is "\ud800": expected a text in Unicode, or other JSON"#.to_owned(),
        ),
        (
            r#""op":"publish","topic":"a","payload":"","qos":3"#,
            "the field qos is 3: expected 0, 1 or 2".to_owned(),
        ),
        (
            r#""op":"publish","topic":"a","payload":"","qos":257"#,
            "the field qos is 257: expected 0, 1 or 2".to_owned(),
        ),
        (
            r#""op":"publish","topic":"a","payload":"","delivery":"newest""#,
            r#"the field delivery is "newest": expected "every" or "latest""#.to_owned(),
        ),
        (r#""op":"subscribe","topic":"a/#/b""#, format!(r##"the field topic is "a/#/b": expected {FILTER}"##)),
        (
            r#""op":"unsubscribe","subscription":-1"#,
            "the field subscription is -1: expected the number that subscribe was answered".to_owned(),
        ),
        (r#""op":"register""#, "the field entity is missing: expected its description".to_owned()),
        (
            r#""op":"get","entity":"""#,
            r#"the field entity is "": expected the id of one of ours, or the unique id of another's"#.to_owned(),
        ),
        (
            r#""op":"set","entity":"a""#,
            "the field value is missing: expected a value, or an object of several".to_owned(),
        ),
    ] {
        check_refused(&format!("{{{fields}}}"), Code::Field, &text);
    }
    let (_, failure) = parse(r#"{"op":"publish","topic":"a","payload":1,"qos":3}"#).unwrap_err();
    assert_eq!(failure.more["field"], "qos", "for programs");
}

#[test]
fn what_goes_back_is_short_however_long_the_line_is() {
    let long = "y".repeat(LINE_BYTES);
    let many: String = (0..20_000).map(|it| format!(r#","f{it}":0"#)).collect();
    for line in [
        long.clone(),
        format!("\"{long}\""),
        format!(r#"{{"{long}":1}}"#),
        format!(r#"{{"op":"{long}"}}"#),
        format!(r#"{{"op":"status","{long}":1}}"#),
        format!(r#"{{"op":"get","entity":["{long}"]}}"#),
        format!(r#"{{"op":"reading","entity":"{long}","value":1}}"#),
        format!(r#"{{"op":"status"{many},"tag":"a"}}"#),
        format!("{{{}:1}}", "[".repeat(100_000)),
    ] {
        let (tag, failure) = parse(&line).unwrap_err();
        let answer = failure.line(tag.as_ref());
        assert!(answer.len() < 500, "{answer}");
        assert_eq!(tag.is_some(), line.ends_with(r#""tag":"a"}"#));
    }
}

#[test]
fn what_is_no_utf_8_is_refused() {
    for line in [
        &b"\xff"[..],
        b"{\"op\":\"\xff\"}",
        b"{\"\xc3\x28\":1}",
        b"{\"op\":\"publish\",\"topic\":\"a\",\"payload\":\"\xed\xa0\x80\"}",
        b"{\"op\":\"publish\",\"topic\":\"a\",\"payload\":{\"\xfe\":1}}",
    ] {
        assert_eq!(Envelope::parse(line).unwrap_err().1.code, Code::NotJson, "{line:?}");
    }
}

/// As small as those of the daemon's threads.
const STACK_BYTES: usize = 256 << 10;

#[test]
fn however_deep_a_line_is_the_stack_suffices() {
    let deep = |open: &str, close: &str, times: usize| [open.repeat(times), close.repeat(times)].join("1");
    let check = move || {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            for times in [31, 32, 33, 127, 128, 1_000, 40_000] {
                let value = deep(open, close, times);
                let read = parse(&format!(r#"{{"op":"set","entity":"a","value":{value}}}"#));
                match times {
                    ..=32 => assert!(read.is_ok(), "{times}"),
                    _ => assert_eq!(read.unwrap_err().1.code, Code::NotJson, "{times}"),
                }
                // It is not looked into, but goes out as it is.
                let line = format!(r#"{{"op":"publish","topic":"a","payload":{value}}}"#);
                assert!(parse(&line).is_ok(), "{times}");
                for line in [
                    value.clone(),
                    format!(r#"{{"x":{value}}}"#),
                    format!(r#"{{"op":"register","entity":{value}}}"#),
                ] {
                    if let Ok(envelope) = parse(&line) {
                        assert!(parse(&envelope.request.line()).is_ok());
                    }
                }
            }
        }
    };
    thread::Builder::new().stack_size(STACK_BYTES).spawn(check).unwrap().join().unwrap();
}
