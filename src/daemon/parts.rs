//! The threads that bring readings and carry out commands: [`Parts`].

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::client::Client;
use crate::client::Core;
use crate::config::Config;
use crate::descriptor::Change;
use crate::descriptor::Descriptors;
use crate::entity::Device;
use crate::entity::Entity;
use crate::model::Health;
use crate::source::Gpio;
use crate::source::Poller;
use crate::source::Troubles;
use crate::store::Store;

use super::announcer::Announcer;
use super::commands::Commands;
use super::roster::{Owners, Roster};

/// What runs beside the bridge, each on threads of its own.
pub(super) struct Parts {
    poller: Poller,
    gpio: Option<Gpio>,
    descriptors: Option<Descriptors>,
    commands: Option<Commands>,
}

impl Parts {
    /// Starts what `config` asks for. What has to wait for the bridge does so on a thread: it need not run yet.
    ///
    /// # Errors
    ///
    /// The system's own, with the name of the part, when it has no thread to give.
    pub(super) fn start(
        roster: Roster,
        config: &Arc<Config>,
        core: &Core,
        health: &Health,
        store: &Store,
        announcer: &Announcer,
        device: &Device,
    ) -> Result<Parts, (&'static str, io::Error)> {
        let (handle, troubles) = (core.handle(), Troubles::default());
        let announce = {
            let (announcer, config) = (announcer.clone(), Arc::clone(config));
            move |entity: &Entity| {
                announcer.announce(Owners(&config).of(entity.id()).unwrap_or_default(), entity)
            }
        };
        let poller = Poller::start(roster.polled, handle.outlet(), troubles.clone(), announce);
        let poller = poller.map_err(|it| ("the poll thread", it))?;
        let gpio = Gpio::start(&config.declared, handle.outlet(), store, troubles);
        let gpio = gpio.map_err(|it| ("the gpio thread", it))?;
        let client = Client::of(handle, health.clone());
        let nudge = poller.nudge();
        let commands = Commands::start(client, config, store, move |id| nudge.sample_now(id));
        let commands = commands.map_err(|it| ("the command thread", it))?;
        let described = roster.described;
        let descriptors = config.discovery.sensors_dir.as_ref().map(|folder| {
            let announcer = announcer.clone();
            let tell = move |change| match change {
                Change::Came { owner, entity } => announcer.announce(&owner, &entity),
                Change::Went { owner, entity } => announcer.withdraw(&owner, &entity),
            };
            Descriptors::start(folder.clone(), config.discovery.modules_dir.clone(), device, described, tell)
        });
        let descriptors = descriptors.transpose().map_err(|it| ("the descriptors thread", it))?;
        Ok(Parts { poller, gpio, descriptors, commands })
    }

    /// Stops what brings readings, then brings the outputs into their safe states. Blocks for a few milliseconds, as long as
    /// programs take for that, and at most 1 s for whatever hangs.
    pub(super) fn stop(self) {
        let hangs = |ended: bool, what: &str| {
            if !ended {
                log::warn!(
                    "{what} hangs, as a file system whose server is gone has it do; it is left behind"
                );
            }
        };
        hangs(self.descriptors.is_none_or(|it| it.stop_within(PART_END)), "the watch over descriptors");
        hangs(self.gpio.is_none_or(|it| it.stop_within(PART_END)), "a GPIO line");
        hangs(self.poller.stop_within(PART_END), "a source");
        if let Some(commands) = self.commands {
            commands.stop();
        }
    }
}

/// Limit for what a part is at: a few milliseconds, unless the kernel waits for a file system's server.
const PART_END: Duration = Duration::from_secs(1);
