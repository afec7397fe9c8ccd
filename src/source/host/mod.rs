//! The machine itself as a source: which of its readings there are.

mod address;
mod boot;
mod disk;
mod figures;
mod load;
mod memory;
mod thermal;
mod throttling;
mod wireless;

use std::time::Duration;

use crate::config::Filtering;
use crate::config::Host;
use crate::config::HostSampling;
use crate::config::HostSensor;
use crate::model::Chain;
use crate::model::Health;

use super::{Pace, Polled, Source};
use address::IpAddress;
use boot::LastBoot;
use disk::Disk;
use figures::Figures;
use load::Load;
use memory::MemoryUse;
use thermal::CpuTemperature;
use throttling::Throttling;
use wireless::WifiSignal;

/// The sources for those readings of the machine that `host` asks for and that the machine has, in the
/// order of `host`; `health` is where the bridge's own figures come from.
///
/// Each is tried once, here, and one that has nothing to tell is left out: a machine without Wi-Fi has no
/// entity that stays unknown for ever. What turns up later (a Wi-Fi adapter plugged in, swap space switched on)
/// is found at the next start. What is found here and fails later becomes unknown.
///
/// Reads a few small files; blocks as long as that takes, a few milliseconds.
pub fn sources(host: &Host, health: &Health) -> Vec<(HostSensor, Polled)> {
    let polled = host.sensors.iter().filter_map(|sampling| {
        let Some(source) = source(sampling, host, health) else {
            log::debug!("this machine has no {}", sampling.sensor.as_str());
            return None;
        };
        let delay = if sampling.sensor == HostSensor::Bridge { FIGURES_DELAY } else { Duration::ZERO };
        let pace = match sampling.sensor {
            HostSensor::Disk => Disk::pace(&host.root, &host.disk_path),
            _ => Pace::Quick,
        };
        let polled = Polled {
            owner: owner(sampling.sensor),
            source,
            pace,
            interval: sampling.interval,
            filters: vec![Filtering::plain(sampling.dead_band, host.heartbeat)],
            misses: 0,
            delay,
            delivery: Some(sampling.delivery),
            qos: sampling.qos,
        };
        Some((sampling.sensor, polled))
    });
    polled.collect()
}

/// Who has the readings of `sensor` asked and announced: `Host load`.
pub fn owner(sensor: HostSensor) -> String {
    format!("Host {}", sensor.as_str())
}

fn source(sampling: &HostSampling, host: &Host, health: &Health) -> Option<Box<dyn Source>> {
    let root = host.root.as_path();
    match sampling.sensor {
        HostSensor::CpuTemperature => tried(CpuTemperature::find(root)?),
        HostSensor::Load => tried(Load::new(root)),
        HostSensor::Memory => tried(MemoryUse::memory(root)),
        HostSensor::Swap => tried(MemoryUse::swap(root)),
        HostSensor::Disk => tried(Disk::new(root, &host.disk_path)),
        HostSensor::LastBoot => tried(LastBoot::new(root, sampling.dead_band)),
        HostSensor::Wifi => tried(WifiSignal::new(root)),
        HostSensor::Throttling => tried(Throttling::find(root)?),
        HostSensor::IpAddress => tried(IpAddress::new(root)),
        HostSensor::Bridge => tried(Figures::new(health.clone())),
    }
}

/// `source`, unless it has nothing to tell.
fn tried(mut source: impl Source + 'static) -> Option<Box<dyn Source>> {
    match source.sample(&mut Vec::new()) {
        Ok(()) => Some(Box::new(source)),
        Err(error) => {
            log::debug!("left out: {}", Chain(&error));
            None
        }
    }
}

