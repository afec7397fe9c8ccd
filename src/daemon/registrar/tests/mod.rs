//! The registrar in front of a real bridge and a mock broker, through restarts.

mod lifetimes;
mod rights;

use std::convert::Infallible;
use std::path::Path;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use serde_json::json;
use tempfile::TempDir;

use super::super::roster::Roster;
use super::super::start::depart;
use super::*;
use crate::bridge::Presence;
use crate::client;
use crate::client::Core;
use crate::config::Config;
use crate::config::Environment;
use crate::entity::Entity;
use crate::ledger::Ledger;
use crate::mock::Broker;
use crate::mock::Faults;
use crate::mock::Publish;
use crate::model::Health;
use crate::model::Topic;
use crate::worker::Pulses;

/// A broker, and the card of a machine.
struct Machine {
    broker: Broker,
    publishes: Receiver<Publish>,
    card: TempDir,
}

/// A daemon on the machine, as far as it matters here. It has a clock of its own.
struct Running<'m> {
    machine: &'m Machine,
    presence: Presence,
    announcer: Announcer,
    registrar: Option<Registrar>,
    rung: Receiver<()>,
    now: Instant,
    tickets: u64,
    bridge: Option<(Sender<Infallible>, JoinHandle<()>)>,
}

impl Machine {
    fn new() -> Machine {
        let broker = Broker::start(Faults::default()).unwrap();
        let publishes = broker.publishes(100_000);
        Machine { broker, publishes, card: tempfile::tempdir().unwrap() }
    }

    fn start(&self) -> Running<'_> {
        self.start_with("")
    }

    /// Starts as the daemon does, with these sections too.
    fn start_with(&self, sections: &str) -> Running<'_> {
        let config = self.config(sections);
        let mut presence = client::presence(&config).unwrap();
        let mut ledger = Ledger::open(self.card.path(), "", presence.topics.node());
        if let Some(identity) = ledger.identity() {
            presence = presence.identified(identity.clone());
        }
        let kept = Kept::open(self.card.path());
        let mut roster = Roster::gather(&config, &Health::default(), &presence.device).unwrap();
        roster.add_registered(kept.entities(&presence.device));
        let ((stop, stopped), health) = (bounded(0), Health::default());
        let entities: Vec<Entity> = roster.entities().cloned().collect();
        let mut core =
            Core::start(&config, presence.clone(), entities, health.clone(), stopped, Pulses::default())
                .unwrap();
        let wanted = roster.records(&presence);
        let departed = depart(&mut core, &mut ledger, &wanted, &config, &presence);
        let announcer = Announcer::new(core.handle(), Arc::new(config), Some(ledger), roster.members);
        announcer.settle(departed);
        let (ring, rung) = bounded(1);
        let client = Client::of(core.handle(), health);
        let now = Instant::now();
        let ring = move || {
            let _ = ring.try_send(());
        };
        let registrar = Some(Registrar::open(announcer.clone(), client, kept, ring, now));
        let bridge = Some((stop, thread::spawn(move || core.run())));
        Running { machine: self, presence, announcer, registrar, rung, now, tickets: 0, bridge }
    }

    fn config(&self, sections: &str) -> Config {
        let port = self.broker.address().port();
        let text = format!("[Broker]\nHOST=127.0.0.1\nPORT={port}\n[Host]\nENABLED=no\n{sections}");
        Config::parse(text.as_bytes(), &Environment::new("pi", Path::new("/nowhere"))).unwrap()
    }

    /// What the broker keeps on `topic`.
    fn retained(&self, topic: &Topic) -> String {
        String::from_utf8_lossy(&self.broker.retained(topic).unwrap_or_default()).into_owned()
    }

    /// All that was published since it was asked last: topic and payload.
    fn published(&self) -> Vec<(String, String)> {
        let text = |it: Publish| (it.topic.to_string(), String::from_utf8_lossy(&it.payload).into_owned());
        self.publishes.try_iter().map(text).collect()
    }
}

