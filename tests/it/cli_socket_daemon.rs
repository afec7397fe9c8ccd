//! The commands through the socket of a real daemon, with a real broker behind it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value as Json, json};

use crate::support::CLIENT_ID;
use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Outcome;
use crate::support::Producer;
use crate::support::bare;
use crate::support::free_port;
use crate::support::wait_until;
use crate::support::wait_until_or;

/// A daemon, and what commands need to find it: its socket and its state are in a folder that outlasts it.
struct Machine {
    folder: tempfile::TempDir,
    config: String,
}

impl Machine {
    /// With a broker on `port`, and what `sections` declare.
    fn new(port: u16, sections: &str) -> Machine {
        let folder = tempfile::tempdir().unwrap();
        let config = Configuration::new(port).set("Host", "ENABLED", "no").set(
            "Socket",
            "PATH",
            folder.path().join("socket").display(),
        );
        let config = config.text() + sections;
        let path = folder.path().join("luigi-mqtt.conf");
        fs::write(&path, &config).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        Machine { folder, config }
    }

    /// A process of it: `name` with `arguments`.
    fn launch(&self, name: &str, arguments: &[&str]) -> Launch {
        let launch = Launch::new(&self.config).subcommand(name).args(arguments);
        launch.env("STATE_DIRECTORY", self.folder.path().join("state"))
    }

    /// The daemon, once it listens and is connected.
    fn daemon(&self) -> (Daemon, Producer) {
        let daemon = self.launch("run", &[]).machine_file("relay", "").start();
        let socket = self.folder.path().join("socket");
        let is_there = || std::os::unix::net::UnixStream::connect(&socket).is_ok();
        wait_until_or("the socket", LIMIT, is_there, || daemon.lines());
        let mut producer = Producer::at(&socket);
        wait_until("the connection", LIMIT, || {
            producer.ask(&json!({"op": "status"}))["status"]["connection"]["up"] == true
        });
        (daemon, producer)
    }

    /// What a command does.
    fn run(&self, arguments: &[&str]) -> Outcome {
        let config = self.folder.path().join("luigi-mqtt.conf");
        let all = [arguments, &["--config", config.to_str().unwrap()]].concat();
        let state = self.folder.path().join("state");
        Outcome::of(bare(&all, self.folder.path()).env("STATE_DIRECTORY", state), b"")
    }

    /// The same of one that succeeds and has nothing to complain of: what it prints.
    #[track_caller]
    fn output(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments);
        assert_eq!((outcome.errors.as_str(), outcome.code), ("", 0), "{arguments:?}");
        outcome.output
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str], code: i32, errors: &str) {
        let outcome = self.run(arguments);
        assert_eq!((outcome.output.as_str(), outcome.code), ("", code), "{outcome:?}");
        assert_eq!(outcome.errors, format!("luigi-mqtt: {errors}\n"), "{arguments:?}");
    }
}

fn stop(mut daemon: Daemon) {
    daemon.terminate();
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0), "{:#?}", daemon.lines());
}

fn announce_lamp(mosquitto: &Mosquitto) {
    let lamp = json!({"name": "Lamp", "unique_id": "lamp", "schema": "json", "state_topic": "lamp",
        "command_topic": "lamp/set", "brightness": true, "supported_color_modes": ["brightness"]});
    mosquitto.publish("homeassistant/light/lamp/config", lamp.to_string(), true);
    mosquitto.publish("lamp", r#"{"state":"OFF"}"#, true);
}

const ROOM: &str = "[Sensor room]\nSOURCE=socket\nDEVICE_CLASS=temperature\nUNIT=°C\n";

#[test]
fn our_own_and_others_are_looked_at_and_moved() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    announce_lamp(&mosquitto);
    let machine = Machine::new(mosquitto.port(), &format!("{ROOM}[Switch pump]\nPATH=/relay\n"));
    let (daemon, _producer) = machine.daemon();

    machine.output(&["publish", "room", "21.5", "--wait=30"]);
    let told = || machine.run(&["get", "room", "state"]);
    wait_until_or("the state", LIMIT, || told().output == "21.5\n", told);
    assert!(machine.output(&["get", "room"]).starts_with("Room (luigi-pi_room): sensor of Luigi-pi"));
    assert_eq!(machine.output(&["get", "lamp", "state"]), "off\n");

    let listed = machine.output(&["devices", "lamp"]);
    let cells: Vec<Vec<&str>> = listed.lines().map(|it| it.split_whitespace().collect()).collect();
    assert_eq!(cells[1..], [["Lamp", "lamp", "light", "off"]], "{listed}");
    let all = machine.output(&["devices", "--json"]);
    let all: Vec<Json> = all.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert!(all.iter().any(|it| it["id"] == "luigi-pi_room" && it["state"]["state"] == 21.5), "{all:#?}");

    let observer = Observer::start(&mosquitto, &["lamp/set"]);
    assert_eq!(machine.output(&["set", "lamp", "on", "brightness=80"]), "");
    observer.wait_for("the command", LIMIT, |it| !it.is_empty());
    let asked: Json = serde_json::from_slice(&observer.messages()[0].payload).unwrap();
    assert_eq!(asked, json!({"state": "ON", "brightness": 80}));
    // One of ours, by the id that it has here, and with the one word that it takes.
    assert_eq!(machine.output(&["set", "pump", "on", "--wait=30"]), "");
    assert_eq!(machine.output(&["get", "pump", "state"]), "on\n");
    let relay = daemon.configuration().with_file_name("machine/relay");
    assert_eq!(fs::read_to_string(relay).unwrap().trim(), "1");

    let nobody = "nobody announces \"cellar\": expected one of those that `devices` lists";
    machine.refused(&["get", "cellar"], 65, nobody);
    machine.refused(&["set", "cellar", "on"], 65, nobody);
    machine.refused(
        &["set", "pump", "up"],
        65,
        "cannot set luigi-pi_pump: cannot set state: expected one of on, off, found \"up\"",
    );
    machine.refused(&["get", "room", "colour"], 1, "room has not told \"colour\"; it has told state");
    stop(daemon);
}

