//! Other programs at the daemon's socket, with a real broker behind it.

use std::fs;

use serde_json::{Value as Json, json};

use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Producer;
use crate::support::wait_until;

/// A configuration without the machine's own readings, and with what `sections` declare.
fn fed(mosquitto: &Mosquitto, sections: &str) -> String {
    Configuration::new(mosquitto.port()).set("Host", "ENABLED", "no").text() + sections
}

fn wait_exit(daemon: &mut Daemon) {
    daemon.terminate();
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0), "{:#?}", daemon.lines());
}

fn reading(entity: &str, value: impl Into<Json>) -> Json {
    json!({"op": "reading", "entity": entity, "value": value.into()})
}

/// The answer to `request`, which is that it was not carried out.
#[track_caller]
fn refused(producer: &mut Producer, request: &Json, code: &str) -> String {
    let answer = producer.ask(request);
    assert_eq!(answer["error"], code, "{request}: {answer}");
    answer["reason"].as_str().unwrap().to_owned()
}

/// Waits until the daemon says that it is connected.
fn wait_connected(producer: &mut Producer) {
    wait_until("the connection", LIMIT, || {
        producer.ask(&json!({"op": "status"}))["status"]["connection"]["up"] == true
    });
}

const ROOM: &str = "[Sensor room]\nSOURCE=socket\nDEVICE_CLASS=temperature\nUNIT=°C\n\
                    [BinarySensor door]\nSOURCE=socket\nDEVICE_CLASS=door\n\
                    [Sensor load]\nPATH=/proc/loadavg\nREGEX=^(\\S+)\n";

#[test]
fn a_reading_is_answered_with_what_has_become_of_it() {
    let mut mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::lasting(&mosquitto, &["#"]);
    let mut daemon = Daemon::start(&fed(&mosquitto, ROOM));
    let mut producer = Producer::connect(&daemon);
    wait_connected(&mut producer);

    assert_eq!(producer.ask(&reading("room", 21.5)), json!({"ok": "accepted"}));
    observer.wait_for_latest("luigi/pi/room", "21.5");
    let tagged = json!({"op": "reading", "entity": "door", "value": "on", "wait": 30, "tag": 7});
    assert_eq!(producer.ask(&tagged), json!({"ok": "delivered", "tag": 7}));
    observer.wait_for_latest("luigi/pi/door", "ON");

    assert!(refused(&mut producer, &reading("attic", 1), "unknown_entity").contains("attic"));
    assert!(refused(&mut producer, &reading("room", "warm"), "invalid").contains("room"));
    assert!(refused(&mut producer, &reading("load", 1), "taken").contains("[Sensor load]"));
    refused(&mut producer, &json!({"op": "reading", "entity": "room"}), "field");
    refused(&mut producer, &json!({"op": "dance"}), "unknown_operation");
    refused(&mut producer, &json!(7), "not_json");

    mosquitto.kill();
    wait_until("the end of the connection", LIMIT, || {
        producer.ask(&reading("room", 22)) == json!({"ok": "queued", "in": "memory"})
    });
    let waiting = json!({"op": "reading", "entity": "room", "value": 23, "wait": 0.01});
    assert!(refused(&mut producer, &waiting, "timeout").contains("on its way"));
    mosquitto.start_again();
    observer.wait_for_latest("luigi/pi/room", "23");
    wait_exit(&mut daemon);
    assert!(!daemon.socket().exists(), "the socket is taken away");
}

#[test]
fn a_message_of_ones_own_goes_where_it_is_told_to() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let mut daemon = Daemon::start(&fed(&mosquitto, ""));
    let mut producer = Producer::connect(&daemon);
    wait_connected(&mut producer);
    for (fields, payload) in [
        (json!({"payload": "on"}), &b"on"[..]),
        (json!({"payload": {"a": 1}}), br#"{"a":1}"#),
        (json!({"payload_base64": "/wA="}), b"\xff\x00"),
        (json!({"payload": ""}), b""),
    ] {
        let mut request = json!({"op": "publish", "topic": "a/b", "qos": 2, "retain": true, "wait": 30});
        request.as_object_mut().unwrap().append(fields.clone().as_object_mut().unwrap());
        assert_eq!(producer.ask(&request), json!({"ok": "delivered"}), "{request}");
        observer.wait_for("the message", LIMIT, |it| {
            it.iter().rev().find(|it| it.topic == "a/b").is_some_and(|it| it.payload == payload)
        });
    }
    refused(&mut producer, &json!({"op": "publish", "topic": "a/#", "payload": ""}), "field");
    wait_exit(&mut daemon);
}

