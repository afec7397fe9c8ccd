//! One discovery payload, and the configurations it holds (`homeassistant/components/mqtt/discovery.py`).

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::Topic;
use crate::model::json;

use super::Flaw;
use super::MAX_PAYLOAD;
use super::abbreviations;
use super::platform::platform;

/// A payload that announced what we know, as it came. The entities of one device share theirs.
#[derive(Debug)]
pub(super) struct Document {
    /// The discovery topic; for what was only heard, its place in the layout.
    pub(super) topic: Topic,
    pub(super) payload: Arc<[u8]>,
    pub(super) form: Form,
}

/// How a document speaks of entities.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// Of one, by itself.
    Single,
    /// Of the components of a device.
    Device,
    /// Nobody announced it: it is what we make of topics in the layout.
    Heard(Shape),
}

/// What was heard in the layout.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Shape {
    /// Whether the last state was a JSON object; none before the first.
    pub(super) json: Option<bool>,
    /// Whether it has ever said something of its availability.
    pub(super) availability: bool,
}

/// What a payload asks for.
#[derive(Debug)]
pub(super) enum Order<T> {
    /// Forget what was announced there.
    Remove,
    /// Let another topic take over what was announced there.
    Migrate,
    /// Know this.
    Announce(T),
}

/// A device and its components, keys written in full.
#[derive(Debug)]
pub(super) struct Assembly {
    /// The payload without its components.
    root: Map<String, Value>,
    pub(super) components: Vec<Component>,
}

/// One entry of `components`.
#[derive(Debug)]
pub(super) struct Component {
    pub(super) key: String,
    pub(super) platform: &'static str,
    /// Without `platform`; empty where the component is to be removed.
    config: Map<String, Value>,
    child: Option<Map<String, Value>>,
}

impl Document {
    /// The configuration of an entity that this document announced, with all keys in full, `~` expanded and what
    /// the device has for all merged in: of the component `key`, or the only one. Empty where there is none.
    pub(super) fn config(&self, key: Option<&str>) -> Map<String, Value> {
        match (self.form, key) {
            (Form::Device, Some(key)) => self.assembly().and_then(|it| it.config_of(key)).unwrap_or_default(),
            _ => match single(&self.payload) {
                Ok(Order::Announce(config)) => config,
                _ => Map::new(),
            },
        }
    }

    /// The device that this document announced, where it is of that form.
    pub(super) fn assembly(&self) -> Option<Assembly> {
        match (self.form, device(&self.payload)) {
            (Form::Device, Ok(Order::Announce(assembly))) => Some(assembly),
            _ => None,
        }
    }
}

impl Assembly {
    /// The configuration of the component `key`.
    pub(super) fn config_of(&self, key: &str) -> Option<Map<String, Value>> {
        self.components.iter().find(|it| it.key == key).map(|it| self.merged(it))
    }

    /// The configuration of `component` with what the device has for all. Its own options win.
    pub(super) fn merged(&self, component: &Component) -> Map<String, Value> {
        let mut config = component.config.clone();
        if config.is_empty() {
            return config;
        }
        let mut device = self.root["device"].clone();
        if let (Some(child), Some(device)) = (&component.child, device.as_object_mut()) {
            device.insert("child_device".to_owned(), Value::Object(child.clone()));
        }
        config.insert("device".to_owned(), device);
        config.insert("origin".to_owned(), self.root["origin"].clone());
        for &option in SHARED_OPTIONS {
            if let Some(value) = self.root.get(option) {
                config.entry(option).or_insert_with(|| value.clone());
            }
        }
        expand_base(&mut config);
        config
    }
}

impl Component {
    /// Whether the component names its platform only, which removes it.
    pub(super) fn is_removal(&self) -> bool {
        self.config.is_empty()
    }

    /// Whether it has what Home Assistant asks of each entity of a device.
    pub(super) fn check(&self) -> Result<(), Flaw> {
        let needed = !self.is_removal() && !matches!(self.platform, "device_automation" | "tag");
        if needed && !self.config.get("unique_id").is_some_and(Value::is_string) {
            return Err(Flaw::Missing { key: "unique_id" });
        }
        Ok(())
    }
}

