//! What it costs to follow 10,000 entities that others announce: bytes each, time to understand one beside serde_json
//! that merely parses it, time of a state among few and among many, time of a look at them.
//!
//! `scripts/bench registry` runs it. The announcements are those of `tests/data/announced`, each device many times over
//! under other names, and devices of ten components in Home Assistant's device form. Memory is that of processes that
//! do nothing else. What is compared takes turns, round for round, and the median is printed. Arguments:
//! `--entities N` (10,000), `--rounds N` (9).

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use luigi_mqtt::model::Incoming;
use luigi_mqtt::model::Topic;
use luigi_mqtt::registry::Limits;
use luigi_mqtt::registry::Registry;

#[path = "support/options.rs"]
mod options;

use options::{number, option};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let (entities, rounds) = (number("--entities", 10_000)?, number("--rounds", 9)?);
    if let Some(name) = option("--memory-of") {
        let form = FORMS.into_iter().find(|it| it.name() == name).ok_or("no such form")?;
        return print_memory(form, entities);
    }

    println!("\n{entities} entities, bytes of each:");
    let heads = ["payload", "RssAnon", "counted", "with states", "counted"];
    println!("{:20}{}", "", heads.map(|it| format!("{it:>13}")).concat());
    for form in FORMS {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--memory-of", form.name(), "--entities", &entities.to_string()]);
        print!("{}", String::from_utf8(command.output()?.stdout)?);
    }
    for form in FORMS {
        time_announcements(&House::new(form, entities)?, rounds);
    }
    time_states(entities, rounds)?;
    time_looks(entities, rounds)
}

/// How entities are announced.
#[derive(Clone, Copy)]
enum Form {
    /// Each by itself.
    Single,
    /// Ten at a time.
    Device,
}

const FORMS: [Form; 2] = [Form::Single, Form::Device];

impl Form {
    fn name(self) -> &'static str {
        match self {
            Form::Single => "single",
            Form::Device => "device",
        }
    }

    /// How many entities [`Form::messages`] announces.
    fn entities(self) -> usize {
        match self {
            Form::Single => 14,
            Form::Device => COMPONENTS.len(),
        }
    }

    /// The announcements, and what is told after them.
    fn messages(self) -> Outcome<Vec<(String, String)>> {
        match self {
            Form::Single => single(),
            Form::Device => Ok(device()),
        }
    }
}

/// Devices of `tests/data/announced`, with `#` after what is to be another for each of its kind.
fn single() -> Outcome<Vec<(String, String)>> {
    let mut messages = Vec::new();
    for (case, words) in CASES {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/announced").join(case);
        let text = fs::read_to_string(folder.join("messages"))?;
        for message in text.trim_end().split("\n\n").skip(1) {
            let (topic, payload) = message.split_once('\n').unwrap_or((message, ""));
            let payload: String = payload.lines().map(str::trim_start).collect();
            let number = |text: &str| {
                words.iter().fold(text.to_owned(), |text, word| text.replace(word, &format!("{word}#")))
            };
            messages.push((number(topic), number(&payload)));
        }
    }
    Ok(messages)
}

