//! One turn of the loop: [`Bridge::handle`] says what each event does, and which steps follow.

use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::announcement::Announcement;
use super::event::{Event, Inbox, Post, Request, Subscriber, Telling, Told};
use super::{ACKNOWLEDGE_LIMIT, Bridge, REST};
use crate::dispatch::SubscriptionId;
use crate::link::LinkError;
use crate::link::LinkEvent;
use crate::model::Chain;
use crate::model::Delivery;
use crate::model::Incoming;
use crate::model::Report;
use crate::outbox::Lane;
use crate::outbox::Notice;

impl Bridge {
    /// Does what `event`, seen at `now`, asks for, and all that follows from it.
    pub(super) fn handle(&mut self, event: Event, now: Instant) {
        self.occur(event, now);
        self.follow_up(now);
    }

    /// Does what `event`, seen at `now`, asks for. Where it is a frequent one, what is there behind it too: what follows is
    /// looked at once for all of them, but that each is sent before the next may take its place.
    pub(super) fn take_turn(&mut self, event: Event, inbox: &Inbox, now: Instant) {
        let mut next = Some(event);
        for left in (0..AT_ONCE).rev() {
            let Some(event) = next.take() else { return };
            let is_frequent = event.is_frequent();
            self.occur(event, now);
            if !is_frequent || left == 0 {
                return;
            }
            if self.link.is_up() {
                self.send(now);
            }
            next = inbox.ready(self.has_room()).ok();
        }
    }

    fn occur(&mut self, event: Event, now: Instant) {
        match event {
            Event::Reading(reading) => self.take(&reading, now, None),
            Event::Post(Post { told, notice }) => self.accept(told, now, notice),
            Event::Request(request) => self.grant(request, now),
            Event::Link(event) => self.follow(event, now),
            Event::Spool(event) => {
                if let Some(news) = self.outbox.heard(event, now) {
                    self.spooling.tell(news);
                }
            }
            Event::Tick => {}
        }
    }

    /// Takes the steps that may follow from any event.
    pub(super) fn follow_up(&mut self, now: Instant) {
        self.dispatch.tick(now);
        self.watch(now);
        self.subscribe();
        self.proceed(now);
        self.send(now);
        self.store(now);
        self.report(now);
        self.chore.iter_mut().chain(&mut self.rest).for_each(|it| it.tick(now));
    }

    /// Takes what somebody was told is accepted; `notice` hears what becomes of it.
    fn accept(&mut self, told: Told, now: Instant, notice: Option<Notice>) {
        match told {
            Told::Message(message, Delivery::Every) => self.outbox.append(message, now, notice),
            Told::Message(message, Delivery::Latest) => {
                self.outbox.put(Lane::State, message, None, now, notice);
            }
            Told::Telling(Telling::Reading(reading)) => self.take(&reading, now, notice),
            Told::Telling(Telling::Attributes(id, payload)) => {
                self.set_attributes(&id, payload, now, notice);
            }
            Told::Telling(Telling::Available(id, available)) => {
                self.set_available(&id, available, now, notice);
            }
        }
    }

    /// Does what a handle asks for.
    fn grant(&mut self, request: Request, now: Instant) {
        match request {
            Request::Register(entity) => self.announce(*entity, now),
            Request::Unregister(id) => self.unregister(&id, now),
            Request::Depart(before, after, done) => {
                self.departure.add(before, after, done);
                if self.may_announce() {
                    self.begin(now);
                }
            }
            Request::Announced(done) => self.tell_when_announced(done),
            Request::Report(tell) => drop(tell.try_send(self.figures(now))),
            Request::Attributes(id, payload) => self.set_attributes(&id, payload, now, None),
            Request::Available(id, available) => self.set_available(&id, available, now, None),
            Request::Subscribe(subscriber, tell) => {
                let _ = tell.try_send(self.add(subscriber));
            }
            Request::Unsubscribe(id, tell) => {
                self.remove(id);
                let _ = tell.try_send(());
            }
            Request::Follow(request) => self.answer(request, now),
        }
    }

    /// Hands to the connection what may go.
    pub(super) fn send(&mut self, now: Instant) {
        let states_open = self.announcement.lets_states_go();
        let link = &mut self.link;
        self.outbox.send(now, states_open, |token, message| link.publish(token, message));
    }

