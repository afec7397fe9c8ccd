//! An entity as the bridge knows it: what was announced, and its newest state.

use std::sync::Arc;
use std::time::Instant;

use crate::dispatch::SubscriptionId;
use crate::entity::Entity;
use crate::entity::Topics;
use crate::entity::ValueError;
use crate::model::Message;
use crate::model::Qos;
use crate::model::Topic;
use crate::model::Value;

/// An entity and its newest state.
#[derive(Debug)]
pub(super) struct Announced {
    pub(super) entity: Entity,
    topic: Topic,
    state: Option<State>,
    refused: bool,
    /// Where its attributes go, where it has any, and what they are once that is known.
    attributes: Option<(Topic, Option<Arc<[u8]>>)>,
    /// Where its own availability is told, where it has one, and what that is.
    availability: Option<(Topic, Available)>,
    /// Those that end with it: its commands.
    pub(super) subscriptions: Vec<SubscriptionId>,
}

/// Whether an entity is available: two may say that it is not.
#[derive(Clone, Copy, Debug)]
struct Available {
    /// Not, where its owner has said so.
    said: bool,
    /// Not, where its newest value is that there is none to be had.
    fed: bool,
}

#[derive(Debug)]
struct State {
    payload: Arc<[u8]>,
    since: Instant,
    /// When it becomes another by itself, and which.
    lapse: Option<(Instant, Arc<[u8]>)>,
}

impl Announced {
    /// `entity`, whose states and whatever else it tells go to `topics`: available, with no state yet.
    pub(super) fn new(entity: Entity, topics: &Topics) -> Announced {
        let id = entity.id();
        Announced {
            topic: topics.state(id),
            state: None,
            refused: false,
            attributes: entity.has_attributes().then(|| (topics.attributes(id), None)),
            availability: entity
                .has_availability()
                .then(|| (topics.entity_availability(id), Available { said: true, fed: true })),
            subscriptions: Vec::new(),
            entity,
        }
    }

    /// The topic of its states.
    pub(super) fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Takes `value`, read at `now`, for its newest state.
    ///
    /// # Errors
    ///
    /// [`ValueError`] when Home Assistant would refuse the value; the state stays what it was.
    pub(super) fn update(&mut self, value: &Value, now: Instant) -> Result<(), ValueError> {
        let payload = self.entity.state_payload(value)?;
        let lapse = self.entity.lapse(&payload);
        let lapse = lapse.and_then(|(delay, next)| Some((now.checked_add(delay)?, next.as_bytes().into())));
        self.state = Some(State { payload: payload.into_bytes().into(), since: now, lapse });
        Ok(())
    }

    /// Takes over from `predecessor`, on the same platform, what still means the same.
    pub(super) fn inherit(&mut self, predecessor: Announced) {
        if predecessor.entity.shares_states_with(&self.entity) {
            self.state = predecessor.state;
            self.refused = predecessor.refused;
        }
        if let (Some((_, attributes)), Some((_, known))) = (&mut self.attributes, predecessor.attributes) {
            *attributes = known;
        }
        if let (Some((_, available)), Some((_, known))) = (&mut self.availability, predecessor.availability) {
            *available = known;
        }
        self.subscriptions = predecessor.subscriptions;
    }

    /// Takes `payload` for its attributes. Returns the message that tells them, where it has any.
    pub(super) fn set_attributes(&mut self, payload: String, qos: Qos) -> Option<Message> {
        let (topic, attributes) = self.attributes.as_mut()?;
        let payload = Arc::<[u8]>::from(payload.into_bytes());
        *attributes = Some(Arc::clone(&payload));
        Some(Message::retained(topic.clone(), payload, qos))
    }

    /// Takes note of whether it is available. Returns the message that tells so, where it has an availability of its own.
    pub(super) fn set_available(&mut self, available: bool, qos: Qos) -> Option<Message> {
        let (topic, known) = self.availability.as_mut()?;
        known.said = available;
        Some(availability(topic, *known, qos))
    }

    /// Takes note of whether there is a value to be had. Returns the message that tells so, where it has an availability of
    /// its own and that is news.
    pub(super) fn set_fed(&mut self, fed: bool, qos: Qos) -> Option<Message> {
        let (topic, known) = self.availability.as_mut()?;
        let is_news = std::mem::replace(&mut known.fed, fed) != fed;
        is_news.then(|| availability(topic, *known, qos))
    }

    /// The message that tells whether it is available, where it has an availability of its own.
    pub(super) fn availability(&self, qos: Qos) -> Option<Message> {
        self.availability.as_ref().map(|(topic, known)| availability(topic, *known, qos))
    }

    /// What is announced with it, retained: its availability and its attributes, where it has them and they are known.
    pub(super) fn companions(&self, qos: Qos) -> impl Iterator<Item = Message> {
        let available = self.availability(qos).into_iter();
        let attributes = self.attributes.iter().filter_map(move |(topic, known)| {
            Some(Message::retained(topic.clone(), Arc::clone(known.as_ref()?), qos))
        });
        available.chain(attributes)
    }

