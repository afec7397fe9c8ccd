//! From a file to a [`Config`]: which file, what is in it, and what is wrong with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::document::Document;
use super::environment::Environment;
use super::error::{ConfigError, ConfigErrors, Place, Problem};
use super::owner::Owner;
use super::settings::{Reported, Settings, read_file};
use super::{Broker, Client, Config, Credentials, Declared, Discovery, Host, Logging, Socket, Spool, Topics};

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
    ///     Ok(config) => println!("the broker is {}", config.broker.endpoints[0]),
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
        let settings = Settings::new(&Owner::Daemon, environment);
        let Some(path) = find(explicit, environment)? else {
            return Config::of(settings, None);
        };
        let (bytes, metadata) = read_file(&path, FILE_BYTES).map_err(|it| unreadable(&path, it))?;
        let (document, problems) = Document::parse(&path, &bytes);
        let mut settings = settings.with(document, problems);
        settings.warn_of_permissions(&path, &metadata);
        Config::of(settings, Some(path))
    }

    /// What `bytes` would come to as the content of a file called `FILE`: the door of the fuzz targets.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    #[doc(hidden)]
    pub fn parse(bytes: &[u8], environment: &Environment) -> Result<Config, ConfigErrors> {
        let (document, problems) = Document::parse(Path::new("FILE"), bytes);
        Config::of(Settings::new(&Owner::Daemon, environment).with(document, problems), None)
    }

    /// The configuration that `settings` come to, read from the file at `path` if from one.
    ///
    /// # Errors
    ///
    /// Every problem that has been noted.
    pub(super) fn of(mut settings: Settings<'_>, path: Option<PathBuf>) -> Result<Config, ConfigErrors> {
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
        let declared = declared(settings);
        let spool = Spool::read(settings);
        let socket = Socket::read(settings);
        let logging = Logging::read(settings);
        Ok(Config {
            path,
            broker: broker?,
            credentials: credentials?,
            client: client?,
            topics: topics?,
            discovery: discovery?,
            host: host?,
            declared: declared?,
            spool: spool?,
            socket: socket?,
            logging: logging?,
            warnings: Vec::new(),
        })
    }
}

/// What the sections with an id declare.
#[cfg(feature = "daemon")]
fn declared(settings: &mut Settings<'_>) -> Result<Vec<Declared>, Reported> {
    Declared::read(settings)
}

/// The sections with an id are the daemon's, and a program without it carries nothing to read them.
#[cfg(not(feature = "daemon"))]
fn declared(settings: &mut Settings<'_>) -> Result<Vec<Declared>, Reported> {
    drop(settings.take_named());
    Ok(Vec::new())
}

