//! A configuration that a program sets itself, key by key.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::broker::Endpoint;
use super::document::Document;
use super::environment::Environment;
use super::error::{ConfigError, ConfigErrors, Place, Problem};
use super::ini::has_control;
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
        let builder = self.set(client::SECTION, "RECONNECT_DELAY", &spell_duration(first));
        builder.set(client::SECTION, "RECONNECT_DELAY_MAX", &spell_duration(longest))
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
            problems.push(ConfigError { place: Place::Program, problem });
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

#[cfg(test)]
mod tests {
    use super::*;

    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    use crate::model::Secret;

    fn builder() -> Builder {
        Builder::new("x", Environment::new("pi", Path::new("/nowhere")))
    }

    #[track_caller]
    fn check_refused(builder: Builder, expected: &[&str]) {
        assert_eq!(builder.build().unwrap_err().to_string().lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn each_setter_sets_what_it_says() {
        let seconds = Duration::from_secs;
        let config = builder()
            .broker("b", 1)
            .credentials("u", "p\"a # {ss}")
            .client_id("i {HOSTNAME}")
            .qos(Qos::ExactlyOnce)
            .keep_alive(Duration::from_millis(5_500))
            .reconnect_delays(seconds(2), seconds(3))
            .max_in_flight(7)
            .clean_session(false)
            .state_topic("s/{HOSTNAME}")
            .availability_topic("a")
            .discovery_prefix("d")
            .birth("bt", "bp")
            .device_name("n")
            .device_manufacturer("f")
            .device_model("m")
            .sw_version("v")
            .spool_mode(SpoolMode::Always)
            .spool_directory("/dir")
            .spool_max_bytes(65_536)
            .set("host", "enabled", "yes")
            .build()
            .unwrap();
        let Config { broker, credentials, client, topics, discovery, spool, host, warnings, .. } = config;
        assert_eq!((broker.endpoints[0].to_string(), broker.tls), ("b:1".to_owned(), None));
        let credentials = credentials.unwrap();
        assert_eq!(
            (&*credentials.username, credentials.password.as_ref().map(Secret::reveal)),
            ("u", Some("p\"a # {ss}"))
        );
        assert_eq!((&*client.id, client.qos, client.max_in_flight), ("i pi", Qos::ExactlyOnce, 7));
        assert_eq!((client.keep_alive, client.clean_session), (Duration::from_millis(5_500), false));
        assert_eq!((client.reconnect_delay, client.reconnect_delay_max), (seconds(2), seconds(3)));
        assert_eq!(
            [topics.state, topics.availability, topics.discovery_prefix].map(|it| it.to_string()),
            ["s/pi", "a", "d"]
        );
        assert_eq!((discovery.birth_topic.as_str(), &*discovery.birth_payload), ("bt", "bp"));
        assert_eq!([&*discovery.device_name, &*discovery.manufacturer, &*discovery.model], ["n", "f", "m"]);
        assert_eq!(discovery.sw_version.as_deref(), Some("v"));
        assert_eq!(
            (spool.mode, &*spool.directory, spool.max_bytes),
            (SpoolMode::Always, Path::new("/dir"), 65_536)
        );
        assert!(!host.sensors.is_empty() && warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn each_way_to_encrypt_encrypts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pem");
        fs::write(&path, "").unwrap();
        let tls = |builder: Builder| builder.build().unwrap().broker.tls.unwrap();
        assert_eq!(tls(builder().tls()), broker::Tls::default());
        assert_eq!(tls(builder().tls_ca(&path)).ca.as_ref(), Some(&path));
        let identity = tls(builder().tls_identity(&path, &path)).identity.unwrap();
        assert_eq!((&identity.certificate, &identity.key), (&path, &path));
        assert!(tls(builder().tls_insecure()).insecure);
        assert_eq!(builder().tls().build().unwrap().broker.endpoints[0].port, 8883);
    }

    #[test]
    fn what_is_set_last_holds() {
        let endpoints = |builder: Builder| {
            let config = builder.build().unwrap();
            assert_eq!(config.warnings, Vec::<String>::new());
            config.broker.endpoints.iter().map(Endpoint::to_string).collect::<Vec<_>>().join(" ")
        };
        let several = [("a", 1), ("::1", 2)];
        assert_eq!(endpoints(builder().broker("a", 1).broker("b", 2)), "b:2");
        assert_eq!(endpoints(builder().broker("b", 2).brokers(several)), "a:1 [::1]:2");
        assert_eq!(endpoints(builder().brokers(several).broker("b", 2)), "b:2");
        assert_eq!(endpoints(builder().set("BROKER", "port", "0").broker("b", 2)), "b:2");
    }

    #[test]
    fn a_value_is_refused_as_the_file_would_and_named_by_section_and_key() {
        check_refused(
            builder()
                .broker("a b", 0)
                .keep_alive(Duration::from_secs(1))
                .reconnect_delays(Duration::from_secs(2), Duration::from_secs(1))
                .state_topic("a/#")
                .device_name("")
                .set("Client", "KEEP_ALIVE", "5")
                .set("Cleint", "QOS", "1")
                .set("Topics", "DISCOVERY_PREFIX", "x")
                .discovery_prefix("y"),
            &[
                "[Broker] HOST: expected a host name or address, without mqtt:// before it, found \"a b\"",
                "[Broker] PORT: expected 1 to 65535, found \"0\"",
                "[Client] KEEPALIVE: expected 5s to 65535s, found \"1s\"",
                "[Client] RECONNECT_DELAY: expected at most RECONNECT_DELAY_MAX, 1s, found \"2s\"",
                "[Topics] DISCOVERY_PREFIX: expected either this or [Topics] TOPIC_PREFIX, found both",
                "[Topics] STATE_TOPIC: expected a topic without the wildcards + and #, found \"a/#\"",
                "[Discovery] DEVICE_NAME: expected a text, found nothing",
                "[Cleint] QOS: unknown section; did you mean [Client]?",
                "[Client] KEEP_ALIVE: unknown key; did you mean KEEPALIVE?",
            ],
        );
        check_refused(
            builder().brokers([]),
            &["[Broker] HOST: expected a host name or address, without mqtt:// before it, found nothing"],
        );
    }

    #[test]
    fn what_no_line_can_have_is_refused() {
        let path = Path::new(OsStr::from_bytes(b"/\xff"));
        check_refused(
            builder().credentials("u", "hunter2\n").tls_ca(path).spool_directory("spool"),
            &[
                "[Authentication] PASSWORD: expected no control characters",
                "[Broker] TLS_CA_CERT: expected text in UTF-8",
                "[Spool] DIRECTORY: expected an absolute path, found \"spool\"",
            ],
        );
    }

    #[test]
    fn the_problem_of_a_name_comes_with_all_others() {
        let builder = Builder::new("", Environment::new("pi", Path::new("/nowhere")));
        let errors = builder.broker("b", 0).build().unwrap_err();
        assert_eq!(
            errors.iter().map(|it| it.place.to_string()).collect::<Vec<_>>(),
            ["the program's name", "[Broker] PORT"]
        );
    }

    #[test]
    fn variables_of_the_daemon_are_none_of_a_builder() {
        let environment = Environment::new("pi", Path::new("/nowhere"))
            .with("MQTT_BROKER_HOST", "b")
            .with("MQTT_CONFIG_FILE", "/nowhere/x")
            .with("MQTT_PASSWORD", "p");
        let config = Builder::new("x", environment).build().unwrap();
        assert_eq!((&*config.broker.endpoints[0].host, config.credentials), ("localhost", None));
    }

    #[test]
    fn neither_debug_output_nor_an_error_shows_a_password() {
        let builder = builder().credentials("u", "hunter2").broker("me:hunter2@b", 1);
        let shown = format!("{builder:?}");
        assert!(shown.contains("[Authentication] PASSWORD"), "{shown}");
        let errors = builder.build().unwrap_err();
        assert!(!format!("{shown} {errors} {errors:?}").contains("hunter2"), "{errors}");
    }
}
