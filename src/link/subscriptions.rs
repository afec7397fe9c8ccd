//! What became of our subscriptions, over connections: what the broker refuses, and what it makes impossible.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::Qos;
use crate::model::TopicFilter;

use super::LinkError;

/// The filters of the options, and what became of them and of the bridge's on the connections so far. Logs each refusal
/// once, until the filter was accepted again, and each filter that is left out.
#[derive(Debug)]
pub(super) struct Subscriptions {
    first: Vec<(TopicFilter, Qos)>,
    /// At most [`MAX_REFUSED`].
    refused: BTreeSet<TopicFilter>,
    allowed: Allowed,
    /// Connections in a row that a packet beyond the limit ended.
    oversize: u32,
}

/// What may be subscribed to on one connection.
#[derive(Clone, Debug)]
pub(super) struct Allowed {
    /// What may not. One more at most for each connection.
    barred: Arc<BTreeSet<TopicFilter>>,
    at_once: usize,
}

impl Subscriptions {
    /// Subscriptions to `first` from the beginning of each connection on, the most important first.
    pub(super) fn new(first: Vec<(TopicFilter, Qos)>) -> Subscriptions {
        let allowed = Allowed { barred: Arc::default(), at_once: AT_ONCE };
        Subscriptions { first, refused: BTreeSet::new(), allowed, oversize: 0 }
    }

    /// What to subscribe to at the beginning of the next connection.
    pub(super) fn first(&self) -> &[(TopicFilter, Qos)] {
        &self.first
    }

    /// What may be subscribed to on the next connection.
    pub(super) fn allowed(&self) -> Allowed {
        self.allowed.clone()
    }

    /// Takes note of the broker's answer, whether each of `filters` is granted.
    pub(super) fn answered(&mut self, filters: &[(TopicFilter, bool)]) {
        for (filter, granted) in filters {
            if *granted {
                self.refused.remove(filter);
            } else if self.allowed.contains(filter) && !self.refused.contains(filter) {
                self.refused(filter);
            }
        }
    }

    fn refused(&mut self, filter: &TopicFilter) {
        if self.refused.len() < MAX_REFUSED {
            log::warn!("the broker refused the subscription to {filter}: check what it allows this user");
            self.refused.insert(filter.clone());
            if self.refused.len() == MAX_REFUSED {
                log::warn!("the broker refused {MAX_REFUSED} subscriptions: further ones are not shown");
            }
        }
    }

    /// Takes note of how a connection ended, on which `newest` was subscribed to last. A retained packet beyond
    /// the limit would end each connection as soon as we subscribe, and nothing could be published any more: from
    /// the second such end on, that filter is left out until the program starts anew. It is most likely the right
    /// one, for after the first such end the bridge subscribes to one filter after the other.
    pub(super) fn connection_ended(&mut self, cause: &LinkError, newest: Option<TopicFilter>) {
        let LinkError::Oversize { bytes, limit } = cause else {
            self.oversize = 0;
            self.allowed.at_once = AT_ONCE;
            return;
        };
        self.oversize += 1;
        self.allowed.at_once = 1;
        if let Some(newest) = newest.filter(|_| self.oversize >= 2) {
            log::error!(
                "no longer subscribed to {newest}: the broker sends a packet of {bytes} bytes, the limit is \
                 {limit}; raise MAX_PACKET_SIZE in [Client] and restart"
            );
            Arc::make_mut(&mut self.allowed.barred).insert(newest);
        }
    }
}

impl Allowed {
    /// Whether `filter` may be subscribed to.
    pub(super) fn contains(&self, filter: &TopicFilter) -> bool {
        !self.barred.contains(filter)
    }

    /// How many filters may go into one SUBSCRIBE.
    pub(super) fn at_once(&self) -> usize {
        self.at_once
    }
}

/// Filters in one SUBSCRIBE: few enough that a broker with little room takes them.
const AT_ONCE: usize = 100;
/// How many refused filters are remembered, and hence shown.
const MAX_REFUSED: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::new(text).unwrap()
    }

    /// Which of a, b and c may still be subscribed to, and how many at once, after these connections: for each the
    /// filter that was subscribed to last, where a packet beyond the limit ended it, or `-` where something else did.
    #[track_caller]
    fn check(ends: &[&str], expected: (&str, usize)) {
        let mut subscriptions = Subscriptions::new(Vec::new());
        for end in ends {
            let oversize = LinkError::Oversize { bytes: 2_000_000, limit: 1_048_576 };
            let cause = if *end == "-" { LinkError::ClosedByBroker } else { oversize };
            subscriptions.connection_ended(&cause, TopicFilter::new(end).ok());
        }
        let allowed = subscriptions.allowed();
        let left: String = ["a", "b", "c"].into_iter().filter(|it| allowed.contains(&filter(it))).collect();
        assert_eq!((left.as_str(), allowed.at_once()), expected);
    }

    #[test]
    fn packets_beyond_the_limit_cost_the_newest_filter_from_the_second_connection_on() {
        check(&[], ("abc", AT_ONCE));
        check(&["c"], ("abc", 1));
        check(&["c", "b"], ("ac", 1));
        check(&["c", "b", "a"], ("c", 1));
        check(&["c", ""], ("abc", 1));
    }

    #[test]
    fn one_packet_beyond_the_limit_now_and_then_costs_nothing() {
        check(&["c", "-", "c", "-", "c", "-"], ("abc", AT_ONCE));
        check(&["c", "b", "-", "c"], ("ac", 1));
    }

    #[test]
    fn a_refusal_is_remembered_until_the_filter_is_granted_and_so_are_not_too_many() {
        let mut subscriptions = Subscriptions::new(Vec::new());
        let mut answer = |text: &str, granted| {
            subscriptions.answered(&[(filter(text), granted)]);
            subscriptions.refused.len()
        };
        assert_eq!([answer("a", false), answer("a", false), answer("b", false)], [1, 1, 2]);
        assert_eq!([answer("a", true), answer("a", false)], [1, 2]);
        for nth in 0..2 * MAX_REFUSED {
            answer(&nth.to_string(), false);
        }
        assert_eq!(answer("c", false), MAX_REFUSED);
    }
}
