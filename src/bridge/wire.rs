//! What the broker is to send us, and what of that it has still to be asked: [`Wire`]. Pure.
//!
//! A filter that another one covers is not subscribed to: a broker may send a message once for each filter that it
//! matches (MQTT 3.1.1, section 3.3.5), and its copies cannot be told from messages. Where filters overlap without one
//! covering the other, such as `a/+` and `+/b`, that is up to the broker; Mosquitto sends one message.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Qos;
use crate::model::TopicFilter;

/// The topic filters that somebody here wants, and those whose subscription is still to be changed at the broker.
#[derive(Debug)]
pub(super) struct Wire {
    /// What the link subscribes to by itself, on each connection: never to be ended.
    own: TopicFilter,
    wanted: BTreeMap<TopicFilter, Wanted>,
    /// Those of `wanted` that have wildcards, and may cover others.
    covers: BTreeSet<TopicFilter>,
    /// Those that the broker was asked for, on this connection or on one before: one that it never heard of is not
    /// ended there. While it is away, such filters would only gather here.
    subscribed: BTreeSet<TopicFilter>,
    // Invariant: what is in one of these is not in the other.
    to_subscribe: BTreeSet<TopicFilter>,
    to_unsubscribe: BTreeSet<TopicFilter>,
}

/// How much a filter is wanted.
#[derive(Debug)]
struct Wanted {
    qos: Qos,
    /// By how many; at least one.
    by: u32,
    /// It is to be asked for even if it is covered, or was asked for before: somebody new is to have what the broker
    /// keeps, or the connection is new.
    is_new: bool,
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
        Wire {
            own,
            wanted: BTreeMap::new(),
            covers: BTreeSet::new(),
            subscribed: BTreeSet::new(),
            to_subscribe: BTreeSet::new(),
            to_unsubscribe: BTreeSet::new(),
        }
    }

    /// The link subscribes to `own` by itself from the next connection on.
    pub(super) fn set_own(&mut self, own: TopicFilter) {
        self.own = own;
    }

    /// Somebody wants `filter`. It is asked for even if others have it already, for that brings what the broker keeps.
    pub(super) fn want(&mut self, filter: TopicFilter, qos: Qos) {
        // With less the broker would take for that what the link has asked for.
        let qos = if filter == self.own { Qos::AtLeastOnce } else { qos };
        let before = self.wanted.get(&filter).map(|it| it.qos);
        let wanted = self.wanted.entry(filter.clone()).or_insert(Wanted { qos, by: 0, is_new: true });
        wanted.qos = wanted.qos.max(qos);
        wanted.by = wanted.by.saturating_add(1);
        wanted.is_new = true;
        let is_wider = before < Some(wanted.qos);
        if filter.has_wildcards() {
            self.covers.insert(filter.clone());
        }
        self.settle(&filter);
        if is_wider {
            self.settle_those_below(&filter);
        }
    }

    /// One of those who wanted `filter` no longer does.
    pub(super) fn unwant(&mut self, filter: &TopicFilter) {
        let Some(wanted) = self.wanted.get_mut(filter) else { return };
        wanted.by -= 1;
        if wanted.by == 0 {
            self.wanted.remove(filter);
            self.covers.remove(filter);
            self.settle(filter);
            self.settle_those_below(filter);
        }
    }

    /// There is a new connection: everything is to be asked for. What was to be ended may live on in a session that
    /// the broker keeps, so that is still asked too.
    pub(super) fn connected(&mut self) {
        let filters: Vec<TopicFilter> = self.wanted.keys().cloned().collect();
        for filter in filters {
            // For those that are covered what the broker keeps comes with the others.
            let is_new = !self.is_covered(&filter);
            self.wanted.get_mut(&filter).into_iter().for_each(|it| it.is_new = is_new);
            self.settle(&filter);
        }
    }

    /// What to ask next, if there is anything: no more than `most` filters. What is new first, so that there is no moment
    /// without the subscription that takes the place of another.
    pub(super) fn next(&self, most: usize) -> Option<Change> {
        let subscribe =
            self.to_subscribe.iter().filter_map(|it| Some((it.clone(), self.wanted.get(it)?.qos)));
        let subscribe: Vec<_> = subscribe.take(most).collect();
        if !subscribe.is_empty() {
            return Some(Change::Subscribe(subscribe));
        }
        let unsubscribe: Vec<_> = self.to_unsubscribe.iter().take(most).cloned().collect();
        (!unsubscribe.is_empty()).then_some(Change::Unsubscribe(unsubscribe))
    }

    /// Whether there is nothing to ask.
    pub(super) fn is_asked(&self) -> bool {
        self.to_subscribe.is_empty() && self.to_unsubscribe.is_empty()
    }

    /// The first `count` filters of `change` were asked.
    pub(super) fn asked(&mut self, change: &Change, count: usize) {
        match change {
            Change::Subscribe(filters) => {
                for (filter, _) in filters.iter().take(count) {
                    self.subscribed.insert(filter.clone());
                    self.wanted.get_mut(filter).into_iter().for_each(|it| it.is_new = false);
                    self.settle(filter);
                }
            }
            Change::Unsubscribe(filters) => {
                for filter in filters.iter().take(count) {
                    self.subscribed.remove(filter);
                    self.to_unsubscribe.remove(filter);
                }
            }
        }
    }

    /// Finds out what is to be asked about `filter`.
    fn settle(&mut self, filter: &TopicFilter) {
        let is_new = self.wanted.get(filter).is_some_and(|it| it.is_new);
        let is_to_last = self.wanted.contains_key(filter) && !self.is_covered(filter);
        let is_subscribed = self.subscribed.contains(filter);
        self.to_subscribe.remove(filter);
        self.to_unsubscribe.remove(filter);
        if is_new || is_to_last && !is_subscribed {
            self.to_subscribe.insert(filter.clone());
        } else if is_subscribed && !is_to_last && *filter != self.own {
            self.to_unsubscribe.insert(filter.clone());
        }
    }

    /// The same for all that `filter` covers, or did.
    fn settle_those_below(&mut self, filter: &TopicFilter) {
        if filter.has_wildcards() {
            let below = self.wanted.keys().filter(|it| *it != filter && filter.covers(it));
            below.cloned().collect::<Vec<_>>().iter().for_each(|it| self.settle(it));
        }
    }

    /// Whether another filter brings all that `filter` would, at the same quality of service or a higher one.
    fn is_covered(&self, filter: &TopicFilter) -> bool {
        let Some(wanted) = self.wanted.get(filter) else { return false };
        let brings = |it: &TopicFilter| self.wanted.get(it).is_some_and(|it| it.qos >= wanted.qos);
        self.covers.iter().any(|it| it != filter && it.covers(filter) && brings(it))
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
    fn what_another_filter_brings_is_asked_for_only_to_have_what_the_broker_keeps() {
        let mut wire = wire();
        wire.want(filter("a/b"), Qos::AtLeastOnce);
        assert_eq!(asked(&mut wire), ["+a/b@1"]);
        wire.want(filter("a/#"), Qos::AtLeastOnce);
        assert_eq!(asked(&mut wire), ["+a/#@1", "-a/b"]);
        wire.want(filter("a/c"), Qos::AtMostOnce);
        assert_eq!(asked(&mut wire), ["+a/c@0", "-a/c"]);
        wire.connected();
        assert_eq!(asked(&mut wire), ["+a/#@1"]);
        wire.unwant(&filter("a/#"));
        assert_eq!(asked(&mut wire), ["+a/b@1+a/c@0", "-a/#"]);
    }

    #[test]
    fn a_filter_at_a_lower_quality_of_service_brings_too_little() {
        let mut wire = wire();
        wire.want(filter("a/#"), Qos::AtMostOnce);
        wire.want(filter("a/b"), Qos::AtLeastOnce);
        assert_eq!(asked(&mut wire), ["+a/#@0+a/b@1"]);
        wire.want(filter("a/#"), Qos::AtLeastOnce);
        assert_eq!(asked(&mut wire), ["+a/#@1", "-a/b"]);
    }

    #[test]
    fn what_the_broker_never_heard_of_is_not_ended_there_and_does_not_gather() {
        let mut wire = wire();
        for number in 0..1_000 {
            let filter = filter(&number.to_string());
            wire.want(filter.clone(), Qos::AtMostOnce);
            wire.unwant(&filter);
        }
        let left =
            |wire: &Wire| [&wire.to_subscribe, &wire.to_unsubscribe, &wire.subscribed].map(BTreeSet::len);
        assert_eq!(left(&wire), [0, 0, 0]);
        wire.want(filter("a"), Qos::AtMostOnce);
        asked(&mut wire);
        for _ in 0..2 {
            wire.unwant(&filter("a"));
            assert_eq!(left(&wire), [0, 1, 1]);
            wire.want(filter("a"), Qos::AtMostOnce);
            assert_eq!(left(&wire), [1, 0, 1]);
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

    /// The broker, as far as it has been asked.
    #[derive(Default)]
    struct Asked(BTreeMap<TopicFilter, Qos>);

    impl Asked {
        /// Takes all that is to be asked, or some of it by `chance`.
        fn take(&mut self, wire: &mut Wire, chance: &mut fastrand::Rng, is_all: bool) {
            while let Some(change) = wire.next(chance.usize(1..4)) {
                match &change {
                    Change::Subscribe(it) => self.0.extend(it.iter().cloned()),
                    Change::Unsubscribe(it) => self.0.retain(|filter, _| !it.contains(filter)),
                }
                wire.asked(&change, usize::MAX);
                if !is_all && chance.bool() {
                    break;
                }
            }
        }
    }

    /// Whatever comes and goes: once all is asked, the broker has what covers everything that is wanted, no filter
    /// within another, and nothing that nobody wants.
    #[test]
    fn the_broker_has_what_is_wanted_and_nothing_twice() {
        let all = ["#", "a/#", "a/+", "a/b", "a/b/#", "+/b", "c", "$x/a"].map(filter);
        for seed in 0..200 {
            let (mut chance, mut wire, mut broker) =
                (fastrand::Rng::with_seed(seed), wire(), Asked::default());
            let mut wanted: Vec<TopicFilter> = Vec::new();
            for _ in 0..60 {
                match chance.u8(..32) {
                    0..16 => {
                        wanted.push(all[chance.usize(..all.len())].clone());
                        let qos = if chance.bool() { Qos::AtMostOnce } else { Qos::AtLeastOnce };
                        wire.want(wanted[wanted.len() - 1].clone(), qos);
                    }
                    16..31 if !wanted.is_empty() => {
                        wire.unwant(&wanted.swap_remove(chance.usize(..wanted.len())));
                    }
                    31 => {
                        broker.0.clear();
                        wire.connected();
                    }
                    _ => {}
                }
                broker.take(&mut wire, &mut chance, false);
            }
            broker.take(&mut wire, &mut chance, true);
            let Asked(has) = broker;
            for filter in &wanted {
                let brings =
                    |(it, at): (&TopicFilter, &Qos)| *at >= wire.wanted[filter].qos && it.covers(filter);
                assert!(has.iter().any(brings), "seed {seed}: {filter} is not among {has:?}");
            }
            for (filter, qos) in &has {
                assert!(wanted.contains(filter), "seed {seed}: nobody wants {filter}");
                let twice = has.iter().find(|(it, at)| *it != filter && it.covers(filter) && *at >= qos);
                assert!(twice.is_none(), "seed {seed}: {filter} is within {twice:?}");
            }
        }
    }
}
