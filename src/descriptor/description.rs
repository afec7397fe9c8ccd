//! One descriptor: the file in which a Luigi module describes a sensor that it feeds.

use super::fields::Fields;
use super::folder::Sheet;
use crate::entity::BinarySensor;
use crate::entity::Entity;
use crate::entity::EntityError;
use crate::entity::Sensor;
use crate::model::ObjectId;

/// What a descriptor describes.
pub(super) struct Description {
    pub(super) entity: Entity,
    /// The module whose sensor it is, as it is spelt there.
    pub(super) module: String,
}

impl Description {
    /// The description in the file called `file`: `sensor_id`, `name` and `module`, perhaps `device_class`,
    /// `unit_of_measurement`, `icon` and `state_class`. Whatever else is there does not count.
    pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Sheet<Description>, String> {
        let mut fields = Fields::parse(bytes)?;
        let (id, name, module) =
            (fields.required("sensor_id"), fields.required("name"), fields.required("module"));
        let [class, unit, icon, state_class] =
            ["device_class", "unit_of_measurement", "icon", "state_class"].map(|key| fields.text(key));
        for unknown in fields.finish()? {
            log::debug!("{file}: {unknown:?} does not count");
        }
        ObjectId::new(&id).map_err(|error| format!("sensor_id: {error}"))?;
        let mut remarks = Vec::new();
        let unit = unit.map(|unit| match unit.as_str() {
            "lux" => {
                remarks.push(
                    r#"unit_of_measurement: "lux" is "lx" to Home Assistant, and taken as that"#.into(),
                );
                "lx".to_owned()
            }
            _ => unit,
        });
        let is_binary = unit.is_none() && class.as_deref().is_some_and(|it| BINARY.contains(&it));
        let entity = if is_binary {
            if state_class.is_some() {
                log::debug!("{file}: state_class does not count for what is on or off");
            }
            binary_sensor(&id, &name, class.as_deref(), icon.as_deref())
        } else {
            sensor(&id, &name, class.as_deref(), unit.as_deref(), icon.as_deref(), state_class.as_deref())
        };
        match entity {
            Ok(entity) => Ok(Sheet { content: Description { entity, module }, remarks }),
            Err(EntityError { problems, .. }) => {
                let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
                Err(problems.join("; "))
            }
        }
    }
}

fn binary_sensor(
    id: &str,
    name: &str,
    class: Option<&str>,
    icon: Option<&str>,
) -> Result<Entity, EntityError> {
    let mut builder = BinarySensor::new(id, name).attributes(true);
    if let Some(class) = class {
        builder = builder.device_class(class);
    }
    if let Some(icon) = icon {
        builder = builder.icon(icon);
    }
    builder.build()
}

fn sensor(
    id: &str,
    name: &str,
    class: Option<&str>,
    unit: Option<&str>,
    icon: Option<&str>,
    state_class: Option<&str>,
) -> Result<Entity, EntityError> {
    let mut builder = Sensor::new(id, name).attributes(true);
    if let Some(class) = class {
        builder = builder.device_class(class);
    }
    if let Some(unit) = unit {
        builder = builder.unit(unit);
    }
    if let Some(icon) = icon {
        builder = builder.icon(icon);
    }
    if let Some(state_class) = state_class {
        builder = builder.state_class(state_class);
    }
    builder.build()
}

/// The device classes that Luigi's shell module `ha-mqtt` takes for something that is on or off. With a unit they are
/// none here: moisture in % is a number.
const BINARY: &[&str] =
    &["motion", "door", "window", "occupancy", "smoke", "moisture", "light", "sound", "presence"];

#[cfg(test)]
mod tests {
    use crate::entity::Platform;

    use super::*;

