//! luigi-mqtt in a program of one's own: [`Client`], and everything that is done with it.
//!
//! [`EntityHandle`] is an entity that was announced, [`OutgoingMessage`] a message on its way out, [`Subscription`] and
//! [`Messages`] are the two kinds of subscription. There is an error for each concern, and [`Error`] over them.

mod core;
mod entity;
mod error;
mod follow;
mod life;
mod message;
mod subscribe;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::bridge::Handle;
use crate::config::Config;
use crate::entity::Entity;
use crate::model::Delivery;
use crate::model::Health;
use crate::model::Message;
use crate::model::ObjectId;
use crate::model::Reading;
use crate::model::Report;

pub use crate::bridge::Farewell;
pub use crate::bridge::Refused;
pub use crate::bridge::RefusedBecause;
pub use crate::dispatch::Messages;

// For the daemon, which has sources and signals beside it.
#[doc(hidden)]
pub use self::core::{Core, link_options, presence};
pub use entity::EntityHandle;
pub use error::{ConnectionError, DeviceError, Error, ErrorKind, PublishError, StartError, SubscribeError};
pub use message::OutgoingMessage;
pub use subscribe::Subscription;

use life::Life;

/// A connection to the broker, and all that goes over it: one cheap handle for all threads of a program.
///
/// [`Client::connect`] returns at once, whether the broker is there or not; from then on the connection is made, and made
/// again whenever it is lost, in the background. Whatever is published meanwhile waits. No method waits for the network
/// but those that say so in their name, and [`Client::disconnect`].
///
/// The connection lives as long as one of the clones of its `Client`; entities, subscriptions and channels do
/// not keep it alive. Dropping the last clone is [`Client::disconnect`] with 2 s: what waits is delivered, `offline` is said,
/// and the threads are joined.
///
/// ```no_run
/// use luigi_mqtt::entity::Sensor;
/// use luigi_mqtt::{Client, Config};
///
/// # fn main() -> Result<(), luigi_mqtt::Error> {
/// let client = Client::connect(Config::builder("thermometer").broker("homeassistant.local", 1883).build()?)?;
/// let room = client.register(
///     Sensor::new("room_temperature", "Room temperature").device_class("temperature").unit("°C"),
/// )?;
/// room.publish(21.5)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    handle: Handle,
    health: Health,
    life: Hold,
}

/// How a handle holds on to the connection.
#[derive(Clone)]
enum Hold {
    /// It lives as long as this does.
    Keeps(Arc<Life>),
    /// In what callbacks are given: one that kept its own connection would keep it for ever.
    Knows(Weak<Life>),
}

impl Client {
    /// Begins to connect as `config` says, and returns at once. Starts two threads: `bridge`, which owns all state, and
    /// `link`, which waits for the network. Two clients of one broker need different client identifiers:
    /// [`Config::builder`] and [`Config::for_program`] see to that.
    ///
    /// ```no_run
    /// use luigi_mqtt::{Client, Config};
    ///
    /// // From the variables MQTT_BROKER_HOST and its like; or from a builder, or a file.
    /// let client = Client::connect(Config::from_environment("doorbell")?)?;
    /// client.publish("doorbell/pressed", "once")?;
    /// # Ok::<(), luigi_mqtt::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StartError`]: a topic that the configuration makes is too long, or the system has no thread to give. A broker
    /// that is away is no error.
    pub fn connect(config: Config) -> Result<Client, StartError> {
        let health = Health::default();
        let (life, handle) = Life::begin(&config, health.clone())?;
        Ok(Client { handle, health, life: Hold::Keeps(Arc::new(life)) })
    }

