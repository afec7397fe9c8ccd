//! What arrives at the mock broker, as a scenario looks at it.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Publish;
use luigi_mqtt::model::Topic;

use super::wait::{LIMIT, wait_until_or};

/// Sees all that clients publish from its start on, wills included.
pub(crate) struct Witness {
    publishes: Receiver<Publish>,
    seen: RefCell<Vec<Publish>>,
}

impl Witness {
    /// Begins to look at `broker`.
    pub(crate) fn of(broker: &Broker) -> Witness {
        Witness { publishes: broker.publishes(CAPACITY), seen: RefCell::default() }
    }

    /// All messages so far, in the order of their arrival.
    pub(crate) fn publishes(&self) -> Vec<Publish> {
        self.seen.borrow_mut().extend(self.publishes.try_iter());
        self.seen.borrow().clone()
    }

    /// The same as `topic = payload`.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.publishes().iter().map(line).collect()
    }

    /// The payloads on `topic` so far.
    pub(crate) fn on(&self, topic: &str) -> Vec<String> {
        self.publishes().iter().filter(|it| it.topic.as_str() == topic).map(payload).collect()
    }

    /// How many discovery payloads there were so far.
    pub(crate) fn announcements(&self) -> usize {
        self.publishes().iter().filter(|it| it.topic.as_str().ends_with("/config")).count()
    }

    /// Forgets what has arrived so far.
    pub(crate) fn clear(&self) {
        self.publishes();
        self.seen.borrow_mut().clear();
    }

    /// Waits until `condition` holds for all messages so far; the panic shows them.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, condition: impl Fn(&[Publish]) -> bool) {
        wait_until_or(what, LIMIT, || condition(&self.publishes()), || self.lines());
    }

    /// Waits for `payload` on `topic`.
    #[track_caller]
    pub(crate) fn wait_for_line(&self, topic: &str, payload: &str) {
        self.wait_for_lines(topic, payload, 1);
    }

    /// Waits until `payload` has come `times` times on `topic`.
    #[track_caller]
    pub(crate) fn wait_for_lines(&self, topic: &str, payload: &str, times: usize) {
        let expected = format!("{topic} = {payload}");
        let count = |it: &[Publish]| it.iter().filter(|it| line(it) == expected).count();
        self.wait_for(&format!("{expected} ({times}×)"), |publishes| count(publishes) >= times);
    }

    /// The next message that arrives, and when it did. Not to be mixed with the other methods.
    #[track_caller]
    pub(crate) fn next(&self) -> (Publish, Instant) {
        let publish = self.publishes.recv_timeout(LIMIT).expect("a message within the limit");
        (publish, Instant::now())
    }
}

/// `publish` as `topic = payload`.
pub(crate) fn line(publish: &Publish) -> String {
    format!("{} = {}", publish.topic, payload(publish))
}

/// The payload as text.
pub(crate) fn payload(publish: &Publish) -> String {
    String::from_utf8_lossy(&publish.payload).into_owned()
}

/// What `broker` has retained on `topic`, as text.
pub(crate) fn retained(broker: &Broker, topic: &str) -> Option<String> {
    let payload = broker.retained(&Topic::new(topic).unwrap())?;
    Some(String::from_utf8(payload).unwrap())
}

/// Waits until `broker` has `payload` retained on `topic`.
#[track_caller]
pub(crate) fn wait_for_retained(broker: &Broker, topic: &str, payload: Option<&str>) {
    let what = format!("{payload:?} retained on {topic}");
    wait_until_or(&what, LIMIT, || retained(broker, topic).as_deref() == payload, || retained(broker, topic));
}

/// Waits until `broker` has seen `count` CONNECTs, or more.
#[track_caller]
pub(crate) fn wait_for_connects(broker: &Broker, count: u64, limit: Duration) {
    wait_until_or(
        &format!("{count} CONNECTs"),
        limit,
        || broker.connect_count() >= count,
        || broker.connect_count(),
    );
}

/// More than any scenario has.
const CAPACITY: usize = 10_000;