/// What the payload on an entity's own discovery topic asks for.
pub(super) fn single(payload: &[u8]) -> Result<Order<Map<String, Value>>, Flaw> {
    let mut config = object(payload)?;
    if config.is_empty() {
        return Ok(Order::Remove);
    }
    if is_migration(&config) {
        return Ok(Order::Migrate);
    }
    expand(&mut config);
    if config.contains_key("origin") {
        check_origin(&config)?;
    }
    expand_base(&mut config);
    Ok(Order::Announce(config))
}

/// What the payload on a device's discovery topic asks for.
///
/// Home Assistant refuses a whole device for one unknown key or component; here only that part does not count,
/// so that a newer Home Assistant's devices are understood as far as can be.
pub(super) fn device(payload: &[u8]) -> Result<Order<Assembly>, Flaw> {
    if payload.is_empty() {
        return Ok(Order::Remove);
    }
    let mut root = object(payload)?;
    if is_migration(&root) {
        return Ok(Order::Migrate);
    }
    expand(&mut root);
    check_device(&root)?;
    check_origin(&root)?;
    let own = root.remove("components");
    let children = root.remove("child_devices");
    if own.is_none() && children.is_none() {
        return Err(Flaw::Missing { key: "components" });
    }
    let mut components = Vec::new();
    take_components(own, None, &mut components)?;
    for child in children.into_iter().flat_map(as_list) {
        let Value::Object(mut child) = child else {
            return Err(Flaw::NotAnObject { key: "an entry of child_devices" });
        };
        let own = child.remove("components");
        take_components(own, Some(&child), &mut components)?;
    }
    Ok(Order::Announce(Assembly { root, components }))
}

/// The JSON object that `payload` is; an empty payload is an empty object.
fn object(payload: &[u8]) -> Result<Map<String, Value>, Flaw> {
    if payload.len() > MAX_PAYLOAD {
        return Err(Flaw::TooLarge { bytes: payload.len() });
    }
    if payload.is_empty() {
        return Ok(Map::new());
    }
    match json::from_slice(payload).map_err(Flaw::Json)? {
        Value::Object(object) => Ok(object),
        _ => Err(Flaw::NotAnObject { key: "the payload" }),
    }
}

fn is_migration(payload: &Map<String, Value>) -> bool {
    let asked = payload.get("migrate_discovery").or_else(|| payload.get("migr_discvry"));
    payload.len() == 1 && asked == Some(&Value::Bool(true))
}

fn check_device(root: &Map<String, Value>) -> Result<(), Flaw> {
    let device = root.get("device").ok_or(Flaw::Missing { key: "device" })?;
    let device = device.as_object().ok_or(Flaw::NotAnObject { key: "device" })?;
    let names = |key| match device.get(key) {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::Number(_)) => true,
        _ => false,
    };
    if names("identifiers") || names("connections") {
        Ok(())
    } else {
        Err(Flaw::Missing { key: "identifiers or connections of device" })
    }
}

fn check_origin(root: &Map<String, Value>) -> Result<(), Flaw> {
    let origin = root.get("origin").ok_or(Flaw::Missing { key: "origin" })?;
    let origin = origin.as_object().ok_or(Flaw::NotAnObject { key: "origin" })?;
    if origin.get("name").is_some_and(Value::is_string) {
        Ok(())
    } else {
        Err(Flaw::Missing { key: "name of origin" })
    }
}

/// Moves what `own` holds of known platforms to `components`.
fn take_components(
    own: Option<Value>,
    child: Option<&Map<String, Value>>,
    components: &mut Vec<Component>,
) -> Result<(), Flaw> {
    let own = match own {
        None => return Ok(()),
        Some(Value::Object(own)) => own,
        Some(_) => return Err(Flaw::NotAnObject { key: "components" }),
    };
    for (key, config) in own {
        let Value::Object(mut config) = config else { continue };
        let Some(platform) = config.remove("platform").and_then(|it| platform(it.as_str()?)) else {
            continue;
        };
        components.push(Component { key, platform, config, child: child.cloned() });
    }
    Ok(())
}

