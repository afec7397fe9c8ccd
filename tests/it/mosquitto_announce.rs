//! A device in one message, and what an earlier run announced, with a real broker and through lost connections.

use std::convert::Infallible;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use luigi_mqtt::bridge;
use luigi_mqtt::bridge::Bridge;
use luigi_mqtt::bridge::Handle;
use luigi_mqtt::bridge::Presence;
use luigi_mqtt::client::link_options;
use luigi_mqtt::client::presence;
use luigi_mqtt::entity::Form;
use luigi_mqtt::entity::Sensor;
use luigi_mqtt::link::Link;
use luigi_mqtt::model::Health;
use luigi_mqtt::model::Message;
use luigi_mqtt::model::ObjectId;
use luigi_mqtt::model::Qos;
use luigi_mqtt::model::Topic;

use crate::support::LIMIT;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Relay;
use crate::support::STATES;
use crate::support::Seen;
use crate::support::porch;

/// A bridge at work, with a sensor `attic` of a device that is announced in one message.
struct Porch {
    handle: Handle,
    stop: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Porch {
    fn start(port: u16, prepare: impl FnOnce(&mut Bridge)) -> Porch {
        let mut config = porch(port);
        (config.client.reconnect_delay, config.client.reconnect_delay_max) = (QUICK, QUICK);
        let presence = Presence { form: Form::Device, ..presence(&config).unwrap() };
        let options = link_options(&config, &presence);
        let ((reports, reported), (stop, stopped)) = (bounded(64), bounded(0));
        let (window, spool) = (config.client.max_in_flight, config.spool.clone());
        let (mut bridge, mut inbox, handle) =
            bridge::new(presence, window, spool, Health::default(), stopped, reported);
        bridge.register(Sensor::new("attic", "Attic").build().unwrap()).unwrap();
        prepare(&mut bridge);
        let link = Link::start(options, reports).unwrap();
        let thread = thread::spawn(move || {
            bridge.run(&inbox);
            bridge.finish(&mut inbox, LIMIT);
            drop(inbox);
            link.stop(LIMIT);
        });
        Porch { handle, stop: Some(stop), thread: Some(thread) }
    }

    /// Waits until all is announced.
    #[track_caller]
    fn wait_announced(&self) {
        let (done, heard) = bounded(1);
        self.handle.when_announced(done);
        heard.recv_timeout(LIMIT).expect("all is announced within the limit");
    }
}

impl Drop for Porch {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

fn message(topic: &str, payload: &str) -> Message {
    Message::retained(Topic::new(topic).unwrap(), payload.as_bytes(), Qos::AtLeastOnce)
}

/// Whether `message` is on `topic`, with a payload that begins so; nothing is for one that is empty.
fn is_on(message: &Seen, topic: &str, payload: &str) -> bool {
    let text = message.text();
    message.topic == topic && text.starts_with(payload) && text.is_empty() == payload.is_empty()
}

const QUICK: Duration = Duration::from_millis(50);
const DEVICE: &str = "homeassistant/device/porch-pi/config";
const REMOVED: &str = "homeassistant/sensor/old/gone/config";
const MIGRATED: &str = "homeassistant/sensor/old/attic/config";
const MIGRATE: &str = r#"{"migrate_discovery":true}"#;

#[test]
fn leave_is_taken_in_order_though_the_connection_is_lost_after_each_step() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    for topic in [REMOVED, MIGRATED] {
        mosquitto.publish(topic, "{}", true);
    }
    let relay = Relay::start(mosquitto.port());
    let observer = Observer::start(&mosquitto, &["homeassistant/#"]);
    observer.clear();
    let before = vec![vec![message(REMOVED, "")], vec![message(MIGRATED, MIGRATE)]];
    let (done, heard): (Sender<()>, Receiver<()>) = bounded(1);
    let porch = Porch::start(relay.port(), |it| it.depart(before, vec![message(MIGRATED, "")], done));
    let steps = [(REMOVED, ""), (MIGRATED, MIGRATE), (DEVICE, "{"), (MIGRATED, "")];
    for (topic, payload) in steps {
        let has_come = |it: &[Seen]| it.iter().any(|it| is_on(it, topic, payload));
        observer.wait_for(&format!("{topic} {payload}"), LIMIT, has_come);
        relay.cut();
        relay.mend();
    }
    heard.recv_timeout(LIMIT).expect("leave is taken within the limit");
    porch.wait_announced();
    let is_step = |it: &Seen| steps.iter().position(|(topic, payload)| is_on(it, topic, payload));
    let mut order: Vec<_> = observer.messages().iter().filter_map(is_step).collect();
    // Each may have come again after the connection was lost; none comes before the one that it follows.
    order.dedup();
    assert!(order.starts_with(&[0, 1, 2]), "{order:?}");
    let retained = mosquitto.retained("homeassistant/#");
    // It may be published once more while it is looked for.
    assert!(!retained.is_empty() && retained.iter().all(|it| it.topic == DEVICE), "{retained:?}");
}

#[test]
fn what_a_device_loses_is_told_once_and_what_is_left_is_retained() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let (pause, pauses) = bounded::<Receiver<Infallible>>(0);
    let porch = Porch::start(mosquitto.port(), |it| {
        it.between_events(Instant::now(), move |now| {
            let _ = pauses.try_recv().map(|until| until.recv());
            now + QUICK
        });
    });
    porch.wait_announced();
    let observer = Observer::start(&mosquitto, &["homeassistant/#"]);
    observer.clear();
    // The bridge stands still meanwhile and finds both at once, however long this thread waits for its turn in between.
    let (go_on, until) = bounded(0);
    pause.send_timeout(until, LIMIT).expect("the bridge stands still within the limit");
    for id in ["door", "wind"] {
        porch.handle.register(Sensor::new(id, "Name").build().unwrap()).unwrap();
    }
    drop(go_on);
    porch.wait_announced();
    porch.handle.unregister(ObjectId::new("door").unwrap());
    porch.wait_announced();
    let says = |seen: &Seen, id: &str| seen.text().contains(&format!(r#""{id}":{{"platform":"sensor","#));
    let removes = |seen: &Seen| seen.text().contains(r#""door":{"platform":"sensor"}"#);
    observer.wait_for("three announcements", LIMIT, |it| it.len() >= 3);
    let told: Vec<_> =
        observer.messages().iter().map(|it| (says(it, "door"), removes(it), says(it, "wind"))).collect();
    assert_eq!(told, [(true, false, true), (false, true, true), (false, false, true)]);
    for id in ["attic", "wind"] {
        porch.handle.unregister(ObjectId::new(id).unwrap());
    }
    porch.handle.unregister(ObjectId::new("wind").unwrap());
    porch.wait_announced();
    drop(porch);
    assert_eq!(mosquitto.retained("homeassistant/#"), []);
    assert_eq!(mosquitto.retained("luigi/#").len(), 1, "nothing but {STATES}/availability");
}
