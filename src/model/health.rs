//! The daemon's own figures, readable by anyone without a lock.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
    down: Mutex<LinkDown>,
    changed: Condvar,
}

/// Why there is no connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct LinkDown {
    /// Why the last one ended, or could not be made; `None` before the first attempt has ended.
    pub(crate) cause: Option<String>,
    /// Whether there will be none any more: the bridge has ended.
    pub(crate) ended: bool,
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

    /// States that the connection came up, which is counted.
    pub(crate) fn set_link_up(&self) {
        let _down = self.down();
        self.0.connections.fetch_add(1, Relaxed);
        self.0.link_up.store(true, Relaxed);
        self.0.changed.notify_all();
    }

    /// States that the connection went down, or could not be made, and why.
    pub(crate) fn set_link_down(&self, cause: &dyn fmt::Display) {
        let mut down = self.down();
        down.cause = Some(cause.to_string());
        self.0.link_up.store(false, Relaxed);
    }

    /// States that the bridge has ended.
    pub(crate) fn set_ended(&self) {
        let mut down = self.down();
        down.ended = true;
        self.0.link_up.store(false, Relaxed);
        self.0.changed.notify_all();
    }

    /// Blocks until the broker is connected, for `limit` at most. Returns at once where it is, or where the bridge has
    /// ended.
    ///
    /// # Errors
    ///
    /// [`LinkDown`] where there was no connection in time.
    pub(crate) fn wait_link_up(&self, limit: Duration) -> Result<(), LinkDown> {
        let down = self.down();
        let waiting = |down: &mut LinkDown| !self.link_up() && !down.ended;
        let waited = self.0.changed.wait_timeout_while(down, limit, waiting);
        let (down, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if self.link_up() { Ok(()) } else { Err(down.clone()) }
    }

    /// The one lock here: taken where the link changes, never on the way of a message.
    fn down(&self) -> MutexGuard<'_, LinkDown> {
        self.0.down.lock().unwrap_or_else(PoisonError::into_inner)
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
                health.set_link_up()
            } else {
                health.set_link_down(&"cut")
            }
            assert_eq!((health.reconnects(), health.link_up()), (reconnects, up));
        }
    }
}
