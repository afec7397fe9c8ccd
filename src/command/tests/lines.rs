//! Commands that move lines.

use super::*;
use crate::entity::Button;
use crate::entity::Light;
use crate::entity::LightState;

#[test]
fn a_switch_sets_its_line_and_its_state_is_read_back() {
    let bench = Bench::new().with(switch("pump"), line("GPIO17"));
    let actuators = bench.begun();
    done(send(&actuators, "pump", "ON"), Value::Switch(true));
    done(send(&actuators, "pump", "OFF"), Value::Switch(false));
    assert_eq!(bench.board.driven(), [true, false]);
}

#[test]
fn a_line_is_kept_as_it_is_found_or_set_from_the_first_moment() {
    for (initial, driven, state) in [
        (Initial::Keep, vec![], true),
        (Initial::Value(Value::Switch(false)), vec![false, false], false),
        (Initial::Restore, vec![], true),
    ] {
        let bench = Bench::new().with(switch("pump"), line("GPIO17")).initially(initial.clone());
        bench.board.levels().now.insert("GPIO17".to_owned(), true);
        let told = beginnings(&bench.actuators());
        assert_eq!(told.into_values().collect::<Vec<_>>(), [Some(Value::Switch(state))], "{initial:?}");
        assert_eq!(bench.board.driven(), driven, "{initial:?}");
    }
}

#[test]
fn what_was_commanded_last_is_restored_after_a_restart() {
    let bench = Bench::new().with(switch("pump"), line("GPIO17")).initially(Initial::Restore);
    let bench = bench.safe(false);
    let before = bench.begun();
    done(send(&before, "pump", "ON"), Value::Switch(true));
    before.end(|_, _| ());
    drop(before);
    bench.board.levels().now.clear();
    let told = beginnings(&bench.actuators());
    assert_eq!(told.into_values().collect::<Vec<_>>(), [Some(Value::Switch(true))]);
}

#[test]
fn a_line_that_cannot_be_had_leaves_its_entity_unavailable_until_it_can() {
    let bench = Bench::new()
        .with(switch("fan"), line("GPIO4"))
        .with(switch("pump"), line("GPIO17"))
        .initially(Initial::Value(true.into()));
    bench.board.lose("GPIO17");
    let actuators = bench.actuators();
    let mut told = Vec::new();
    let begin = |told: &mut Vec<_>| {
        told.clear();
        actuators.begin(|entity, outcome| {
            told.push((entity.id().to_string(), outcome.state, outcome.failure.is_some()));
        })
    };
    assert!(!begin(&mut told));
    let lost = || ("pump".to_owned(), Some(Value::Unavailable), true);
    assert_eq!(told, [("fan".to_owned(), Some(Value::Switch(false)), false), lost()]);
    let reason = "cannot carry out the command off for pump: no GPIO line is called GPIO17: the command gpioinfo lists \
                  them";
    failed(send(&actuators, "pump", "OFF"), reason, Value::Unavailable);
    assert!(!begin(&mut told));
    assert_eq!(told, [lost()]);

    bench.board.find("GPIO17");
    assert!(begin(&mut told));
    assert_eq!(told, [("pump".to_owned(), Some(Value::Switch(true)), false)]);
    assert!(begin(&mut told));
    assert_eq!(told, []);
}

#[test]
fn a_command_is_tried_on_a_line_that_is_there_again() {
    let bench = Bench::new().with(switch("pump"), line("GPIO17"));
    let actuators = bench.begun();
    bench.board.lose("GPIO17");
    assert_eq!(send(&actuators, "pump", "ON").state, Some(Value::Unavailable));
    bench.board.find("GPIO17");
    done(send(&actuators, "pump", "ON"), Value::Switch(true));
}

#[test]
fn a_line_that_was_lost_begins_anew_once_it_is_there_again() {
    let bench = Bench::new().with(switch("fan"), line("GPIO4"));
    let bench = bench.with(switch("pump"), line("GPIO17")).initially(Initial::Value(false.into()));
    let actuators = bench.begun();
    let pump = bench.declared[1].entity.id();
    done(send(&actuators, "pump", "ON"), Value::Switch(true));
    assert!(actuators.begin_one(pump).is_none());
    bench.board.lose("GPIO17");
    assert!(send(&actuators, "pump", "OFF").has_no_line());
    assert!(actuators.begin_one(pump).is_some_and(|it| it.has_no_line()));
    bench.board.find("GPIO17");
    let begun = actuators.begin_one(pump).map(|it| (it.has_no_line(), it.state));
    assert_eq!(begun, Some((false, Some(Value::Switch(false)))));
    assert!(actuators.begin_one(pump).is_none());
}

#[test]
fn a_press_is_a_pulse_and_begins_and_ends_inactive() {
    let bell = Button::new("bell", "Bell").build().unwrap();
    let bench = Bench::new().with(bell, pulsed("GPIO5", Some(Duration::from_millis(1))));
    let actuators = bench.begun();
    done(send(&actuators, "bell", "PRESS"), None);
    assert_eq!(bench.board.driven(), [false, true, false]);
}

