//! An entity that was announced: [`EntityHandle`].

use std::sync::Arc;

use serde::Serialize;
use serde::ser::Error;
use serde_json::Value;

use super::{Client, PublishError, SubscribeError, Subscription};
use crate::entity::Command;
use crate::entity::CommandError;
use crate::entity::Entity;
use crate::model::Chain;
use crate::model::Incoming;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Reading;
use crate::model::Topic;
use crate::model::Value as State;

/// An entity that was announced to Home Assistant: made by [`Client::register`], cheap to clone, for any thread. It does
/// not keep the connection alive, so that a callback may hold on to it.
///
/// Dropping it changes nothing: the entity stays, see [`EntityHandle::unregister`].
#[derive(Clone, Debug)]
pub struct EntityHandle {
    client: Client,
    entity: Arc<Entity>,
}

impl EntityHandle {
    pub(super) fn new(client: Client, entity: Entity) -> EntityHandle {
        EntityHandle { client, entity: Arc::new(entity) }
    }

    /// What was announced.
    pub fn entity(&self) -> &Entity {
        &self.entity
    }

    /// What identifies it on its device: the first argument of its builder.
    pub fn id(&self) -> &ObjectId {
        self.entity.id()
    }

    /// Publishes `value` as its state, in its unit: a number, `true` or `false`, a text, or what its platform has of its
    /// own, such as [`LightState`](crate::entity::LightState). Never blocks.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), luigi_mqtt::Error> {
    /// # let client = luigi_mqtt::Client::connect(luigi_mqtt::Config::builder("x").build()?)?;
    /// use luigi_mqtt::entity::BinarySensor;
    ///
    /// let hall = client.register(BinarySensor::new("hall", "Hall").device_class("motion"))?;
    /// hall.publish(true)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::Value`] when Home Assistant would refuse it: nothing is published and the state stays what it was.
    /// [`PublishError::NotTaken`] when 256 states wait for the bridge, or the client was ended.
    pub fn publish(&self, value: impl Into<State>) -> Result<(), PublishError> {
        let value = value.into();
        self.entity.state_payload(&value).map_err(PublishError::Value)?;
        match self.client.handle.offer(Reading::new(self.id().clone(), value)) {
            true => Ok(()),
            false => Err(PublishError::NotTaken { entity: self.id().to_string() }),
        }
    }

    /// Says that its state is not known at the moment: Home Assistant shows "unknown". Never blocks.
    ///
    /// # Errors
    ///
    /// As [`EntityHandle::publish`].
    pub fn publish_unknown(&self) -> Result<(), PublishError> {
        self.publish(State::Unknown)
    }

    /// Publishes `attributes`, a JSON object, in the place of those before. The entity must have been built with
    /// attributes. Blocks only while the bridge is busy with earlier requests: microseconds. Without effect once the
    /// connection was ended.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), luigi_mqtt::Error> {
    /// # let client = luigi_mqtt::Client::connect(luigi_mqtt::Config::builder("x").build()?)?;
    /// use luigi_mqtt::entity::Switch;
    /// use serde_json::json;
    ///
    /// let pump = client.register(Switch::new("pump", "Pump").attributes(true).availability(true))?;
    /// pump.publish_attributes(&json!({"hours": 12, "last_service": "2026-05-02"}))?;
    /// pump.set_available(false); // Somebody has pulled its plug.
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::Json`] where it is no JSON object, [`PublishError::Value`] where Home Assistant would refuse it: it
    /// has a key that belongs to Home Assistant, or the entity was built without attributes.
    pub fn publish_attributes(&self, attributes: &impl Serialize) -> Result<(), PublishError> {
        let topic = || self.client.handle.topics().attributes(self.id()).to_string();
        let json = match serde_json::to_value(attributes) {
            Ok(Value::Object(json)) => Ok(json),
            Ok(other) => Err(serde_json::Error::custom(format_args!("expected an object, found {other}"))),
            Err(cause) => Err(cause),
        };
        let json = json.map_err(|cause| PublishError::Json { topic: topic(), cause })?;
        let payload = self.entity.attributes_payload(&json).map_err(PublishError::Value)?;
        self.client.handle.set_attributes(self.id().clone(), payload);
        Ok(())
    }

    /// Says whether the entity is available, apart from its device; it is, until told otherwise. The entity must have been
    /// built with an availability of its own, else nothing happens. Blocks as [`EntityHandle::publish_attributes`].
    pub fn set_available(&self, available: bool) {
        self.client.handle.set_available(self.id().clone(), available);
    }

    /// Has `callback` called for each command that Home Assistant sends to the entity, with this entity, the
    /// command, and the message that it came in: a message that is [retained](Incoming::retained) is an old command, which
    /// somebody asked the broker to keep. What is no command of this entity, or out of its limits, is logged instead, once
    /// until there is one that is.
    ///
    /// Called on a thread of the client, one command after the other. It may take its time and may publish. Once a command
    /// was carried out, the new state is to be published: Home Assistant shows what the state says.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), luigi_mqtt::Error> {
    /// # let client = luigi_mqtt::Client::connect(luigi_mqtt::Config::builder("x").build()?)?;
    /// use luigi_mqtt::entity::{Command, Switch};
    ///
    /// let pump = client.register(Switch::new("pump", "Pump"))?;
    /// pump.on_command(|pump, command, message| {
    ///     if let (Command::Switch(on), false) = (command, message.retained) {
    ///         // Here the relay is switched.
    ///         let _ = pump.publish(on);
    ///     }
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SubscribeError::NoCommands`] where the entity takes none, [`SubscribeError::Ended`].
    pub fn on_command(
        &self,
        mut callback: impl FnMut(&EntityHandle, Command, &Incoming) + Send + 'static,
    ) -> Result<Subscription, SubscribeError> {
        let mut was_refused = false;
        self.on_any_command(move |entity, command, message| {
            let is_news = std::mem::replace(&mut was_refused, command.is_err()) != command.is_err();
            match command {
                Ok(command) => callback(entity, command, message),
                Err(error) if is_news => {
                    log::warn!("a command on {} is ignored: {}", message.topic, Chain(&error));
                }
                Err(error) => log::debug!("a command on {} is ignored: {}", message.topic, Chain(&error)),
            }
        })
    }

    /// As [`EntityHandle::on_command`], for what is no command of this entity, too.
    pub(crate) fn on_any_command(
        &self,
        mut callback: impl FnMut(&EntityHandle, Result<Command, CommandError>, &Incoming) + Send + 'static,
    ) -> Result<Subscription, SubscribeError> {
        let Some(topic) = self.command_topic() else {
            return Err(SubscribeError::NoCommands { entity: self.id().to_string() });
        };
        let entity = self.clone();
        let forward = move |message: Incoming| {
            callback(&entity, entity.entity.command(&message.payload), &message);
        };
        self.client.subscribe_for(Some(self.id().clone()), topic.into(), Qos::AtLeastOnce, forward)
    }

    /// Where its commands come in; `None` where it takes none.
    pub fn command_topic(&self) -> Option<Topic> {
        self.entity.takes_commands().then(|| self.client.handle.topics().command(self.id()))
    }

    /// Where its states go.
    pub fn state_topic(&self) -> Topic {
        self.client.handle.topics().state(self.id())
    }

    /// Removes it from Home Assistant, and ends its commands: as [`Client::unregister`].
    pub fn unregister(self) {
        self.client.unregister(self.id());
    }
}
