//! The announcer in front of a real bridge and a mock broker.

use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tempfile::TempDir;

use super::*;
use crate::client;
use crate::client::Core;
use crate::config::Environment;
use crate::entity::BinarySensor;
use crate::entity::Sensor;
use crate::mock::Broker;
use crate::mock::Faults;
use crate::mock::Refusal;
use crate::model::Health;
use crate::model::Reading;
use crate::model::Topic;
use crate::worker::Pulses;

/// An announcer with a ledger, and a bridge that runs on a thread until it is dropped.
struct Rig {
    broker: Broker,
    announcer: Announcer,
    folder: TempDir,
    running: Option<(Sender<Infallible>, JoinHandle<Core>)>,
}

impl Rig {
    fn start(faults: Faults) -> Rig {
        let (broker, folder) = (Broker::start(faults).unwrap(), tempfile::tempdir().unwrap());
        let config = config(&broker, "");
        let presence = client::presence(&config).unwrap();
        let (stop, stopped) = bounded(0);
        let mut core =
            Core::start(&config, presence.clone(), [], Health::default(), stopped, Pulses::default())
                .unwrap();
        let ledger = Ledger::open(folder.path(), "", presence.topics.node());
        let announcer = Announcer::new(core.handle(), Arc::new(config), Some(ledger), []);
        let running = thread::spawn(move || {
            core.run();
            core
        });
        Rig { broker, announcer, folder, running: Some((stop, running)) }
    }

    /// Has all of it announced as `sections` say, as a reload does.
    fn move_to(&mut self, sections: &str) {
        let (stop, running) = self.running.take().unwrap();
        drop(stop);
        let mut core = running.join().unwrap();
        let config = config(&self.broker, sections);
        let (stop, stopped) = bounded(0);
        let presence = client::presence(&config).unwrap().identified(self.announcer.device().identifier);
        core.renew(&config, presence, stopped, Duration::from_secs(30)).unwrap();
        let plan = self.announcer.moved();
        let (done, departed) = bounded(1);
        core.depart(plan.before, plan.after, done);
        self.announcer.settle(Some(departed));
        let running = thread::spawn(move || {
            core.run();
            core
        });
        self.running = Some((stop, running));
    }

    /// What the broker keeps on `topic`.
    fn retained(&self, topic: &str) -> String {
        let kept = self.broker.retained(&Topic::new(topic).unwrap());
        kept.map(|it| String::from_utf8_lossy(&it).into_owned()).unwrap_or_default()
    }

    /// How many entities the ledger on the card knows.
    fn known(&self) -> usize {
        let text = fs::read_to_string(self.folder.path().join("ledger.json")).unwrap_or_default();
        text.matches("\"unique_id\"").count()
    }

    /// What the broker keeps of the announcement of the sensor `id`.
    fn announcement(&self, id: &str) -> String {
        self.retained(&format!("homeassistant/sensor/luigi-pi/{id}/config"))
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.announcer.stop();
        if let Some((stop, running)) = self.running.take() {
            drop(stop);
            let _ = running.join();
        }
    }
}

fn config(broker: &Broker, sections: &str) -> Config {
    let text = format!("[Broker]\nHOST=127.0.0.1\nPORT={}\n{sections}", broker.address().port());
    Config::parse(text.as_bytes(), &Environment::new("pi", Path::new("/nowhere"))).unwrap()
}

fn sensor(id: &str, name: &str) -> Entity {
    Sensor::new(id, name).build().unwrap()
}

#[track_caller]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_id_belongs_to_whoever_has_announced_it_first_until_he_withdraws_it() {
    let rig = Rig::start(Faults::default());
    let (first, second) = ("Sensor attic", "descriptor attic.json");
    let id = ObjectId::new("attic").unwrap();
    rig.announcer.announce(first, &sensor("attic", "First"));
    rig.announcer.announce(second, &sensor("attic", "Second"));
    rig.announcer.withdraw(second, &id);
    rig.announcer.announce(second, &sensor("other", "Other"));
    wait_until("the other one", || rig.announcement("other").contains("Other"));
    assert!(rig.announcement("attic").contains("First"), "{}", rig.announcement("attic"));
    assert_eq!(rig.known(), 2);

    rig.announcer.withdraw(first, &id);
    rig.announcer.announce(second, &sensor("attic", "Second"));
    wait_until("the second", || rig.announcement("attic").contains("Second"));
}

