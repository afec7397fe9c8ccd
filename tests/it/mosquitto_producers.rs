//! Entities that other programs register through the daemon's socket, with a real broker behind it.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use nix::sys::signal::Signal;
use serde_json::{Value as Json, json};

use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Outcome;
use crate::support::Process;
use crate::support::Producer;
use crate::support::bare;
use crate::support::wait_until;

/// A configuration without the machine's own readings, and with what `sections` declare.
fn declaring(mosquitto: &Mosquitto, sections: &str) -> String {
    Configuration::new(mosquitto.port()).set("Host", "ENABLED", "no").text() + sections
}

/// The daemon again, on the card of one that has ended.
fn start_again(ended: &Daemon, config: &str) -> Daemon {
    let state = ended.configuration().with_file_name("state");
    Launch::new(config).env("STATE_DIRECTORY", state).start()
}

fn wait_exit(daemon: &mut Daemon) {
    daemon.terminate();
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0), "{:#?}", daemon.lines());
}

/// What the command `luigi-mqtt` with `arguments` does beside `daemon`.
fn command(daemon: &Daemon, arguments: &[&str]) -> Outcome {
    let mut command = bare(arguments, Path::new("/nowhere"));
    Outcome::of(command.env("LUIGI_MQTT_SOCKET", daemon.socket()), b"")
}

/// Has the command done, which says nothing.
#[track_caller]
fn do_command(daemon: &Daemon, arguments: &[&str]) {
    let outcome = command(daemon, arguments);
    assert_eq!((outcome.output.as_str(), outcome.errors.as_str(), outcome.code), ("", "", 0));
}

fn register(entity: &Json) -> Json {
    json!({"op": "register", "entity": entity})
}

fn reading(entity: &str, value: impl Into<Json>) -> Json {
    json!({"op": "reading", "entity": entity, "value": value.into()})
}

fn sensor(id: &str, name: &str) -> Json {
    json!({"platform": "sensor", "id": id, "name": name})
}

/// Has `producer` register `entity`.
#[track_caller]
fn registered(producer: &mut Producer, entity: &Json) {
    assert_eq!(producer.ask(&register(entity)), json!({"ok": "registered"}), "{entity}");
}

/// The reason why `request` is not carried out.
#[track_caller]
fn refused(producer: &mut Producer, request: &Json, code: &str) -> String {
    let answer = producer.ask(request);
    assert_eq!(answer["error"], code, "{request}: {answer}");
    answer["reason"].as_str().unwrap().to_owned()
}

fn config_topic(platform: &str, id: &str) -> String {
    format!("homeassistant/{platform}/luigi-pi/{id}/config")
}

fn availability(id: &str) -> String {
    format!("luigi/pi/{id}/availability")
}

/// The payloads on `topic` so far.
fn told(observer: &Observer, topic: &str) -> Vec<String> {
    observer.messages().iter().filter(|it| it.topic == topic).map(|it| it.text()).collect()
}

/// One of each platform, with a reading and what the broker gets of that.
fn one_of_each() -> Vec<(Json, Json, &'static str)> {
    vec![
        (
            json!({"platform": "sensor", "id": "attic", "name": "Attic", "unit": "°C", "device_class": "temperature"}),
            json!("21.5"),
            "21.5",
        ),
        (
            json!({"platform": "binary_sensor", "id": "hall", "name": "Hall", "device_class": "motion"}),
            json!(true),
            "ON",
        ),
        (json!({"platform": "switch", "id": "pump", "name": "Pump"}), json!("off"), "OFF"),
        (
            json!({"platform": "number", "id": "target", "name": "Target", "min": 5, "max": 30, "step": 0.5}),
            json!(20.5),
            "20.5",
        ),
        (
            json!({"platform": "select", "id": "speed", "name": "Speed", "options": ["slow", "fast"]}),
            json!("fast"),
            "fast",
        ),
        (json!({"platform": "text", "id": "note", "name": "Note"}), json!("hello"), "hello"),
        (
            json!({"platform": "light", "id": "desk", "name": "Desk", "brightness": true}),
            json!({"state": "ON", "brightness": 9}),
            r#"{"brightness":9,"state":"ON"}"#,
        ),
        (
            json!({"platform": "event", "id": "bell", "name": "Bell", "event_types": ["ring"]}),
            json!("ring"),
            r#"{"event_type":"ring"}"#,
        ),
    ]
}

