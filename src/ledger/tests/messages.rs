//! Plans as messages: each case, and what comes in which order.

use crate::entity::Form;

use super::super::{Ledger, Record};
use super::{Way, id, open, shown};

const ENTITY: Way = Way::USUAL;
const DEVICE: Way = Way { form: Form::Device, ..Way::USUAL };
const MIGRATE: &str = r#"{"migrate_discovery": true}"#;

/// A device's message that removes `component`, a sensor, and leaves all else.
fn without(node: &str, component: &str) -> String {
    format!(
        r#"ha/device/{node}/config {{"device":{{"identifiers":["pi_{component}"]}},"origin":{{"name":"luigi-mqtt"}},"components":{{"{component}":{{"platform":"sensor"}}}}}}"#
    )
}

/// A ledger that knows that `announced` was announced.
fn ledger(announced: &[Record]) -> Ledger {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open(folder.path());
    ledger.intend(&id("pi"), announced).unwrap();
    ledger.settle(announced, |_| false).unwrap();
    ledger
}

/// What the plan for `wanted` says after `announced` was announced, where of all owners `owner` is configured and those who
/// want something.
#[track_caller]
fn check(announced: &[Record], wanted: &[Record], owner: &str, before: &[&[&str]], after: &[&str]) {
    let owners = |it: &Record| it.owner == owner || wanted.iter().any(|wanted| wanted.owner == it.owner);
    let plan = ledger(announced).plan(wanted, owners);
    let found: Vec<Vec<String>> = plan.before.iter().map(|it| it.iter().map(shown).collect()).collect();
    assert_eq!(found, before);
    assert_eq!(plan.after.iter().map(shown).collect::<Vec<_>>(), after);
    assert_eq!(plan.sentences.is_empty(), plan.is_empty(), "{:?}", plan.sentences);
}

#[test]
fn where_nothing_has_changed_there_is_nothing_to_tell() {
    for way in [ENTITY, DEVICE] {
        check(&way.sensors(&["x", "y"]), &way.sensors(&["y", "x"]), "", &[], &[]);
        check(&[], &way.sensors(&["x"]), "", &[], &[]);
    }
}

#[test]
fn an_entity_that_nobody_wants_is_removed_and_then_what_it_told() {
    check(&ENTITY.sensors(&["x", "y"]), &ENTITY.sensors(&["y"]), "", &[&["ha/sensor/pi/x/config"]], &["s/x"]);
}

#[test]
fn a_component_is_removed_by_its_platform_alone_before_it_is_left_out() {
    check(&DEVICE.sensors(&["x", "y"]), &DEVICE.sensors(&["y"]), "", &[&[&without("pi", "x")]], &["s/x"]);
}

#[test]
fn the_last_entity_takes_the_topics_of_the_device_with_it() {
    check(&ENTITY.sensors(&["x"]), &[], "", &[&["ha/sensor/pi/x/config"]], &["a", "s/x"]);
    check(&DEVICE.sensors(&["x", "y"]), &[], "", &[&["ha/device/pi/config"]], &["a", "s/x", "s/y"]);
}

#[test]
fn another_form_moves_all_and_the_old_topics_are_emptied_last() {
    let [x, y] = ["x", "y"].map(|it| format!("ha/sensor/pi/{it}/config"));
    let [move_x, move_y] = [&x, &y].map(|it| format!("{it} {MIGRATE}"));
    check(&ENTITY.sensors(&["x", "y"]), &DEVICE.sensors(&["x", "y"]), "", &[&[&move_x, &move_y]], &[&x, &y]);
    let device = "ha/device/pi/config";
    check(
        &DEVICE.sensors(&["x", "y"]),
        &ENTITY.sensors(&["x", "y"]),
        "",
        &[&[&format!("{device} {MIGRATE}")]],
        &[device],
    );
}

#[test]
fn what_goes_is_removed_before_the_device_that_it_is_in_moves() {
    let device = "ha/device/pi/config";
    let moves = format!("{device} {MIGRATE}");
    check(
        &DEVICE.sensors(&["x", "y"]),
        &ENTITY.sensors(&["y"]),
        "",
        &[&[&without("pi", "x")], &[&moves]],
        &[device, "s/x"],
    );
    check(
        &ENTITY.sensors(&["x", "y"]),
        &DEVICE.sensors(&["y"]),
        "",
        &[&["ha/sensor/pi/x/config"], &[&format!("ha/sensor/pi/y/config {MIGRATE}")]],
        &["ha/sensor/pi/y/config", "s/x"],
    );
}

#[test]
fn another_name_or_prefix_moves_the_topics_and_not_the_entities() {
    let attic = Way { node: "attic", state: "t", availability: "b", ..ENTITY };
    for (to, emptied) in [
        (attic, &["a", "ha/sensor/pi/x/config", "s/x"][..]),
        (Way { prefix: "other", ..ENTITY }, &["ha/sensor/pi/x/config"]),
    ] {
        let moves = format!("ha/sensor/pi/x/config {MIGRATE}");
        check(&ENTITY.sensors(&["x"]), &to.sensors(&["x"]), "", &[&[&moves]], emptied);
    }
    let attic = Way { node: "attic", ..DEVICE };
    let moves = format!("ha/device/pi/config {MIGRATE}");
    check(&DEVICE.sensors(&["x"]), &attic.sensors(&["x"]), "", &[&[&moves]], &["ha/device/pi/config"]);
}

