//! A message at which a real broker closes every connection.

use luigi_mqtt::Client;
use luigi_mqtt::model::Delivery;
use luigi_mqtt::model::Message;
use luigi_mqtt::model::Qos;
use luigi_mqtt::model::Topic;

use crate::support::LIMIT;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::config;
use crate::support::hasty;
use crate::support::wait_until_or;

/// Has a message between two others at which the broker closes each connection, with `keys` set besides. Returns how often the
/// connection came back.
#[track_caller]
fn check(keys: &[(&str, &str, &str)]) -> u64 {
    let extra = "max_packet_size 2000".to_owned();
    let mosquitto = Mosquitto::start(MosquittoOptions { extra, ..Default::default() });
    let observer = Observer::start(&mosquitto, &["bulk/#"]);
    let luigi = Client::connect(hasty(&config(mosquitto.port(), keys))).unwrap();
    let client = luigi.clone();
    for (topic, bytes) in [("bulk/before", 10), ("bulk/poison", 5_000), ("bulk/after", 10)] {
        let (topic, payload) = (Topic::new(topic).unwrap(), "x".repeat(bytes).into_bytes().into());
        let message = Message { topic, payload, qos: Qos::AtLeastOnce, retain: false };
        client.publish_message(message, Delivery::Every).unwrap();
    }
    let text = "x".repeat(10);
    observer.wait_for_latest("bulk/before", &text);
    observer.wait_for("the others", 2 * LIMIT, |it| it.iter().any(|it| it.topic == "bulk/after"));
    let settled = || client.report().is_some_and(|it| it.total.waiting == 0);
    wait_until_or("all to be settled", LIMIT, settled, || client.report());
    assert_eq!(client.report().unwrap().total.dropped, 1);
    assert!(observer.messages().iter().all(|it| it.topic != "bulk/poison"));
    luigi.health().reconnects()
}

#[test]
fn a_message_that_is_too_large_for_the_broker_holds_the_others_up_for_a_while_only() {
    let reconnects = check(&[]);
    assert!(reconnects >= 10, "{reconnects}");
}

#[test]
fn nor_does_it_hold_them_up_for_ever_in_a_session_that_is_kept() {
    check(&[("Client", "CLEAN_SESSION", "no")]);
}
