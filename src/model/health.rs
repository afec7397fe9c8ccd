//! The daemon's own figures, readable by anyone without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// What the bridge has done so far. Written by the bridge alone, read by whoever likes; each figure is
/// right by itself, two read one after the other may be an event apart. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Figures>);

#[derive(Debug, Default)]
struct Figures {
    delivered: AtomicU64,
    waiting: AtomicU64,
    replaced: AtomicU64,
    dropped: AtomicU64,
    connections: AtomicU64,
    link_up: AtomicBool,
}

impl Health {
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

    /// Readings that were given up, for want of room or of sense, since the start.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Relaxed)
    }

    /// How often the connection came back after the first, since the start.
    pub fn reconnects(&self) -> u64 {
        self.0.connections.load(Relaxed).saturating_sub(1)
    }

    /// Whether the broker is connected now.
    pub fn link_up(&self) -> bool {
        self.0.link_up.load(Relaxed)
    }

    /// Counts one message as delivered.
    pub fn add_delivered(&self) {
        self.0.delivered.fetch_add(1, Relaxed);
    }

    /// Counts one message as replaced.
    pub fn add_replaced(&self) {
        self.0.replaced.fetch_add(1, Relaxed);
    }

    /// Counts `count` readings as dropped.
    pub fn add_dropped(&self, count: u64) {
        self.0.dropped.fetch_add(count, Relaxed);
    }

    /// States how many messages wait.
    pub fn set_waiting(&self, count: u64) {
        self.0.waiting.store(count, Relaxed);
    }

    /// States that the connection came up (counted) or went down.
    pub fn set_link_up(&self, up: bool) {
        if up {
            self.0.connections.fetch_add(1, Relaxed);
        }
        self.0.link_up.store(up, Relaxed);
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
            health.set_link_up(up);
            assert_eq!((health.reconnects(), health.link_up()), (reconnects, up));
        }
    }
}
