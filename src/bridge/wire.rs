//! What the broker is to send us, and what of that it has still to be asked: [`Wire`]. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Qos;
use crate::model::TopicFilter;

/// The topic filters that somebody here wants, and those whose subscription is still to be changed at the broker.
#[derive(Debug, Default)]
pub(super) struct Wire {
    wanted: BTreeMap<TopicFilter, Wanted>,
    /// Filters to be asked for, or no longer: which of the two says `wanted` when it comes to it.
    changed: BTreeSet<TopicFilter>,
}

/// How much a filter is wanted.
#[derive(Debug)]
struct Wanted {
    qos: Qos,
    /// By how many; at least one.
    by: u32,
}

/// What to ask of the broker in one packet.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Change {
    Subscribe(Vec<(TopicFilter, Qos)>),
    Unsubscribe(Vec<TopicFilter>),
}

impl Wire {
    /// Somebody wants `filter`. It is asked for even if others have it already, for that brings what the broker keeps.
    pub(super) fn want(&mut self, filter: TopicFilter, qos: Qos) {
        let wanted = self.wanted.entry(filter.clone()).or_insert(Wanted { qos, by: 0 });
        wanted.qos = wanted.qos.max(qos);
        wanted.by = wanted.by.saturating_add(1);
        self.changed.insert(filter);
    }

    /// One of those who wanted `filter` no longer does.
    pub(super) fn unwant(&mut self, filter: &TopicFilter) {
        let Some(wanted) = self.wanted.get_mut(filter) else { return };
        wanted.by -= 1;
        if wanted.by == 0 {
            self.wanted.remove(filter);
            self.changed.insert(filter.clone());
        }
    }

    /// There is a new connection: everything is to be asked for. What was to be ended may live on in a session that
    /// the broker keeps, so that is still asked too.
    pub(super) fn connected(&mut self) {
        self.changed.extend(self.wanted.keys().cloned());
    }

    /// What to ask next, if there is anything: no more than `most` filters.
    pub(super) fn next(&self, most: usize) -> Option<Change> {
        let wanted = self.changed.iter().filter_map(|it| Some((it.clone(), self.wanted.get(it)?.qos)));
        let subscribe: Vec<_> = wanted.take(most).collect();
        if !subscribe.is_empty() {
            return Some(Change::Subscribe(subscribe));
        }
        let unsubscribe: Vec<_> = self.changed.iter().take(most).cloned().collect();
        (!unsubscribe.is_empty()).then_some(Change::Unsubscribe(unsubscribe))
    }

    /// The first `count` filters of `change` were asked.
    pub(super) fn asked(&mut self, change: &Change, count: usize) {
        match change {
            Change::Subscribe(filters) => {
                for (filter, _) in filters.iter().take(count) {
                    self.changed.remove(filter);
                }
            }
            Change::Unsubscribe(filters) => {
                for filter in filters.iter().take(count) {
                    self.changed.remove(filter);
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
        let mut wire = Wire::default();
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
        let mut wire = Wire::default();
        wire.want(filter("a"), Qos::AtMostOnce);
        wire.unwant(&filter("a"));
        wire.want(filter("a"), Qos::AtMostOnce);
        assert_eq!(asked(&mut wire), ["+a@0"]);
    }

    #[test]
    fn on_a_new_connection_all_is_asked_for_in_packets_of_a_bounded_size() {
        let mut wire = Wire::default();
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
        let mut wire = Wire::default();
        wire.want(filter("a"), Qos::AtMostOnce);
        wire.want(filter("b"), Qos::AtMostOnce);
        let change = wire.next(2).unwrap();
        wire.asked(&change, 1);
        assert_eq!(asked(&mut wire), ["+b@0"]);
    }
}