/// A device of ten components as Home Assistant's documentation has them, `#` as in [`single`].
fn device() -> Vec<(String, String)> {
    let (mut components, mut state) = (String::new(), String::new());
    for (class, unit) in COMPONENTS {
        let comma = if components.is_empty() { "" } else { "," };
        let _ = write!(
            components,
            r#"{comma}"bla#_{class}":{{"p":"sensor","dev_cla":"{class}","unit_of_meas":"{unit}","stat_cla":"measurement","val_tpl":"{{{{ value_json.{class} }}}}","uniq_id":"ea334450945afc#_{class}"}}"#
        );
        let _ = write!(state, r#"{comma}"{class}":21.5"#);
    }
    let announcement = format!(
        r#"{{"dev":{{"ids":"ea334450945afc#","name":"Kitchen #","mf":"Bla electronics","mdl":"xya","sw":"1.0","sn":"ea334450945afc#"}},"o":{{"name":"bla2mqtt","sw":"2.1","url":"https://bla2mqtt.example.com/support"}},"avty_t":"bla/#/online","stat_t":"bla/#/state","cmps":{{{components}}}}}"#
    );
    vec![
        ("homeassistant/device/ea334450945afc#/config".to_owned(), announcement),
        ("bla/#/online".to_owned(), "online".to_owned()),
        ("bla/#/state".to_owned(), format!("{{{state}}}")),
    ]
}

/// So many entities, and what they tell.
struct House {
    form: Form,
    announcements: Vec<Incoming>,
    /// Each of one device.
    states: Vec<Incoming>,
}

impl House {
    fn new(form: Form, entities: usize) -> Outcome<House> {
        let mut house = House { form, announcements: Vec::new(), states: Vec::new() };
        let messages = form.messages()?;
        for number in 0..entities.div_ceil(form.entities()) {
            for (topic, payload) in &messages {
                let message = incoming(topic, payload, number)?;
                match message.topic.as_str() {
                    COMMON => {}
                    it if it.ends_with("/config") => house.announcements.push(message),
                    _ => house.states.push(message),
                }
            }
        }
        Ok(house)
    }

    /// A registry that knows all of it.
    fn followed(&self) -> Outcome<Registry> {
        let mut registry = registry()?;
        receive(&mut registry, &self.announcements);
        receive(&mut registry, &self.states);
        Ok(registry)
    }
}

fn incoming(topic: &str, payload: &str, number: usize) -> Outcome<Incoming> {
    let number = format!("{number:04}");
    let topic = Topic::new(topic.replace('#', &number))?;
    Ok(Incoming { topic, payload: payload.replace('#', &number).into_bytes().into(), retained: true })
}

/// A registry that takes whatever comes.
fn registry() -> Outcome<Registry> {
    let limits = Limits { entities: usize::MAX, bytes: usize::MAX };
    Ok(Registry::new(&Topic::new("homeassistant")?, Some(&Topic::new("smarthome")?), limits))
}

fn receive(registry: &mut Registry, messages: &[Incoming]) {
    let now = Instant::now();
    for it in messages {
        black_box(registry.receive(it, now));
    }
}

/// Prints what each of so many `entities` takes, with its announcement, before and after it has told its state.
fn print_memory(form: Form, entities: usize) -> Outcome<()> {
    let messages = form.messages()?;
    let (mut registry, mut payloads) = (registry()?, 0);
    let before = anonymous()?;
    let mut figures = Vec::new();
    for announced in [true, false] {
        for number in 0..entities.div_ceil(form.entities()) {
            for (topic, payload) in messages.iter().filter(|(it, _)| it.ends_with("/config") == announced) {
                // Made one by one, for what the registry keeps of them is its own to answer for.
                let message = incoming(topic, payload, number)?;
                payloads += if announced { message.payload.len() } else { 0 };
                black_box(registry.receive(&message, Instant::now()));
            }
        }
        figures.extend([(anonymous()? - before) * 1024, registry.bytes()]);
    }
    figures.insert(0, payloads);
    let each: String = figures.iter().map(|it| format!("{:>13}", it / registry.len())).collect();
    println!("{:20}{each}", form.name());
    Ok(())
}

/// Memory of this process that no file stands behind, in kB of 1024 bytes.
fn anonymous() -> Outcome<usize> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|it| it.strip_prefix("RssAnon:")).ok_or("no RssAnon")?;
    Ok(line.split_whitespace().next().ok_or("no RssAnon")?.parse()?)
}

/// Prints what it takes to understand the announcements of `house`, beside their mere parsing.
fn time_announcements(house: &House, rounds: usize) {
    let announcements = &house.announcements;
    let mut rows = [const { Vec::new() }; 2];
    for _ in 0..rounds {
        let mut registry = registry().expect("its topics are topics");
        rows[0].push(time(|| announcements.iter().for_each(parse)));
        rows[1].push(time(|| receive(&mut registry, announcements)));
    }
    println!("\n{} announcements, {} form:", announcements.len(), house.form.name());
    print_rows(["serde_json alone", "understanding them"], &mut rows, announcements.len());
}

