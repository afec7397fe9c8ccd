//! What the broker is to send us, and what of that it has still to be asked: [`Wire`]. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Qos;
use crate::model::TopicFilter;

/// The topic filters that somebody here wants, and those whose subscription is still to be changed at the broker.
#[derive(Debug)]
pub(super) struct Wire {
    /// What the link subscribes to by itself, on each connection: never to be ended.
    own: TopicFilter,
    wanted: BTreeMap<TopicFilter, Wanted>,
    // Invariant: all in `asking` are wanted, none in `ending` is.
    /// Filters that are to be asked for.
    asking: BTreeSet<TopicFilter>,
    /// Filters that the broker was asked for, to be ended.
    ending: BTreeSet<TopicFilter>,
}

/// How much a filter is wanted.
#[derive(Debug)]
struct Wanted {
    qos: Qos,
    /// By how many; at least one.
    by: u32,
    /// The broker was asked for it, on this connection or on one before. One that it never heard of is not ended there:
    /// while it is away, such filters would only gather here.
    is_known: bool,
}

/// What to ask of the broker in one packet.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Change {
    Subscribe(Vec<(TopicFilter, Qos)>),
    Unsubscribe(Vec<TopicFilter>),
}

impl Wire {
    /// Nobody wants anything; the link subscribes to `own` by itself.
    pub(super) fn new(own: TopicFilter) -> Wire {
        Wire { own, wanted: BTreeMap::new(), asking: BTreeSet::new(), ending: BTreeSet::new() }
    }

    /// Somebody wants `filter`. It is asked for even if others have it already, for that brings what the broker keeps.
    pub(super) fn want(&mut self, filter: TopicFilter, qos: Qos) {
        // With less the broker would take for that what the link has asked for.
        let qos = if filter == self.own { Qos::AtLeastOnce } else { qos };
        let is_known = self.ending.remove(&filter);
        let wanted = self.wanted.entry(filter.clone()).or_insert(Wanted { qos, by: 0, is_known });
        wanted.qos = wanted.qos.max(qos);
        wanted.by = wanted.by.saturating_add(1);
        self.asking.insert(filter);
    }

    /// One of those who wanted `filter` no longer does.
    pub(super) fn unwant(&mut self, filter: &TopicFilter) {
        let Some(wanted) = self.wanted.get_mut(filter) else { return };
        wanted.by -= 1;
        if wanted.by > 0 {
            return;
        }
        let is_known = wanted.is_known;
        self.wanted.remove(filter);
        self.asking.remove(filter);
        if is_known && *filter != self.own {
            self.ending.insert(filter.clone());
        }
    }

    /// There is a new connection: everything is to be asked for. What was to be ended may live on in a session that
    /// the broker keeps, so that is still asked too.
    pub(super) fn connected(&mut self) {
        self.asking.extend(self.wanted.keys().cloned());
    }

    /// What to ask next, if there is anything: no more than `most` filters.
    pub(super) fn next(&self, most: usize) -> Option<Change> {
        let wanted = self.asking.iter().filter_map(|it| Some((it.clone(), self.wanted.get(it)?.qos)));
        let subscribe: Vec<_> = wanted.take(most).collect();
        if !subscribe.is_empty() {
            return Some(Change::Subscribe(subscribe));
        }
        let unsubscribe: Vec<_> = self.ending.iter().take(most).cloned().collect();
        (!unsubscribe.is_empty()).then_some(Change::Unsubscribe(unsubscribe))
    }

