//! Lights, in all three schemas.

use serde_json::{Value, json};

use super::Source;
use super::reads::{Reads, on_off, shown};
use crate::registry::capability::Fields;
use crate::registry::capability::Payload;
use crate::registry::capability::config::Config;
use crate::registry::capability::template::Py;

/// The sources of a light.
pub(super) fn sources(config: Config<'_>) -> Vec<Source> {
    match config.text("schema").as_deref() {
        Some("json") => Vec::from_iter(Source::at(
            config,
            "state_topic",
            "state",
            Reads::JsonLight(JsonLight::new(config)),
        )),
        Some("template") => template_sources(config),
        _ => basic_sources(config),
    }
}

fn basic_sources(config: Config<'_>) -> Vec<Source> {
    let mode_told = config.has("color_mode_state_topic");
    let brightness_told = config.has("brightness_state_topic");
    let color = |field, mode, channels: usize, whole| {
        let brightens = whole && !brightness_told;
        Reads::Color(Color { field, mode: (!mode_told).then_some(mode), channels, whole, brightens })
    };
    let scale = config.number_or("brightness_scale", 255.0);
    let rows = [
        ("state_topic", "state", "state_value_template", on_off(config)),
        (
            "brightness_state_topic",
            "brightness",
            "brightness_value_template",
            Reads::Brightness(Brightness { scale: Some(scale) }),
        ),
        ("color_mode_state_topic", "color_mode", "color_mode_value_template", color_modes()),
        (
            "color_temp_state_topic",
            "color_temp",
            "color_temp_value_template",
            Reads::ColorTemp { kelvin: config.flag("color_temp_kelvin", false), color_mode: !mode_told },
        ),
        ("hs_state_topic", "hs_color", "hs_value_template", color("hs_color", "hs", 2, false)),
        ("rgb_state_topic", "rgb_color", "rgb_value_template", color("rgb_color", "rgb", 3, true)),
        ("rgbw_state_topic", "rgbw_color", "rgbw_value_template", color("rgbw_color", "rgbw", 4, true)),
        ("rgbww_state_topic", "rgbww_color", "rgbww_value_template", color("rgbww_color", "rgbww", 5, true)),
        ("xy_state_topic", "xy_color", "xy_value_template", color("xy_color", "xy", 2, false)),
        ("effect_state_topic", "effect", "effect_value_template", Reads::Text),
    ];
    let sources = rows.into_iter().filter_map(|(topic, field, template, reads)| {
        Some(Source::at(config, topic, field, reads)?.with_template(config, template))
    });
    sources.collect()
}

/// One topic; each thing it tells has a template of its own. Colours come in three of them and are not followed:
/// they stay with Home Assistant.
fn template_sources(config: Config<'_>) -> Vec<Source> {
    let words = [("on", "on".into()), ("off", "off".into()), ("None", Value::Null)];
    let effects = config.list("effect_list").into_iter().map(|it| (it.clone(), it.into()));
    let rows = [
        (
            "state",
            "state_template",
            Reads::Choice(words.map(|(word, shown)| (word.to_owned(), shown)).into()),
        ),
        ("brightness", "brightness_template", Reads::Brightness(Brightness { scale: None })),
        (
            "color_temp",
            "color_temp_template",
            Reads::ColorTemp { kelvin: config.flag("color_temp_kelvin", false), color_mode: false },
        ),
        ("effect", "effect_template", Reads::Choice(effects.collect())),
    ];
    let rows = rows.into_iter().filter(|(_, template, _)| config.has(template));
    let sources = rows.filter_map(|(field, template, reads)| {
        Some(Source::at(config, "state_topic", field, reads)?.with_template(config, template))
    });
    sources.collect()
}

fn color_modes() -> Reads {
    Reads::Choice(COLOR_MODES.iter().map(|&mode| (mode.to_owned(), mode.into())).collect())
}

/// A brightness out of `scale`, or of 255 and taken as it is.
#[derive(Clone, Debug)]
pub(super) struct Brightness {
    scale: Option<f64>,
}

impl Brightness {
    pub(super) fn read(&self, text: &str, fields: &mut Fields) -> bool {
        let number = text.trim().parse::<f64>().ok().filter(|it| it.is_finite());
        match (number, self.scale) {
            (Some(0.0), _) => return false,
            (Some(it), Some(scale)) => {
                fields.put_known("brightness", shown((it / scale * 255.0).round_ties_even().min(255.0)));
            }
            (Some(it), None) if it.fract() == 0.0 => fields.put_known("brightness", shown(it)),
            _ => fields.put_raw("brightness", text),
        }
        true
    }
}

/// A colour as numbers with commas between.
#[derive(Clone, Debug)]
pub(super) struct Color {
    field: &'static str,
    /// The colour mode that the light is in then, unless it tells that itself.
    mode: Option<&'static str>,
    channels: usize,
    /// Channels of 0 to 255, not degrees and the like.
    whole: bool,
    /// The brightest channel is the brightness, and the colour is told without it.
    brightens: bool,
}

