//! Another configuration for a daemon that runs, at a real broker.

use std::fs;

use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::wait_until;

/// A configuration without the machine's own readings, and with what `sections` declare.
fn declaring(mosquitto: &Mosquitto, sections: &str) -> String {
    let configuration = Configuration::new(mosquitto.port()).set("Host", "ENABLED", "no");
    configuration.set("Spool", "MODE", "memory").set("Logging", "LOG_LEVEL", "debug").text() + sections
}

fn sensor(id: &str, more: &str) -> String {
    format!("[Sensor {id}]\nPATH=/data/{id}\nINTERVAL=1\n{more}")
}

fn wait_exit(daemon: &mut Daemon) {
    daemon.terminate();
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0), "{:#?}", daemon.lines());
}

fn config_topic(id: &str) -> String {
    format!("homeassistant/sensor/luigi-pi/{id}/config")
}

#[test]
fn sections_come_and_go_on_one_connection_and_what_has_not_changed_is_not_touched() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let lasting = "[Sensor hourly]\nSHELL=echo run >> runs; echo 7\nINTERVAL=1h\n\
                   [Switch relay]\nSHELL=echo set >> sets\nINITIAL_STATE=on\nSAFE_STATE=off\n";
    let gone = "[Switch lamp]\nPATH=/data/lamp\nINITIAL_STATE=on\nSAFE_STATE=off\n";
    let before = declaring(&mosquitto, &[lasting, gone, &sensor("goes", ""), &sensor("stays", "")].concat());
    let launch = Launch::new(&before)
        .machine_file("data/goes", "1")
        .machine_file("data/stays", "2")
        .machine_file("data/comes", "3")
        .machine_file("data/lamp", "0");
    let folder = launch.folder().to_owned();
    let lines_of = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default().lines().count();
    let mut daemon = launch.start();
    for (topic, value) in [("goes", "1"), ("stays", "2"), ("hourly", "7"), ("relay", "ON"), ("lamp", "ON")] {
        observer.wait_for_latest(&format!("luigi/pi/{topic}"), value);
    }

    let after = [&sensor("comes", ""), lasting, &sensor("stays", "NAME=Changed\n")].concat();
    daemon.reload(&declaring(&mosquitto, &after));
    daemon.wait_for_line("new: Sensor comes; changed: Sensor stays; removed: Switch lamp, Sensor goes");
    observer.wait_for_latest("luigi/pi/comes", "3");
    observer.wait_for("the removal", LIMIT, |it| {
        it.iter().rev().find(|it| it.topic == config_topic("goes")).is_some_and(|it| it.payload.is_empty())
    });
    observer.wait_for("the new name", LIMIT, |it| {
        it.iter().any(|it| it.topic == config_topic("stays") && it.text().contains("Changed"))
    });
    assert_eq!(fs::read_to_string(folder.join("machine/data/lamp")).unwrap().trim(), "0", "its safe state");
    mosquitto.publish("luigi/pi/relay/set", "OFF", false);
    observer.wait_for_latest("luigi/pi/relay", "OFF");
    assert_eq!((lines_of("runs"), lines_of("sets")), (1, 2), "{:#?}", daemon.lines());
    assert_eq!(daemon.count("connected to the broker"), 1, "{:#?}", daemon.lines());
    let ledger = || fs::read_to_string(folder.join("state/ledger.json")).unwrap();
    wait_until("the ledger to forget", LIMIT, || !ledger().contains("goes") && ledger().contains("comes"));

    daemon.reload(&declaring(&mosquitto, &after));
    daemon.wait_for_line("the configuration is as it was");
    wait_exit(&mut daemon);
    assert_eq!((lines_of("runs"), lines_of("sets")), (1, 3), "{:#?}", daemon.lines());
}

#[test]
fn a_wrong_configuration_is_refused_whole_with_all_that_is_wrong_and_what_runs_goes_on() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let launch = Launch::new(&declaring(&mosquitto, &sensor("stays", ""))).machine_file("data/stays", "1");
    let mut daemon = launch.start();
    observer.wait_for_latest("luigi/pi/stays", "1");
    let wrong = [&sensor("comes", ""), "[Sensor bad]\nPATH=/x\nINTERVAL=0\n[Nonsense]\n"].concat();
    daemon.reload(&declaring(&mosquitto, &wrong));
    daemon.wait_for_line("the configuration is not taken over");
    daemon.wait_for_line("[Sensor bad] INTERVAL: expected");
    daemon.wait_for_line("[Nonsense]: unknown section");
    // Each wants what the other has, as only a look at all of them shows.
    let clashing = Configuration::new(mosquitto.port()).set("Host", "SENSORS", "load");
    daemon.reload(&(clashing.text() + "[Sensor load_1m]\nPATH=/x\n"));
    daemon.wait_for_line("expected an id of its own, found \"load_1m\"");
    daemon.wait_for_lines("the configuration is not taken over", 2);
    daemon.change_machine("data/stays", "2");
    observer.wait_for_latest("luigi/pi/stays", "2");
    assert!(!observer.messages().iter().any(|it| it.topic.contains("comes")));
    assert_eq!(daemon.count("connected to the broker"), 1);
    wait_exit(&mut daemon);
}

