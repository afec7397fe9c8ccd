//! Lights: their builder, their colours, what they tell and what they are asked.

mod color;
mod command;
mod state;

pub use color::Color;
pub use command::LightCommand;
pub use state::LightState;

pub(super) use command::read as command;
pub(super) use state::{UNKNOWN, state_payload};

use super::check::{self, quoted};
use super::draft::{Draft, common_setters};
use super::problem::Problems;
use super::{Entity, EntityError, Kind, Platform};

/// Describes a light, by Home Assistant's JSON schema. Nothing is checked before [`Light::build`].
///
/// ```
/// use luigi_mqtt::entity::{Color, Command, Light, LightState};
///
/// let lamp = Light::new("lamp", "Lamp").color_modes(["color_temp", "rgb"]).kelvin(2700, 6500).build()?;
///
/// let Command::Light(command) = lamp.command(br#"{"state":"ON","color":{"r":255,"g":0,"b":0}}"#)? else {
///     unreachable!("a light takes a light's commands");
/// };
/// assert_eq!(command.color, Some(Color::Rgb([255, 0, 0])));
///
/// let mut state = LightState::on().brightness(128).color(Color::Temperature(3000));
/// state.apply(&command);
/// assert_eq!(
///     lamp.state_payload(&state.into())?,
///     r#"{"brightness":128,"color":{"b":0,"g":0,"r":255},"color_mode":"rgb","state":"ON"}"#,
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a description does nothing until it is built"]
pub struct Light {
    draft: Draft,
    color_modes: Vec<String>,
    brightness_scale: u32,
    kelvin: Option<(u32, u32)>,
    effects: Vec<String>,
    flash: bool,
    transition: bool,
}

impl Light {
    /// A light that is on or off and nothing else.
    pub fn new(id: &str, name: &str) -> Light {
        Light {
            draft: Draft::new(id, name),
            color_modes: vec![ON_OFF.to_owned()],
            brightness_scale: 255,
            kelvin: None,
            effects: Vec::new(),
            flash: false,
            transition: false,
        }
    }

    /// What can be set of it: `onoff` or `brightness` alone, or any of `color_temp`, `hs`, `rgb`, `rgbw`, `rgbww`,
    /// `white` and `xy`, each of which has a brightness too; `white` beside a colour only.
    pub fn color_modes<T: Into<String>>(mut self, modes: impl IntoIterator<Item = T>) -> Light {
        self.color_modes = modes.into_iter().map(T::into).collect();
        self
    }

    /// The brightness of the brightest light, at least 1; 255 unless told otherwise.
    pub fn brightness_scale(mut self, brightest: u32) -> Light {
        self.brightness_scale = brightest;
        self
    }

    /// Its warmest and its coldest colour temperature in kelvin, for the mode `color_temp`; 2000 and 6535, Home
    /// Assistant's own, unless told otherwise.
    pub fn kelvin(mut self, warmest: u32, coldest: u32) -> Light {
        self.kelvin = Some((warmest, coldest));
        self
    }

    /// The effects that it has; none unless told otherwise.
    pub fn effects<T: Into<String>>(mut self, effects: impl IntoIterator<Item = T>) -> Light {
        self.effects = effects.into_iter().map(T::into).collect();
        self
    }

    /// Whether it can flash. Not unless told so.
    pub fn flash(mut self, flash: bool) -> Light {
        self.flash = flash;
        self
    }

    /// Whether it can take its time from one state to the next. Not unless told so.
    pub fn transition(mut self, transition: bool) -> Light {
        self.transition = transition;
        self
    }

