//! A program called `porch` on the machine `pi`, which embeds the library.

use std::time::Duration;

use luigi_mqtt::Client;
use luigi_mqtt::Config;
use luigi_mqtt::mock::Broker;

use super::wait::LIMIT;

/// Below this its states go.
pub(crate) const STATES: &str = "luigi/pi/porch";

/// Its configuration, for a broker at `port`.
pub(crate) fn porch(port: u16) -> Config {
    let config = Config::builder("porch")
        .broker("127.0.0.1", port)
        .client_id("porch-pi")
        .state_topic(STATES)
        .availability_topic(&format!("{STATES}/availability"))
        .reconnect_delays(Duration::from_secs(1), Duration::from_secs(1));
    config.build().unwrap()
}

/// Its client, connected to `broker`.
#[track_caller]
pub(crate) fn connected(broker: &Broker) -> Client {
    let client = Client::connect(porch(broker.address().port())).unwrap();
    client.wait_connected(LIMIT).unwrap();
    client
}

/// Whether anybody is subscribed to `filter` at `broker`.
pub(crate) fn is_subscribed(broker: &Broker, filter: &str) -> bool {
    broker.subscriptions().iter().any(|it| it.filter.as_str() == filter)
}
