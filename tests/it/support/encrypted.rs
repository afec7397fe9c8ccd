//! A real Mosquitto that speaks TLS, on several ports with several certificates.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::certificates::Folder;
use super::configuration::Configuration;
use super::daemon::{Daemon, Launch};
use super::mosquitto::{Mosquitto, MosquittoOptions};
use super::net::free_port;
use super::wait::LIMIT;

/// A Mosquitto with encrypted listeners, and one without encryption for those who look on.
pub(crate) struct EncryptedBroker {
    /// Its certificates, and those of its clients. `ca.pem` is the authority that it trusts.
    pub(crate) files: Folder,
    pub(crate) mosquitto: Mosquitto,
    /// What its clients find in their environment.
    pub(crate) environment: Vec<(&'static str, String)>,
    listeners: Vec<(&'static str, u16)>,
}

/// The versions of TLS there are.
#[derive(Clone, Copy)]
pub(crate) enum TlsVersion {
    Tls11,
    Tls12,
    Tls13,
}

impl EncryptedBroker {
    /// One with a listener for each of `listeners`, a name and the certificate in `files` that it shows. All speak
    /// `version` alone. The one called [`ASKING`] asks for a certificate, the one called [`IPV6`] is on `::1`.
    pub(crate) fn start(
        files: Folder,
        listeners: &[(&'static str, &str)],
        version: TlsVersion,
    ) -> EncryptedBroker {
        let (mut extra, mut ports) = (String::new(), Vec::new());
        for (name, certificate) in listeners {
            let port = free_port();
            let address = if *name == IPV6 { loopback_of_version_6() } else { "127.0.0.1" };
            extra += &format!(
                "listener {port} {address}\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate {}\n{}\n",
                files.shown("ca.pem"),
                files.shown(&format!("{certificate}.pem")),
                files.shown(&format!("{certificate}.key")),
                *name == ASKING,
                version.least(),
            );
            ports.push((*name, port));
        }
        files.write("openssl.cnf", version.configuration());
        let environment = vec![("OPENSSL_CONF".to_owned(), files.shown("openssl.cnf"))];
        let mosquitto = Mosquitto::start(MosquittoOptions { extra, environment, ..Default::default() });
        // The check need not wait for Home Assistant then.
        mosquitto.publish("homeassistant/status", "online", true);
        EncryptedBroker { files, mosquitto, environment: Vec::new(), listeners: ports }
    }

    /// Where that listener is.
    pub(crate) fn port(&self, listener: &str) -> u16 {
        let (_, port) = self.listeners.iter().find(|(name, _)| *name == listener).expect("it is a listener");
        *port
    }

    /// For a client of that listener, with an identifier of its own, that trusts the system's authorities.
    pub(crate) fn client(&self, listener: &str) -> Configuration {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let configuration = Configuration::new(self.port(listener))
            .set("Client", "CLIENT_ID", format!("client-{}.", NEXT.fetch_add(1, SeqCst)))
            .set("Broker", "HOST", "localhost");
        configuration.set("Broker", "TLS_ENABLED", "yes")
    }

    /// For a client that trusts the authorities in the file `ca`.
    pub(crate) fn trusting(&self, ca: &str, listener: &str) -> Configuration {
        self.client(listener).set("Broker", "TLS_CA_CERT", self.files.shown(ca))
    }

    /// For a client that shows `certificate` with `key` to the listener that asks for one.
    pub(crate) fn showing(&self, certificate: &str, key: &str) -> Configuration {
        let [certificate, key] = [certificate, key].map(|it| self.files.shown(it));
        let trusting = self.trusting("ca.pem", ASKING);
        trusting.set("Broker", "TLS_CERT", certificate).set("Broker", "TLS_KEY", key)
    }

    /// Checks that a daemon gets in, and that `check --connect` finds nothing wrong.
    #[track_caller]
    pub(crate) fn check_connects(&self, configuration: &Configuration) -> Daemon {
        let daemon = self.launch(configuration).start();
        daemon.wait_for_line("connected to the broker");
        assert!(self.knows(configuration), "it is connected to somebody else: {}", self.mosquitto.log());
        let (code, lines) = self.check(configuration);
        assert!(code == Some(0), "{lines:#?}");
        daemon
    }

    /// Checks that a daemon does not get in, nor shows itself, and says `words`; and that `check --connect` says them
    /// too. Neither says anything of a key.
    #[track_caller]
    pub(crate) fn check_refused(&self, configuration: &Configuration, words: &str) -> Daemon {
        let daemon = self.launch(configuration).start();
        let line = daemon.wait_for_line("no connection to the broker");
        assert!(line.contains(words), "expected {words:?}: {line}");
        let (code, lines) = self.check(configuration);
        let step = lines.iter().find(|it| it.starts_with("NO  "));
        assert!(code == Some(69) && step.is_some_and(|it| it.contains(words)), "{words:?}: {lines:#?}");
        assert!(!self.knows(configuration), "it has shown itself: {}", self.mosquitto.log());
        for secret in self.files.secrets() {
            let mut all = daemon.lines().into_iter().chain(lines.clone());
            assert!(!all.any(|it| it.contains(&secret)), "{:#?} {lines:#?}", daemon.lines());
        }
        daemon
    }

    /// The exit code and the lines of `check --connect`.
    pub(crate) fn check(&self, configuration: &Configuration) -> (Option<i32>, Vec<String>) {
        let mut check = self.launch(configuration).subcommand("check").args(&["--connect"]).start();
        let code = check.wait_exit(LIMIT).code();
        (code, check.lines().iter().map(|it| it.trim_start().to_owned()).collect())
    }

    fn launch(&self, configuration: &Configuration) -> Launch {
        let launch = Launch::new(&configuration.text());
        self.environment.iter().fold(launch, |launch, (name, value)| launch.env(name, value))
    }

    /// Whether a client with that configuration has shown itself here.
    fn knows(&self, configuration: &Configuration) -> bool {
        let id = configuration.text().lines().find_map(|it| it.strip_prefix("CLIENT_ID=").map(str::to_owned));
        self.mosquitto.log().contains(&id.expect("it has one"))
    }
}

impl TlsVersion {
    /// Of Mosquitto, which chooses by the least version alone, and has 1.2 for that.
    fn least(self) -> &'static str {
        match self {
            TlsVersion::Tls11 => "tls_version tlsv1.1",
            TlsVersion::Tls12 | TlsVersion::Tls13 => "",
        }
    }

    /// Of OpenSSL below it, which then speaks no other version.
    fn configuration(self) -> String {
        let name = match self {
            TlsVersion::Tls11 => "TLSv1.1",
            TlsVersion::Tls12 => "TLSv1.2",
            TlsVersion::Tls13 => "TLSv1.3",
        };
        format!(
            "openssl_conf = all\n[all]\nssl_conf = tls\n[tls]\nsystem_default = defaults\n[defaults]\n\
             MinProtocol = {name}\nMaxProtocol = {name}\nCipherString = DEFAULT@SECLEVEL=0\n"
        )
    }
}

/// The loopback address of IPv6 where the machine has one, else of IPv4.
pub(crate) fn loopback_of_version_6() -> &'static str {
    if TcpListener::bind(("::1", 0)).is_ok() { "::1" } else { "127.0.0.1" }
}

/// The listener that asks for a certificate.
pub(crate) const ASKING: &str = "asking";
/// The listener on the loopback address of IPv6.
pub(crate) const IPV6: &str = "IPv6";
