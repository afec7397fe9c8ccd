//! What a section says of its entity itself, to Home Assistant.

use std::time::Duration;

use super::kind::Kind;
use super::section::Section;
use super::values;
use super::{Feed, Sense};
use crate::config::error::Problem;
use crate::config::settings::Reported;
use crate::config::value::{self, Refusal};
use crate::entity::{
    BinarySensor, Button, Entity, EntityError, Event, Light, Number, Select, Sensor, StateClass,
};
use crate::entity::{Common, Described, Switch, Text};

/// What every kind of entity has, as the file has it.
pub(super) struct Description {
    name: String,
    common: Common,
}

impl Description {
    /// Of an entity that is called `usual` where the file has no name for it.
    pub(super) fn read(section: &mut Section, usual: &str) -> Description {
        let name = section.set("NAME", value::text);
        let has_class = !matches!(section.kind, Kind::Select | Kind::Text | Kind::Light);
        let common = Common {
            device_class: if has_class { section.set("DEVICE_CLASS", value::text) } else { None },
            icon: section.set("ICON", value::text),
            category: section.set("CATEGORY", value::text),
            enabled: section.set("ENABLED", value::switch),
            entity_id: section.set("ENTITY_ID", value::text),
            delivery: section.set("DELIVERY", value::delivery),
            qos: section.set("QOS", value::qos),
            attributes: None,
            availability: Some(true),
        };
        Description { name: name.unwrap_or_else(|| usual.to_owned()), common }
    }

    /// The device class, where the file has one.
    pub(super) fn device_class(&self) -> Option<&str> {
        self.common.device_class.as_deref()
    }

    /// The sensor that it is of.
    pub(super) fn sensor(
        mut self,
        section: &mut Section,
        feed: Option<&Feed>,
        decimals: Option<u8>,
        expire_after: Option<Duration>,
    ) -> Result<Entity, Reported> {
        let mut unit = section.set("UNIT", value::text);
        if let (None, None, Some((class, kernels))) =
            (&self.common.device_class, &unit, feed.and_then(kernel_unit))
        {
            self.common.device_class = class.map(str::to_owned);
            unit = Some(kernels.to_owned());
        }
        let options = match self.common.device_class.as_deref() {
            Some("enum") => section.set("OPTIONS", values::list),
            _ => None,
        };
        let is_numeric = decimals.is_some() || unit.is_some() || feed.is_some_and(counts);
        let usual = usual_state_class(self.common.device_class.as_deref(), is_numeric, feed);
        let state_class = match section.set("STATE_CLASS", value::text) {
            Some(none) if none.eq_ignore_ascii_case("none") => None,
            Some(given) => Some(given),
            None => usual.map(|it| it.as_str().to_owned()),
        };
        let mut sensor = Sensor::new(&section.id, &self.name).described(&self.common);
        if let Some(unit) = unit {
            sensor = sensor.unit(&unit);
        }
        if let Some(class) = state_class {
            sensor = sensor.state_class(&class);
        }
        if let Some(decimals) = decimals {
            sensor = sensor.precision(decimals);
        }
        if let Some(options) = options {
            sensor = sensor.options(options);
        }
        if let Some(limit) = expire_after {
            sensor = sensor.expire_after(limit);
        }
        refuse_with(section, sensor.build())
    }

    /// The binary sensor that it is of.
    pub(super) fn binary_sensor(
        self,
        section: &mut Section,
        expire_after: Option<Duration>,
    ) -> Result<Entity, Reported> {
        let range = Duration::from_secs(1)..=Duration::from_secs(86_400);
        let off_delay = section.set("OFF_DELAY", value::duration(range));
        let mut sensor = BinarySensor::new(&section.id, &self.name).described(&self.common);
        if let Some(delay) = off_delay {
            sensor = sensor.off_delay(delay);
        }
        if let Some(limit) = expire_after {
            sensor = sensor.expire_after(limit);
        }
        refuse_with(section, sensor.build())
    }

