//! An entity as the bridge knows it: what was announced, and its newest state.

use std::sync::Arc;
use std::time::Instant;

use crate::entity::Entity;
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
}

#[derive(Debug)]
struct State {
    payload: Arc<[u8]>,
    since: Instant,
    /// When it becomes another by itself, and which.
    lapse: Option<(Instant, Arc<[u8]>)>,
}

impl Announced {
    /// `entity`, whose states go to `topic`, with no state yet.
    pub(super) fn new(entity: Entity, topic: Topic) -> Announced {
        Announced { entity, topic, state: None, refused: false }
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

    /// Takes over the newest state of `predecessor`, to which it means the same.
    pub(super) fn inherit(&mut self, predecessor: Announced) {
        self.state = predecessor.state;
        self.refused = predecessor.refused;
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

    /// The message that says that its state is not known.
    pub(super) fn unknown(&self, qos: Qos) -> Message {
        let (topic, retain) = (self.topic.clone(), self.entity.retained());
        let payload = Entity::UNKNOWN.as_bytes();
        Message { topic, payload: payload.into(), qos, retain }
    }

    /// Notes whether its last value was refused. Returns whether that is news.
    pub(super) fn set_refused(&mut self, refused: bool) -> bool {
        std::mem::replace(&mut self.refused, refused) != refused
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        Announced::new(sensor.build().unwrap(), Topic::new("luigi/pi/hall").unwrap())
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
