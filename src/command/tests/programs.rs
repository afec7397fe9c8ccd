//! Commands that run programs.

use super::*;
use crate::config::Extract;
use crate::config::Feed;
use crate::config::Filtering;
use crate::config::Input;
use crate::entity::Button;
use crate::entity::Light;
use crate::entity::LightState;
use crate::entity::Number;
use crate::entity::Text;

/// A program that puts down its arguments and what of its environment is for it.
fn witness(bench: &Bench) -> Target {
    let path = bench.folder.path().join("witness");
    let out = bench.folder.path().join("seen").display().to_string();
    let script = format!("#!/bin/sh\n{{ printf '<%s>' \"$@\"; echo; env | grep ^LUIGI_ | sort; }} > {out}\n");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    // By the shell, which reads it, so that no other thread's child holds it open for writing as it is run.
    let arguments = vec![path.display().to_string(), "own one".to_owned()];
    Target::Program(Program { path: "/bin/sh".to_owned(), arguments, limit: LIMIT })
}

#[test]
fn a_program_gets_the_value_as_its_last_argument_and_in_its_environment() {
    let dimmed = || Light::new("a", "A").color_modes(["brightness"]).build();
    for (entity, payload, argument, environment) in [
        (Switch::new("a", "A").build(), "ON", "on", "LUIGI_COMMAND=on\nLUIGI_ENTITY=a\nLUIGI_VALUE=on\n"),
        (Switch::new("a", "A").build(), "OFF", "off", "LUIGI_COMMAND=off\nLUIGI_ENTITY=a\nLUIGI_VALUE=off\n"),
        (
            Button::new("a", "A").build(),
            "PRESS",
            "press",
            "LUIGI_COMMAND=press\nLUIGI_ENTITY=a\nLUIGI_VALUE=press\n",
        ),
        (
            Number::new("a", "A").min(-5.0).build(),
            "-2.50",
            "-2.5",
            "LUIGI_COMMAND=set\nLUIGI_ENTITY=a\nLUIGI_VALUE=-2.5\n",
        ),
        (
            dimmed(),
            r#"{"state":"ON","brightness":7}"#,
            "on",
            "LUIGI_BRIGHTNESS=7\nLUIGI_COMMAND=on\nLUIGI_ENTITY=a\nLUIGI_STATE=on\nLUIGI_VALUE=on\n",
        ),
        (
            dimmed(),
            r#"{"state":"OFF"}"#,
            "off",
            "LUIGI_BRIGHTNESS=0\nLUIGI_COMMAND=off\nLUIGI_ENTITY=a\nLUIGI_STATE=off\nLUIGI_VALUE=off\n",
        ),
    ] {
        let bench = Bench::new();
        let target = witness(&bench);
        let bench = bench.with(entity.unwrap(), target);
        assert!(send(&bench.begun(), "a", payload).failure.is_none());
        assert_eq!(bench.read("seen"), format!("<own one><{argument}>\n{environment}"), "{payload}");
    }
}

#[test]
fn whatever_a_text_contains_it_is_one_argument_and_no_shell_reads_it() {
    let text = || Text::new("a", "A").build().unwrap();
    for hostile in ["; rm -rf /", "$(id) `id` ${HOME} \" '", "two\nlines", "-rf", "", &"ü".repeat(255)] {
        let bench = Bench::new();
        let target = witness(&bench);
        let bench = bench.with(text(), target);
        done(send(&bench.begun(), "a", hostile), Value::from(hostile));
        assert!(bench.read("seen").starts_with(&format!("<own one><{hostile}>\n")), "{hostile:?}");

        let bench = Bench::new();
        let seen = bench.folder.path().join("seen");
        let line = format!("printf %s \"$1\" > {}", seen.display());
        let bench = bench.with(text(), shell(&line));
        done(send(&bench.begun(), "a", hostile), Value::from(hostile));
        assert_eq!(bench.read("seen"), hostile);
    }
    let bench = Bench::new().with(text(), shell("exit 0"));
    let failure = send(&bench.begun(), "a", "x\0y").failure.unwrap();
    assert!(failure.is_refusal(), "{failure}");
}

