//! The way in for messages: [`Entrance`].

use std::sync::{PoisonError, RwLock};

use crossbeam_channel::{Sender, TrySendError};

use super::RefusedBecause;
use super::event::Publish;

/// Where messages come in until it is closed. What came in before is there to be taken out then, and nothing comes after:
/// a channel whose receiver is dropped takes along what was sent in that moment.
#[derive(Debug)]
pub(super) struct Entrance(RwLock<Option<Sender<Publish>>>);

impl Entrance {
    /// The open way into `messages`.
    pub(super) fn new(messages: Sender<Publish>) -> Entrance {
        Entrance(RwLock::new(Some(messages)))
    }

    /// Takes `publish` in, or gives it back and says why. Waits for no more than others doing the same.
    pub(super) fn enter(&self, publish: Publish) -> Result<(), (Publish, RefusedBecause)> {
        let messages = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(messages) = &*messages else { return Err((publish, RefusedBecause::Stopped)) };
        messages.try_send(publish).map_err(|error| match error {
            TrySendError::Full(publish) => (publish, RefusedBecause::Full),
            TrySendError::Disconnected(publish) => (publish, RefusedBecause::Stopped),
        })
    }

    /// Lets nothing in any more.
    pub(super) fn close(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
