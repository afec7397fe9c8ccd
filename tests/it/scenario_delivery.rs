//! What was accepted is delivered, wherever the connection breaks and however the broker acknowledges.

use std::collections::BTreeMap;
use std::thread;

use luigi_mqtt::bridge::Farewell;
use luigi_mqtt::config::Config;
use luigi_mqtt::entity::Entity;
use luigi_mqtt::entity::Sensor;
use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Faults;
use luigi_mqtt::mock::Settings;

use crate::support::LIMIT;
use crate::support::Station;
use crate::support::Witness;
use crate::support::config;
use crate::support::hasty;
use crate::support::payload;
use crate::support::wait_for_retained;
use crate::support::wait_until_or;

fn configuration(broker: &Broker, more: &[(&str, &str, &str)]) -> Config {
    hasty(&config(broker.address().port(), more))
}

fn sensor(id: &str) -> Entity {
    Sensor::new(id, id).unit("°C").build().unwrap()
}

/// Ten sensors, `t0` to `t9`.
fn sensors() -> Vec<Entity> {
    (0..10).map(|at| sensor(&format!("t{at}"))).collect()
}

/// A station with ten sensors and a state of each: 21 messages with `online`.
fn station(broker: &Broker, more: &[(&str, &str, &str)]) -> Station {
    let station = Station::start(&configuration(broker, more), sensors());
    (0..10).for_each(|at| station.offer(&format!("t{at}"), f64::from(at)));
    station
}

/// Sees that the broker has it all in the end.
#[track_caller]
fn check_complete(broker: &Broker, station: &Station) {
    wait_for_retained(broker, "luigi/pi/availability", Some("online"));
    for at in 0..10 {
        wait_for_retained(broker, &format!("luigi/pi/t{at}"), Some(&at.to_string()));
    }
    station.wait_for_delivered(21);
}

/// Cuts the first connection as `faults` say, and sees that the next ones deliver everything.
fn check_cut(faults: Faults) {
    let broker = Broker::start(faults.clone()).unwrap();
    let witness = Witness::of(&broker);
    let station = station(&broker, &[]);
    station.wait_for_ends(1);
    broker.set_faults(Faults::default());
    check_complete(&broker, &station);
    let announced = witness.announcements();
    assert!(announced >= 10, "{faults:?}: only {announced} announcements");
}

/// All of `faults` at the same time, for each takes the second in which Home Assistant settles.
fn check_cuts(faults: impl IntoIterator<Item = Faults>) {
    let threads: Vec<_> = faults.into_iter().map(|it| thread::spawn(|| check_cut(it))).collect();
    assert!(threads.len() >= 20);
    threads.into_iter().for_each(|it| it.join().unwrap());
}

#[test]
fn a_connection_cut_anywhere_in_login_and_subscription_costs_nothing() {
    // CONNECT has 54 bytes, SUBSCRIBE after it 27.
    check_cuts(
        (1..=81).step_by(4).map(|bytes| Faults { cut_after_received: Some(bytes), ..Faults::default() }),
    );
}

#[test]
fn a_connection_cut_anywhere_in_the_announcement_costs_nothing() {
    // Ten announcements of some 430 bytes, `online`, and ten states.
    check_cuts(
        (90..=4_480)
            .step_by(199)
            .map(|bytes| Faults { cut_after_received: Some(bytes), ..Faults::default() }),
    );
}

#[test]
fn a_connection_cut_anywhere_in_the_answers_costs_nothing() {
    // CONNACK has 4 bytes, SUBACK 5, and each of 21 PUBACKs 4.
    check_cuts((1..=93).step_by(3).map(|bytes| Faults { cut_after_sent: Some(bytes), ..Faults::default() }));
}

#[test]
fn cuts_in_an_exchange_of_quality_2_cost_nothing() {
    // CONNACK, SUBACK, and PUBREC and PUBCOMP of 4 bytes each.
    let faults =
        (3..=175).step_by(9).map(|bytes| Faults { cut_after_sent: Some(bytes), ..Faults::default() });
    let threads: Vec<_> = faults
        .map(|faults| {
            thread::spawn(move || {
                let broker = Broker::start(faults).unwrap();
                let station = station(&broker, &[("Client", "QOS", "2")]);
                station.wait_for_ends(1);
                broker.set_faults(Faults::default());
                check_complete(&broker, &station);
            })
        })
        .collect();
    threads.into_iter().for_each(|it| it.join().unwrap());
}

#[test]
fn what_was_not_acknowledged_is_sent_again_on_the_next_connection() {
    let broker = Broker::start(Faults { withhold_acks: Some(1), ..Faults::default() }).unwrap();
    let witness = Witness::of(&broker);
    let station = station(&broker, &[]);
    witness.wait_for_line("luigi/pi/availability", "online");
    assert_eq!((station.health.delivered(), witness.announcements()), (0, 10));
    broker.set_faults(Faults::default());
    broker.cut();
    check_complete(&broker, &station);
    assert_eq!(witness.announcements(), 20);
    assert_eq!((station.health.delivered(), station.health.reconnects()), (21, 1));
    assert_eq!(station.stop(), Farewell::default());
}

