//! Starts by chance, cut off anywhere: whatever came before, the one that comes through leaves what is wanted and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::entity::Form;
use crate::model::Message;
use crate::model::Qos;

use super::super::Record;
use super::house::House;
use super::{Way, id, open, topic};

/// What the configuration says at one start, and what is there.
#[derive(Clone, Debug)]
struct Start {
    wanted: Vec<Record>,
    owners: BTreeSet<String>,
}

impl Start {
    fn by_chance(chance: &mut fastrand::Rng) -> Start {
        let way = Way {
            node: chance.choice(["pi", "attic"]).unwrap(),
            form: chance.choice([Form::Entity, Form::Device]).unwrap(),
            state: chance.choice(["s", "t"]).unwrap(),
            availability: chance.choice(["a", "b"]).unwrap(),
            ..Way::USUAL
        };
        let module = Way { node: "module", ..way.clone() };
        let mut start = Start { wanted: vec![], owners: BTreeSet::new() };
        for name in ["u", "v", "w", "x"] {
            let platform = if chance.u8(..8) == 0 { "binary_sensor" } else { "sensor" };
            let way = if name == "x" && chance.bool() { &module } else { &way };
            let record = way.record(platform, name);
            match chance.u8(..4) {
                0 => continue,
                1 => {} // Configured, and not there.
                _ => start.wanted.push(record.clone()),
            }
            start.owners.insert(record.owner);
        }
        start
    }

    fn has(&self, owner: &str) -> bool {
        self.owners.contains(owner)
    }
}

/// Plays `messages` in `house` until `left` of them are sent. Returns whether all were.
fn play(house: &mut House, messages: &[Message], left: &mut u32, chance: &mut fastrand::Rng) -> bool {
    for message in messages {
        if *left == 0 {
            return false;
        }
        *left -= 1;
        house.publish(message);
    }
    house.pause();
    if chance.u8(..8) == 0 {
        house.restart();
    }
    true
}

#[test]
fn whatever_is_cut_off_where_the_next_start_that_comes_through_leaves_no_ghost_and_loses_no_history() {
    let mut chance = fastrand::Rng::with_seed(5);
    for round in 0..CASES {
        let folder = tempfile::tempdir().unwrap();
        let mut house = House::default();
        // Of another module on this machine, which has the same node.
        let other = Message::retained(
            topic("ha/sensor/pi/other/config"),
            br#"{"unique_id":"other"}"#.as_slice(),
            Qos::AtLeastOnce,
        );
        house.publish(&other);
        house.pause();
        let mut histories: BTreeMap<(String, String), u32> = BTreeMap::new();
        let mut start = Start::by_chance(&mut chance);
        let mut story = Vec::new();
        for _ in 0..chance.u8(2..7) {
            if chance.bool() {
                start = Start::by_chance(&mut chance);
            }
            let mut left = if chance.bool() { chance.u32(..25) } else { u32::MAX };
            story.push((start.clone(), left));
            let mut ledger = open(folder.path());
            let plan = ledger.plan(&start.wanted, |it| start.has(&it.owner));
            let kept = |it: &&Record| {
                let is_wanted = start.wanted.iter().any(|wanted| wanted.entity == it.entity);
                !is_wanted && start.has(&it.owner)
            };
            let kept: Vec<Record> = ledger.records().filter(kept).cloned().collect();
            let staying: Vec<&Record> = start.wanted.iter().chain(&kept).collect();
            let registered: BTreeSet<_> = staying.iter().map(|it| it.registered()).collect();
            histories.retain(|(platform, unique_id), _| registered.contains(&(platform, unique_id)));
            ledger.intend(&id("pi"), &start.wanted).unwrap();
            let announced = House::announcements(&start.wanted);
            let mut groups = plan.before.iter().chain([&announced, &plan.after]);
            if !groups.all(|it| play(&mut house, it, &mut left, &mut chance)) {
                house.pause();
                continue; // The process ends here, and what it knew is what it has written.
            }
            ledger.settle(&start.wanted, |it| start.has(&it.owner)).unwrap();

            assert_eq!(house.lost, [""; 0], "{round}: {story:#?}\n{plan:#?}");
            for record in &start.wanted {
                assert!(house.has_loaded(record), "{round}: {record:?} of {story:#?}\n{plan:#?}");
            }
            let mut entries = house.registry.clone();
            assert!(entries.remove(&("sensor".to_owned(), "other".to_owned())) == Some(1), "{round}");
            for (entity, history) in entries {
                let is_ours = registered.contains(&(&*entity.0, &*entity.1));
                assert!(is_ours, "{round}: a ghost, {entity:?}: {story:#?}\n{plan:#?}");
                let before = *histories.entry(entity.clone()).or_insert(history);
                assert_eq!(before, history, "{round}: the history of {entity:?}: {story:#?}\n{plan:#?}");
            }
            for (platform, unique_id) in histories.keys() {
                let entity = (platform.clone(), unique_id.clone());
                assert!(house.registry.contains_key(&entity), "{round}: {entity:?} is lost: {story:#?}");
            }
            for topic in house.retained.keys().filter(|it| *it != other.topic.as_str()) {
                let uses = |it: &&Record| {
                    it.config.as_str() == topic || it.retained.iter().any(|it| it.as_str() == topic)
                };
                assert!(staying.iter().any(uses), "{round}: {topic} is nobody's: {story:#?}\n{plan:#?}");
            }
            let mut known: Vec<&Record> = ledger.records().collect();
            known.retain(|it| !staying.iter().any(|staying| staying.place() == it.place()));
            assert!(known.is_empty(), "{round}: {known:?}");
        }
    }
}

/// Some seconds' worth.
const CASES: u32 = 200;
