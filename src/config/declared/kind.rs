//! The kinds of sections that declare an entity.

/// What a section declares: the word before its id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::config) enum Kind {
    Sensor,
    BinarySensor,
    Switch,
    Button,
    Number,
    Select,
    Text,
    Light,
    Event,
}

impl Kind {
    /// All of them, in the order in which they are shown.
    pub(in crate::config) const ALL: [Kind; 9] = [
        Kind::Sensor,
        Kind::BinarySensor,
        Kind::Switch,
        Kind::Button,
        Kind::Number,
        Kind::Select,
        Kind::Text,
        Kind::Light,
        Kind::Event,
    ];

    /// As the heading of a section spells it.
    pub(in crate::config) fn as_str(self) -> &'static str {
        match self {
            Kind::Sensor => "Sensor",
            Kind::BinarySensor => "BinarySensor",
            Kind::Switch => "Switch",
            Kind::Button => "Button",
            Kind::Number => "Number",
            Kind::Select => "Select",
            Kind::Text => "Text",
            Kind::Light => "Light",
            Kind::Event => "Event",
        }
    }

    /// The kind that `word` is, whatever its case.
    pub(in crate::config) fn named(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|it| it.as_str().eq_ignore_ascii_case(word))
    }
}