impl Color {
    pub(super) fn read(&self, text: &str, fields: &mut Fields) -> bool {
        let numbers: Option<Vec<f64>> = text.split(',').map(|it| it.trim().parse().ok()).collect();
        let numbers = numbers.filter(|it| it.len() == self.channels && it.iter().all(|it| it.is_finite()));
        let Some(mut numbers) = numbers.filter(|it| !self.whole || it.iter().all(|it| it.fract() == 0.0))
        else {
            fields.put_raw(self.field, text);
            return true;
        };
        if let Some(mode) = self.mode {
            fields.put_known("color_mode", mode);
        }
        if self.brightens {
            let brightest = numbers.iter().copied().fold(0.0, f64::max);
            if brightest == 0.0 {
                return false;
            }
            fields.put_known("brightness", shown(brightest));
            for channel in &mut numbers {
                *channel = (*channel / brightest * 255.0).round_ties_even().min(255.0);
            }
        }
        let shape = |it: f64| if self.whole { shown(it) } else { it.into() };
        fields.put_known(self.field, numbers.into_iter().map(shape).collect::<Vec<_>>());
        true
    }
}

/// A light that tells all in one JSON object.
#[derive(Clone, Debug)]
pub(super) struct JsonLight {
    modes: Vec<String>,
    scale: f64,
    kelvin: bool,
    /// Whether `on` is as good as `ON`.
    any_case: bool,
}

impl JsonLight {
    fn new(config: Config<'_>) -> JsonLight {
        JsonLight {
            modes: json_color_modes(config),
            scale: config.number_or("brightness_scale", 255.0),
            kelvin: config.flag("color_temp_kelvin", false),
            any_case: config.flag(ANY_CASE, false),
        }
    }

    pub(super) fn read(&self, payload: &Payload<'_>, fields: &mut Fields) -> bool {
        // Home Assistant takes nothing of a message without a state.
        let Some((json, state)) = payload.json().and_then(|json| Some((json, json.member("state")?))) else {
            return false;
        };
        let says = |told: &str, word: &str| told == word || self.any_case && told.eq_ignore_ascii_case(word);
        match state {
            Py::Str(state) if says(state, "ON") => fields.put_known("state", "on"),
            Py::Str(state) if says(state, "OFF") => fields.put_known("state", "off"),
            Py::None => fields.put_known("state", Value::Null),
            other => fields.put_raw("state", &other.print()),
        }
        let mode = json.member("color_mode").and_then(Py::as_str);
        if let Some(mode) = mode.filter(|mode| self.modes.iter().any(|it| it == mode)) {
            self.read_color(json, mode, fields);
        }
        let dimmable = self.modes.iter().any(|mode| mode != "onoff");
        let brightness =
            json.member("brightness").filter(|it| !matches!(it, Py::Str(_))).and_then(Py::as_f64);
        if let Some(brightness) = brightness.filter(|it| dimmable && *it != 0.0) {
            let brightness = (brightness * 255.0 / self.scale).round_ties_even().clamp(1.0, 255.0);
            fields.put_known("brightness", shown(brightness));
        }
        if let Some(effect) = json.member("effect").and_then(Py::value) {
            fields.put_known("effect", effect);
        }
        true
    }

    fn read_color(&self, json: &Py, mode: &str, fields: &mut Fields) {
        let color = json.member("color");
        let channel = |name: &char| color?.member(name.encode_utf8(&mut [0; 4]))?.as_f64();
        let told = match CHANNELS.iter().find(|(found, ..)| *found == mode) {
            Some((_, field, letters)) => {
                let whole = mode.starts_with("rgb");
                let shape = |it: f64| if whole { shown(it.trunc()) } else { json!(it) };
                match letters.chars().map(|letter| channel(&letter).map(shape)).collect::<Option<Vec<_>>>() {
                    Some(channels) => {
                        fields.put_known(field, channels);
                        true
                    }
                    None => false,
                }
            }
            None if mode == "color_temp" => {
                json.member("color_temp").is_some_and(|it| color_temp(&it.print(), self.kelvin, fields))
            }
            None => mode == "white",
        };
        if told {
            fields.put_known("color_mode", mode);
        }
    }
}

/// Takes the colour temperature `text`, in kelvin or else in mireds, into `fields` in kelvin.
pub(super) fn color_temp(text: &str, kelvin: bool, fields: &mut Fields) -> bool {
    if text == "None" {
        fields.put_known("color_temp", Value::Null);
        return true;
    }
    match text.trim().parse::<f64>().ok().filter(|it| it.is_finite() && *it > 0.0) {
        Some(it) => fields.put_known("color_temp", shown(if kelvin { it } else { (1e6 / it).floor() })),
        None => fields.put_raw("color_temp", text),
    }
    true
}

/// The colour modes of a light of the JSON schema.
pub(in super::super) fn json_color_modes(config: Config<'_>) -> Vec<String> {
    let modes = config.list("supported_color_modes");
    if !modes.is_empty() {
        return modes;
    }
    vec![if config.flag("brightness", false) { "brightness" } else { "onoff" }.to_owned()]
}

/// The modes with a colour of several channels: mode, field, and the letters of the channels in JSON.
pub(in super::super) const CHANNELS: &[(&str, &str, &str)] = &[
    ("hs", "hs_color", "hs"),
    ("rgb", "rgb_color", "rgb"),
    ("rgbw", "rgbw_color", "rgbw"),
    ("rgbww", "rgbww_color", "rgbcw"),
    ("xy", "xy_color", "xy"),
];

/// Not a key of Home Assistant's: says that a JSON light's state counts in small letters too. Home Assistant would
/// not take those; whoever announces nothing to it need not write as it wants.
pub(in super::super::super) const ANY_CASE: &str = "state_in_any_case";

const COLOR_MODES: &[&str] =
    &["unknown", "onoff", "brightness", "color_temp", "hs", "xy", "rgb", "rgbw", "rgbww", "white"];