    /// The description in `text`, with what is to be shown of it: platform, id, module, and the remarks.
    #[track_caller]
    fn check(text: &str, expected: Result<(Platform, &str, &str), &str>) -> Option<Sheet<Description>> {
        let found = Description::parse("x.json", text.as_bytes());
        let shown = found.as_ref().map_err(String::as_str).map(|it| {
            let Description { entity, module } = &it.content;
            (entity.platform(), entity.id().as_str(), module.as_str())
        });
        assert_eq!(shown, expected, "{text}");
        found.ok()
    }

    #[test]
    fn a_descriptor_is_guessed_to_be_what_the_shell_module_takes_it_for() {
        let text = |more: &str| format!(r#"{{"sensor_id":"a-1","name":"A","module":"games/mario"{more}}}"#);
        for (more, platform) in [
            ("", Platform::Sensor),
            (r#","device_class":"temperature","unit_of_measurement":"°C""#, Platform::Sensor),
            (r#","device_class":"motion""#, Platform::BinarySensor),
            (r#","device_class":"light","icon":"mdi:lamp""#, Platform::BinarySensor),
            (r#","device_class":"sound","state_class":"measurement""#, Platform::BinarySensor),
            (r#","device_class":"moisture""#, Platform::BinarySensor),
            (r#","device_class":"moisture","unit_of_measurement":"%""#, Platform::Sensor),
            (r#","device_class":"","unit_of_measurement":null,"icon":"""#, Platform::Sensor),
            (r#","installed_by":{"by":"hand"}"#, Platform::Sensor),
        ] {
            let sheet = check(&text(more), Ok((platform, "a-1", "games/mario"))).unwrap();
            assert_eq!(sheet.remarks, [""; 0]);
            let entity = sheet.content.entity;
            assert!(entity.retained() && !entity.has_availability(), "others feed it");
        }
    }

    #[test]
    fn what_is_wrong_names_the_field_what_is_expected_and_what_was_found() {
        for (text, problem) in [
            ("7", "expected a JSON object, found 7"),
            (
                r#"{"name":"A","sensor_id":7}"#,
                "sensor_id: expected a text, found 7; module: expected a text, found none",
            ),
            (
                r#"{"sensor_id":"a b","name":"A","module":"m"}"#,
                r#"sensor_id: expected 1 to 64 of a-z A-Z 0-9 _ -, found "a b""#,
            ),
            (
                r#"{"sensor_id":"a","name":"A","module":"m","device_class":"temperature","unit_of_measurement":"C"}"#,
                r#"unit_of_measurement: expected one of °C, °F, K for device class temperature, found "C""#,
            ),
            (
                r#"{"sensor_id":"a","name":"A","module":"m","icon":"lamp"}"#,
                r#"icon: expected prefix:name, such as mdi:thermometer, found "lamp""#,
            ),
        ] {
            check(text, Err(problem));
        }
        for (text, part) in [
            (r#"{"sensor_id":"a","#.to_owned(), "expected JSON: EOF while parsing"),
            (
                format!(r#"{{"name":"{}"}}"#, "x".repeat(256)),
                "name: expected at most 255 characters, found 256",
            ),
            (
                r#"{"sensor_id":"a","name":"A","module":"m","device_class":"temprature"}"#.to_owned(),
                r#", found "temprature" (did you mean temperature?)"#,
            ),
        ] {
            let flaw = Description::parse("x.json", text.as_bytes()).err().unwrap();
            assert!(flaw.contains(part), "{flaw}");
        }
    }

    #[test]
    fn the_wrong_spelling_that_the_shell_module_teaches_is_put_right_with_a_word() {
        let text = r#"{"sensor_id":"a","name":"A","module":"m","device_class":"illuminance","unit_of_measurement":"lux"}"#;
        let sheet = check(text, Ok((Platform::Sensor, "a", "m"))).unwrap();
        assert_eq!(sheet.content.entity.unit(), Some("lx"));
        assert_eq!(
            sheet.remarks,
            [r#"unit_of_measurement: "lux" is "lx" to Home Assistant, and taken as that"#]
        );
    }
}
