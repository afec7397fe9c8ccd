//! Programs at the daemon's socket that do not behave, beside one that does: it goes on being answered, its readings arrive, and
//! the daemon grows by little.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::support::LIMIT;
use crate::support::MOST_GROWTH;
use crate::support::Producer;
use crate::support::Siege;
use crate::support::resident;
use crate::support::wait_until;

fn connect(socket: &Path) -> UnixStream {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream
}

/// Writes `bytes` again and again and reads nothing, until nothing is taken for a moment or there were `most` of them.
/// Returns the connection, still open.
fn write_and_never_read(socket: &Path, bytes: &[u8], most: usize) -> UnixStream {
    let mut stream = connect(socket);
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    for _ in 0..most {
        if stream.write_all(bytes).is_err() {
            break;
        }
    }
    stream
}

/// Writes `count` lines, and reads as many answers meanwhile. Returns their codes: `error`, or `ok`.
fn answers(socket: &Path, count: usize, line: impl Fn(usize) -> Vec<u8> + Send + 'static) -> Vec<String> {
    let mut producer = Producer::at(socket);
    let stream = producer.stream().try_clone().unwrap();
    let writer = thread::spawn(move || {
        for number in 0..count {
            let mut line = line(number);
            line.push(b'\n');
            (&stream).write_all(&line).unwrap();
        }
    });
    let code = |answer: Json| answer["error"].as_str().or(answer["ok"].as_str()).unwrap().to_owned();
    let codes = (0..count).map(|_| code(producer.answer())).collect();
    writer.join().unwrap();
    codes
}