    /// Blocks until the broker has accepted us, for `limit` at most. Returns at once where it has. Nobody has to wait
    /// before publishing: this is for those who want to know, or to say that something is wrong.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use luigi_mqtt::{Client, Config, Error};
    ///
    /// let client = Client::connect(Config::builder("doorbell").broker("homeassistant.local", 1883).build()?)?;
    /// if let Err(error) = client.wait_connected(Duration::from_secs(10)) {
    ///     eprintln!("{error}"); // The attempts go on.
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConnectionError::NotConnected`] with the reason of the last attempt that failed; attempts go on.
    /// [`ConnectionError::Ended`] once [`Client::disconnect`] was called.
    pub fn wait_connected(&self, limit: Duration) -> Result<(), ConnectionError> {
        let began = Instant::now();
        self.health.wait_link_up(limit).map_err(|down| match down.ended {
            true => ConnectionError::Ended,
            false => ConnectionError::NotConnected { waited: began.elapsed(), cause: down.error },
        })
    }

    /// Whether the broker is connected now. Nothing depends on it: what is published while it is not, waits.
    pub fn is_connected(&self) -> bool {
        self.health.link_up()
    }

    /// Publishes `payload` on `topic`: all such messages are delivered, in order, at the configured quality of service (1
    /// unless set otherwise), and the broker does not keep them. [`Client::message`] has the choice. Never waits for
    /// network or disk, but as [`Client::publish_message`] says.
    ///
    /// While the broker is away, they wait within `[Spool] MAX_BYTES`; beyond that the oldest give way to the newest, and are
    /// counted in [`Client::report`]. While it is there, what finds no room is refused and handed back instead.
    ///
    /// # Errors
    ///
    /// [`PublishError::Topic`] or [`PublishError::Refused`].
    pub fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>) -> Result<(), PublishError> {
        self.message(topic, payload).publish()
    }

    /// As [`Client::publish`], with `value` as JSON: anything that serializes.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), luigi_mqtt::Error> {
    /// # let client = luigi_mqtt::Client::connect(luigi_mqtt::Config::builder("x").build()?)?;
    /// use serde_json::json;
    ///
    /// client.publish_json("smarthome/light/bedroom/set", &json!({"state": "on", "brightness": 80}))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::Json`] where `value` has no form in JSON, else as [`Client::publish`].
    pub fn publish_json(&self, topic: &str, value: &impl Serialize) -> Result<(), PublishError> {
        self.json_message(topic, value)?.publish()
    }

    /// As [`Client::publish`], and blocks until the broker has acknowledged the message (at QoS 0: until it
    /// is written), for `limit` at most.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), luigi_mqtt::Error> {
    /// # let client = luigi_mqtt::Client::connect(luigi_mqtt::Config::builder("x").build()?)?;
    /// use std::time::Duration;
    ///
    /// use luigi_mqtt::client::PublishError;
    ///
    /// match client.publish_and_wait("alarm", "fire", Duration::from_secs(5)) {
    ///     Ok(()) => println!("the broker has it"),
    ///     Err(PublishError::NotAcknowledged { .. }) => println!("it is on its way for as long as it takes"),
    ///     Err(error) => println!("{error}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`OutgoingMessage::publish_and_wait`].
    pub fn publish_and_wait(
        &self,
        topic: &str,
        payload: impl Into<Vec<u8>>,
        limit: Duration,
    ) -> Result<(), PublishError> {
        self.message(topic, payload).publish_and_wait(limit)
    }

    /// A message to be published once it is said how: quality of service, retained, which class of delivery. Nothing is
    /// checked before it is published.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), luigi_mqtt::Error> {
    /// # let client = luigi_mqtt::Client::connect(luigi_mqtt::Config::builder("x").build()?)?;
    /// use luigi_mqtt::Qos;
    ///
    /// client.message("garage/door", "open").qos(Qos::ExactlyOnce).retain().publish()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn message<'a>(&'a self, topic: &'a str, payload: impl Into<Vec<u8>>) -> OutgoingMessage<'a> {
        OutgoingMessage::new(&self.handle, topic, payload.into())
    }

    /// As [`Client::message`], with `value` as JSON.
    ///
    /// # Errors
    ///
    /// [`PublishError::Json`] where `value` has no form in JSON.
    pub fn json_message<'a>(
        &'a self,
        topic: &'a str,
        value: &impl Serialize,
    ) -> Result<OutgoingMessage<'a>, PublishError> {
        let failed = |cause| PublishError::Json { topic: topic.to_owned(), cause };
        Ok(self.message(topic, serde_json::to_vec(value).map_err(failed)?))
    }

    /// Publishes `message` as it is. It is accepted once this returns, and then delivered as `delivery` and its quality
    /// of service say, through whatever happens to broker and network.
    ///
    /// Never waits for network or disk, but in one case: with `[Spool] MODE=always`, a message of
    /// [`Delivery::Every`] at QoS 1 or 2 is on the card before this returns (or, if the card fails, in memory as with
    /// the other modes): as long as the card takes, some milliseconds to a second.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the message in it; it is not delivered then.
    pub fn publish_message(&self, message: Message, delivery: Delivery) -> Result<(), Refused> {
        self.handle.publish(message, delivery)
    }

    /// Offers `reading`, of an entity that is registered. Never blocks; when 256 readings wait for the bridge, it is
    /// dropped and counted. Returns whether it was taken.
    pub fn offer(&self, reading: Reading) -> bool {
        self.handle.offer(reading)
    }

    /// Announces `entity`, one of the builders of [`entity`](crate::entity) or what they build, to Home Assistant: now, and
    /// whenever that is needed again. One with the same id is replaced; its state stays where it means the same. Blocks only
    /// while the bridge is busy with earlier requests: microseconds. Without effect once the connection was ended.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), luigi_mqtt::Error> {
    /// # let client = luigi_mqtt::Client::connect(luigi_mqtt::Config::builder("x").build()?)?;
    /// use luigi_mqtt::entity::Sensor;
    ///
    /// let room = Sensor::new("room_temperature", "Room temperature").device_class("temperature").unit("°C");
    /// let room = client.register(room.state_class("measurement"))?;
    /// room.publish(21.5)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Entity`], with everything that Home Assistant would refuse or complain of; nothing is announced then.
    pub fn register<E>(&self, entity: E) -> Result<EntityHandle, Error>
    where
        E: TryInto<Entity>,
        Error: From<E::Error>,
    {
        let entity = entity.try_into()?;
        self.handle.register(entity.clone())?;
        Ok(EntityHandle::new(self.without_life(), entity))
    }

    /// Removes the entity `id` from Home Assistant: its discovery, its retained state, its attributes. Blocks as
    /// [`Client::register`] does. An id that was never registered is no error.
    pub fn unregister(&self, id: &ObjectId) {
        self.handle.unregister(id.clone());
    }

    /// Figures of delivery and connection, readable at any time without waiting.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// What became of all messages so far, in all and for each entity; `None` once the connection was ended. Blocks until
    /// the bridge has the time: microseconds, a millisecond where much waits.
    pub fn report(&self) -> Option<Report> {
        self.handle.report()
    }

    /// Ends the connection for all clones of this client: delivers what it can within `limit`, says `offline`,
    /// disconnects, and puts what must be delivered and was not on the card. What is published from here on is refused.
    ///
    /// Blocks until that is done: at once where the broker is not connected and no callback is busy, and at most for
    /// `limit`, a second for callbacks that are busy, half a second for the disconnect, and as long as the card takes (5 s at
    /// most). A second call waits for the first, and has nothing to tell.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), luigi_mqtt::Error> {
    /// # let client = luigi_mqtt::Client::connect(luigi_mqtt::Config::builder("x").build()?)?;
    /// use std::time::Duration;
    ///
    /// let farewell = client.disconnect(Duration::from_secs(5));
    /// println!("{} messages wait on the card, {} are lost", farewell.on_card, farewell.lost);
    /// # Ok(())
    /// # }
    /// ```
    pub fn disconnect(&self, limit: Duration) -> Farewell {
        match &self.life {
            Hold::Keeps(life) => life.end(limit),
            Hold::Knows(life) => life.upgrade().map_or_else(Farewell::default, |life| life.end(limit)),
        }
    }

    /// The client of a bridge that its owner runs, as the daemon does: it cannot end it.
    #[doc(hidden)]
    pub fn of(handle: Handle, health: Health) -> Client {
        Client { handle, health, life: Hold::Knows(Weak::new()) }
    }

    /// The handle of `entity`, which is registered.
    #[cfg(feature = "daemon")]
    pub(crate) fn entity(&self, entity: Entity) -> EntityHandle {
        EntityHandle::new(self.without_life(), entity)
    }

    /// The same client, which does not keep the connection alive.
    fn without_life(&self) -> Client {
        let life = match &self.life {
            Hold::Keeps(life) => Arc::downgrade(life),
            Hold::Knows(life) => life.clone(),
        };
        Client { handle: self.handle.clone(), health: self.health.clone(), life: Hold::Knows(life) }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("health", &self.health).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_go_to_any_thread() {
        fn check<T: Clone + Send + Sync + 'static>() {}
        check::<Client>();
        check::<EntityHandle>();
        fn check_moved<T: Send + 'static>() {}
        check_moved::<Subscription>();
        check_moved::<crate::dispatch::Messages>();
    }
}