#[test]
fn every_platform_is_announced_and_a_reading_may_follow_in_the_same_breath() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let mut daemon = Daemon::start(&declaring(&mosquitto, ""));
    let mut producer = Producer::connect(&daemon);
    daemon.wait_for_line("connected to the broker");
    let all = one_of_each();
    let button = json!({"platform": "button", "id": "restart", "name": "Restart"});
    let mut lines = format!("{}\n", register(&button));
    for (entity, value, _) in &all {
        lines += &format!("{}\n", register(entity));
        lines += &format!("{}\n", reading(entity["id"].as_str().unwrap(), value.clone()));
    }
    producer.write(lines);
    assert_eq!(producer.answer(), json!({"ok": "registered"}));
    for (entity, _, state) in &all {
        assert_eq!(producer.answer(), json!({"ok": "registered"}), "{entity}");
        assert_eq!(producer.answer(), json!({"ok": "accepted"}), "{entity}");
        observer.wait_for_latest(&format!("luigi/pi/{}", entity["id"].as_str().unwrap()), state);
    }
    for entity in all.iter().map(|(it, ..)| it).chain([&button]) {
        let [platform, id] = ["platform", "id"].map(|it| entity[it].as_str().unwrap());
        let announced = observer.latest(&config_topic(platform, id)).unwrap();
        assert!(announced.text().contains(entity["name"].as_str().unwrap()), "{announced:?}");
        observer.wait_for_latest(&availability(id), "online");
    }
    assert!(refused(&mut producer, &reading("target", 31), "invalid").contains("31"));
    assert!(refused(&mut producer, &reading("restart", true), "invalid").contains("restart"));
    wait_exit(&mut daemon);
}

#[test]
fn an_entity_is_unavailable_once_the_last_of_its_programs_has_left_and_is_as_it_was_when_one_comes_back() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let mut daemon = Daemon::start(&declaring(&mosquitto, ""));
    let mut producers = [0, 1].map(|_| Producer::connect(&daemon));
    producers.iter_mut().for_each(|it| registered(it, &sensor("attic", "Attic")));
    let [first, mut second] = producers;
    second.ask(&reading("attic", 21));
    observer.wait_for_latest("luigi/pi/attic", "21");
    assert!(refused(&mut second, &register(&sensor("attic", "Loft")), "taken").contains("another program"));
    assert!(
        refused(&mut second, &register(&json!({"platform": "sensor", "id": "attic"})), "field")
            .contains("name")
    );

    drop(first);
    wait_until("the first to be gone", LIMIT, || {
        second.ask(&json!({"op": "status"}))["status"]["clients"].as_array().unwrap().len() == 1
    });
    // It is alone with it now.
    registered(&mut second, &sensor("attic", "Loft"));
    assert!(!told(&observer, &availability("attic")).contains(&"offline".to_owned()));
    drop(second);
    observer.wait_for_latest(&availability("attic"), "offline");

    observer.clear();
    let mut third = Producer::connect(&daemon);
    // Who feeds it need not be who has registered it.
    third.ask(&reading("attic", 22));
    observer.wait_for_latest("luigi/pi/attic", "22");
    assert_eq!(told(&observer, &availability("attic")), [""; 0]);
    registered(&mut third, &sensor("attic", "Loft"));
    observer.wait_for_latest(&availability("attic"), "online");
    assert_eq!(told(&observer, &config_topic("sensor", "attic")), [""; 0], "it was there all the time");
    assert_eq!(third.ask(&json!({"op": "unregister", "entity": "attic"})), json!({"ok": "unregistered"}));
    for topic in [&config_topic("sensor", "attic"), "luigi/pi/attic", &availability("attic")] {
        observer.wait_for_latest(topic, "");
    }
    refused(&mut third, &reading("attic", 23), "unknown_entity");
    refused(&mut third, &json!({"op": "unregister", "entity": "attic"}), "unknown_entity");
    wait_exit(&mut daemon);
}

