//! What makes a light shine, in all three schemas.

use super::outgoing::Outgoing;
use super::wish::{Wish, whole_or_float};
use crate::registry::capability::Fields;
use crate::registry::capability::SetError;
use crate::registry::capability::config::Config;
use crate::registry::capability::source::CHANNELS;
use crate::registry::capability::source::json_color_modes;
use crate::registry::capability::template::Py;
use crate::registry::capability::template::Style;
use crate::registry::capability::template::json;

/// Adds what `wish` asks of the light. Without a state, or with any but `off`, it is turned on; `off`, and a
/// brightness of 0, turn it off, whatever else is asked.
pub(super) fn send(
    config: Config<'_>,
    fields: &Fields,
    wish: &Wish,
    outgoing: &mut Outgoing<'_>,
) -> Result<(), SetError> {
    let on = wish.word("state") != Some("off") && wish.number("brightness") != Some(0.0);
    match config.text("schema").as_deref() {
        Some("json") => send_json(config, wish, on, outgoing),
        Some("template") => send_template(config, wish, on, outgoing),
        _ if on => turn_on(config, fields, wish, outgoing),
        _ => outgoing.plain("command_topic", config.text_or("payload_off", "OFF")),
    }
}

/// One object with everything, as the JSON schema wants it.
fn send_json(config: Config<'_>, wish: &Wish, on: bool, outgoing: &mut Outgoing<'_>) -> Result<(), SetError> {
    let mut members = vec![("state", Py::Str(if on { "ON" } else { "OFF" }.to_owned()))];
    let mut brightness = wish.number("brightness");
    if on {
        for (mode, field, letters) in CHANNELS {
            let Some(channels) = wish.color(field) else { continue };
            let whole = mode.starts_with("rgb");
            // A light that has no brightness of its own is dimmed by its colour.
            let level = if whole && !config.flag("brightness", false) { brightness.take() } else { None };
            let channels = channels.iter().map(|&it| match whole {
                true => Py::Int((it / 255.0 * level.unwrap_or(255.0)).round_ties_even() as i128),
                false => Py::Float(it),
            });
            let letters = letters.chars().map(|letter| Py::Str(letter.to_string()));
            members.push(("color", Py::Dict(letters.zip(channels).collect())));
        }
    }
    if let Some(transition) = wish.number("transition") {
        members.push(("transition", Py::Float(transition)));
    }
    if let Some(flash) = wish.word("flash") {
        let (key, default) =
            if flash == "long" { ("flash_time_long", 10.0) } else { ("flash_time_short", 2.0) };
        members.push(("flash", whole_or_float(config.number_or(key, default))));
    }
    if on {
        let dimmable = json_color_modes(config).iter().any(|mode| mode != "onoff");
        if let Some(level) = brightness.filter(|_| dimmable) {
            members.push(("brightness", scaled(level, config.number_or("brightness_scale", 255.0), false)));
        }
        if let Some(kelvin) = wish.number("color_temp") {
            members.push(("color_temp", color_temp(config, kelvin)));
        }
        if let Some(effect) = wish.word("effect") {
            members.push(("effect", Py::Str(effect.to_owned())));
        }
        if let Some(white) = wish.number("white") {
            members.push(("white", scaled(white, config.number_or("white_scale", 255.0), true)));
        }
    }
    let members = members.into_iter().map(|(name, value)| (Py::Str(name.to_owned()), value)).collect();
    let payload = json(&Py::Dict(members), Style::Compact).unwrap_or_default();
    outgoing.plain("command_topic", payload)
}

/// Each thing on its own topic, as the basic schema wants it.
fn turn_on(
    config: Config<'_>,
    fields: &Fields,
    wish: &Wish,
    outgoing: &mut Outgoing<'_>,
) -> Result<(), SetError> {
    let kind = config.text_or("on_command_type", "last");
    let known_brightness =
        fields.known("brightness").and_then(serde_json::Value::as_f64).filter(|it| *it > 0.0);
    let mut brightness = wish.number("brightness");
    let on = || config.text_or("payload_on", "ON");
    if kind == "first" {
        outgoing.plain("command_topic", on())?;
    } else if kind == "brightness" && brightness.is_none() && wish.number("white").is_none() {
        brightness = Some(known_brightness.unwrap_or(255.0));
    }
    let has_brightness_topic = config.has("brightness_command_topic");
    for keys in COLORS {
        if let Some(channels) = wish.color(keys.field) {
            let level = match (has_brightness_topic, brightness) {
                (true, _) => 255.0,
                (false, Some(level)) => level,
                (false, None) => known_brightness.unwrap_or(255.0),
            };
            keys.send(channels, level, outgoing)?;
        }
    }
    if let Some(level) = brightness {
        if has_brightness_topic {
            let value = scaled(level, config.number_or("brightness_scale", 255.0), true);
            outgoing.value("brightness_command_topic", "brightness_command_template", value)?;
        } else if let Some(keys) = COLORS.iter().find(|keys| keys.is_rgb() && config.has(keys.topic)) {
            // Dimmed by its colour; where a colour is asked for too, it has gone out above.
            if wish.color(keys.field).is_none() {
                let known = fields.known(keys.field).and_then(serde_json::Value::as_array);
                let known = known.and_then(|it| it.iter().map(serde_json::Value::as_f64).collect());
                let channels: Vec<f64> = known.unwrap_or_else(|| vec![255.0; keys.names.len()]);
                keys.send(&channels, level, outgoing)?;
            }
        }
    }
    if let Some(kelvin) = wish.number("color_temp") {
        let value = color_temp(config, kelvin);
        outgoing.value("color_temp_command_topic", "color_temp_command_template", value)?;
    }
    if let Some(effect) = wish.word("effect") {
        outgoing.value("effect_command_topic", "effect_command_template", Py::Str(effect.to_owned()))?;
    }
    if let Some(white) = wish.number("white") {
        let value = scaled(white, config.number_or("white_scale", 255.0), true);
        outgoing.plain("white_command_topic", value.print())?;
    }
    if kind == "last" {
        outgoing.plain("command_topic", on())?;
    }
    Ok(())
}

