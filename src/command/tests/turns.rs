//! Who waits for whom.

use super::*;

/// The shell line that notes when it begins, waits until there is a file `go`, and notes when it ends.
fn gated(bench: &Bench, id: &str) -> String {
    let folder = bench.folder.path().display();
    format!(
        "cd {folder}; echo {id} begins >> seen; until [ -e go ]; do sleep 0.01; done; echo {id} ends >> seen"
    )
}

fn in_the_background(actuators: &Actuators, id: &'static str) -> thread::JoinHandle<Outcome> {
    let actuators = actuators.clone();
    thread::spawn(move || send(&actuators, id, "ON"))
}

#[test]
fn two_commands_for_one_target_wait_for_each_other() {
    let bench = Bench::new();
    let target = shell(&gated(&bench, "$LUIGI_ENTITY"));
    let bench = bench.with(switch("a"), target.clone()).with(switch("b"), target);
    let actuators = bench.begun();
    let both = [in_the_background(&actuators, "a"), in_the_background(&actuators, "b")];
    wait_until(|| there_is(&bench, "seen"));
    fs::write(bench.folder.path().join("go"), "").unwrap();
    for it in both {
        done(it.join().unwrap(), Value::Switch(true));
    }
    let seen = bench.read("seen");
    let orders = ["a begins\na ends\nb begins\nb ends\n", "b begins\nb ends\na begins\na ends\n"];
    assert!(orders.contains(&seen.as_str()), "{seen}");
}

#[test]
fn commands_for_different_targets_do_not_wait() {
    let bench = Bench::new();
    let (a, b) = (shell(&gated(&bench, "a")), shell(&gated(&bench, "b")));
    let bench = bench.with(switch("a"), a).with(switch("b"), b);
    let actuators = bench.begun();
    let both = [in_the_background(&actuators, "a"), in_the_background(&actuators, "b")];
    wait_until(|| there_is(&bench, "seen") && bench.read("seen").lines().count() == 2);
    fs::write(bench.folder.path().join("go"), "").unwrap();
    for it in both {
        done(it.join().unwrap(), Value::Switch(true));
    }
}

#[test]
fn an_initial_state_that_hangs_holds_up_no_other() {
    let bench = Bench::new();
    let (folder, noted) = (bench.folder.path().display().to_string(), noting(&bench, "$1", "seen"));
    let waiting = shell(&format!("until [ -e {folder}/seen ]; do sleep 0.01; done"));
    let bench = bench.with(switch("a"), waiting).initially(Initial::Value(true.into()));
    let bench = bench.with(switch("b"), noted).initially(Initial::Value(true.into()));
    let on = || Some(Value::Switch(true));
    assert_eq!(beginnings(&bench.actuators()).into_values().collect::<Vec<_>>(), [on(), on()]);
}

#[test]
fn a_program_that_hangs_is_ended_for_the_safe_state_and_holds_up_no_other() {
    let mut bench = Bench::new();
    for id in ["a", "b", "c", "d", "e", "f"] {
        // Hangs when it is turned on.
        let seen = bench.folder.path().join(id);
        let target = shell(&format!("echo $1 >> {}; [ $1 = off ] || sleep 60", seen.display()));
        bench = bench.with(switch(id), target).safe(false);
    }
    let actuators = bench.begun();
    let hanging = in_the_background(&actuators, "a");
    wait_until(|| there_is(&bench, "a"));
    actuators.end(|_, _| ());
    let failure = hanging.join().unwrap().failure.unwrap();
    assert!(!failure.is_refusal(), "{failure}");
    for id in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(bench.read(id).lines().last(), Some("off"), "{id}");
    }
}

#[test]
fn a_safe_state_that_hangs_is_given_up_and_holds_up_no_other() {
    let mut bench = Bench::new();
    for id in ["a", "b", "c", "d", "e", "f"] {
        bench = bench.with(switch(id), shell(&format!("sleep 60; true {id}"))).safe(false);
    }
    let target = noting(&bench, "$1", "seen");
    let bench = bench.with(switch("z"), target).safe(false);
    let actuators = bench.begun();
    let ending = thread::spawn(move || actuators.end(|_, _| ()));
    wait_until(|| ending.is_finished());
    assert_eq!(bench.read("seen"), "off\n");
}

#[test]
fn what_is_back_before_its_command_is_over_waits_for_that_and_is_not_left_safe() {
    let bench = Bench::new();
    let target = shell(&gated(&bench, "$1"));
    let bench = bench.with(switch("a"), target).safe(false);
    let actuators = bench.begun();
    let before = in_the_background(&actuators, "a");
    wait_until(|| there_is(&bench, "seen"));
    actuators.leave(&[]);
    actuators.join(&bench.declared);
    let after = in_the_background(&actuators, "a");
    fs::write(bench.folder.path().join("go"), "").unwrap();
    for it in [before, after] {
        done(it.join().unwrap(), Value::Switch(true));
    }
    assert_eq!(bench.read("seen"), "on begins\non ends\non begins\non ends\n");
}
