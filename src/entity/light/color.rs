//! The colours that a light can have.

use serde_json::{Map, Value as Json, json};

use super::super::refusal::{Refusal, quoted};
use super::Abilities;

/// What a light shines in. Which of them a light has, its colour modes say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Color {
    /// White of so many kelvin: 2700 is warm, 6500 cold.
    Temperature(u32),
    /// Hue, 0 to 360°, and saturation, 0 to 100 %.
    Hs(f64, f64),
    /// Red, green and blue.
    Rgb([u8; 3]),
    /// Red, green, blue and white.
    Rgbw([u8; 4]),
    /// Red, green, blue, cold white and warm white.
    Rgbww([u8; 5]),
    /// The light's own white, which has a brightness only.
    White,
    /// The coordinates of the CIE 1931 colour space, 0 to 1 each.
    Xy(f64, f64),
}

impl Color {
    /// The colour mode of a light that has such colours.
    pub fn mode(&self) -> &'static str {
        match self {
            Color::Temperature(_) => super::COLOR_TEMP,
            Color::Hs(..) => "hs",
            Color::Rgb(_) => "rgb",
            Color::Rgbw(_) => "rgbw",
            Color::Rgbww(_) => "rgbww",
            Color::White => super::WHITE,
            Color::Xy(..) => "xy",
        }
    }

    /// Adds the keys that tell it as a state.
    pub(super) fn write(&self, object: &mut Map<String, Json>) {
        object.insert("color_mode".to_owned(), self.mode().into());
        let color = match *self {
            Color::Temperature(kelvin) => {
                object.insert("color_temp".to_owned(), kelvin.into());
                return;
            }
            Color::White => return,
            Color::Hs(h, s) => json!({"h": h, "s": s}),
            Color::Rgb([r, g, b]) => json!({"r": r, "g": g, "b": b}),
            Color::Rgbw([r, g, b, w]) => json!({"r": r, "g": g, "b": b, "w": w}),
            Color::Rgbww([r, g, b, c, w]) => json!({"r": r, "g": g, "b": b, "c": c, "w": w}),
            Color::Xy(x, y) => json!({"x": x, "y": y}),
        };
        object.insert("color".to_owned(), color);
    }

    /// The colour that the keys `color_temp` and `color` of `object` tell, if there are any, which a light of these
    /// `abilities` can have.
    pub(super) fn read(object: &Map<String, Json>, abilities: &Abilities) -> Result<Option<Color>, Refusal> {
        let color = match (object.get("color_temp"), object.get("color")) {
            (None, None) => return Ok(None),
            (Some(temperature), None) => kelvin(temperature, abilities)?,
            (None, Some(color)) => Color::of_components(color)?,
            (Some(_), Some(_)) => return Err(Refusal::new("color or color_temp", "both")),
        };
        if abilities.modes.contains(&color.mode()) {
            Ok(Some(color))
        } else {
            let modes = abilities.modes.join(", ");
            Err(Refusal::new(format!("a colour of the modes {modes}"), format!("one of {}", color.mode())))
        }
    }

    fn of_components(color: &Json) -> Result<Color, Refusal> {
        let refusal =
            || Refusal::new("a colour of r g b, r g b w, r g b c w, h s or x y", quoted(&color.to_string()));
        let components = color.as_object().ok_or_else(refusal)?;
        let byte = |key| components.get(key)?.as_u64()?.try_into().ok();
        let number = |key, max| components.get(key)?.as_f64().filter(|it| (0.0..=max).contains(it));
        let read = || match components.len() {
            2 if components.contains_key("h") => Some(Color::Hs(number("h", 360.0)?, number("s", 100.0)?)),
            2 => Some(Color::Xy(number("x", 1.0)?, number("y", 1.0)?)),
            3 => Some(Color::Rgb([byte("r")?, byte("g")?, byte("b")?])),
            4 => Some(Color::Rgbw([byte("r")?, byte("g")?, byte("b")?, byte("w")?])),
            5 => Some(Color::Rgbww([byte("r")?, byte("g")?, byte("b")?, byte("c")?, byte("w")?])),
            _ => None,
        };
        read().ok_or_else(refusal)
    }
}

fn kelvin(found: &Json, abilities: &Abilities) -> Result<Color, Refusal> {
    let Some((warmest, coldest)) = abilities.kelvin() else {
        return Err(Refusal::new(
            "no color_temp, for the light has no such mode",
            quoted(&found.to_string()),
        ));
    };
    let kelvin = found.as_u64().and_then(|it| u32::try_from(it).ok());
    kelvin.filter(|it| (warmest..=coldest).contains(it)).map(Color::Temperature).ok_or_else(|| {
        Refusal::new(format!("color_temp from {warmest} to {coldest} kelvin"), quoted(&found.to_string()))
    })
}