impl Running<'_> {
    fn register(&mut self, client: u64, description: &Json) -> Result<(), Failure> {
        self.ask(|it, ticket, now| it.register(&peer(client), fields(description), false, ticket, now))
    }

    fn register_for_good(&mut self, client: u64, description: &Json) -> Result<(), Failure> {
        self.ask(|it, ticket, now| it.register(&peer(client), fields(description), true, ticket, now))
    }

    fn unregister(&mut self, client: u64, id: &str) -> Result<(), Failure> {
        let id = ObjectId::new(id).unwrap();
        self.ask(|it, ticket, now| it.unregister(&peer(client), &id, ticket, now))
    }

    /// Asks, and waits for the answer.
    fn ask(
        &mut self,
        request: impl FnOnce(&mut Registrar, Ticket, Instant) -> Result<Progress, Failure>,
    ) -> Result<(), Failure> {
        self.tickets += 1;
        let (ticket, now) = (Ticket(self.tickets), self.now);
        match request(self.registrar(), ticket, now)? {
            Progress::Done => Ok(()),
            Progress::Begun => loop {
                let mut answers = self.registrar().answers().into_iter();
                if let Some((_, outcome)) = answers.find(|(it, _)| *it == ticket) {
                    return outcome;
                }
                self.rung.recv_timeout(LIMIT).unwrap();
            },
        }
    }

    fn leave(&mut self, client: u64) {
        let now = self.now;
        self.registrar().left(ClientId(client), now);
    }

    /// Lets `seconds` pass.
    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        if self.registrar().due().is_some_and(|it| it <= self.now) {
            let now = self.now;
            self.registrar().tick(now);
        }
    }

    fn registrar(&mut self) -> &mut Registrar {
        self.registrar.as_mut().unwrap()
    }

    fn config_of(&self, id: &str) -> String {
        self.machine.retained(&Topic::new(config_topic(id)).unwrap())
    }

    fn availability(&self, id: &str) -> String {
        self.machine.retained(&self.presence.topics.entity_availability(&ObjectId::new(id).unwrap()))
    }

    /// Waits until all that was asked of the bridge so far is with the broker.
    fn wait_told(&self) {
        let (tell, told) = bounded(1);
        self.announcer.when_announced(tell);
        told.recv_timeout(LIMIT).unwrap();
    }

    /// Whether the ledger on the card knows `id`.
    fn is_known(&self, id: &str) -> bool {
        let text = std::fs::read_to_string(self.machine.card.path().join("ledger.json")).unwrap_or_default();
        text.contains(&format!("\"entity\": \"{id}\""))
    }

    /// Waits until nothing of `id` is left anywhere.
    fn wait_removed(&self, id: &str) {
        wait_until("the removal", || self.config_of(id).is_empty() && self.availability(id).is_empty());
        wait_until("it to be forgotten", || !self.is_known(id));
    }
}

/// Ends like a process that is killed: nothing is said, nothing taken back.
impl Drop for Running<'_> {
    fn drop(&mut self) {
        drop(self.registrar.take());
        self.announcer.stop();
        if let Some((stop, bridge)) = self.bridge.take() {
            drop(stop);
            bridge.join().unwrap();
        }
    }
}

fn peer(client: u64) -> Peer {
    Peer { client: ClientId(client), pid: None, uid: 1000, gid: 1000 }
}

fn fields(description: &Json) -> &Map<String, Json> {
    description.as_object().unwrap()
}

fn sensor(id: &str, name: &str) -> Json {
    json!({"platform": "sensor", "id": id, "name": name})
}

fn config_topic(id: &str) -> String {
    format!("homeassistant/sensor/luigi-pi/{id}/config")
}

#[track_caller]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LIMIT, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[track_caller]
fn check_refused(outcome: Result<(), Failure>, code: Code, text: &str) {
    let failure = outcome.unwrap_err();
    assert_eq!((failure.code, failure.to_string()), (code, text.to_owned()));
}

/// More than any of this takes.
const LIMIT: Duration = Duration::from_secs(30);