/// The bridge's figures are first told when it has had time to connect and announce: what waits before that
/// is no backlog, and would be shown until the next sample.
const FIGURES_DELAY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::super::read::values_of;
    use super::*;
    use std::fs;
    use std::path::{Path, PathBuf};

    use crate::model::Delivery;
    use crate::model::Value;

    fn host(root: PathBuf, sensors: &[HostSensor]) -> Host {
        let sampling = |sensor| HostSampling {
            sensor,
            interval: Duration::from_secs(60),
            dead_band: 0.0,
            delivery: Delivery::Latest,
            qos: None,
        };
        Host {
            root,
            disk_path: PathBuf::from("/"),
            sensors: sensors.iter().copied().map(sampling).collect(),
            heartbeat: Duration::from_secs(600),
        }
    }

    fn case(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/host").join(name)
    }

    /// What the machine under `root` tells, as `id = value` lines. The disk is the one that holds the fixtures:
    /// its use shows as `some` when it is a percentage.
    fn sampled(root: PathBuf) -> String {
        let mut text = String::new();
        for (_, mut polled) in sources(&host(root, &HostSensor::ALL), &Health::default()) {
            let values = values_of(&mut *polled.source);
            assert_eq!(values.len(), polled.source.entities().len());
            for (entity, value) in polled.source.entities().iter().zip(values) {
                let id = entity.id().as_str();
                let value = match value {
                    Value::Number(percent) if id == "disk_use" && (0.0..=100.0).contains(&percent) => {
                        "some".into()
                    }
                    Value::Number(number) => number.to_string(),
                    Value::Text(text) => text,
                    Value::Switch(on) => if on { "on" } else { "off" }.into(),
                    Value::Unknown => "unknown".into(),
                    Value::Unavailable => "unavailable".into(),
                };
                text += &format!("{id} = {value}\n");
            }
        }
        text
    }

    #[test]
    fn each_machine_tells_what_is_expected_of_it() {
        let mut cases = 0;
        for entry in fs::read_dir(case("")).unwrap() {
            let folder = entry.unwrap().path();
            let expected = fs::read_to_string(folder.join("expected")).unwrap();
            assert_eq!(sampled(folder.clone()), expected, "{}", folder.display());
            cases += 1;
        }
        assert!(cases >= 6, "only {cases} cases were found");
    }

    /// Home Assistant keys its history by these: a change here loses it, for every user.
    #[test]
    fn ids_and_names_stay_as_they_are() {
        let sources = sources(&host(case("pi-zero-w"), &HostSensor::ALL), &Health::default());
        let entities = sources.iter().flat_map(|(_, polled)| polled.source.entities());
        let found: Vec<String> =
            entities.map(|it| format!("{} {} {}", it.platform(), it.id(), it.name())).collect();
        assert_eq!(
            found,
            [
                "sensor cpu_temperature CPU temperature",
                "sensor load_1m Load (1 min)",
                "sensor load_5m Load (5 min)",
                "sensor load_15m Load (15 min)",
                "sensor memory_use Memory use",
                "sensor swap_use Swap use",
                "sensor disk_use Disk use",
                "sensor last_boot Last boot",
                "sensor wifi_signal Wi-Fi signal",
                "binary_sensor under_voltage Under-voltage",
                "binary_sensor throttled Throttled",
                "sensor ip_address IP address",
                "sensor messages_delivered Messages delivered",
                "sensor messages_waiting Messages waiting",
                "sensor messages_dropped Messages dropped",
                "sensor reconnects Reconnects",
            ]
        );
    }

    #[test]
    fn the_oldest_home_assistant_we_look_after_takes_every_entity() {
        for (_, polled) in sources(&host(case("pi-zero-w"), &HostSensor::ALL), &Health::default()) {
            for entity in polled.source.entities() {
                assert!(entity.known_in_2023_12(), "{}", entity.id());
            }
        }
    }

    #[test]
    fn what_is_told_fits_its_entity() {
        for (_, mut polled) in sources(&host(case("pi-zero-w"), &HostSensor::ALL), &Health::default()) {
            let values = values_of(&mut *polled.source);
            for (entity, value) in polled.source.entities().iter().zip(&values) {
                let payload = entity.state_payload(value);
                assert!(payload.is_ok(), "{}: {payload:?}", entity.id());
            }
        }
    }

    #[test]
    fn only_what_is_asked_for_is_sampled_and_as_it_is_asked_for() {
        let mut host = host(case("pi-zero-w"), &[HostSensor::Memory, HostSensor::Load]);
        host.sensors[1].interval = Duration::from_secs(7);
        host.sensors[1].dead_band = 0.25;
        let found = sources(&host, &Health::default());
        let found = found.iter().map(|(_, it)| {
            (
                it.source.entities()[0].id().as_str(),
                it.interval.as_secs(),
                it.filters[0].dead_band,
                it.filters[0].heartbeat.as_secs(),
            )
        });
        assert_eq!(found.collect::<Vec<_>>(), [("memory_use", 60, 0.0, 600), ("load_1m", 7, 0.25, 600)]);
        host.sensors.clear();
        assert!(sources(&host, &Health::default()).is_empty());
    }

    #[test]
    fn the_machine_that_runs_this_tells_what_every_machine_has() {
        let found = sampled(PathBuf::from("/"));
        for id in ["load_1m", "memory_use", "disk_use", "last_boot", "ip_address"] {
            assert!(found.contains(&format!("{id} = ")), "{id}: {found}");
        }
    }

    #[test]
    fn a_machine_without_any_of_the_files_has_only_its_disk_and_the_bridge() {
        let root = tempfile::tempdir().unwrap();
        let bridge = "messages_delivered = 0\nmessages_waiting = 0\nmessages_dropped = 0\nreconnects = 0\n";
        assert_eq!(sampled(root.path().to_owned()), format!("disk_use = some\n{bridge}"));
    }
}
