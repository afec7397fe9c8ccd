//! The entities that the bridge announces: how they come, change and go.

use std::time::Instant;

use super::Bridge;
use super::announced::Announced;
use super::announcement::Announcement;
use crate::entity::Entity;
use crate::entity::Form;
use crate::model::Delivery;
use crate::model::Fate;
use crate::model::Message;
use crate::model::ObjectId;
use crate::model::Reading;
use crate::model::Topic;
use crate::model::Value;
use crate::outbox::Lane;
use crate::outbox::Notice;

impl Bridge {
    /// Adds `entity` without announcing it, with what of `predecessor` still means the same.
    pub(super) fn insert(&mut self, entity: Entity, predecessor: Option<Announced>) {
        let id = entity.id().clone();
        self.note_arrival(&entity);
        let mut announced = Announced::new(entity, &self.presence.topics);
        self.outbox.track(announced.topic());
        if let Some(it) = predecessor.filter(|it| it.entity.platform() == announced.entity.platform()) {
            announced.inherit(it);
        }
        self.entities.insert(id, announced);
    }

    /// Puts the retained availability message into the outbox, behind all other announcements: one that waits
    /// there since the connection before would lend it its place.
    pub(super) fn announce_availability(&mut self, online: bool) {
        let message = self.presence.availability(online);
        self.outbox.withdraw(Lane::Announcement, &message.topic);
        self.say(message, Instant::now());
    }

    /// Announces everything: discovery, then `online`; states follow when Home Assistant has settled.
    pub(super) fn announce_all(&mut self, now: Instant) {
        self.announcement = Announcement::DISCOVERING;
        self.echo = None;
        self.announce_devices(now);
        for it in self.entities.values() {
            if let Some(message) = self.discovery(&it.entity) {
                self.outbox.put(Lane::Announcement, message, None, now, None);
            }
            for message in it.companions(self.presence.qos) {
                self.outbox.put(Lane::Announcement, message, None, now, None);
            }
            let qos = it.entity.qos().unwrap_or(self.presence.qos);
            if let Some((message, expires)) = it.message(qos, now) {
                // Where every message counts, one that the broker does not keep must not count twice; nor an event.
                if !it.entity.is_momentary() && (message.retain || it.entity.delivery() == Delivery::Latest) {
                    self.outbox.repeat(message, expires, now);
                }
            }
        }
        self.announce_availability(true);
    }

    /// Tells the states once more that the broker does not keep, and of which the newest counts.
    pub(super) fn tell_again(&mut self, now: Instant) {
        for it in self.entities.values() {
            let qos = it.entity.qos().unwrap_or(self.presence.qos);
            let echo = it.echo(qos, now).filter(|_| it.entity.delivery() == Delivery::Latest);
            if let Some((message, expires)) = echo {
                self.outbox.repeat(message, expires, now);
            }
        }
    }

    /// The message that announces `entity`, unless its device is announced as a whole.
    fn discovery(&self, entity: &Entity) -> Option<Message> {
        (self.presence.form == Form::Entity).then(|| self.presence.entity_announcement(entity))
    }

    /// Adds `entity` and announces it. A predecessor on another platform is removed first; one whose states
    /// meant something else becomes unknown first, for 21 °C is not 21 K, not even when it is retained.
    pub(super) fn announce(&mut self, entity: Entity, now: Instant) {
        let (id, qos) = (entity.id().clone(), self.presence.qos);
        self.note_change(&entity, now);
        let predecessor = self.entities.remove(&id);
        let mut former = Vec::new();
        match &predecessor {
            Some(it) if it.entity.platform() != entity.platform() => self.withdraw(it, now),
            Some(it) => {
                self.note_change(&it.entity, now);
                former.extend(it.companion_topics().cloned());
                if !it.entity.shares_states_with(&entity) {
                    self.outbox.withdraw(Lane::State, it.topic());
                    // What cannot be unknown has at least no retained state that a Home Assistant to come would misread.
                    let cleared =
                        || it.entity.retained().then(|| Message::retained(it.topic().clone(), *b"", qos));
                    it.unknown(qos).or_else(cleared).into_iter().for_each(|it| self.say(it, now));
                    if it.entity.retained() && !entity.retained() {
                        // Home Assistant has read by then that it is unknown.
                        self.departure.empty(it.topic());
                    }
                }
            }
            None => {}
        }
        self.insert(entity, predecessor);
        let Some(it) = self.entities.get(&id) else { return };
        let may_announce = self.may_announce();
        let discovery = may_announce.then(|| self.discovery(&it.entity)).flatten();
        let companions = Vec::from_iter(it.companions(qos));
        former.retain(|topic| it.companion_topics().all(|it| it != topic));
        former.into_iter().for_each(|topic| self.clear(topic, now));
        if may_announce {
            discovery.into_iter().chain(companions).for_each(|it| self.say(it, now));
            if self.announcement == Announcement::Done {
                self.announcement = Announcement::DISCOVERING;
            }
        }
    }