#[test]
fn what_is_published_comes_to_who_has_asked_for_it() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    mosquitto.publish("house/kept", "old", true);
    let mut daemon = Daemon::start(&fed(&mosquitto, ""));
    let mut producer = Producer::connect(&daemon);
    wait_connected(&mut producer);
    let answer = producer.ask(&json!({"op": "subscribe", "topic": "house/+"}));
    let number = answer["subscription"].as_u64().unwrap();
    let message = |topic: &str, payload: &str, retained: bool| json!({"message": {"subscription": number, "topic": topic, "payload": payload, "retained": retained}});
    assert_eq!(producer.event(), message("house/kept", "old", true));
    mosquitto.publish("house/door", "open", false);
    assert_eq!(producer.event(), message("house/door", "open", false));
    let end = json!({"op": "unsubscribe", "subscription": number});
    assert_eq!(producer.ask(&end), json!({"ok": "unsubscribed"}));
    refused(&mut producer, &end, "field");
    wait_exit(&mut daemon);
}

#[test]
fn a_message_that_no_line_has_room_for_counts_as_dropped() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let mut daemon = Daemon::start(&fed(&mosquitto, ""));
    let mut producer = Producer::connect(&daemon);
    wait_connected(&mut producer);
    producer.ask(&json!({"op": "subscribe", "topic": "garden/picture"}));
    mosquitto.publish("garden/picture", vec![b'x'; 300_000], false);
    daemon.wait_for_line("no line has room for 300000 bytes");
    // Short enough, but not in base64.
    mosquitto.publish("garden/picture", vec![0xff; 200_000], false);
    mosquitto.publish("garden/picture", "last", false);
    let message = &producer.event()["message"];
    assert_eq!((&message["payload"], &message["dropped"]), (&json!("last"), &json!(2)), "{message}");
    wait_exit(&mut daemon);
}

