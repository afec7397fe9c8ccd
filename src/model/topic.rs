//! Topics, topic filters and how they match (MQTT 3.1.1, section 4.7).

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// A concrete topic: 1 to 65,535 bytes of UTF-8 without NUL and without the wildcards
/// `+` and `#`. Cheap to clone.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Topic(Arc<str>);

/// What to subscribe to: a topic that may have `+` for one whole level and `#` for all
/// that follow, as its last level. Cheap to clone.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TopicFilter(Arc<str>);

/// Why a text is no topic or no topic filter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TopicError {
    /// It is empty.
    Empty,
    /// It has more than 65,535 bytes.
    TooLong,
    /// It holds U+0000.
    Nul,
    /// A topic holds `+` or `#`.
    Wildcard,
    /// A filter has `+` beside other characters in a level, or `#` anywhere but as the last level.
    MisplacedWildcard,
}

impl Topic {
    /// The topic that `text` is.
    ///
    /// # Errors
    ///
    /// [`TopicError`], any but [`TopicError::MisplacedWildcard`].
    pub fn new(text: impl AsRef<str>) -> Result<Topic, TopicError> {
        let text = text.as_ref();
        check_length(text)?;
        if text.contains(['+', '#']) { Err(TopicError::Wildcard) } else { Ok(Topic(text.into())) }
    }

    /// This topic with `levels` (one level, or several with `/` between) below it.
    ///
    /// # Errors
    ///
    /// [`TopicError`] as for [`Topic::new`], of the whole.
    pub fn join(&self, levels: &str) -> Result<Topic, TopicError> {
        Topic::new(format!("{self}/{levels}"))
    }

    /// The topic's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TopicFilter {
    /// The filter that `text` is.
    ///
    /// # Errors
    ///
    /// [`TopicError`], any but [`TopicError::Wildcard`].
    pub fn new(text: impl AsRef<str>) -> Result<TopicFilter, TopicError> {
        let text = text.as_ref();
        check_length(text)?;
        let levels = text.split('/').count();
        let placed = text.split('/').enumerate().all(|(at, level)| match level {
            "+" => true,
            "#" => at + 1 == levels,
            level => !level.contains(['+', '#']),
        });
        if placed { Ok(TopicFilter(text.into())) } else { Err(TopicError::MisplacedWildcard) }
    }

    /// Whether a message on `topic` is for this filter: `sport/#` takes `sport` too, and a
    /// wildcard in the first level takes no topic that begins with `$`.
    pub fn matches(&self, topic: &str) -> bool {
        if topic.starts_with('$') && self.0.starts_with(['+', '#']) {
            return false;
        }
        let mut topic = topic.split('/');
        for level in self.0.split('/') {
            match (level, topic.next()) {
                ("#", _) => return true,
                ("+", Some(_)) => {}
                (level, Some(found)) if level == found => {}
                _ => return false,
            }
        }
        topic.next().is_none()
    }

    /// Whether it has a wildcard, so that it takes more than one topic.
    pub fn has_wildcards(&self) -> bool {
        self.0.contains(['+', '#'])
    }

    /// Whether every topic that `other` takes is one that this takes too.
    pub fn covers(&self, other: &TopicFilter) -> bool {
        if other.0.starts_with('$') && self.0.starts_with(['+', '#']) {
            return false;
        }
        let mut levels = other.0.split('/');
        for own in self.0.split('/') {
            match (own, levels.next()) {
                ("#", _) => return true,
                (_, Some("#")) => return false,
                ("+", Some(_)) => {}
                (own, Some(level)) if own == level => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }

    /// The filter's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Topic> for TopicFilter {
    fn from(topic: Topic) -> TopicFilter {
        TopicFilter(topic.0)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TopicError::Empty => "expected a topic, found nothing",
            TopicError::TooLong => "expected at most 65535 bytes",
            TopicError::Nul => "expected no NUL character",
            TopicError::Wildcard => "expected a topic without the wildcards + and #",
            TopicError::MisplacedWildcard => "expected + as a whole level and # as the whole last level",
        })
    }
}

