//! The cases of `tests/data/config`, and the example file: what comes of each whole file.
//!
//! A case is a file `<name>.conf` with `<name>.expected` beside it: the errors, or what differs from
//! the defaults and the warnings.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::owner::Owner;
use super::settings::{Settings, Spelling};
use super::{Config, ConfigErrors, Endpoint, Environment};
use crate::model::Delivery;

#[test]
fn each_case_comes_to_what_stands_beside_it() {
    for (name, text, expected) in cases() {
        assert_eq!(outcome(&text), expected, "{name}");
    }
}

#[test]
fn line_ends_and_byte_order_marks_make_no_difference() {
    for (name, text, expected) in cases() {
        assert_eq!(outcome(&text.replace('\n', "\r\n")), expected, "{name} with CRLF");
        assert_eq!(outcome(&format!("\u{feff}{text}")), expected, "{name} with a byte order mark");
        assert_eq!(outcome(text.trim_end()), expected, "{name} without a newline at its end");
        let indented = text.lines().map(|it| format!("\t  {it}\t \n")).collect::<Vec<_>>().concat();
        assert_eq!(outcome(&indented), expected, "{name} with blanks around its lines");
    }
}

#[test]
fn no_error_or_warning_and_no_debug_output_shows_a_password() {
    for (name, text, expected) in cases() {
        assert!(!text.contains("hunter2") || !expected.contains("hunter2"), "{name}");
        let shown = format!("{:?}", load(&text).0);
        let passwords = ["hunter2", "your_secure_password", "pa#ss", "p\"a # ss"];
        assert!(!passwords.iter().any(|it| shown.contains(it)), "{name}: {shown}");
    }
}

#[test]
fn a_damaged_file_is_read_whole_or_refused_with_a_reason() {
    let mut random = fastrand::Rng::with_seed(20);
    for (name, text, _) in cases() {
        for _ in 0..60 {
            let mut bytes = text.clone().into_bytes();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..bytes.len());
                match random.u8(..4) {
                    0 => bytes[at] = random.u8(..),
                    1 => drop(bytes.remove(at)),
                    2 => bytes.insert(at, bytes[random.usize(..bytes.len())]),
                    _ => bytes.truncate(at + 1),
                }
            }
            let Err(errors) = Config::parse(&bytes, &environment()) else { continue };
            assert!(errors.iter().len() > 0, "{name}: {bytes:?}");
            let lines = bytes.split(|byte| *byte == b'\n').count();
            for line in errors.iter().filter_map(|it| it.place.line()) {
                assert!((1..=lines).contains(&line), "{name}: {line} of {bytes:?}");
            }
        }
    }
}

#[test]
fn the_example_file_is_all_defaults() {
    assert_eq!(outcome(&example()), "");
}

#[test]
fn each_line_of_the_example_file_shows_the_default() {
    let lines: Vec<_> = example().lines().map(str::to_owned).collect();
    let optional: Vec<_> = (0..lines.len()).filter(|at| optional_key(&lines[*at]).is_some()).collect();
    for at in &optional {
        let mut lines = lines.clone();
        lines[*at].remove(0);
        assert_eq!(outcome(&lines.join("\n")), "", "{}", lines[*at]);
    }
    let mut all = lines.clone();
    for at in optional {
        all[at].remove(0);
    }
    assert_eq!(outcome(&all.join("\n")), "");
}

#[test]
fn the_example_file_has_every_key_there_is() {
    let environment = environment();
    let mut settings = Settings::new(&Owner::Daemon, &environment);
    Config::read(&mut settings, None).unwrap();
    let own = settings.asked().iter().filter(|(_, spelling)| **spelling == Spelling::Own);
    let known: BTreeSet<String> = own.map(|((section, key), _)| format!("[{section}] {key}")).collect();

    let mut section = String::new();
    let mut shown = BTreeSet::new();
    for line in example().lines() {
        if line.starts_with('[') {
            section = line.to_owned();
        } else if let Some(key) = optional_key(line).or_else(|| key(line)) {
            shown.insert(format!("{section} {key}"));
        }
    }
    assert_eq!(shown, known);
}