#[test]
fn what_others_announce_is_told_and_moved() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let lamp = json!({"name": "Lamp", "unique_id": "lamp", "schema": "json", "state_topic": "lamp",
        "command_topic": "lamp/set", "brightness": true});
    mosquitto.publish("homeassistant/light/lamp/config", lamp.to_string(), true);
    mosquitto.publish("lamp", r#"{"state":"ON","brightness":80}"#, true);
    let observer = Observer::start(&mosquitto, &["lamp/set"]);
    let mut daemon = Daemon::start(&fed(&mosquitto, ROOM));
    let mut producer = Producer::connect(&daemon);
    wait_connected(&mut producer);

    let lamp = producer.ask(&json!({"op": "get", "entity": "lamp"}));
    assert_eq!(lamp["device"]["state"]["brightness"], 80, "{lamp}");
    let listed = producer.ask(&json!({"op": "devices"}));
    let ids: Vec<&str> =
        listed["devices"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(
        (ids, &listed["more"]),
        (vec!["lamp", "luigi-pi_door", "luigi-pi_load", "luigi-pi_room"], &json!(false))
    );

    producer.ask(&reading("room", 21.5));
    wait_until("its own state", LIMIT, || {
        producer.ask(&json!({"op": "get", "entity": "room"}))["device"]["state"]["state"] == 21.5
    });
    let set = json!({"op": "set", "entity": "lamp", "value": {"brightness": 10}});
    assert_eq!(producer.ask(&set), json!({"ok": "accepted"}));
    observer.wait_for("the command", LIMIT, |it| it.iter().any(|it| it.text().contains("10")));
    let wrong = json!({"op": "set", "entity": "lamp", "value": {"brightness": 1000}});
    assert!(refused(&mut producer, &wrong, "invalid").contains("0 to 255"));
    refused(&mut producer, &json!({"op": "get", "entity": "nobody"}), "unknown_entity");

    assert_eq!(producer.ask(&json!({"op": "watch"})), json!({"ok": "watching"}));
    mosquitto.publish("lamp", r#"{"state":"OFF"}"#, true);
    loop {
        let device = &producer.event()["device"];
        if device["id"] == "lamp" && device["state"]["state"] == "off" {
            break;
        }
    }
    mosquitto.publish("homeassistant/light/lamp/config", "", true);
    loop {
        let device = &producer.event()["device"];
        if device["change"] == "went" {
            assert_eq!(device["id"], "lamp");
            break;
        }
    }
    wait_exit(&mut daemon);
}

#[test]
fn the_status_says_how_it_fares() {
    let mut mosquitto = Mosquitto::start(MosquittoOptions::default());
    let sections = format!("{ROOM}[Sensor gone]\nPATH=/nowhere\nMISSES=1\nINTERVAL=1\n");
    let mut daemon = Daemon::start(&fed(&mosquitto, &sections));
    let mut producer = Producer::connect(&daemon);
    wait_connected(&mut producer);
    producer.ask(&json!({"op": "reading", "entity": "room", "value": 5, "wait": 30}));
    wait_until("the trouble", LIMIT, || {
        producer.ask(&json!({"op": "status"}))["status"]["troubles"][0]["entity"] == "gone"
    });
    let status = &producer.ask(&json!({"op": "status"}))["status"];
    assert_eq!(status["pid"], daemon.id());
    assert_eq!(status["connection"]["broker"], format!("127.0.0.1:{}", mosquitto.port()));
    assert_eq!(status["entities"]["room"]["delivered"], 1);
    assert!(status["troubles"][0]["error"].as_str().unwrap().contains("/nowhere"), "{status}");
    assert_eq!(status["clients"][0]["pid"], std::process::id());
    assert!(status["memory"]["resident"].as_u64().unwrap() > 1 << 20, "{status}");
    mosquitto.kill();
    wait_until("the end of the connection", LIMIT, || {
        let connection = &producer.ask(&json!({"op": "status"}))["status"]["connection"];
        connection["up"] == false && connection["error"].is_string()
    });
    wait_exit(&mut daemon);
}

#[test]
fn with_the_card_always_a_message_is_answered_once_it_is_there() {
    let mut mosquitto = Mosquitto::start(MosquittoOptions::default());
    let config =
        Configuration::new(mosquitto.port()).set("Host", "ENABLED", "no").set("Spool", "MODE", "always");
    let observer = Observer::lasting(&mosquitto, &["every/#"]);
    let mut daemon = Launch::new(&config.text()).start();
    let mut producer = Producer::connect(&daemon);
    wait_connected(&mut producer);
    mosquitto.kill();
    let publish = |n: u32| json!({"op": "publish", "topic": "every/one", "payload": n});
    wait_until("the end of the connection", LIMIT, || {
        producer.ask(&json!({"op": "status"}))["status"]["connection"]["up"] == false
    });
    for n in 0..20 {
        producer.write(format!("{}\n", publish(n)));
    }
    for _ in 0..20 {
        assert_eq!(producer.answer(), json!({"ok": "queued", "in": "card"}));
    }
    daemon.kill();
    mosquitto.start_again();
    let folder = daemon.configuration().parent().unwrap().to_owned();
    let text = fs::read_to_string(daemon.configuration()).unwrap();
    let state = folder.join("state");
    let mut daemon = Launch::new(&text).env("STATE_DIRECTORY", state.as_os_str()).start();
    let all: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    observer
        .wait_for("all of them, in order", LIMIT, |it| it.iter().map(|it| it.text()).eq(all.iter().cloned()));
    wait_exit(&mut daemon);
}

#[test]
fn with_the_card_always_states_are_answered_at_once_and_each_answer_is_that_of_its_own_request() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let sections = "[Sensor room]\nSOURCE=socket\n[Sensor steps]\nSOURCE=socket\nDELIVERY=every\nQOS=0\n\
                    [Sensor meter]\nSOURCE=socket\nDELIVERY=every\n";
    let config =
        Configuration::new(mosquitto.port()).set("Host", "ENABLED", "no").set("Spool", "MODE", "always");
    let mut daemon = Launch::new(&(config.text() + sections)).start();
    let mut producer = Producer::connect(&daemon);
    wait_connected(&mut producer);
    for number in 0..20 {
        for entity in ["room", "steps", "meter"] {
            producer.write(format!("{}\n", reading(entity, number)));
        }
        let id = format!("e{number}");
        let entity = json!({"platform": "sensor", "id": id, "name": "E"});
        producer.write(format!("{}\n", json!({"op": "register", "entity": entity})));
        let wait = json!({"op": "reading", "entity": "meter", "value": number, "wait": 30});
        producer.write(format!("{wait}\n"));
    }
    for _ in 0..20 {
        let words: Vec<Json> = (0..5).map(|_| producer.answer()["ok"].clone()).collect();
        assert_eq!(words, ["accepted", "accepted", "accepted", "registered", "delivered"]);
    }
    wait_exit(&mut daemon);
}