    /// Asks of the spool what is to be asked now.
    pub(super) fn store(&mut self, now: Instant) {
        while let Some(order) = self.outbox.order(now, self.situation()) {
            self.spooling.carry_out(order);
        }
    }

    fn follow(&mut self, event: LinkEvent, now: Instant) {
        match event {
            LinkEvent::Up(session) => {
                if !session.resumed() {
                    self.outbox.rewind();
                }
                self.outbox.connected();
                self.spooling.outage_is_over();
                self.health.set_link_up(session.site().endpoint());
                self.link.up(session);
                self.wire.connected();
                self.dispatch.connected();
                self.begin(now);
            }
            LinkEvent::Delivered(token) => {
                self.outbox.acknowledge(token);
            }
            LinkEvent::Received(incoming) => self.receive(&incoming, now),
            // There is room for the next change; a filter that was refused the link has logged.
            LinkEvent::Subscribed(_) | LinkEvent::Unsubscribed => {
                self.link.answered();
                self.following.iter_mut().for_each(|it| it.heard(now));
            }
            LinkEvent::SaidOffline => {
                if self.announcement != Announcement::Closing {
                    self.announce_availability(true);
                }
            }
            LinkEvent::Down(down) => {
                self.health.set_link_down(&Chain(&down.cause));
                self.link.down(&down);
                let by_broker = matches!(down.cause, LinkError::ClosedByBroker);
                if let Some(message) = by_broker.then(|| self.outbox.closed_by_broker(down.kept)).flatten() {
                    log::error!(
                        "the broker closed one connection after the other at the same message, of {} bytes on {}: \
                         it is given up, so that the others can go; is it too large for the broker, or not permitted?",
                        message.payload.len(),
                        message.topic
                    );
                }
                if !down.kept {
                    self.outbox.rewind();
                }
            }
        }
    }

    /// Home Assistant's birth message has everything announced again. A retained copy is no news: we have
    /// just announced, on connecting.
    fn receive(&mut self, incoming: &Incoming, now: Instant) {
        let presence = &self.presence;
        let birth =
            incoming.topic == presence.birth_topic && *incoming.payload == *presence.birth_payload.as_bytes();
        if birth && !incoming.retained {
            if self.announcement == Announcement::Done {
                log::info!("Home Assistant has started: announcing everything again");
            }
            self.announcement = self.announcement.after_birth(now, fastrand::f64());
        }
        self.dispatch.deliver(incoming);
        self.dispatch.closed().into_iter().for_each(|id| self.remove(id));
        self.overhear(incoming, now);
    }

    /// Asks of the broker what is still to be asked: nothing while it has not answered the last.
    fn subscribe(&mut self) {
        while self.link.may_ask() {
            let Some(change) = self.wire.next(FILTERS) else { return };
            let Some(taken) = self.link.ask(&change) else { return };
            self.wire.asked(&change, taken);
        }
    }

    /// Hands on to `subscriber` what the broker sends. Returns whether that is done: not for an entity that is gone.
    fn add(&mut self, subscriber: Subscriber) -> bool {
        let Subscriber { id, owner, filter, qos, mailbox } = subscriber;
        self.dispatch.add(id, filter.clone(), mailbox);
        if let Some(owner) = owner {
            let Some(it) = self.entities.get_mut(&owner) else {
                // Not dropped here: what the callback owns may wait for this thread when it is dropped.
                self.dispatch.remove(id);
                return false;
            };
            it.subscriptions.retain(|id| self.dispatch.holds(*id));
            it.subscriptions.push(id);
        }
        self.wire.want(filter, qos);
        true
    }

    /// Does so no longer.
    pub(super) fn remove(&mut self, id: SubscriptionId) {
        if let Some(filter) = self.dispatch.remove(id) {
            self.wire.unwant(&filter);
        }
    }

    /// Gives the connection up where the broker acknowledges nothing. At every event, for a busy inbox keeps ticks
    /// away; but not at the end, which has a limit of its own and `offline` to say.
    fn watch(&mut self, now: Instant) {
        let overdue = self.outbox.overdue_at(ACKNOWLEDGE_LIMIT).is_some_and(|at| at <= now);
        let unanswered = self.link.unanswered_since().is_some_and(|at| at + ACKNOWLEDGE_LIMIT <= now);
        if (overdue || unanswered) && self.announcement != Announcement::Closing {
            self.link.abandon();
        }
    }

