//! The command line: what each command prints, and how it ends.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;

use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Faults;
use luigi_mqtt::mock::Login;
use luigi_mqtt::mock::Settings;
use luigi_mqtt::model::Secret;
use luigi_mqtt::model::Topic;

use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Process;
use crate::support::SilentPeer;
use crate::support::Stream;
use crate::support::config;
use crate::support::free_port;
use crate::support::wait_until_or;

/// What `check` with `arguments` and `config` prints to standard output and to standard error, and its exit code.
fn check(config: &str, arguments: &[&str]) -> (Vec<String>, Vec<String>, i32) {
    let mut check = Launch::new(config).subcommand("check").args(arguments).start();
    let status = check.wait_exit(LIMIT);
    (check.lines_of(Stream::Stdout), check.lines_of(Stream::Stderr), status.code().unwrap())
}

/// The steps to the broker that `check --connect` prints, and its exit code.
fn steps(config: &str) -> (Vec<String>, i32) {
    let (output, errors, code) = check(config, &["--connect"]);
    assert_eq!(errors, [""; 0]);
    let begin = output.iter().position(|it| it == "to the broker:").unwrap_or_else(|| panic!("{output:#?}"));
    (output[begin + 1..].to_vec(), code)
}

/// Sees that `check --connect` ends with the failure `expected`, after `good` steps that are fine.
#[track_caller]
fn check_fails(config: &str, good: usize, expected: &str) {
    let (steps, code) = steps(config);
    assert_eq!(code, 69, "{steps:#?}");
    assert_eq!(steps.len(), good + 1, "{steps:#?}");
    assert!(steps[..good].iter().all(|it| it.starts_with("  ok  ")), "{steps:#?}");
    assert!(steps[good].starts_with(&format!("  NO  {expected}")), "{steps:#?}");
}

/// Runs the binary with `arguments` and nothing in its environment but `variables`, in a machine at `root`.
fn run(arguments: &[&str], root: &Path, variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_luigi-mqtt"))
        .args(arguments)
        .env_clear()
        .env("LUIGI_MQTT_ROOT", root)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn each_problem_of_the_configuration_is_named_and_nothing_is_started() {
    let broker = Broker::start(Settings::default()).unwrap();
    let text = config(
        broker.address().port(),
        &[("Client", "QOS", "3"), ("Client", "KEEPALVE", "60"), ("Hosts", "A", "1")],
    );
    for subcommand in ["run", "check"] {
        let mut daemon = Launch::new(&text).subcommand(subcommand).start();
        assert_eq!(daemon.wait_exit(LIMIT).code(), Some(78));
        let lines = daemon.lines_of(Stream::Stderr);
        let behind_path: Vec<&str> = lines.iter().map(|it| it.split_once(".conf:").unwrap().1).collect();
        assert_eq!(
            behind_path,
            [
                "7: [Client] KEEPALVE: unknown key; did you mean KEEPALIVE?",
                "8: [Client] QOS: expected 0, 1 or 2, found \"3\"",
                "15: [Hosts]: unknown section; did you mean [Host]?",
            ]
        );
        assert_eq!(daemon.lines_of(Stream::Stdout), [""; 0]);
    }
    assert_eq!(broker.connect_count(), 0, "and nothing is connected with defaults");
}

#[test]
fn a_problem_in_the_password_does_not_show_it() {
    let (output, errors, code) =
        check("[Authentication]\nUSERNAME=a\nPASSWORD=\"hunter2\nPASSWORD hunter2\n", &[]);
    assert_eq!((code, errors.len()), (78, 2), "{errors:#?}");
    assert!(!errors.iter().chain(&output).any(|it| it.contains("hunter2")), "{errors:#?}");
}

#[test]
fn a_file_that_is_named_must_exist() {
    for subcommand in ["run", "check"] {
        let launch = Launch::new("").subcommand(subcommand);
        fs::remove_file(launch.folder().join("luigi-mqtt.conf")).unwrap();
        let mut daemon = launch.start();
        assert_eq!(daemon.wait_exit(LIMIT).code(), Some(78));
        let lines = daemon.lines();
        assert!(
            lines[0].ends_with("luigi-mqtt.conf: cannot be read: No such file or directory (os error 2)")
        );
        assert_eq!(lines.len(), 1, "{lines:#?}");
    }
    let root = tempfile::tempdir().unwrap();
    let output = run(&["check"], root.path(), &[("MQTT_CONFIG_FILE", "/no/such.conf")]);
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("/no/such.conf: cannot be read"));
}

