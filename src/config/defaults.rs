//! The defaults, as they would stand in the file. Those without another reason are the ones that
//! the Luigi project's module for Home Assistant has, so that its users need to change nothing.

use std::time::Duration;

use super::HostSensor;

/// The Python module's; the broker is most often on the same machine or in its `hosts`.
pub(super) const HOST: &str = "localhost";
/// IANA's for `mqtt`.
pub(super) const PORT: u16 = 1883;
/// IANA's for `secure-mqtt`.
pub(super) const PORT_TLS: u16 = 8883;
/// As often as a broker that is away is looked for at the rarest; going back costs a short interruption.
pub(super) const FAILBACK_INTERVAL: &str = "5m";
/// The Python module's; the port above is a plain one.
pub(super) const TLS_ENABLED: &str = "no";

/// The Python module's, before the host name: it is part of the entities' unique ids, which hold their history.
pub(super) const CLIENT_NAME: &str = "luigi";
/// The Python module's, in seconds. A dead link is noticed within twice this.
pub(super) const KEEPALIVE: &str = "60";
/// The Python module's: no state is lost, and one that comes twice does no harm.
pub(super) const QOS: &str = "1";
/// The Python module's.
pub(super) const RECONNECT_DELAY: Duration = Duration::from_secs(5);
/// The shell module's: an hour-long outage costs some twenty attempts.
pub(super) const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(300);
/// In seconds. A `.local` name takes 5 s to look up, a TLS handshake on one ARMv6 core as long.
pub(super) const CONNECTION_TIMEOUT: &str = "20";
/// The largest discovery payloads of other devices have some 100 kB, and we have 512 MB.
pub(super) const MAX_PACKET_SIZE: &str = "1M";
/// With fewer, a broker across the Wi-Fi is waited for; with more, nothing gets faster.
pub(super) const MAX_IN_FLIGHT: &str = "100";
/// The shell module's: nothing is left behind at the broker, and a state that comes twice does no harm.
pub(super) const CLEAN_SESSION: &str = "yes";

/// That of the Python client which had this layout.
pub(super) const LAYOUT_PREFIX: &str = "smarthome";
/// Home Assistant's own.
pub(super) const TOPIC_PREFIX: &str = "homeassistant";
/// The Python module's: states go to levels below it.
pub(super) const MESSAGE_PREFIX: &str = "luigi";
/// The Python module's: the level below that of the states.
pub(super) const AVAILABILITY_LEVEL: &str = "availability";

/// The Python module's.
pub(super) const DEVICE_NAME: &str = "Luigi-{HOSTNAME}";
/// The Python module's.
pub(super) const DEVICE_MANUFACTURER: &str = "Luigi Project";
/// The Python module's.
pub(super) const DEVICE_MODEL: &str = "Raspberry Pi Zero W";
/// The level below the discovery prefix on which Home Assistant says that it has started.
pub(super) const BIRTH_LEVEL: &str = "status";
/// Every version of Home Assistant that we look after takes it.
pub(super) const FORM: &str = "entity";
/// Home Assistant's own.
pub(super) const BIRTH_PAYLOAD: &str = "online";

/// A card is worn by writing, and a broker that answers needs none of it.
pub(super) const SPOOL_MODE: &str = "outage";
/// A program that was given no folder of its own has nowhere to write.
pub(super) const SPOOL_MODE_HOMELESS: &str = "memory";
/// The Filesystem Hierarchy Standard's place, section 5.8, and systemd's for a service's state.
pub(super) const SPOOL_DIRECTORY: &str = "/var/lib/luigi-mqtt";
/// A hundred thousand short messages: one a second for a day. Checked at the start within a second or two.
pub(super) const SPOOL_MAX_BYTES: &str = "16M";
pub(super) const SOCKET_ENABLED: &str = "yes";
/// `RuntimeDirectory=luigi-mqtt` in the unit makes the folder.
pub(super) const SOCKET_PATH: &str = "/run/luigi-mqtt/luigi-mqtt.sock";
/// That of Luigi's other modules.
pub(super) const SOCKET_GROUP: &str = "luigi";
pub(super) const SOCKET_MODE: &str = "660";
pub(super) const SOCKET_MAX_CLIENTS: &str = "64";

/// Under a name of its own: the Python module's file may belong to another user.
pub(super) const LOG_FILE: &str = "/var/log/luigi-mqtt.log";
/// Two that turned one file over would each lose what the other wrote.
pub(super) const LOG_FILE_OF_PROGRAM: &str = "";
/// The Python module's.
pub(super) const LOG_LEVEL: &str = "INFO";
/// The Python module's, 10 MiB.
pub(super) const LOG_MAX_BYTES: &str = "10485760";
/// The Python module's.
pub(super) const LOG_BACKUP_COUNT: &str = "5";

/// A new user sees something at once.
pub(super) const HOST_ENABLED: &str = "yes";
/// The machine's readings are the daemon's to publish.
pub(super) const HOST_ENABLED_OF_PROGRAM: &str = "no";
/// What the machine lacks is left out anyway.
pub(super) const HOST_SENSORS: &str = "all";
/// Finer than anybody looks at a graph, and few enough wake-ups.
pub(super) const HOST_INTERVAL: &str = "60s";
/// An unchanged value is seen to be alive four times an hour.
pub(super) const HOST_HEARTBEAT: &str = "15m";
/// Home Assistant dates a state when it arrives: an old one would look like the present.
pub(super) const HOST_DELIVERY: &str = "latest";
/// The file system that the machine boots from.
pub(super) const HOST_DISK_PATH: &str = "/";

/// The shell module's.
pub(super) const SENSORS_DIR: &str = "/etc/luigi/iot/ha-mqtt/sensors.d";
/// Luigi's installer's.
pub(super) const MODULES_DIR: &str = "/etc/luigi/modules";

/// The interval of readings that move slower than [`HOST_INTERVAL`], where `sensor` is such a one.
pub(super) fn interval(sensor: HostSensor) -> Option<Duration> {
    match sensor {
        // Disks fill in hours; the last boot moves only when the clock is set.
        HostSensor::Disk | HostSensor::LastBoot => Some(FIVE_MINUTES),
        // Its counters move with every message, their own included: oftener would be talk about talk.
        HostSensor::Bridge => Some(FIVE_MINUTES),
        _ => None,
    }
}

/// The dead band of `sensor` in its unit; `None` where the reading is no number.
pub(super) fn dead_band(sensor: HostSensor) -> Option<f64> {
    match sensor {
        // °C: the Pi's sensor steps by 0.54 and flickers between two steps.
        HostSensor::CpuTemperature => Some(0.5),
        // An idle machine wanders by some hundredths.
        HostSensor::Load => Some(0.1),
        // %: 5 MB of memory, some 100 MB of a card.
        HostSensor::Memory | HostSensor::Swap | HostSensor::Disk => Some(1.0),
        // Seconds: the kernel computes it from the clock, which is stepped and slewed after the boot.
        HostSensor::LastBoot => Some(60.0),
        // dBm: standing still it wanders by that much.
        HostSensor::Wifi => Some(3.0),
        // Counters: each step counts.
        HostSensor::Bridge => Some(0.0),
        HostSensor::Throttling | HostSensor::IpAddress => None,
    }
}

const FIVE_MINUTES: Duration = Duration::from_secs(300);
