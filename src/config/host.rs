//! `[Host]`: which readings of the machine itself are published, and how often.

use std::path::PathBuf;
use std::time::Duration;

use super::defaults;
use super::owner::Owner;
use super::settings::{Reported, Settings};
use super::value::{self, Refusal};

use crate::model::Delivery;
use crate::model::Qos;
use crate::model::nearest;

/// Which readings of the machine itself are published, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// The root under which `/proc` and `/sys` are read: `/` but in tests.
    pub root: PathBuf,
    /// File system whose use is shown.
    pub disk_path: PathBuf,
    /// What is sampled, in the order of [`HostSensor::ALL`]; empty publishes nothing of the machine.
    pub sensors: Vec<HostSampling>,
    /// An unchanged value is published again after this long, 10 s to 24 h.
    pub heartbeat: Duration,
}

/// How one reading of the machine is taken.
#[derive(Clone, Debug, PartialEq)]
pub struct HostSampling {
    /// Which.
    pub sensor: HostSensor,
    /// Pause between two samples, 1 s to 24 h.
    pub interval: Duration,
    /// A change up to this much is not published, in the reading's unit. 0 publishes every change.
    pub dead_band: f64,
    /// Which of its values are delivered after an outage.
    pub delivery: Delivery,
    /// Quality of service; `None` is that of the client.
    pub qos: Option<Qos>,
}

/// A group of readings of the machine itself.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum HostSensor {
    /// Temperature of the processor, °C.
    CpuTemperature,
    /// Load averages over 1, 5 and 15 minutes.
    Load,
    /// Memory in use, %.
    Memory,
    /// Swap in use, %.
    Swap,
    /// Disk in use, %.
    Disk,
    /// Time of the last boot.
    LastBoot,
    /// Signal of the Wi-Fi, dBm.
    Wifi,
    /// Under-voltage and throttling of the board.
    Throttling,
    /// IP address.
    IpAddress,
    /// The bridge's own figures: delivered, waiting, dropped, reconnects.
    Bridge,
}

impl Host {
    pub(super) fn read(settings: &mut Settings<'_>) -> Result<Host, Reported> {
        let enabled = match settings.owner() {
            Owner::Daemon => defaults::HOST_ENABLED,
            Owner::Program(_) => defaults::HOST_ENABLED_OF_PROGRAM,
        };
        let enabled = settings.key(HOST, "ENABLED").or(enabled, value::switch);
        let chosen = settings.key(HOST, "SENSORS").or(defaults::HOST_SENSORS, sensors);
        let interval = settings.key(HOST, "INTERVAL").or(defaults::HOST_INTERVAL, interval());
        let heartbeat =
            settings.key(HOST, "HEARTBEAT").or(defaults::HOST_HEARTBEAT, value::duration(TEN_SECONDS..=DAY));
        let disk_path = settings.key(HOST, "DISK_PATH").or(defaults::HOST_DISK_PATH, value::path);
        let samplings = HostSensor::ALL.map(|sensor| HostSampling::read(settings, sensor, interval));

        let (enabled, chosen) = (enabled?, chosen?);
        let mut sensors = Vec::new();
        for sampling in samplings {
            let sampling = sampling?;
            if enabled && chosen.contains(&sampling.sensor) {
                sensors.push(sampling);
            }
        }
        let root = settings.environment().root().to_owned();
        Ok(Host { root, disk_path: disk_path?, sensors, heartbeat: heartbeat? })
    }
}

impl HostSampling {
    /// `general` is the interval of what has none of its own.
    fn read(
        settings: &mut Settings<'_>,
        sensor: HostSensor,
        general: Result<Duration, Reported>,
    ) -> Result<HostSampling, Reported> {
        let name = sensor.as_str().to_ascii_uppercase();
        let set_interval = settings.key(HOST, format!("{name}_INTERVAL")).if_set(interval());
        let dead_band = match defaults::dead_band(sensor) {
            None => Ok(0.0),
            Some(default) => {
                let set = settings.key(HOST, format!("{name}_DEAD_BAND")).if_set(value::amount);
                set.map(|it| it.map_or(default, |it| it.value))
            }
        };
        let delivery =
            settings.key(HOST, format!("{name}_DELIVERY")).or(defaults::HOST_DELIVERY, value::delivery);
        let qos = settings.key(HOST, format!("{name}_QOS")).if_set(value::qos);
        let interval = match (set_interval?, defaults::interval(sensor)) {
            (Some(set), _) => set.value,
            (None, Some(default)) => default,
            (None, None) => general?,
        };
        let qos = qos?.map(|it| it.value);
        Ok(HostSampling { sensor, interval, dead_band: dead_band?, delivery: delivery?, qos })
    }
}

impl HostSensor {
    /// All of them, in the order in which they are sampled and shown.
    pub const ALL: [HostSensor; 10] = [
        HostSensor::CpuTemperature,
        HostSensor::Load,
        HostSensor::Memory,
        HostSensor::Swap,
        HostSensor::Disk,
        HostSensor::LastBoot,
        HostSensor::Wifi,
        HostSensor::Throttling,
        HostSensor::IpAddress,
        HostSensor::Bridge,
    ];

    /// Its name in the configuration, such as `cpu_temperature`.
    pub fn as_str(self) -> &'static str {
        match self {
            HostSensor::CpuTemperature => "cpu_temperature",
            HostSensor::Load => "load",
            HostSensor::Memory => "memory",
            HostSensor::Swap => "swap",
            HostSensor::Disk => "disk",
            HostSensor::LastBoot => "last_boot",
            HostSensor::Wifi => "wifi",
            HostSensor::Throttling => "throttling",
            HostSensor::IpAddress => "ip_address",
            HostSensor::Bridge => "bridge",
        }
    }
}

/// `all`, `none`, or names with commas between.
fn sensors(text: &str) -> Result<Vec<HostSensor>, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "all" => Ok(HostSensor::ALL.to_vec()),
        "none" => Ok(Vec::new()),
        names => names.split(',').map(|it| sensor(it.trim())).collect(),
    }
}

fn sensor(name: &str) -> Result<HostSensor, Refusal> {
    let names = HostSensor::ALL.map(HostSensor::as_str);
    match names.iter().position(|it| *it == name) {
        Some(at) => Ok(HostSensor::ALL[at]),
        None => {
            let suggestion = nearest(name, names.into_iter()).map(str::to_owned);
            let expected = format!("all, none, or a list of {}", names.join(", "));
            Err(Refusal { suggestion, ..expected.into() })
        }
    }
}

fn interval() -> impl Fn(&str) -> Result<Duration, Refusal> {
    value::duration(SECOND..=DAY)
}

const HOST: &str = "Host";
const SECOND: Duration = Duration::from_secs(1);
const TEN_SECONDS: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_secs(86_400);