/// All that is asked, as names for one template.
fn send_template(
    config: Config<'_>,
    wish: &Wish,
    on: bool,
    outgoing: &mut Outgoing<'_>,
) -> Result<(), SetError> {
    let number = |field: &str| wish.number(field).filter(|_| on).map_or(Py::Undefined, whole_or_float);
    let word = |field: &str| wish.word(field).map_or(Py::Undefined, |it| Py::Str(it.to_owned()));
    let mut names = vec![
        ("state", Py::Bool(on)),
        ("brightness", number("brightness")),
        (
            "color_temp",
            wish.number("color_temp").filter(|_| on).map_or(Py::Undefined, |it| color_temp(config, it)),
        ),
        ("effect", if on { word("effect") } else { Py::Undefined }),
        ("flash", word("flash")),
        ("transition", wish.number("transition").map_or(Py::Undefined, Py::Float)),
    ];
    names.extend(["red", "green", "blue", "hue", "sat"].map(|name| (name, Py::Undefined)));
    let template = if on { "command_on_template" } else { "command_off_template" };
    outgoing.rendered("command_topic", template, Py::None, names)
}

/// How a colour is sent in the basic schema.
struct ColorKeys {
    field: &'static str,
    topic: &'static str,
    template: &'static str,
    /// What the template calls the channels.
    names: &'static [&'static str],
}

impl ColorKeys {
    /// Whether its channels are brighter and darker.
    fn is_rgb(&self) -> bool {
        self.names.len() > 2
    }

    fn send(&self, channels: &[f64], level: f64, outgoing: &mut Outgoing<'_>) -> Result<(), SetError> {
        let channels: Vec<_> = channels
            .iter()
            .map(|&it| if self.is_rgb() { Py::Int((it * level / 255.0) as i128) } else { Py::Float(it) })
            .collect();
        let text = channels.iter().map(Py::print).collect::<Vec<_>>().join(",");
        let names = self.names.iter().copied().zip(channels).collect();
        outgoing.rendered(self.topic, self.template, Py::Str(text), names)
    }
}

/// `level` of 0 to 255 as a whole number of 1 to `scale`.
fn scaled(level: f64, scale: f64, capped: bool) -> Py {
    // The same in the order in which Home Assistant computes each, for the last bit decides how a half is rounded.
    let value = if capped {
        (level / 255.0 * scale).round_ties_even()
    } else {
        (level * scale / 255.0).round_ties_even()
    };
    Py::Int(value.min(scale).max(1.0) as i128)
}

/// What the light understands for `kelvin`.
fn color_temp(config: Config<'_>, kelvin: f64) -> Py {
    let value = if config.flag("color_temp_kelvin", false) { kelvin } else { 1e6 / kelvin };
    Py::Int(value.floor() as i128)
}

/// In the order in which Home Assistant sends them.
const COLORS: &[ColorKeys] = &[
    ColorKeys {
        field: "hs_color",
        topic: "hs_command_topic",
        template: "hs_command_template",
        names: &["hue", "sat"],
    },
    ColorKeys {
        field: "rgb_color",
        topic: "rgb_command_topic",
        template: "rgb_command_template",
        names: &["red", "green", "blue"],
    },
    ColorKeys {
        field: "rgbw_color",
        topic: "rgbw_command_topic",
        template: "rgbw_command_template",
        names: &["red", "green", "blue", "white"],
    },
    ColorKeys {
        field: "rgbww_color",
        topic: "rgbww_command_topic",
        template: "rgbww_command_template",
        names: &["red", "green", "blue", "cold_white", "warm_white"],
    },
    ColorKeys {
        field: "xy_color",
        topic: "xy_command_topic",
        template: "xy_command_template",
        names: &["x", "y"],
    },
];
