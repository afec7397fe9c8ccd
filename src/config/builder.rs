//! A configuration that a program sets itself, key by key.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::broker::Endpoint;
use super::environment::Environment;
use super::error::{ConfigError, ConfigErrors, Place, Problem};
use super::ini::{Document, has_control};
use super::owner::Owner;
use super::settings::Settings;
use super::value::spell_duration;
use super::{Config, broker, client, credentials, spool, topics};

use crate::model::Qos;
use crate::model::SpoolMode;

/// A configuration in the making; begun by [`Config::builder`], which lists the defaults.
///
/// What is set twice is as it was set last. `{HOSTNAME}` stands for the name of the machine in each text but
/// a password. Nothing is checked before [`Builder::build`], and then by the rules of the file. `Debug` shows which keys
/// are set, and not to what.
///
/// ```
/// use std::time::Duration;
///
/// use luigi_mqtt::config::Config;
/// use luigi_mqtt::model::Qos;
///
/// let config = Config::builder("garage-door")
///     .brokers([("homeassistant.local", 1883), ("192.168.1.7", 1883)])
///     .keep_alive(Duration::from_secs(30))
///     .qos(Qos::AtMostOnce)
///     .device_name("Garage door")
///     .set("Client", "MAX_PACKET_SIZE", "256k")
///     .build()?;
/// assert_eq!(config.broker.endpoints[1].to_string(), "192.168.1.7:1883");
///
/// let errors = Config::builder("garage-door").broker("mqtt://x", 0).build().unwrap_err();
/// assert_eq!(
///     errors.to_string(),
///     "[Broker] HOST: expected a host name or address, without mqtt:// before it, found \"mqtt://x\"\n\
///      [Broker] PORT: expected 1 to 65535, found \"0\""
/// );
/// # Ok::<(), luigi_mqtt::config::ConfigErrors>(())
/// ```
#[must_use]
pub struct Builder {
    program: String,
    environment: Environment,
    document: Document,
    problems: Vec<ConfigError>,
}

impl Builder {
    /// Nothing set yet for `program`, in `environment` without its variables `MQTT_…`.
    pub(super) fn new(program: &str, environment: Environment) -> Builder {
        Builder {
            program: program.to_owned(),
            environment: environment.without("MQTT_"),
            document: Document::default(),
            problems: Vec::new(),
        }
    }

    /// The broker at `host`, a name or an address, and `port`, 1 to 65535. Default `localhost` and 1883, or 8883
    /// with TLS.
    pub fn broker(self, host: &str, port: u16) -> Builder {
        self.set(broker::SECTION, "HOST", host).set(broker::SECTION, "PORT", &port.to_string())
    }