    /// The event that it is of.
    pub(super) fn event(self, section: &mut Section) -> Result<Entity, Reported> {
        let types = section.event_types();
        let event = Event::new(&section.id, &self.name, types).described(&self.common);
        refuse_with(section, event.build())
    }

    /// What takes commands, that it is of.
    pub(super) fn settable(self, section: &mut Section, has_brightness: bool) -> Result<Entity, Reported> {
        let id = section.id.clone();
        let built = match section.kind {
            Kind::Button => Button::new(&id, &self.name).described(&self.common).build(),
            Kind::Number => self.number(section).build(),
            Kind::Select => {
                // What is wrong with a list is said where it is split.
                let options = match section.key("OPTIONS", values::list) {
                    Ok(options) => options.map(|it| it.value).unwrap_or_default(),
                    Err(_) => vec!["?".to_owned()],
                };
                Select::new(&id, &self.name, options).described(&self.common).build()
            }
            Kind::Text => self.text(section).build(),
            Kind::Light => {
                let mode = if has_brightness { "brightness" } else { "onoff" };
                Light::new(&id, &self.name).color_modes([mode]).described(&self.common).build()
            }
            _ => Switch::new(&id, &self.name).described(&self.common).build(),
        };
        refuse_with(section, built)
    }

    fn number(self, section: &mut Section) -> Number {
        let mut number = Number::new(&section.id, &self.name).described(&self.common);
        if let Some(unit) = section.set("UNIT", value::text) {
            number = number.unit(&unit);
        }
        if let Some(min) = section.set("MIN", values::number) {
            number = number.min(min);
        }
        if let Some(max) = section.set("MAX", values::number) {
            number = number.max(max);
        }
        if let Some(step) = section.set("STEP", values::number) {
            number = number.step(step);
        }
        match section.set("MODE", lower_case) {
            Some(mode) => number.mode(&mode),
            None => number,
        }
    }

    fn text(self, section: &mut Section) -> Text {
        let mut text = Text::new(&section.id, &self.name).described(&self.common);
        if let Some(min) = section.set("MIN", values::chars) {
            text = text.min(min);
        }
        if let Some(max) = section.set("MAX", values::chars) {
            text = text.max(max);
        }
        if let Ok(Some(pattern)) = section.literal("PATTERN", value::text) {
            text = text.pattern(&pattern.value);
        }
        match section.set("MODE", lower_case) {
            Some(mode) => text.mode(&mode),
            None => text,
        }
    }
}

/// The name that the id of an entity makes: `Water meter` of `water_meter`.
pub(super) fn name_of(id: &str) -> String {
    let words = id.replace(['-', '_'], " ");
    let mut letters = words.trim().chars();
    match letters.next() {
        Some(first) => format!("{}{}", first.to_ascii_uppercase(), letters.as_str()),
        None => id.to_owned(),
    }
}

/// What was built, or its problems at the keys that have them.
fn refuse_with(section: &mut Section, built: Result<Entity, EntityError>) -> Result<Entity, Reported> {
    built.map_err(|error| {
        let mut reported = None;
        for problem in error.problems {
            let place = match key_of(problem.field) {
                Some(key) => section.place_of(key),
                None => section.place.clone(),
            };
            reported = Some(section.refuse(place, Problem::Refused { complaint: problem.complaint }));
        }
        reported.unwrap_or_else(|| section.expect("NAME", "an entity that Home Assistant takes"))
    })
}

