//! The identifier of an entity.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Identifies an entity on this device: 1 to 64 of `a-z A-Z 0-9 _ -`, Home Assistant's rule for
/// a level of a discovery topic (`homeassistant/components/mqtt/discovery.py`). Cheap to clone.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ObjectId(Arc<str>);

/// Why a text is no [`ObjectId`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IdError {
    /// The text that was refused.
    pub found: String,
}

impl ObjectId {
    /// The identifier that `text` is.
    ///
    /// # Errors
    ///
    /// [`IdError`] when it is empty, longer than 64 bytes or has another character.
    pub fn new(text: &str) -> Result<ObjectId, IdError> {
        let fits = (1..=MAX_BYTES).contains(&text.len()) && text.chars().all(is_legal);
        if fits { Ok(ObjectId(text.into())) } else { Err(IdError { found: text.to_owned() }) }
    }

    /// `text` with every character that an identifier may not have replaced by `_`, cut to 64:
    /// a host name such as `küche.lan` becomes `k_che_lan`. An empty text becomes `_`.
    pub fn sanitized(text: &str) -> ObjectId {
        let legal: String = text.chars().map(|c| if is_legal(c) { c } else { '_' }).take(MAX_BYTES).collect();
        ObjectId(if legal.is_empty() { "_".into() } else { legal.into() })
    }

    /// The identifier's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ObjectId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<ObjectId, IdError> {
        ObjectId::new(text)
    }
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected 1 to {MAX_BYTES} of a-z A-Z 0-9 _ -, found {:?}", self.found)
    }
}

impl Error for IdError {}

fn is_legal(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

const MAX_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_discovery_topic_may_carry_is_an_id() {
        for text in ["cpu_temperature", "A-1", &"x".repeat(64)] {
            assert_eq!(ObjectId::new(text).unwrap().as_str(), text);
        }
        for text in ["", "a b", "a/b", "ä", "a.b", "+", &"x".repeat(65)] {
            assert!(ObjectId::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn any_host_name_can_be_made_one() {
        for (text, id) in
            [("raspberrypi", "raspberrypi"), ("küche.lan", "k_che_lan"), ("my pi", "my_pi"), ("", "_")]
        {
            assert_eq!(ObjectId::sanitized(text).as_str(), id);
        }
    }
}