#[test]
fn without_a_named_file_the_older_modules_file_is_taken_and_else_all_default() {
    let root = tempfile::tempdir().unwrap();
    let first_line = || {
        let output = run(&["check"], root.path(), &[]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().next().unwrap().to_owned()
    };
    assert_eq!(first_line(), "configuration: no file, all default");
    for module in ["ha-mqtt", "ha-mqtt-py", "luigi-mqtt"] {
        let folder = root.path().join("etc/luigi/iot").join(module);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{module}.conf")), "[Broker]\nHOST=broker.lan\n").unwrap();
        let path = folder.join(format!("{module}.conf"));
        assert_eq!(first_line(), format!("configuration: {}, no errors", path.display()));
    }
}

#[test]
fn check_lists_what_would_be_announced() {
    let (output, errors, code) =
        check(&config(free_port(), &[("Discovery", "DEVICE_NAME", "Attic Pi")]), &[]);
    assert_eq!((code, errors.as_slice()), (0, &[] as &[String]));
    let table = [
        "",
        "device: Attic Pi (Luigi Project, Raspberry Pi Zero W)",
        "  Load (1 min)     luigi/pi/load_1m",
        "  Load (5 min)     luigi/pi/load_5m",
        "  Load (15 min)    luigi/pi/load_15m",
        "3 entities would be announced",
        "",
    ];
    assert_eq!(output[1..], table);

    let gate = format!("{}\n[Button gate]\nPATH=/run/gate\n", config(free_port(), &[]));
    let (output, ..) = check(&gate, &[]);
    assert!(
        output.iter().any(|it| it == "  Gate              luigi/pi/gate/set        sets /run/gate"),
        "{output:#?}"
    );
}

#[test]
fn check_says_where_values_come_from_and_what_of_that_is_not_there_yet() {
    let sections = "[Discovery]\nSENSORS_DIR=/sensors\n\
        [Sensor attic]\nPATH=/data/attic\nUNIT=V\n[Sensor cellar]\nPATH=/data/cellar\n\
        [Sensor tank]\nSOURCE=w1\nDEVICE=28-00000a1b2c3d\n[Sensor fan]\nSOURCE=hwmon\nCHIP=pwmfan\nCHANNEL=fan1\n\
        [Sensor weather]\nCOMMAND=/bin/no-such-program secret\n[Sensor light]\nCOMMAND=/etc/passwd\n\
        [BinarySensor door]\nLINE=gpiochip99:17\n[Switch pump]\nPATH=/data/pump\n\
        [Button reboot]\nCOMMAND=/bin/true\n";
    let text = config(free_port(), &[("Host", "ENABLED", "no")]) + sections;
    let descriptor = r#"{"sensor_id":"mario","name":"Mario","module":"mario"}"#;
    let launch = Launch::new(&text).machine_file("data/attic", "1");
    let launch =
        launch.machine_file("sensors/mario.json", descriptor).machine_file("sensors/broken.json", "{");
    let machine = launch.folder().join("machine");
    let mut check = launch.subcommand("check").start();
    assert_eq!(check.wait_exit(LIMIT).code(), Some(0), "{:#?}", check.lines());
    assert_eq!(check.lines_of(Stream::Stderr), [""; 0]);
    let output = check.lines_of(Stream::Stdout);
    let (warnings, table) = output.split_at(output.iter().position(|it| it.is_empty()).unwrap());
    let warning = |part: &str| warnings.iter().filter(|it| it.contains(part)).count();
    assert_eq!(warning("broken.json"), 1, "{output:#?}");
    assert_eq!(warning("warning: [BinarySensor door]: "), 1, "{output:#?}");
    for expected in [
        format!("warning: [Sensor cellar]: {}/data/cellar is not there now", machine.display()),
        "warning: [Sensor weather]: /bin/no-such-program is not there now".to_owned(),
        "warning: [Sensor light]: /etc/passwd is not executable".to_owned(),
    ] {
        assert!(warnings.contains(&expected), "{output:#?}");
    }
    assert_eq!(warnings.len(), 1 + 5, "{output:#?}");
    let expected = [
        "  Attic           V    luigi/pi/attic           /data/attic",
        "  Cellar               luigi/pi/cellar          /data/cellar",
        "  Tank            °C   luigi/pi/tank            1-Wire 28-00000a1b2c3d",
        "  Fan             rpm  luigi/pi/fan             hwmon pwmfan fan1",
        "  Weather              luigi/pi/weather         /bin/no-such-program",
        "  Light                luigi/pi/light           /etc/passwd",
        "  Door                 luigi/pi/door            gpiochip99:17",
        "  Pump                 luigi/pi/pump            sets /data/pump",
        "  Reboot               luigi/pi/reboot/set      runs /bin/true",
        "  Command failed       luigi/pi/command_failed",
        "  Mario                luigi/pi/mario           descriptor mario.json",
    ];
    assert_eq!(table[2..table.len() - 2], expected, "{output:#?}");
}

#[test]
fn check_connect_goes_all_the_way() {
    let broker = Broker::start(Settings::default()).unwrap();
    broker.publish(&Topic::new("homeassistant/status").unwrap(), "online", true);
    let (steps, code) = steps(&config(broker.address().port(), &[]));
    assert_eq!(code, 0, "{steps:#?}");
    let expected = [
        "  ok  name look-up: 127.0.0.1",
        "  ok  TCP: 127.0.0.1:",
        "  ok  login: as anonymous",
        "  ok  publishing: a message on luigi/pi/check came back",
        "  ok  publishing: a message on homeassistant/sensor/luigi-pi/check came back",
        "  ok  Home Assistant: said \"online\" on homeassistant/status (retained)",
    ];
    assert_eq!(steps.len(), expected.len(), "{steps:#?}");
    for (step, expected) in steps.iter().zip(expected) {
        assert!(step.starts_with(expected), "{steps:#?}");
    }
    assert!(broker.connects().iter().all(|it| it.client == "luigi-pi-check" && it.will.is_none()));
    assert_eq!(broker.retained(&Topic::new("luigi/pi/check").unwrap()), None);
}

#[test]
fn check_connect_does_not_disturb_the_daemon() {
    let broker = Broker::start(Settings::default()).unwrap();
    let text = config(broker.address().port(), &[]);
    let daemon = Launch::new(&text).start();
    daemon.wait_for_line("[INFO] announced 3 entities");
    assert_eq!(steps(&text).1, 0);
    assert!(!daemon.lines().iter().any(|it| it.contains("[WARN]")), "{:#?}", daemon.lines());
}

#[test]
fn check_connect_names_the_step_that_fails() {
    check_fails(
        "[Broker]\nHOST=nonexistent.invalid\n",
        0,
        "name look-up: cannot find the address of nonexistent.invalid (check HOST in [Broker]",
    );
    let port = free_port();
    check_fails(&config(port, &[]), 1, &format!("TCP: cannot connect to 127.0.0.1:{port} (is the broker"));

    let silent = SilentPeer::start();
    let text = config(silent.port(), &[("Client", "CONNECTION_TIMEOUT", "1")]);
    check_fails(
        &text,
        2,
        &format!("login: no answer from a broker at 127.0.0.1:{} within 1 s", silent.port()),
    );

    let login = Login { user_name: "luigi".into(), password: Secret::new("right") };
    let broker = Broker::start(Settings { login: Some(login), ..Settings::default() }).unwrap();
    let text = config(
        broker.address().port(),
        &[("Authentication", "USERNAME", "luigi"), ("Authentication", "PASSWORD", "wrong")],
    );
    check_fails(
        &text,
        2,
        "login: the broker refused the login (not authorized): check USERNAME and PASSWORD",
    );

    // CONNACK has 4 bytes and SUBACK 5.
    let broker = Broker::start(Faults { cut_after_sent: Some(10), ..Faults::default() }).unwrap();
    let (steps, code) = steps(&config(broker.address().port(), &[]));
    assert_eq!(code, 69, "{steps:#?}");
    assert!(steps[3].starts_with("  NO  publishing: the broker closed the connection"), "{steps:#?}");
}

#[test]
fn a_mock_mode_that_is_neither_yes_nor_no_reaches_no_broker() {
    let mut daemon = Launch::new(&config(free_port(), &[])).env("MOCK_MODE", "y").start();
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(78));
    assert_eq!(daemon.lines(), [r#"MOCK_MODE: expected 1 or 0, yes or no, found "y""#]);
}

#[test]
fn a_rehearsal_needs_no_broker_and_shows_what_arrives() {
    let unused = config(free_port(), &[]);
    let by_argument = Launch::new(&unused).args(&["--mock"]);
    let by_variable = Launch::new(&unused).env("MOCK_MODE", "1");
    for launch in [by_argument, by_variable] {
        let mut daemon = launch.start();
        daemon.wait_for_line(
            "[MOCK] homeassistant/sensor/luigi-pi/load_1m/config = {\"name\":\"Load (1 min)\"",
        );
        daemon.wait_for_line("[MOCK] luigi/pi/availability = online");
        daemon.wait_for_line("[MOCK] luigi/pi/load_1m = 0.08");
        let row = daemon.wait_for_line("Load (1 min) ");
        assert_eq!(row.split_whitespace().collect::<Vec<_>>()[3], "0.08", "{row}");
        let title = daemon.lines_of(Stream::Stdout).into_iter().find(|it| it.starts_with("Entity"));
        let title = title.unwrap_or_else(|| panic!("{:#?}", daemon.lines()));
        assert_eq!(title.split_whitespace().collect::<Vec<_>>(), ["Entity", "State", "Unit", "Device"]);
        daemon.change_machine("proc/loadavg", "3.00 2.00 1.00 1/91 1234\n");
        daemon.wait_for_line("[MOCK] luigi/pi/load_1m = 3");
        daemon.terminate();
        assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0));
        daemon.wait_for_line("[MOCK] luigi/pi/availability = offline");
    }
}

