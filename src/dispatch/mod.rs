//! What the broker sends, to those who asked for it: topic filters in, messages out.

mod callbacks;
mod mailbox;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crate::model::FilterTree;
use crate::model::Incoming;
use crate::model::TopicFilter;

pub use self::mailbox::{Callback, Mailbox, Messages};

use self::callbacks::{Pool, Slot};
use self::mailbox::{Channel, Kind, Pushed};

/// The subscribers, by topic filter. It belongs to one thread, and no call of it waits for a subscriber; only
/// [`Dispatch::stop`] does, for as long as it is told.
///
/// Callbacks are called on threads called `callback`: none until the first message for one, then one for all. One
/// more starts only when a subscription with messages has waited 100 ms because all are in calls, and at most as many
/// as there are subscriptions; one that has had nothing to do for 10 s ends, but for the last.
///
/// Dropping it is stopping it with no time to wait.
///
/// ```
/// use luigi_mqtt::dispatch::{Dispatch, Mailbox, SubscriptionId};
/// use luigi_mqtt::model::{Incoming, Topic, TopicFilter};
///
/// let mut dispatch = Dispatch::new();
/// let (mailbox, messages) = Mailbox::channel(|| println!("nobody listens any more"));
/// dispatch.add(SubscriptionId(1), TopicFilter::new("attic/+")?, mailbox);
/// let topic = Topic::new("attic/temperature")?;
/// let news = Incoming { topic, payload: b"21.5"[..].into(), retained: false };
/// assert_eq!(dispatch.deliver(&news), 1);
/// assert_eq!(messages.recv()?, news);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Dispatch {
    subscriptions: BTreeMap<SubscriptionId, Subscription>,
    tree: FilterTree<SubscriptionId>,
    pool: Pool,
    hasher: RandomState,
    closed: Vec<SubscriptionId>,
}

/// Our own name for one subscription. Counts up and is never used twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SubscriptionId(pub u64);

impl Dispatch {
    /// Without subscriptions, and without threads.
    pub fn new() -> Dispatch {
        Dispatch {
            subscriptions: BTreeMap::new(),
            tree: FilterTree::new(),
            pool: Pool::new(),
            hasher: RandomState::new(),
            closed: Vec::new(),
        }
    }

    /// Hands to `mailbox` each message that `filter` matches, until [`Dispatch::remove`]. An `id` that is in use
    /// is removed first.
    pub fn add(&mut self, id: SubscriptionId, filter: TopicFilter, mailbox: Mailbox) {
        self.remove(id);
        let outlet = match mailbox.0 {
            Kind::Callback(callback) => Outlet::Callback(self.pool.add(filter.clone(), callback)),
            Kind::Channel(channel) => Outlet::Channel(channel),
        };
        self.tree.insert(&filter, id);
        let subscription = Subscription { filter, outlet, retained: BTreeSet::new(), is_behind: false };
        self.subscriptions.insert(id, subscription);
    }

    /// Ends a subscription and returns the filter it had. What waits in its mailbox goes, unless the mailbox is a
    /// channel: that can be read to its end. No call of a callback begins any more; one that a thread has begun goes
    /// on to its end.
    ///
    /// A callback is dropped by a thread that calls callbacks, never by this one: it may own what waits for this one
    /// when it is dropped.
    pub fn remove(&mut self, id: SubscriptionId) -> Option<TopicFilter> {
        let Subscription { filter, outlet, .. } = self.subscriptions.remove(&id)?;
        self.tree.remove(&filter, &id);
        if let Outlet::Callback(slot) = outlet {
            self.pool.remove(slot);
        }
        Some(filter)
    }

    /// Has the subscription `id` have what `new` matches from here on, where it had what `old` matches until now. Returns
    /// whether it had.
    pub fn move_to(&mut self, id: SubscriptionId, old: &TopicFilter, new: &TopicFilter) -> bool {
        let Some(subscription) = self.subscriptions.get_mut(&id).filter(|it| it.filter == *old) else {
            return false;
        };
        self.tree.remove(old, &id);
        self.tree.insert(new, id);
        subscription.filter = new.clone();
        true
    }

    /// Whether `id` is subscribed.
    pub fn holds(&self, id: SubscriptionId) -> bool {
        self.subscriptions.contains_key(&id)
    }