#[test]
fn what_is_registered_for_good_needs_no_program_and_outlives_restart_and_crash() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let config = declaring(&mosquitto, "");
    let mut first = Daemon::start(&config);
    let mut producer = Producer::connect(&first);
    let described = ["--name", "Attic", "--device-class", "temperature", "--unit", "°C"];
    do_command(&first, &[&["register", "sensor", "attic"], &described[..]].concat());
    do_command(&first, &["publish", "attic", "21.5", "--wait"]);
    registered(&mut producer, &sensor("cellar", "Cellar"));
    observer.wait_for_latest("luigi/pi/attic", "21.5");
    observer.wait_for_latest(&availability("cellar"), "online");
    let state = first.configuration().with_file_name("state");
    let ledger =
        || -> Json { serde_json::from_slice(&fs::read(state.join("ledger.json")).unwrap()).unwrap() };
    let noted = ledger();
    wait_exit(&mut first);
    drop(producer);

    let removed = |it: &Observer| {
        let messages = it.messages();
        let removals =
            messages.into_iter().filter(|it| it.topic.ends_with("/config") && it.payload.is_empty());
        removals.map(|it| it.topic).collect::<Vec<_>>()
    };
    assert_eq!(removed(&observer), [""; 0], "nothing is taken back at the end");
    observer.clear();
    let mut second = start_again(&first, &config);
    observer.wait_for_latest("luigi/pi/availability", "online");
    observer.wait_for_latest(&availability("attic"), "online");
    observer.wait_for_latest(&availability("cellar"), "offline");
    do_command(&second, &["publish", "attic", "22.5", "--wait"]);
    observer.wait_for_latest("luigi/pi/attic", "22.5");
    second.kill();

    let mut third = start_again(&first, &config);
    let mut producer = Producer::connect(&third);
    registered(&mut producer, &sensor("cellar", "Cellar"));
    observer.wait_for_latest(&availability("cellar"), "online");
    observer.wait_for_latest(&availability("attic"), "online");
    do_command(&third, &["publish", "attic", "23.5", "--wait"]);
    assert_eq!(removed(&observer), [""; 0]);
    assert_eq!(ledger(), noted, "it is the same that it was");
    assert!(!told(&observer, &availability("attic")).contains(&"offline".to_owned()));

    let kept = || fs::read_to_string(state.join("registered.json")).unwrap();
    assert!(kept().contains("attic") && !kept().contains("cellar"), "{}", kept());
    do_command(&third, &["unregister", "attic"]);
    observer.wait_for_latest(&config_topic("sensor", "attic"), "");
    assert!(!kept().contains("attic"), "{}", kept());
    wait_until("it to be forgotten", LIMIT, || !ledger().to_string().contains("attic"));
    let outcome = command(&third, &["publish", "attic", "24.5"]);
    assert_eq!((outcome.output.as_str(), outcome.code), ("", 65), "{}", outcome.errors);
    wait_exit(&mut third);
}

