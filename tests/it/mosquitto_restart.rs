//! A broker that restarts, and Home Assistant that does.

use std::collections::BTreeMap;

use crate::support::AVAILABILITY;
use crate::support::CLIENT_ID;
use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Seen;
use crate::support::wait_until_or;

/// What Home Assistant needs to show everything as it is now: by topic, all that is retained of the daemon.
fn announced(mosquitto: &Mosquitto) -> BTreeMap<String, String> {
    let figure = |topic: &str| topic.starts_with("luigi/pi/messages_") || topic == "luigi/pi/reconnects";
    let retained = mosquitto.retained("#").into_iter();
    retained.filter(|it| !figure(&it.topic)).map(|it| (it.topic.clone(), it.text())).collect()
}

/// A daemon that has announced everything, and what that was.
#[track_caller]
fn settled(mosquitto: &Mosquitto) -> (Daemon, BTreeMap<String, String>) {
    let daemon = Daemon::start(&Configuration::new(mosquitto.port()).set("Host", "INTERVAL", "1s").text());
    daemon.wait_for_line("] announced ");
    let observer = Observer::start(mosquitto, &["luigi/pi/wifi_signal"]);
    observer.wait_for_latest("luigi/pi/wifi_signal", "-54");
    let all = announced(mosquitto);
    assert_eq!(all[AVAILABILITY], "online");
    (daemon, all)
}

/// Restarts a broker by way of `restart`, and checks that all is as it was before.
#[track_caller]
fn check(persistence: bool, restart: impl FnOnce(&mut Mosquitto)) {
    let mut mosquitto = Mosquitto::start(MosquittoOptions { persistence, ..Default::default() });
    let (daemon, before) = settled(&mosquitto);
    restart(&mut mosquitto);
    let everything_is_back = || announced(&mosquitto) == before;
    wait_until_or("everything to be back", LIMIT, everything_is_back, || {
        (announced(&mosquitto), daemon.lines())
    });
    daemon.wait_for_lines("] announced ", 2);

    // The subscription is made anew as well.
    let observer = Observer::start(&mosquitto, &["homeassistant/#"]);
    observer.clear();
    mosquitto.publish("homeassistant/status", "online", false);
    let discoveries = before.keys().filter(|it| it.starts_with("homeassistant/")).count();
    observer.wait_for("all discovery once more", LIMIT, |it| it.len() == discoveries + 1);

    let lines = daemon.lines();
    assert_eq!(
        daemon.count("lost the connection to the broker: the broker closed the connection"),
        1,
        "{lines:#?}"
    );
    assert_eq!(daemon.count("] connected to the broker"), 2, "{lines:#?}");
    assert_eq!(daemon.count("[ERROR]"), 0, "{lines:#?}");
}

#[test]
fn a_broker_that_restarts_and_remembers_is_told_everything_again() {
    check(true, |mosquitto| {
        mosquitto.stop();
        mosquitto.start_again();
    });
}

#[test]
fn a_broker_that_restarts_and_has_forgotten_is_told_everything_again() {
    check(false, |mosquitto| {
        mosquitto.stop();
        mosquitto.start_again();
    });
}

#[test]
fn a_broker_that_is_killed_and_comes_back_empty_is_told_everything_again() {
    check(true, |mosquitto| {
        mosquitto.kill();
        mosquitto.forget();
        mosquitto.start_again();
    });
}

#[test]
fn the_birth_message_has_discovery_availability_and_states_sent_again_in_this_order() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let (daemon, all) = settled(&mosquitto);
    let observer = Observer::start(&mosquitto, &["homeassistant/+/#", "luigi/#"]);
    observer.clear();
    mosquitto.publish("homeassistant/status", "online", false);
    daemon.wait_for_line("Home Assistant has started");
    let again = |messages: &[Seen]| all.keys().all(|topic| messages.iter().any(|it| it.topic == *topic));
    observer.wait_for("everything once more", LIMIT, again);

    let messages: Vec<Seen> =
        observer.messages().into_iter().filter(|it| it.topic != "homeassistant/status").collect();
    let online = messages.iter().position(|it| it.topic == AVAILABILITY).unwrap();
    assert_eq!(messages[online].text(), "online");
    for (at, it) in messages.iter().enumerate() {
        assert_eq!(it.topic.starts_with("homeassistant/"), at < online, "{messages:#?}");
        assert!(it.retained && it.qos == 1, "{it:?}");
    }
}

#[test]
fn a_retained_birth_message_and_an_offline_are_no_news() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    mosquitto.publish("homeassistant/status", "online", true);
    let (daemon, _) = settled(&mosquitto);
    let answered = |count: usize| {
        let answer = format!("Received PUBACK from {CLIENT_ID} ");
        wait_until_or(
            "the daemon to have it",
            LIMIT,
            || mosquitto.log().matches(&answer).count() == count,
            || mosquitto.log(),
        );
    };
    answered(1);
    mosquitto.publish("homeassistant/status", "offline", true);
    answered(2);
    // The link is heard before a reading is: with this one, what came before is past.
    daemon.change_machine("sys/class/thermal/thermal_zone0/temp", "50000\n");
    daemon.wait_for_line("cpu_temperature: 50");
    assert_eq!(daemon.count("Home Assistant has started"), 0, "{:#?}", daemon.lines());
    assert_eq!(daemon.count("] announced "), 1, "{:#?}", daemon.lines());

    mosquitto.publish("homeassistant/status", "online", true);
    daemon.wait_for_line("Home Assistant has started");
}
