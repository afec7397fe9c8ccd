//! Series of numbered messages, as `examples/sequence.rs` publishes them.

use super::ledger::Promise;

/// One series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Series {
    /// Where it is published: below `chaos/ours/`, the class and the QoS.
    pub(super) topic: &'static str,
    /// Its class, and its QoS.
    pub(super) class: &'static str,
    pub(super) qos: u8,
    /// What is promised of it.
    pub(super) promise: Promise,
}

/// What is published in each trial; there is one at QoS 2 for each of the two promises.
pub(super) const AT_MOST_ONCE: Series =
    Series { topic: "chaos/ours/every/0", class: "every", qos: 0, promise: Promise::Order };
/// The same where the publisher is killed: what it had let go of may be on the card still, and comes, or comes again.
pub(super) const AT_MOST_ONCE_A_LIFE: Series = Series { promise: Promise::Nothing, ..AT_MOST_ONCE };
pub(super) const AT_LEAST_ONCE: Series =
    Series { topic: "chaos/ours/every/1", class: "every", qos: 1, promise: Promise::All };
pub(super) const AT_QOS_2: Series =
    Series { topic: "chaos/ours/every/2", class: "every", qos: 2, promise: Promise::All };
pub(super) const EXACTLY_ONCE: Series = Series { promise: Promise::Once, ..AT_QOS_2 };
pub(super) const LATEST: Series =
    Series { topic: "chaos/ours/latest/1", class: "latest", qos: 1, promise: Promise::Newest };

/// In a session that goes on, what was not acknowledged is sent again (MQTT 3.1.1, section 4.4), old states too.
pub(super) const LATEST_OF_SESSION: Series = Series { promise: Promise::Last, ..LATEST };

/// What our own series are below.
pub(super) const OURS: &str = "chaos/ours/";
/// The series that another client publishes without any fault on the way: if one of these is missing, it is the
/// broker or the subscriber that has lost it.
pub(super) const CONTROL: &str = "chaos/control";

/// The payload of the message `number`, filled up to `length` bytes.
pub(super) fn payload(number: u64, length: usize) -> String {
    format!("{:.<length$}", format!("{number} "))
}

/// The number of the message that `payload` is.
///
/// # Errors
///
/// When it is not as [`payload`] makes it.
pub(super) fn number(text: &str, length: usize) -> Result<u64, String> {
    let number = text.split(' ').next().and_then(|it| it.parse().ok());
    number.filter(|it| payload(*it, length) == text).ok_or_else(|| format!("a payload has become {text:?}"))
}
