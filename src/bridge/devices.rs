//! Devices that are announced in one message each: what Home Assistant was told of them, and when it is told more.
//!
//! It puts off a change of a component while it works on an earlier one, and leaves out those behind it in the same message
//! (`async_discovery_message_received` in `homeassistant/components/mqtt/discovery.py`). So changes are gathered, and it has
//! time between two messages of a device. And it keeps what a message does not mention: what is to go is mentioned once with
//! its platform alone, and comes back, on another platform or device, after that only.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::Bridge;
use super::Presence;
use super::handle::LARGEST;
use crate::entity::Device;
use crate::entity::Entity;
use crate::entity::Form;
use crate::entity::Platform;
use crate::entity::device_payload;
use crate::entity::discovery_payload;
use crate::model::Message;
use crate::model::ObjectId;
use crate::model::Topic;

/// The devices by their identifiers. Empty where each entity is announced by itself.
#[derive(Debug, Default)]
pub(super) struct Devices(BTreeMap<ObjectId, Told>);

/// What Home Assistant was told of a device.
#[derive(Debug)]
struct Told {
    device: Device,
    /// What the last message says, and what it does not say yet and an earlier run may have said. That is all that is ever to be
    /// removed, for the ledger knows what else earlier runs have left.
    components: Components,
    step: Step,
    /// Whether there is something that the last message does not say.
    stale: bool,
    /// Whether its size was warned of.
    large: bool,
}

type Components = BTreeMap<ObjectId, Component>;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Component {
    On(Platform),
    /// With its platform alone, to be removed.
    Off(Platform),
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A change can be told.
    Idle,
    /// Something has changed, and more may be about to.
    Gathering { until: Instant },
    /// The last message is on its way.
    Sent,
    /// It was acknowledged, and Home Assistant works through it.
    Resting { until: Instant },
}

impl Devices {
    /// Whether Home Assistant was told all there is, or will be by what is on its way.
    pub(super) fn are_told(&self) -> bool {
        self.0.values().all(|it| !it.stale && it.off().next().is_none())
    }

    /// Whether Home Assistant may still work through a message.
    pub(super) fn are_at_work(&self) -> bool {
        self.0.values().any(|it| matches!(it.step, Step::Sent | Step::Resting { .. }))
    }

    /// When a step is due, where that is a matter of time.
    pub(super) fn due(&self) -> Option<Instant> {
        let dues = self.0.values().filter_map(|it| match it.step {
            Step::Gathering { until } | Step::Resting { until } => Some(until),
            Step::Idle | Step::Sent => None,
        });
        dues.min()
    }

    /// Notes that `device` has something that was not told.
    fn change(&mut self, device: &Device) -> &mut Told {
        let told = self.0.entry(device.identifier.clone()).or_insert_with(|| Told {
            device: device.clone(),
            components: Components::new(),
            step: Step::Idle,
            stale: true,
            large: false,
        });
        told.stale = true;
        told
    }

    /// Notes that Home Assistant may have `entity` on `device` by an earlier run, unless it was told of it by this one: should it go, or
    /// become something else, before it is announced, it is removed.
    fn expect(&mut self, device: &Device, entity: &Entity) {
        if self.0.values().all(|it| !it.components.contains_key(entity.id())) {
            let component = Component::On(entity.platform());
            self.change(device).components.insert(entity.id().clone(), component);
        }
    }

    /// Has all told again: the connection is a new one, or Home Assistant is. It may still work through what it was told.
    fn repeat(&mut self) {
        for told in self.0.values_mut() {
            told.stale = true;
            if !matches!(told.step, Step::Resting { .. }) {
                told.step = Step::Idle;
            }
        }
    }

    /// Has the rest told without a pause: nothing comes after it.
    fn hurry(&mut self) {
        for told in self.0.values_mut() {
            if let Step::Resting { .. } = told.step {
                told.settle();
            }
            told.step = Step::Idle;
        }
    }

