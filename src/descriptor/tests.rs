//! Real folders, and the kernel's own word of what happens there.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, unbounded};
use tempfile::TempDir;

use super::*;

/// The folder of descriptors, the registry, and what was told of them.
struct Scene {
    root: TempDir,
    changes: Receiver<Change>,
    /// What stands by all that was told: owner, name of the entity, and its device, by id.
    standing: BTreeMap<String, (String, String, Device)>,
    /// What was told, in order: `+` and `-` with ids.
    told: Vec<String>,
    descriptors: Option<Descriptors>,
}

impl Scene {
    /// One that runs; `prepare` is called before.
    fn new(prepare: impl FnOnce(&Scene)) -> Scene {
        let (root, (tell, changes)) = (tempfile::tempdir().unwrap(), unbounded());
        let (standing, told) = (BTreeMap::new(), Vec::new());
        let mut scene = Scene { root, changes, standing, told, descriptors: None };
        prepare(&scene);
        let (folder, modules) = (scene.folder(), scene.modules());
        let tell = move |changes: Vec<_>| changes.into_iter().for_each(|it| tell.send(it).unwrap());
        scene.descriptors = Some(
            Descriptors::start(folder, modules, &parent(), Vec::new(), tell, &Pulses::default()).unwrap(),
        );
        scene
    }

    /// One that runs, with a folder that holds `attic.json`.
    #[track_caller]
    fn with_attic() -> Scene {
        let mut scene = Scene::new(|it| it.put("attic.json", &attic("Attic")));
        scene.wait_for(&["attic"]);
        scene
    }

    /// Two levels below what is there, so that both can be missing.
    fn folder(&self) -> PathBuf {
        self.root.path().join("luigi/sensors.d")
    }

    fn modules(&self) -> PathBuf {
        self.root.path().join("etc/modules")
    }

    fn put(&self, file: &str, text: &str) {
        fs::create_dir_all(self.folder()).unwrap();
        fs::write(self.folder().join(file), text).unwrap();
    }

