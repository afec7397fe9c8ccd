//! A configuration for a program of somebody's: an identity of its own beside the daemon's.

use super::builder::Builder;
use super::environment::Environment;
use super::error::{ConfigError, ConfigErrors, Place, Problem};
use super::owner::Owner;
use super::settings::Settings;
use super::{Client, Config, Discovery, Host, Logging, Spool, Topics};

impl Config {
    /// Begins a configuration without a file, for the program called `program`: 1 to 32 of `a-z A-Z 0-9 _ -`, and
    /// a name that no other program on this machine connects with. Neither a file nor a variable `MQTT_…` counts.
    ///
    /// Two clients with one client identifier throw each other out, and two with one availability topic say
    /// `offline` for each other. So what is not set is, for `garage-door` on a machine called `pi`:
    ///
    /// | what | default |
    /// | --- | --- |
    /// | broker | `localhost:1883`, without encryption or credentials |
    /// | client identifier, and the device's identifier | `garage-door-pi` |
    /// | states | below `luigi/pi/garage-door` |
    /// | availability | `luigi/pi/garage-door/availability` |
    /// | name of the device | `Garage door on pi` |
    /// | spool | in memory, but on the card during an outage where there is a folder of its own: a [`Builder::spool_directory`], or `<STATE_DIRECTORY>/garage-door` under systemd |
    /// | readings of the machine, log file | none |
    ///
    /// and everything else as in the file `packaging/luigi-mqtt.conf`.
    ///
    /// ```
    /// use luigi_mqtt::config::Config;
    ///
    /// let config = Config::builder("garage-door")
    ///     .broker("homeassistant.local", 1883)
    ///     .credentials("user", "secret")
    ///     .build()?;
    /// assert!(config.client.id.starts_with("garage-door-"));
    /// # Ok::<(), luigi_mqtt::config::ConfigErrors>(())
    /// ```
    pub fn builder(program: &str) -> Builder {
        Builder::new(program, Environment::of_process())
    }

    /// This configuration, loaded from the machine's file, under the identity of the program called `program`.
    ///
    /// Broker, TLS, credentials and how the connection behaves stay. Client identifier, topics of states and
    /// availability, name and software version of the device become the program's, as [`Config::builder`] has them;
    /// so do the spool's folder and mode. The machine's readings, what the sections such as `[Sensor attic]` declare and the
    /// log file stay the daemon's.
    ///
    /// ```no_run
    /// use luigi_mqtt::config::{Config, Environment};
    ///
    /// let machine = Config::load(None, &Environment::of_process())?;
    /// let config = machine.for_program("garage-door")?;
    /// println!("{} at {}", config.client.id, config.broker.endpoints[0]);
    /// # Ok::<(), luigi_mqtt::config::ConfigErrors>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `program` is no name, as in [`Builder::build`]; or the host name is none that a topic can have.
    pub fn for_program(self, program: &str) -> Result<Config, ConfigErrors> {
        self.identified(program, &Environment::of_process())
    }

    /// The configuration that the environment describes, for the program called `program`: the variables
    /// `MQTT_BROKER_HOST` (may be several, `a, b:8883`), `MQTT_BROKER_PORT`, `MQTT_USERNAME`, `MQTT_PASSWORD` and
    /// `MQTT_TOPIC_PREFIX` (messages go below `<prefix>/<host name>/<program>`), the rest as [`Config::builder`] has
    /// it. An empty variable counts as not set. `MQTT_CONFIG_FILE` names a file to begin with, as
    /// [`Config::for_program`] does; without it none is read.
    ///
    /// ```no_run
    /// use luigi_mqtt::config::Config;
    ///
    /// // MQTT_BROKER_HOST=homeassistant.local MQTT_USERNAME=user MQTT_PASSWORD=secret garage-door
    /// match Config::from_environment("garage-door") {
    ///     Ok(config) => println!("the broker is {}", config.broker.endpoints[0]),
    ///     Err(errors) => eprintln!("{errors}"),
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Every problem there is: a variable out of its range, a file that is named and cannot be read or is wrong,
    /// a `program` that is no name.
    pub fn from_environment(program: &str) -> Result<Config, ConfigErrors> {
        Config::surrounded(program, &Environment::of_process())
    }

