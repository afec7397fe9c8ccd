//! The daemon's own figures, readable by anyone without a lock.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Figures;

/// What the bridge has done so far. Written by the bridge alone, read by whoever likes, without waiting; each figure
/// is right by itself, two read one after the other may be an event apart. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Cells>);

#[derive(Debug, Default)]
struct Cells {
    accepted: AtomicU64,
    delivered: AtomicU64,
    waiting: AtomicU64,
    replaced: AtomicU64,
    dropped: AtomicU64,
    expired: AtomicU64,
    refused: AtomicU64,
    connections: AtomicU64,
    link_up: AtomicBool,
    degraded: AtomicBool,
    link: Mutex<LinkReport>,
    changed: Condvar,
}

/// The connection to the broker, as it is at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LinkReport {
    /// Whether it is up.
    pub up: bool,
    /// Since when it is as it is: up, or down through all attempts to make it.
    pub since: Instant,
    /// Host and port of the broker that is connected, or was last; `None` before the first connection.
    pub broker: Option<String>,
    /// Why the last one ended, or could not be made; `None` before the first attempt has ended.
    pub error: Option<String>,
    /// Whether there will be none any more: the bridge has ended.
    pub ended: bool,
}

impl Health {
    /// Messages taken on since the start, those included that an earlier process left on the card.
    pub fn accepted(&self) -> u64 {
        self.0.accepted.load(Relaxed)
    }

    /// Messages that the broker has acknowledged (QoS 0: that were written) since the start.
    pub fn delivered(&self) -> u64 {
        self.0.delivered.load(Relaxed)
    }

    /// Messages accepted and not yet handed to a connection: those of a moment, or the backlog of an outage.
    pub fn waiting(&self) -> u64 {
        self.0.waiting.load(Relaxed)
    }

    /// Messages that a newer one on the same topic replaced before they were sent, since the start.
    pub fn replaced(&self) -> u64 {
        self.0.replaced.load(Relaxed)
    }

    /// Messages and readings that were given up since the start, for want of room or of sense, or since the card
    /// lost them.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Relaxed) + self.0.refused.load(Relaxed)
    }

    /// Messages whose time was over before they could be sent, since the start.
    pub fn expired(&self) -> u64 {
        self.0.expired.load(Relaxed)
    }

    /// How often the connection came back after the first, since the start.
    pub fn reconnects(&self) -> u64 {
        self.0.connections.load(Relaxed).saturating_sub(1)
    }

    /// Whether the broker is connected now.
    pub fn link_up(&self) -> bool {
        self.0.link_up.load(Relaxed)
    }

    /// The connection to the broker, up or down, and since when.
    pub fn link(&self) -> LinkReport {
        self.locked().clone()
    }

    /// Whether messages that should be on the card are only in memory, since the card did not take the last of them:
    /// it is full, read-only or gone.
    pub fn spool_degraded(&self) -> bool {
        self.0.degraded.load(Relaxed)
    }

    /// States what became of all messages, and how many of them wait to be handed to a connection.
    pub(crate) fn set_messages(&self, total: &Figures, waiting: u64) {
        self.0.accepted.store(total.accepted, Relaxed);
        self.0.delivered.store(total.delivered, Relaxed);
        self.0.replaced.store(total.replaced, Relaxed);
        self.0.dropped.store(total.dropped, Relaxed);
        self.0.expired.store(total.expired, Relaxed);
        self.0.waiting.store(waiting, Relaxed);
    }

    /// Counts `count` readings that never became messages as dropped.
    pub(crate) fn add_refused(&self, count: u64) {
        self.0.refused.fetch_add(count, Relaxed);
    }

    /// States whether the card takes what it is given.
    pub(crate) fn set_spool_degraded(&self, degraded: bool) {
        self.0.degraded.store(degraded, Relaxed);
    }

    /// States that the connection to `broker` came up, which is counted.
    pub(crate) fn set_link_up(&self, broker: &dyn fmt::Display) {
        let mut link = self.locked();
        (link.up, link.since, link.broker) = (true, Instant::now(), Some(broker.to_string()));
        self.0.connections.fetch_add(1, Relaxed);
        self.0.link_up.store(true, Relaxed);
        self.0.changed.notify_all();
    }

    /// States that the connection went down, or could not be made, and why.
    pub(crate) fn set_link_down(&self, cause: &dyn fmt::Display) {
        let mut link = self.locked();
        link.error = Some(cause.to_string());
        self.end_link(&mut link);
    }

    /// States that the bridge has ended.
    pub(crate) fn set_ended(&self) {
        let mut link = self.locked();
        link.ended = true;
        self.end_link(&mut link);
        self.0.changed.notify_all();
    }

    /// Blocks until the broker is connected, for `limit` at most. Returns at once where it is, or where the bridge has
    /// ended.
    ///
    /// # Errors
    ///
    /// What is known of the connection, where there was none in time.
    pub(crate) fn wait_link_up(&self, limit: Duration) -> Result<(), LinkReport> {
        let waiting = |link: &mut LinkReport| !link.up && !link.ended;
        let waited = self.0.changed.wait_timeout_while(self.locked(), limit, waiting);
        let (link, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if link.up { Ok(()) } else { Err(link.clone()) }
    }

    fn end_link(&self, link: &mut LinkReport) {
        if std::mem::take(&mut link.up) {
            link.since = Instant::now();
        }
        self.0.link_up.store(false, Relaxed);
    }

    /// The one lock here: taken where the link changes, never on the way of a message.
    fn locked(&self) -> MutexGuard<'_, LinkReport> {
        self.0.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// There is none yet.
impl Default for LinkReport {
    fn default() -> LinkReport {
        LinkReport { up: false, since: Instant::now(), broker: None, error: None, ended: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_connection_is_no_reconnect() {
        let health = Health::default();
        assert_eq!(health.reconnects(), 0);
        for (up, reconnects) in [(true, 0), (false, 0), (true, 1), (false, 1), (true, 2)] {
            if up {
                health.set_link_up(&"pi:1883")
            } else {
                health.set_link_down(&"cut")
            }
            assert_eq!((health.reconnects(), health.link_up()), (reconnects, up));
        }
    }

    #[test]
    fn the_link_is_as_it_is_since_it_changed_and_not_since_it_was_last_tried() {
        let health = Health::default();
        let mut since = vec![health.link().since];
        for (broker, up) in [("a:1", true), ("a:1", false), ("a:1", false), ("b:1", true), ("b:1", false)] {
            if up {
                health.set_link_up(&broker)
            } else {
                health.set_link_down(&"cut")
            }
            let link = health.link();
            assert_eq!((link.up, link.broker.as_deref()), (up, Some(broker)));
            since.push(link.since);
        }
        assert!(since[2] == since[3] && since.is_sorted());
        since.dedup();
        assert_eq!(since.len(), 5);
        assert_eq!(health.link().error.as_deref(), Some("cut"));
        assert_eq!(health.wait_link_up(Duration::ZERO), Err(health.link()));
    }
}