    /// Takes the next step of the announcement where it is due.
    fn proceed(&mut self, now: Instant) {
        if !self.link.is_up() {
            return;
        }
        if self.may_announce() {
            self.proceed_devices(now);
        }
        let acknowledged = self.outbox.is_announced();
        let is_told = self.announcement == Announcement::Parting || self.devices.are_told();
        let next = self.announcement.next(now, acknowledged && is_told);
        match (std::mem::replace(&mut self.announcement, next), next) {
            (Announcement::Parting, Announcement::Parted { .. }) => self.departure.group_arrived(),
            (
                Announcement::Delayed { .. } | Announcement::Parted { .. },
                Announcement::Discovering { .. },
            ) => {
                self.begin(now);
            }
            (Announcement::Settling { .. }, Announcement::Done) => {
                log::info!("announced {} entities to Home Assistant", self.entities.len());
                self.echo = Some(now + ECHO);
                self.rest.iter_mut().for_each(|it| it.put_off(now + REST));
                let (presence, entities) = (&self.presence, self.entities.values().map(|it| &it.entity));
                let (messages, done) = self.departure.last(|| presence.topics_of(entities));
                messages.into_iter().for_each(|it| self.say(it, now));
                self.awaiting.extend(done);
            }
            _ => {}
        }
        if self.echo.is_some_and(|at| at <= now) && self.announcement == Announcement::Done {
            self.echo = None;
            self.tell_again(now);
        }
        self.tell_announced();
    }

    /// Begins with the next group of what is left behind, or, when there is none, to announce.
    fn begin(&mut self, now: Instant) {
        match (self.departure.group(), self.announcement) {
            // The group before it was acknowledged, and Home Assistant may still work through it.
            (_, Announcement::Parted { until }) if now < until => {}
            (Some(group), _) => {
                for message in group {
                    self.outbox.put(Lane::Announcement, message.clone(), None, now, None);
                }
                self.announcement = Announcement::Parting;
            }
            (None, _) => self.announce_all(now),
        }
    }

    /// Whether discovery may go out at all.
    pub(super) fn may_announce(&self) -> bool {
        self.link.is_up() && self.announcement.lets_discovery_go()
    }

    /// Takes note that `done` is to hear when all is announced. The one that has waited longest hears nothing any more
    /// where too many do.
    fn tell_when_announced(&mut self, done: Sender<()>) {
        if self.awaiting.len() >= AWAITING {
            self.awaiting.pop_front();
        }
        self.awaiting.push_back(done);
    }

    /// Tells those who wait for it that all is announced, where it is.
    fn tell_announced(&mut self) {
        let is_past = matches!(self.announcement, Announcement::Settling { .. } | Announcement::Done);
        if is_past && !self.awaiting.is_empty() && self.outbox.is_announced() && self.devices.are_told() {
            self.awaiting.drain(..).for_each(|done| {
                let _ = done.try_send(());
            });
        }
    }

    /// What became of all messages, in all and for each entity.
    fn figures(&self, now: Instant) -> Report {
        let entities = self.entities.iter();
        Report {
            total: self.outbox.total(Some(now)),
            entities: entities.map(|(id, it)| (id.clone(), self.outbox.of(it.topic(), now))).collect(),
            on_card: self.outbox.on_card(),
        }
    }

    /// Brings the figures that others read up to date.
    fn report(&mut self, now: Instant) {
        self.health.set_messages(&self.outbox.total(None), self.outbox.waiting());
        self.health.set_spool_degraded(self.outbox.is_degraded(now));
        self.spooling.note_silence(self.outbox.is_spool_silent(now));
        let dropped = self.readings.dropped();
        self.health.add_refused(dropped - self.drops_seen);
        self.drops_seen = dropped;
    }
}

/// How many events are taken at once: many beside what the rest of a turn costs, and milliseconds on the slowest machine.
const AT_ONCE: u32 = 32;
/// How many may wait for all to be announced.
const AWAITING: usize = 64;
/// How long after all was announced a Home Assistant that had much to do has subscribed to it too: a state that was told
/// meanwhile and is not retained would be missed until the next. (Observed: a second and more at a load of 20.)
const ECHO: Duration = Duration::from_secs(10);
/// How many topic filters go into one packet at most: their answer has room in any broker's buffers.
const FILTERS: usize = 100;