/// The key that `field` of a discovery payload comes from; `None` for what no key says.
fn key_of(field: &str) -> Option<&'static str> {
    let key = match field {
        "name" => "NAME",
        "icon" => "ICON",
        "entity_category" => "CATEGORY",
        "expire_after" => "EXPIRE_AFTER",
        "off_delay" => "OFF_DELAY",
        "default_entity_id" => "ENTITY_ID",
        "device_class" => "DEVICE_CLASS",
        "unit_of_measurement" => "UNIT",
        "state_class" => "STATE_CLASS",
        "suggested_display_precision" => "PRECISION",
        "options" => "OPTIONS",
        "event_types" => "EVENT_TYPES",
        "min" => "MIN",
        "max" => "MAX",
        "step" => "STEP",
        "mode" => "MODE",
        "pattern" => "PATTERN",
        _ => return None,
    };
    Some(key)
}

/// What numbers mean over time where the file does not say: what is counted adds up, all else is a measurement; nothing
/// where Home Assistant would not take that with the device class.
fn usual_state_class(class: Option<&str>, is_numeric: bool, feed: Option<&Feed>) -> Option<StateClass> {
    let allowed = match class {
        Some(class) => StateClass::allowed(class)?,
        None if is_numeric => &StateClass::ALL,
        None => return None,
    };
    let usual: &[StateClass] = match feed {
        Some(Feed::Gpio { sense: Sense::Total, .. }) => &[StateClass::TotalIncreasing],
        _ if allowed.len() == 1 => &[StateClass::Measurement, StateClass::MeasurementAngle],
        _ => &[StateClass::Measurement],
    };
    usual.iter().copied().find(|it| allowed.contains(it))
}

/// Whether the values of `feed` are numbers whatever is said of them.
fn counts(feed: &Feed) -> bool {
    matches!(feed, Feed::W1 { .. } | Feed::Hwmon(_) | Feed::Iio(_) | Feed::Gpio { .. })
}

/// The device class and the unit that the kernel's rules give a channel.
fn kernel_unit(feed: &Feed) -> Option<(Option<&'static str>, &'static str)> {
    let units: &[(&str, Option<&'static str>, &'static str)] = match feed {
        Feed::W1 { .. } => return Some((Some("temperature"), "°C")),
        Feed::Hwmon(_) => &HWMON,
        Feed::Iio(_) => &IIO,
        _ => return None,
    };
    let (Feed::Hwmon(channel) | Feed::Iio(channel)) = feed else { return None };
    if FLAGS.iter().any(|it| channel.channel.ends_with(it)) {
        return None;
    }
    let begins = |prefix: &str| {
        let rest = channel.channel.strip_prefix(prefix);
        rest.is_some_and(|it| it.is_empty() || it.starts_with(|c: char| c.is_ascii_digit() || c == '_'))
    };
    units.iter().find(|(prefix, ..)| begins(prefix)).map(|(_, class, unit)| (*class, *unit))
}

fn lower_case(text: &str) -> Result<String, Refusal> {
    value::text(text).map(|it| it.to_ascii_lowercase())
}

/// The channels of hardware monitoring, in the units that their source has them in.
const HWMON: [(&str, Option<&str>, &str); 8] = [
    ("temp", Some("temperature"), "°C"),
    ("in", Some("voltage"), "V"),
    ("curr", Some("current"), "A"),
    ("power", Some("power"), "W"),
    ("energy", Some("energy"), "J"),
    ("humidity", Some("humidity"), "%"),
    ("fan", None, "rpm"),
    ("freq", Some("frequency"), "Hz"),
];
/// The channels of industrial I/O, in the units that their source has them in.
const IIO: [(&str, Option<&str>, &str); 8] = [
    ("temp", Some("temperature"), "°C"),
    ("humidityrelative", Some("humidity"), "%"),
    ("pressure", Some("pressure"), "hPa"),
    ("illuminance", Some("illuminance"), "lx"),
    ("voltage", Some("voltage"), "V"),
    ("current", Some("current"), "A"),
    ("power", Some("power"), "W"),
    ("energy", Some("energy"), "J"),
];
/// What the attributes of hardware monitoring end with that are 0 or 1.
const FLAGS: [&str; 4] = ["_alarm", "_fault", "_beep", "_enable"];