#[test]
fn a_broker_that_forgets_some_acknowledgements_gets_just_those_messages_again() {
    let broker = Broker::start(Settings::default()).unwrap();
    let witness = Witness::of(&broker);
    let station = station(&broker, &[]);
    check_complete(&broker, &station);
    broker.set_faults(Faults { withhold_acks: Some(3), ..Faults::default() });
    witness.clear();
    (0..9).for_each(|at| station.offer(&format!("t{at}"), f64::from(at + 100)));
    let health = &station.health;
    wait_until_or("six of nine", LIMIT, || health.delivered() == 27, || health.clone());
    broker.set_faults(Faults::default());
    broker.cut();
    wait_for_retained(&broker, "luigi/pi/t8", Some("108"));
    station.wait_for_delivered(27 + 11 + 10);
    for at in 0..9 {
        let states = witness.on(&format!("luigi/pi/t{at}"));
        assert!(
            states.iter().all(|it| *it == (at + 100).to_string()),
            "an old state after a new: {states:?}"
        );
    }
}

#[test]
fn acknowledgements_out_of_order_let_go_of_the_right_messages() {
    for level in ["1", "2"] {
        let broker = Broker::start(Faults { reverse_acks: Some(8), ..Faults::default() }).unwrap();
        let witness = Witness::of(&broker);
        let station = station(&broker, &[("Client", "QOS", level)]);
        check_complete(&broker, &station);
        let mut counts = BTreeMap::new();
        for publish in witness.publishes() {
            *counts.entry((publish.topic.as_str().to_owned(), payload(&publish))).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 21, "{counts:#?}");
        assert!(counts.values().all(|it| *it == 1), "{counts:#?}");
        assert_eq!((station.health.delivered(), station.health.waiting()), (21, 0));
        assert_eq!(station.ends(), [""; 0]);
    }
}

#[test]
fn a_thousand_readings_over_a_connection_that_keeps_breaking_end_with_the_newest_of_each() {
    let broker = Broker::start(Faults { cut_after_received: Some(20_000), ..Faults::default() }).unwrap();
    let witness = Witness::of(&broker);
    let station = station(&broker, &[]);
    check_complete(&broker, &station);
    for round in 1..=100 {
        for at in 0..10 {
            station.offer(&format!("t{at}"), f64::from(1000 * round + at));
        }
        witness.wait_for_line("luigi/pi/t9", &(1000 * round + 9).to_string());
    }
    for at in 0..10 {
        let newest = 100_000 + at;
        wait_for_retained(&broker, &format!("luigi/pi/t{at}"), Some(&newest.to_string()));
        let states: Vec<u32> =
            witness.on(&format!("luigi/pi/t{at}")).iter().map(|it| it.parse().unwrap()).collect();
        assert!(states.is_sorted(), "an old state after a new: {states:?}");
    }
    assert!(station.health.reconnects() >= 1, "{:?}", station.ends());
    assert_eq!(station.health.dropped(), 0);
}

#[test]
fn readings_taken_while_the_broker_is_away_arrive_as_the_newest_of_each() {
    let mut broker = Broker::start(Settings::default()).unwrap();
    let witness = Witness::of(&broker);
    let station = station(&broker, &[]);
    check_complete(&broker, &station);
    broker.stop();
    station.wait_for_link(false);
    witness.clear();
    for value in [20.0, 21.0, 22.0] {
        station.offer("t3", value);
    }
    wait_until_or("two replaced", LIMIT, || station.health.replaced() == 2, || station.health.clone());
    broker.restart().unwrap();
    witness.wait_for_line("luigi/pi/t3", "22");
    assert_eq!(witness.on("luigi/pi/t3"), ["22"]);
}

#[test]
fn a_broker_that_takes_no_bytes_holds_nobody_up() {
    let broker = Broker::start(Settings::default()).unwrap();
    let more = &[("Client", "KEEPALIVE", "5"), ("Client", "CONNECTION_TIMEOUT", "2")];
    let station =
        Station::start(&configuration(&broker, more), [Sensor::new("text", "Text").build().unwrap()]);
    station.wait_for_delivered(2);
    broker.set_faults(Faults { stall: true, ..Faults::default() });
    // What fills the buffers on the way, 25 MB of them, is accepted at once all the same.
    for number in 0..100_000 {
        station.offer("text", format!("{number:0>255}"));
    }
    station.wait_for_ends(1);
    broker.set_faults(Faults::default());
    station.offer("text", "the end");
    wait_for_retained(&broker, "luigi/pi/text", Some("the end"));
    let cause = &station.ends()[0];
    assert!(cause.contains("takes no data") || cause.contains("unanswered"), "{cause}");
}

#[test]
fn a_stop_delivers_what_waits_and_counts_what_it_could_not() {
    let mut broker = Broker::start(Settings::default()).unwrap();
    let witness = Witness::of(&broker);
    let station = station(&broker, &[]);
    check_complete(&broker, &station);
    station.offer("t1", 99.0);
    assert_eq!(station.stop(), Farewell::default());
    wait_for_retained(&broker, "luigi/pi/t1", Some("99"));
    witness.wait_for_line("luigi/pi/availability", "offline");

    let station = Station::start(&configuration(&broker, &[]), sensors());
    station.wait_for_delivered(11);
    broker.stop();
    station.wait_for_link(false);
    station.offer("t1", 98.0);
    assert_eq!(station.stop(), Farewell { lost: 1, on_card: 0 });
}
