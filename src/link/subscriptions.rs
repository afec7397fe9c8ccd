//! What we subscribe to on each connection, less what the broker makes impossible.

use rumqttc::QoS;
use rumqttc::SubscribeFilter;

use crate::model::Qos;
use crate::model::TopicFilter;

use super::LinkError;

/// The filters of the options, and what became of them on the connections so far. Logs each refusal once,
/// until the filter was accepted again, and each filter that is left out.
#[derive(Debug)]
pub(super) struct Subscriptions {
    filters: Vec<Filter>,
    /// How many of them, from the first on, are still subscribed to.
    kept: usize,
    /// Connections in a row that a packet beyond the limit ended.
    oversize: u32,
}

#[derive(Debug)]
struct Filter {
    filter: TopicFilter,
    qos: QoS,
    refused: bool,
}

impl Subscriptions {
    /// Subscriptions to `wanted`, the most important first.
    pub(super) fn new(wanted: &[(TopicFilter, Qos)]) -> Subscriptions {
        let filter = |(filter, qos): &(TopicFilter, Qos)| Filter {
            filter: filter.clone(),
            // Not QoS 2: a broker that finishes an old exchange on a new connection sends PUBREL, which
            // rumqttc 0.25.1 takes for an error, on that connection and on each one after it.
            qos: if *qos == Qos::AtMostOnce { QoS::AtMostOnce } else { QoS::AtLeastOnce },
            refused: false,
        };
        Subscriptions { filters: wanted.iter().map(filter).collect(), kept: wanted.len(), oversize: 0 }
    }

    /// What to subscribe to on the next connection.
    pub(super) fn wanted(&self) -> Vec<SubscribeFilter> {
        let filter = |it: &Filter| SubscribeFilter::new(it.filter.as_str().to_owned(), it.qos);
        self.filters[..self.kept].iter().map(filter).collect()
    }

    /// Takes note of the broker's answer, one for each of [`Subscriptions::wanted`].
    pub(super) fn answered(&mut self, accepted: &[bool]) {
        for (filter, accepted) in self.filters.iter_mut().zip(accepted) {
            if !accepted && !filter.refused {
                log::warn!(
                    "the broker refused the subscription to {}: check what it allows this user",
                    filter.filter
                );
            }
            filter.refused = !accepted;
        }
    }

    /// Takes note of how a connection ended. A retained packet beyond the limit would end each connection
    /// as soon as we subscribe, and nothing could be published any more: from the second such end on, the
    /// last filter is left out until the program starts anew.
    pub(super) fn connection_ended(&mut self, cause: &LinkError) {
        let LinkError::Oversize { bytes, limit } = cause else {
            self.oversize = 0;
            return;
        };
        self.oversize += 1;
        if self.oversize >= 2 && self.kept > 0 {
            self.kept -= 1;
            log::error!(
                "no longer subscribed to {}: the broker sends a packet of {bytes} bytes, the limit is \
                 {limit}; raise MAX_PACKET_SIZE in [Client] and restart",
                self.filters[self.kept].filter
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscriptions() -> Subscriptions {
        let filter = |it| (TopicFilter::new(it).unwrap(), Qos::ExactlyOnce);
        Subscriptions::new(&["birth", "commands/#"].map(filter))
    }

    fn wanted(subscriptions: &Subscriptions) -> Vec<String> {
        subscriptions.wanted().into_iter().map(|it| it.path).collect()
    }

    fn oversize() -> LinkError {
        LinkError::Oversize { bytes: 2_000_000, limit: 1_048_576 }
    }

    #[test]
    fn nothing_is_subscribed_to_at_qos_2() {
        assert!(subscriptions().wanted().iter().all(|it| it.qos == QoS::AtLeastOnce));
    }

    #[test]
    fn packets_beyond_the_limit_cost_the_newest_filter_from_the_second_connection_on() {
        let mut subscriptions = subscriptions();
        for expected in [&["birth", "commands/#"][..], &["birth"], &[], &[]] {
            subscriptions.connection_ended(&oversize());
            assert_eq!(wanted(&subscriptions), expected);
        }
    }

    #[test]
    fn one_packet_beyond_the_limit_now_and_then_costs_nothing() {
        let mut subscriptions = subscriptions();
        for _ in 0..3 {
            subscriptions.connection_ended(&oversize());
            subscriptions.connection_ended(&LinkError::ClosedByBroker);
        }
        assert_eq!(wanted(&subscriptions), ["birth", "commands/#"]);
    }

    #[test]
    fn a_refused_filter_is_asked_for_again() {
        let mut subscriptions = subscriptions();
        subscriptions.answered(&[true, false]);
        assert!(!subscriptions.filters[0].refused && subscriptions.filters[1].refused);
        assert_eq!(wanted(&subscriptions), ["birth", "commands/#"]);
        subscriptions.answered(&[true, true]);
        assert!(!subscriptions.filters[1].refused);
    }
}
