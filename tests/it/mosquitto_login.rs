//! User names and passwords.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::AVAILABILITY;
use crate::support::CLIENT_ID;
use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::free_port;
use crate::support::wait_until_or;

/// A broker that lets in `luigi` alone, with [`PASSWORD`].
fn closed_broker() -> Mosquitto {
    let users = vec![(USER.to_owned(), PASSWORD.to_owned())];
    Mosquitto::start(MosquittoOptions { users, ..Default::default() })
}

/// Checks that a daemon which has its password from where `launch` says gets in, and does not show it.
#[track_caller]
fn check(more: &[(&str, &str)], launch: impl FnOnce(Launch) -> Launch) {
    let mosquitto = closed_broker();
    let configuration = Configuration::new(mosquitto.port()).set(SECTION, "USERNAME", USER);
    let configuration = more.iter().fold(configuration, |it, (key, value)| it.set(SECTION, key, value));
    let observer = Observer::start(&mosquitto, &[AVAILABILITY]);
    let daemon = launch(Launch::new(&configuration.text())).start();
    observer.wait_for_latest(AVAILABILITY, "online");
    let command = fs::read(format!("/proc/{}/cmdline", daemon.id())).unwrap();
    let shown = daemon.lines().concat() + &String::from_utf8_lossy(&command);
    assert!(!shown.contains(PASSWORD), "{shown}");
    assert!(
        mosquitto.log().contains(&format!("as {CLIENT_ID} (p2, c1, k60, u'{USER}')")),
        "{}",
        mosquitto.log()
    );
}

fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_password_of_the_configuration_opens_the_broker() {
    check(&[("PASSWORD", PASSWORD)], |launch| launch);
}

#[test]
fn a_password_of_the_environment_opens_the_broker_and_goes_before_the_configuration() {
    check(&[("PASSWORD", "another")], |launch| launch.env("MQTT_PASSWORD", PASSWORD));
}

#[test]
fn a_password_in_a_file_opens_the_broker() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    write_private(&file, &format!("{PASSWORD}\n"));
    check(&[("PASSWORD_FILE", file.to_str().unwrap())], |launch| launch);
}

#[test]
fn a_password_from_the_service_manager_opens_the_broker() {
    check(&[], |launch| {
        let folder = launch.folder().join("credentials");
        fs::create_dir(&folder).unwrap();
        write_private(&folder.join("mqtt-password"), PASSWORD);
        launch.env("CREDENTIALS_DIRECTORY", folder)
    });
}

#[test]
fn a_wrong_password_is_one_error_line_and_no_hammering() {
    let mosquitto = closed_broker();
    let configuration = Configuration::new(mosquitto.port()).set(SECTION, "USERNAME", USER).set(
        SECTION,
        "PASSWORD",
        "wrong-password",
    );
    let mut daemon = Daemon::start(&configuration.text());
    let line = daemon.wait_for_line("[ERROR]");
    assert!(line.contains("check USERNAME and PASSWORD in [Authentication]"), "{line}");
    let pause = line.rsplit(' ').nth(1).and_then(|it| it.parse::<u32>().ok());
    // A minute, and a quarter of it by chance in either direction.
    assert!(pause.is_some_and(|it| (45..=75).contains(&it)), "{line}");

    // A daemon that meets no broker at all has tried three times meanwhile.
    let impatient = Daemon::start(&Configuration::new(free_port()).text());
    impatient.wait_for_lines("no connection to the broker", 3);
    let log = mosquitto.log();
    let refusals = log.matches("(0, 5)").count();
    assert_eq!(refusals, 1, "{log}");
    assert_eq!(daemon.ended(), None);
    let lines = daemon.lines();
    assert_eq!(lines.iter().filter(|it| it.contains("[ERROR]")).count(), 1, "{lines:#?}");
    assert!(!lines.concat().contains("wrong-password"), "{lines:#?}");
    daemon.terminate();
    assert!(daemon.wait_exit(LIMIT).success());
}

#[test]
fn an_anonymous_login_that_is_refused_says_so() {
    let mosquitto = closed_broker();
    let daemon = Daemon::start(&Configuration::new(mosquitto.port()).text());
    let line = daemon.wait_for_line("[ERROR]");
    assert!(line.contains("the broker refused the login (not authorized)"), "{line}");
    wait_until_or("the refusal", LIMIT, || mosquitto.log().contains("(0, 5)"), || mosquitto.log());
}

const SECTION: &str = "Authentication";
const USER: &str = "luigi";
/// With the characters that a configuration file is tempted to take for something else.
const PASSWORD: &str = "s3cr%t#;=\"x y";