#[test]
fn listening_goes_on_when_the_daemon_is_started_anew_and_when_it_is_not() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    announce_lamp(&mosquitto);
    let machine = Machine::new(mosquitto.port(), "");
    let (daemon, _) = machine.daemon();
    let listening = [("subscribe", &["news"][..]), ("devices", &["--watch", "lamp"])]
        .map(|(name, arguments)| machine.launch(name, arguments).start());
    let [subscribe, watch] = &listening;
    let heard = |news: &str, state: &str| {
        mosquitto.publish("news", news, true);
        mosquitto.publish("lamp", json!({ "state": state }).to_string(), true);
        subscribe.wait_for_line(&format!("news {news}"));
        watch.wait_for_line(&format!("lamp (Lamp) {}", state.to_lowercase()));
    };
    heard("first", "ON");
    stop(daemon);
    listening.iter().for_each(|it| it.wait_for_lines("trying again", 1));
    let (daemon, _) = machine.daemon();
    listening.iter().for_each(|it| it.wait_for_lines("connected again", 1));
    heard("second", "OFF");

    stop(daemon);
    listening.iter().for_each(|it| it.wait_for_lines("connected again", 2));
    mosquitto.publish("news", "third", true);
    subscribe.wait_for_line("news third");
    let own = format!(" as {CLIENT_ID}-{} ", subscribe.id());
    assert!(mosquitto.log().contains(&own), "by itself, as no daemon comes back");
}

#[test]
fn who_listens_is_told_that_the_broker_is_away() {
    let machine = Machine::new(free_port(), "");
    let daemon = machine.launch("run", &[]).start();
    daemon.wait_for_line("listening on");
    let outcome = machine.run(&["subscribe", "news", "--for", "0.1"]);
    let expected = "luigi-mqtt: the broker is not connected; what it has to tell comes as soon as it is\n";
    assert_eq!((outcome.output.as_str(), outcome.errors.as_str(), outcome.code), ("", expected, 0));
    stop(daemon);
}

#[test]
fn what_is_registered_for_good_is_fed_without_the_daemon_too() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let machine = Machine::new(mosquitto.port(), "");
    let (daemon, _) = machine.daemon();
    machine.output(&["register", "sensor", "cellar", "--unit", "°C"]);
    let announced = || mosquitto.retained("homeassistant/sensor/+/cellar/config");
    wait_until_or("the announcement", LIMIT, || announced().len() == 1, announced);
    stop(daemon);
    machine.output(&["publish", "cellar", "8.50"]);
    let kept = mosquitto.retained("luigi/pi/cellar");
    assert_eq!(kept.iter().map(|it| it.text()).collect::<Vec<_>>(), ["8.5"]);
    machine.refused(
        &["publish", "cellar", "cold"],
        65,
        "sensor \"cellar\": the value is \"cold\": expected a finite number of at most 255 digits",
    );
}

#[test]
fn a_daemon_can_begin_while_somebody_looks_for_ghosts() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let machine = Machine::new(mosquitto.port(), ROOM);
    let (daemon, _) = machine.daemon();
    daemon.wait_for_line("announced 1 entit");
    stop(daemon);
    let ghosts = machine.launch("ghosts", &["--listen", "3600"]).start();
    let is_listening = || mosquitto.log().contains(&format!("Sending SUBACK to {CLIENT_ID}-ghosts"));
    wait_until_or("the look", LIMIT, is_listening, || mosquitto.log());
    let (daemon, _) = machine.daemon();
    daemon.wait_for_line("announced 1 entit");
    assert_eq!(daemon.count("another luigi-mqtt runs"), 0, "{:#?}", daemon.lines());
    drop(ghosts);
    stop(daemon);
}

#[test]
fn a_daemon_that_begins_beside_a_command_that_announces_waits_for_it() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let machine = Machine::new(mosquitto.port(), ROOM);
    // A broker that says nothing, so that the command takes as long as it may.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = Configuration::new(silent.local_addr().unwrap().port());
    let command = Launch::new(&elsewhere.set("Host", "ENABLED", "no").text());
    let command = command.subcommand("register").args(&["sensor", "loft"]);
    let command = command.env("STATE_DIRECTORY", machine.folder.path().join("state")).start();
    let _asked = silent.accept().unwrap();
    let daemon = machine.launch("run", &[]).start();
    daemon.wait_for_line("waiting for it to end");
    drop(command);
    daemon.wait_for_line("announced 2 entit");
    assert_eq!(daemon.count("this start is not remembered"), 0, "{:#?}", daemon.lines());
    stop(daemon);
}
