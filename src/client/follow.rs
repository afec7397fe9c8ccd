//! Following what others announce to Home Assistant, and telling it what to do.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Client, DeviceError, Error, SubscribeError};
use crate::model::Delivery;
use crate::registry::Availability;
use crate::registry::Discovered;
use crate::registry::Limits;
use crate::registry::State;

impl Client {
    /// Begins to listen to what others announce to Home Assistant's discovery, and to their states: 10,000 entities and
    /// 24 MiB at most. What is announced already comes at once, for announcements are retained. Devices that announce
    /// nothing are followed by their topics, `<prefix>/<type>/<id>/state` and `availability`, where `[Topics] LAYOUT_PREFIX`
    /// (`smarthome` unless set) is the prefix. Without effect where it has begun. Never blocks for the network.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), luigi_mqtt::Error> {
    /// # let client = luigi_mqtt::Client::connect(luigi_mqtt::Config::builder("x").build()?)?;
    /// client.start_discovery()?;
    /// std::thread::sleep(std::time::Duration::from_secs(5)); // They announce themselves.
    /// for device in client.discovered_devices() {
    ///     println!("{} ({})", device.name, device.id);
    /// }
    /// client.stop_discovery();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SubscribeError::Ended`].
    pub fn start_discovery(&self) -> Result<(), SubscribeError> {
        self.start_discovery_within(Limits::default())
    }

    /// As [`Client::start_discovery`], within other limits. What exceeds them is left out, and logged once.
    ///
    /// # Errors
    ///
    /// [`SubscribeError::Ended`].
    pub fn start_discovery_within(&self, limits: Limits) -> Result<(), SubscribeError> {
        if self.handle.start_discovery(limits) { Ok(()) } else { Err(SubscribeError::Ended) }
    }

    /// Listens no longer, and forgets what was heard.
    pub fn stop_discovery(&self) {
        self.handle.stop_discovery();
    }

    /// All that is announced: each thing that Home Assistant shows by itself (an entity), in the order of the ids.
    /// Empty before [`Client::start_discovery`]. Blocks until the bridge has the time, for some at a time:
    /// tens of microseconds for each on a large machine, and nobody else waits for all of them.
    pub fn discovered_devices(&self) -> Vec<Discovered> {
        self.handle.discovered().unwrap_or_default()
    }

    /// What is announced as `id`: its `unique_id`, else `<platform>_<object id>`, else the object id alone where only one
    /// has it. Blocks as [`Client::report`].
    pub fn device(&self, id: &str) -> Option<Discovered> {
        self.handle.device(id)
    }

    /// The newest state of the device `id`, found as in [`Client::device`]; `None` where there is no such device. Blocks as
    /// [`Client::report`].
    ///
    /// ```no_run
    /// # fn main() -> Result<(), luigi_mqtt::Error> {
    /// # let client = luigi_mqtt::Client::connect(luigi_mqtt::Config::builder("x").build()?)?;
    /// use luigi_mqtt::registry::FieldValue;
    ///
    /// if let Some(light) = client.state("light_kitchen") {
    ///     match light.fields.field("brightness") {
    ///         Some(FieldValue::Known(brightness)) => println!("{brightness} of 255"),
    ///         Some(FieldValue::Raw(words)) => println!("in its own words: {words}"),
    ///         None => println!("it has not said"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn state(&self, id: &str) -> Option<State> {
        self.handle.device_state(id)
    }

    /// Has the device `id` do what is `wanted`, a JSON object: `{"state": "on", "brightness": 100}` for a light,
    /// `{"position": 40}` for a cover, `{"value": 21.5}` for a number. What is sent is what that device announced
    /// to understand: plain `ON` to a plain switch, one JSON command to a light with the JSON schema. Whether it has obeyed
    /// shows in [`Client::state`]. Never blocks for the network.
    ///
    /// Only while the broker is connected: a command that comes an hour late may open a door to nobody.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), luigi_mqtt::Error> {
    /// # let client = luigi_mqtt::Client::connect(luigi_mqtt::Config::builder("x").build()?)?;
    /// use serde_json::json;
    ///
    /// client.set_state("light_kitchen", &json!({"state": "on", "brightness": 100, "color_temp": 4000}))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Device`]: there is no such device, it is unavailable, or it does not offer that, with what it does offer;
    /// [`Error::Connection`] while the broker is not connected; [`Error::Publish`].
    pub fn set_state(&self, id: &str, wanted: &impl Serialize) -> Result<(), Error> {
        let wanted = object(wanted)?;
        self.wait_connected(Duration::ZERO)?;
        let unknown = || DeviceError::Unknown { id: id.to_owned() };
        if self.state(id).ok_or_else(unknown)?.availability == Availability::Unavailable {
            return Err(DeviceError::Unavailable { id: id.to_owned() }.into());
        }
        let messages = self.handle.device_messages(id, wanted).ok_or_else(unknown)?;
        let messages = messages.map_err(|cause| DeviceError::Refused { id: id.to_owned(), cause })?;
        for message in messages {
            self.publish_message(message, Delivery::Every)?;
        }
        Ok(())
    }
}

fn object(wanted: &impl Serialize) -> Result<Map<String, Value>, DeviceError> {
    match serde_json::to_value(wanted) {
        Ok(Value::Object(wanted)) => Ok(wanted),
        Ok(other) => Err(DeviceError::NotAnObject { found: other.to_string() }),
        Err(cause) => Err(DeviceError::NotAnObject { found: cause.to_string() }),
    }
}