/// Prints what it takes to hear a state among 100 entities and among all.
fn time_states(entities: usize, rounds: usize) -> Outcome<()> {
    let (few, many) = (House::new(Form::Single, FEW)?, House::new(Form::Single, entities)?);
    let (mut among_few, mut among_many) = (few.followed()?, many.followed()?);
    // As many messages, and the same ones: those of the first few devices.
    let same: Vec<Incoming> = few.states.iter().cycle().take(many.states.len()).cloned().collect();
    let mut rows = [const { Vec::new() }; 4];
    for _ in 0..rounds {
        rows[0].push(time(|| same.iter().for_each(parse)));
        rows[1].push(time(|| receive(&mut among_few, &same)));
        rows[2].push(time(|| receive(&mut among_many, &same)));
        rows[3].push(time(|| receive(&mut among_many, &many.states)));
    }
    println!("\n{} states:", same.len());
    let names = [
        "serde_json alone".to_owned(),
        format!("of {} entities, no others known", among_few.len()),
        format!("of the same, {} known", among_many.len()),
        "of all those".to_owned(),
    ];
    print_rows(names.each_ref().map(String::as_str), &mut rows, same.len());
    Ok(())
}

/// Prints how long the thread that asks, and the bridge with it, is busy with a look at so many `entities`.
fn time_looks(entities: usize, rounds: usize) -> Outcome<()> {
    println!("\nlooks at all, in ms:");
    for form in FORMS {
        let house = House::new(form, entities)?;
        let mut registry = house.followed()?;
        let common = incoming(COMMON, r#"{"state":"online"}"#, 0)?;
        let now = Instant::now();
        let last = registry.devices(now).pop().ok_or("nothing is known")?.id;
        let mut row = |name: &str, look: &mut dyn FnMut(&mut Registry)| {
            let mut took: Vec<Duration> = (0..rounds).map(|_| time(|| look(&mut registry))).collect();
            let took = median(&mut took).as_secs_f64() * 1e3;
            println!("{:46}{took:>12.3}", format!("{} form, {name}", form.name()));
        };
        row("devices", &mut |it| drop(black_box(it.devices(now))));
        row("device, by its identifier", &mut |it| drop(black_box(it.device(&last, now))));
        row("device, of an id that nobody has", &mut |it| drop(black_box(it.device("nobody", now))));
        row("availability of a common gateway", &mut |it| drop(black_box(it.receive(&common, now))));
    }
    Ok(())
}

/// What is not JSON is told by a plain text, which serde_json refuses as quickly as it can.
fn parse(message: &Incoming) {
    let _ = black_box(serde_json::from_slice::<Value>(&message.payload));
}

/// Prints the rows, each beside the first.
fn print_rows<const N: usize>(names: [&str; N], rows: &mut [Vec<Duration>; N], messages: usize) {
    println!("{:46}{:>12}{:>12}", "", "µs each", "ratio");
    let first = median(&mut rows[0]).as_secs_f64();
    for (name, row) in names.into_iter().zip(rows) {
        let took = median(row).as_secs_f64();
        println!("{name:46}{:>12.2}{:>12.2}", took * 1e6 / messages as f64, took / first);
    }
}

fn time(what: impl FnOnce()) -> Duration {
    let began = Instant::now();
    what();
    began.elapsed()
}

fn median(rounds: &mut [Duration]) -> Duration {
    rounds.sort_unstable();
    rounds[rounds.len() / 2]
}

/// Devices, and what names one of them among its like: 14 entities.
const CASES: [(&str, &[&str]); 10] = [
    ("zigbee2mqtt_light", &["00158d0001a2b3c4", "desk_lamp"]),
    ("zigbee2mqtt_climate_sensor", &["00158d00045a6b7c", "bath"]),
    ("zigbee2mqtt_cover", &["842e14fffe112233", "curtain"]),
    ("esphome_sensor", &["greenhouse", "a4cf12abcdef", "ESP"]),
    ("esphome_light", &["porch", "5ccf7f010203", "ESP"]),
    ("tasmota_sensor", &["77889A", "washer"]),
    ("tasmota_switch", &["1A2B3C", "coffee"]),
    ("shelly_gen2", &["a8032ab12345"]),
    ("shelly_cover", &["D4E5F6", "d4e5f6"]),
    ("rtl_433_temperature", &["6478"]),
];
/// What a device in Home Assistant's device form measures here, and in which unit.
const COMPONENTS: [(&str, &str); 10] = [
    ("temperature", "°C"),
    ("humidity", "%"),
    ("pressure", "hPa"),
    ("battery", "%"),
    ("voltage", "mV"),
    ("illuminance", "lx"),
    ("carbon_dioxide", "ppm"),
    ("power", "W"),
    ("energy", "kWh"),
    ("current", "A"),
];
/// Where one gateway speaks for all its devices.
const COMMON: &str = "zigbee2mqtt/bridge/state";
/// A small house.
const FEW: usize = 100;