#[test]
fn what_home_assistant_asks_of_an_entity_comes_to_its_program() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    mosquitto.publish("luigi/pi/pump/set", "ON", true);
    let observer = Observer::start(&mosquitto, &["homeassistant/#"]);
    let mut daemon = Daemon::start(&declaring(&mosquitto, ""));
    let mut producer = Producer::connect(&daemon);
    daemon.wait_for_line("connected to the broker");
    let button = json!({"platform": "button", "id": "restart", "name": "Restart"});
    for entity in one_of_each().iter().map(|(it, ..)| it).chain([&button]) {
        registered(&mut producer, entity);
    }
    for (id, payload, value) in [
        ("pump", "OFF", json!(false)),
        ("restart", "PRESS", json!(true)),
        ("target", "7.5", json!(7.5)),
        ("speed", "slow", json!("slow")),
        ("note", "", json!("")),
        ("desk", r#"{"state":"OFF"}"#, json!({"state": "OFF"})),
    ] {
        let expected = json!({"command": {"entity": id, "value": value}});
        // Out of its limits, which is told in the log alone.
        mosquitto.publish("luigi/pi/target/set", "31", false);
        mosquitto.publish(&format!("luigi/pi/{id}/set"), payload, false);
        assert_eq!(producer.event(), expected);
    }
    daemon.wait_for_line("a command for pump is not passed on: it is retained");
    daemon.wait_for_line("a command for target is not passed on");

    let own = json!({"platform": "switch", "id": "lamp", "name": "Lamp",
        "device": {"id": "garage", "name": "Garage", "model": "Gateway"}});
    registered(&mut producer, &own);
    observer.wait_for("it below a device of its own", LIMIT, |it| {
        it.iter().any(|it| it.topic == config_topic("switch", "lamp") && it.text().contains("Garage"))
    });
    wait_exit(&mut daemon);
}

#[test]
fn the_command_register_prints_what_is_asked_until_it_is_ended() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let mut daemon = Daemon::start(&declaring(&mosquitto, ""));
    Producer::connect(&daemon);
    daemon.wait_for_line("connected to the broker");
    let mut command = bare(&["register", "switch", "pump", "--until-exit"], Path::new("/nowhere"));
    let command =
        command.env("LUIGI_MQTT_SOCKET", daemon.socket()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut process = Process::start(command);
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&lines);
    let reader = Process::each_line(process.stdout(), move |it| seen.lock().unwrap().push(it));
    observer.wait_for_latest(&availability("pump"), "online");
    mosquitto.publish("luigi/pi/pump/set", "ON", false);
    wait_until("the command", LIMIT, || *lines.lock().unwrap() == [r#"{"entity":"pump","value":true}"#]);
    process.signal(Signal::SIGTERM);
    process.wait_exit(LIMIT);
    reader.join().unwrap();
    observer.wait_for_latest(&availability("pump"), "offline");
    wait_exit(&mut daemon);
}

#[test]
fn a_section_takes_an_id_from_programs_and_gives_it_back() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let mut daemon = Daemon::start(&declaring(&mosquitto, ""));
    let mut producer = Producer::connect(&daemon);
    do_command(&daemon, &["register", "sensor", "attic", "--name", "Program"]);
    registered(&mut producer, &sensor("cellar", "Program"));
    registered(&mut producer, &json!({"platform": "switch", "id": "pump", "name": "Program"}));
    let mut leaving = Producer::connect(&daemon);
    registered(&mut leaving, &sensor("loft", "Program"));
    drop(leaving);
    observer.wait_for_latest(&availability("loft"), "offline");

    let sections = "[Sensor attic]\nNAME=Section\nSOURCE=socket\n[Sensor cellar]\nNAME=Section\nPATH=/data/x\n\
                    [Sensor loft]\nNAME=Section\nSOURCE=socket\n[Switch pump]\nNAME=Section\nPATH=/data/pump\n";
    daemon.change_machine("data/pump", "0");
    daemon.reload(&declaring(&mosquitto, sections));
    daemon.wait_for_line("new: Sensor attic, Sensor cellar, Sensor loft, Switch pump");
    for id in ["attic", "cellar", "loft"] {
        let is_the_sections =
            || observer.latest(&config_topic("sensor", id)).is_some_and(|it| it.text().contains("Section"));
        wait_until("the section's", LIMIT, is_the_sections);
        assert!(refused(&mut producer, &register(&sensor(id, "Program")), "taken").contains("[Sensor"));
    }
    observer.wait_for_latest(&availability("loft"), "online");
    do_command(&daemon, &["publish", "attic", "1"]);
    assert!(refused(&mut producer, &reading("cellar", 1), "taken").contains("[Sensor cellar]"));
    // The command is carried out by the section, and comes to no program.
    observer.wait_for_latest("luigi/pi/pump", "OFF");
    mosquitto.publish("luigi/pi/pump/set", "ON", false);
    observer.wait_for_latest("luigi/pi/pump", "ON");

    daemon.reload(&declaring(&mosquitto, ""));
    daemon.wait_for_line("removed: ");
    for id in ["cellar", "loft"] {
        observer.wait_for_latest(&config_topic("sensor", id), "");
    }
    let is_the_programs =
        || observer.latest(&config_topic("sensor", "attic")).is_some_and(|it| it.text().contains("Program"));
    wait_until("the program's again", LIMIT, is_the_programs);
    refused(&mut producer, &reading("cellar", 1), "unknown_entity");
    registered(&mut producer, &sensor("cellar", "Program"));
    registered(&mut producer, &json!({"platform": "switch", "id": "pump", "name": "Program"}));
    mosquitto.publish("luigi/pi/pump/set", "OFF", false);
    assert_eq!(producer.event(), json!({"command": {"entity": "pump", "value": false}}));
    wait_exit(&mut daemon);
}

