//! Bridge and link together: what the daemon and an embedding program have in common.

use std::convert::Infallible;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};

use super::{DaemonError, link_options, presence};
use crate::bridge;
use crate::bridge::Bridge;
use crate::bridge::Client;
use crate::bridge::Farewell;
use crate::bridge::Inbox;
use crate::config::Config;
use crate::entity::Entity;
use crate::link::Link;
use crate::model::Health;

/// A bridge and the link that it publishes with.
pub(super) struct Core {
    bridge: Bridge,
    inbox: Inbox,
    client: Client,
    link: Link,
}

impl Core {
    /// Starts what `config` describes, with `entities` to be announced, to run until `stop` closes. The link begins to
    /// connect at once; what it reports waits for [`Core::run`].
    ///
    /// # Errors
    ///
    /// [`DaemonError`], any but [`DaemonError::Link`].
    pub(super) fn start(
        config: &Config,
        entities: impl IntoIterator<Item = Entity>,
        health: Health,
        stop: Receiver<Infallible>,
    ) -> Result<Core, DaemonError> {
        let presence = presence(config).map_err(DaemonError::Topic)?;
        let options = link_options(config, &presence);
        let (reports, reported) = bounded(LINK_EVENTS);
        let (window, spool) = (config.client.max_in_flight, config.spool.clone());
        let (mut bridge, inbox, client) = bridge::new(presence, window, spool, health, stop, reported);
        for entity in entities {
            bridge.register(entity).map_err(DaemonError::Entity)?;
        }
        let failed = |cause| DaemonError::System { part: "the link thread", cause };
        let link = Link::start(options, reports).map_err(failed)?;
        Ok(Core { bridge, inbox, client, link })
    }

    /// A handle to the bridge.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Runs the bridge until it is told to stop, or the link has ended by itself.
    pub(super) fn run(&mut self) {
        self.bridge.run(&self.inbox);
    }

    /// Ends in order, as [`Bridge::finish`], then ends the link: half a second more at most.
    pub(super) fn finish(self, limit: Duration) -> Farewell {
        let Core { mut bridge, mut inbox, link, .. } = self;
        let farewell = bridge.finish(&mut inbox, limit);
        drop(inbox); // Before the join: from here on the link's reports fail rather than wait.
        if !link.stop(LINK_END) {
            log::debug!("the link thread is in a name look-up or connecting, and is left behind");
        }
        farewell
    }
}

/// How many reports of the link wait for the bridge; the next waits with the link thread.
const LINK_EVENTS: usize = 64;
/// Limit for the link thread to end after the disconnect; only an attempt to connect takes longer.
const LINK_END: Duration = Duration::from_millis(500);
