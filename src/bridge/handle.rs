//! What each event does: [`Bridge::handle`], and the steps it takes.

use std::time::Instant;

use super::Bridge;
use super::announced::Announced;
use super::announcement::Announcement;
use super::event::Event;
use super::event::Request;
use crate::entity::Entity;
use crate::entity::discovery_payload;
use crate::link::LinkEvent;
use crate::model::Incoming;
use crate::model::Message;
use crate::model::ObjectId;
use crate::model::Reading;
use crate::outbox::Lane;

impl Bridge {
    /// Does what `event`, seen at `now`, asks for.
    pub(super) fn handle(&mut self, event: Event, now: Instant) {
        match event {
            Event::Reading(reading) => self.take(&reading, now),
            Event::Request(Request::Register(entity)) => self.announce(*entity),
            Event::Request(Request::Unregister(id)) => self.unregister(&id),
            Event::Link(event) => self.follow(event, now),
            Event::Tick => {
                if self.outbox.overdue_at(super::ACKNOWLEDGE_LIMIT).is_some_and(|at| at <= now) {
                    self.link.abandon();
                }
            }
        }
        self.proceed(now);
        self.send(now);
        self.report();
    }

    /// Hands to the connection what may go.
    pub(super) fn send(&mut self, now: Instant) {
        let states_open = self.announcement == Announcement::Done;
        let link = &mut self.link;
        self.outbox.send(now, states_open, |token, message| link.publish(token, message));
    }

    /// Adds `entity` without announcing it.
    pub(super) fn insert(&mut self, entity: Entity) {
        let topic = self.presence.topics.state(entity.id());
        self.entities.insert(entity.id().clone(), Announced::new(entity, topic));
    }

    /// Puts the retained availability message into the outbox.
    pub(super) fn announce_availability(&mut self, online: bool) {
        let message = self.presence.availability(online);
        self.outbox.put(Lane::Announcement, message, None);
    }

    fn follow(&mut self, event: LinkEvent, now: Instant) {
        match event {
            LinkEvent::Up(session) => {
                self.link.up(session);
                self.health.set_link_up(true);
                self.announce_all(now);
            }
            LinkEvent::Delivered(token) => {
                if self.outbox.acknowledge(token) {
                    self.health.add_delivered();
                }
            }
            LinkEvent::Received(incoming) => self.receive(&incoming, now),
            LinkEvent::Down(down) => {
                self.health.set_link_up(false);
                self.link.down(&down);
                for _ in 0..self.outbox.rewind() {
                    self.health.add_replaced();
                }
            }
        }
    }

    /// Home Assistant's birth message has everything announced again. A retained copy is no news: we have
    /// just announced, on connecting.
    fn receive(&mut self, incoming: &Incoming, now: Instant) {
        let presence = &self.presence;
        let birth = incoming.topic == presence.birth_topic.as_str()
            && incoming.payload == presence.birth_payload.as_bytes();
        if birth && !incoming.retained && self.announcement == Announcement::Done {
            log::info!("Home Assistant has started: announcing everything again");
            self.announcement = Announcement::after_birth(now, fastrand::f64());
        }
    }

    /// Takes the next step of the announcement where it is due.
    fn proceed(&mut self, now: Instant) {
        if !self.link.is_up() {
            return;
        }
        let next = self.announcement.next(now, self.outbox.is_announced());
        match (self.announcement, next) {
            (Announcement::Delayed { .. }, Announcement::Discovering) => self.announce_all(now),
            (Announcement::Settling { .. }, Announcement::Done) => {
                log::info!("announced {} entities to Home Assistant", self.entities.len());
            }
            _ => {}
        }
        self.announcement = next;
    }

    /// Announces everything: discovery, then `online`; states follow when Home Assistant has settled.
    fn announce_all(&mut self, now: Instant) {
        self.announcement = Announcement::Discovering;
        for it in self.entities.values() {
            let message = self.discovery(&it.entity);
            self.outbox.put(Lane::Announcement, message, None);
            if let Some((message, expires)) = it.message(self.presence.qos, now) {
                self.outbox.put(Lane::State, message, expires);
            }
        }
        self.announce_availability(true);
    }

    fn discovery(&self, entity: &Entity) -> Message {
        let presence = &self.presence;
        let payload = discovery_payload(entity, &presence.device, &presence.topics, presence.qos);
        let topic = presence.topics.config(entity.platform(), entity.id());
        Message::retained(topic, payload.into_bytes(), presence.qos)
    }

    /// Adds `entity` and announces it. A predecessor's state that waits is forgotten with it; one that is
    /// retained is removed where the new entity would not replace it.
    fn announce(&mut self, entity: Entity) {
        if let Some(before) = self.entities.get(entity.id()) {
            let moved = before.entity.platform() != entity.platform();
            let left_behind = before.entity.retained() && !entity.retained();
            self.outbox.withdraw(Lane::State, before.topic());
            if moved || left_behind {
                self.unregister(entity.id());
            }
        }
        if self.link.is_up() {
            let message = self.discovery(&entity);
            self.outbox.put(Lane::Announcement, message, None);
            if self.announcement == Announcement::Done {
                self.announcement = Announcement::Discovering;
            }
        }
        self.insert(entity);
    }

    /// Removes an entity: an empty retained payload deletes its discovery, and another its retained state.
    fn unregister(&mut self, id: &ObjectId) {
        let Some(it) = self.entities.remove(id) else { return };
        let qos = self.presence.qos;
        let config = self.presence.topics.config(it.entity.platform(), id);
        self.outbox.withdraw(Lane::State, it.topic());
        self.outbox.put(Lane::Announcement, Message::retained(config, *b"", qos), None);
        if it.entity.retained() {
            self.outbox.put(Lane::Announcement, Message::retained(it.topic().clone(), *b"", qos), None);
        }
    }

    fn take(&mut self, reading: &Reading, now: Instant) {
        let Some(it) = self.entities.get_mut(&reading.entity) else {
            log::debug!("a reading of {}, which is not registered, is dropped", reading.entity);
            self.health.add_dropped(1);
            return;
        };
        let updated = it.update(&reading.value, now);
        let news = it.set_refused(updated.is_err());
        match updated {
            Ok(()) => {
                if let Some((message, expires)) = it.message(self.presence.qos, now) {
                    log::debug!("{}: {}", reading.entity, String::from_utf8_lossy(&message.payload));
                    if self.outbox.put(Lane::State, message, expires) {
                        self.health.add_replaced();
                    }
                }
            }
            Err(error) => {
                self.health.add_dropped(1);
                if news {
                    log::warn!("{error}; readings are dropped until they fit");
                }
            }
        }
    }

    /// Brings the figures that others read up to date.
    fn report(&mut self) {
        self.health.set_waiting(self.outbox.len() as u64);
        let dropped = self.readings.dropped();
        self.health.add_dropped(dropped - self.drops_seen);
        self.drops_seen = dropped;
    }
}
