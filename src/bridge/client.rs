//! The handle to a running bridge.

use std::sync::Arc;

use crossbeam_channel::Sender;

use super::Presence;
use super::event::Request;
use crate::entity::Entity;
use crate::entity::EntityError;
use crate::model::ObjectId;
use crate::model::Reading;
use crate::worker::Outlet;

/// A handle to the running bridge, cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) presence: Arc<Presence>,
    pub(super) requests: Sender<Request>,
    pub(super) readings: Outlet<Reading>,
}

impl Client {
    /// Announces `entity` to Home Assistant. One with the same id is replaced; its state stays where it means
    /// the same (so that a name or an icon can change), else it is unknown until the next reading.
    /// Blocks only while the bridge is busy with earlier requests: microseconds. Without effect once the
    /// bridge has stopped.
    ///
    /// # Errors
    ///
    /// [`EntityError`], with nothing done, when it does not go with this device.
    pub fn register(&self, entity: Entity) -> Result<(), EntityError> {
        self.presence.check(&entity)?;
        let _ = self.requests.send(Request::Register(Box::new(entity)));
        Ok(())
    }

    /// Removes the entity `id` from Home Assistant: its discovery and its retained state. Blocks as
    /// [`Client::register`] does. An id that was never registered is no error.
    pub fn unregister(&self, id: ObjectId) {
        let _ = self.requests.send(Request::Unregister(id));
    }

    /// Offers `reading`. Never blocks; when the bridge is behind, it is dropped and counted.
    pub fn offer(&self, reading: Reading) {
        self.readings.offer(reading);
    }

    /// Where a source puts its readings: [`Client::offer`] as a value of its own.
    pub fn outlet(&self) -> Outlet<Reading> {
        self.readings.clone()
    }
}