    /// The first `count` filters of `change` were asked.
    pub(super) fn asked(&mut self, change: &Change, count: usize) {
        match change {
            Change::Subscribe(filters) => {
                for (filter, _) in filters.iter().take(count) {
                    self.asking.remove(filter);
                    if let Some(wanted) = self.wanted.get_mut(filter) {
                        wanted.is_known = true;
                    }
                }
            }
            Change::Unsubscribe(filters) => {
                for filter in filters.iter().take(count) {
                    self.ending.remove(filter);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::new(text).unwrap()
    }

    fn wire() -> Wire {
        Wire::new(filter("own"))
    }

    /// Everything that is to be asked, packet by packet, two filters each: `+a@1` and `-a`.
    fn asked(wire: &mut Wire) -> Vec<String> {
        let mut asked = Vec::new();
        while let Some(change) = wire.next(2) {
            asked.push(match &change {
                Change::Subscribe(it) => {
                    it.iter().map(|(it, qos)| format!("+{it}@{}", qos.level())).collect::<String>()
                }
                Change::Unsubscribe(it) => it.iter().map(|it| format!("-{it}")).collect(),
            });
            wire.asked(&change, 2);
        }
        asked
    }

    #[test]
    fn a_filter_is_asked_for_by_each_who_wants_it_at_the_highest_quality_and_ended_by_the_last() {
        let mut wire = wire();
        wire.want(filter("a"), Qos::AtLeastOnce);
        assert_eq!(asked(&mut wire), ["+a@1"]);
        wire.want(filter("a"), Qos::AtMostOnce);
        assert_eq!(asked(&mut wire), ["+a@1"]);
        wire.unwant(&filter("a"));
        assert_eq!(asked(&mut wire), [""; 0]);
        wire.unwant(&filter("a"));
        assert_eq!(asked(&mut wire), ["-a"]);
        wire.unwant(&filter("a"));
        assert_eq!(asked(&mut wire), [""; 0]);
    }

    #[test]
    fn what_changes_back_before_it_is_asked_is_asked_once_or_not_at_all() {
        let mut wire = wire();
        wire.want(filter("a"), Qos::AtMostOnce);
        wire.unwant(&filter("a"));
        wire.want(filter("a"), Qos::AtMostOnce);
        assert_eq!(asked(&mut wire), ["+a@0"]);
    }

    #[test]
    fn on_a_new_connection_all_is_asked_for_in_packets_of_a_bounded_size() {
        let mut wire = wire();
        for it in ["c", "a", "b"] {
            wire.want(filter(it), Qos::AtMostOnce);
        }
        assert_eq!(asked(&mut wire), ["+a@0+b@0", "+c@0"]);
        wire.unwant(&filter("b"));
        wire.connected();
        assert_eq!(asked(&mut wire), ["+a@0+c@0", "-b"]);
    }

    #[test]
    fn what_the_broker_took_in_part_is_asked_for_the_rest() {
        let mut wire = wire();
        wire.want(filter("a"), Qos::AtMostOnce);
        wire.want(filter("b"), Qos::AtMostOnce);
        let change = wire.next(2).unwrap();
        wire.asked(&change, 1);
        assert_eq!(asked(&mut wire), ["+b@0"]);
    }

    #[test]
    fn what_the_broker_never_heard_of_is_not_ended_there_and_does_not_gather() {
        let mut wire = wire();
        for number in 0..1_000 {
            let filter = filter(&number.to_string());
            wire.want(filter.clone(), Qos::AtMostOnce);
            wire.unwant(&filter);
        }
        assert_eq!((wire.asking.len(), wire.ending.len()), (0, 0));
        wire.want(filter("a"), Qos::AtMostOnce);
        asked(&mut wire);
        for _ in 0..2 {
            wire.unwant(&filter("a"));
            assert_eq!((wire.asking.len(), wire.ending.len()), (0, 1));
            wire.want(filter("a"), Qos::AtMostOnce);
        }
    }

    #[test]
    fn what_the_link_has_subscribed_to_is_neither_ended_nor_lowered() {
        let mut wire = wire();
        wire.want(filter("own"), Qos::AtMostOnce);
        assert_eq!(asked(&mut wire), ["+own@1"]);
        wire.unwant(&filter("own"));
        wire.connected();
        assert_eq!(asked(&mut wire), [""; 0]);
    }
}
