//! `[Topics]`, `[Discovery]` and `[Device]`: where things are published, and as what they show.

use std::path::{Path, PathBuf};

use super::defaults;
use super::error::Place;
use super::owner::Owner;
use super::settings::{Located, Reported, Settings};
use super::value;

use crate::entity::Form;
use crate::model::Topic;

/// Where things are published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Topics {
    /// Home Assistant's discovery prefix.
    pub discovery_prefix: Topic,
    /// States go to `<state>/<entity id>`.
    pub state: Topic,
    /// `online` or `offline`, retained.
    pub availability: Topic,
    /// Where devices are that nobody announces: their states come on `<layout>/<type>/<id>/state`.
    pub layout: Topic,
}

/// How the device shows in Home Assistant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Discovery {
    /// Name of the device.
    pub device_name: String,
    /// Manufacturer of the device.
    pub manufacturer: String,
    /// Model of the device.
    pub model: String,
    /// Software version of the device; `None` says luigi-mqtt's own.
    pub sw_version: Option<String>,
    /// Where Home Assistant says that it has started.
    pub birth_topic: Topic,
    /// What it says there.
    pub birth_payload: String,
    /// In how many messages the device is announced.
    pub form: Form,
    /// Where other Luigi modules describe the sensors that they feed, a file each, under the root of the environment; `None`
    /// where nobody looks.
    pub sensors_dir: Option<PathBuf>,
    /// Where Luigi's installer has noted its modules, a file each, under the same root.
    pub modules_dir: PathBuf,
}

impl Topics {
    /// `MQTT_TOPIC_PREFIX` is the prefix of *messages*: as the discovery prefix, as which its name
    /// could be read too, it would hide every entity from Home Assistant.
    pub(super) fn read(settings: &mut Settings<'_>) -> Result<Topics, Reported> {
        let levels = settings.owner().levels();
        let state_below = |prefix: &str| format!("{}{levels}", prefix.trim_end_matches('/'));
        let availability_below =
            |prefix: &str| format!("{}/{}", state_below(prefix), defaults::AVAILABILITY_LEVEL);
        let discovery_prefix = settings
            .key(TOPICS, "TOPIC_PREFIX")
            .or_key(TOPICS, "DISCOVERY_PREFIX")
            .or(defaults::TOPIC_PREFIX, value::topic);
        let state = settings
            .key(TOPICS, "STATE_TOPIC")
            .or_variable_as(PREFIX_VARIABLE, state_below)
            .or(&state_below(defaults::MESSAGE_PREFIX), value::topic);
        let availability = settings
            .key(TOPICS, "AVAILABILITY_TOPIC")
            .or_variable_as(PREFIX_VARIABLE, availability_below)
            .or(&availability_below(defaults::MESSAGE_PREFIX), value::topic);
        let layout = settings
            .key(TOPICS, "LAYOUT_PREFIX")
            .or_variable_as(PREFIX_VARIABLE, |prefix| prefix.trim_end_matches('/').to_owned())
            .or(defaults::LAYOUT_PREFIX, value::topic);
        for key in ["BASE_TOPIC", "DEVICE_PREFIX"] {
            settings.without_effect(
                TOPICS,
                key,
                "topics follow the Python module, states go below STATE_TOPIC",
            );
        }
        Ok(Topics {
            discovery_prefix: discovery_prefix?,
            state: state?,
            availability: availability?,
            layout: layout?,
        })
    }
}

impl Discovery {
    /// `discovery_prefix` is what `[Topics]` came to.
    pub(super) fn read(
        settings: &mut Settings<'_>,
        discovery_prefix: Option<&Topic>,
    ) -> Result<Discovery, Reported> {
        let device_name = settings.owner().device_name();
        let device_name = settings
            .key(DISCOVERY, "DEVICE_NAME")
            .or_key(DEVICE, "DEVICE_NAME")
            .or(&device_name, value::text);
        let manufacturer = settings
            .key(DISCOVERY, "DEVICE_MANUFACTURER")
            .or_key(DEVICE, "DEVICE_MANUFACTURER")
            .or_key(DEVICE, "MANUFACTURER")
            .or(defaults::DEVICE_MANUFACTURER, value::text);
        let model = settings
            .key(DISCOVERY, "DEVICE_MODEL")
            .or_key(DEVICE, "DEVICE_MODEL")
            .or(defaults::DEVICE_MODEL, value::text);
        let sw_version =
            settings.key(DISCOVERY, "SW_VERSION").or_key(DEVICE, "SW_VERSION").if_set(value::text);
        let birth_topic = read_birth_topic(settings, discovery_prefix);
        let birth_payload = settings.key(DISCOVERY, "BIRTH_PAYLOAD").or(defaults::BIRTH_PAYLOAD, value::text);
        let forms = [("entity", Form::Entity), ("device", Form::Device)];
        let form = settings.key(DISCOVERY, "FORM").or(defaults::FORM, value::word(&forms));
        let sensors_dir =
            settings.key(DISCOVERY, "SENSORS_DIR").or(defaults::SENSORS_DIR, value::path_or_nothing);
        let modules_dir = settings.key(DISCOVERY, "MODULES_DIR").or(defaults::MODULES_DIR, value::path);
        let root = settings.environment().root();
        let of_machine =
            |path: PathBuf| root.join(path.strip_prefix("/").map(Path::to_owned).unwrap_or(path));
        settings.without_effect(
            DISCOVERY,
            "SCAN_INTERVAL",
            "SENSORS_DIR is watched, a change counts at once",
        );
        Ok(Discovery {
            device_name: device_name?,
            manufacturer: manufacturer?,
            model: model?,
            sw_version: sw_version?.map(|it| it.value),
            birth_topic: birth_topic?,
            birth_payload: birth_payload?,
            form: form?,
            // What other modules feed is the daemon's to announce.
            sensors_dir: sensors_dir?.filter(|_| *settings.owner() == Owner::Daemon).map(of_machine),
            modules_dir: of_machine(modules_dir?),
        })
    }
}

fn read_birth_topic(settings: &mut Settings<'_>, prefix: Option<&Topic>) -> Result<Topic, Reported> {
    let set = settings.key(DISCOVERY, "BIRTH_TOPIC").if_set(value::topic)?;
    if let Some(Located { value, .. }) = set {
        return Ok(value);
    }
    // A wrong prefix is a problem already; this stands in for it until the problems are shown.
    let prefix = prefix.map_or(defaults::TOPIC_PREFIX, Topic::as_str);
    let topic = format!("{prefix}/{}", defaults::BIRTH_LEVEL);
    value::topic(&topic).map_err(|refusal| {
        let place = Place::Default { section: DISCOVERY, key: "BIRTH_TOPIC".to_owned() };
        settings.refuse(place, refusal.of(&topic))
    })
}

pub(super) const TOPICS: &str = "Topics";
pub(super) const DISCOVERY: &str = "Discovery";
/// The shell module's section for it.
const DEVICE: &str = "Device";
const PREFIX_VARIABLE: &str = "MQTT_TOPIC_PREFIX";