    /// Notes the module of `attic.json` in the registry, and returns where.
    fn register(&self, version: &str) -> PathBuf {
        let file = self.modules().join("any__name.json");
        fs::create_dir_all(self.modules()).unwrap();
        let what =
            r#""module_path":"sensors/climate","name":"Climate","category":"sensors","installed_by":"x""#;
        fs::write(&file, format!(r#"{{{what},"version":"{version}"}}"#)).unwrap();
        file
    }

    /// Waits until `condition` holds for what stands.
    #[track_caller]
    fn wait_until(&mut self, condition: impl Fn(&BTreeMap<String, (String, String, Device)>) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !condition(&self.standing) {
            match self.changes.recv_deadline(deadline) {
                Ok(Change::Came { owner, entity }) => {
                    let device = Device::clone(entity.own_device().expect("the device of its module"));
                    self.told.push(format!("+{}", entity.id()));
                    let name = entity.name().to_owned();
                    self.standing.insert(entity.id().to_string(), (owner, name, device));
                }
                Ok(Change::Went { owner, entity }) => {
                    self.told.push(format!("-{entity}"));
                    let gone = self.standing.remove(entity.as_str()).expect("only what is there goes");
                    assert_eq!(gone.0, owner);
                }
                Err(_) => panic!("waited {LIMIT:?} in vain: {:#?}", self.standing),
            }
        }
    }

    /// Waits until the entities `ids` stand, and no others.
    #[track_caller]
    fn wait_for(&mut self, ids: &[&str]) {
        self.wait_until(|standing| standing.keys().eq(ids));
    }

    /// Waits until the entity `id` is called `name`.
    #[track_caller]
    fn wait_for_name(&mut self, id: &str, name: &str) {
        self.wait_until(|standing| standing.get(id).is_some_and(|it| it.1 == name));
    }

    /// Waits until all that was done so far has been looked at.
    #[track_caller]
    fn catch_up(&mut self) {
        self.put("zz-mark.json", &descriptor("mark", "Mark", "m"));
        self.wait_until(|standing| standing.contains_key("mark"));
        fs::remove_file(self.folder().join("zz-mark.json")).unwrap();
        self.wait_until(|standing| !standing.contains_key("mark"));
        self.told.retain(|it| !it.ends_with("mark"));
    }

    fn problems(&self) -> Vec<String> {
        let prefix = format!("{}/", self.root.path().display());
        let problems = read_all(&self.folder(), &self.modules(), &parent()).1;
        problems.into_iter().map(|it| it.replace(&prefix, "")).collect()
    }
}

fn parent() -> Device {
    Device {
        identifier: ObjectId::new("luigi-pi").unwrap(),
        name: "Pi".to_owned(),
        manufacturer: "Luigi Project".to_owned(),
        model: "Zero W".to_owned(),
        sw_version: "1".to_owned(),
        via: None,
    }
}

fn descriptor(id: &str, name: &str, module: &str) -> String {
    format!(r#"{{"sensor_id":"{id}","name":"{name}","module":"{module}"}}"#)
}

fn attic(name: &str) -> String {
    descriptor("attic", name, "climate")
}

#[test]
fn what_is_there_comes_at_once_and_what_is_put_there_later_comes_then() {
    let mut scene = Scene::with_attic();
    scene.put("hall.json", &descriptor("hall", "Hall", "motion-detection/mario"));
    scene.wait_for(&["attic", "hall"]);
    let (owner, _, device) = &scene.standing["hall"];
    assert_eq!(owner, "descriptor hall.json");
    assert_eq!(device.identifier.as_str(), "luigi-pi_motion-detection_mario");
    assert_eq!((device.name.as_str(), device.via.as_ref().unwrap().as_str()), ("mario", "luigi-pi"));
    for (owner, unreadable) in
        [(owner.as_str(), false), ("descriptor x.json", false), ("descriptor broken.json", true)]
    {
        fs::write(scene.folder().join("broken.json"), "{").unwrap();
        assert_eq!(is_unreadable(&scene.folder(), owner), unreadable, "{owner}");
    }
}

#[test]
fn a_file_may_be_changed_in_place_or_by_putting_another_over_it() {
    let mut scene = Scene::with_attic();
    scene.put("attic.json", &attic("In place"));
    scene.wait_for_name("attic", "In place");

    scene.put("attic.json.new", &attic("Renamed over"));
    fs::rename(scene.folder().join("attic.json.new"), scene.folder().join("attic.json")).unwrap();
    scene.wait_for_name("attic", "Renamed over");

    // Some editors take the old file away before they write the new one. Whoever is slow at that looks as if he removed
    // it; this machine may be, now and then.
    let is_missed = |scene: &mut Scene, at: usize| {
        scene.told.clear();
        fs::rename(scene.folder().join("attic.json"), scene.folder().join("attic.json~")).unwrap();
        scene.put("attic.json", &attic(&format!("Edited {at}")));
        scene.wait_for_name("attic", &format!("Edited {at}"));
        scene.told.contains(&"-attic".to_owned())
    };
    assert!((0..5).any(|at| !is_missed(&mut scene, at)), "Home Assistant would forget it each time");
}

#[test]
fn another_id_in_a_file_is_another_entity() {
    let mut scene = Scene::with_attic();
    scene.put("attic.json", &descriptor("loft", "Loft", "climate"));
    scene.wait_for(&["loft"]);
    assert_eq!(scene.told, ["+attic", "-attic", "+loft"]);
}

#[test]
fn a_broken_file_changes_nothing_until_it_is_mended_or_gone() {
    let mut scene = Scene::with_attic();
    scene.put("attic.json", r#"{"sensor_id":"attic","name":"Att"#);
    scene.put("cellar.json", r#"{"sensor_id":"cellar","name":"Cellar"}"#);
    scene.catch_up();
    assert_eq!(scene.told, ["+attic"]);
    assert_eq!(
        scene.problems(),
        [
            "luigi/sensors.d/attic.json: expected JSON: EOF while parsing a string at line 1 column 32",
            "luigi/sensors.d/cellar.json: module: expected a text, found none",
        ]
    );
    scene.put("attic.json", &attic("Mended"));
    scene.put("cellar.json", &descriptor("cellar", "Cellar", "climate"));
    scene.wait_for(&["attic", "cellar"]);
    scene.wait_for_name("attic", "Mended");
    scene.put("attic.json", "{}");
    scene.catch_up();
    fs::remove_file(scene.folder().join("attic.json")).unwrap();
    scene.wait_for(&["cellar"]);
}

#[test]
fn a_file_that_is_being_written_is_read_when_it_is_closed() {
    let mut scene = Scene::with_attic();
    let text = descriptor("slow", "Slow", "m");
    let (head, tail) = text.split_at(20);
    let mut file = fs::File::create(scene.folder().join("slow.json")).unwrap();
    file.write_all(head.as_bytes()).unwrap();
    scene.catch_up();
    assert_eq!(scene.told, ["+attic"]);
    file.write_all(tail.as_bytes()).unwrap();
    drop(file);
    scene.wait_for(&["attic", "slow"]);
}

#[test]
fn what_is_wrong_is_said_when_a_file_is_whole_and_for_as_long_as_it_is_so() {
    let root = tempfile::tempdir().unwrap();
    let mut inventory = Inventory::new(root.path(), Path::new("/nowhere"), &parent());
    let mut problems_after = |text: &str, whole| {
        fs::write(root.path().join("attic.json"), text).unwrap();
        let news = News { everything: false, files: [("attic.json".to_owned(), whole)].into() };
        inventory.update(&news, &News::default());
        let (entities, problems) = inventory.entities();
        let prefix = format!("{}/", root.path().display());
        let problems: Vec<String> = problems.into_iter().map(|it| it.replace(&prefix, "")).collect();
        (entities.len(), problems)
    };
    assert_eq!(problems_after("[]", false), (0, vec![]));
    let flaw = "attic.json: expected a JSON object, found a list";
    assert_eq!(problems_after("[]", true), (0, vec![flaw.to_owned()]));
    assert_eq!(problems_after(&attic("Attic"), true), (1, vec![]));
    assert_eq!(problems_after("[]", false), (1, vec![]));
    assert_eq!(problems_after("[]", true), (1, vec![format!("{flaw} (what it said before stands)")]));
    assert_eq!(problems_after(&attic("Attic"), false), (1, vec![]));
}

#[test]
fn links_count_and_what_is_no_file_or_of_no_such_name_does_not() {
    let mut scene = Scene::with_attic();
    let elsewhere = scene.root.path().join("elsewhere");
    fs::write(&elsewhere, descriptor("linked", "Linked", "m")).unwrap();
    for name in [".attic.json.swp", "x.json~", "x.jso", ".hidden.json", "README"] {
        scene.put(name, &descriptor("other", "Other", "m"));
    }
    fs::create_dir(scene.folder().join("folder.json")).unwrap();
    nix::unistd::mkfifo(&scene.folder().join("pipe.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    scene.put("large.json", &format!("{}{}", descriptor("large", "Large", "m"), " ".repeat(65_536)));
    symlink(&elsewhere, scene.folder().join("linked.json")).unwrap();
    symlink("nowhere", scene.folder().join("dangling.json")).unwrap();
    scene.wait_for(&["attic", "linked"]);
    scene.catch_up();
    assert_eq!(scene.told, ["+attic", "+linked"]);
    let none = "expected a file, found another thing of that name";
    assert_eq!(
        scene.problems(),
        [
            format!("luigi/sensors.d/folder.json: {none}"),
            "luigi/sensors.d/large.json: expected at most 65536 bytes, found more".to_owned(),
            format!("luigi/sensors.d/pipe.json: {none}"),
        ]
    );
}

#[test]
fn of_two_files_with_one_id_the_first_by_name_counts() {
    let mut scene = Scene::with_attic();
    scene.put("b.json", &attic("Second"));
    scene.catch_up();
    assert_eq!(scene.told, ["+attic"]);
    assert_eq!(
        scene.problems(),
        [
            r#"luigi/sensors.d/b.json: sensor_id: expected one that no other file has, found "attic", which descriptor attic.json has"#
        ]
    );
    fs::remove_file(scene.folder().join("attic.json")).unwrap();
    scene.wait_for_name("attic", "Second");
    assert_eq!(scene.told, ["+attic", "+attic"]);
}

#[test]
fn a_folder_may_come_go_and_be_moved_with_those_above_it() {
    let mut scene = Scene::new(|_| {});
    scene.put("attic.json", &attic("Attic"));
    scene.wait_for(&["attic"]);
    fs::remove_dir_all(scene.folder()).unwrap();
    scene.wait_for(&[]);
    scene.put("attic.json", &attic("Again"));
    scene.wait_for_name("attic", "Again");
    let (above, away) = (scene.root.path().join("luigi"), scene.root.path().join("away"));
    fs::rename(&above, &away).unwrap();
    scene.wait_for(&[]);
    fs::write(away.join("sensors.d/attic.json"), attic("Back")).unwrap();
    fs::rename(&away, &above).unwrap();
    scene.wait_for_name("attic", "Back");
    scene.put("attic.json", &attic("And watched"));
    scene.wait_for_name("attic", "And watched");
    fs::remove_dir_all(&above).unwrap();
    scene.wait_for(&[]);
    scene.put("attic.json", &attic("From the top"));
    scene.wait_for_name("attic", "From the top");
}

#[test]
fn two_hundred_at_once_are_all_there_and_all_go() {
    let mut scene = Scene::new(|it| fs::create_dir_all(it.folder()).unwrap());
    for at in 0..200 {
        scene.put(&format!("{at}.json"), &descriptor(&format!("s{at}"), "S", "m"));
    }
    scene.wait_until(|standing| standing.len() == 200);
    for at in 0..200 {
        fs::remove_file(scene.folder().join(format!("{at}.json"))).unwrap();
    }
    scene.wait_for(&[]);
    assert_eq!(scene.told.len(), 400);
}

#[test]
fn what_exceeds_a_thousand_files_is_named_and_finds_room_when_others_go() {
    let mut scene = Scene::new(|it| {
        for at in 0..=folder::MOST_FILES {
            it.put(&format!("{at:04}.json"), &descriptor(&format!("s{at:04}"), "S", "m"));
        }
    });
    scene.wait_until(|standing| standing.len() == 1_000);
    assert_eq!(
        scene.problems(),
        ["luigi/sensors.d: expected at most 1000 files, found more; the first count"]
    );
    assert!(!scene.standing.contains_key("s1000"));
    fs::remove_file(scene.folder().join("0500.json")).unwrap();
    scene.wait_until(|standing| standing.contains_key("s1000") && standing.len() == 1_000);
    assert_eq!(scene.problems(), [""; 0]);
}

#[test]
fn a_module_is_the_device_that_its_registry_describes() {
    let mut scene = Scene::with_attic();
    let unregistered = scene.standing["attic"].2.clone();
    assert_eq!((unregistered.name.as_str(), unregistered.sw_version.as_str()), ("climate", ""));
    assert_eq!(unregistered.model, "Luigi module");

    let registry = scene.register("1.0");
    scene.wait_until(|standing| standing["attic"].2.sw_version == "1.0");
    let registered = scene.standing["attic"].2.clone();
    assert_eq!(registered.identifier, unregistered.identifier, "the device stays the same");
    assert_eq!((registered.name.as_str(), registered.model.as_str()), ("Climate", "Luigi module (sensors)"));

    scene.register("1.1");
    scene.wait_until(|standing| standing["attic"].2.sw_version == "1.1");
    fs::write(&registry, "{").unwrap();
    scene.catch_up();
    assert_eq!(scene.standing["attic"].2.sw_version, "1.1");
    fs::write(&registry, r#"{"module_path":"sensors/climate","status":"removed","version":"1.2"}"#).unwrap();
    scene.wait_until(|standing| standing["attic"].2 == unregistered);
}

#[test]
fn the_name_of_a_module_is_not_shown_twice() {
    let mut scene = Scene::new(|it| {
        for (id, name) in [("a", "mario motion"), ("b", "mario"), ("mario_c", "mario"), ("d", "mariology")] {
            it.put(&format!("{id}.json"), &descriptor(id, name, "mario"));
        }
        it.put("e.json", &descriptor("e", "Mario", "mario"));
    });
    scene.wait_for(&["a", "b", "d", "e", "mario_c"]);
    let names: Vec<&str> = scene.standing.values().map(|it| it.1.as_str()).collect();
    assert_eq!(names, ["motion", "b", "d", "Mario", "sensor"]);
}

#[test]
fn who_knows_what_was_there_hears_only_what_has_changed_since() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("sensors.d");
    fs::create_dir(&folder).unwrap();
    for id in ["stays", "goes", "changes"] {
        fs::write(folder.join(format!("{id}.json")), descriptor(id, "S", "m")).unwrap();
    }
    let (known, problems) = read_all(&folder, Path::new("/nowhere"), &parent());
    assert_eq!((known.len(), problems.len()), (3, 0));
    fs::remove_file(folder.join("goes.json")).unwrap();
    fs::write(folder.join("changes.json"), descriptor("changes", "T", "m")).unwrap();
    let (tell, changes) = unbounded();
    let tell = move |changes: Vec<_>| changes.into_iter().for_each(|it| tell.send(it).unwrap());
    let descriptors =
        Descriptors::start(folder, "/nowhere".into(), &parent(), known, tell, &Pulses::default()).unwrap();
    let next = || changes.recv_timeout(LIMIT).unwrap();
    assert!(matches!(next(), Change::Went { entity, .. } if entity.as_str() == "goes"));
    assert!(matches!(next(), Change::Came { entity, .. } if entity.name() == "T"));
    assert!(descriptors.stop_within(LIMIT));
    assert!(changes.recv().is_err(), "the thread has ended, and told nothing else");
}

#[test]
fn a_folder_that_cannot_be_looked_into_does_not_count_as_empty() {
    let mut scene = Scene::with_attic();
    let (folder, away) = (scene.folder(), scene.root.path().join("away"));
    fs::rename(&folder, &away).unwrap();
    symlink(&folder, &folder).unwrap(); // It leads to itself: as unreadable to root as to anybody.
    scene.register("1");
    scene.wait_until(|standing| standing["attic"].2.sw_version == "1");
    assert!(scene.problems()[0].starts_with("luigi/sensors.d: cannot be read: "), "{:?}", scene.problems());
    fs::remove_file(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    scene.put("attic.json", &attic("Back"));
    scene.wait_for_name("attic", "Back");
    assert_eq!(scene.told, ["+attic", "+attic", "+attic"]);
}

/// Longer than anything takes that works.
const LIMIT: Duration = Duration::from_secs(30);
