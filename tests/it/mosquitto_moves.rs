//! What an earlier run announced is removed or moved by a later one, at a real broker.

use tempfile::TempDir;

use crate::support::AVAILABILITY;
use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Seen;

/// Runs on one machine, one after the other.
struct Runs {
    mosquitto: Mosquitto,
    state: TempDir,
}

impl Runs {
    fn new() -> Runs {
        Runs { mosquitto: Mosquitto::start(MosquittoOptions::default()), state: tempfile::tempdir().unwrap() }
    }

    fn configuration(&self) -> Configuration {
        Configuration::new(self.mosquitto.port()).set("Host", "ENABLED", "no")
    }

    /// Starts one with file sensors of these ids.
    fn start(&self, configuration: &Configuration, ids: &[&str]) -> Daemon {
        let sections = ids
            .iter()
            .map(|id| format!("[Sensor {id}]\nPATH=/data\nUNIT=V\nINTERVAL=1\nEXPIRE_AFTER=never\n"));
        Launch::new(&(configuration.text() + &sections.collect::<String>()))
            .machine_file("data", "5")
            .env("STATE_DIRECTORY", self.state.path())
            .start()
    }

    /// The same until all is announced and what is to be removed is forgotten, and to its end.
    fn run(&self, configuration: &Configuration, ids: &[&str]) {
        let mut daemon = self.start(configuration, ids);
        daemon.wait_for_line("announced");
        let wanted = ids.len();
        crate::support::wait_until("the ledger to know what is wanted alone", LIMIT, || {
            self.ledger_entries() == wanted
        });
        daemon.terminate();
        assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0), "{:#?}", daemon.lines());
    }

    fn ledger_entries(&self) -> usize {
        let text = std::fs::read_to_string(self.state.path().join("ledger.json")).unwrap_or_default();
        text.matches("\"unique_id\"").count()
    }

    /// The topics on which something is retained.
    fn retained(&self) -> Vec<String> {
        let mut topics: Vec<String> = self.mosquitto.retained("#").into_iter().map(|it| it.topic).collect();
        topics.sort();
        topics
    }
}

/// Everything that is retained for sensors of these ids, announced one by one.
fn topics_of(node: &str, ids: &[&str]) -> Vec<String> {
    let each = |id: &&str| {
        [
            format!("homeassistant/sensor/{node}/{id}/config"),
            format!("luigi/pi/{id}"),
            format!("luigi/pi/{id}/availability"),
        ]
    };
    let mut topics: Vec<String> = ids.iter().flat_map(each).chain([AVAILABILITY.to_owned()]).collect();
    topics.sort();
    topics
}

#[test]
fn what_is_no_longer_configured_leaves_nothing_behind() {
    let runs = Runs::new();
    runs.mosquitto.publish("homeassistant/sensor/luigi-pi/neighbour/config", "{}", true);
    runs.run(&runs.configuration(), &["a", "b"]);
    runs.run(&runs.configuration(), &["b"]);
    let mut expected = topics_of("luigi-pi", &["b"]);
    expected.push("homeassistant/sensor/luigi-pi/neighbour/config".to_owned());
    expected.sort();
    assert_eq!(runs.retained(), expected);
}

#[test]
fn a_run_that_is_killed_before_it_could_remove_anything_leaves_that_to_the_next() {
    let runs = Runs::new();
    runs.run(&runs.configuration(), &["a", "b"]);
    runs.mosquitto.freeze();
    let mut daemon = runs.start(&runs.configuration(), &["b", "c"]);
    daemon.wait_for_line("connecting to");
    crate::support::wait_until("the third in the ledger", LIMIT, || runs.ledger_entries() == 3);
    daemon.kill();
    runs.mosquitto.thaw();
    let mut daemon = runs.start(&runs.configuration(), &["b"]);
    daemon.wait_for_line("announced");
    crate::support::wait_until("the others forgotten", LIMIT, || runs.ledger_entries() == 1);
    daemon.terminate();
    daemon.wait_exit(LIMIT);
    assert_eq!(runs.retained(), topics_of("luigi-pi", &["b"]));
}

/// How many messages asked Home Assistant to make room for the same entity elsewhere.
fn migrations(messages: &[Seen]) -> Vec<String> {
    let asked = messages.iter().filter(|it| it.text().contains("migrate_discovery"));
    asked.map(|it| it.topic.clone()).collect()
}