#[test]
fn the_broker_of_the_environment_takes_the_place_of_that_of_the_file() {
    let login = Login { user_name: "luigi".into(), password: Secret::new("from outside") };
    let broker = Broker::start(Settings { login: Some(login), ..Settings::default() }).unwrap();
    let text = config(free_port(), &[]);
    let mut daemon = Launch::new(&text)
        .env("MQTT_BROKER_HOST", "127.0.0.1")
        .env("MQTT_BROKER_PORT", broker.address().port().to_string())
        .env("MQTT_USERNAME", "luigi")
        .env("MQTT_PASSWORD", "from outside")
        .start();
    daemon.wait_for_line("[INFO] announced 3 entities");
    daemon.terminate();
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0));
    assert!(!daemon.lines().iter().any(|it| it.contains("from outside")), "{:#?}", daemon.lines());
}

#[test]
fn lines_for_the_journal_carry_its_priorities() {
    let folder = tempfile::tempdir().unwrap();
    let log = File::create(folder.path().join("journal")).unwrap();
    let metadata = log.metadata().unwrap();
    let written = || fs::read_to_string(folder.path().join("journal")).unwrap();
    fs::write(folder.path().join("conf"), config(free_port(), &[])).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_luigi-mqtt"));
    command.args(["run", "--config"]).arg(folder.path().join("conf")).env_remove("MOCK_MODE");
    command.env("JOURNAL_STREAM", format!("{}:{}", metadata.dev(), metadata.ino()));
    let mut daemon = Process::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log));
    wait_until_or("a warning", LIMIT, || written().contains("next attempt in"), written);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0));
    let text = written();
    assert!(text.contains("\n<4>no connection to the broker: cannot connect to"), "{text}");
    assert!(text.contains("\n<6>stopping\n"), "{text}");
    assert!(
        text.lines().all(|it| ["<4>", "<6>", "<7>"].iter().any(|prefix| it.starts_with(prefix))),
        "{text}"
    );
}

#[test]
fn without_arguments_or_with_wrong_ones_the_usage_is_told() {
    let root = tempfile::tempdir().unwrap();
    for arguments in [&[][..], &["rum"], &["run", "--mook"]] {
        let output = run(arguments, root.path(), &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("Usage: luigi-mqtt"), "{arguments:?}");
    }
}
