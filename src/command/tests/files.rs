//! Commands that move files.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::entity::Button;
use crate::entity::Command;
use crate::entity::Light;
use crate::entity::LightState;
use crate::entity::Number;
use crate::entity::Select;
use crate::entity::Text;

#[test]
fn each_kind_of_entity_writes_its_value_as_one_line() {
    let level = Number::new("a", "A").min(-5.0).max(30.0).step(0.5).build();
    for (entity, payload, written, state) in [
        (Switch::new("a", "A").build(), "ON", "1\n", Some(Value::Switch(true))),
        (Switch::new("a", "A").build(), "OFF", "0\n", Some(Value::Switch(false))),
        (Button::new("a", "A").build(), "PRESS", "1\n", None),
        (level.clone(), "21.50", "21.5\n", Some(21.5.into())),
        (level, "-1e-05", "-0.00001\n", Some((-0.000_01).into())),
        (
            Select::new("a", "A", ["eco", "two words"]).build(),
            "two words",
            "two words\n",
            Some("two words".into()),
        ),
        (Text::new("a", "A").build(), " $(x); \"y\" ", " $(x); \"y\" \n", Some(" $(x); \"y\" ".into())),
        (Text::new("a", "A").build(), "", "\n", Some("".into())),
        (Light::new("a", "A").build(), r#"{"state":"ON"}"#, "1\n", Some(true.into())),
    ] {
        let bench = Bench::new().with(entity.unwrap(), file("/a/value"));
        bench.write("a/value", "something longer than that\n");
        done(send(&bench.begun(), "a", payload), state);
        assert_eq!(bench.read("a/value"), written, "{payload}");
    }
}

#[test]
fn a_light_has_its_brightness_on_the_scale_of_the_file() {
    let lamp = Light::new("lamp", "Lamp").color_modes(["brightness"]).build().unwrap();
    let bench = Bench::new().with(lamp, file("/sys/brightness"));
    bench.write("sys/brightness", "40\n");
    let actuators = bench.actuators();
    let on = |level| Some(Value::from(LightState::on().brightness(level)));
    let off = |level| Some(Value::from(LightState::off().brightness(level)));
    assert_eq!(beginnings(&actuators).into_values().collect::<Vec<_>>(), [on(102)]);
    for (payload, written, state) in [
        (r#"{"state":"ON","brightness":51}"#, "20\n", on(51)),
        (r#"{"state":"OFF"}"#, "0\n", off(51)),
        (r#"{"state":"ON"}"#, "20\n", on(51)),
        (r#"{"state":"ON","brightness":255}"#, "100\n", on(255)),
        // It would be off at 0; what can be told apart is what the file has room for.
        (r#"{"state":"ON","brightness":1}"#, "1\n", on(3)),
    ] {
        done(send(&actuators, "lamp", payload), state);
        assert_eq!(bench.read("sys/brightness"), written, "{payload}");
    }
}

#[test]
fn a_light_that_nobody_has_set_yet_is_turned_on_at_its_full_brightness() {
    let lamp = Light::new("lamp", "Lamp").color_modes(["brightness"]).build().unwrap();
    let bench = Bench::new().with(lamp, file("/sys/brightness"));
    bench.write("sys/brightness", "0\n");
    done(send(&bench.begun(), "lamp", r#"{"state":"ON"}"#), Value::from(LightState::on().brightness(255)));
    assert_eq!(bench.read("sys/brightness"), "100\n");
}

#[test]
fn what_a_file_begins_with_is_told_where_it_is_a_state() {
    let select = || Select::new("a", "A", ["eco", "comfort"]).build().unwrap();
    for (entity, found, state) in [
        (switch("a"), "1\n", Some(Value::Switch(true))),
        (switch("a"), "0", Some(Value::Switch(false))),
        (switch("a"), "2\n", Some(Value::Unknown)),
        (switch("a"), "\u{fffd}\n", Some(Value::Unknown)),
        (select(), "comfort\n", Some("comfort".into())),
        (select(), "[eco] comfort\n", Some(Value::Unknown)),
        (Number::new("a", "A").build().unwrap(), " 7 \n", Some(7.0.into())),
        (Number::new("a", "A").build().unwrap(), "101\n", Some(Value::Unknown)),
        (Text::new("a", "A").build().unwrap(), " x \n", Some(" x ".into())),
    ] {
        let bench = Bench::new().with(entity, file("/value"));
        bench.write("value", found);
        let told = beginnings(&bench.actuators());
        assert_eq!(told.into_values().collect::<Vec<_>>(), [state], "{found:?}");
    }
}

#[test]
fn what_cannot_be_read_back_is_as_it_was_commanded() {
    let bench = Bench::new().with(switch("a"), file("/value"));
    // What is written is gone, as with a file of the kernel that is only for writing.
    std::os::unix::fs::symlink("/dev/null", bench.folder.path().join("value")).unwrap();
    done(send(&bench.begun(), "a", "ON"), Value::Switch(true));
}

#[test]
fn a_file_of_the_kernel_must_be_there_and_another_is_made() {
    let bench = Bench::new()
        .with(switch("kernel"), file("/sys/class/leds/led0/brightness"))
        .with(switch("own"), file("/value"));
    fs::create_dir_all(bench.folder.path().join("sys/class/leds/led0")).unwrap();
    let actuators = bench.begun();
    let path = bench.folder.path().join("sys/class/leds/led0/brightness");
    let reason = format!(
        "cannot carry out the command on for kernel: cannot write {}: No such file or directory (os error 2)",
        path.display()
    );
    failed(send(&actuators, "kernel", "ON"), &reason, Value::Unknown);
    assert!(!path.exists());
    done(send(&actuators, "own", "ON"), Value::Switch(true));
    assert_eq!(bench.read("value"), "1\n");
}

#[test]
fn a_file_that_cannot_be_written_shows_what_it_holds_still() {
    let bench = Bench::new().with(switch("a"), file("/value"));
    bench.write("value", "1\n");
    let actuators = bench.begun();
    // A folder in its place: not even root can write that.
    fs::remove_file(bench.folder.path().join("value")).unwrap();
    fs::create_dir(bench.folder.path().join("value")).unwrap();
    let outcome = send(&actuators, "a", "OFF");
    assert!(outcome.failure.is_some_and(|it| !it.is_refusal()));
    assert_eq!(outcome.state, Some(Value::Switch(true)), "what it was before");
}

#[test]
fn a_pipe_that_nobody_reads_does_not_hang() {
    let bench = Bench::new().with(switch("a"), file("/pipe"));
    let path = bench.folder.path().join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let outcome = send(&bench.begun(), "a", "ON");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(outcome.failure.is_some());
}

#[test]
fn a_text_of_several_lines_goes_into_no_file() {
    let text = Text::new("a", "A").build().unwrap();
    let bench = Bench::new().with(text.clone(), file("/value"));
    let actuators = bench.begun();
    for (hostile, shown) in [("x\ny", r#""x\ny""#), ("x\r", r#""x\r""#), ("x\0", r#""x\0""#)] {
        let reason = format!(
            "cannot carry out the command {shown} for a: text \"a\": expected a text of one line, for it goes into a file, \
             found {shown}"
        );
        failed(send(&actuators, "a", hostile), &reason, None);
    }
    let long = actuators.carry_out(text.id(), &Command::Text("x".repeat(10_000)));
    let failure = long.failure.unwrap();
    assert!(failure.is_refusal() && failure.to_string().len() < 200, "{failure}");
    assert!(!there_is(&bench, "value"));
}

#[test]
fn a_command_of_another_kind_is_refused() {
    let bench = Bench::new().with(switch("a"), file("/value"));
    let outcome = bench.begun().carry_out(switch("a").id(), &Command::Press);
    let reason = "cannot carry out the command that of another platform for a: switch \"a\": expected a command of its \
                  own, found that of another platform";
    failed(outcome, reason, Value::Unknown);
}

#[test]
fn initial_and_safe_states_are_written() {
    let bench =
        Bench::new().with(switch("a"), file("/value")).initially(Initial::Value(true.into())).safe(false);
    let actuators = bench.begun();
    assert_eq!(bench.read("value"), "1\n");
    actuators.end(|_, _| ());
    assert_eq!(bench.read("value"), "0\n");
}
