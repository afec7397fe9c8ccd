//! The loop that owns all state: [`Bridge`]; and [`Handle`] to it.
//!
//! Everything that can happen is one event, and one function handles it. The loop waits for its inbox and
//! for nothing else: not for a thread, not for the network. So anyone may wait for the loop, and it cannot
//! deadlock.

mod announced;
mod announcement;
#[cfg(test)]
mod announcing_tests;
mod chore;
mod departure;
mod devices;
mod entities;
mod entrance;
mod event;
mod follow;
mod handle;
mod link_state;
#[cfg(test)]
mod removal_tests;
mod renewal;
mod spooling;
#[cfg(test)]
mod telling_tests;
#[cfg(test)]
mod tests;
mod turn;
mod watch;
mod wire;

pub use event::{Inbox, Subscriber, Telling};
pub use handle::{Accepted, Handle, Refused, RefusedBecause};
pub use watch::{Sighting, Watch};

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};

use announced::Announced;
use announcement::Announcement;
use chore::Chore;
use departure::Departure;
use devices::Devices;
use entrance::Entrance;
use event::Event;
use follow::Following;
use link_state::LinkState;
use spooling::Spooling;
use wire::Wire;

use crate::config;
use crate::dispatch::Dispatch;
use crate::entity::Device;
use crate::entity::Entity;
use crate::entity::EntityError;
use crate::entity::Form;
use crate::entity::Topics;
use crate::link::LinkEvent;
use crate::model::Health;
use crate::model::Message;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Reading;
use crate::model::Topic;
use crate::outbox::Outbox;
use crate::outbox::Situation;
use crate::worker::Outlet;

/// What is the same for everything that is announced.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Presence {
    /// The device that the entities belong to.
    pub device: Device,
    /// Where discovery, states and availability go.
    pub topics: Topics,
    /// In how many messages a device is announced.
    pub form: Form,
    /// Quality of service of all of them.
    pub qos: Qos,
    /// Where Home Assistant says that it has started.
    pub birth_topic: Topic,
    /// What it says there.
    pub birth_payload: String,
    /// What is followed below it without being announced: `<layout>/<type>/<id>/state`.
    pub layout: Topic,
}

/// The loop that owns all state: entities, outbox, and what is known of the link.
#[derive(Debug)]
pub struct Bridge {
    presence: Arc<Presence>,
    /// The same, for all handles.
    shared_presence: Arc<RwLock<Arc<Presence>>>,
    entities: BTreeMap<ObjectId, Announced>,
    outbox: Outbox,
    spooling: Spooling,
    link: LinkState,
    announcement: Announcement,
    /// When states that the broker does not keep are told once more.
    echo: Option<Instant>,
    devices: Devices,
    departure: Departure,
    /// Who wants to know when all is announced.
    awaiting: VecDeque<Sender<()>>,
    /// What the broker is to send, and who is to have it.
    wire: Wire,
    dispatch: Dispatch,
    /// What others announce, while somebody wants to know.
    following: Option<Box<Following>>,
    health: Health,
    readings: Outlet<Reading>,
    /// How many of the drops that `readings` counted are in `health`.
    drops_seen: u64,
    /// What somebody else has done here.
    chore: Option<Chore>,
    /// What they have done here after much work.
    rest: Option<Chore>,
}

/// What was not delivered before the end of the connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Farewell {
    /// Messages that are given up with the process.
    pub lost: u64,
    /// Messages that are on the card, for the next process.
    pub on_card: u64,
}