    /// [`Config::for_program`] in `environment`.
    fn identified(self, program: &str, environment: &Environment) -> Result<Config, ConfigErrors> {
        let owner = Owner::program(program).map_err(no_name)?;
        // Not the broker and the credentials: half of them stands in the file, the other half in the environment.
        let mut settings = Settings::new(&owner, environment);
        let own = (
            Client::read(&mut settings),
            Topics::read(&mut settings),
            Discovery::read(&mut settings, None),
            Host::read(&mut settings),
            Spool::read(&mut settings),
            Logging::read(&mut settings),
        );
        let (problems, _) = settings.finish();
        let (Ok(client), Ok(topics), Ok(discovery), Ok(host), Ok(spool), Ok(logging)) = own else {
            return Err(ConfigErrors::new(problems));
        };
        let Discovery { device_name, sw_version, sensors_dir, .. } = discovery;
        Ok(Config {
            client: Client { id: client.id, ..self.client },
            topics: Topics { discovery_prefix: self.topics.discovery_prefix, ..topics },
            discovery: Discovery { device_name, sw_version, sensors_dir, ..self.discovery },
            host,
            declared: Vec::new(),
            spool: Spool { max_bytes: self.spool.max_bytes, ..spool },
            logging: Logging { file: logging.file, ..self.logging },
            ..self
        })
    }

    /// [`Config::from_environment`] in `environment`.
    fn surrounded(program: &str, environment: &Environment) -> Result<Config, ConfigErrors> {
        match environment.named_file() {
            Some(path) => Config::load(Some(path), environment)?.identified(program, environment),
            None => {
                let owner = Owner::program(program).map_err(no_name)?;
                Config::of(Settings::new(&owner, environment), None)
            }
        }
    }
}

