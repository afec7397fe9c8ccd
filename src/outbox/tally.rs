//! What became of the messages: the counts behind [`Figures`].

use std::collections::BTreeMap;
use std::time::Duration;

use super::spool::MOST_TOPICS;

use crate::model::Fate;
use crate::model::Figures;
use crate::model::Topic;

/// The counts of all messages, and of those on each topic that somebody asked to have counted or on which
/// messages of [`crate::model::Delivery::Every`] wait.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    total: Tally,
    topics: BTreeMap<Topic, Counted>,
    /// Queued messages on topics beyond [`MOST_TOPICS`], which are in nobody's count but the total.
    uncounted: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    delivered: u64,
    replaced: u64,
    dropped: u64,
    expired: u64,
    waiting: u64,
}

#[derive(Debug, Default)]
struct Counted {
    tally: Tally,
    /// How many of those that wait are in the queue, hence in an order that a later message may not break.
    queued: u64,
    /// Whether somebody asked for this topic.
    tracked: bool,
}

impl Tallies {
    /// Has the messages on `topic` counted from now on.
    pub(super) fn track(&mut self, topic: &Topic) {
        self.topics.entry(topic.clone()).or_default().tracked = true;
    }

    /// Ends what [`Tallies::track`] began.
    pub(super) fn untrack(&mut self, topic: &Topic) {
        if let Some(it) = self.topics.get_mut(topic) {
            it.tracked = false;
            self.forget_idle(topic);
        }
    }

    /// A message on `topic` was accepted, `queued` or not.
    pub(super) fn accept(&mut self, topic: &Topic, queued: bool) {
        self.accept_many(topic, u64::from(queued), 1);
    }

    /// Messages were found in the queue: so many on each of `topics`, and `others` on topics that nobody counts.
    pub(super) fn find(&mut self, topics: &[(Topic, u64)], others: u64) {
        topics.iter().for_each(|(topic, count)| self.accept_many(topic, *count, *count));
        self.total.waiting += others;
        self.uncounted += others;
    }

    fn accept_many(&mut self, topic: &Topic, queued: u64, count: u64) {
        self.total.waiting += count;
        if let Some(it) = self.topics.get_mut(topic) {
            it.tally.waiting += count;
            it.queued += queued;
        } else if queued > 0 && self.topics.len() < MOST_TOPICS {
            let tally = Tally { waiting: count, ..Tally::default() };
            self.topics.insert(topic.clone(), Counted { tally, queued, tracked: false });
        } else {
            self.uncounted += queued;
        }
    }

    /// A message on `topic` that waits, waits in the queue from now on.
    pub(super) fn move_to_queue(&mut self, topic: &Topic) {
        match self.topics.get_mut(topic) {
            Some(it) => it.queued += 1,
            None => self.uncounted += 1,
        }
    }

    /// `fate` came over `count` messages on `topic`, which were `queued` or not.
    pub(super) fn end(&mut self, topic: &Topic, queued: bool, fate: Fate, count: u64) {
        self.total.end(fate, count);
        match self.topics.get_mut(topic) {
            Some(it) => {
                it.tally.end(fate, count);
                if queued {
                    // Those that were found before anybody asked for the topic are not known by its name.
                    let known = count.min(it.queued);
                    it.queued -= known;
                    self.uncounted = self.uncounted.saturating_sub(count - known);
                    self.forget_idle(topic);
                }
            }
            None if queued => self.uncounted = self.uncounted.saturating_sub(count),
            None => {}
        }
    }

    /// Takes as dropped what is counted as queued beyond `present`, the queue as it really is: a damaged record does
    /// not tell whose it was. Returns how many were dropped on each topic, and how many others.
    pub(super) fn settle(&mut self, present: &BTreeMap<Topic, u64>) -> (Vec<(Topic, u64)>, u64) {
        let kept = |topic| present.get(topic).copied().unwrap_or(0);
        let missing = self.topics.iter().map(|(topic, it)| (topic, it.queued.saturating_sub(kept(topic))));
        let missing: Vec<_> =
            missing.filter(|it| it.1 > 0).map(|(topic, count)| (topic.clone(), count)).collect();
        missing.iter().for_each(|(topic, count)| self.end(topic, true, Fate::Dropped, *count));
        let counted: u64 = self.topics.values().map(|it| it.queued).sum();
        let uncounted = present.values().sum::<u64>().saturating_sub(counted);
        let others = self.uncounted.saturating_sub(uncounted);
        self.total.end(Fate::Dropped, others);
        self.uncounted -= others;
        (missing, others)
    }

    /// Whether messages on `topic` are in the queue, as far as that is known: of more than [`MOST_TOPICS`] it is not,
    /// and then order counts for more than haste.
    pub(super) fn is_queued(&self, topic: &Topic) -> bool {
        self.uncounted > 0 || self.is_surely_queued(topic)
    }

    /// Whether messages on `topic` are in the queue for certain.
    pub(super) fn is_surely_queued(&self, topic: &Topic) -> bool {
        self.topics.get(topic).is_some_and(|it| it.queued > 0)
    }

    /// The figures of all messages, the oldest of which has waited for `oldest`.
    pub(super) fn total(&self, oldest: Option<Duration>) -> Figures {
        self.total.figures(oldest)
    }

    /// The figures of the messages on `topic`.
    pub(super) fn of(&self, topic: &Topic, oldest: Option<Duration>) -> Figures {
        self.topics.get(topic).map_or(Figures::default(), |it| it.tally.figures(oldest))
    }

    fn forget_idle(&mut self, topic: &Topic) {
        if self.topics.get(topic).is_some_and(|it| !it.tracked && it.queued == 0) {
            self.topics.remove(topic);
        }
    }
}

impl Tally {
    fn end(&mut self, fate: Fate, count: u64) {
        self.waiting = self.waiting.saturating_sub(count);
        *match fate {
            Fate::Delivered => &mut self.delivered,
            Fate::Replaced => &mut self.replaced,
            Fate::Dropped => &mut self.dropped,
            Fate::Expired => &mut self.expired,
        } += count;
    }

    fn figures(&self, oldest: Option<Duration>) -> Figures {
        let &Tally { delivered, replaced, dropped, expired, waiting } = self;
        let accepted = delivered + replaced + dropped + expired + waiting;
        let oldest = oldest.filter(|_| waiting > 0);
        Figures { accepted, delivered, waiting, replaced, dropped, expired, oldest }
    }
}