/// A bridge that is not connected and knows no entity, its inbox, and a handle to it. It has `window` messages in
/// flight at most, and keeps those that must all be delivered as `spool` says. `stop` closes when [`Bridge::run`] is to
/// return; `link` brings what the connection reports.
pub fn new(
    presence: Presence,
    window: u16,
    spool: config::Spool,
    health: Health,
    stop: Receiver<Infallible>,
    link: Receiver<LinkEvent>,
) -> (Bridge, Inbox, Handle) {
    let (requests, requested) = bounded(REQUESTS);
    let (readings, read) = bounded(READINGS);
    let (posts, posted) = bounded(POSTS);
    let (spool_events, spool_said) = bounded(SPOOL_EVENTS);
    let (readings, entrance) = (Outlet::new(readings), Arc::new(Entrance::new(posts)));
    let presence = Arc::new(presence);
    let shared_presence = Arc::new(RwLock::new(Arc::clone(&presence)));
    let (mode, spool_bytes) = (spool.mode, spool.max_bytes);
    let birth = presence.birth_topic.clone().into();
    let mut bridge = Bridge {
        shared_presence: Arc::clone(&shared_presence),
        presence,
        entities: BTreeMap::new(),
        outbox: Outbox::new(window, mode, spool_bytes),
        spooling: Spooling::new(spool, spool_events),
        link: LinkState::default(),
        announcement: Announcement::Done,
        echo: None,
        devices: Devices::default(),
        departure: Departure::default(),
        awaiting: VecDeque::new(),
        wire: Wire::new(birth),
        dispatch: Dispatch::new(),
        following: None,
        health,
        readings: readings.clone(),
        drops_seen: 0,
        chore: None,
        rest: None,
    };
    if bridge.spooling.has_backlog() {
        let order = bridge.outbox.open_spool(Instant::now());
        bridge.spooling.carry_out(order);
    }
    let inbox = Inbox {
        stop,
        link,
        spool: spool_said,
        requests: requested,
        posts: posted,
        _requests: requests.clone(),
        entrance: Arc::clone(&entrance),
        readings: read,
        nothing: crossbeam_channel::never(),
        of_link: Cell::default(),
    };
    let subscriptions = Arc::default();
    let handle = Handle {
        presence: shared_presence,
        requests,
        entrance,
        readings,
        spool: mode,
        spool_bytes,
        subscriptions,
    };
    (bridge, inbox, handle)
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

    /// The same presence, which Home Assistant knows by `identity`, whatever its host is called now.
    pub fn identified(self, identity: ObjectId) -> Presence {
        let device = Device { identifier: identity.clone(), ..self.device };
        Presence { device, topics: self.topics.with_identity(identity), ..self }
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

    /// Has the messages of `before` delivered ahead of all that is announced, once, when the first connection is there, and
    /// those of `after` when all is announced: what it takes to be rid of what an earlier run announced, and to have Home
    /// Assistant know again what it knows by another topic. To be called before [`Bridge::run`].
    ///
    /// A group of `before` is sent when the one before it was acknowledged and Home Assistant has had a second to work
    /// through it; discovery likewise, after the last group. When `after` is acknowledged too, `done` gets a
    /// message, if it has room. A connection that is lost meanwhile changes nothing of that; what was not acknowledged then
    /// is sent again, with all of its group.
    ///
    /// Where this is asked for again before that, what was asked first is done first, but for what is newer on the same topic; the
    /// channel of the first closes, and `done` hears for both. Nothing of `after` goes where something is announced by then.
    pub fn depart(&mut self, before: Vec<Vec<Message>>, after: Vec<Message>, done: Sender<()>) {
        self.departure.add(before, after, done);
    }

    /// Has `act` called at `due`, and then whenever it has said: between two events, on the thread of the bridge. It must not wait for
    /// anything; and whoever sees it done knows that the loop turns.
    pub fn between_events(&mut self, due: Instant, mut act: impl FnMut(Instant) -> Instant + Send + 'static) {
        self.chore = Some(Chore::new(due, move |now| Some(act(now))));
    }

    /// Has `act` called, on the thread of the bridge, where it has much behind it that comes again seldom: 20 s after `now`, and after
    /// each time that it has announced all its entities. It must not wait for anything.
    pub fn after_work(&mut self, now: Instant, mut act: impl FnMut() + Send + 'static) {
        self.rest = Some(Chore::new(now + REST, move |_| {
            act();
            None
        }));
    }

    /// Handles events, one at a time, until told to stop or the link has ended.
    pub fn run(&mut self, inbox: &Inbox) {
        while let Some(event) = inbox.next(self.deadline(), self.has_room()) {
            let now = Instant::now();
            self.take_turn(event, inbox, now);
            self.follow_up(now);
        }
    }

    /// The last things: what is left in the inbox, then `offline`, each delivered, then the disconnect. What was not
    /// delivered and must be, goes to the card. What is published from here on is handed back. Blocks for a
    /// second at most while callbacks are busy, then for `limit`, not at all when the link is down; and then for as long as
    /// the card takes, 5 s at most.
    pub fn finish(&mut self, inbox: &mut Inbox, limit: Duration) -> Farewell {
        for event in inbox.left() {
            self.handle(event, Instant::now());
        }
        inbox.close();
        // What a callback publishes from here on is handed back to it.
        std::mem::take(&mut self.dispatch).stop(CALLBACKS_END);
        // From here on: a callback that hangs takes none of it from what waits.
        let undelivered = self.part(inbox, limit.min(LONGEST_END));
        let waiting = undelivered.min(self.outbox.len());
        let deadline = Instant::now() + spooling::LIMIT;
        self.store_all(inbox, deadline);
        self.health.set_ended();
        let on_card = self.outbox.on_card().min(waiting);
        self.spooling.stop(deadline.saturating_duration_since(Instant::now()));
        Farewell { lost: waiting - on_card, on_card }
    }

    /// Has the spool take what must be delivered and was not, and waits until it has, or for `deadline`.
    fn store_all(&mut self, inbox: &Inbox, deadline: Instant) {
        loop {
            while let Some(order) = self.outbox.order(Instant::now(), Situation::Ending) {
                self.spooling.carry_out(order);
            }
            if !self.outbox.is_storing() {
                return;
            }
            let Ok(event) = inbox.spool.recv_deadline(deadline) else { return };
            if let Some(news) = self.outbox.heard(event, Instant::now()) {
                self.spooling.tell(news);
                if self.outbox.is_degraded(Instant::now()) {
                    return;
                }
            }
        }
    }

    /// Handles what link and spool report until everything is delivered, the link is down or `deadline` is here.
    fn deliver(&mut self, inbox: &Inbox, deadline: Instant) {
        self.send(Instant::now());
        while self.link.is_up() && !self.outbox.is_empty() {
            let event = select! {
                recv(inbox.link) -> it => it.map(Event::Link),
                recv(inbox.spool) -> it => it.map(Event::Spool),
                default(deadline.saturating_duration_since(Instant::now())) => return,
            };
            let Ok(event) = event else { return };
            self.handle(event, Instant::now());
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
        let unanswered = self.link.unanswered_since().map(|it| it + ACKNOWLEDGE_LIMIT);
        let step = self.announcement.due().filter(|_| self.link.is_up());
        let echo = self.echo.filter(|_| self.link.is_up());
        let device = self.devices.due().filter(|_| self.may_announce());
        overdue
            .into_iter()
            .chain(unanswered)
            .chain(self.dispatch.due())
            .chain(step)
            .chain(echo)
            .chain(device)
            .chain(self.chore.iter().chain(&self.rest).filter_map(Chore::due))
            .chain(self.outbox.order_due(Instant::now(), self.situation()))
            .min()
    }

    /// Whether more of what must not be lost is to be taken in.
    fn has_room(&self) -> bool {
        self.outbox.has_room(self.situation())
    }

    fn situation(&self) -> Situation {
        if self.link.is_up() { Situation::Connected } else { Situation::Away }
    }
}

/// How long after it has begun or announced all the bridge has told everything again, and Home Assistant has taken it in.
const REST: Duration = Duration::from_secs(20);
/// How many requests wait for the bridge; one more waits with its caller.
const REQUESTS: usize = 16;
/// How many readings wait for the bridge; one more is dropped. A loop turn takes microseconds, so this is
/// for a burst: a whole second of a busy line.
const READINGS: usize = 256;
/// How many messages and readings that must not be lost wait for the bridge; one more is handed back. Twice the window: while
/// that is on its way, the next is there.
const POSTS: usize = 256;
/// How many answers of the spool wait for the bridge; one more waits with the spool.
const SPOOL_EVENTS: usize = 4;
/// A broker that has acknowledged nothing of what it was sent for this long is given up, and the connection
/// made anew: keep alive alone does not notice a broker that answers pings and nothing else.
const ACKNOWLEDGE_LIMIT: Duration = Duration::from_secs(30);
/// How long a callback that is at work may go on at the end; it is left behind after that.
const CALLBACKS_END: Duration = Duration::from_secs(1);
/// Nobody waits longer for an end; and the clock has one too, beyond which there is no counting.
const LONGEST_END: Duration = Duration::from_secs(24 * 3600);
