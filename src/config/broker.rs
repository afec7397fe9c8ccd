//! `[Broker]`: where the brokers are, and how the way to them is encrypted.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::defaults;
use super::error::{Place, Problem};
use super::settings::{Located, Reported, Settings};
use super::value;

/// Where the broker is, or the brokers that take each other's place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broker {
    /// In the order of preference, each once; 1 to 8 of them.
    pub endpoints: Vec<Endpoint>,
    /// How to encrypt, whichever it is; `None` is plain TCP.
    pub tls: Option<Tls>,
    /// How often to look, while connected to another than the first, whether one before it is back, 1 s to 24 h;
    /// `None` stays where it is.
    pub failback_interval: Option<Duration>,
}

/// The address of one broker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// Host name, IPv4 address or IPv6 address (without brackets).
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

/// How the connection is encrypted. The broker's certificate and name are checked, unless it is `insecure`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tls {
    /// PEM file with the authorities to trust; `None` trusts the system's.
    pub ca: Option<PathBuf>,
    /// Our own certificate; `None` has the broker not ask for one.
    pub identity: Option<Identity>,
    /// Whether any certificate for any name will do: then anybody can be the broker. Never together with a `ca`.
    pub insecure: bool,
}

/// A client certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// PEM file with the certificate, and the chain after it.
    pub certificate: PathBuf,
    /// PEM file with its private key, unencrypted: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

impl Broker {
    pub(super) fn read(settings: &mut Settings<'_>) -> Result<Broker, Reported> {
        let hosts = settings
            .key(SECTION, "HOST")
            .or_variable("MQTT_BROKER_HOST")
            .or_located(defaults::HOST, value::hosts);
        let encrypted = settings
            .key(SECTION, "TLS_ENABLED")
            .or_key(SECTION, "TLS")
            .or(defaults::TLS_ENABLED, value::switch);
        let port = settings.key(SECTION, "PORT").or_variable("MQTT_BROKER_PORT").if_set(value::port);
        let failback_interval = settings
            .key(SECTION, "FAILBACK_INTERVAL")
            .or(defaults::FAILBACK_INTERVAL, value::duration_or_never(SECOND..=DAY));
        let tls = read_tls(settings, encrypted);
        let endpoints = endpoints(settings, hosts?, port?, encrypted?)?;
        Ok(Broker { endpoints, tls: tls?, failback_interval: failback_interval? })
    }
}

/// One broker without encryption.
impl From<SocketAddr> for Broker {
    fn from(address: SocketAddr) -> Broker {
        let endpoint = Endpoint { host: address.ip().to_string(), port: address.port() };
        Broker { endpoints: vec![endpoint], tls: None, failback_interval: None }
    }
}

