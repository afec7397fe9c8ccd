//! What each event does: [`Bridge::handle`], and the steps it takes.

use std::time::Instant;

use super::Bridge;
use super::announced::Announced;
use super::announcement::Announcement;
use super::event::{Event, Publish, Request};
use crate::entity::Entity;
use crate::entity::discovery_payload;
use crate::link::LinkError;
use crate::link::LinkEvent;
use crate::model::Delivery;
use crate::model::Incoming;
use crate::model::Message;
use crate::model::ObjectId;
use crate::model::Reading;
use crate::model::Report;
use crate::outbox::Lane;

impl Bridge {
    /// Does what `event`, seen at `now`, asks for.
    pub(super) fn handle(&mut self, event: Event, now: Instant) {
        match event {
            Event::Reading(reading) => self.take(&reading, now),
            Event::Publish(Publish { message, delivery: Delivery::Every, stored }) => {
                self.outbox.append(message, now, stored, None);
            }
            Event::Publish(Publish { message, delivery: Delivery::Latest, .. }) => {
                self.outbox.put(Lane::State, message, None, now, None);
            }
            Event::Request(Request::Register(entity)) => self.announce(*entity, now),
            Event::Request(Request::Unregister(id)) => self.unregister(&id, now),
            Event::Request(Request::Report(tell)) => drop(tell.try_send(self.figures(now))),
            Event::Link(event) => self.follow(event, now),
            Event::Spool(event) => {
                if let Some(news) = self.outbox.heard(event, now) {
                    self.spooling.tell(news);
                }
            }
            Event::Tick => {}
        }
        self.watch(now);
        self.proceed(now);
        self.send(now);
        self.store(now);
        self.report(now);
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

    /// Adds `entity` without announcing it, with the state of `predecessor` where that means the same.
    pub(super) fn insert(&mut self, entity: Entity, predecessor: Option<Announced>) {
        let (id, topic) = (entity.id().clone(), self.presence.topics.state(entity.id()));
        self.outbox.track(&topic);
        let mut announced = Announced::new(entity, topic);
        if let Some(it) = predecessor.filter(|it| it.entity.shares_states_with(&announced.entity)) {
            announced.inherit(it);
        }
        self.entities.insert(id, announced);
    }

    /// Puts the retained availability message into the outbox, behind all other announcements: one that waits
    /// there since the connection before would lend it its place.
    pub(super) fn announce_availability(&mut self, online: bool) {
        let message = self.presence.availability(online);
        self.outbox.withdraw(Lane::Announcement, &message.topic);
        self.outbox.put(Lane::Announcement, message, None, Instant::now(), None);
    }

    fn follow(&mut self, event: LinkEvent, now: Instant) {
        match event {
            LinkEvent::Up(session) => {
                if !session.resumed() {
                    self.outbox.rewind();
                }
                self.outbox.connected();
                self.spooling.outage_is_over();
                self.link.up(session);
                self.health.set_link_up(true);
                self.announce_all(now);
            }
            LinkEvent::Delivered(token) => {
                self.outbox.acknowledge(token);
            }
            LinkEvent::Received(incoming) => self.receive(&incoming, now),
            LinkEvent::Subscribed(_) | LinkEvent::Unsubscribed => {}
            LinkEvent::SaidOffline => {
                if self.announcement != Announcement::Closing {
                    self.announce_availability(true);
                }
            }
            LinkEvent::Down(down) => {
                self.health.set_link_up(false);
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
    }

    /// Gives the connection up where the broker acknowledges nothing. At every event, for a busy inbox keeps ticks
    /// away; but not at the end, which has a limit of its own and `offline` to say.
    fn watch(&mut self, now: Instant) {
        let overdue = self.outbox.overdue_at(super::ACKNOWLEDGE_LIMIT).is_some_and(|at| at <= now);
        if overdue && self.announcement != Announcement::Closing {
            self.link.abandon();
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
    pub(super) fn announce_all(&mut self, now: Instant) {
        self.announcement = Announcement::Discovering;
        for it in self.entities.values() {
            let message = self.discovery(&it.entity);
            self.outbox.put(Lane::Announcement, message, None, now, None);
            let qos = it.entity.qos().unwrap_or(self.presence.qos);
            if let Some((message, expires)) = it.message(qos, now) {
                // Where every message counts, one that the broker does not keep must not count twice.
                if message.retain || it.entity.delivery() == Delivery::Latest {
                    self.outbox.repeat(message, expires, now);
                }
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

    /// Adds `entity` and announces it. A predecessor on another platform is removed first; one whose states
    /// meant something else becomes unknown first, for 21 °C is not 21 K, not even when it is retained.
    fn announce(&mut self, entity: Entity, now: Instant) {
        let predecessor = self.entities.remove(entity.id());
        match &predecessor {
            Some(it) if it.entity.platform() != entity.platform() => self.withdraw(it, now),
            Some(it) if !it.entity.shares_states_with(&entity) => {
                self.outbox.withdraw(Lane::State, it.topic());
                self.outbox.put(Lane::Announcement, it.unknown(self.presence.qos), None, now, None);
            }
            _ => {}
        }
        if self.link.is_up() {
            let message = self.discovery(&entity);
            self.outbox.put(Lane::Announcement, message, None, now, None);
            if self.announcement == Announcement::Done {
                self.announcement = Announcement::Discovering;
            }
        }
        self.insert(entity, predecessor);
    }

    fn unregister(&mut self, id: &ObjectId, now: Instant) {
        if let Some(it) = self.entities.remove(id) {
            self.withdraw(&it, now);
            self.outbox.untrack(it.topic());
        }
    }

    /// Removes `it` from Home Assistant: an empty retained payload deletes its discovery, and another its retained state.
    fn withdraw(&mut self, it: &Announced, now: Instant) {
        let qos = self.presence.qos;
        let config = self.presence.topics.config(it.entity.platform(), it.entity.id());
        self.outbox.withdraw(Lane::State, it.topic());
        self.outbox.put(Lane::Announcement, Message::retained(config, *b"", qos), None, now, None);
        if it.entity.retained() {
            self.outbox.put(
                Lane::Announcement,
                Message::retained(it.topic().clone(), *b"", qos),
                None,
                now,
                None,
            );
        }
    }

    fn take(&mut self, reading: &Reading, now: Instant) {
        let Some(it) = self.entities.get_mut(&reading.entity) else {
            log::debug!("a reading of {}, which is not registered, is dropped", reading.entity);
            self.health.add_refused(1);
            return;
        };
        let updated = it.update(&reading.value, now);
        let news = it.set_refused(updated.is_err());
        match updated {
            Ok(()) => {
                let qos = reading.qos.or(it.entity.qos()).unwrap_or(self.presence.qos);
                let Some((message, expires)) = it.message(qos, now) else { return };
                log::debug!("{}: {}", reading.entity, String::from_utf8_lossy(&message.payload));
                match reading.delivery.unwrap_or(it.entity.delivery()) {
                    Delivery::Latest => self.outbox.put(Lane::State, message, expires, now, None),
                    Delivery::Every => self.outbox.append(message, now, None, None),
                }
            }
            Err(error) => {
                self.health.add_refused(1);
                if news {
                    log::warn!("{error}; readings are dropped until they fit");
                }
            }
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

#[cfg(test)]
mod tests {
    use super::super::tests::bridge;
    use super::*;
    use crate::entity::BinarySensor;
    use crate::entity::Sensor;
    use crate::model::Value;

    /// Registers `old`, has it read `value`, registers `new` in its place and announces all again. Returns
    /// what goes to the broker after the reading, but for discovery and `online`: `topic payload retained`.
    #[track_caller]
    fn re_registered(old: Entity, value: Value, new: Entity) -> Vec<String> {
        let (mut bridge, now) = (bridge(), Instant::now());
        let reading = Reading::new(old.id().clone(), value);
        bridge.handle(Event::Request(Request::Register(Box::new(old))), now);
        bridge.handle(Event::Reading(reading), now);
        bridge.outbox.send(now, true, |_, _| true);
        bridge.handle(Event::Request(Request::Register(Box::new(new))), now);
        bridge.announce_all(now);
        let mut sent = Vec::new();
        bridge.outbox.send(now, true, |_, message| {
            let retained = if message.retain { " retained" } else { "" };
            sent.push(format!("{} {}{retained}", message.topic, String::from_utf8_lossy(&message.payload)));
            true
        });
        sent.retain(|it| !it.contains('{') && !it.contains("availability"));
        sent
    }

    fn attic() -> Sensor {
        Sensor::new("attic", "Attic").device_class("temperature").unit("°C")
    }

    #[test]
    fn a_new_name_leaves_the_state_as_it_is() {
        let new = Sensor::new("attic", "Loft").device_class("temperature").unit("°C").icon("mdi:fire");
        let sent = re_registered(attic().build().unwrap(), 21.5.into(), new.build().unwrap());
        assert_eq!(sent, ["luigi/pi/attic 21.5 retained"]);
    }

    #[test]
    fn a_state_that_meant_something_else_becomes_unknown_and_is_not_told_again() {
        let kelvin = attic().unit("K").build().unwrap();
        let expiring = attic().expire_after(std::time::Duration::from_secs(60)).build().unwrap();
        for new in [kelvin, expiring] {
            let sent = re_registered(attic().build().unwrap(), 21.5.into(), new);
            assert_eq!(sent, ["luigi/pi/attic None retained"]);
        }
    }

    #[test]
    fn another_platform_removes_the_entity_with_its_state() {
        let new = BinarySensor::new("attic", "Attic").build().unwrap();
        let sent = re_registered(attic().build().unwrap(), 21.5.into(), new);
        assert_eq!(sent, ["homeassistant/sensor/pi/attic/config  retained", "luigi/pi/attic  retained"]);
    }
}
