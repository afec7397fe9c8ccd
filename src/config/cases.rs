//! The cases of `tests/data/config`, and the example file: what comes of each whole file.
//!
//! A case is a file `<name>.conf` with `<name>.expected` beside it: the errors, or what differs from
//! the defaults and the warnings.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::declared::keys;
use super::declared::kind::Kind;
use super::owner::Owner;
use super::settings::{Settings, Spelling};
use super::{Config, ConfigErrors, Declared, Endpoint, Environment, Input};
use crate::entity;
use crate::entity::Device;
use crate::entity::Entity;
use crate::model::Delivery;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Topic;

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
fn sections_whose_lines_are_mixed_up_are_read_or_refused_with_a_reason() {
    let mut random = fastrand::Rng::with_seed(5);
    let of_sections =
        |(name, text, _): (String, String, String)| name.starts_with("declared").then_some(text);
    let text: String = cases().into_iter().filter_map(of_sections).collect();
    let lines: Vec<&str> = text.lines().collect();
    let mut refused = 0;
    for _ in 0..300 {
        let mut mixed: Vec<String> = Vec::new();
        let start = random.usize(..lines.len());
        for line in lines.iter().cycle().skip(start).take(random.usize(1..80)) {
            let other = lines[random.usize(..lines.len())];
            match (random.u8(..12), line.split_once('='), other.split_once('=')) {
                (0, ..) => {}
                (1, ..) => mixed.extend([(*line).to_owned(), other.to_owned()]),
                (2, Some((key, _)), Some((_, value))) => mixed.push(format!("{key}={value}")),
                (3, Some((_, value)), Some((key, _))) => mixed.push(format!("{key}={value}")),
                (4, Some((key, _)), _) => mixed.push(format!("{key}=")),
                _ => mixed.push((*line).to_owned()),
            }
        }
        let text = mixed.join("\n");
        let Err(errors) = Config::parse(text.as_bytes(), &environment()) else { continue };
        refused += 1;
        for error in &errors {
            assert!(
                error.place.line().is_some_and(|it| (1..=mixed.len()).contains(&it)),
                "{error} of {text}"
            );
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn the_example_file_is_all_defaults() {
    let (general, sections) = example();
    assert_eq!(outcome(&(general + &sections)), "");
}

#[test]
fn each_line_of_the_example_file_shows_the_default() {
    let lines: Vec<_> = example().0.lines().map(str::to_owned).collect();
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
    for line in example().0.lines() {
        if line.starts_with('[') {
            section = line.to_owned();
        } else if let Some(key) = optional_key(line).or_else(|| key(line)) {
            shown.insert(format!("{section} {key}"));
        }
    }
    assert_eq!(shown, known);
}

#[test]
fn the_example_file_explains_every_key_of_the_sections_and_which_kinds_have_it() {
    let (_, sections) = example();
    let explained: Vec<String> = sections.lines().filter_map(explanation).collect();
    let mut known: Vec<String> = Vec::new();
    for key in keys::KEYS {
        let kinds: Vec<&str> = key.kinds.iter().map(|it| it.as_str()).collect();
        let kinds =
            if kinds.len() == Kind::ALL.len() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        known.push(format!("{}{kinds}", key.name));
    }
    let sorted = |mut texts: Vec<String>| {
        texts.sort_unstable();
        texts
    };
    assert_eq!(sorted(explained), sorted(known));
}

#[test]
fn the_example_sections_are_right_and_show_every_kind_and_every_key() {
    let (_, sections) = example();
    let lines = sections.lines().filter_map(|it| it.strip_prefix('#'));
    let lines = lines.filter(|it| it.starts_with('[') || key(it).is_some());
    let text = lines.map(|it| format!("{it}\n")).collect::<String>();
    let config = Config::parse(text.as_bytes(), &environment()).unwrap();
    for kind in Kind::ALL {
        let heading = format!("{} ", kind.as_str());
        assert!(config.declared.iter().any(|it| it.section.starts_with(&heading)), "{heading}");
    }
    let shown: BTreeSet<&str> = text.lines().filter_map(key).collect();
    let missing = keys::KEYS.iter().map(|it| it.name).filter(|it| !shown.contains(it));
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0]);
}

/// The key, and the kinds that have it, of a line that explains one: `#   OFF_DELAY (BinarySensor)  Home…`.
fn explanation(line: &str) -> Option<String> {
    let (key, _) = line.strip_prefix("#   ")?.split_once("  ")?;
    let (name, _) = key.split_once(' ').unwrap_or((key, ""));
    (!name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')).then(|| key.to_owned())
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

/// The example file: what has defaults, and the part of the sections that have an id.
fn example() -> (String, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/luigi-mqtt.conf");
    let text = fs::read_to_string(path).unwrap();
    let (general, sections) = text.split_at(text.find("# Sensors, and what can be switched").unwrap());
    (general.to_owned(), sections.to_owned())
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
        format!("form: {:?}", discovery.form),
        format!("modules: {:?} {}", discovery.sensors_dir, discovery.modules_dir.display()),
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
    lines.extend(config.declared.iter().flat_map(describe_declared));
    lines
}

/// An entity of a section, as its own lines: what is announced, where it comes from, what it moves.
fn describe_declared(declared: &Declared) -> Vec<String> {
    let Declared { section, place, entity, input, output } = declared;
    let (discovery, qos) = (payload(entity), entity.qos().map(|it| format!(" at QoS {}", it.level())));
    let mut lines = vec![format!(
        "[{section}] of line {}: {:?}{} {} {discovery}",
        place.line().unwrap_or_default(),
        entity.delivery(),
        qos.unwrap_or_default(),
        entity.platform(),
    )];
    if let Some(Input { feed, interval, misses, filtering }) = input {
        lines.push(format!("  {feed:?} every {interval:?}, {misses} misses"));
        lines.push(format!("  {filtering:?}").replace("Filtering { on_off: ", "on and off: "));
    }
    lines.extend(output.iter().map(|it| format!("  {it:?}")));
    lines
}

/// What `entity` is announced with, but for what they all have.
fn payload(entity: &Entity) -> String {
    let id = |it: &str| ObjectId::new(it).unwrap();
    let topic = |it: &str| Topic::new(it).unwrap();
    let topics = entity::Topics::new(topic("h"), id("n"), topic("s"), topic("a")).unwrap();
    let device = Device {
        identifier: id("d"),
        name: "D".to_owned(),
        manufacturer: String::new(),
        model: String::new(),
        sw_version: String::new(),
        via: None,
    };
    let text = entity::discovery_payload(entity, &device, &topics, Qos::AtLeastOnce);
    let mut payload: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    payload.retain(|key, _| {
        let common = ["availability", "device", "dev", "origin", "o", "qos", "state_topic", "command_topic"];
        !common.contains(&key.as_str()) && !key.starts_with("availability")
    });
    serde_json::Value::Object(payload).to_string()
}