#[test]
fn entities_of_programs_move_with_the_topics_the_name_and_the_form_and_so_do_their_commands() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let mut daemon = Daemon::start(&declaring(&mosquitto, ""));
    let mut producer = Producer::connect(&daemon);
    registered(&mut producer, &json!({"platform": "switch", "id": "pump", "name": "Pump"}));
    do_command(&daemon, &["register", "sensor", "attic"]);
    do_command(&daemon, &["publish", "attic", "1", "--wait"]);
    producer.ask(&reading("pump", true));
    observer.wait_for_latest("luigi/pi/pump", "ON");
    let moved = Configuration::new(mosquitto.port()).set("Host", "ENABLED", "no");
    let moved = moved.set("Topics", "STATE_TOPIC", "house/pi");
    let renamed = moved.clone().set("Client", "CLIENT_ID", "other");
    let whole = renamed.clone().set("Discovery", "FORM", "device");
    let switch = "/switch/luigi-pi/pump/config";
    for (config, why, announced, gone) in [
        (moved, "[Topics]", config_topic("switch", "pump"), "luigi/pi/pump/availability".to_owned()),
        (
            renamed,
            "[Client]",
            format!("homeassistant{}", switch.replace("luigi-pi", "other")),
            config_topic("switch", "pump"),
        ),
        (
            whole,
            "[Discovery]",
            "homeassistant/device/other/config".to_owned(),
            format!("homeassistant{}", switch.replace("luigi-pi", "other")),
        ),
    ] {
        observer.clear();
        daemon.reload(&config.text());
        daemon.wait_for_line(&format!("connecting anew for: {why}"));
        observer.wait_for(&announced, LIMIT, |it| {
            it.iter().rev().find(|it| it.topic == announced).is_some_and(|it| it.text().contains("pump"))
        });
        observer.wait_for_latest(&gone, "");
        observer.wait_for_latest("house/pi/pump", "ON");
        observer.wait_for_latest("house/pi/attic", "1");
        observer.wait_for_latest("house/pi/pump/availability", "online");
        mosquitto.publish("house/pi/pump/set", "OFF", false);
        assert_eq!(producer.event(), json!({"command": {"entity": "pump", "value": false}}), "{why}");
        do_command(&daemon, &["publish", "attic", "2", "--wait"]);
        do_command(&daemon, &["publish", "attic", "1", "--wait"]);
    }
    drop(producer);
    observer.wait_for_latest("house/pi/pump/availability", "offline");
    wait_exit(&mut daemon);
}
