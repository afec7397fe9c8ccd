//! Several mock brokers that take each other's place: what was not acknowledged by one is sent to the next.

use std::net::SocketAddr;
use std::time::Duration;

use luigi_mqtt::bridge::Farewell;
use luigi_mqtt::config::Config;
use luigi_mqtt::config::Endpoint;
use luigi_mqtt::entity::Sensor;
use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Faults;
use luigi_mqtt::mock::Settings;
use luigi_mqtt::model::Qos;

use crate::support::AVAILABILITY;
use crate::support::CLIENT_ID;
use crate::support::Station;
use crate::support::Witness;
use crate::support::config;
use crate::support::hasty;
use crate::support::retained;
use crate::support::wait_for_retained;

/// A configuration for `brokers`, in this order, that looks every few milliseconds whether a better one is back.
fn configuration(brokers: &[&Broker]) -> Config {
    let mut configuration = hasty(&config(brokers[0].address().port(), &[]));
    let endpoint = |it: SocketAddr| Endpoint { host: it.ip().to_string(), port: it.port() };
    configuration.broker.endpoints = brokers.iter().map(|it| endpoint(it.address())).collect();
    configuration.broker.failback_interval = Some(Duration::from_millis(20));
    configuration
}

fn broker() -> Broker {
    Broker::start(Settings::default()).unwrap()
}

fn station(configuration: &Config) -> Station {
    Station::start(configuration, [Sensor::new("attic", "Attic").unit("°C").build().unwrap()])
}

const DISCOVERY: &str = "homeassistant/sensor/luigi-pi/attic/config";
const ATTIC: &str = "luigi/pi/attic";

#[test]
fn what_one_broker_has_not_acknowledged_is_sent_to_the_next() {
    for (clean_session, qos) in [
        (true, Qos::AtLeastOnce),
        (false, Qos::AtLeastOnce),
        (true, Qos::ExactlyOnce),
        (false, Qos::ExactlyOnce),
    ] {
        let (mut first, second) = (broker(), broker());
        let mut configuration = configuration(&[&first, &second]);
        (configuration.client.clean_session, configuration.client.qos) = (clean_session, qos);
        let station = station(&configuration);
        station.offer("attic", 20.0);
        wait_for_retained(&first, ATTIC, Some("20"));
        station.wait_for_delivered(3);
        first.set_faults(Faults { withhold_acks: Some(1), ..Faults::default() });
        station.offer("attic", 21.0);
        wait_for_retained(&first, ATTIC, Some("21"));
        assert_eq!(station.health.delivered(), 3);

        first.stop();
        wait_for_retained(&second, ATTIC, Some("21"));
        wait_for_retained(&second, AVAILABILITY, Some("online"));
        station.wait_for_delivered(6);
        assert!(retained(&second, DISCOVERY).is_some_and(|it| Some(it) == retained(&first, DISCOVERY)));
        // Where sessions are kept, one that may be left there from before is ended first.
        let clean: Vec<bool> = second.connects().iter().map(|it| it.clean_session).collect();
        assert_eq!(clean, if clean_session { vec![true] } else { vec![true, false] });
        assert_eq!(station.stop(), Farewell::default());
    }
}

#[test]
fn on_the_way_back_nothing_is_lost_and_the_broker_left_behind_says_offline_by_itself() {
    let (mut first, second) = (broker(), broker());
    first.stop();
    let station = station(&configuration(&[&first, &second]));
    station.offer("attic", 20.0);
    wait_for_retained(&second, ATTIC, Some("20"));
    let witness = Witness::of(&second);
    second.set_faults(Faults { withhold_acks: Some(1), ..Faults::default() });
    station.offer("attic", 21.0);
    witness.wait_for_line(ATTIC, "21");
    first.restart().unwrap();
    wait_for_retained(&first, ATTIC, Some("21"));
    wait_for_retained(&first, AVAILABILITY, Some("online"));
    witness.wait_for_line(AVAILABILITY, "offline");
    // The will: it comes from the session itself, not from one that came later to say it.
    let said = witness.publishes().into_iter().find(|it| it.topic.as_str() == AVAILABILITY).unwrap();
    assert_eq!((said.client.as_str(), said.retain), (CLIENT_ID, true));
}

#[test]
fn a_connection_that_is_cut_again_and_again_stays_with_its_broker_as_long_as_that_is_of_use() {
    let (first, second) = (broker(), broker());
    let station = station(&configuration(&[&first, &second]));
    for value in [20.0, 21.0] {
        station.offer("attic", value);
        wait_for_retained(&first, ATTIC, Some(&value.to_string()));
        first.cut();
    }
    station.offer("attic", 22.0);
    wait_for_retained(&first, ATTIC, Some("22"));
    assert_eq!((first.connect_count(), second.connect_count()), (3, 0));
}