    /// The light, checked.
    ///
    /// # Errors
    ///
    /// [`EntityError`] with everything that Home Assistant would refuse or complain of.
    pub fn build(self) -> Result<Entity, EntityError> {
        let Light { draft, color_modes, brightness_scale, kelvin, effects, flash, transition } = self;
        let mut problems = draft.problems(Platform::Light);
        let modes = check_modes(&color_modes, &mut problems);
        if brightness_scale == 0 {
            problems.add("brightness_scale", "at least 1", brightness_scale);
        }
        check_kelvin(kelvin, &modes, &mut problems);
        if !effects.is_empty() {
            check::options("effect_list", &effects, &mut problems);
        }
        let kelvin = kelvin.unwrap_or(DEFAULT_KELVIN);
        let abilities = Abilities { modes, brightness_scale, kelvin, effects, flash, transition };
        draft.into_entity(Kind::Light(abilities), problems)
    }
}

common_setters!(Light, "light");

/// What a light can do.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Abilities {
    // Invariant, from `Light::build`: a combination that Home Assistant takes.
    pub(super) modes: Vec<&'static str>,
    pub(super) brightness_scale: u32,
    kelvin: (u32, u32),
    pub(super) effects: Vec<String>,
    pub(super) flash: bool,
    pub(super) transition: bool,
}

impl Abilities {
    pub(super) fn has_brightness(&self) -> bool {
        self.modes != [ON_OFF]
    }

    /// Whether it has more than a brightness.
    pub(super) fn has_colors(&self) -> bool {
        self.has_brightness() && self.modes != [BRIGHTNESS]
    }

    /// Its warmest and coldest colour temperature, where it has any.
    pub(super) fn kelvin(&self) -> Option<(u32, u32)> {
        self.modes.contains(&COLOR_TEMP).then_some(self.kelvin)
    }

    pub(super) fn has_white(&self) -> bool {
        self.modes.contains(&WHITE)
    }
}

/// Home Assistant's rules in `valid_supported_color_modes`, `homeassistant/components/light/helper.py`.
fn check_modes(found: &[String], problems: &mut Problems) -> Vec<&'static str> {
    const FIELD: &str = "supported_color_modes";
    let named = found.iter().filter_map(|mode| check::one_of_known(FIELD, Some(mode), MODES, problems));
    let modes: Vec<_> = named.collect();
    if found.is_empty() {
        problems.add(FIELD, "at least one", "none");
    }
    if let Some(again) = (1..modes.len()).find(|at| modes[..*at].contains(&modes[*at])) {
        problems.add(FIELD, "each one once", format!("{} again", quoted(modes[again])));
    }
    for alone in [ON_OFF, BRIGHTNESS] {
        if modes.contains(&alone) && modes.len() > 1 {
            problems.add(FIELD, format!("{alone} alone"), modes.join(", "));
        }
    }
    if modes.contains(&WHITE) && !modes.iter().any(|mode| COLORS.contains(mode)) {
        problems.add(FIELD, format!("{WHITE} beside one of {}", COLORS.join(", ")), modes.join(", "));
    }
    modes
}

fn check_kelvin(found: Option<(u32, u32)>, modes: &[&str], problems: &mut Problems) {
    let Some((warmest, coldest)) = found else { return };
    if !modes.contains(&COLOR_TEMP) {
        problems.add("min_kelvin", format!("none without the colour mode {COLOR_TEMP}"), warmest);
    }
    if warmest == 0 {
        problems.add("min_kelvin", "at least 1", warmest);
    }
    if coldest < warmest {
        problems.add("max_kelvin", format!("at least min_kelvin, {warmest}"), coldest);
    }
}

/// The names of colour modes, from `homeassistant/components/light/const.py`.
const MODES: &[&str] = &[ON_OFF, BRIGHTNESS, COLOR_TEMP, "hs", "rgb", "rgbw", "rgbww", WHITE, "xy"];
const COLORS: &[&str] = &["hs", "rgb", "rgbw", "rgbww", "xy"];
const ON_OFF: &str = "onoff";
const BRIGHTNESS: &str = "brightness";
const COLOR_TEMP: &str = "color_temp";
const WHITE: &str = "white";
/// `DEFAULT_MIN_KELVIN` and `DEFAULT_MAX_KELVIN` there.
const DEFAULT_KELVIN: (u32, u32) = (2000, 6535);
