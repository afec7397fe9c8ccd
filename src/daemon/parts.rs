//! The threads that bring readings and carry out commands: [`Parts`].

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::announcer::Announcer;
use super::commands::{Commands, has_outputs};
use super::difference::Difference;
use super::roster::Roster;
use crate::bridge::Handle;
use crate::client::Client;
use crate::config::Config;
use crate::config::Declared;
use crate::config::Feed;
use crate::descriptor::Change;
use crate::descriptor::Descriptors;
use crate::descriptor::is_descriptor;
use crate::entity::Entity;
use crate::model::Health;
use crate::source::Gpio;
use crate::source::Polled;
use crate::source::Poller;
use crate::source::Troubles;
use crate::store::Store;
use crate::worker::Pulses;

/// What runs beside the bridge, each on threads of its own.
pub(super) struct Parts {
    poller: Poller,
    gpio: Option<Gpio>,
    descriptors: Option<Descriptors>,
    commands: Option<Commands>,
    around: Surroundings,
}

/// What they all have to do with.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) handle: Handle,
    pub(super) health: Health,
    pub(super) store: Store,
    pub(super) announcer: Announcer,
    pub(super) troubles: Troubles,
    pub(super) pulses: Pulses,
}

/// What could not be started, and why.
type NotStarted = (&'static str, io::Error);

impl Parts {
    /// Starts what `config` asks for, of which `roster` is made. What has to wait for the bridge does so on a thread: it need not
    /// run yet.
    ///
    /// # Errors
    ///
    /// The system's own, with the name of the part, when it has no thread to give.
    pub(super) fn start(roster: Roster, config: &Config, around: Surroundings) -> Result<Parts, NotStarted> {
        let announcer = around.announcer.clone();
        let announce = move |entity: &Entity| {
            announcer.announce(&announcer.owner_of(entity.id()).unwrap_or_default(), entity);
        };
        let (outlet, troubles) = (around.handle.outlet(), around.troubles.clone());
        let poller = Poller::start(roster.polled, outlet, troubles, announce, &around.pulses);
        let poller = poller.map_err(|it| ("the poll thread", it))?;
        let mut parts = Parts { poller, gpio: None, descriptors: None, commands: None, around };
        parts.join_lines(config)?;
        parts.join_outputs(config)?;
        parts.watch_descriptors(config, roster.described)?;
        Ok(parts)
    }

    /// Ends what is another in `config`, or gone, as `difference` says, and touches nothing else. Blocks for a few milliseconds,
    /// as long as outputs take into their safe states, and a second for each other part that hangs.
    pub(super) fn leave(&mut self, config: &Config, difference: &Difference) {
        self.poller.remove(|owner| difference.leaving.contains(owner));
        if let Some(gpio) = &self.gpio {
            hangs_unless(gpio.leave(&config.declared, PART_END), "a GPIO line");
        }
        if !has_lines(config) {
            let gpio = self.gpio.take();
            hangs_unless(gpio.is_none_or(|it| it.stop_within(PART_END)), "a GPIO line");
        }
        if let Some(commands) = &self.commands {
            commands.leave(config);
        }
        if difference.moves_descriptors() {
            let descriptors = self.descriptors.take();
            hangs_unless(descriptors.is_none_or(|it| it.stop_within(PART_END)), "the watch over descriptors");
        }
    }

    /// Begins what is new in `config`, or another, as `difference` says: of what was [gathered](Roster::gather) in `polled` only
    /// that. All of it is announced already. What has no thread is logged: the others go on.
    pub(super) fn join(&mut self, config: &Config, difference: &Difference, polled: Vec<Polled>) {
        let polled = polled.into_iter().filter(|it| difference.joining.contains(&it.owner)).collect();
        let polled = self.poller.add(polled).map_err(|it| ("the poll thread", it));
        let lines = self.join_lines(config);
        let outputs = self.join_outputs(config);
        let descriptors = match difference.moves_descriptors() {
            true => {
                let mut known = self.around.announcer.members();
                known.retain(|(owner, _)| is_descriptor(owner));
                self.watch_descriptors(config, known)
            }
            false => Ok(()),
        };
        for (part, cause) in [polled, lines, outputs, descriptors].into_iter().filter_map(Result::err) {
            log::error!("cannot start {part}: {cause}");
        }
    }

    fn join_lines(&mut self, config: &Config) -> Result<(), NotStarted> {
        match &self.gpio {
            Some(gpio) => hangs_unless(gpio.join(&config.declared, PART_END), "a GPIO line"),
            None => {
                let Surroundings { handle, store, troubles, pulses, .. } = &self.around;
                let gpio = Gpio::start(&config.declared, handle.outlet(), store, troubles.clone(), pulses);
                self.gpio = gpio.map_err(|it| ("the gpio thread", it))?;
            }
        }
        Ok(())
    }

    fn join_outputs(&mut self, config: &Config) -> Result<(), NotStarted> {
        let joined = match &mut self.commands {
            Some(commands) => commands.join(config),
            None => {
                let Surroundings { handle, health, store, .. } = &self.around;
                let client = Client::of(handle.clone(), health.clone());
                let nudge = self.poller.nudge();
                let started = Commands::start(client, config, store, move |id| nudge.sample_now(id));
                started.map(|it| self.commands = it)
            }
        };
        if !has_outputs(config) {
            self.commands.take().into_iter().for_each(Commands::stop);
        }
        joined.map_err(|it| ("the command thread", it))
    }

    /// Follows the folder of descriptors, where there is one, of which `described` are announced already; what of them is not
    /// there is withdrawn.
    fn watch_descriptors(
        &mut self,
        config: &Config,
        described: Vec<(String, Entity)>,
    ) -> Result<(), NotStarted> {
        let announcer = self.around.announcer.clone();
        let Some(folder) = &config.discovery.sensors_dir else {
            described.iter().for_each(|(owner, it)| announcer.withdraw(owner, it.id()));
            return Ok(());
        };
        let (folder, modules): (PathBuf, PathBuf) = (folder.clone(), config.discovery.modules_dir.clone());
        let device = announcer.device();
        let tell = move |changes: Vec<Change>| {
            let mut came = Vec::new();
            for change in changes {
                match change {
                    Change::Came { owner, entity } => came.push((owner, entity)),
                    Change::Went { owner, entity } => announcer.withdraw(&owner, &entity),
                }
            }
            announcer.announce_all(came);
        };
        let descriptors = Descriptors::start(folder, modules, &device, described, tell, &self.around.pulses);
        self.descriptors = Some(descriptors.map_err(|it| ("the descriptors thread", it))?);
        Ok(())
    }

    /// Stops what brings readings, then brings the outputs into their safe states. Blocks for a few milliseconds, as long as
    /// programs take for that, and at most 1 s for whatever hangs.
    pub(super) fn stop(self) {
        hangs_unless(
            self.descriptors.is_none_or(|it| it.stop_within(PART_END)),
            "the watch over descriptors",
        );
        hangs_unless(self.gpio.is_none_or(|it| it.stop_within(PART_END)), "a GPIO line");
        hangs_unless(self.poller.stop_within(PART_END), "a source");
        self.commands.into_iter().for_each(Commands::stop);
    }
}

fn has_lines(config: &Config) -> bool {
    let is_line = |it: &Declared| it.input.as_ref().is_some_and(|it| matches!(it.feed, Feed::Gpio { .. }));
    config.declared.iter().any(is_line)
}

fn hangs_unless(ended: bool, what: &str) {
    if !ended {
        log::warn!("{what} hangs, as a file system whose server is gone has it do; it is left behind");
    }
}

/// Limit for what a part is at: a few milliseconds, unless the kernel waits for a file system's server.
const PART_END: Duration = Duration::from_secs(1);
