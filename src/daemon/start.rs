//! The daemon's parts, built in order: [`Started`].

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

use super::DaemonError;
use super::announcer::{Announcer, warn_unless_written};
use super::desk::Office;
use super::parts::{Parts, Surroundings};
use super::reception::Reception;
use super::registrar::{Kept, Registrar};
use super::reload::{Origin, Reloader, Renewal, Running};
use super::roster::{Owners, Roster, absences, ledger_of};
use crate::bridge::Presence;
use crate::client;
use crate::client::Client;
use crate::client::Core;
use crate::client::StartError;
use crate::config::Config;
use crate::ingest;
use crate::ledger::Ledger;
use crate::ledger::Record;
use crate::mock::Rehearsal;
use crate::model::Health;
use crate::os;
use crate::os::Bell;
use crate::service::Notifier;
use crate::service::Watchdog;
use crate::service::signal::Ending;
use crate::source::Troubles;
use crate::store::Store;

/// A daemon that has been started, but for its bridge: that waits to be [run](Started::run).
pub(super) struct Started {
    pub(super) core: Core,
    /// Brings another connection that is to be begun.
    pub(super) renewals: Receiver<Renewal>,
    /// Has what runs beside the bridge.
    pub(super) reloader: Reloader,
    pub(super) ending: Ending,
    pub(super) store: Store,
    pub(super) notifier: Arc<Notifier>,
    /// The broker in the place of the configured one, in a rehearsal.
    pub(super) rehearsal: Option<Rehearsal>,
}

/// What earlier runs have left on the card.
struct Card {
    store: Store,
    /// `None` in a rehearsal, which leaves nothing behind.
    ledger: Option<Ledger>,
    kept: Kept,
}

impl Started {
    /// Starts what `config`, which is from `origin`, asks for, with the broker of `rehearsal` where there is one.
    ///
    /// # Errors
    ///
    /// [`DaemonError`].
    pub(super) fn start(
        config: Arc<Config>,
        origin: Origin,
        rehearsal: Option<Rehearsal>,
    ) -> Result<Started, DaemonError> {
        let began = Instant::now();
        ingest::take_over();
        let notifier = Arc::new(Notifier::of_process());
        let watchdog = Watchdog::of_process(&notifier);
        let pulses = watchdog.as_ref().map(|it| it.pulses().clone()).unwrap_or_default();
        let health = Health::default();
        let presence = client::presence(&config).map_err(|it| DaemonError::Start(StartError::Topic(it)))?;
        let Card { store, mut ledger, kept } = Card::open(&config, &presence, rehearsal.is_some());
        let presence = match ledger.as_ref().and_then(Ledger::identity) {
            Some(identity) => presence.identified(identity.clone()),
            None => presence,
        };
        let roster = gather(&config, &health, &presence, &kept)?;
        // Not before: a file system that hangs would hold up whoever looks at the signal, and nothing needs a goodbye yet.
        let ending = Ending::of_signals()
            .map_err(|cause| DaemonError::System { part: "the signal handler", cause })?;
        let entities = roster.entities().cloned();
        let (stop, watch) = (ending.channel(), pulses.clone());
        let mut core = Core::start(&config, presence.clone(), entities, health.clone(), stop, watch)
            .map_err(DaemonError::Start)?;

        let wanted = roster.records(&presence);
        let departed =
            ledger.as_mut().and_then(|ledger| depart(&mut core, ledger, &wanted, &config, &presence));
        let members = roster.members.iter().cloned();
        let announcer = Announcer::new(core.handle(), Arc::clone(&config), ledger, members);
        announcer.settle(departed);
        let around = Surroundings {
            handle: core.handle(),
            health: health.clone(),
            store: store.clone(),
            announcer: announcer.clone(),
            troubles: troubles_told_to(Arc::clone(&notifier)),
            pulses,
        };
        let parts = Parts::start(roster, &config, around.clone())
            .map_err(|(part, cause)| DaemonError::System { part, cause })?;

        let (renew, renewals) = bounded(1);
        let running = Running { config: Arc::clone(&config), parts, announcer, health, reception: None };
        let reloader = Reloader::new(origin, Arc::clone(&notifier), ending.clone(), renew, running);
        // Not in a rehearsal, which would take what is meant for the broker.
        if rehearsal.is_none() && config.socket.enabled {
            receive(config, around, kept, &reloader, began);
        }
        notifier.ready();
        if let Some(mut watchdog) = watchdog {
            core.between_events(Instant::now(), move |now| watchdog.turn(now));
        }
        core.after_work(Instant::now(), os::unmap_idle_code);
        Ok(Started { core, renewals, reloader, ending, store, notifier, rehearsal })
    }
}

