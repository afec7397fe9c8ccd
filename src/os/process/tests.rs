//! What becomes of programs that end, and of those that do not.

use super::*;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::thread;

use crate::model::Chain;

const LIMIT: Duration = Duration::from_secs(20);

fn shell(line: &str) -> Program {
    Program::shell(line, LIMIT)
}

/// `line` with a limit that is over at once, or soon.
fn short(line: &str) -> Program {
    Program::shell(line, Duration::from_millis(100))
}

fn wait_until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LIMIT, "waited too long");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Whether there is a process of the number in the file `name`, but for one that only nobody has waited for.
fn runs(folder: &Path, name: &str) -> bool {
    let number = fs::read_to_string(folder.join(name)).unwrap();
    let state = fs::read_to_string(format!("/proc/{}/stat", number.trim()));
    state.is_ok_and(|it| !it.contains(") Z "))
}

#[test]
fn a_program_that_ends_has_a_status_an_output_and_a_complaint() {
    for (line, status, output, complaint) in [
        ("echo out", 0, "out\n", ""),
        ("echo out; echo >&2; echo ' first\tone' >&2; echo second >&2; exit 3", 3, "out\n", "first one"),
        ("exec >&- 2>&-; sleep 0.05; exit 4", 4, "", ""),
        ("cat; echo end of input", 0, "end of input\n", ""),
        ("head -c 300000 /dev/zero | tr '\\0' x >&2; echo out", 0, "out\n", &"x".repeat(200)),
    ] {
        let found = run(&shell(line), &[], None, None).unwrap();
        assert_eq!(found.status.code(), Some(status), "{line}");
        assert_eq!(String::from_utf8(found.output).unwrap(), output, "{line}");
        assert_eq!(found.complaint, complaint, "{line}");
    }
}

#[test]
fn an_argument_passes_no_shell_and_the_environment_has_what_is_added() {
    let program = Program { path: "/bin/echo".to_owned(), arguments: vec!["$(x)".to_owned()], limit: LIMIT };
    let output = run(&program, &[], Some("; $HOME 'y"), None).unwrap().output;
    assert_eq!(output, b"$(x) ; $HOME 'y\n");
    let output = run(&shell("echo $VALUE"), &[("VALUE", "21.5")], None, None).unwrap().output;
    assert_eq!(output, b"21.5\n");
}

#[test]
fn no_program_gets_what_is_only_for_us() {
    let command = command(&shell("env"), &[("VALUE", "1")], None);
    let variables: HashMap<&OsStr, Option<&OsStr>> = command.get_envs().collect();
    for name in [
        "MQTT_PASSWORD",
        "CREDENTIALS_DIRECTORY",
        "LISTEN_FDS",
        "LISTEN_PID",
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
    ] {
        assert_eq!(variables.get(OsStr::new(name)), Some(&None), "{name}");
    }
    assert_eq!(variables[OsStr::new("VALUE")], Some(OsStr::new("1")));
}

#[test]
fn a_program_that_cannot_be_started_is_named_with_the_cause() {
    let program = Program { path: "/nowhere/x".to_owned(), arguments: vec![], limit: LIMIT };
    let error = run(&program, &[], Some("secret"), None).unwrap_err();
    assert_eq!(Chain(&error).to_string(), "cannot start /nowhere/x: No such file or directory (os error 2)");
    assert!(run(&program, &[], Some("a\0b"), None).is_err());
}

#[test]
fn a_program_that_takes_too_long_is_killed_with_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    for line in [
        format!("sleep 1000 & echo $! > {at}/child; echo $$ > {at}/self; wait"),
        // Signals that it ignores, its child ignores too.
        format!("trap '' TERM; sleep 1000 & echo $! > {at}/child; echo $$ > {at}/self; sleep 1000"),
        format!("sleep 1000 & echo $! > {at}/child; echo $$ > {at}/self; exec >&- 2>&-; sleep 1000"),
    ] {
        // As long as a busy machine takes to bring it that far.
        let limits = (0..8).map(|doublings| Duration::from_millis(100 << doublings));
        let error = limits
            .map(|limit| run(&Program::shell(&line, limit), &[], None, None).unwrap_err())
            .find(|_| folder.path().join("self").exists());
        let error = error.expect("it came that far").to_string();
        assert!(
            error.starts_with("/bin/sh did not end within ") && error.ends_with(" and was killed"),
            "{error}"
        );
        assert!(!runs(folder.path(), "self"), "{line}");
        wait_until(|| !runs(folder.path(), "child"));
        fs::remove_file(folder.path().join("self")).unwrap();
    }
}

#[test]
fn what_a_program_leaves_behind_with_its_output_is_killed_and_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("sleep 1000 & echo $! > {}/child", folder.path().display());
    let error = run(&shell(&line), &[], None, None).unwrap_err();
    assert!(matches!(error, ProcessError::Lingers { .. }), "{error}");
    wait_until(|| !runs(folder.path(), "child"));
}

#[test]
fn what_a_program_leaves_behind_without_its_output_runs_on() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("sleep 1000 >/dev/null 2>&1 & echo $! > {}/child", folder.path().display());
    run(&shell(&line), &[], None, None).unwrap();
    assert!(runs(folder.path(), "child"));
    let number = fs::read_to_string(folder.path().join("child")).unwrap().trim().parse().unwrap();
    nix::sys::signal::kill(Pid::from_raw(number), Signal::SIGKILL).unwrap();
}

#[test]
fn a_program_may_print_64_kib_and_is_killed_for_more() {
    let print = |bytes| run(&shell(&format!("head -c {bytes} /dev/zero")), &[], None, None);
    assert_eq!(print(65_536).unwrap().output.len(), 65_536);
    assert!(matches!(print(65_537).unwrap_err(), ProcessError::Flood { .. }));
    // Goes on printing through its grace.
    let endless = run(&shell("trap '' TERM; yes"), &[], None, None).unwrap_err();
    assert!(matches!(endless, ProcessError::Flood { .. }), "{endless}");
    let complaining = run(&short("yes >&2"), &[], None, None).unwrap_err();
    assert!(matches!(complaining, ProcessError::Late { .. }), "{complaining}");
}

#[test]
fn what_runs_when_it_is_halted_is_killed_and_nothing_starts_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let halt = Halt::new().unwrap();
    let line = format!("echo $$ > {0}/new; mv {0}/new {0}/self; sleep 1000", folder.path().display());
    let program = shell(&line);
    thread::scope(|scope| {
        let running = scope.spawn(|| run(&program, &[], None, Some(&halt)));
        wait_until(|| folder.path().join("self").exists());
        halt.clone().set();
        let error = running.join().unwrap().unwrap_err();
        assert!(matches!(error, ProcessError::Halted { .. }), "{error}");
    });
    assert!(!runs(folder.path(), "self"));
    fs::remove_file(folder.path().join("self")).unwrap();
    assert!(run(&program, &[], None, Some(&halt)).is_err());
    assert!(!folder.path().join("self").exists());
}

#[test]
fn nothing_of_a_line_that_is_shown_moves_the_cursor() {
    assert_eq!(first_line(b"\n \n\x1b[2Jred\xff\rx\nmore"), " [2Jred\u{fffd} x");
}