fn no_name(problem: Problem) -> ConfigErrors {
    ConfigErrors::new(vec![ConfigError { place: Place::Program, problem }])
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    use tempfile::{TempDir, tempdir};

    use crate::model::Secret;
    use crate::model::SpoolMode;

    /// A machine called `pi`, without variables and files.
    fn pi() -> Environment {
        Environment::new("pi", Path::new("/nowhere"))
    }

    /// A machine called `pi` whose configuration file, at the path that comes with it, has `text`.
    fn machine(text: &str) -> (TempDir, PathBuf) {
        let folder = tempdir().unwrap();
        let path = folder.path().join("luigi-mqtt.conf");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        (folder, path)
    }

    /// Client identifier, topics of states and availability, and name of the device.
    fn identity(config: &Config) -> [&str; 4] {
        let Config { client, topics, discovery, .. } = config;
        [&client.id, topics.state.as_str(), topics.availability.as_str(), &discovery.device_name]
    }

    const GARAGE_DOOR: [&str; 4] =
        ["garage-door-pi", "luigi/pi/garage-door", "luigi/pi/garage-door/availability", "Garage door on pi"];

    #[test]
    fn a_program_has_an_identity_of_its_own() {
        let file = "[Broker]\nHOST=b\n[Client]\nCLIENT_ID=x\nQOS=2\n[Topics]\nSTATE_TOPIC=x\nAVAILABILITY_TOPIC=y\n\
                    TOPIC_PREFIX=ha\n[Discovery]\nDEVICE_NAME=z\nSW_VERSION=9\nDEVICE_MODEL=Pi 5\n\
                    [Spool]\nDIRECTORY=/mnt\nMODE=always\nMAX_BYTES=1M\n[Logging]\nLOG_LEVEL=DEBUG\n";
        let (_folder, path) = machine(file);
        let loaded = Config::load(Some(&path), &pi()).unwrap();
        let config = loaded.clone().identified("garage-door", &pi()).unwrap();
        for config in [
            &config,
            &Config::surrounded("garage-door", &pi()).unwrap(),
            &Builder::new("garage-door", pi()).build().unwrap(),
        ] {
            assert_eq!(identity(config), GARAGE_DOOR);
            assert_eq!(config.discovery.sw_version, None);
            assert_eq!(
                (config.spool.mode, &*config.spool.directory),
                (SpoolMode::Memory, Path::new("/var/lib/garage-door"))
            );
            assert_eq!((&config.host.sensors, &config.logging.file), (&vec![], &None));
        }
        // And all else is the machine's.
        assert_eq!((&config.broker, &config.path), (&loaded.broker, &Some(path)));
        assert_eq!((config.client.qos, config.topics.discovery_prefix.as_str()), (loaded.client.qos, "ha"));
        assert_eq!((config.discovery.birth_topic.as_str(), &*config.discovery.model), ("ha/status", "Pi 5"));
        assert_eq!((config.spool.max_bytes, config.logging.level), (1 << 20, log::LevelFilter::Debug));
    }

    #[test]
    fn what_the_sections_of_the_machine_declare_is_the_daemons() {
        let (_folder, path) = machine("[Sensor attic]\nSOURCE=w1\n");
        let environment = pi().with("MQTT_CONFIG_FILE", &path);
        let loaded = Config::load(Some(&path), &environment).unwrap();
        assert_eq!((loaded.declared.len(), loaded.discovery.sensors_dir.is_some()), (1, true));
        for config in [
            loaded.identified("garage-door", &environment),
            Config::surrounded("garage-door", &environment),
            Builder::new("garage-door", pi()).set("Sensor attic", "SOURCE", "no source").build(),
        ] {
            let config = config.unwrap();
            assert_eq!((config.declared.len(), config.discovery.sensors_dir), (0, None));
        }
    }

    #[test]
    fn nothing_of_a_program_is_the_daemons() {
        let daemon = Config::load(None, &pi()).unwrap();
        let theirs = identity(&daemon).map(str::to_owned);
        for name in ["x", "garage-door", "session", "spool", "Luigi_"] {
            let config = Config::surrounded(name, &pi()).unwrap();
            for ours in identity(&config) {
                // The link's word with itself goes to `<availability>/session`.
                assert!(!theirs.contains(&ours.to_owned()), "{ours}");
                assert_ne!(ours, format!("{}/session", daemon.topics.availability));
            }
            assert_ne!(config.topics.availability, config.topics.state);
            assert_ne!(config.spool.directory, daemon.spool.directory);
        }
    }

    #[test]
    fn a_name_that_would_be_the_daemons_or_no_level_of_a_topic_is_refused() {
        let legal = "the program's name: expected 1 to 32 of a-z A-Z 0-9 _ -, found ";
        let own = "the program's name: expected a name of its own: this one is the daemon's, found ";
        let long = "x".repeat(33);
        for (name, expected) in [
            ("", format!("{legal}nothing")),
            ("a/b", format!("{legal}\"a/b\"")),
            ("+", format!("{legal}\"+\"")),
            ("garage door", format!("{legal}\"garage door\"")),
            (&long, format!("{legal}{long:?}")),
            ("luigi", format!("{own}\"luigi\"")),
            ("Luigi", format!("{own}\"Luigi\"")),
            ("luigi-mqtt", format!("{own}\"luigi-mqtt\"")),
            ("availability", format!("{own}\"availability\"")),
        ] {
            for refused in [
                Config::surrounded(name, &pi()),
                Config::load(None, &pi()).unwrap().identified(name, &pi()),
                Builder::new(name, pi()).build(),
            ] {
                assert_eq!(refused.unwrap_err().to_string(), expected);
            }
        }
        assert!(Config::surrounded(&long[..32], &pi()).is_ok());
    }

    #[test]
    fn the_environment_alone_is_enough() {
        let environment = pi()
            .with("MQTT_BROKER_HOST", "b")
            .with("MQTT_BROKER_PORT", "1884")
            .with("MQTT_USERNAME", "u")
            .with("MQTT_PASSWORD", "p")
            .with("MQTT_TOPIC_PREFIX", "smarthome/");
        let config = Config::surrounded("garage-door", &environment).unwrap();
        assert_eq!(config.broker.endpoints[0].to_string(), "b:1884");
        let credentials = config.credentials.as_ref().unwrap();
        assert_eq!(
            (&*credentials.username, credentials.password.as_ref().map(Secret::reveal)),
            ("u", Some("p"))
        );
        let [id, state, availability, _] = identity(&config);
        assert_eq!(
            (id, state, availability),
            ("garage-door-pi", "smarthome/pi/garage-door", "smarthome/pi/garage-door/availability")
        );

        let errors = Config::surrounded("garage-door", &pi().with("MQTT_BROKER_PORT", "0")).unwrap_err();
        assert_eq!(errors.to_string(), "MQTT_BROKER_PORT: expected 1 to 65535, found \"0\"");
    }

    #[test]
    fn the_environment_reads_no_file_but_the_one_it_names() {
        let (root, path) = machine("[Broker]\nHOST=named\n[Client]\nCLIENT_ID=x\n");
        let default = root.path().join("etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf");
        fs::create_dir_all(default.parent().unwrap()).unwrap();
        fs::write(default, "[Broker]\nHOST=default\n").unwrap();
        let environment = Environment::new("pi", root.path());
        let host = |environment: &Environment| {
            let config = Config::surrounded("garage-door", environment).unwrap();
            assert_eq!(identity(&config), GARAGE_DOOR);
            config.broker.endpoints[0].host.clone()
        };
        assert_eq!(host(&environment), "localhost");
        assert_eq!(host(&environment.with("MQTT_CONFIG_FILE", path)), "named");
    }

    #[test]
    fn a_user_of_the_file_goes_with_a_password_of_the_environment() {
        let (_folder, path) = machine("[Authentication]\nUSERNAME=u\n");
        let environment = pi().with("MQTT_CONFIG_FILE", path).with("MQTT_PASSWORD", "p");
        let config = Config::surrounded("garage-door", &environment).unwrap();
        assert_eq!(config.credentials.unwrap().password.as_ref().map(Secret::reveal), Some("p"));
    }

    #[test]
    fn a_program_has_a_spool_on_the_card_where_it_was_given_a_folder() {
        let spool = |config: Config| (config.spool.mode, config.spool.directory.display().to_string());
        let given = pi().with("STATE_DIRECTORY", "/var/lib/x:/var/lib/y");
        let (_folder, path) = machine("[Spool]\nDIRECTORY=/mnt\nMODE=always\n");
        for config in [
            Config::surrounded("garage-door", &given),
            Config::load(Some(&path), &given).unwrap().identified("garage-door", &given),
            Builder::new("garage-door", given.clone()).build(),
            Builder::new("garage-door", pi()).spool_directory("/var/lib/x/garage-door").build(),
        ] {
            let expected = (SpoolMode::Outage, "/var/lib/x/garage-door".to_owned());
            assert_eq!(spool(config.unwrap()), expected);
        }
        let told = Builder::new("garage-door", given).spool_mode(SpoolMode::Memory).build().unwrap();
        assert_eq!(told.spool.mode, SpoolMode::Memory);
        let errors = Builder::new("garage-door", pi()).spool_mode(SpoolMode::Always).build().unwrap_err();
        assert_eq!(
            errors.to_string(),
            "[Spool] MODE: expected memory, or a DIRECTORY of the program's own beside it"
        );
    }

    #[test]
    fn a_host_name_that_no_topic_can_have_is_refused() {
        let environment = Environment::new("a+b", Path::new("/nowhere"));
        let config = Config::load(None, &pi()).unwrap();
        let errors = config.identified("x", &environment).unwrap_err().to_string();
        assert!(errors.contains("without the wildcards + and #, found \"luigi/a+b/x\""), "{errors}");
    }
}