#[test]
fn what_is_withdrawn_is_forgotten_as_soon_as_the_broker_has_taken_that_and_no_earlier() {
    let refusing = Faults { refuse: Some(Refusal::Unavailable), ..Faults::default() };
    let rig = Rig::start(refusing);
    for id in ["a", "b", "c"] {
        rig.announcer.announce("Sensor", &sensor(id, "Name"));
    }
    for id in ["a", "b"] {
        rig.announcer.withdraw("Sensor", &ObjectId::new(id).unwrap());
        assert_eq!(rig.known(), 3);
    }
    wait_until("an attempt to connect", || rig.broker.connect_count() > 0);
    assert_eq!(rig.known(), 3);
    rig.broker.set_faults(Faults::default());
    wait_until("two to be forgotten", || rig.known() == 1);
    // One that is withdrawn after the thread for those has ended has it start again.
    rig.announcer.withdraw("Sensor", &ObjectId::new("c").unwrap());
    wait_until("the third to be forgotten", || rig.known() == 0);
    assert_eq!(rig.announcement("c"), "");
}

#[test]
fn what_comes_together_is_noted_with_one_writing() {
    let rig = Rig::start(Faults::default());
    let watch = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    // A new file each time, and its move into place: the kernel makes one event of equal ones in a row.
    let flags = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
    watch.add_watch(rig.folder.path(), flags).unwrap();
    let members: Vec<_> =
        (0..50).map(|it| ("Sensor".to_owned(), sensor(&format!("s{it}"), "Name"))).collect();
    rig.announcer.announce_all(members.clone());
    assert_eq!(rig.known(), 50);
    rig.announcer.announce_all(members);
    let written = watch.read_events().unwrap();
    let moved = written.iter().filter(|it| it.mask.contains(AddWatchFlags::IN_MOVED_TO));
    assert_eq!(moved.count(), 1);
}

#[test]
fn what_moves_is_announced_where_it_is_now_removed_where_it_was_and_noted_so() {
    let mut rig = Rig::start(Faults::default());
    rig.announcer.announce("Sensor attic", &sensor("attic", "Attic"));
    rig.announcer.announce(PRODUCERS, &Sensor::new("hall", "Hall").availability(true).build().unwrap());
    rig.announcer.set_available(PRODUCERS, &ObjectId::new("hall").unwrap(), false);
    let state = |it: &Rig, id: &str| it.announcer.presence().topics.state(&ObjectId::new(id).unwrap());
    let (attic, hall) = (state(&rig, "attic"), state(&rig, "hall"));
    rig.announcer.0.handle.offer(Reading::new(ObjectId::new("attic").unwrap(), 21.5.into()));
    wait_until("the state", || rig.retained(attic.as_str()) == "21.5");
    wait_until("offline", || rig.retained(&format!("{hall}/availability")) == "offline");

    rig.move_to("[Client]\nCLIENT_ID=other\n[Topics]\nSTATE_TOPIC=house/pi\n");
    let announced = |id: &str| rig.retained(&format!("homeassistant/sensor/other/{id}/config"));
    wait_until("both, there", || announced("attic").contains("Attic") && announced("hall").contains("Hall"));
    wait_until("neither, here", || ["attic", "hall"].iter().all(|it| rig.announcement(it).is_empty()));
    wait_until("no state, here", || rig.retained(attic.as_str()).is_empty());
    wait_until("the state, there", || rig.retained("house/pi/attic") == "21.5");
    wait_until("offline, there", || rig.retained("house/pi/hall/availability") == "offline");
    let ledger = || fs::read_to_string(rig.folder.path().join("ledger.json")).unwrap();
    wait_until("the old places to be forgotten", || !ledger().contains(attic.as_str()));
    assert_eq!(rig.known(), 2, "{}", ledger());
}

#[test]
fn what_moves_again_before_the_broker_has_heard_of_it_is_forgotten_wherever_it_was() {
    let mut rig = Rig::start(Faults::default());
    rig.announcer.announce("Sensor attic", &sensor("attic", "Attic"));
    wait_until("the sensor", || rig.announcement("attic").contains("Attic"));
    for place in ["first", "second"] {
        rig.move_to(&format!("[Topics]\nDISCOVERY_PREFIX={place}\n"));
    }
    let at = |prefix: &str| rig.retained(&format!("{prefix}/sensor/luigi-pi/attic/config"));
    wait_until("the sensor, where it is now", || at("second").contains("Attic"));
    wait_until("nothing where it was", || at("homeassistant").is_empty() && at("first").is_empty());
    let ledger = || fs::read_to_string(rig.folder.path().join("ledger.json")).unwrap_or_default();
    wait_until("both former places to be forgotten", || {
        !["homeassistant/", "first/"].iter().any(|it| ledger().contains(it))
    });
}