/// `host:port`, as `HOST` takes it.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Each of `hosts` with its own port, else `port`, else the usual one.
fn endpoints(
    settings: &mut Settings<'_>,
    hosts: Located<Vec<(String, Option<u16>)>>,
    port: Option<Located<u16>>,
    encrypted: bool,
) -> Result<Vec<Endpoint>, Reported> {
    let Located { value: hosts, place } = hosts;
    match &port {
        Some(port) if hosts.iter().all(|(_, own)| own.is_some()) => {
            settings.warn(&port.place, "has no effect: HOST has a port for each broker");
        }
        Some(port) => warn_of_port(settings, &port.place, port.value, encrypted),
        None => {}
    }
    let usual = if encrypted { defaults::PORT_TLS } else { defaults::PORT };
    let port = port.map_or(usual, |it| it.value);
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for (host, own) in hosts {
        if let Some(own) = own {
            warn_of_port(settings, &place, own, encrypted);
        }
        let endpoint = Endpoint { host, port: own.unwrap_or(port) };
        let same = |it: &Endpoint| it.host.eq_ignore_ascii_case(&endpoint.host) && it.port == endpoint.port;
        if endpoints.iter().any(same) {
            return Err(settings.refuse(place, Problem::expected("each broker once", &endpoint.to_string())));
        }
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

fn warn_of_port(settings: &mut Settings<'_>, place: &Place, port: u16, encrypted: bool) {
    if port == defaults::PORT_TLS && !encrypted {
        settings.warn(place, "8883 is the port for TLS, but TLS_ENABLED is no");
    } else if port == defaults::PORT && encrypted {
        settings.warn(place, "1883 is the port without TLS, but TLS_ENABLED is yes");
    }
}

fn read_tls(settings: &mut Settings<'_>, encrypted: Result<bool, Reported>) -> Result<Option<Tls>, Reported> {
    let ca = settings.key(SECTION, "TLS_CA_CERT").or_key(SECTION, "CA_CERT").if_set(value::path);
    let certificate = settings.key(SECTION, "TLS_CERT").if_set(value::path);
    let key = settings.key(SECTION, "TLS_KEY").if_set(value::path);
    let insecure = settings.key(SECTION, "TLS_INSECURE").if_set(value::switch);
    let (encrypted, ca, certificate, key) = (encrypted?, ca?, certificate?, key?);
    let insecure = insecure?.filter(|it| it.value).map(|it| it.place);
    if !encrypted {
        if let Some(place) = insecure {
            settings.warn(&place, NO_EFFECT);
        }
        for file in [&ca, &certificate, &key].into_iter().flatten() {
            settings.warn(&file.place, NO_EFFECT);
        }
        return Ok(None);
    }
    let ca = ca.map(|it| readable(settings, it)).transpose();
    let certificate = certificate.map(|it| readable(settings, it)).transpose();
    let key = key.map(|it| readable(settings, it)).transpose();
    if let Ok(Some(Located { value: path, .. })) = &key {
        if let Ok(metadata) = path.metadata() {
            settings.warn_of_permissions(path, &metadata);
        }
    }
    let identity = match (certificate?, key?) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some(Identity { certificate: certificate.value, key: key.value }),
        (Some(Located { place, .. }), None) => return Err(refuse_half(settings, place, "TLS_KEY")),
        (None, Some(Located { place, .. })) => return Err(refuse_half(settings, place, "TLS_CERT")),
    };
    let ca = ca?;
    if let Some(place) = &insecure {
        if ca.is_some() {
            let expected = "no beside TLS_CA_CERT: with yes no authority is asked";
            return Err(settings.refuse(place.clone(), Problem::expected_hidden(expected)));
        }
        settings.warn(
            place,
            "the broker's certificate is not checked: whoever stands between can read and change everything, \
             and read the password",
        );
    }
    Ok(Some(Tls { ca: ca.map(|it| it.value), identity, insecure: insecure.is_some() }))
}

fn refuse_half(settings: &mut Settings<'_>, place: Place, other: &str) -> Reported {
    settings.refuse(place, Problem::expected_hidden(format!("{other} beside it")))
}

/// `file`, once it has been seen to be one that can be read.
fn readable(settings: &mut Settings<'_>, file: Located<PathBuf>) -> Result<Located<PathBuf>, Reported> {
    // Only reading tells a folder from a file; a byte is enough.
    let read = |path: &Path| File::open(path)?.read(&mut [0]);
    match read(&file.value) {
        Ok(_) => Ok(file),
        Err(cause) => Err(settings.refuse(file.place, Problem::NamesUnreadable { path: file.value, cause })),
    }
}

pub(super) const SECTION: &str = "Broker";
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
const NO_EFFECT: &str = "has no effect while TLS_ENABLED is no";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use crate::config::Config;
    use crate::config::Environment;

    #[test]
    fn a_private_key_that_others_can_read_is_warned_about() {
        let folder = tempfile::tempdir().unwrap();
        let [config, key] = ["luigi-mqtt.conf", "client.key"].map(|it| folder.path().join(it));
        let shown = key.display();
        fs::write(&config, format!("[Broker]\nTLS_ENABLED=yes\nTLS_CERT={shown}\nTLS_KEY={shown}\n"))
            .unwrap();
        fs::write(&key, "secret").unwrap();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
        for (mode, warnings) in [(0o640, 0), (0o644, 1)] {
            fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
            let config = Config::load(Some(&config), &Environment::new("pi", folder.path())).unwrap();
            assert_eq!(config.warnings.len(), warnings, "{:?}", config.warnings);
            assert!(config.warnings.iter().all(|it| it.contains("client.key: can be read by others")));
        }
    }
}