#[test]
fn a_pulse_is_over_when_we_end() {
    let gate = Button::new("gate", "Gate").build().unwrap();
    let bench = Bench::new().with(gate, pulsed("GPIO5", Some(Duration::from_secs(60))));
    let actuators = bench.begun();
    let pressing = {
        let actuators = actuators.clone();
        thread::spawn(move || send(&actuators, "gate", "PRESS"))
    };
    wait_until(|| bench.board.driven() == [false, true]);
    actuators.end(|_, _| ());
    done(pressing.join().unwrap(), None);
    assert_eq!(bench.board.driven(), [false, true, false]);
}

#[test]
fn what_has_a_safe_state_is_left_in_it_and_all_else_as_it_is() {
    let bench =
        Bench::new().with(switch("heater"), line("GPIO4")).safe(false).with(switch("pump"), line("GPIO17"));
    let actuators = bench.begun();
    send(&actuators, "heater", "ON");
    send(&actuators, "pump", "ON");
    actuators.end(|_, _| ());
    let levels = bench.board.levels().now.clone();
    assert_eq!(levels, BTreeMap::from([("GPIO17".to_owned(), true), ("GPIO4".to_owned(), false)]));
    let reason = "cannot carry out the command on for heater: the service is stopping";
    failed(send(&actuators, "heater", "ON"), reason, Value::Switch(false));
    assert!(!bench.board.levels().now["GPIO4"], "a command that comes late");
}

#[test]
fn a_light_without_a_brightness_is_on_or_off() {
    let lamp = Light::new("lamp", "Lamp").build().unwrap();
    let bench = Bench::new().with(lamp.clone(), line("GPIO6"));
    let outcome = send(&bench.begun(), "lamp", r#"{"state":"ON"}"#);
    let state = outcome.state.as_ref().map(|it| lamp.state_payload(it).unwrap());
    assert_eq!(state, lamp.state_payload(&LightState::on().into()).ok());
    assert_eq!(bench.board.driven(), [true]);
}

#[test]
fn a_line_is_not_given_back_for_a_new_name_and_nothing_is_set_again() {
    let bench = Bench::new().with(switch("pump"), line("GPIO17")).initially(Initial::Value(false.into()));
    let mut bench =
        bench.safe(false).with(switch("fan"), line("GPIO4")).initially(Initial::Value(true.into()));
    let actuators = bench.begun();
    done(send(&actuators, "pump", "ON"), Value::Switch(true));
    let before = bench.board.driven();
    bench.declared[0].entity = Switch::new("pump", "Pool pump").availability(true).build().unwrap();
    bench.last().safe = Some(false.into());
    actuators.leave(&bench.declared);
    assert_eq!(bench.board.levels().held.len(), 2);
    actuators.join(&bench.declared);
    let told = beginnings(&actuators);
    // Its state is told anew, for what it was told under may be gone.
    let on = || Some(Value::Switch(true));
    assert_eq!(told.into_values().collect::<Vec<_>>(), [on(), on()]);
    assert_eq!(beginnings(&actuators), BTreeMap::new());
    assert_eq!(bench.board.driven(), before);
    assert_eq!(actuators.entity(bench.declared[0].entity.id()).as_ref(), Some(&bench.declared[0].entity));
}

#[test]
fn what_is_removed_is_left_safe_and_given_back_and_what_moves_another_line_begins_anew() {
    let bench = Bench::new().with(switch("goes"), line("GPIO17")).safe(false);
    let bench = bench.with(switch("moves"), line("GPIO4")).safe(true).initially(Initial::Value(false.into()));
    let mut bench = bench.with(switch("stays"), line("GPIO5")).safe(true);
    let actuators = bench.begun();
    let began = bench.board.levels().driven.len();
    bench.declared.remove(0);
    let moved = bench.declared[0].output.as_mut().unwrap();
    moved.target = line("GPIO6");
    actuators.leave(&bench.declared);
    actuators.join(&bench.declared);
    let held = |bench: &Bench| bench.board.levels().held.iter().cloned().collect::<Vec<_>>();
    assert_eq!(held(&bench), ["GPIO5"]);
    assert_eq!(beginnings(&actuators).len(), 1);
    assert_eq!(held(&bench), ["GPIO5", "GPIO6"]);
    let mut driven = bench.board.levels().driven.split_off(began);
    driven.sort();
    driven.dedup();
    let level = |line: &str, on| (line.to_owned(), on);
    assert_eq!(driven, [level("GPIO17", false), level("GPIO4", true), level("GPIO6", false)]);
    assert_eq!(actuators.entities().len(), 2);
}

#[test]
fn a_line_that_another_output_moves_too_is_not_left_safe_for_the_one_that_goes() {
    let mut bench =
        Bench::new().with(switch("a"), line("GPIO17")).with(switch("b"), line("GPIO17")).safe(false);
    let actuators = bench.begun();
    done(send(&actuators, "a", "ON"), Value::Switch(true));
    bench.declared.pop();
    actuators.leave(&bench.declared);
    assert_eq!(bench.board.driven(), [true]);
    assert_eq!(bench.board.levels().held.len(), 1);
}
