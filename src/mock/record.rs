//! What can be seen of the mock broker from outside: [`Publish`], [`Connect`], [`Subscription`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Refusal;
use crate::model::Message;
use crate::model::Qos;
use crate::model::Secret;
use crate::model::Topic;
use crate::model::TopicFilter;

/// A message as it arrived from a client; a will arrives when its connection ends.
#[derive(Clone, Eq, PartialEq)]
pub struct Publish {
    /// The client identifier of its sender.
    pub client: String,
    /// Where to.
    pub topic: Topic,
    /// Any bytes.
    pub payload: Arc<[u8]>,
    /// As the sender asked.
    pub qos: Qos,
    /// Whether the sender wants it kept.
    pub retain: bool,
    /// Whether the sender says that it may have sent it before.
    pub dup: bool,
}

/// A CONNECT as it arrived.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Connect {
    /// The client identifier; one of the broker's making where the client gave none.
    pub client: String,
    /// The user name, if there is one.
    pub user_name: Option<String>,
    /// The password, if there is one.
    pub password: Option<Secret>,
    /// Whether the session ends with the connection.
    pub clean_session: bool,
    /// The longest silence the client promises, in whole seconds; zero is no promise.
    pub keep_alive: Duration,
    /// What to publish if the connection ends without DISCONNECT.
    pub will: Option<Message>,
    /// What the broker answered: `None` is "accepted".
    pub refusal: Option<Refusal>,
}

/// A subscription of a session, whether its client is connected or away.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subscription {
    /// The client identifier.
    pub client: String,
    /// To what.
    pub filter: TopicFilter,
    /// The QoS granted.
    pub qos: Qos,
}

/// One line for a person who watches: `[MOCK] topic = payload`. Control characters are escaped, bytes that are not
/// UTF-8 shown as U+FFFD, and a payload of more than 200 characters ends there with `…`.
pub fn line(publish: &Publish) -> String {
    format!("[MOCK] {} = {}", visible(publish.topic.as_str()), visible(&head(&publish.payload)))
}

impl Publish {
    pub(super) fn new(client: &str, message: &Message, dup: bool) -> Publish {
        Publish {
            client: client.to_owned(),
            topic: message.topic.clone(),
            payload: Arc::clone(&message.payload),
            qos: message.qos,
            retain: message.retain,
            dup,
        }
    }
}

/// The payload shows as in [`line()`]: a failed test is to be read by a person.
impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish")
            .field("client", &self.client)
            .field("topic", &self.topic.as_str())
            .field("payload", &head(&self.payload))
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("dup", &self.dup)
            .finish()
    }
}

/// The first [`MAX_CHARS`] characters of `payload`.
fn head(payload: &[u8]) -> String {
    // A character has 4 bytes at most: no need to decode a megabyte for one line.
    let head = String::from_utf8_lossy(&payload[..payload.len().min(4 * MAX_CHARS + 4)]);
    match head.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &head[..end]),
        None => head.into_owned(),
    }
}

/// `text` with its control characters escaped.
pub(super) fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { visible.extend(c.escape_default()) } else { visible.push(c) }
    }
    visible
}

const MAX_CHARS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(topic: &str, payload: &[u8], expected: &str) {
        let topic = Topic::new(topic).unwrap();
        assert_eq!(
            line(&Publish::new("pi", &Message::retained(topic, payload, Qos::AtLeastOnce), false)),
            expected
        );
    }

    #[test]
    fn a_line_shows_topic_and_payload() {
        check("luigi/pi/cpu", b"48.3", "[MOCK] luigi/pi/cpu = 48.3");
        check("a", b"", "[MOCK] a = ");
        check("küche", "21 °C".as_bytes(), "[MOCK] küche = 21 °C");
    }

    #[test]
    fn nothing_in_a_payload_breaks_the_line() {
        check("a\tb", b"x\r\ny\x1b[2J\x7f", r"[MOCK] a\tb = x\r\ny\u{1b}[2J\u{7f}");
        check("a", b"\xff\xfe", "[MOCK] a = \u{fffd}\u{fffd}");
    }

    #[test]
    fn a_long_payload_ends_after_200_characters() {
        check("a", "ü".repeat(200).as_bytes(), &format!("[MOCK] a = {}", "ü".repeat(200)));
        check("a", "ü".repeat(201).as_bytes(), &format!("[MOCK] a = {}…", "ü".repeat(200)));
        check("a", "😀".repeat(50_000).as_bytes(), &format!("[MOCK] a = {}…", "😀".repeat(200)));
    }
}