impl Card {
    /// That of the machine, or none in a rehearsal. What is wrong with it is logged. Blocks while a command has it, for 10 s at most.
    fn open(config: &Config, presence: &Presence, is_rehearsal: bool) -> Card {
        if is_rehearsal {
            return Card { store: Store::nowhere(), ledger: None, kept: Kept::nowhere() };
        }
        let directory = &config.spool.directory;
        let ledger = Some(open_ledger(config, presence));
        Card { store: Store::open(directory), ledger, kept: Kept::open(directory) }
    }
}

/// All that is announced from the start on.
///
/// # Errors
///
/// Two sections want the same id.
fn gather(config: &Config, health: &Health, presence: &Presence, kept: &Kept) -> Result<Roster, DaemonError> {
    let mut roster = Roster::gather(config, health, &presence.device).map_err(DaemonError::Clash)?;
    let problems = roster.add_registered(kept.entities(&presence.device));
    problems.iter().for_each(|problem| log::warn!("{problem}"));
    Ok(roster)
}

/// Lets other programs in, and has `reloader` know of it. Where that cannot be, it is logged: the rest goes on.
fn receive(config: Arc<Config>, around: Surroundings, kept: Kept, reloader: &Reloader, began: Instant) {
    let opened = Bell::new().and_then(|bell| {
        let Surroundings { handle, health, announcer, troubles, pulses, .. } = around;
        let client = Client::of(handle.clone(), health.clone());
        let ring = bell.clone();
        let registrar = Registrar::open(announcer.clone(), client.clone(), kept, move || ring.ring(), began);
        let config = Arc::clone(&config);
        let office = Office { handle, client, health, config, announcer, troubles, registrar };
        Reception::open(office, reloader.clone(), bell, began, &pulses)
    });
    match opened {
        Ok(reception) => reloader.receive(reception),
        Err(cause) => {
            let path = config.socket.path.display();
            log::error!("no other program can publish through {path}: {cause}");
        }
    }
}

/// The ledger of this machine; what is wrong with it is logged. Where another process has it in use, that is waited for 10 s at
/// most.
fn open_ledger(config: &Config, presence: &Presence) -> Ledger {
    let mut ledger = ledger_of(config, presence);
    if ledger.is_in_use() {
        let folder = config.spool.directory.display();
        log::info!("another luigi-mqtt has {folder}: waiting for it to end, for {COMMAND:?} at most");
        let deadline = Instant::now() + COMMAND;
        while ledger.is_in_use() && Instant::now() < deadline {
            thread::sleep(LOOK);
            ledger = ledger_of(config, presence);
        }
    }
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
pub(super) fn depart(
    core: &mut Core,
    ledger: &mut Ledger,
    wanted: &[Record],
    config: &Config,
    presence: &Presence,
) -> Option<Receiver<()>> {
    if ledger.is_in_use() {
        return None;
    }
    let mut plan = ledger.plan(wanted, |it| Owners(config).may_have(it));
    let absences = absences(ledger, wanted, presence);
    if !absences.is_empty() {
        plan.before.push(absences);
    }
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

/// How long a start waits for the ledger: as long as a command has it that does without the daemon, at a broker that answers. What is
/// announced without it no later start would remove.
const COMMAND: Duration = Duration::from_secs(10);
/// How often to look meanwhile.
const LOOK: Duration = Duration::from_millis(100);