#[test]
fn what_moves_there_and_back_before_the_broker_has_heard_of_it_stays_where_it_was() {
    let mut rig = Rig::start(Faults::default());
    rig.announcer.announce("Sensor attic", &sensor("attic", "Attic"));
    wait_until("the sensor", || rig.announcement("attic").contains("Attic"));
    rig.announcer.0.handle.offer(Reading::new(ObjectId::new("attic").unwrap(), 21.5.into()));
    let state = rig.announcer.presence().topics.state(&ObjectId::new("attic").unwrap());
    wait_until("its state", || rig.retained(state.as_str()) == "21.5");
    for sections in ["[Topics]\nDISCOVERY_PREFIX=there\nSTATE_TOPIC=house/pi\n", ""] {
        rig.move_to(sections);
    }
    let ledger = || fs::read_to_string(rig.folder.path().join("ledger.json")).unwrap_or_default();
    wait_until("the other place to be forgotten", || !ledger().contains("there/"));
    assert_eq!(rig.retained("there/sensor/luigi-pi/attic/config"), "");
    assert!(rig.announcement("attic").contains("Attic"), "{:?}", rig.announcement("attic"));
    assert_eq!(rig.retained(state.as_str()), "21.5");
}

#[test]
fn what_goes_or_becomes_something_else_on_its_way_elsewhere_leaves_home_assistants_registry_too() {
    let id = ObjectId::new("attic").unwrap();
    let motion = BinarySensor::new("attic", "Attic").build().unwrap();
    for leave in [
        Box::new(|rig: &Rig| rig.announcer.withdraw("Sensor attic", &id)) as Box<dyn Fn(&Rig)>,
        Box::new(|rig: &Rig| rig.announcer.announce("Sensor attic", &motion)),
    ] {
        let mut rig = Rig::start(Faults::default());
        rig.announcer.announce("Sensor attic", &sensor("attic", "Attic"));
        wait_until("the sensor", || rig.announcement("attic").contains("Attic"));
        let arriving = rig.broker.publishes(1_000);
        rig.broker.set_faults(Faults { refuse: Some(Refusal::Unavailable), ..Faults::default() });
        rig.broker.cut();
        rig.move_to("[Topics]\nDISCOVERY_PREFIX=there\n");
        leave(&rig);
        rig.broker.set_faults(Faults::default());
        let ledger = || fs::read_to_string(rig.folder.path().join("ledger.json")).unwrap_or_default();
        wait_until("the old place to be forgotten", || !ledger().contains("homeassistant/"));
        let old = arriving.try_iter().filter(|it| it.topic.as_str().starts_with("homeassistant/sensor/"));
        let told = old.map(|it| String::from_utf8(it.payload.to_vec()).unwrap());
        let told = told.skip_while(|it| !it.contains("migrate")).collect::<Vec<_>>();
        let is_loaded = |it: &String| it.contains("unique_id");
        assert_eq!(told.last().map(String::as_str), Some(""), "{told:?}");
        assert!(told.iter().any(is_loaded), "it is removed only where it is loaded: {told:?}");
        assert_eq!(rig.retained("there/sensor/luigi-pi/attic/config"), "");
    }
}

#[test]
fn what_moves_where_the_card_takes_nothing_leaves_its_old_place_all_the_same() {
    let mut rig = Rig::start(Faults::default());
    fs::create_dir(rig.folder.path().join("ledger.json")).unwrap();
    rig.announcer.announce("Sensor attic", &sensor("attic", "Attic"));
    wait_until("the sensor", || rig.announcement("attic").contains("Attic"));
    rig.move_to("[Topics]\nDISCOVERY_PREFIX=there\n");
    let there = || rig.retained("there/sensor/luigi-pi/attic/config");
    wait_until("the sensor, there", || there().contains("Attic"));
    wait_until("nothing, here", || rig.announcement("attic").is_empty());
}