#[test]
fn a_program_that_fails_leaves_the_state_and_says_why() {
    let line = "echo Attention >&2; echo more >&2; exit $(( LUIGI_VALUE > 20 ))";
    let level = Number::new("level", "Level").build().unwrap();
    let bench = Bench::new().with(level, shell(line));
    let actuators = bench.begun();
    done(send(&actuators, "level", "20"), Value::from(20));
    let reason = "cannot carry out the command 21 for level: /bin/sh ended with exit status: 1: Attention";
    failed(send(&actuators, "level", "21"), reason, Value::from(20));
}

#[test]
fn a_program_that_is_not_there_or_takes_too_long_is_told() {
    let missing =
        Program { path: "/nonexistent".to_owned(), arguments: vec!["secret".to_owned()], limit: LIMIT };
    let slow = Program::shell("sleep 60", Duration::from_millis(100));
    let bench =
        Bench::new().with(switch("a"), Target::Program(missing)).with(switch("b"), Target::Program(slow));
    let actuators = bench.begun();
    let reason = "cannot carry out the command on for a: cannot start /nonexistent: No such file or directory (os error 2)";
    failed(send(&actuators, "a", "ON"), reason, Value::Unknown);
    let reason = "cannot carry out the command on for b: /bin/sh did not end within 100ms and was killed";
    failed(send(&actuators, "b", "ON"), reason, Value::Unknown);
}

#[test]
fn a_text_in_the_mode_password_is_shown_nowhere() {
    let code = Text::new("code", "Code").mode("password").build().unwrap();
    let bench = Bench::new().with(code.clone(), shell("exit 1"));
    let failure = send(&bench.begun(), "code", "hunter2").failure.unwrap();
    assert!(!format!("{failure:?} {failure} {:?}", failure.event()).contains("hunter2"));
    let failure = super::super::CommandFailure::retained(&code, b"hunter2");
    assert!(!format!("{failure:?} {failure} {:?}", failure.event()).contains("hunter2"));
}

#[test]
fn where_an_input_knows_the_state_nothing_else_says_it() {
    let mut bench = Bench::new().with(switch("a"), shell("exit 0")).with(switch("b"), shell("exit 1"));
    let feed = Feed::Exec { program: Program::shell("exit 0", LIMIT), extract: Extract::ExitStatus };
    let (interval, filtering) = (LIMIT, Filtering::plain(0.0, LIMIT));
    for it in &mut bench.declared {
        it.input = Some(Input { feed: feed.clone(), interval, misses: 1, filtering: filtering.clone() });
    }
    let actuators = bench.begun();
    done(send(&actuators, "a", "ON"), None);
    assert_eq!(send(&actuators, "b", "ON").state, None);
}

#[test]
fn a_light_is_restored_with_the_brightness_that_it_had() {
    let lamp = Light::new("lamp", "Lamp").color_modes(["brightness"]).build().unwrap();
    let bench = Bench::new();
    let target = noting(&bench, "$LUIGI_STATE $LUIGI_BRIGHTNESS", "seen");
    let bench = bench.with(lamp, target).initially(Initial::Restore);
    let before = bench.begun();
    send(&before, "lamp", r#"{"state":"ON","brightness":51}"#);
    send(&before, "lamp", r#"{"state":"OFF"}"#);
    let after = bench.actuators();
    let state = Value::from(LightState::off().brightness(51));
    assert_eq!(beginnings(&after).into_values().collect::<Vec<_>>(), [Some(state)]);
    done(send(&after, "lamp", r#"{"state":"ON"}"#), Value::from(LightState::on().brightness(51)));
    assert_eq!(bench.read("seen"), "on 51\noff 0\noff 0\non 51\n");
}

#[test]
fn a_command_that_comes_before_the_initial_state_is_not_undone_by_it() {
    let bench = Bench::new();
    let target = noting(&bench, "$1", "seen");
    let bench = bench.with(switch("a"), target).initially(Initial::Value(false.into()));
    let actuators = bench.actuators();
    done(send(&actuators, "a", "ON"), Value::Switch(true));
    assert!(beginnings(&actuators).is_empty());
    assert_eq!(bench.read("seen"), "on\n");
}