    /// Removes the entity `id`, if there is one.
    pub(super) fn unregister(&mut self, id: &ObjectId, now: Instant) {
        if let Some(it) = self.entities.remove(id) {
            self.withdraw(&it, now);
            self.outbox.untrack(it.topic());
        }
    }

    /// Removes `it` from Home Assistant: an empty retained payload deletes its discovery, or its device tells so, and others
    /// what the broker keeps of its state, its attributes and its availability.
    fn withdraw(&mut self, it: &Announced, now: Instant) {
        self.outbox.withdraw(Lane::State, it.topic());
        match self.presence.form {
            Form::Entity => {
                self.clear(self.presence.topics.config(it.entity.platform(), it.entity.id()), now);
            }
            Form::Device => self.note_change(&it.entity, now),
        }
        if it.entity.retained() {
            self.clear(it.topic().clone(), now);
        }
        it.companion_topics().for_each(|it| self.clear(it.clone(), now));
        it.subscriptions.iter().for_each(|id| self.remove(*id));
    }

    /// Has the broker keep nothing on `topic`: neither what it has, nor what waits behind the announcements.
    fn clear(&mut self, topic: Topic, now: Instant) {
        self.outbox.withdraw(Lane::State, &topic);
        self.say(Message::retained(topic, *b"", self.presence.qos), now);
    }

    /// Publishes `payload` as the attributes of the entity `id`; `notice` hears what becomes of that.
    pub(super) fn set_attributes(
        &mut self,
        id: &ObjectId,
        payload: String,
        now: Instant,
        notice: Option<Notice>,
    ) {
        let it = self.entities.get_mut(id);
        match it.and_then(|it| it.set_attributes(payload, self.presence.qos)) {
            Some(message) => self.outbox.put(Lane::State, message, None, now, notice),
            None => refuse(notice),
        }
    }

    /// Says whether the entity `id` is available; `notice` hears what becomes of that.
    pub(super) fn set_available(
        &mut self,
        id: &ObjectId,
        available: bool,
        now: Instant,
        notice: Option<Notice>,
    ) {
        let it = self.entities.get_mut(id);
        match it.and_then(|it| it.set_available(available, self.presence.qos)) {
            Some(message) => self.outbox.put(Lane::State, message, None, now, notice),
            None => refuse(notice),
        }
    }

    /// Puts `message` behind all other announcements.
    pub(super) fn say(&mut self, message: Message, now: Instant) {
        self.outbox.put(Lane::Announcement, message, None, now, None);
    }

    /// Takes `reading` for the newest state of its entity; `notice` hears what becomes of the message that tells it.
    pub(super) fn take(&mut self, reading: &Reading, now: Instant, notice: Option<Notice>) {
        let Some(it) = self.entities.get_mut(&reading.entity) else {
            log::debug!("a reading of {}, which is not registered, is dropped", reading.entity);
            self.health.add_refused(1);
            return refuse(notice);
        };
        let is_failing = reading.value == Value::Unavailable;
        let says_more = !(is_failing && it.entity.has_availability()
            || reading.value == Value::Unknown && it.entity.is_momentary());
        let available = it.set_fed(!is_failing, self.presence.qos);
        if !says_more {
            // It is available or not, and that is all there is to say: once, unless somebody waits to hear of it.
            let again = notice.is_some().then(|| it.availability(self.presence.qos)).flatten();
            match available.or(again) {
                Some(message) => self.outbox.put(Lane::State, message, None, now, notice),
                None => refuse(notice),
            }
            return;
        }
        if let Some(message) = available {
            self.outbox.put(Lane::State, message, None, now, None);
        }
        let value = if is_failing { &Value::Unknown } else { &reading.value };
        let updated = it.update(value, now);
        let news = it.set_refused(updated.is_err());
        match updated {
            Ok(()) => {
                let qos = reading.qos.or(it.entity.qos()).unwrap_or(self.presence.qos);
                let Some((message, expires)) = it.message(qos, now) else {
                    return notice.into_iter().for_each(|it| it.end(Fate::Expired));
                };
                log::debug!("{}: {}", reading.entity, String::from_utf8_lossy(&message.payload));
                match reading.delivery.unwrap_or(it.entity.delivery()) {
                    Delivery::Latest => self.outbox.put(Lane::State, message, expires, now, notice),
                    Delivery::Every => self.outbox.append(message, now, notice),
                }
            }
            Err(error) => {
                self.health.add_refused(1);
                if news {
                    log::warn!("{error}; readings are dropped until they fit");
                }
                refuse(notice);
            }
        }
    }
}

/// Says that there will be no message.
fn refuse(notice: Option<Notice>) {
    notice.into_iter().for_each(|it| it.end(Fate::Dropped));
}

#[cfg(test)]
mod tests {
    use super::super::event::{Event, Request};
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
        let new = new.precision(1).state_class("measurement");
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