/// The file to read, if there is one. One that is named need not exist here: reading it will tell.
fn find(explicit: Option<&Path>, environment: &Environment) -> Result<Option<PathBuf>, ConfigErrors> {
    let named = explicit.or_else(|| environment.named_file());
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
/// Two hundred times our commented example; whatever is longer is no configuration.
const FILE_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Endpoint;

    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::{TempDir, tempdir};

    /// A machine called `pi` with `files` under its root, each with its text, mode 640.
    fn machine(files: &[(&str, &str)]) -> (TempDir, Environment) {
        let root = tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        }
        let environment = Environment::new("pi", root.path());
        (root, environment)
    }

    #[track_caller]
    fn check_refused(environment: &Environment, expected: &[&str]) {
        let errors = Config::load(None, environment).unwrap_err().to_string();
        let root = format!("{}/", environment.root().display());
        assert_eq!(errors.replace(&root, "/").lines().collect::<Vec<_>>(), expected);
    }

    const HOST_A: &str = "[Broker]\nHOST=a\n";

    #[test]
    fn without_a_file_all_is_default() {
        let (_root, environment) = machine(&[]);
        let config = Config::load(None, &environment).unwrap();
        assert_eq!(
            (config.path, config.broker.endpoints[0].to_string()),
            (None, "localhost:1883".to_owned())
        );
        assert_eq!(config.topics.state.as_str(), "luigi/pi");
        assert_eq!(config.host.root, environment.root());
        assert!(config.credentials.is_none() && config.warnings.is_empty());
    }

    #[test]
    fn the_first_default_file_that_exists_is_the_one() {
        for first in 0..DEFAULT_FILES.len() {
            let files: Vec<_> = DEFAULT_FILES[first..].iter().map(|it| (*it, "")).collect();
            let (root, environment) = machine(&files);
            let expected = root.path().join(DEFAULT_FILES[first].trim_start_matches('/'));
            assert_eq!(Config::load(None, &environment).unwrap().path, Some(expected));
        }
    }

    #[test]
    fn the_command_line_goes_before_the_variable_and_that_before_the_default_file() {
        let (root, environment) =
            machine(&[("a", HOST_A), ("b", "[Broker]\nHOST=b"), (DEFAULT_FILES[0], "[Broker]\nHOST=c")]);
        let host = |explicit: Option<&Path>, environment: &Environment| {
            Config::load(explicit, environment).unwrap().broker.endpoints[0].host.clone()
        };
        assert_eq!(host(None, &environment), "c");
        let environment = environment.with("MQTT_CONFIG_FILE", root.path().join("b"));
        assert_eq!(host(None, &environment), "b");
        assert_eq!(host(Some(&root.path().join("a")), &environment), "a");
    }

    #[test]
    fn a_named_file_must_exist() {
        let (root, environment) = machine(&[(DEFAULT_FILES[0], "")]);
        let environment = environment.with("MQTT_CONFIG_FILE", root.path().join("x"));
        check_refused(&environment, &["/x: cannot be read: No such file or directory (os error 2)"]);
        assert!(Config::load(Some(&root.path().join("y")), &environment).is_err());
    }

    #[test]
    fn a_default_file_that_cannot_be_read_is_no_reason_for_defaults() {
        let path = DEFAULT_FILES[0];
        let (root, environment) = machine(&[(&format!("{path}/file"), "")]);
        check_refused(&environment, &[&format!("{path}: cannot be read: Is a directory (os error 21)")]);

        let (folder, target) = (root.path().join("etc/luigi/iot/luigi-mqtt"), root.path().join("nowhere"));
        fs::remove_dir_all(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        symlink(target, folder.join("luigi-mqtt.conf")).unwrap();
        check_refused(
            &environment,
            &[&format!("{path}: cannot be read: No such file or directory (os error 2)")],
        );

        fs::remove_dir_all(&folder).unwrap();
        fs::write(&folder, "").unwrap();
        check_refused(&environment, &[&format!("{path}: cannot be read: Not a directory (os error 20)")]);
    }

    #[test]
    fn an_endless_file_is_refused() {
        let (_root, environment) = machine(&[]);
        let errors = Config::load(Some(Path::new("/dev/zero")), &environment).unwrap_err();
        assert_eq!(errors.to_string(), "/dev/zero: cannot be read: longer than 1048576 bytes");
    }

    #[test]
    fn variables_override_the_file() {
        let file =
            "[Broker]\nHOST=a\nPORT=1\n[Authentication]\nUSERNAME=u\nPASSWORD=p\n[Topics]\nSTATE_TOPIC=s\n";
        let (_root, environment) = machine(&[(DEFAULT_FILES[0], file)]);
        let environment = environment
            .with("MQTT_BROKER_HOST", "b, c:3")
            .with("MQTT_BROKER_PORT", "2")
            .with("MQTT_USERNAME", "v")
            .with("MQTT_PASSWORD", "q")
            .with("MQTT_TOPIC_PREFIX", "smarthome/");
        let config = Config::load(None, &environment).unwrap();
        assert_eq!(
            config.broker.endpoints.iter().map(Endpoint::to_string).collect::<Vec<_>>(),
            ["b:2", "c:3"]
        );
        let credentials = config.credentials.unwrap();
        assert_eq!((credentials.username.as_str(), credentials.password.unwrap().reveal()), ("v", "q"));
        assert_eq!(config.topics.state.as_str(), "smarthome/pi");
        assert_eq!(config.topics.availability.as_str(), "smarthome/pi/availability");
        assert_eq!(config.topics.discovery_prefix.as_str(), "homeassistant");
    }

    #[test]
    fn the_spool_is_where_the_service_manager_has_its_folder() {
        let (_root, environment) = machine(&[]);
        let directory = |environment: &Environment| Config::load(None, environment).unwrap().spool.directory;
        assert_eq!(directory(&environment), Path::new("/var/lib/luigi-mqtt"));
        let environment = environment.with("STATE_DIRECTORY", "/var/lib/x:/var/lib/y");
        assert_eq!(directory(&environment), Path::new("/var/lib/x"));
        let (_root, environment) = machine(&[(DEFAULT_FILES[0], "[Spool]\nDIRECTORY=/mnt\n")]);
        assert_eq!(directory(&environment.with("STATE_DIRECTORY", "/x")), Path::new("/mnt"));
    }

    #[test]
    fn the_log_file_is_where_the_service_manager_has_its_folder() {
        let (_root, environment) = machine(&[]);
        let file = |environment: &Environment| Config::load(None, environment).unwrap().logging.file.unwrap();
        assert_eq!(file(&environment), Path::new("/var/log/luigi-mqtt.log"));
        let environment = environment.with("LOGS_DIRECTORY", "/var/log/x:/var/log/y");
        assert_eq!(file(&environment), Path::new("/var/log/x/luigi-mqtt.log"));
        let (_root, environment) = machine(&[(DEFAULT_FILES[0], "[Logging]\nLOG_FILE=/mnt/log\n")]);
        assert_eq!(file(&environment.with("LOGS_DIRECTORY", "/x")), Path::new("/mnt/log"));
    }

    #[test]
    fn an_empty_variable_overrides_nothing() {
        let (_root, mut environment) = machine(&[(DEFAULT_FILES[0], HOST_A)]);
        for name in ["BROKER_HOST", "BROKER_PORT", "USERNAME", "PASSWORD", "TOPIC_PREFIX", "CONFIG_FILE"] {
            environment = environment.with(&format!("MQTT_{name}"), "");
        }
        let config = Config::load(None, &environment).unwrap();
        assert_eq!((config.broker.endpoints[0].host.as_str(), config.credentials), ("a", None));
    }

    #[test]
    fn an_error_in_a_variable_names_it_and_comes_with_those_of_the_file() {
        let (_root, environment) = machine(&[(DEFAULT_FILES[0], "[Broker]\nPORT=x\n")]);
        let environment = environment
            .with("MQTT_BROKER_PORT", "0")
            .with("MQTT_TOPIC_PREFIX", "a/#")
            .with("MQTT_USERNAME", OsStr::from_bytes(b"\xff"))
            .with("MQTT_PASSWORD", OsStr::from_bytes(b"hunter2\xff"));
        check_refused(
            &environment,
            &[
                "/etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf:2: [Broker] PORT: expected 1 to 65535, found \"x\"",
                "MQTT_BROKER_PORT: expected 1 to 65535, found \"0\"",
                "MQTT_USERNAME: expected text in UTF-8",
                "MQTT_PASSWORD: expected one line of 1 to 65535 bytes of text in UTF-8",
                "MQTT_TOPIC_PREFIX: expected a topic without the wildcards + and #, found \"a/#/pi\"",
                "MQTT_TOPIC_PREFIX: expected a topic without the wildcards + and #, found \"a/#/pi/availability\"",
                "MQTT_TOPIC_PREFIX: expected a topic without the wildcards + and #, found \"a/#\"",
            ],
        );
    }

    #[test]
    fn a_host_name_that_no_topic_can_have_is_refused() {
        let (root, _) = machine(&[]);
        check_refused(
            &Environment::new("a+b", root.path()),
            &[
                "[Topics] STATE_TOPIC (default): expected a topic without the wildcards + and #, found \"luigi/a+b\"",
                "[Topics] AVAILABILITY_TOPIC (default): expected a topic without the wildcards + and #, found \"luigi/a+b/availability\"",
            ],
        );
    }

    #[test]
    fn a_file_open_to_others_is_warned_about() {
        let (root, environment) = machine(&[("x", "")]);
        let path = root.path().join("x");
        for (mode, risk) in [
            (0o600, ""),
            (0o640, ""),
            (0o400, ""),
            (0o440, ""),
            (0o644, "read"),
            (0o604, "read"),
            (0o660, "changed"),
            (0o666, "read and changed"),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let warnings = Config::load(Some(&path), &environment).unwrap().warnings;
            let file = path.display();
            let warning = format!("{file}: can be {risk} by others (mode {mode:03o}): run chmod 640 {file}");
            let expected = if risk.is_empty() { vec![] } else { vec![warning] };
            assert_eq!(warnings, expected, "{mode:o}");
        }
    }

    #[test]
    fn nobody_is_told_to_close_a_device() {
        let (_root, environment) = machine(&[]);
        let config = Config::load(Some(Path::new("/dev/null")), &environment).unwrap();
        assert_eq!(config.warnings, Vec::<String>::new());
    }
}
