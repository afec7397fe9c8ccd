//! The daemon: builds everything from a [`Config`], starts in order, stops in reverse.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use crossbeam_channel::TryRecvError;

use crate::bridge::Farewell;
use crate::client::Core;
use crate::client::StartError;
use crate::config::Broker;
use crate::config::Config;
use crate::config::Endpoint;
use crate::config::Tls;
use crate::link;
use crate::link::TlsProblem;
use crate::mock::Rehearsal;
use crate::model::Health;
use crate::service::Notifier;
use crate::service::logging;
use crate::service::signal;
use crate::source::Poller;
use crate::source::host;

/// Why the daemon does not start, or does not go on. The process ends.
#[derive(Debug)]
#[non_exhaustive]
pub enum DaemonError {
    /// Bridge and link do not start.
    Start(StartError),
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

/// Runs the daemon until a signal stops it: blocks as long as that takes, then 3.5 s at most to end in order,
/// and as long as the card takes for what is to be kept, 5 s at most.
/// With `mock`, a broker in this process takes the place of the configured one and shows what arrives.
///
/// # Errors
///
/// [`DaemonError`], nearly always before anything is connected. A broker that is away is no error.
pub fn run(mut config: Config, mock: bool) -> Result<(), DaemonError> {
    if mock {
        config.logging.file = None; // A rehearsal leaves nothing behind.
    }
    let system = |part| move |cause| DaemonError::System { part, cause };
    logging::start(&config.logging).map_err(|it| system("the log")(io::Error::other(it)))?;
    config.warnings.iter().for_each(|warning| log::warn!("{warning}"));
    log::info!("luigi-mqtt {} starts with {}", env!("CARGO_PKG_VERSION"), origin_of(&config));
    if !mock {
        let (broker, client) = (&config.broker, &config.client.id);
        let brokers: Vec<String> = broker.endpoints.iter().map(Endpoint::to_string).collect();
        log::info!("connecting to the broker at {} as {client}", brokers.join(", else at "));
        warn_of_certificate(broker.tls.as_ref());
    }

    let notifier = Notifier::of_process();
    let rehearsal = match mock {
        true => Some(
            Rehearsal::start(&config.topics.discovery_prefix, io::stdout())
                .map_err(system("the mock broker"))?,
        ),
        false => None,
    };
    if let Some(rehearsal) = &rehearsal {
        config.broker = Broker::from(rehearsal.address());
        config.credentials = None;
    }

    let health = Health::default();
    let sources = host::sources(&config.host, &health);
    // Not before: a file system that hangs would hold up whoever looks at the signal, and nothing needs a goodbye yet.
    let stop = signal::stop_requested().map_err(system("the signal handler"))?;
    let entities = sources.iter().flat_map(|it| it.entities());
    let mut core = Core::start(&config, entities, health, stop.clone()).map_err(DaemonError::Start)?;
    let poller = Poller::start(sources, core.handle().outlet()).map_err(system("the poll thread"))?;
    notifier.ready();

    core.run();

    notifier.stopping();
    log::info!("stopping");
    if !poller.stop_within(SOURCES_END) {
        log::warn!("a source hangs, as a file system whose server is gone has it do; it is left behind");
    }
    let farewell = core.finish(GOODBYE);
    drop(rehearsal);
    match farewell {
        Farewell { lost: 0, on_card: 0 } => log::info!("stopped"),
        Farewell { lost: 0, on_card } => {
            log::info!("stopped; messages in the spool for the next start: {on_card}")
        }
        Farewell { lost, on_card: 0 } => log::warn!("stopped; messages not delivered: {lost}"),
        Farewell { lost, on_card } => {
            log::warn!("stopped; messages not delivered: {lost}; in the spool for the next start: {on_card}");
        }
    }
    match stop.try_recv() {
        Err(TryRecvError::Empty) => Err(DaemonError::Link),
        _ => Ok(()),
    }
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
            DaemonError::Link => f.write_str("the link thread has ended"),
            DaemonError::System { part, .. } => write!(f, "cannot start {part}"),
        }
    }
}

impl Error for DaemonError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            DaemonError::Start(error) => error.source(),
            DaemonError::Link => None,
            DaemonError::System { cause, .. } => Some(cause),
        }
    }
}

/// Limit for the sample being taken: a few milliseconds, unless the kernel waits for a file system's server.
const SOURCES_END: Duration = Duration::from_secs(1);
/// Limit for the last messages and `offline`: systemd waits 90 s, a person at a terminal does not.
const GOODBYE: Duration = Duration::from_secs(2);