#[test]
fn another_broker_gets_what_the_one_before_never_took_in_order_and_outputs_are_not_moved() {
    let (old, new) =
        (Mosquitto::start(MosquittoOptions::default()), Mosquitto::start(MosquittoOptions::default()));
    let observer = Observer::start(&new, &["#"]);
    let sections =
        [&sensor("meter", "DELIVERY=every\n"), "[Switch relay]\nSHELL=echo set >> sets\nINITIAL_STATE=on\n"]
            .concat();
    let launch = Launch::new(&declaring(&old, &sections)).machine_file("data/meter", "1");
    let folder = launch.folder().to_owned();
    let mut daemon = launch.start();
    let at_old = Observer::start(&old, &["#"]);
    at_old.wait_for_latest("luigi/pi/meter", "1");
    at_old.wait_for_latest("luigi/pi/relay", "ON");
    drop(at_old);
    drop(old);
    daemon.wait_for_line("lost the connection");
    for value in ["2", "3", "4"] {
        daemon.change_machine("data/meter", value);
        daemon.wait_for_line(&format!("meter: {value}"));
    }
    daemon.reload(&declaring(&new, &sections));
    daemon.wait_for_line("connecting anew for: [Broker]");
    observer.wait_for_latest("luigi/pi/meter", "4");
    let told: Vec<String> = observer
        .messages()
        .iter()
        .filter(|it| it.topic == "luigi/pi/meter")
        .map(|it| it.text().to_owned())
        .collect();
    assert_eq!(told, ["2", "3", "4"]);
    new.publish("luigi/pi/relay/set", "OFF", false);
    observer.wait_for_latest("luigi/pi/relay", "OFF");
    assert_eq!(fs::read_to_string(folder.join("sets")).unwrap().lines().count(), 2);
    wait_exit(&mut daemon);
}

#[test]
fn entities_move_with_their_topics_and_leave_no_ghost() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let sections = [&sensor("room", ""), "[Switch pump]\nPATH=/data/pump\n"].concat();
    let launch = Launch::new(&declaring(&mosquitto, &sections));
    let mut daemon = launch.machine_file("data/room", "1").machine_file("data/pump", "0").start();
    observer.wait_for_latest("luigi/pi/room", "1");
    observer.wait_for_latest("luigi/pi/pump", "OFF");
    let moved = Configuration::new(mosquitto.port()).set("Host", "ENABLED", "no");
    let moved =
        moved.set("Topics", "STATE_TOPIC", "house/pi").set("Topics", "AVAILABILITY_TOPIC", "house/pi/status");
    daemon.reload(&(moved.set("Spool", "MODE", "memory").text() + &sections));
    daemon.wait_for_line("connecting anew for: [Topics]");
    observer.wait_for_latest("house/pi/room", "1");
    observer.wait_for_latest("house/pi/status", "online");
    // The states of the sensor expire, and the broker has kept none.
    for former in ["luigi/pi/pump", "luigi/pi/availability", "luigi/pi/room/availability"] {
        observer.wait_for_latest(former, "");
    }
    mosquitto.publish("house/pi/pump/set", "ON", false);
    observer.wait_for_latest("house/pi/pump", "ON");
    wait_exit(&mut daemon);
}

#[test]
fn another_folder_of_descriptors_takes_the_place_of_the_one_before() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let in_folder = |folder: &str| declaring(&mosquitto, &format!("[Discovery]\nSENSORS_DIR={folder}\n"));
    let descriptor = |id: &str, name: &str| format!(r#"{{"sensor_id":"{id}","name":"{name}","module":"m"}}"#);
    let launch = Launch::new(&in_folder("/first"))
        .machine_file("first/goes.json", &descriptor("goes", "Goes"))
        .machine_file("first/both.json", &descriptor("both", "Before"))
        .machine_file("second/both.json", &descriptor("both", "After"))
        .machine_file("second/comes.json", &descriptor("comes", "Comes"));
    let mut daemon = launch.start();
    let wait_named = |id: &str, name: &str| {
        let is_named = || observer.latest(&config_topic(id)).is_some_and(|it| it.text().contains(name));
        wait_until(name, LIMIT, is_named);
    };
    wait_named("goes", "Goes");
    wait_named("both", "Before");

    daemon.reload(&in_folder("/second"));
    wait_named("both", "After");
    wait_named("comes", "Comes");
    observer.wait_for_latest(&config_topic("goes"), "");
    daemon.change_machine("second/late.json", &descriptor("late", "Late"));
    wait_named("late", "Late");
    daemon.change_machine("first/late.json", &descriptor("late", "Nobody looks"));
    daemon.change_machine("second/late.json", &descriptor("late", "Later"));
    wait_named("late", "Later");

    daemon.reload(&declaring(&mosquitto, ""));
    for id in ["both", "comes", "late"] {
        observer.wait_for_latest(&config_topic(id), "");
    }
    assert!(!observer.messages().iter().any(|it| it.text().contains("Nobody")));
    assert_eq!(daemon.count("connected to the broker"), 1, "{:#?}", daemon.lines());
    wait_exit(&mut daemon);
}