/// Writes the keys of a whole payload in full.
fn expand(payload: &mut Map<String, Value>) {
    expand_options(payload);
    if let Some(origin) = payload.get_mut("origin") {
        expand_keys(origin, abbreviations::ORIGIN);
    }
    if let Some(device) = payload.get_mut("device") {
        expand_keys(device, abbreviations::DEVICE);
        if let Some(child) = device.get_mut("child_device") {
            expand_keys(child, abbreviations::DEVICE);
        }
    }
    for child in payload.get_mut("child_devices").into_iter().flat_map(entries) {
        expand_keys(child, abbreviations::DEVICE);
        expand_keys(child, abbreviations::OPTIONS);
        expand_components(child.get_mut("components"));
    }
    expand_components(payload.get_mut("components"));
}

fn expand_components(components: Option<&mut Value>) {
    let components = components.and_then(Value::as_object_mut);
    for config in components.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
        expand_options(config);
    }
}

/// Writes the options of an entity, and of each entry of its availability, in full.
fn expand_options(config: &mut Map<String, Value>) {
    expand_map(config, abbreviations::OPTIONS);
    for entry in config.get_mut("availability").into_iter().flat_map(entries) {
        expand_keys(entry, abbreviations::OPTIONS);
    }
}

fn expand_keys(value: &mut Value, table: &[(&str, &str)]) {
    if let Some(map) = value.as_object_mut() {
        expand_map(map, table);
    }
}

/// Where both spellings are there, the short one wins, as in Home Assistant.
fn expand_map(map: &mut Map<String, Value>, table: &[(&str, &str)]) {
    let full = |short: &String| {
        let at = table.binary_search_by(|(it, _)| it.cmp(&short.as_str())).ok()?;
        Some((short.clone(), table[at].1))
    };
    let found: Vec<(String, &str)> = map.keys().filter_map(full).collect();
    for (short, full) in found {
        if let Some(value) = map.remove(&short) {
            map.insert(full.to_owned(), value);
        }
    }
}

/// Puts what `~` stands for where a topic begins or ends with it.
fn expand_base(config: &mut Map<String, Value>) {
    let base = match config.remove("~") {
        None => return,
        Some(Value::String(base)) => base,
        Some(other) => other.to_string(),
    };
    for (key, value) in config.iter_mut() {
        if key.ends_with("topic") {
            expand_topic(value, &base);
        }
    }
    for entry in config.get_mut("availability").into_iter().flat_map(entries) {
        if let Some(topic) = entry.get_mut("topic") {
            expand_topic(topic, &base);
        }
    }
}

fn expand_topic(value: &mut Value, base: &str) {
    let Value::String(topic) = value else { return };
    // Where both ends have it only the last is expanded: Home Assistant looks at the value as it came, twice.
    if let Some(head) = topic.strip_suffix('~') {
        *topic = format!("{head}{base}");
    } else if let Some(tail) = topic.strip_prefix('~') {
        *topic = format!("{base}{tail}");
    }
}

/// What is a list, or stands alone where Home Assistant takes a list too.
fn entries(value: &mut Value) -> &mut [Value] {
    match value {
        Value::Array(list) => list,
        single => std::slice::from_mut(single),
    }
}

fn as_list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        Value::Null => Vec::new(),
        single => vec![single],
    }
}

/// What a device may have for all its components: `SHARED_OPTIONS` of `homeassistant/components/mqtt/schemas.py`.
const SHARED_OPTIONS: &[&str] = &[
    "availability",
    "availability_mode",
    "availability_template",
    "availability_topic",
    "command_topic",
    "encoding",
    "message_expiry_interval",
    "payload_available",
    "payload_not_available",
    "state_topic",
    "qos",
];
