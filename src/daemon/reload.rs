//! Reading the configuration again while we run: [`Reloader`].

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::announcer::Announcer;
use super::difference::Difference;
use super::parts::Parts;
use super::reception::Reception;
use super::roster::{Clash, Owners, Roster};
use crate::bridge::Presence;
use crate::client;
use crate::client::StartError;
use crate::config::Config;
use crate::config::ConfigErrors;
use crate::config::Environment;
use crate::config::Logging;
use crate::entity::Entity;
use crate::model::Chain;
use crate::model::Health;
use crate::os;
use crate::service::Notifier;
use crate::service::logging;
use crate::service::signal::Ending;

/// Where the configuration was found, so that it can be looked for there again.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The file that the command line names, where it names one.
    pub explicit: Option<PathBuf>,
    /// The variables and the machine.
    pub environment: Environment,
}

/// Has the daemon take over its configuration as it is on the card now. Cheap to clone, for any thread.
#[derive(Clone)]
pub struct Reloader(Arc<Shared>);

/// What another configuration has changed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reloaded {
    /// Sections and readings of the machine that are new: `Sensor attic`, `Host wifi`.
    pub added: Vec<String>,
    /// Those that are another now.
    pub changed: Vec<String>,
    /// Those that are gone.
    pub removed: Vec<String>,
    /// What became of the connection to the broker.
    pub connection: Connection,
    /// What has changed and has an effect only after a restart: `[Logging] FILE`.
    pub needs_restart: Vec<String>,
}

/// What became of the connection to the broker.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Connection {
    /// Nothing.
    #[default]
    Unchanged,
    /// It was ended in order and is made anew, for these sections: `[Broker]`. Messages that wait, wait on.
    MadeAnew(Vec<String>),
}

/// Why another configuration was not taken over. The daemon goes on with the one that it has.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReloadError {
    /// The file is wrong, with everything that is.
    Config(ConfigErrors),
    /// Two want the same id.
    Clash(Clash),
    /// A topic is too long, or Home Assistant would refuse an entity.
    Start(StartError),
    /// The daemon is about to end.
    Ending,
}

impl Reloader {
    /// For a daemon of which `running` runs. What its thread has to do itself is asked for through `renewals`, and the channel of
    /// `ending` closed for it to look there.
    pub(super) fn new(
        origin: Origin,
        notifier: Arc<Notifier>,
        ending: Ending,
        renewals: Sender<Renewal>,
        running: Running,
    ) -> Reloader {
        let running = Mutex::new(Some(running));
        let idle = Mutex::default();
        Reloader(Arc::new(Shared { origin, notifier, ending, renewals, running, idle }))
    }

    /// Reads the configuration again, from the same place and with the same variables, and takes over what has changed in
    /// it: sections come and go one by one, and what has not changed is not touched. Blocks for the card, for outputs on their
    /// way to a safe state (3 s at most), and where the connection is made anew until the old one has ended (2.5 s at most).
    /// One who calls meanwhile waits.
    ///
    /// # Errors
    ///
    /// [`ReloadError`]; nothing has changed then, but for [`ReloadError::Ending`].
    pub fn reload(&self) -> Result<Reloaded, ReloadError> {
        let shared = &*self.0;
        let mut running = shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = match &mut *running {
            Some(running) => shared.reload(running),
            None => Err(ReloadError::Ending),
        };
        drop(running);
        // Whoever waits to end looks again.
        shared.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        os::unmap_idle_code();
        match &outcome {
            Ok(reloaded) => log::info!("{reloaded}"),
            Err(error) => log::error!("the configuration is not taken over: {}", Chain(error)),
        }
        outcome
    }

    /// Has `reception` told of other configurations, and ended with all that runs.
    pub(super) fn receive(&self, reception: Reception) {
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &mut *running {
            running.reception = Some(reception);
        }
    }

    /// What runs, to be ended: there is no reload after that. An error while one is under way, with a channel that closes when
    /// it is over; until then it needs a bridge that runs.
    pub(super) fn end(&self) -> Result<Option<Running>, Receiver<Infallible>> {
        let (over, is_over) = bounded(0);
        *self.0.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(over);
        match self.0.running.try_lock() {
            Ok(mut running) => Ok(running.take()),
            Err(TryLockError::Poisoned(running)) => Ok(running.into_inner().take()),
            Err(TryLockError::WouldBlock) => Err(is_over),
        }
    }
}

/// What all clones share.
struct Shared {
    origin: Origin,
    notifier: Arc<Notifier>,
    ending: Ending,
    renewals: Sender<Renewal>,
    /// Held during a reload; `None` from the end on.
    running: Mutex<Option<Running>>,
    /// Closes a channel at the end of a reload.
    idle: Mutex<Option<Sender<Infallible>>>,
}

/// What a reload changes.
pub(super) struct Running {
    pub(super) config: Arc<Config>,
    pub(super) parts: Parts,
    pub(super) announcer: Announcer,
    pub(super) health: Health,
    /// Where other programs come in, if anywhere.
    pub(super) reception: Option<Reception>,
}

/// Another connection, to be begun by the thread that has the bridge.
pub(super) struct Renewal {
    pub(super) config: Arc<Config>,
    pub(super) presence: Presence,
    pub(super) announcer: Announcer,
    /// Hears once that is done. Dropped where it is not.
    pub(super) done: Sender<()>,
}

