//! The description of an entity that a program registers: [`entity`].

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::traits::{Flaw, Traits};
use super::{Code, Failure, shown};
use crate::entity::Device;
use crate::entity::Entity;
use crate::entity::EntityError;
use crate::entity::{BinarySensor, Button, Event, Light, Number, Select, Sensor, Switch, Text};
use crate::entity::{Common, Described};
use crate::model::Delivery;
use crate::model::ObjectId;
use crate::model::Qos;

/// The entity that `description` describes, checked by Home Assistant's rules. It belongs to our own device, which is `parent`,
/// unless it describes one of its own, below that. It can be unavailable by itself unless it says that it cannot.
///
/// # Errors
///
/// [`Code::Field`] where a field is missing, unknown or of another type or range, else [`Code::Invalid`]: with everything that
/// is wrong, in `problems` one by one.
pub fn entity(description: &Map<String, Json>, parent: &Device) -> Result<Entity, Failure> {
    let mut traits = Traits::new(description.clone());
    let platform = traits.required("platform", |it| it.word("platform", &PLATFORMS));
    let it = Description::read(platform, &mut traits);
    let device = traits.object("device").map(|it| device(it, parent, &mut traits));
    let built = match platform {
        "sensor" => it.sensor(&mut traits),
        "binary_sensor" => it.binary_sensor(&mut traits),
        "switch" => Switch::new(&it.id, &it.name).described(&it.common).build(),
        "button" => Button::new(&it.id, &it.name).described(&it.common).build(),
        "number" => it.number(&mut traits),
        "select" => it.select(&mut traits),
        "text" => it.text(&mut traits),
        "light" => it.light(&mut traits),
        "event" => it.event(&mut traits),
        // What else such a one may have, nobody knows.
        _ => return Err(failure(Code::Field, &it.id, traits.into_flaws())),
    };
    let mut flaws = traits.finish();
    let code = if flaws.is_empty() { Code::Invalid } else { Code::Field };
    match built {
        Ok(entity) if flaws.is_empty() => Ok(match device {
            Some(device) => entity.on_device(Arc::new(device)),
            None => entity,
        }),
        Ok(_) => Err(failure(code, &it.id, flaws)),
        Err(EntityError { problems, .. }) => {
            for problem in problems {
                let field = field_of(problem.field);
                // It would be about what stands in the place of a field that was not understood.
                if !flaws.iter().any(|it| it.field == field) {
                    flaws.push(Flaw { field: field.to_owned(), complaint: problem.complaint });
                }
            }
            Err(failure(code, &it.id, flaws))
        }
    }
}

/// The failure of the description of `id` with all its `flaws`.
fn failure(code: Code, id: &str, flaws: Vec<Flaw>) -> Failure {
    let problems: Vec<String> = flaws
        .into_iter()
        .map(|Flaw { field, complaint }| format!("{field}: {complaint}").chars().take(MOST_CHARS).collect())
        .collect();
    let of = if id.is_empty() { String::new() } else { format!(" of {}", shown(id)) };
    let reason = format!("the description{of} has problems: {}", problems.join("; "));
    Failure::new(code, reason).with("problems", problems)
}

/// The device that `found` describes, which is connected by `parent`.
fn device(found: Map<String, Json>, parent: &Device, traits: &mut Traits) -> Device {
    let mut own = Traits::new(found);
    let id = own.required("id", |it| {
        it.take("id", ID, |found| ObjectId::new(found.as_str()?).ok().map(|it| it.to_string()))
    });
    let device = Device {
        identifier: parent.identifier_below(&id),
        name: own.text("name").filter(|it| !it.is_empty()).unwrap_or(id),
        manufacturer: own.text("manufacturer").unwrap_or_default(),
        model: own.text("model").unwrap_or_default(),
        sw_version: own.text("sw_version").unwrap_or_default(),
        via: Some(parent.identifier.clone()),
    };
    traits.adopt("device", own.finish());
    device
}

/// What is said of an entity, whatever its platform.
struct Description {
    id: String,
    name: String,
    common: Common,
}

impl Description {
    fn read(platform: &str, traits: &mut Traits) -> Description {
        let (id, name) =
            (traits.required("id", |it| it.text("id")), traits.required("name", |it| it.text("name")));
        let common = Common {
            device_class: CLASSIFIED.contains(&platform).then(|| traits.text("device_class")).flatten(),
            icon: traits.text("icon"),
            category: traits.text("category"),
            enabled: traits.truth("enabled"),
            entity_id: traits.text("entity_id"),
            delivery: traits.word("delivery", &["latest", "every"]).map(|it| match it {
                "every" => Delivery::Every,
                _ => Delivery::Latest,
            }),
            qos: traits.whole("qos", 0..=2).and_then(Qos::from_level),
            attributes: traits.truth("attributes"),
            availability: traits.truth("availability").or(Some(true)),
        };
        Description { id, name, common }
    }

    fn sensor(&self, traits: &mut Traits) -> Result<Entity, EntityError> {
        let mut sensor = Sensor::new(&self.id, &self.name).described(&self.common);
        if let Some(unit) = unit(traits) {
            sensor = sensor.unit(&unit);
        }
        if let Some(class) = traits.text("state_class") {
            sensor = sensor.state_class(&class);
        }
        if let Some(decimals) = traits.whole("precision", 0..=MOST_DECIMALS) {
            sensor = sensor.precision(decimals);
        }
        if let Some(options) = traits.texts("options") {
            sensor = sensor.options(options);
        }
        if let Some(limit) = expire_after(traits) {
            sensor = sensor.expire_after(limit);
        }
        sensor.force_update(traits.truth("force_update").unwrap_or_default()).build()
    }