/// Waits until `stream` is closed by the other end, and returns what came before.
fn rest(mut stream: UnixStream) -> String {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn each_line_of_rubbish_has_its_error() {
    let mut siege = Siege::begin();
    siege.endure(|socket| {
        let deep = |open: &str, close: &str, times: usize| {
            let (open, close) = (open.repeat(times), close.repeat(times));
            format!("{{\"op\":\"reading\",\"entity\":\"room\",\"value\":{open}1{close}}}")
        };
        let mut lines: Vec<Vec<u8>> = [
            "",
            " ",
            "null",
            "[]",
            "{",
            "}",
            "0",
            "\"",
            "{\"op\":",
            "{\"op\":1}",
            "{\"op\":\"reading\"",
            "{\"op\":\"no such\"}",
            "{\"op\":\"reading\",\"op\":\"status\"}",
            "{\"op\":\"status\"}{\"op\":\"status\"}",
            "{\"op\":\"reading\",\"entity\":\"room\",\"value\":1e999}",
            "{\"op\":\"hello\",\"protocol\":99999999999999999999}",
            "\u{feff}{\"op\":\"hello\"}",
            "{\"op\":\"\u{0}\"}",
            "GET / HTTP/1.1",
        ]
        .map(|it| it.as_bytes().to_vec())
        .into();
        lines.extend([
            b"\xff\xfe".to_vec(),
            b"{\"op\":\"\xc3\x28\"}".to_vec(),
            b"{\"op\":\"hello\",\"tag\":\"\xff\"}".to_vec(),
        ]);
        for times in [32, 33, 127, 128, 1_000, 40_000] {
            lines.extend([deep("[", "]", times), deep("{\"a\":", "}", times)].map(String::into_bytes));
        }
        let bad = [
            "null",
            "-1",
            "1e308",
            "true",
            "[]",
            "{}",
            "\"\"",
            "\"\\u0000\"",
            "\"a\\nb\"",
            "\"\\ud800\"",
            "\"#/\"",
        ];
        for (op, fields) in FIELDS {
            for field in *fields {
                lines.extend(
                    bad.iter().map(|it| format!("{{\"op\":\"{op}\",\"{field}\":{it}}}").into_bytes()),
                );
                let long = "x".repeat(200_000);
                lines.push(format!("{{\"op\":\"{op}\",\"{field}\":\"{long}\"}}").into_bytes());
            }
        }
        let count = lines.len();
        let codes = answers(socket, count, move |it| lines[it].clone());
        for code in codes {
            assert!(
                ["hello", "not_json", "field", "unknown_operation", "unknown_version", "invalid"]
                    .contains(&&*code),
                "{code}"
            );
        }
    });
    siege.end();
}

#[test]
fn endless_lines_take_no_memory() {
    let mut siege = Siege::begin();
    siege.endure(|socket| {
        let mut producer = Producer::at(socket);
        for _ in 0..100 {
            producer.write(vec![b'x'; 1 << 20]);
        }
        producer.write("\n{\"op\":\"hello\"}\n");
        assert_eq!(
            (producer.answer()["error"].take(), producer.answer()["ok"].take()),
            (json!("line_too_long"), json!("hello"))
        );
    });
    siege.endure(|socket| {
        // Half a line each, and nobody ends it.
        let halves: Vec<_> = (0..25).map(|_| write_and_never_read(socket, &[b'x'; 250_000], 1)).collect();
        drop(halves);
    });
    siege.end();
}

#[test]
fn thousands_who_connect_and_say_nothing_or_little_keep_nobody_out() {
    let mut siege = Siege::begin();
    siege.endure(|socket| {
        let silent: Vec<_> = (0..500).map(|_| connect(socket)).collect();
        for _ in 0..3_000 {
            drop(connect(socket));
        }
        for _ in 0..300 {
            assert_eq!(Producer::at(socket).ask(&json!({"op": "hello"}))["ok"], "hello");
        }
        drop(silent);
    });
    siege.end();
}

#[test]
fn who_never_reads_an_answer_or_an_event_is_no_ones_but_its_own_trouble() {
    let mut siege = Siege::begin();
    siege.endure(|socket| {
        let readings = b"{\"op\":\"reading\",\"entity\":\"room\",\"value\":1}\n".repeat(100);
        let deaf: Vec<_> = [&readings[..], b"{\"op\":\"status\"}\n", b"{\"op\":\"nonsense\"}\n{}\n"]
            .iter()
            .map(|it| write_and_never_read(socket, it, 5_000))
            .collect();
        // What is published comes to eight that never read, at each of their subscriptions.
        let subscribe = b"{\"op\":\"subscribe\",\"topic\":\"flood/#\"}\n{\"op\":\"watch\"}\n";
        let listeners: Vec<_> = (0..8).map(|_| write_and_never_read(socket, subscribe, 40)).collect();
        let large = "x".repeat(200_000);
        let codes = answers(socket, 150, move |it| {
            format!("{{\"op\":\"publish\",\"topic\":\"flood/{it}\",\"payload\":\"{large}\",\"qos\":0}}")
                .into_bytes()
        });
        assert!(codes.iter().all(|it| it == "accepted" || it == "queued"), "{codes:?}");
        drop((deaf, listeners));
    });
    siege.end();
}

#[test]
fn who_dies_in_the_middle_leaves_nothing_behind() {
    let mut siege = Siege::begin();
    siege.endure(|socket| {
        for number in 0..100 {
            let register = format!(
                "{{\"op\":\"register\",\"entity\":{{\"platform\":\"switch\",\"id\":\"dies{}\",\"name\":\"Dies\"}}}}\n",
                number % 5
            );
            for middle in [
                "{\"op\":\"reading\",\"entity\":\"ro",
                "{\"op\":\"reading\",\"entity\":\"room\",\"value\":2,\"wait\":3600}\n",
                "{\"op\":\"devices\"}\n{\"op\":\"get\",\"entity\":\"nobody\"}\n",
                "{\"op\":\"subscribe\",\"topic\":\"#\"}\n{\"op\":\"watch\"}\n",
                &register,
            ] {
                write_and_never_read(socket, middle.as_bytes(), 1);
            }
        }
    });
    let daemon = &siege.daemon;
    let (mut watcher, own) = (Producer::connect(daemon), json!(std::process::id()));
    wait_until("all to have gone", LIMIT, || {
        let status = watcher.ask(&json!({"op": "status"}));
        let clients = status["status"]["clients"].as_array().unwrap();
        clients.len() == 2 && clients.iter().all(|it| it["pid"] == own)
    });
    siege.end();
}

#[test]
fn a_flood_of_each_operation_is_answered_line_by_line() {
    let mut siege = Siege::begin();
    siege.endure(|socket| {
        let requests = [
            json!({"op": "status"}),
            json!({"op": "devices"}),
            json!({"op": "get", "entity": "x".repeat(1_000)}),
            json!({"op": "register", "entity": {"platform": "sensor", "id": "flood", "name": "Flood"}}),
            json!({"op": "reading", "entity": "flood", "value": "1"}),
            json!({"op": "unregister", "entity": "flood"}),
            json!({"op": "subscribe", "topic": "a/+"}),
            json!({"op": "unsubscribe", "subscription": 1}),
            json!({"op": "set", "entity": "nobody", "value": "on"}),
        ];
        let lines: Vec<Vec<u8>> = requests.map(|it| it.to_string().into_bytes()).into();
        let codes = answers(socket, 4_500, move |it| lines[it % lines.len()].clone());
        assert_eq!(codes.iter().filter(|it| *it == "status").count(), 500);
    });
    siege.end();
}

#[test]
fn who_has_the_configuration_read_again_and_again_has_to_wait_in_between() {
    let mut siege = Siege::begin();
    siege.endure(|socket| {
        let flood = write_and_never_read(socket, &b"{\"op\":\"reload\"}\n".repeat(1_000), 1);
        let second = Producer::at(socket).ask(&json!({"op": "reload"}));
        assert_eq!(second["ok"], "reloaded", "it has its turn beside the flood");
        drop(flood);
    });
    siege.daemon.wait_for_lines("the configuration is as it was", 2);
    assert!(siege.daemon.count("the configuration is as it was") < 100);
    siege.end();
}

#[test]
fn large_questions_about_devices_that_nobody_knows_take_little_memory() {
    let mut siege = Siege::begin();
    siege.endure(|socket| {
        let attackers: Vec<_> = (0..16)
            .map(|attacker| {
                let socket = socket.to_owned();
                thread::spawn(move || {
                    let much = "x".repeat(100_000);
                    let codes = answers(&socket, 60, move |it| {
                        let id = format!("nobody{attacker}_{it}");
                        format!("{{\"op\":\"set\",\"entity\":\"{id}\",\"value\":\"{much}\"}}").into_bytes()
                    });
                    assert!(codes.iter().all(|it| it == "unknown_entity"), "{codes:?}");
                })
            })
            .collect();
        attackers.into_iter().for_each(|it| it.join().unwrap());
    });
    siege.end();
}

#[test]
fn large_messages_that_the_broker_does_not_take_are_bounded() {
    let mut siege = Siege::begin();
    siege.mosquitto.kill();
    wait_until("the end of the connection", LIMIT, || {
        siege.polite.ask(&json!({"op": "status"}))["status"]["connection"]["up"] == false
    });
    let socket = siege.daemon.socket();
    let before = resident(&siege.daemon);
    let floods: Vec<_> = (0..4)
        .map(|flood| {
            let socket = socket.clone();
            thread::spawn(move || {
                let large = "x".repeat(200_000);
                answers(&socket, 200, move |it| {
                    let delivery = if it % 2 == 0 { "every" } else { "latest" };
                    format!(
                        "{{\"op\":\"publish\",\"topic\":\"flood/{flood}\",\"payload\":\"{large}\",\"delivery\":\"{delivery}\"}}"
                    )
                    .into_bytes()
                })
            })
        })
        .collect();
    let mut most = 0;
    while floods.iter().any(|it| !it.is_finished()) {
        let answer = siege.polite.ask(&json!({"op": "reading", "entity": "room", "value": 1}));
        assert_eq!(answer["ok"], "queued");
        most = most.max(resident(&siege.daemon));
    }
    for codes in floods.into_iter().map(|it| it.join().unwrap()) {
        assert!(codes.iter().all(|it| it == "queued"), "{codes:?}");
    }
    assert!(most < before + MOST_GROWTH, "from {before} to {most} KiB");
    siege.daemon.terminate();
    assert_eq!(siege.daemon.wait_exit(LIMIT).code(), Some(0), "{:#?}", siege.daemon.lines());
}

#[test]
fn thousands_of_waits_are_bounded_and_told_of_the_end() {
    let mut siege = Siege::begin();
    siege.mosquitto.kill();
    wait_until("the end of the connection", LIMIT, || {
        siege.polite.ask(&json!({"op": "status"}))["status"]["connection"]["up"] == false
    });
    let before = resident(&siege.daemon);
    let socket = siege.daemon.socket();
    let waits: Vec<_> = (0..5)
        .map(|number| {
            let tag = "t".repeat(128);
            let line = format!(
                "{{\"op\":\"publish\",\"topic\":\"wait/{number}\",\"payload\":\"x\",\"wait\":3600,\"tag\":\"{tag}\"}}\n"
            );
            let mut stream = connect(&socket);
            stream.write_all(line.repeat(1_000).as_bytes()).unwrap();
            stream
        })
        .collect();
    let mut last = Producer::connect(&siege.daemon);
    wait_until("all of them", LIMIT, || {
        let status = last.ask(&json!({"op": "status"}));
        let clients = status["status"]["clients"].as_array().unwrap().clone();
        clients.iter().filter(|it| it["requests"] == 1_000).count() == 5
    });
    let answer = siege.polite.ask(&json!({"op": "reading", "entity": "room", "value": 1}));
    assert_eq!(answer, json!({"ok": "queued", "in": "memory"}));
    let after = resident(&siege.daemon);
    assert!(after < before + MOST_GROWTH, "from {before} to {after} KiB");
    let readers: Vec<_> = waits.into_iter().map(|it| thread::spawn(move || rest(it))).collect();
    siege.daemon.terminate();
    for reader in readers {
        let text = reader.join().unwrap();
        assert!(text.starts_with("{\"error\":\"ended\""), "{text}");
    }
    assert_eq!(siege.daemon.wait_exit(LIMIT).code(), Some(0), "{:#?}", siege.daemon.lines());
}

/// What has fields.
const FIELDS: &[(&str, &[&str])] = &[
    ("reading", &["entity", "value", "attributes", "available", "wait"]),
    ("publish", &["topic", "payload_base64", "qos", "retain", "delivery", "wait"]),
    ("register", &["entity", "permanent"]),
    ("unregister", &["entity"]),
    ("subscribe", &["qos"]),
    ("unsubscribe", &["subscription"]),
    ("hello", &["tag", "protocol", "nonsense"]),
    ("status", &["after"]),
    ("devices", &["entity"]),
];