    /// Brokers that take each other's place, in the order of preference: 1 to 8 of them, as [`Builder::broker`].
    pub fn brokers<'a>(mut self, brokers: impl IntoIterator<Item = (&'a str, u16)>) -> Builder {
        let spell = |(host, port): (&str, u16)| Endpoint { host: host.to_owned(), port }.to_string();
        let hosts: Vec<_> = brokers.into_iter().map(spell).collect();
        self.document.take(broker::SECTION, "PORT");
        self.set(broker::SECTION, "HOST", &hosts.join(", "))
    }

    /// Encrypts the connection, and trusts the authorities that the system trusts.
    pub fn tls(self) -> Builder {
        self.set(broker::SECTION, "TLS_ENABLED", "yes")
    }

    /// Encrypts the connection, and trusts the authorities in the PEM file `ca` (an absolute path) alone.
    pub fn tls_ca(self, ca: impl AsRef<Path>) -> Builder {
        self.tls().set_path(broker::SECTION, "TLS_CA_CERT", ca.as_ref())
    }

    /// Encrypts the connection, and shows the broker the `certificate` (with its chain) whose private `key` is
    /// unencrypted: absolute paths of PEM files.
    pub fn tls_identity(self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Builder {
        self.tls().set_path(broker::SECTION, "TLS_CERT", certificate.as_ref()).set_path(
            broker::SECTION,
            "TLS_KEY",
            key.as_ref(),
        )
    }

    /// Encrypts the connection to whomever it reaches: anybody can be the broker then, and read the password.
    /// Never together with [`Builder::tls_ca`].
    pub fn tls_insecure(self) -> Builder {
        self.tls().set(broker::SECTION, "TLS_INSECURE", "yes")
    }

    /// Who the program is to the broker: texts of 1 to 65,535 bytes. Default anonymous.
    pub fn credentials(self, username: &str, password: &str) -> Builder {
        self.set(credentials::SECTION, "USERNAME", username).set(credentials::SECTION, "PASSWORD", password)
    }

    /// Client identifier, 1 to 65,535 bytes; each program on a broker needs its own. The device's identifier and the
    /// entities' unique ids follow it: another one makes them new to Home Assistant.
    pub fn client_id(self, id: &str) -> Builder {
        self.set(client::SECTION, "CLIENT_ID", id)
    }

    /// Quality of service of states, availability and discovery. Default at least once.
    pub fn qos(self, qos: Qos) -> Builder {
        self.set(client::SECTION, "QOS", &qos.level().to_string())
    }

    /// Longest silence before a ping, 5 s to 65,535 s. Default 60 s.
    pub fn keep_alive(self, longest: Duration) -> Builder {
        self.set(client::SECTION, "KEEPALIVE", &spell_duration(longest))
    }

    /// Pauses before another attempt to connect: the `first`, which doubles up to the `longest`, each 1 s to 24 h.
    /// Default 5 s and 5 min.
    pub fn reconnect_delays(self, first: Duration, longest: Duration) -> Builder {
        self.set(client::SECTION, "RECONNECT_DELAY", &spell_duration(first)).set(
            client::SECTION,
            "RECONNECT_DELAY_MAX",
            &spell_duration(longest),
        )
    }

    /// Messages at QoS 1 and 2 that may be on their way unacknowledged, 1 to 1000. Default 100.
    pub fn max_in_flight(self, messages: u16) -> Builder {
        self.set(client::SECTION, "MAX_IN_FLIGHT", &messages.to_string())
    }

    /// Whether each connection begins a session of its own. Where not, the broker keeps the session between
    /// connections, and what a cut leaves unfinished is finished rather than sent again. Default yes.
    pub fn clean_session(self, clean: bool) -> Builder {
        self.set(client::SECTION, "CLEAN_SESSION", if clean { "yes" } else { "no" })
    }

    /// States go to `<topic>/<entity id>`; no wildcards, and no `/` at its end.
    pub fn state_topic(self, topic: &str) -> Builder {
        self.set(topics::TOPICS, "STATE_TOPIC", topic)
    }

    /// Where `online` and `offline` go, retained; each program needs its own.
    pub fn availability_topic(self, topic: &str) -> Builder {
        self.set(topics::TOPICS, "AVAILABILITY_TOPIC", topic)
    }

    /// Home Assistant's discovery prefix. Default `homeassistant`.
    pub fn discovery_prefix(self, topic: &str) -> Builder {
        self.set(topics::TOPICS, "TOPIC_PREFIX", topic)
    }

    /// Where Home Assistant says that it has started, and with which payload. Default `online` on
    /// `<discovery prefix>/status`.
    pub fn birth(self, topic: &str, payload: &str) -> Builder {
        self.set(topics::DISCOVERY, "BIRTH_TOPIC", topic).set(topics::DISCOVERY, "BIRTH_PAYLOAD", payload)
    }

    /// Name of the device in Home Assistant, 1 to 65,535 bytes.
    pub fn device_name(self, name: &str) -> Builder {
        self.set(topics::DISCOVERY, "DEVICE_NAME", name)
    }

    /// Manufacturer of the device, 1 to 65,535 bytes. Default `Luigi Project`.
    pub fn device_manufacturer(self, manufacturer: &str) -> Builder {
        self.set(topics::DISCOVERY, "DEVICE_MANUFACTURER", manufacturer)
    }

    /// Model of the device, 1 to 65,535 bytes. Default `Raspberry Pi Zero W`.
    pub fn device_model(self, model: &str) -> Builder {
        self.set(topics::DISCOVERY, "DEVICE_MODEL", model)
    }

    /// Software version of the device, 1 to 65,535 bytes. Default this library's.
    pub fn sw_version(self, version: &str) -> Builder {
        self.set(topics::DISCOVERY, "SW_VERSION", version)
    }

    /// When messages of which every one counts are written to the card. Each but memory needs a folder of the
    /// program's own.
    pub fn spool_mode(self, mode: SpoolMode) -> Builder {
        self.set(spool::SECTION, "MODE", spool::spell(mode))
    }

    /// The folder of the spool, an absolute path; made where it is missing. Two processes on one lock each other out.
    pub fn spool_directory(self, directory: impl AsRef<Path>) -> Builder {
        self.set_path(spool::SECTION, "DIRECTORY", directory.as_ref())
    }

    /// How long the spool may become, in bytes, 64 KiB to 1 GiB. Default 16 MiB.
    pub fn spool_max_bytes(self, bytes: u64) -> Builder {
        self.set(spool::SECTION, "MAX_BYTES", &bytes.to_string())
    }

    /// Any key of the file by its name, to the text that would stand in the file (without quotes); an empty one is what
    /// it is there. `packaging/luigi-mqtt.conf` explains each.
    pub fn set(mut self, section: &str, key: &str, value: &str) -> Builder {
        if has_control(value) {
            return self.refuse(section, key, "no control characters");
        }
        self.document.set(section, key, value.to_owned());
        self
    }

    /// Checks everything. Looks at the files that are named; blocks on nothing else.
    ///
    /// # Errors
    ///
    /// Every problem there is, each with its section and key: values out of their range, unknown sections and keys, files
    /// that cannot be read, a spool on the card without a folder of its own; and a program's name that is none,
    /// or the daemon's (`luigi`, `luigi-mqtt`, `availability`).
    pub fn build(self) -> Result<Config, ConfigErrors> {
        let Builder { program, environment, document, mut problems } = self;
        // The name's problem is shown with all others; the daemon stands in until then.
        let owner = Owner::program(&program).unwrap_or_else(|problem| {
            problems.push(problem);
            Owner::Daemon
        });
        Config::of(Settings::new(&owner, &environment).with(document, problems), None)
    }

    fn set_path(self, section: &str, key: &str, path: &Path) -> Builder {
        match path.to_str() {
            Some(text) => self.set(section, key, text),
            None => self.refuse(section, key, "text in UTF-8"),
        }
    }

    fn refuse(mut self, section: &str, key: &str, expected: &str) -> Builder {
        let place = Place::Set { section: section.to_owned(), key: key.to_owned() };
        self.problems.push(ConfigError { place, problem: Problem::expected_hidden(expected) });
        self
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.document.rest().map(|it| it.place.to_string()).collect();
        f.debug_struct("Builder").field("program", &self.program).field("set", &keys).finish_non_exhaustive()
    }
}