    /// Takes the steps that are due at `now`, given whether all announcements are `acknowledged`. Returns what Home Assistant
    /// has removed since.
    fn proceed(&mut self, now: Instant, acknowledged: bool) -> Vec<ObjectId> {
        let mut removed = Vec::new();
        for told in self.0.values_mut() {
            match told.step {
                Step::Sent if acknowledged => told.step = Step::Resting { until: now + REST },
                Step::Gathering { until } if until <= now => told.step = Step::Idle,
                Step::Resting { until } if until <= now => {
                    told.step = Step::Idle;
                    removed.append(&mut told.settle());
                }
                _ => {}
            }
        }
        self.0.retain(|_, it| it.stale || !it.components.is_empty());
        removed
    }

    /// A device of which more is to be told now.
    fn next(&self) -> Option<&Told> {
        self.0.values().find(|it| it.stale && matches!(it.step, Step::Idle))
    }

    /// What is to be told of `device` when it has `entities`: what was told and is no more is removed first.
    fn components<'a>(&self, device: &Told, entities: impl Iterator<Item = &'a Entity>) -> Components {
        let was = |(id, it): (&ObjectId, &Component)| (id.clone(), Component::Off(it.platform()));
        let mut next: Components = device.components.iter().map(was).collect();
        for entity in entities {
            let on = Component::On(entity.platform());
            let can_be = match device.components.get(entity.id()) {
                Some(told) => *told == on,
                None => !self.0.values().any(|it| it.components.contains_key(entity.id())),
            };
            if can_be {
                next.insert(entity.id().clone(), on);
            }
        }
        next
    }
}

impl Told {
    /// What is removed by the last message.
    fn off(&self) -> impl Iterator<Item = &ObjectId> {
        self.components.iter().filter(|(_, it)| matches!(it, Component::Off(_))).map(|(id, _)| id)
    }

    /// Home Assistant has done what the last message says. Returns what it has removed, which needs no mention any more.
    fn settle(&mut self) -> Vec<ObjectId> {
        let removed: Vec<_> = self.off().cloned().collect();
        self.components.retain(|_, it| matches!(it, Component::On(_)));
        // Of a device that has nothing left the last message is empty, and so it stays.
        self.stale |= !removed.is_empty() && !self.components.is_empty();
        removed
    }
}

impl Component {
    fn platform(self) -> Platform {
        match self {
            Component::On(platform) | Component::Off(platform) => platform,
        }
    }
}

impl Presence {
    /// The device that `entity` belongs to.
    pub fn device_of<'a>(&'a self, entity: &'a Entity) -> &'a Device {
        entity.own_device().map_or(&self.device, |it| it)
    }

    /// Where `entity` is announced: by itself, or with its device.
    pub fn announced_on(&self, entity: &Entity) -> Topic {
        match self.form {
            Form::Entity => self.topics.config(entity.platform(), entity.id()),
            Form::Device => self.topics.device_config(self.device_of(entity)),
        }
    }

    /// Where the broker may keep messages of `entity`, or of the device that it belongs to, beside its announcement: availability, state,
    /// attributes.
    pub fn told_on(&self, entity: &Entity) -> Vec<Topic> {
        let (topics, id) = (&self.topics, entity.id());
        let mut told = vec![topics.availability().clone()];
        told.extend((entity.has_states() && entity.retained()).then(|| topics.state(id)));
        told.extend(entity.has_attributes().then(|| topics.attributes(id)));
        told.extend(entity.has_availability().then(|| topics.entity_availability(id)));
        told
    }

    /// All topics on which the broker may keep messages of `entities`, and of the device itself, though it may have none.
    pub(super) fn topics_of<'a>(&self, entities: impl Iterator<Item = &'a Entity>) -> BTreeSet<Topic> {
        let of_entities = entities.flat_map(|it| [self.announced_on(it)].into_iter().chain(self.told_on(it)));
        of_entities.chain([self.topics.availability().clone()]).collect()
    }

    /// The message that announces `entity` by itself.
    pub fn entity_announcement(&self, entity: &Entity) -> Message {
        let payload = discovery_payload(entity, &self.device, &self.topics, self.qos);
        let topic = self.topics.config(entity.platform(), entity.id());
        Message::retained(topic, payload.into_bytes(), self.qos)
    }

    /// The message that announces `device` with those of its entities that are `on`, and has those removed that are `off`.
    pub fn device_announcement<'a>(
        &'a self,
        device: &'a Device,
        on: impl Iterator<Item = &'a Entity>,
        off: impl Iterator<Item = (&'a ObjectId, Platform)>,
    ) -> Message {
        let payload = device_payload(device, on, off, &self.topics, self.qos);
        Message::retained(self.topics.device_config(device), payload.into_bytes(), self.qos)
    }
}

