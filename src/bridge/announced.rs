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
        self.state = Some(State { payload: payload.into_bytes().into(), since: now });
        Ok(())
    }

    /// The message that tells its newest state, and when that is no longer worth telling; `None` where
    /// there is no state, or it has expired at `now`: an old value must not look fresh.
    pub(super) fn message(&self, qos: Qos, now: Instant) -> Option<(Message, Option<Instant>)> {
        let state = self.state.as_ref()?;
        let expires = self.entity.expire_after().and_then(|after| state.since.checked_add(after));
        if expires.is_some_and(|at| at <= now) {
            return None;
        }
        let message = Message {
            topic: self.topic.clone(),
            payload: Arc::clone(&state.payload),
            qos,
            retain: self.entity.retained(),
        };
        Some((message, expires))
    }

    /// Notes whether its last value was refused. Returns whether that is news.
    pub(super) fn set_refused(&mut self, refused: bool) -> bool {
        std::mem::replace(&mut self.refused, refused) != refused
    }
}
