//! An independent observer of what is published: `mosquitto_sub`, which shares no code with us.

use std::fmt;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::mosquitto::Mosquitto;
use super::process::Process;
use super::wait::{LIMIT, wait_until_or};

/// A message as it came from the broker.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Seen {
    /// The topic.
    pub(crate) topic: String,
    /// The payload, empty when a retained message was removed.
    pub(crate) payload: Vec<u8>,
    /// The QoS with which it was published.
    pub(crate) qos: u8,
    /// Whether it was published as retained.
    pub(crate) retained: bool,
}

/// A subscription that keeps all it is sent. It lasts as long as the broker: start another after a restart.
pub(crate) struct Observer {
    messages: Arc<Mutex<Vec<Seen>>>,
    _process: Process,
}

impl Observer {
    /// Subscribes to `filters`, and returns when all that is retained there has arrived.
    #[track_caller]
    pub(crate) fn start(mosquitto: &Mosquitto, filters: &[&str]) -> Observer {
        Observer::begin(mosquitto, filters, &[])
    }

    /// The same with a session of its own, which goes on after a restart of a broker that has stored it.
    #[track_caller]
    pub(crate) fn lasting(mosquitto: &Mosquitto, filters: &[&str]) -> Observer {
        Observer::begin(mosquitto, filters, &["-c", "-i", "lasting-observer", "-x", "3600"])
    }

    #[track_caller]
    fn begin(mosquitto: &Mosquitto, filters: &[&str], arguments: &[&str]) -> Observer {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let marker = format!("{MARKERS}/{}", COUNT.fetch_add(1, SeqCst));
        let mut command = mosquitto.client("mosquitto_sub");
        // Mosquitto 2.0.11 sends more at once than it was told to, and its own client takes that for an error.
        command.args(["-D", "CONNECT", "receive-maximum", "65535"]).args(arguments);
        command.args(["-q", "2", "--retain-as-published", "-F", r"%t\t%q\t%r\t%x"]);
        for filter in filters.iter().chain([&marker.as_str()]) {
            command.args(["-t", filter]);
        }
        let mut process = Process::start(command.stdin(Stdio::null()).stdout(Stdio::piped()));
        let messages = Arc::<Mutex<Vec<Seen>>>::default();
        let marked = Arc::new(AtomicBool::new(false));
        let (inbox, mark, own) = (Arc::clone(&messages), Arc::clone(&marked), marker.clone());
        Process::each_line(process.stdout(), move |line| {
            let seen = parse(&line);
            if seen.topic == own {
                mark.store(true, SeqCst);
            } else if !seen.topic.starts_with(MARKERS) {
                inbox.lock().unwrap().push(seen);
            }
        });
        // A message of our own that arrives shows that the subscription stands, and that all retained messages are
        // here: they were sent before it.
        let arrived = || {
            mosquitto.publish(&marker, "here?", false);
            marked.load(SeqCst)
        };
        wait_until_or("the observer's subscription", LIMIT, arrived, || mosquitto.log());
        Observer { messages, _process: process }
    }

    /// All messages so far, in the order of their arrival.
    pub(crate) fn messages(&self) -> Vec<Seen> {
        self.messages.lock().unwrap().clone()
    }

    /// The newest message on `topic`.
    pub(crate) fn latest(&self, topic: &str) -> Option<Seen> {
        self.messages.lock().unwrap().iter().rev().find(|it| it.topic == topic).cloned()
    }

    /// Forgets what has arrived so far.
    pub(crate) fn clear(&self) {
        self.messages.lock().unwrap().clear();
    }

    /// Waits until `condition` holds for all messages so far; the panic shows them.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, limit: Duration, condition: impl Fn(&[Seen]) -> bool) {
        wait_until_or(what, limit, || condition(&self.messages.lock().unwrap()), || self.messages());
    }

    /// Waits until the newest message on `topic` is `payload`.
    #[track_caller]
    pub(crate) fn wait_for_latest(&self, topic: &str, payload: &str) {
        let is_latest = |messages: &[Seen]| {
            messages.iter().rev().find(|it| it.topic == topic).is_some_and(|it| it.text() == payload)
        };
        self.wait_for(&format!("{payload:?} on {topic}"), LIMIT, is_latest);
    }
}

impl Seen {
    /// The payload as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let retained = if self.retained { ", retained" } else { "" };
        write!(f, "{} (QoS {}{retained}) = {:?}", self.topic, self.qos, self.text())
    }
}

/// Takes apart what the format of [`Observer::start`] puts together.
fn parse(line: &str) -> Seen {
    let [topic, qos, retained, payload] = line.split('\t').collect::<Vec<_>>()[..] else {
        panic!("mosquitto_sub wrote {line:?}");
    };
    let payload = payload.as_bytes().chunks(2);
    Seen {
        topic: topic.to_owned(),
        payload: payload
            .map(|it| u8::from_str_radix(std::str::from_utf8(it).unwrap(), 16).unwrap())
            .collect(),
        qos: qos.parse().unwrap(),
        retained: retained == "1",
    }
}

/// Below this topic observers find out that they are subscribed; no observer shows it.
const MARKERS: &str = "observer-is-subscribed";
