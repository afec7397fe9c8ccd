//! The daemon: builds everything from a [`Config`], starts in order, stops in reverse.

mod announcer;
mod commands;
mod parts;
pub(crate) mod roster;

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, TryRecvError, bounded};

use crate::bridge::Farewell;
use crate::bridge::Presence;
use crate::client;
use crate::client::Core;
use crate::client::StartError;
use crate::config::Broker;
use crate::config::Config;
use crate::config::Endpoint;
use crate::config::Tls;
use crate::ledger::Ledger;
use crate::ledger::Record;
use crate::link;
use crate::link::TlsProblem;
use crate::mock::Rehearsal;
use crate::model::Health;
use crate::model::SpoolMode;
use crate::service::Notifier;
use crate::service::logging;
use crate::service::signal;
use crate::source::Troubles;
use crate::store::Store;

use announcer::{Announcer, warn_unless_written};
use parts::Parts;
pub use roster::Clash;
use roster::{Owners, Roster, ledger_of};

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
/// and a broker that does not answer 2.5 s.
/// With `mock`, a broker in this process takes the place of the configured one and shows what arrives.
///
/// # Errors
///
/// [`DaemonError`], nearly always before anything is connected. A broker that is away is no error.
pub fn run(mut config: Config, mock: bool) -> Result<(), DaemonError> {
    if mock {
        // A rehearsal leaves nothing behind.
        config.logging.file = None;
        config.spool.mode = SpoolMode::Memory;
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

    let notifier = Arc::new(Notifier::of_process());
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
    // With many sections it is large, and whoever runs needs it.
    let config = Arc::new(config);

    let health = Health::default();
    let directory = config.spool.directory.clone();
    let store = if mock { Store::nowhere() } else { Store::open(&directory) };
    let presence = client::presence(&config).map_err(|it| DaemonError::Start(StartError::Topic(it)))?;
    let mut ledger = (!mock).then(|| open_ledger(&config, &presence));
    let presence = match ledger.as_ref().and_then(Ledger::identity) {
        Some(identity) => presence.identified(identity.clone()),
        None => presence,
    };
    let roster = Roster::gather(&config, &health, &presence.device).map_err(DaemonError::Clash)?;
    // Not before: a file system that hangs would hold up whoever looks at the signal, and nothing needs a goodbye yet.
    let stop = signal::stop_requested().map_err(system("the signal handler"))?;
    let mut core =
        Core::start(&config, presence.clone(), roster.entities().cloned(), health.clone(), stop.clone())
            .map_err(DaemonError::Start)?;

    let wanted = roster.records(&presence);
    let departed = ledger.as_mut().and_then(|ledger| depart(&mut core, ledger, &wanted, &config, &presence));
    let announcer = Announcer::new(core.handle(), presence.clone(), Arc::clone(&config), ledger, wanted);
    announcer.settle(departed);
    let troubles = troubles_told_to(Arc::clone(&notifier));
    let parts = Parts::start(roster, &config, &core, &health, &store, &announcer, troubles);
    let parts = parts.map_err(|(part, cause)| DaemonError::System { part, cause })?;
    notifier.ready();

    core.run();

    notifier.stopping();
    log::info!("stopping");
    parts.stop();
    announcer.stop();
    let farewell = core.finish(GOODBYE);
    store.write();
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

/// The ledger of this machine; what is wrong with it is logged.
fn open_ledger(config: &Config, presence: &Presence) -> Ledger {
    let ledger = ledger_of(config, presence);
    ledger.problem().into_iter().for_each(|problem| log::warn!("{problem}"));
    if ledger.is_in_use() {
        let folder = config.spool.directory.display();
        log::warn!(
            "another luigi-mqtt runs with {folder}: nothing is removed or moved, and this start is not remembered"
        );
    }
    ledger
}

/// Has `core` remove and move what of `ledger` is no longer `wanted`, or is elsewhere, and notes what is. Returns what
/// brings a message once that is done, where there is something. What is in use by another process is that one's.
fn depart(
    core: &mut Core,
    ledger: &mut Ledger,
    wanted: &[Record],
    config: &Config,
    presence: &Presence,
) -> Option<Receiver<()>> {
    if ledger.is_in_use() {
        return None;
    }
    let plan = ledger.plan(wanted, |it| Owners(config).may_have(it));
    plan.sentences.iter().for_each(|sentence| log::info!("{sentence}"));
    warn_unless_written(ledger.intend(presence.topics.identity(), wanted));
    if plan.is_empty() {
        return None;
    }
    let (done, departed) = bounded(1);
    core.depart(plan.before, plan.after, done);
    Some(departed)
}

/// The troubles of the sources, of which the service manager hears whenever they change.
fn troubles_told_to(notifier: Arc<Notifier>) -> Troubles {
    Troubles::told_to(move |troubles| match troubles {
        [] => notifier.status("all sources answer"),
        some => {
            notifier.status(&format!("no value for {} entities: {}", some.len(), Troubles::summary(some)))
        }
    })
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

/// Limit for the last messages and `offline`: systemd waits 90 s, a person at a terminal does not.
const GOODBYE: Duration = Duration::from_secs(2);
