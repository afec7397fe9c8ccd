//! What joins and leaves by another configuration, in front of a real bridge and a mock broker.

use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam_channel::{Sender, bounded};
use tempfile::TempDir;

use super::*;
use crate::client;
use crate::client::Core;
use crate::config::Environment;
use crate::mock::Broker;
use crate::mock::Faults;
use crate::model::Topic;

/// The parts of a daemon that runs until it is dropped, on a machine of files.
struct Rig {
    broker: Broker,
    machine: TempDir,
    config: Arc<Config>,
    health: Health,
    announcer: Announcer,
    parts: Option<Parts>,
    bridge: Option<(Sender<Infallible>, JoinHandle<()>)>,
}

impl Rig {
    /// One with these files, whose configuration has these sections.
    fn start(files: &[(&str, &str)], sections: &str) -> Rig {
        let (broker, machine) = (Broker::start(Faults::default()).unwrap(), tempfile::tempdir().unwrap());
        for (path, text) in files {
            let path = machine.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let config = Arc::new(config(&broker, machine.path(), sections));
        let (health, presence) = (Health::default(), client::presence(&config).unwrap());
        let roster = Roster::gather(&config, &health, &presence.device).unwrap();
        let (stop, stopped) = bounded(0);
        let entities = roster.entities().cloned();
        let mut core =
            Core::start(&config, presence, entities, health.clone(), stopped, Pulses::default()).unwrap();
        let members = roster.members.iter().cloned();
        let announcer = Announcer::new(core.handle(), Arc::clone(&config), None, members);
        let around = Surroundings {
            handle: core.handle(),
            health: health.clone(),
            store: Store::nowhere(),
            announcer: announcer.clone(),
            troubles: Troubles::default(),
            pulses: Pulses::default(),
        };
        let parts = Some(Parts::start(roster, &config, around).unwrap());
        let bridge = Some((stop, thread::spawn(move || core.run())));
        Rig { broker, machine, config, health, announcer, parts, bridge }
    }

    /// Takes over other sections, as a reload does.
    fn change(&mut self, sections: &str) {
        let config = Arc::new(config(&self.broker, self.machine.path(), sections));
        let difference = Difference::between(&self.config, &config);
        let parts = self.parts.as_mut().unwrap();
        parts.leave(&config, &difference);
        self.announcer.configured(Arc::clone(&config));
        let roster = Roster::gather(&config, &self.health, &self.announcer.device()).unwrap();
        for (owner, entity) in self.announcer.members() {
            if difference.removed.contains(&owner) {
                self.announcer.withdraw(&owner, entity.id());
            }
        }
        let members = roster.members.into_iter().filter(|(owner, _)| difference.touches(owner));
        self.announcer.announce_all(members);
        parts.join(&config, &difference, roster.polled);
        self.config = config;
    }

    /// Waits until `text` is what the broker keeps of the state of `id`.
    #[track_caller]
    fn wait_told(&self, id: &str, text: &str) {
        let topic = Topic::new(format!("luigi/pi/{id}")).unwrap();
        let start = Instant::now();
        while self.broker.retained(&topic).is_none_or(|it| it != *text.as_bytes()) {
            let troubles = || self.parts.as_ref().map(|it| it.around.troubles.list());
            assert!(start.elapsed() < LIMIT, "waited in vain for {id} to be {text}: {:?}", troubles());
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait_read(&self, path: &str, text: &str) {
        let start = Instant::now();
        while self.read(path) != text {
            assert!(start.elapsed() < LIMIT, "waited in vain for {path} to be {text}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.machine.path().join(path), text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.machine.path().join(path)).unwrap().trim().to_owned()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.parts.take().into_iter().for_each(Parts::stop);
        self.announcer.stop();
        if let Some((stop, bridge)) = self.bridge.take() {
            drop(stop);
            bridge.join().unwrap();
        }
    }
}

fn config(broker: &Broker, machine: &Path, sections: &str) -> Config {
    let port = broker.address().port();
    let topics = "[Topics]\nSTATE_TOPIC=luigi/pi\n";
    let text = format!("[Broker]\nHOST=127.0.0.1\nPORT={port}\n[Host]\nENABLED=no\n{topics}{sections}");
    Config::parse(text.as_bytes(), &Environment::new("pi", machine)).unwrap()
}

fn sensor(id: &str) -> String {
    format!("[Sensor {id}]\nPATH=/data/{id}\nINTERVAL=1\nEXPIRE_AFTER=never\n")
}

#[test]
fn what_leaves_is_read_no_more_what_joins_is_and_what_stays_is_read_on() {
    let files = [("data/goes", "1"), ("data/stays", "2"), ("data/comes", "3")];
    let mut rig = Rig::start(&files, &(sensor("goes") + &sensor("stays")));
    rig.wait_told("goes", "1");
    rig.wait_told("stays", "2");
    rig.change(&(sensor("stays") + &sensor("comes")));
    rig.write("data/goes", "10");
    rig.wait_told("comes", "3");
    for value in ["4", "5"] {
        rig.write("data/comes", value);
        rig.write("data/stays", value);
        rig.wait_told("comes", value);
        rig.wait_told("stays", value);
    }
    assert_eq!(rig.health.dropped(), 0, "nothing is told of what is gone");
}

#[test]
fn an_output_that_leaves_is_in_its_safe_state_and_the_others_are_not_moved() {
    let lamp = "[Switch lamp]\nPATH=/data/lamp\nINITIAL_STATE=on\nSAFE_STATE=off\n";
    let relay = "[Switch relay]\nPATH=/data/relay\nINITIAL_STATE=on\nSAFE_STATE=off\n";
    let mut rig = Rig::start(&[("data/lamp", "0"), ("data/relay", "0")], &[lamp, relay].concat());
    rig.wait_told("lamp", "ON");
    rig.wait_told("relay", "ON");
    // By hand: who moves it again would write it.
    rig.write("data/relay", "0");
    rig.change(relay);
    assert_eq!((rig.read("data/lamp"), rig.read("data/relay")), ("0".to_owned(), "0".to_owned()));
    rig.change(&[lamp, relay].concat());
    // What the broker keeps of it may be from before.
    rig.wait_read("data/lamp", "1");
    assert_eq!(rig.read("data/relay"), "0");
    rig.write("data/relay", "1");
    rig.change("");
    assert_eq!((rig.read("data/lamp"), rig.read("data/relay")), ("0".to_owned(), "0".to_owned()));
}

/// More than any of this takes.
const LIMIT: Duration = Duration::from_secs(30);
