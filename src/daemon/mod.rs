//! The daemon: builds everything from a [`Config`], starts in order, stops in reverse.

mod announcer;
mod commands;
mod desk;
mod difference;
mod parts;
mod reception;
mod registrar;
mod reload;
pub(crate) mod roster;
mod serve;
mod start;

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use crate::client::StartError;
use crate::config::Broker;
use crate::config::Config;
use crate::config::Endpoint;
use crate::config::Tls;
use crate::link;
use crate::link::TlsProblem;
use crate::mock::Rehearsal;
use crate::model::SpoolMode;
use crate::service::logging;

pub(crate) use registrar::{keep, keep_no_longer};
pub use reload::{Connection, Origin, ReloadError, Reloaded, Reloader};
pub use roster::Clash;
use start::Started;

/// Why the daemon does not start, or does not go on. The process ends.
#[derive(Debug)]
#[non_exhaustive]
pub enum DaemonError {
    /// Bridge and link do not start.
    Start(StartError),
    /// Two want the same id.
    Clash(Clash),
    /// The link thread has ended by itself, as it does only where it cannot go on.
    Link,
    /// Thread, signal handler or logger is not to be had.
    System {
        /// What was being started.
        part: &'static str,
        /// Why it did not.
        cause: io::Error,
    },
}

/// Runs the daemon until a signal stops it: blocks as long as that takes, then moments to end in order, and as long as the
/// card takes for what is to be kept, 5 s at most. Sources that hang cost 3 s at most, outputs on their way to a safe state 4 s,
/// programs that do not read their answers 3 s, and a broker that does not answer 2.5 s.
/// With `mock`, a broker in this process takes the place of the configured one and shows what arrives.
///
/// # Errors
///
/// [`DaemonError`], nearly always before anything is connected. A broker that is away is no error.
pub fn run(mut config: Config, origin: Origin, mock: bool) -> Result<(), DaemonError> {
    if mock {
        // Leaves nothing behind.
        config.logging.file = None;
        config.spool.mode = SpoolMode::Memory;
    }
    let system = |part| move |cause| DaemonError::System { part, cause };
    logging::start(&config.logging).map_err(|it| system("the log")(io::Error::other(it)))?;
    config.warnings.iter().for_each(|warning| log::warn!("{warning}"));
    log::info!("luigi-mqtt {} starts with {}", env!("CARGO_PKG_VERSION"), origin_of(&config));
    if !mock {
        tell_broker(&config);
    }

    let rehearsal = mock.then(|| Rehearsal::start(&config.topics.discovery_prefix, io::stdout()));
    let rehearsal = rehearsal.transpose().map_err(system("the mock broker"))?;
    if let Some(rehearsal) = &rehearsal {
        (config.broker, config.credentials) = (Broker::from(rehearsal.address()), None);
    }
    // With many sections it is large, and whoever runs needs it.
    Started::start(Arc::new(config), origin, rehearsal)?.run()
}

/// Says where the broker is, and what may be wrong with how we go there.
fn tell_broker(config: &Config) {
    let (broker, client) = (&config.broker, &config.client.id);
    let brokers: Vec<String> = broker.endpoints.iter().map(Endpoint::to_string).collect();
    log::info!("connecting to the broker at {} as {client}", brokers.join(", else at "));
    warn_of_certificate(broker.tls.as_ref());
}

/// Warns when our own certificate is out of its time, which some brokers do not mind. What keeps an attempt to connect
/// from being made at all, the attempt tells.
fn warn_of_certificate(tls: Option<&Tls>) {
    use TlsProblem::{OurCertificateExpired, OurCertificateNotYetValid};
    let found = tls.and_then(|it| link::check_files(it, SystemTime::now()).err());
    if let Some(problem @ (OurCertificateExpired { .. } | OurCertificateNotYetValid { .. })) = found {
        log::warn!("{problem}");
    }
}

fn origin_of(config: &Config) -> String {
    match &config.path {
        Some(path) => format!("configuration {}", path.display()),
        None => "no configuration file: all default".to_owned(),
    }
}

impl fmt::Display for DaemonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DaemonError::Start(error) => error.fmt(f),
            DaemonError::Clash(clash) => clash.fmt(f),
            DaemonError::Link => f.write_str("the link thread has ended"),
            DaemonError::System { part, .. } => write!(f, "cannot start {part}"),
        }
    }
}

impl Error for DaemonError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            DaemonError::Start(error) => error.source(),
            DaemonError::Clash(_) | DaemonError::Link => None,
            DaemonError::System { cause, .. } => Some(cause),
        }
    }
}