/// Name, text and expected outcome of each case.
fn cases() -> Vec<(String, String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config");
    let files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let cases: Vec<_> = files
        .filter(|it| it.extension().is_some_and(|it| it == "conf"))
        .map(|path| {
            let expected = fs::read_to_string(path.with_extension("expected")).unwrap();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap(), expected)
        })
        .collect();
    assert!(cases.len() > 20);
    cases
}

fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/luigi-mqtt.conf");
    fs::read_to_string(path).unwrap()
}

/// The key of `#KEY=value`.
fn optional_key(line: &str) -> Option<&str> {
    key(line.strip_prefix('#')?)
}

fn key(line: &str) -> Option<&str> {
    let (key, _) = line.split_once('=')?;
    key.chars().all(|c| c.is_ascii_uppercase() || c == '_').then_some(key)
}

fn environment() -> Environment {
    Environment::new("pi", Path::new("/nowhere"))
}

/// What comes of a file with `text`: errors, or differences from the defaults and warnings.
fn outcome(text: &str) -> String {
    let (result, folder) = load(text);
    let lines = match result {
        Err(errors) => vec![errors.to_string()],
        Ok(config) => {
            let defaults = describe(&Config::load(None, &environment()).unwrap());
            let mut lines = describe(&config);
            lines.retain(|it| !defaults.contains(it));
            lines.extend(config.warnings.iter().map(|it| format!("warning: {it}")));
            lines
        }
    };
    let lines: String = lines.into_iter().map(|it| it + "\n").collect();
    lines.replace(&format!("{}/", folder.path().display()), "")
}

/// Loads `text` from the file `FILE` in a folder that has the authorities which the README names.
fn load(text: &str) -> (Result<Config, ConfigErrors>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let [path, ca] = ["FILE", "ca.crt"].map(|it| folder.path().join(it));
    fs::write(&ca, "").unwrap();
    fs::write(&path, text.replace("/etc/ssl/certs/ca.crt", &ca.to_string_lossy())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    (Config::load(Some(&path), &environment()), folder)
}

fn describe(config: &Config) -> Vec<String> {
    let Config { broker, credentials, client, topics, discovery, host, spool, logging, .. } = config;
    let mut lines = vec![
        format!(
            "broker: {}",
            broker.endpoints.iter().map(Endpoint::to_string).collect::<Vec<_>>().join(", ")
        ),
        format!("fail-back: {:?}", broker.failback_interval),
        format!("tls: {:?}", broker.tls),
        format!("username: {:?}", credentials.as_ref().map(|it| &it.username)),
        format!("id: {}", client.id),
        format!("keep alive: {:?}", client.keep_alive),
        format!("qos: {}", client.qos.level()),
        format!("reconnect delay: {:?} to {:?}", client.reconnect_delay, client.reconnect_delay_max),
        format!("connection timeout: {:?}", client.connection_timeout),
        format!("max packet: {}", client.max_packet_bytes),
        format!("in flight: {}", client.max_in_flight),
        format!("clean session: {}", client.clean_session),
        format!("discovery prefix: {}", topics.discovery_prefix),
        format!("state: {}", topics.state),
        format!("availability: {}", topics.availability),
        format!("layout: {}", topics.layout),
        format!("device: {} | {} | {}", discovery.device_name, discovery.manufacturer, discovery.model),
        format!("software: {:?}", discovery.sw_version),
        format!("birth: {} {}", discovery.birth_topic, discovery.birth_payload),
        format!("host: {} {:?}", host.disk_path.display(), host.heartbeat),
        format!("spool: {:?} {} {}", spool.mode, spool.directory.display(), spool.max_bytes),
        format!("log: {:?} {} {} x {}", logging.file, logging.level, logging.max_bytes, logging.backups),
    ];
    let password = credentials.as_ref().and_then(|it| it.password.as_ref());
    lines.extend(password.map(|it| format!("password: {}", it.reveal())));
    let sampling = |it: &super::HostSampling| {
        let every = if it.delivery == Delivery::Every { " every" } else { "" };
        let qos = it.qos.map(|it| format!(" at QoS {}", it.level())).unwrap_or_default();
        format!("{} {:?} {}{every}{qos}", it.sensor.as_str(), it.interval, it.dead_band)
    };
    lines.push(format!("sensors: {}", host.sensors.iter().map(sampling).collect::<Vec<_>>().join(", ")));
    lines
}