    fn binary_sensor(&self, traits: &mut Traits) -> Result<Entity, EntityError> {
        let mut sensor = BinarySensor::new(&self.id, &self.name).described(&self.common);
        if let Some(delay) = seconds("off_delay", traits) {
            sensor = sensor.off_delay(delay);
        }
        if let Some(limit) = expire_after(traits) {
            sensor = sensor.expire_after(limit);
        }
        sensor.force_update(traits.truth("force_update").unwrap_or_default()).build()
    }

    fn number(&self, traits: &mut Traits) -> Result<Entity, EntityError> {
        let mut number = Number::new(&self.id, &self.name).described(&self.common);
        if let Some(unit) = unit(traits) {
            number = number.unit(&unit);
        }
        if let Some(min) = traits.number("min") {
            number = number.min(min);
        }
        if let Some(max) = traits.number("max") {
            number = number.max(max);
        }
        if let Some(step) = traits.number("step") {
            number = number.step(step);
        }
        if let Some(mode) = traits.text("mode") {
            number = number.mode(&mode);
        }
        number.build()
    }

    fn select(&self, traits: &mut Traits) -> Result<Entity, EntityError> {
        let options = traits.texts("options").unwrap_or_default();
        Select::new(&self.id, &self.name, options).described(&self.common).build()
    }

    fn text(&self, traits: &mut Traits) -> Result<Entity, EntityError> {
        let mut text = Text::new(&self.id, &self.name).described(&self.common);
        if let Some(min) = traits.whole("min", 0..=u8::MAX) {
            text = text.min(min);
        }
        if let Some(max) = traits.whole("max", 0..=u8::MAX) {
            text = text.max(max);
        }
        if let Some(pattern) = traits.text("pattern") {
            text = text.pattern(&pattern);
        }
        if let Some(mode) = traits.text("mode") {
            text = text.mode(&mode);
        }
        text.build()
    }

    fn light(&self, traits: &mut Traits) -> Result<Entity, EntityError> {
        let mut light = Light::new(&self.id, &self.name).described(&self.common);
        let (dims, modes) = (traits.truth("brightness"), traits.texts("color_modes"));
        if dims.is_some() && modes.is_some() {
            traits.complain("brightness", "expected none beside color_modes, which have one".to_owned());
        }
        match modes {
            Some(modes) => light = light.color_modes(modes),
            None if dims == Some(true) => light = light.color_modes(["brightness"]),
            None => {}
        }
        if let Some(scale) = traits.whole("brightness_scale", 1..=u32::MAX) {
            light = light.brightness_scale(scale);
        }
        match (traits.whole("min_kelvin", KELVIN), traits.whole("max_kelvin", KELVIN)) {
            (Some(warmest), Some(coldest)) => light = light.kelvin(warmest, coldest),
            (None, None) => {}
            (warmest, _) => {
                let absent = if warmest.is_some() { "max_kelvin" } else { "min_kelvin" };
                traits.complain(absent, "expected both min_kelvin and max_kelvin, or neither".to_owned());
            }
        }
        if let Some(effects) = traits.texts("effects") {
            light = light.effects(effects);
        }
        let (flash, transition) = (traits.truth("flash"), traits.truth("transition"));
        light.flash(flash.unwrap_or_default()).transition(transition.unwrap_or_default()).build()
    }

    fn event(&self, traits: &mut Traits) -> Result<Entity, EntityError> {
        let types = traits.texts("event_types").unwrap_or_default();
        Event::new(&self.id, &self.name, types).described(&self.common).build()
    }
}

/// The unit, by our name for it or by Home Assistant's.
fn unit(traits: &mut Traits) -> Option<String> {
    match (traits.text("unit"), traits.text("unit_of_measurement")) {
        (Some(_), Some(_)) => {
            traits.complain("unit", "expected it, or unit_of_measurement, found both".to_owned());
            None
        }
        (unit, same) => unit.or(same),
    }
}

fn expire_after(traits: &mut Traits) -> Option<Duration> {
    seconds("expire_after", traits)
}

fn seconds(name: &'static str, traits: &mut Traits) -> Option<Duration> {
    traits.whole(name, 1..=MOST_SECONDS).map(Duration::from_secs)
}

/// Our name for the `field` of a discovery payload.
fn field_of(field: &str) -> &str {
    match field {
        "entity_category" => "category",
        "default_entity_id" => "entity_id",
        "unit_of_measurement" => "unit",
        "suggested_display_precision" => "precision",
        "supported_color_modes" => "color_modes",
        "effect_list" => "effects",
        same => same,
    }
}

/// What can be registered.
pub(super) const PLATFORMS: [&str; 9] =
    ["sensor", "binary_sensor", "switch", "button", "number", "select", "text", "light", "event"];
/// Those of them that have a device class.
const CLASSIFIED: [&str; 6] = ["sensor", "binary_sensor", "switch", "button", "number", "event"];
const ID: &str = "1 to 64 of a-z A-Z 0-9 _ -";
/// As in the configuration.
const MOST_DECIMALS: u8 = 6;
/// A year: who tells less often than that is gone.
const MOST_SECONDS: u64 = 31_536_000;
const KELVIN: std::ops::RangeInclusive<u32> = 1..=1_000_000;
/// As much of one problem as fits: the longest names all device classes of sensors.
const MOST_CHARS: usize = 2_000;
