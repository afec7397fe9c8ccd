//! Commands of Home Assistant on their way to the programs that carry them out: [`Orders`].

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value as Json;

use super::super::announcer::Announcer;
use super::super::roster::PRODUCERS;
use crate::client::Client;
use crate::client::SubscribeError;
use crate::client::Subscription;
use crate::entity::Command;
use crate::entity::Entity;
use crate::entity::Platform;
use crate::model::Chain;
use crate::model::ObjectId;
use crate::model::json;

/// Where commands wait for the desk: where [`MOST`] do, the oldest goes. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(super) struct Orders {
    waiting: Arc<Mutex<VecDeque<(ObjectId, Json)>>>,
    ring: Arc<dyn Fn() + Send + Sync>,
}

impl Orders {
    /// None yet; `ring` is called with each that comes.
    pub(super) fn new(ring: Arc<dyn Fn() + Send + Sync>) -> Orders {
        Orders { waiting: Arc::default(), ring }
    }

    /// All that wait, the oldest first.
    pub(super) fn take(&self) -> VecDeque<(ObjectId, Json)> {
        mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, id: &ObjectId, value: Json) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = if waiting.len() == MOST { waiting.pop_front() } else { None };
        if let Some((entity, _)) = oldest {
            log::debug!("a command for {entity} is dropped: {MOST} wait");
        }
        waiting.push_back((id.clone(), value));
        drop(waiting);
        (self.ring)();
    }

    /// Has the commands for `entity` put here, for as long as producers have it announced by `announcer`. Blocks until the
    /// bridge has the time: microseconds.
    ///
    /// A retained command is none: somebody has asked the broker to keep it, and it would be carried out with each connection.
    ///
    /// # Errors
    ///
    /// As of [`EntityHandle::on_command`](crate::client::EntityHandle::on_command).
    pub(super) fn hear(
        &self,
        entity: &Entity,
        client: &Client,
        announcer: &Announcer,
    ) -> Result<Subscription, SubscribeError> {
        let (orders, announcer) = (self.clone(), announcer.clone());
        // Told once, until there is one that is fine.
        let mut was_refused = false;
        client.entity(entity.clone()).on_any_command(move |handle, command, message| {
            let (id, payload) = (handle.id(), &message.payload);
            // So a retained command is taken away; a text alone may be empty.
            let is_nothing = payload.is_empty() && handle.entity().platform() != Platform::Text;
            if is_nothing || announcer.find(id).is_none_or(|(owner, _)| owner != PRODUCERS) {
                return;
            }
            let refused = match command {
                _ if message.retained => "it is retained: an old command that the broker keeps".to_owned(),
                _ if payload.len() > MOST_BYTES => {
                    format!("expected at most {MOST_BYTES} bytes, found {}", payload.len())
                }
                Ok(command) => {
                    was_refused = false;
                    return orders.push(id, json(command, payload));
                }
                Err(error) => Chain(&error).to_string(),
            };
            let level =
                if mem::replace(&mut was_refused, true) { log::Level::Debug } else { log::Level::Warn };
            log::log!(level, "a command for {id} is not passed on: {refused}");
        })
    }
}

/// `command`, which came as `payload`, as a program is told it. That of a light is Home Assistant's own object.
fn json(command: Command, payload: &[u8]) -> Json {
    match command {
        Command::Switch(on) => on.into(),
        Command::Press | Command::Install => true.into(),
        Command::Number(number) => number.into(),
        Command::Select(text) | Command::Text(text) => text.into(),
        Command::Light(_) => json::from_slice(payload).unwrap_or_default(),
        Command::Raw(bytes) => String::from_utf8_lossy(&bytes).into(),
    }
}

/// How many commands may wait: more than people can press in the second that a busy desk may take.
const MOST: usize = 256;
/// Longer than any text that Home Assistant has (255 characters), or any command to a light.
const MOST_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn where_nobody_takes_them_the_oldest_commands_go() {
        let rung = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&rung);
        let ring = move || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let orders = Orders::new(Arc::new(ring));
        let id = ObjectId::new("pump").unwrap();
        for number in 0..MOST + 3 {
            orders.push(&id, number.into());
        }
        let values: Vec<Json> = orders.take().into_iter().map(|(_, value)| value).collect();
        let newest: Vec<Json> = (3..MOST + 3).map(Json::from).collect();
        assert_eq!((values, rung.load(Ordering::Relaxed)), (newest, MOST + 3));
        assert!(orders.take().is_empty());
    }
}
