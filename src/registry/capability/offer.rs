//! What can be asked of an entity.

use serde_json::{Map, Value};

/// One field that [`set`](super::set) takes for an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// The field's name: `brightness`.
    pub field: &'static str,
    /// Which values it takes.
    pub range: Range,
}

/// Which values a field takes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Range {
    /// One of these words.
    Options(Vec<String>),
    /// A number.
    Number {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
        /// The distance between two neighbours; 0 where any number will do.
        step: f64,
    },
    /// Text of so many characters.
    Text {
        /// The fewest.
        min: usize,
        /// The most.
        max: usize,
    },
    /// `true` or `false`.
    Flag,
    /// A list of so many numbers, or an object of them by the letters of the field's name: `[255, 0, 0]`,
    /// `{"r": 255, "g": 0, "b": 0}`.
    Color {
        /// How many numbers.
        channels: usize,
        /// The greatest of each.
        max: f64,
    },
}

/// Everything that an entity of `platform` with the discovery configuration `config` can be asked, in the order
/// in which a person would look for it. Nothing where it takes no commands.
pub fn offers(platform: &str, config: &Map<String, Value>) -> Vec<Offer> {
    let _ = (platform, config);
    Vec::new()
}
