//! What makes everything but a light do something.

use super::outgoing::Outgoing;
use super::wish::{Asked, Wish, whole_or_float};
use crate::registry::capability::SetError;
use crate::registry::capability::config::Config;
use crate::registry::capability::offer::MOWER_VERBS;
use crate::registry::capability::template::Py;
use crate::registry::capability::template::Style;
use crate::registry::capability::template::json;

/// A field, and the topic and template that set it.
type Row = (&'static str, &'static str, &'static str);

/// Adds what `wish` asks of an entity of `platform`.
pub(super) fn send(
    platform: &str,
    config: Config<'_>,
    wish: &Wish,
    outgoing: &mut Outgoing<'_>,
) -> Result<(), SetError> {
    match platform {
        "switch" => on_off(config, wish, ("command_topic", "command_template"), outgoing),
        "siren" => siren(config, wish, outgoing),
        "fan" => fan(config, wish, outgoing),
        "humidifier" => {
            on_off(config, wish, ("command_topic", "command_template"), outgoing)?;
            each(HUMIDIFIER, wish, outgoing)
        }
        "climate" => {
            on_off(config, wish, ("power_command_topic", "power_command_template"), outgoing)?;
            each(CLIMATE, wish, outgoing)
        }
        "water_heater" => {
            on_off(config, wish, ("power_command_topic", "power_command_template"), outgoing)?;
            each(WATER_HEATER, wish, outgoing)
        }
        "cover" => cover(config, wish, outgoing),
        "valve" => valve(config, wish, outgoing),
        "lock" => coded(config, wish, LOCK, outgoing),
        "alarm_control_panel" => alarm(config, wish, outgoing),
        "lawn_mower" => mower(wish, outgoing),
        "vacuum" => vacuum(config, wish, outgoing),
        "button" => {
            pressed(wish, "press", config.text_or("payload_press", "PRESS"), "command_template", outgoing)
        }
        "scene" => pressed(wish, "activate", config.text_or("payload_on", "ON"), "", outgoing),
        "update" => pressed(wish, "install", config.text_or("payload_install", ""), "", outgoing),
        _ => each(SIMPLE, wish, outgoing),
    }
}

/// Sends each field that is asked, in the order of `rows`.
fn each(rows: &[Row], wish: &Wish, outgoing: &mut Outgoing<'_>) -> Result<(), SetError> {
    for (field, topic, template) in rows {
        if let Some(asked) = wish.asked(field) {
            // Home Assistant's temperatures are floats, whatever the person typed.
            let value = match asked {
                Asked::Number(number) if field.contains("temp") => Py::Float(*number),
                other => other.value(),
            };
            outgoing.value(topic, template, value)?;
        }
    }
    Ok(())
}

fn on_off(
    config: Config<'_>,
    wish: &Wish,
    (topic, template): (&'static str, &'static str),
    outgoing: &mut Outgoing<'_>,
) -> Result<(), SetError> {
    match wish.word("state") {
        Some("off") => outgoing.value(topic, template, Py::Str(config.text_or("payload_off", "OFF"))),
        Some(_) => outgoing.value(topic, template, Py::Str(config.text_or("payload_on", "ON"))),
        None => Ok(()),
    }
}

fn fan(config: Config<'_>, wish: &Wish, outgoing: &mut Outgoing<'_>) -> Result<(), SetError> {
    on_off(config, wish, ("command_topic", "command_template"), outgoing)?;
    if let Some(percentage) = wish.number("percentage") {
        let (low, high) =
            (config.number_or("speed_range_min", 1.0), config.number_or("speed_range_max", 100.0));
        let speed = ranged(low, high, percentage).ceil();
        outgoing.value("percentage_command_topic", "percentage_command_template", Py::Int(speed as i128))?;
    }
    if let Some(oscillating) = wish.flag("oscillating") {
        let payload = match oscillating {
            true => config.text_or("payload_oscillation_on", "oscillate_on"),
            false => config.text_or("payload_oscillation_off", "oscillate_off"),
        };
        outgoing.value("oscillation_command_topic", "oscillation_command_template", Py::Str(payload))?;
    }
    each(FAN, wish, outgoing)
}

fn siren(config: Config<'_>, wish: &Wish, outgoing: &mut Outgoing<'_>) -> Result<(), SetError> {
    let on = wish.word("state") != Some("off");
    let state = if on { config.text_or("payload_on", "ON") } else { config.text_or("payload_off", "OFF") };
    let asked = |field: &str| match wish.asked(field).filter(|_| on) {
        // A volume is a float, whatever the person typed.
        Some(Asked::Number(number)) if field == "volume_level" => Py::Float(*number),
        Some(asked) => asked.value(),
        None => Py::Undefined,
    };
    let mut names = vec![("state", Py::Str(state.clone()))];
    names.extend(["tone", "duration", "volume_level"].map(|field| (field, asked(field))));
    let template =
        if !on && config.has("command_off_template") { "command_off_template" } else { "command_template" };
    if config.has(template) {
        return outgoing.rendered("command_topic", template, Py::Str(state), names);
    }
    names.retain(|(_, value)| *value != Py::Undefined);
    let members = names.into_iter().map(|(name, value)| (Py::Str(name.to_owned()), value)).collect();
    outgoing.plain("command_topic", json(&Py::Dict(members), Style::Compact).unwrap_or_default())
}

fn cover(config: Config<'_>, wish: &Wish, outgoing: &mut Outgoing<'_>) -> Result<(), SetError> {
    if let Some(verb) = wish.word("state") {
        outgoing.plain("command_topic", payload(config, OPEN_CLOSE, verb))?;
    }
    let bound = |key, default| config.number_or(key, default);
    let (open, closed) = (bound("position_open", 100.0), bound("position_closed", 0.0));
    let (tilt_min, tilt_max) = (bound("tilt_min", 0.0), bound("tilt_max", 100.0));
    let names = |name, percent| {
        vec![
            (name, whole_or_float(percent)),
            ("position_open", whole_or_float(open)),
            ("position_closed", whole_or_float(closed)),
            ("tilt_min", whole_or_float(tilt_min)),
            ("tilt_max", whole_or_float(tilt_max)),
        ]
    };
    if let Some(percent) = wish.number("position") {
        let value = Py::Int(ranged(closed + 1.0, open, percent).round_ties_even() as i128);
        outgoing.rendered(
            "set_position_topic",
            "set_position_template",
            value,
            names("position", percent),
        )?;
    }
    if let Some(percent) = wish.number("tilt_position") {
        let value = Py::Int(ranged(tilt_min + 1.0, tilt_max, percent).round_ties_even() as i128);
        outgoing.rendered(
            "tilt_command_topic",
            "tilt_command_template",
            value,
            names("tilt_position", percent),
        )?;
    }
    Ok(())
}

fn valve(config: Config<'_>, wish: &Wish, outgoing: &mut Outgoing<'_>) -> Result<(), SetError> {
    let by_position = config.flag("reports_position", false);
    let percent = match wish.word("state") {
        Some("open") if by_position => Some(100.0),
        Some("close") if by_position => Some(0.0),
        Some(verb) => {
            let payload = Py::Str(payload(config, OPEN_CLOSE, verb));
            outgoing.value("command_topic", "command_template", payload)?;
            None
        }
        None => None,
    };
    if let Some(percent) = wish.number("position").or(percent) {
        let (open, closed) =
            (config.number_or("position_open", 100.0), config.number_or("position_closed", 0.0));
        let value = Py::Int(ranged(closed + 1.0, open, percent).round_ties_even() as i128);
        let names = vec![
            ("position", whole_or_float(percent)),
            ("position_open", whole_or_float(open)),
            ("position_closed", whole_or_float(closed)),
        ];
        outgoing.rendered("command_topic", "command_template", value, names)?;
    }
    Ok(())
}

/// One of the payloads of `verbs`, with the code that a person typed, if any.
fn coded(
    config: Config<'_>,
    wish: &Wish,
    verbs: &[(&str, &str, &str)],
    outgoing: &mut Outgoing<'_>,
) -> Result<(), SetError> {
    let Some(verb) = wish.word("state") else { return Ok(()) };
    let payload = Py::Str(payload(config, verbs, verb));
    outgoing.rendered("command_topic", "command_template", payload, vec![("code", code(wish))])
}

fn alarm(config: Config<'_>, wish: &Wish, outgoing: &mut Outgoing<'_>) -> Result<(), SetError> {
    if !config.has("command_template") {
        return coded(config, wish, ALARM, outgoing);
    }
    let Some(verb) = wish.word("state") else { return Ok(()) };
    let names = vec![("action", Py::Str(payload(config, ALARM, verb))), ("code", code(wish))];
    outgoing.rendered("command_topic", "command_template", Py::None, names)
}

fn code(wish: &Wish) -> Py {
    wish.word("code").map_or(Py::None, |code| Py::Str(code.to_owned()))
}

fn mower(wish: &Wish, outgoing: &mut Outgoing<'_>) -> Result<(), SetError> {
    let verb = wish.word("state").unwrap_or_default();
    let verbs = MOWER_VERBS.iter().zip(MOWER_TEMPLATES);
    match verbs.into_iter().find(|((_, found), _)| *found == verb) {
        Some(((topic, _), template)) => outgoing.value(topic, template, Py::Str(verb.to_owned())),
        None => Ok(()),
    }
}

fn vacuum(config: Config<'_>, wish: &Wish, outgoing: &mut Outgoing<'_>) -> Result<(), SetError> {
    if let Some(verb) = wish.word("state") {
        outgoing.plain("command_topic", payload(config, VACUUM, verb))?;
    }
    if let Some(speed) = wish.word("fan_speed") {
        outgoing.plain("set_fan_speed_topic", speed.to_owned())?;
    }
    if let Some(command) = wish.word("command") {
        outgoing.plain("send_command_topic", command.to_owned())?;
    }
    Ok(())
}

fn pressed(
    wish: &Wish,
    field: &str,
    payload: String,
    template: &'static str,
    outgoing: &mut Outgoing<'_>,
) -> Result<(), SetError> {
    match wish.flag(field) {
        Some(true) => outgoing.value("command_topic", template, Py::Str(payload)),
        _ => Ok(()),
    }
}

/// What the configuration, or Home Assistant, has for `verb`.
fn payload(config: Config<'_>, verbs: &[(&str, &str, &str)], verb: &str) -> String {
    let found = verbs.iter().find(|(found, ..)| *found == verb);
    found.map_or_else(|| verb.to_owned(), |(_, key, default)| config.text_or(key, default))
}

/// The number of `low` to `high` that `percent` stands for; 0 % lies one below `low`.
fn ranged(low: f64, high: f64, percent: f64) -> f64 {
    percent * (high - low + 1.0) / 100.0 + (low - 1.0)
}

const SIMPLE: &[Row] = &[
    ("value", "command_topic", "command_template"),
    ("option", "command_topic", "command_template"),
    ("message", "command_topic", "command_template"),
];

const HUMIDIFIER: &[Row] = &[
    ("humidity", "target_humidity_command_topic", "target_humidity_command_template"),
    ("mode", "mode_command_topic", "mode_command_template"),
];

const CLIMATE: &[Row] = &[
    ("hvac_mode", "mode_command_topic", "mode_command_template"),
    ("temperature", "temperature_command_topic", "temperature_command_template"),
    ("target_temp_low", "temperature_low_command_topic", "temperature_low_command_template"),
    ("target_temp_high", "temperature_high_command_topic", "temperature_high_command_template"),
    ("humidity", "target_humidity_command_topic", "target_humidity_command_template"),
    ("fan_mode", "fan_mode_command_topic", "fan_mode_command_template"),
    ("preset_mode", "preset_mode_command_topic", "preset_mode_command_template"),
    ("swing_mode", "swing_mode_command_topic", "swing_mode_command_template"),
    (
        "swing_horizontal_mode",
        "swing_horizontal_mode_command_topic",
        "swing_horizontal_mode_command_template",
    ),
];

const WATER_HEATER: &[Row] = &[
    ("operation_mode", "mode_command_topic", "mode_command_template"),
    ("temperature", "temperature_command_topic", "temperature_command_template"),
];

const FAN: &[Row] = &[
    ("preset_mode", "preset_mode_command_topic", "preset_mode_command_template"),
    ("direction", "direction_command_topic", "direction_command_template"),
];

/// A verb, the key of its payload, and Home Assistant's default for it.
const OPEN_CLOSE: &[(&str, &str, &str)] = &[
    ("open", "payload_open", "OPEN"),
    ("close", "payload_close", "CLOSE"),
    ("stop", "payload_stop", "STOP"),
];

const LOCK: &[(&str, &str, &str)] = &[
    ("lock", "payload_lock", "LOCK"),
    ("unlock", "payload_unlock", "UNLOCK"),
    ("open", "payload_open", "OPEN"),
];

const ALARM: &[(&str, &str, &str)] = &[
    ("disarm", "payload_disarm", "DISARM"),
    ("arm_home", "payload_arm_home", "ARM_HOME"),
    ("arm_away", "payload_arm_away", "ARM_AWAY"),
    ("arm_night", "payload_arm_night", "ARM_NIGHT"),
    ("arm_vacation", "payload_arm_vacation", "ARM_VACATION"),
    ("arm_custom_bypass", "payload_arm_custom_bypass", "ARM_CUSTOM_BYPASS"),
    ("trigger", "payload_trigger", "TRIGGER"),
];

const VACUUM: &[(&str, &str, &str)] = &[
    ("start", "payload_start", "start"),
    ("pause", "payload_pause", "pause"),
    ("stop", "payload_stop", "stop"),
    ("return_to_base", "payload_return_to_base", "return_to_base"),
    ("clean_spot", "payload_clean_spot", "clean_spot"),
    ("locate", "payload_locate", "locate"),
];

/// In the order of [`MOWER_VERBS`].
const MOWER_TEMPLATES: &[&str] = &[
    "start_mowing_command_template",
    "pause_command_template",
    "dock_command_template",
    "stop_command_template",
];
