//! From a file to a [`Config`]: which file, what is in it, and what is wrong with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::error::{ConfigError, ConfigErrors, Place, Problem};
use super::ini::Document;
use super::settings::{Reported, Settings, read_file};
use super::{Broker, Client, Config, Credentials, Discovery, Host, Logging, Topics};

impl Config {
    /// The configuration in the file `explicit`, else in the one that the variable
    /// `MQTT_CONFIG_FILE` names, else in the first of [`DEFAULT_FILES`] that exists, else all
    /// defaults. Variables of `environment` override the file. Reads small files, once; does not block
    /// on the network.
    ///
    /// ```no_run
    /// use luigi_mqtt::config::Config;
    /// use luigi_mqtt::config::Environment;
    ///
    /// match Config::load(None, &Environment::of_process()) {
    ///     Ok(config) => println!("the broker is {}", config.broker.host),
    ///     Err(errors) => eprintln!("{errors}"),
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Every problem there is: a file that is named and absent, or exists and cannot be read, lines
    /// that cannot be split, unknown or repeated sections and keys, values out of their range,
    /// files named in it that cannot be read.
    pub fn load(explicit: Option<&Path>, environment: &Environment) -> Result<Config, ConfigErrors> {
        let path = find(explicit, environment)?;
        let mut settings = match &path {
            None => Settings::new(environment, Document::default(), Vec::new()),
            Some(path) => {
                let (bytes, metadata) = read_file(path, FILE_BYTES).map_err(|it| unreadable(path, it))?;
                let (document, problems) = Document::parse(path, &bytes);
                let mut settings = Settings::new(environment, document, problems);
                settings.warn_of_permissions(path, &metadata);
                settings
            }
        };
        let config = Config::read(&mut settings, path);
        let (problems, warnings) = settings.finish();
        match config {
            Ok(config) if problems.is_empty() => Ok(Config { warnings, ..config }),
            _ => Err(ConfigErrors::new(problems)),
        }
    }

    /// Reads every key, so that every problem is noted before the first of them ends it.
    pub(super) fn read(settings: &mut Settings<'_>, path: Option<PathBuf>) -> Result<Config, Reported> {
        let broker = Broker::read(settings);
        let credentials = Credentials::read(settings);
        let client = Client::read(settings);
        let topics = Topics::read(settings);
        let prefix = topics.as_ref().ok().map(|it| &it.discovery_prefix);
        let discovery = Discovery::read(settings, prefix);
        let host = Host::read(settings);
        let logging = Logging::read(settings);
        Ok(Config {
            path,
            broker: broker?,
            credentials: credentials?,
            client: client?,
            topics: topics?,
            discovery: discovery?,
            host: host?,
            logging: logging?,
            warnings: Vec::new(),
        })
    }
}

/// The file to read, if there is one. One that is named need not exist here: reading it will tell.
fn find(explicit: Option<&Path>, environment: &Environment) -> Result<Option<PathBuf>, ConfigErrors> {
    let named = explicit.or_else(|| environment.variable(FILE_VARIABLE).map(Path::new));
    if let Some(path) = named {
        return Ok(Some(path.to_owned()));
    }
    for path in DEFAULT_FILES {
        let path = environment.root().join(path.trim_start_matches('/'));
        // Not `exists`: a folder that we may not enter and a link to nowhere are no reason for defaults.
        match fs::symlink_metadata(&path) {
            Ok(_) => return Ok(Some(path)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(unreadable(&path, cause)),
        }
    }
    Ok(None)
}

fn unreadable(path: &Path, cause: io::Error) -> ConfigErrors {
    let (place, problem) = (Place::File(path.to_owned()), Problem::Unreadable { cause });
    ConfigErrors::new(vec![ConfigError { place, problem }])
}

/// Where the configuration is looked for: our own place, then those of the modules that we replace.
pub const DEFAULT_FILES: [&str; 3] = [
    "/etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf",
    "/etc/luigi/iot/ha-mqtt-py/ha-mqtt-py.conf",
    "/etc/luigi/iot/ha-mqtt/ha-mqtt.conf",
];
const FILE_VARIABLE: &str = "MQTT_CONFIG_FILE";
/// Two hundred times our commented example; whatever is longer is no configuration.
const FILE_BYTES: usize = 1 << 20;