impl Error for TopicError {}

fn check_length(text: &str) -> Result<(), TopicError> {
    match text.len() {
        0 => Err(TopicError::Empty),
        1..=MAX_BYTES if text.contains('\0') => Err(TopicError::Nul),
        1..=MAX_BYTES => Ok(()),
        _ => Err(TopicError::TooLong),
    }
}

/// The length prefix of a string on the wire has 16 bits (MQTT 3.1.1, section 1.5.3).
const MAX_BYTES: usize = 65_535;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mqtt_forbids_is_no_topic() {
        for (text, error) in [
            ("", TopicError::Empty),
            ("a/+", TopicError::Wildcard),
            ("a#", TopicError::Wildcard),
            ("a\0b", TopicError::Nul),
            (&"x".repeat(65_536), TopicError::TooLong),
        ] {
            assert_eq!(Topic::new(text), Err(error));
        }
        for text in ["/", "a//b", "$SYS/x", " ", &"x".repeat(65_535)] {
            assert_eq!(Topic::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_wildcard_stands_alone_in_its_level() {
        for text in ["a+", "a/b+/c", "#/a", "a/#/b", "a#", "##"] {
            assert_eq!(TopicFilter::new(text), Err(TopicError::MisplacedWildcard), "{text}");
        }
        for text in ["+", "#", "+/+", "a/+/b", "a/#", "/+"] {
            assert!(TopicFilter::new(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_filter_covers_another_where_each_topic_of_that_is_one_of_its_own() {
        for (filter, other, expected) in [
            ("#", "a/+/c/#", true),
            ("#", "#", true),
            ("#", "$SYS/#", false),
            ("+/#", "$SYS/a", false),
            ("$SYS/#", "$SYS/a", true),
            ("a/#", "a", true),
            ("a/#", "a/#", true),
            ("a/#", "+/b", false),
            ("a/+", "a/b", true),
            ("a/+", "a/+", true),
            ("a/+", "a/#", false),
            ("a/+", "a", false),
            ("a/+", "a/b/c", false),
            ("a/b", "a/+", false),
            ("+/b", "a/+", false),
            ("+/+/#", "a/b", true),
            ("+/+/#", "a/#", false),
        ] {
            let (covering, covered) = (TopicFilter::new(filter).unwrap(), TopicFilter::new(other).unwrap());
            assert_eq!(covering.covers(&covered), expected, "{filter} {other}");
        }
    }

    #[test]
    fn what_a_covered_filter_matches_its_cover_matches_too() {
        let levels = ["a", "b", "", "+", "#", "$a"];
        let mut chance = fastrand::Rng::with_seed(4);
        let mut text = |most: usize| {
            let count = chance.usize(1..=most);
            (0..count).map(|_| levels[chance.usize(..levels.len())]).collect::<Vec<_>>().join("/")
        };
        let mut covered = 0;
        for _ in 0..100_000 {
            let (Ok(filter), Ok(other)) = (TopicFilter::new(text(3)), TopicFilter::new(text(3))) else {
                continue;
            };
            let Ok(topic) = Topic::new(text(4)) else { continue };
            if filter.covers(&other) && other.matches(topic.as_str()) {
                assert!(filter.matches(topic.as_str()), "{filter} {other} {topic}");
                covered += 1;
            }
        }
        assert!(covered > 100, "{covered}");
    }

    #[test]
    fn filters_match_as_section_4_7_says() {
        for (filter, topic, expected) in [
            ("sport/#", "sport", true),
            ("sport/#", "sport/tennis/player1", true),
            ("sport/#", "sports", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("sport/+/player1", "sport/tennis/player1", true),
            ("sport/+/player1", "sport/tennis/x/player1", false),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "$SYS/uptime", false),
            ("+/uptime", "$SYS/uptime", false),
            ("$SYS/#", "$SYS/uptime", true),
            ("+/#", "a", true),
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a/b/c", "a/b", false),
        ] {
            assert_eq!(TopicFilter::new(filter).unwrap().matches(topic), expected, "{filter} {topic}");
        }
    }
}