    /// Where the broker may keep what is announced with it, be it from an earlier run.
    pub(super) fn companion_topics(&self) -> impl Iterator<Item = &Topic> {
        let available = self.availability.iter().map(|(topic, _)| topic);
        available.chain(self.attributes.iter().map(|(topic, _)| topic))
    }

    /// The message that tells its newest state to whoever has missed it: only where nobody who has not is misled, by a motion
    /// that begins anew or by an event.
    pub(super) fn echo(&self, qos: Qos, now: Instant) -> Option<(Message, Option<Instant>)> {
        let lasts = self.state.as_ref().is_some_and(|it| it.lapse.is_none());
        let is_missed = !self.entity.retained() && !self.entity.is_momentary();
        self.message(qos, now).filter(|_| lasts && is_missed)
    }

    /// The message that tells its newest state, and when that is no longer worth telling; `None` where
    /// there is no state, or it has expired at `now`: an old value must not look fresh. Nor must an old
    /// motion be a new one: what has lapsed is told as what it has become, and is not retained before.
    pub(super) fn message(&self, qos: Qos, now: Instant) -> Option<(Message, Option<Instant>)> {
        let state = self.state.as_ref()?;
        let expires = self.entity.expire_after().and_then(|after| state.since.checked_add(after));
        if expires.is_some_and(|at| at <= now) {
            return None;
        }
        let (payload, lasts) = match &state.lapse {
            Some((at, next)) if *at <= now => (next, true),
            Some(_) => (&state.payload, false),
            None => (&state.payload, true),
        };
        let message = Message {
            topic: self.topic.clone(),
            payload: Arc::clone(payload),
            qos,
            retain: self.entity.retained() && lasts,
        };
        Some((message, expires))
    }

    /// The message that says that its state is not known; `None` where Home Assistant cannot be told.
    pub(super) fn unknown(&self, qos: Qos) -> Option<Message> {
        let payload = self.entity.unknown_payload()?.as_bytes();
        let (topic, retain) = (self.topic.clone(), self.entity.retained());
        Some(Message { topic, payload: payload.into(), qos, retain })
    }

    /// Notes whether its last value was refused. Returns whether that is news.
    pub(super) fn set_refused(&mut self, refused: bool) -> bool {
        std::mem::replace(&mut self.refused, refused) != refused
    }
}

fn availability(topic: &Topic, available: Available, qos: Qos) -> Message {
    let payload: &[u8] = if available.said && available.fed { b"online" } else { b"offline" };
    Message::retained(topic.clone(), payload, qos)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::presence;
    use super::*;
    use crate::entity::BinarySensor;

    const SECOND: Duration = Duration::from_secs(1);

    /// The state that is told `after` it was read, whether it is retained, and for how long it is worth telling.
    #[track_caller]
    fn check(hall: &Announced, read: Instant, after: Duration, expected: Option<(&str, bool, Option<u64>)>) {
        let told = hall.message(Qos::AtLeastOnce, read + after);
        let told = told.as_ref().map(|(message, until)| {
            let payload = std::str::from_utf8(&message.payload).unwrap();
            (payload, message.retain, until.map(|at| at.duration_since(read).as_secs()))
        });
        assert_eq!(told, expected, "after {after:?}");
    }

    fn hall(sensor: BinarySensor) -> Announced {
        Announced::new(sensor.build().unwrap(), &presence().topics)
    }

    #[test]
    fn what_turns_off_by_itself_is_on_for_so_long_and_never_retained_as_on() {
        let mut hall = hall(BinarySensor::new("hall", "Hall").off_delay(30 * SECOND));
        let read = Instant::now();
        hall.update(&Value::Switch(true), read).unwrap();
        check(&hall, read, Duration::ZERO, Some(("ON", false, None)));
        check(&hall, read, 29 * SECOND, Some(("ON", false, None)));
        check(&hall, read, 30 * SECOND, Some(("OFF", true, None)));
        hall.update(&Value::Switch(false), read).unwrap();
        check(&hall, read, Duration::ZERO, Some(("OFF", true, None)));
    }

    #[test]
    fn what_expires_is_told_until_then_and_turns_off_before_if_it_does() {
        let expiring = BinarySensor::new("hall", "Hall").expire_after(60 * SECOND);
        let mut lapsing = hall(expiring.clone().off_delay(30 * SECOND));
        let mut expiring = hall(expiring);
        let read = Instant::now();
        for it in [&mut expiring, &mut lapsing] {
            it.update(&Value::Switch(true), read).unwrap();
        }
        check(&expiring, read, 59 * SECOND, Some(("ON", false, Some(60))));
        check(&lapsing, read, 29 * SECOND, Some(("ON", false, Some(60))));
        check(&lapsing, read, 59 * SECOND, Some(("OFF", false, Some(60))));
        for it in [expiring, lapsing] {
            check(&it, read, 60 * SECOND, None);
        }
    }
}