    /// There is a new connection: retained messages come again, and are to be handed out again.
    pub fn connected(&mut self) {
        for subscription in self.subscriptions.values_mut() {
            subscription.retained = BTreeSet::new();
        }
    }

    /// Puts `incoming` into the mailbox of each subscription whose filter matches, once, and returns of how many.
    ///
    /// A retained copy goes to each subscription once a topic and connection, although the broker sends it again
    /// with each SUBSCRIBE of anybody's filter that matches. A subscription keeps 64 bits of each such topic for that,
    /// and of 16,384 topics at most: of further ones copies may come twice.
    pub fn deliver(&mut self, incoming: &Incoming) -> usize {
        let topic = incoming.retained.then(|| self.hasher.hash_one(&incoming.topic));
        let mut takers = 0;
        for id in self.tree.matches(&incoming.topic) {
            let Some(subscription) = self.subscriptions.get_mut(id) else { continue };
            if topic.is_some_and(|it| !subscription.is_new(it)) {
                continue;
            }
            let pushed = match &mut subscription.outlet {
                Outlet::Callback(slot) => self.pool.push(*slot, incoming),
                Outlet::Channel(channel) if !channel.is_closed() => channel.push(incoming),
                Outlet::Channel(_) => {
                    subscription.outlet = Outlet::Closed;
                    self.closed.push(*id);
                    continue;
                }
                Outlet::Closed => continue,
            };
            takers += 1;
            subscription.note(&pushed);
        }
        takers
    }

    /// The subscriptions whose [`Messages`] have been dropped, as [`Dispatch::deliver`] found since the last call.
    /// They get nothing any more; whoever asks is to [`Dispatch::remove`] them.
    pub fn closed(&mut self) -> Vec<SubscriptionId> {
        std::mem::take(&mut self.closed)
    }

    /// When [`Dispatch::tick`] is to be called next, unless [`Dispatch::deliver`] or [`Dispatch::remove`] is called
    /// before: ask again after those.
    pub fn due(&self) -> Option<Instant> {
        self.pool.due()
    }

    /// Starts one more thread for callbacks where that is overdue `now`.
    pub fn tick(&mut self, now: Instant) {
        self.pool.tick(now);
    }

    /// Ends all subscriptions: no call of a callback begins any more. Waits at most `limit` for those that are in a
    /// call, leaves the others to end by themselves, and returns whether there were none.
    ///
    /// Called from within a callback it waits for nobody: that one would be waiting for itself.
    pub fn stop(self, limit: Duration) -> bool {
        self.pool.stop(limit)
    }
}

impl Default for Dispatch {
    fn default() -> Dispatch {
        Dispatch::new()
    }
}

impl fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch").field("subscriptions", &self.subscriptions.len()).finish_non_exhaustive()
    }
}

/// One subscriber.
struct Subscription {
    filter: TopicFilter,
    outlet: Outlet,
    /// The topics of which it has had the retained copy on this connection, as 64 bits each. That two of 16,384
    /// have the same is less likely than one in a hundred thousand million.
    retained: BTreeSet<u64>,
    /// Messages had to go, and it has not caught up since.
    is_behind: bool,
}

/// Where its messages go.
enum Outlet {
    Callback(Slot),
    Channel(Channel),
    /// The subscriber has gone, and is to be removed.
    Closed,
}

impl Subscription {
    /// Whether this is the first retained copy on `topic`, as far as it is remembered.
    fn is_new(&mut self, topic: u64) -> bool {
        if self.retained.len() < MOST_RETAINED {
            self.retained.insert(topic)
        } else {
            !self.retained.contains(&topic)
        }
    }

    /// Logs that it does not keep up: once, until it has caught up.
    fn note(&mut self, pushed: &Pushed) {
        if pushed.was_empty {
            self.is_behind = false;
        } else if pushed.dropped > 0 && !self.is_behind {
            self.is_behind = true;
            log::warn!("{}: the subscriber is too slow, its oldest messages are dropped", self.filter);
        }
    }
}

/// Some 300 kB for a subscription that listens to everything at a large broker.
const MOST_RETAINED: usize = 16_384;

#[cfg(test)]
mod tests;