#[test]
fn another_place_for_states_or_availability_only_empties_the_old_one() {
    for way in [ENTITY, DEVICE] {
        let (states, availability) =
            (Way { state: "t", ..way.clone() }, Way { availability: "b", ..way.clone() });
        check(&way.sensors(&["x"]), &states.sensors(&["x"]), "", &[], &["s/x"]);
        check(&way.sensors(&["x"]), &availability.sensors(&["x"]), "", &[], &["a"]);
    }
}

#[test]
fn another_platform_is_another_entity() {
    let switch = |way: &Way| [way.record("switch", "x")];
    check(&ENTITY.sensors(&["x"]), &switch(&ENTITY), "", &[&["ha/sensor/pi/x/config"]], &[]);
    check(&DEVICE.sensors(&["x"]), &switch(&DEVICE), "", &[&[&without("pi", "x")]], &[]);
}

#[test]
fn another_unique_id_is_another_entity_on_the_same_topic() {
    let mut renamed = ENTITY.sensors(&["x"]);
    renamed[0].unique_id = "attic_x".to_owned();
    check(&ENTITY.sensors(&["x"]), &renamed, "", &[&["ha/sensor/pi/x/config"]], &[]);
}

#[test]
fn what_is_configured_and_not_there_stays_as_it_is() {
    for way in [ENTITY, DEVICE] {
        check(&way.sensors(&["x", "y"]), &way.sensors(&["y"]), "Sensor x", &[], &[]);
    }
    // Its topics are not emptied when all others move away from them.
    let moves = format!("ha/sensor/pi/y/config {MIGRATE}");
    check(
        &ENTITY.sensors(&["x", "y"]),
        &Way { node: "attic", state: "t", availability: "b", ..ENTITY }.sensors(&["y"]),
        "Sensor x",
        &[&[&moves]],
        &["ha/sensor/pi/y/config", "s/y"],
    );
}

#[test]
fn one_that_goes_to_another_device_leaves_the_first_to_those_who_stay() {
    let mut wanted = DEVICE.sensors(&["x"]);
    wanted.extend(Way { node: "module", ..DEVICE }.sensors(&["y"]));
    let moves = format!("ha/device/pi/config {MIGRATE}");
    check(&DEVICE.sensors(&["x", "y"]), &wanted, "", &[&[&moves]], &[]);
}

#[test]
fn all_at_once_is_removals_then_moves_then_what_is_left_over() {
    let mut announced = DEVICE.sensors(&["x", "y"]);
    announced.extend(Way { node: "module", ..DEVICE }.sensors(&["z"]));
    let wanted = Way { node: "attic", state: "t", availability: "b", ..ENTITY }.sensors(&["y", "new"]);
    check(
        &announced,
        &wanted,
        "",
        &[&["ha/device/module/config", &without("pi", "x")], &[&format!("ha/device/pi/config {MIGRATE}")]],
        &["a", "ha/device/pi/config", "s/x", "s/y", "s/z"],
    );
}

#[test]
fn what_may_be_in_the_registry_alone_is_brought_back_to_be_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open(folder.path());
    ledger.intend(&id("pi"), &ENTITY.sensors(&["x"])).unwrap();
    // It was to move, and nobody knows how far that came.
    ledger.intend(&id("pi"), &Way { node: "attic", ..ENTITY }.sensors(&["x"])).unwrap();
    drop(ledger);
    let plan = open(folder.path()).plan(&[], |_| false);
    let found: Vec<Vec<String>> = plan.before.iter().map(|it| it.iter().map(shown).collect()).collect();
    let [attic, pi] = ["attic", "pi"].map(|it| format!("ha/sensor/{it}/x/config"));
    let revival = format!(
        r#"{pi} {{"device":{{"identifiers":["pi_x"]}},"unique_id":"pi_x","state_topic":"{pi}/removed","command_topic":"{pi}/removed","event_types":["removed"]}}"#
    );
    assert_eq!(found, [vec![attic, pi.clone()], vec![revival], vec![pi]]);
}

#[test]
fn people_read_what_goes_what_moves_and_what_is_emptied() {
    let to = Way { node: "attic", ..ENTITY };
    let plan = ledger(&ENTITY.sensors(&["x", "y"])).plan(&to.sensors(&["y"]), |_| false);
    assert_eq!(
        plan.sentences,
        [
            "to remove: sensor x of [Sensor x], announced on ha/sensor/pi/x/config",
            "to move: sensor y from ha/sensor/pi/y/config to ha/sensor/attic/y/config, with its history",
            "to empty: ha/sensor/pi/y/config",
            "to empty: s/x",
        ]
    );
}