#[test]
fn another_form_is_moved_to_once_and_back() {
    let runs = Runs::new();
    runs.run(&runs.configuration(), &["a", "b"]);
    let device = runs.configuration().set("Discovery", "FORM", "device");
    let observer = Observer::start(&runs.mosquitto, &["homeassistant/#"]);
    observer.clear();
    runs.run(&device, &["a", "b"]);
    let singles = ["a", "b"].map(|id| format!("homeassistant/sensor/luigi-pi/{id}/config"));
    let mut moved = migrations(&observer.messages());
    moved.sort();
    assert_eq!(moved, singles);
    let mut expected: Vec<String> =
        topics_of("luigi-pi", &["a", "b"]).into_iter().filter(|it| !singles.contains(it)).collect();
    expected.push("homeassistant/device/luigi-pi/config".to_owned());
    expected.sort();
    assert_eq!(runs.retained(), expected);

    observer.clear();
    runs.run(&device, &["a", "b"]);
    assert_eq!(migrations(&observer.messages()), Vec::<String>::new());

    runs.run(&runs.configuration(), &["a", "b"]);
    assert_eq!(migrations(&observer.messages()), ["homeassistant/device/luigi-pi/config"]);
    assert_eq!(runs.retained(), topics_of("luigi-pi", &["a", "b"]));
}

#[test]
fn another_name_moves_the_topics_and_keeps_the_unique_ids() {
    let runs = Runs::new();
    runs.run(&runs.configuration(), &["a"]);
    let renamed = runs.configuration().set("Client", "CLIENT_ID", "luigi-attic");
    let observer = Observer::start(&runs.mosquitto, &["homeassistant/#"]);
    observer.clear();
    runs.run(&renamed, &["a"]);
    assert_eq!(migrations(&observer.messages()), ["homeassistant/sensor/luigi-pi/a/config"]);
    assert_eq!(runs.retained(), topics_of("luigi-attic", &["a"]));
    let config = runs.mosquitto.retained("homeassistant/sensor/luigi-attic/a/config");
    assert!(config[0].text().contains(r#""unique_id":"luigi-pi_a""#), "{}", config[0].text());
}

#[test]
fn a_thermometer_that_is_found_after_the_start_is_moved_as_all_else_was() {
    let runs = Runs::new();
    let thermometer = "sys/bus/w1/devices/28-00000a1b2c3d/w1_slave";
    let text = "50 01 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 01 4b 46 7f ff 0c 10 1c t=21000\n";
    let launch = |configuration: &Configuration| {
        let sections =
            "[Sensor tank]\nSOURCE=w1\nDEVICE=all\nINTERVAL=1\n[Sensor room]\nPATH=/data\nINTERVAL=1\n";
        Launch::new(&(configuration.text() + sections))
            .machine_file("data", "5")
            .env("STATE_DIRECTORY", runs.state.path())
    };
    let observer = Observer::start(&runs.mosquitto, &["#"]);
    let mut first = launch(&runs.configuration()).machine_file(thermometer, text).start();
    observer.wait_for_latest("luigi/pi/tank_00000a1b2c3d", "21");
    first.terminate();
    assert_eq!(first.wait_exit(LIMIT).code(), Some(0), "{:#?}", first.lines());

    let mut second = launch(&runs.configuration().set("Discovery", "FORM", "device")).start();
    second.wait_for_line("announced 1 entities");
    observer.clear();
    second.change_machine(thermometer, text);
    let alone = "homeassistant/sensor/luigi-pi/tank_00000a1b2c3d/config";
    observer.wait_for_latest("luigi/pi/tank_00000a1b2c3d", "21");
    observer.wait_for_latest(alone, "");
    crate::support::wait_until("the old place forgotten", LIMIT, || runs.ledger_entries() == 2);
    second.terminate();
    assert_eq!(second.wait_exit(LIMIT).code(), Some(0), "{:#?}", second.lines());

    let messages = observer.messages();
    let position = |topic: &str, part: &str| {
        messages.iter().position(|it| it.topic == topic && it.text().contains(part)).unwrap()
    };
    let moved = position(alone, "migrate_discovery");
    let announced = position("homeassistant/device/luigi-pi/config", "tank_00000a1b2c3d");
    let emptied = messages.iter().position(|it| it.topic == alone && it.payload.is_empty()).unwrap();
    assert!(moved < announced && announced < emptied, "{moved} {announced} {emptied}");
    assert!(!runs.retained().contains(&alone.to_owned()));
}