impl Bridge {
    /// Has the device of `entity`, which has come, changed or gone at `now`, told anew, where devices are announced.
    pub(super) fn note_change(&mut self, entity: &Entity, now: Instant) {
        if self.presence.form == Form::Device {
            let told = self.devices.change(self.presence.device_of(entity));
            if let Step::Idle = told.step {
                told.step = Step::Gathering { until: now + GATHERING };
            }
        }
    }

    /// Has `entity`, which has come, removed when it goes, where devices are announced.
    pub(super) fn note_arrival(&mut self, entity: &Entity) {
        if self.presence.form == Form::Device {
            self.devices.expect(self.presence.device_of(entity), entity);
        }
    }

    /// Tells all devices anew.
    pub(super) fn announce_devices(&mut self, now: Instant) {
        if self.presence.form != Form::Device {
            return;
        }
        for it in self.entities.values() {
            self.devices.change(self.presence.device_of(&it.entity));
        }
        self.devices.repeat();
        self.tell_devices(now);
    }

    /// Tells what is left to be told of the devices: this is the end.
    pub(super) fn hurry_devices(&mut self, now: Instant) {
        self.devices.hurry();
        self.tell_devices(now);
    }

    /// Takes the steps that are due at `now`.
    pub(super) fn proceed_devices(&mut self, now: Instant) {
        for id in self.devices.proceed(now, self.outbox.is_announced()) {
            // It waits for that where it is on another platform or device now.
            if let Some(it) = self.entities.get(&id) {
                self.devices.change(self.presence.device_of(&it.entity));
            }
        }
        self.tell_devices(now);
    }

    /// Puts what can be told of the devices now into the outbox.
    fn tell_devices(&mut self, now: Instant) {
        while let Some(told) = self.devices.next() {
            let (presence, identifier) = (&self.presence, told.device.identifier.clone());
            let entities = self.entities.values().map(|it| &it.entity);
            let entities = entities.filter(|it| presence.device_of(it).identifier == identifier);
            let components = self.devices.components(told, entities.clone());
            let device = entities.clone().next().map(|it| presence.device_of(it));
            let message = device.map(|device| {
                let on = entities.filter(|it| matches!(components.get(it.id()), Some(Component::On(_))));
                let off = components.iter().filter(|(_, it)| matches!(it, Component::Off(_)));
                presence.device_announcement(device, on, off.map(|(id, it)| (id, it.platform())))
            });
            let empty = || Message::retained(presence.topics.device_config(&told.device), *b"", presence.qos);
            let (message, is_known) = (message.unwrap_or_else(empty), !components.is_empty());
            let Some(told) = self.devices.0.get_mut(&identifier) else { return };
            told.stale = false;
            if is_known && told.fits(&message) {
                (told.components, told.step) = (components, Step::Sent);
                self.say(message, now);
            }
        }
    }
}

impl Told {
    /// Whether `message` can be sent; warns once of one that may be too large for somebody on its way.
    fn fits(&mut self, message: &Message) -> bool {
        let (name, bytes) = (&self.device.name, message.payload.len());
        if (message.topic.as_str().len() + bytes) as u64 > LARGEST {
            log::error!("{name:?} is not announced: {bytes} bytes are more than MQTT allows in one message");
            return false;
        }
        let was_large = std::mem::replace(&mut self.large, bytes > LARGE);
        if self.large && !was_large {
            log::warn!(
                "the announcement of {name:?} has {bytes} bytes in one message, which not every broker takes: with \
                 [Discovery] FORM=entity each entity has a message of its own"
            );
        }
        true
    }
}

/// How long changes are gathered before the first of them is told: those that come together go together.
const GATHERING: Duration = Duration::from_millis(100);
/// What Home Assistant has to work through a message before the next on the same device: it takes some 0.1 s for an
/// entity that is new.
const REST: Duration = Duration::from_secs(1);
/// Brokers and clients with a limit have it at 64 KiB or above.
const LARGE: usize = 64 * 1024;
