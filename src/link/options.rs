//! What the link needs to know, and how rumqttc and the resolver are told.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rumqttc::LastWill;
use rumqttc::MqttOptions;
use rumqttc::QoS;

use crate::config::Broker;
use crate::config::Client;
use crate::config::Credentials;
use crate::config::Endpoint;
use crate::model::Message;
use crate::model::Qos;
use crate::model::TopicFilter;
use crate::resolver::Resolver;

use super::LinkError;
use super::session::limits;
use super::site::Site;
use super::target::Target;

/// Where the brokers are and how to be their client.
#[derive(Clone, Debug)]
pub struct Options {
    /// The brokers' addresses and encryption.
    pub broker: Broker,
    /// Who we are; `None` is anonymous.
    pub credentials: Option<Credentials>,
    /// Client identifier, times and limits.
    pub client: Client,
    /// What the broker publishes for us when the connection ends without our word; `None`: nobody is to hear of it, as of an
    /// errand beside the daemon.
    pub will: Option<Message>,
    /// What to subscribe to from the first moment of each connection, the most important first, in one packet. When
    /// packets larger than `client.max_packet_bytes` end connections, filters are left out: first those of
    /// [`super::Session::subscribe`], then these from the last on. QoS 2 is asked for as QoS 1.
    pub subscriptions: Vec<(TopicFilter, Qos)>,
}

impl Options {
    /// The brokers, in the order of preference.
    pub fn sites(&self) -> impl Iterator<Item = Site> {
        Site::all(&self.broker.endpoints)
    }

    /// The broker of that rank, which must be below their number.
    pub(super) fn site(&self, rank: usize) -> Site {
        self.sites().nth(rank).expect("ranks count the configured brokers")
    }

    /// The addresses of the broker at `endpoint`, in the order of `resolver`, which is given until `deadline` and
    /// [may take longer](Resolver::addresses).
    ///
    /// # Errors
    ///
    /// [`LinkError::Resolve`].
    pub(super) fn addresses(
        &self,
        endpoint: &Endpoint,
        resolver: &mut Resolver,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, LinkError> {
        let Endpoint { host, port } = endpoint;
        let failed = |cause| LinkError::Resolve { host: host.clone(), cause };
        resolver.addresses(host, *port, deadline).map_err(failed)
    }

    /// What to try at `endpoint`, one after the other: each of `addresses` for itself, so that one that swallows
    /// packets does not hide the others.
    pub(super) fn targets(&self, endpoint: &Endpoint, addresses: &[SocketAddr]) -> Vec<Target> {
        addresses.iter().map(|it| Target { endpoint: endpoint.clone(), address: *it }).collect()
    }

    /// rumqttc's options for a broker at `address`, as it takes them, and `port`, without a will.
    pub(super) fn mqtt(&self, address: &str, port: u16) -> MqttOptions {
        let mut mqtt = MqttOptions::new(self.client.id.clone(), address, port);
        mqtt.set_clean_session(true)
            .set_keep_alive(self.client.keep_alive.max(LEAST_KEEP_ALIVE))
            .set_inflight(limits(self.client.max_in_flight).identifiers())
            .set_max_packet_size(self.client.max_packet_bytes, MQTT_LARGEST);
        if let Some(Credentials { username, password }) = &self.credentials {
            // An empty password is left out of CONNECT altogether.
            mqtt.set_credentials(username, password.as_ref().map_or("", |it| it.reveal()));
        }
        mqtt
    }

    /// The will, as rumqttc has it.
    pub(super) fn last_will(&self) -> Option<LastWill> {
        let will = self.will.as_ref()?;
        Some(LastWill::new(will.topic.as_str(), &*will.payload, level(will.qos), will.retain))
    }
}

/// rumqttc's name for `qos`.
pub(super) fn level(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

/// rumqttc panics below this.
const LEAST_KEEP_ALIVE: Duration = Duration::from_secs(1);
/// Largest packet in MQTT, in bytes; what is sensible to publish is decided where messages are made.
const MQTT_LARGEST: usize = 268_435_455;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::peer::options;

    fn endpoint(host: &str) -> Endpoint {
        Endpoint { host: host.to_owned(), port: 1883 }
    }

    #[test]
    fn an_ip_address_needs_no_resolver() {
        for (host, expected) in [("::1", "[::1]:1883"), ("127.0.0.1", "127.0.0.1:1883")] {
            let found = options(1883).addresses(&endpoint(host), &mut Resolver::new(), Instant::now());
            assert_eq!(found.unwrap(), [expected.parse().unwrap()]);
        }
    }

    #[test]
    fn a_name_without_an_address_is_named() {
        // Longer than a name may be: refused by the resolver itself, without a question to the network.
        let nowhere = endpoint(&"nowhere.".repeat(40));
        let error = options(1883).addresses(&nowhere, &mut Resolver::new(), Instant::now()).unwrap_err();
        assert!(error.to_string().contains("nowhere.nowhere."), "{error}");
        assert_eq!(error.kind(), "resolve");
    }
}
