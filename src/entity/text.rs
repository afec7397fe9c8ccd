//! The builder of texts.

use std::fmt;
use std::sync::Arc;

use regex_lite::Regex;

use super::check::{self, quoted};
use super::draft::{Draft, common_setters};
use super::problem::Problems;
use super::{Entity, EntityError, Kind, Platform};

/// Describes a text to be set. Nothing is checked before [`Text::build`].
///
/// ```
/// use luigi_mqtt::entity::{Command, Text};
///
/// let plate = Text::new("plate", "Plate").min(3).max(8).pattern("[A-Z0-9 ]+").build()?;
/// assert_eq!(plate.command(b"B AR 7")?, Command::Text("B AR 7".to_owned()));
/// assert_eq!(
///     plate.command(b"b").unwrap_err().to_string(),
///     "text \"plate\": expected a text of 3 to 8 characters that matches \"[A-Z0-9 ]+\", found \"b\"",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a description does nothing until it is built"]
pub struct Text {
    draft: Draft,
    min: u8,
    max: u8,
    mode: String,
    pattern: Option<String>,
}

impl Text {
    /// Any text of at most 255 characters.
    pub fn new(id: &str, name: &str) -> Text {
        let draft = Draft::new(id, name);
        Text { draft, min: 0, max: u8::MAX, mode: "text".to_owned(), pattern: None }
    }

    /// How many characters it has at least; none unless told otherwise.
    pub fn min(mut self, chars: u8) -> Text {
        self.min = chars;
        self
    }

    /// How many characters it has at most; 255, Home Assistant's own limit, unless told otherwise.
    pub fn max(mut self, chars: u8) -> Text {
        self.max = chars;
        self
    }

    /// How Home Assistant shows it: `text`, as it does unless told otherwise, or `password`, hidden while it is typed.
    pub fn mode(mut self, mode: &str) -> Text {
        self.mode = mode.to_owned();
        self
    }

    /// A regular expression that its beginning matches (end it with `$` where the whole is to). Home Assistant's
    /// interface and its core read it, in two dialects: what both understand, without look-around and
    /// back-references, and where `\d`, `\s` and `\w` are of ASCII.
    pub fn pattern(mut self, pattern: &str) -> Text {
        self.pattern = Some(pattern.to_owned());
        self
    }

    /// The text, checked.
    ///
    /// # Errors
    ///
    /// [`EntityError`] with everything that Home Assistant would refuse or complain of.
    pub fn build(self) -> Result<Entity, EntityError> {
        let Text { draft, min, max, mode, pattern } = self;
        let mut problems = draft.problems(Platform::Text);
        if min > max {
            problems.add("max", format!("at least min, {min}"), max);
        }
        let mode = check::one_of_known("mode", Some(&mode), MODES, &mut problems).unwrap_or_default();
        let pattern = pattern.and_then(|text| Pattern::new(text, &mut problems));
        draft.into_entity(Kind::Text { min, max, mode, pattern }, problems)
    }
}

common_setters!(Text, "text");

/// A regular expression that texts begin with.
#[derive(Clone)]
pub(super) struct Pattern {
    text: String,
    // Behind a pointer that only `Text::build` makes, so that a program without texts carries no regular expressions.
    matches: Arc<dyn Fn(&str) -> bool + Send + Sync>,
}

impl Pattern {
    fn new(text: String, problems: &mut Problems) -> Option<Pattern> {
        match (Regex::new(&text), Regex::new(&format!(r"\A(?:{text})"))) {
            (Ok(_), Ok(regex)) => Some(Pattern { text, matches: Arc::new(move |text| regex.is_match(text)) }),
            (Err(error), _) | (_, Err(error)) => {
                let found = format!("{} ({error})", quoted(&text));
                problems.add("pattern", "a regular expression without look-around", found);
                None
            }
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        (self.matches)(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

/// From `homeassistant/components/text/const.py`.
const MODES: &[&str] = &["text", PASSWORD];
pub(super) const PASSWORD: &str = "password";
