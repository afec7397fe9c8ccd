//! The loop that owns all state: [`Bridge`]; and [`Client`], the handle to it.
//!
//! Everything that can happen is one event, and one function handles it. The loop waits for its inbox and
//! for nothing else: not for a thread, not for the network. So anyone may wait for the loop, and it cannot
//! deadlock.

mod announced;
mod announcement;
mod client;
mod event;
mod handle;
mod link_state;
#[cfg(test)]
mod tests;

pub use client::Client;
pub use event::Inbox;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

use announced::Announced;
use announcement::Announcement;
use event::Event;
use link_state::LinkState;

use crate::entity::Device;
use crate::entity::Entity;
use crate::entity::EntityError;
use crate::entity::Topics;
use crate::link::LinkEvent;
use crate::model::Health;
use crate::model::Message;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Reading;
use crate::model::Topic;
use crate::outbox::Outbox;
use crate::worker::Outlet;

/// What is the same for everything that is announced.
#[derive(Clone, Debug)]
pub struct Presence {
    /// The device that the entities belong to.
    pub device: Device,
    /// Where discovery, states and availability go.
    pub topics: Topics,
    /// Quality of service of all of them.
    pub qos: Qos,
    /// Where Home Assistant says that it has started.
    pub birth_topic: Topic,
    /// What it says there.
    pub birth_payload: String,
}

/// The loop that owns all state: entities, outbox, and what is known of the link.
#[derive(Debug)]
pub struct Bridge {
    presence: Arc<Presence>,
    entities: BTreeMap<ObjectId, Announced>,
    outbox: Outbox,
    link: LinkState,
    announcement: Announcement,
    health: Health,
    readings: Outlet<Reading>,
    /// How many of the drops that `readings` counted are in `health`.
    drops_seen: u64,
}

/// A bridge that is not connected and knows no entity, its inbox, and a handle to it. `stop` closes when
/// [`Bridge::run`] is to return; `link` brings what the connection reports.
pub fn new(
    presence: Presence,
    health: Health,
    stop: Receiver<Infallible>,
    link: Receiver<LinkEvent>,
) -> (Bridge, Inbox, Client) {
    let (requests, requested) = bounded(REQUESTS);
    let (readings, read) = bounded(READINGS);
    let readings = Outlet::new(readings);
    let presence = Arc::new(presence);
    let bridge = Bridge {
        presence: Arc::clone(&presence),
        entities: BTreeMap::new(),
        outbox: Outbox::default(),
        link: LinkState::default(),
        announcement: Announcement::Done,
        health,
        readings: readings.clone(),
        drops_seen: 0,
    };
    (
        bridge,
        Inbox { stop, link, requests: requested, _open: requests.clone(), readings: read },
        Client { presence, requests, readings },
    )
}

impl Presence {
    /// Whether Home Assistant would take `entity` as part of this device.
    ///
    /// # Errors
    ///
    /// [`EntityError`] with everything it would not.
    pub fn check(&self, entity: &Entity) -> Result<(), EntityError> {
        entity.check_with(&self.device, &self.topics)
    }

    /// The retained message that says this device is there or gone. Also the connection's will, so that a
    /// crash says `offline` too, on the same topic with the same quality of service.
    pub fn availability(&self, online: bool) -> Message {
        let payload = if online { "online" } else { "offline" };
        Message::retained(self.topics.availability().clone(), payload.as_bytes(), self.qos)
    }
}

impl Bridge {
    /// Adds `entity`, to be announced as soon as there is a connection, before [`Bridge::run`].
    ///
    /// # Errors
    ///
    /// [`EntityError`], when it does not go with this device.
    pub fn register(&mut self, entity: Entity) -> Result<(), EntityError> {
        self.presence.check(&entity)?;
        self.insert(entity, None);
        Ok(())
    }

    /// Handles events, one at a time, until told to stop or the link has ended.
    pub fn run(&mut self, inbox: &Inbox) {
        while let Some(event) = inbox.next(self.deadline()) {
            self.handle(event, Instant::now());
        }
    }

    /// The last things: what is left in the inbox, then `offline`, each delivered, then the disconnect.
    /// Blocks for `limit` at most; returns at once when the link is down. Returns how many messages were
    /// not delivered.
    pub fn finish(&mut self, inbox: &Inbox, limit: Duration) -> usize {
        let began = Instant::now();
        while let Some(event) = inbox.left() {
            self.handle(event, Instant::now());
        }
        self.announcement = Announcement::Closing;
        // A quarter is left for the last message, however much before it is never acknowledged.
        self.deliver(inbox, began + limit / 4 * 3);
        let undelivered = self.outbox.len();
        if self.link.is_up() {
            self.announce_availability(false);
            self.deliver(inbox, began + limit);
            self.disconnect(inbox, began + limit);
        }
        undelivered
    }

    /// Handles what the link reports until everything is delivered, the link is down or `deadline` is here.
    fn deliver(&mut self, inbox: &Inbox, deadline: Instant) {
        self.send(Instant::now());
        while self.link.is_up() && !self.outbox.is_empty() {
            let Ok(event) = inbox.link.recv_deadline(deadline) else { return };
            self.handle(Event::Link(event), Instant::now());
        }
    }

    /// Ends the connection in order and waits until it has ended, or for `deadline`.
    fn disconnect(&mut self, inbox: &Inbox, deadline: Instant) {
        self.link.disconnect();
        while !self.link.is_down() {
            let Ok(event) = inbox.link.recv_deadline(deadline) else { return };
            self.handle(Event::Link(event), Instant::now());
        }
    }

    /// When the bridge next has something to do by itself; `None` while it has not.
    fn deadline(&self) -> Option<Instant> {
        let overdue = self.outbox.overdue_at(ACKNOWLEDGE_LIMIT).filter(|_| self.link.is_up());
        let step = self.announcement.due().filter(|_| self.link.is_up());
        overdue.into_iter().chain(step).min()
    }
}

/// How many requests wait for the bridge; one more waits with its caller.
const REQUESTS: usize = 16;
/// How many readings wait for the bridge; one more is dropped. A loop turn takes microseconds, so this is
/// for a burst: a whole second of a busy line.
const READINGS: usize = 256;
/// A broker that has acknowledged nothing of what it was sent for this long is given up, and the connection
/// made anew: keep alive alone does not notice a broker that answers pings and nothing else.
const ACKNOWLEDGE_LIMIT: Duration = Duration::from_secs(30);
