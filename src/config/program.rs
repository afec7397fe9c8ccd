//! A configuration for a program of somebody's: an identity of its own beside the daemon's.

use super::builder::Builder;
use super::environment::Environment;
use super::error::ConfigErrors;
use super::owner::Owner;
use super::settings::Settings;
use super::{Client, Config, Discovery, Logging, Spool, Topics};

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
    /// so do the spool's folder and mode. The machine's readings and the log file stay the daemon's.
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
        let owner = Owner::program(program).map_err(|it| ConfigErrors::new(vec![it]))?;
        let own = Config::of(Settings::new(&owner, environment), None)?;
        let Discovery { device_name, sw_version, .. } = own.discovery;
        Ok(Config {
            client: Client { id: own.client.id, ..self.client },
            topics: Topics { discovery_prefix: self.topics.discovery_prefix, ..own.topics },
            discovery: Discovery { device_name, sw_version, ..self.discovery },
            host: own.host,
            spool: Spool { max_bytes: self.spool.max_bytes, ..own.spool },
            logging: Logging { file: own.logging.file, ..self.logging },
            ..self
        })
    }

    /// [`Config::from_environment`] in `environment`.
    fn surrounded(program: &str, environment: &Environment) -> Result<Config, ConfigErrors> {
        match environment.named_file() {
            Some(path) => Config::load(Some(path), environment)?.identified(program, environment),
            None => {
                let owner = Owner::program(program).map_err(|it| ConfigErrors::new(vec![it]))?;
                Config::of(Settings::new(&owner, environment), None)
            }
        }
    }
}