impl Shared {
    fn reload(&self, running: &mut Running) -> Result<Reloaded, ReloadError> {
        let mut config = self.load(&running.config)?;
        let difference = Difference::between(&running.config, &config);
        keep_what_lasts(&mut config, &running.config);
        let presence = client::presence(&config).map_err(|it| ReloadError::Start(StartError::Topic(it)))?;
        let presence = presence.identified(running.announcer.device().identifier);
        let roster =
            Roster::gather(&config, &running.health, &presence.device).map_err(ReloadError::Clash)?;
        let checked = roster.entities().try_for_each(|it| presence.check(it));
        checked.map_err(|it| ReloadError::Start(StartError::Entity(it)))?;

        self.notifier.reloading();
        let taken_over = self.take_over(running, Arc::new(config), presence, roster, &difference);
        self.notifier.ready();
        taken_over?;
        let Difference { added, changed, removed, connection, needs_restart, .. } = difference;
        let connection = match connection.is_empty() {
            true => Connection::Unchanged,
            false => Connection::MadeAnew(connection),
        };
        Ok(Reloaded { added, changed, removed, connection, needs_restart })
    }

    /// The configuration that is there now, as a start would have it.
    fn load(&self, old: &Config) -> Result<Config, ReloadError> {
        let config = self.origin.load().map_err(ReloadError::Config)?;
        let is_news = |it: &&String| !old.warnings.contains(it);
        config.warnings.iter().filter(is_news).for_each(|warning| log::warn!("{warning}"));
        Ok(config)
    }

    /// Makes `running` what `config` has it be: what goes goes first, on the connection that there is, and what comes comes last.
    fn take_over(
        &self,
        running: &mut Running,
        config: Arc<Config>,
        presence: Presence,
        roster: Roster,
        difference: &Difference,
    ) -> Result<(), ReloadError> {
        let Running { parts, announcer, reception, .. } = running;
        logging::set_level(config.logging.level);
        parts.leave(&config, difference);
        announcer.configured(Arc::clone(&config));
        let Roster { polled, members, .. } = roster;
        for (owner, entity) in announcer.members() {
            let stays = members.iter().any(|(it, wanted)| *it == owner && wanted.id() == entity.id());
            if !stays && difference.touches(&owner) && !may_be_found_again(&config, &owner, &entity) {
                announcer.withdraw(&owner, entity.id());
            }
        }
        if !difference.connection.is_empty() {
            self.renew(Arc::clone(&config), presence, announcer.clone())?;
        }
        let known = announcer.members();
        let is_news = |(owner, entity): &(String, Entity)| {
            difference.touches(owner) && !known.iter().any(|(it, known)| it == owner && known == entity)
        };
        announcer.announce_all(members.into_iter().filter(is_news));
        parts.join(&config, difference, polled);
        reception.iter().for_each(|it| it.configured(Arc::clone(&config)));
        running.config = config;
        Ok(())
    }

    /// Has the thread of the bridge make the connection anew, and waits until it has ended the old one.
    fn renew(
        &self,
        config: Arc<Config>,
        presence: Presence,
        announcer: Announcer,
    ) -> Result<(), ReloadError> {
        let (done, is_done) = bounded(1);
        let asked = self.renewals.send(Renewal { config, presence, announcer, done });
        self.ending.interrupt();
        asked.ok().and_then(|()| is_done.recv().ok()).ok_or(ReloadError::Ending)
    }
}

/// Whether `entity` is that of a thermometer that was found by the section `owner` and does not answer just now.
fn may_be_found_again(config: &Config, owner: &str, entity: &Entity) -> bool {
    Owners(config).of(entity.id()) == Some(owner)
}

/// Has in `new` from `old` what has an effect only at a start: it is what runs.
fn keep_what_lasts(new: &mut Config, old: &Config) {
    new.spool.clone_from(&old.spool);
    new.socket.clone_from(&old.socket);
    new.logging = Logging { level: new.logging.level, ..old.logging.clone() };
}

impl Origin {
    /// The configuration that is there now.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn load(&self) -> Result<Config, ConfigErrors> {
        Config::load(self.explicit.as_deref(), &self.environment)
    }
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader").field("origin", &self.0.origin).finish_non_exhaustive()
    }
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reloaded { added, changed, removed, connection, needs_restart } = self;
        let connection = match connection {
            Connection::Unchanged => &[][..],
            Connection::MadeAnew(sections) => sections,
        };
        let parts = [
            ("new", &added[..]),
            ("changed", changed),
            ("removed", removed),
            ("connecting anew for", connection),
            ("needs a restart", needs_restart),
        ];
        let told = parts.iter().filter(|(_, names)| !names.is_empty());
        let told: Vec<String> = told.map(|(what, names)| format!("{what}: {}", names.join(", "))).collect();
        match told.is_empty() {
            true => f.write_str("the configuration is as it was"),
            false => write!(f, "the configuration is taken over; {}", told.join("; ")),
        }
    }
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReloadError::Config(errors) => errors.fmt(f),
            ReloadError::Clash(clash) => clash.fmt(f),
            ReloadError::Start(error) => error.fmt(f),
            ReloadError::Ending => f.write_str("the daemon is about to end"),
        }
    }
}

impl Error for ReloadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ReloadError::Start(error) => error.source(),
            ReloadError::Config(_) | ReloadError::Clash(_) | ReloadError::Ending => None,
        }
    }
}
