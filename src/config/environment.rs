//! What the configuration depends on beside its file: variables, host name, file system.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

/// The surroundings of the process, as a value: tests build their own.
///
/// `Debug` shows the names of the variables and not what they hold.
#[derive(Clone)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
    hostname: String,
    root: PathBuf,
}

impl Environment {
    /// The surroundings of this process. The root is `/`, or what the variable `LUIGI_MQTT_ROOT`
    /// names: a tree with the `/etc`, `/proc` and `/sys` of some other machine.
    pub fn of_process() -> Environment {
        let hostname = nix::unistd::gethostname().unwrap_or_default();
        let variables: BTreeMap<_, _> =
            env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect();
        let root = variables.get(ROOT).filter(|it| !it.is_empty()).map_or("/".into(), PathBuf::from);
        Environment { variables, hostname: hostname.to_string_lossy().into_owned(), root }
    }

    /// Surroundings without any variable, on a machine called `hostname` with the root `root`.
    pub fn new(hostname: &str, root: &Path) -> Environment {
        Environment { variables: BTreeMap::new(), hostname: hostname.to_owned(), root: root.to_owned() }
    }

    /// These surroundings with the variable `name` set to `value`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Environment {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// These surroundings without the variables whose names begin with `prefix`.
    pub(super) fn without(mut self, prefix: &str) -> Environment {
        self.variables.retain(|name, _| !name.starts_with(prefix));
        self
    }

    /// The variable `name`. An empty one counts as not set, for that is how `.env` files spell it.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(name).map(OsString::as_os_str).filter(|it| !it.is_empty())
    }

    /// The name of this machine, as `hostname` prints it.
    pub fn hostname(&self) -> &str {
        &self.hostname
    }

    /// The folder under which the default configuration files, `/proc` and `/sys` are.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The configuration file that the variable `MQTT_CONFIG_FILE` names.
    pub(super) fn named_file(&self) -> Option<&Path> {
        self.variable("MQTT_CONFIG_FILE").map(Path::new)
    }

    /// The folder that the service manager has made for us, as the variable `name` says: the first where there are several
    /// (`STATE_DIRECTORY` and its kin in systemd.exec(5)).
    pub(super) fn given_directory(&self, name: &str) -> Option<&str> {
        self.variable(name)?.to_str()?.split(':').next()
    }

    /// Where the service manager puts the secrets it was given for us, if it was
    /// (`LoadCredential=` in systemd.exec(5)).
    pub fn credentials_directory(&self) -> Option<&Path> {
        self.variable("CREDENTIALS_DIRECTORY").map(Path::new)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.keys())
            .field("hostname", &self.hostname)
            .field("root", &self.root)
            .finish()
    }
}

/// Names the root in tests.
const ROOT: &str = "LUIGI_MQTT_ROOT";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        let environment = Environment::new("pi", Path::new("/")).with("A", "").with("B", "b");
        assert_eq!(environment.variable("A"), None);
        assert_eq!(environment.variable("B"), Some(OsStr::new("b")));
    }

    #[test]
    fn debug_output_shows_no_value_of_a_variable() {
        let environment = Environment::new("pi", Path::new("/")).with("MQTT_PASSWORD", "hunter2");
        let shown = format!("{environment:?}");
        assert!(shown.contains("MQTT_PASSWORD") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn the_process_knows_its_host_name_and_variables() {
        let environment = Environment::of_process();
        assert!(!environment.hostname().is_empty());
        assert_eq!(environment.variable("PATH"), env::var_os("PATH").as_deref());
    }
}
