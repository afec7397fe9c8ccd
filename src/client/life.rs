//! The threads of a client: [`Life`].

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::StartError;
use super::core::{Core, presence};
use crate::bridge::Farewell;
use crate::bridge::Handle;
use crate::config::Config;
use crate::model::Health;
use crate::worker::Pulses;

/// The thread `bridge` of a client, with the link that it started. Dropping it ends both in order, within 2 s for the
/// last messages.
pub(super) struct Life(Mutex<Option<Running>>);

struct Running {
    /// Closed to stop.
    stop: Sender<Infallible>,
    /// How long the end may take.
    limit: Sender<Duration>,
    farewell: Receiver<Farewell>,
    thread: JoinHandle<()>,
}

impl Life {
    /// Starts what `config` describes, but for its sources and its log.
    pub(super) fn begin(config: &Config, health: Health) -> Result<(Life, Handle), StartError> {
        let (stop, stopped) = bounded(0);
        let (limit, limited) = bounded(1);
        let (tell, farewell) = bounded(1);
        let presence = presence(config).map_err(StartError::Topic)?;
        let mut core = Core::start(config, presence, [], health, stopped, Pulses::default())?;
        let handle = core.handle();
        let body = move || {
            core.run();
            let _ = tell.send(core.finish(limited.recv().unwrap_or(GOODBYE)));
        };
        let thread = thread::Builder::new().name("bridge".to_owned()).stack_size(STACK_BYTES).spawn(body);
        let thread = thread.map_err(|cause| StartError::System { part: "the bridge thread", cause })?;
        Ok((Life(Mutex::new(Some(Running { stop, limit, farewell, thread }))), handle))
    }

    /// Ends it within `limit` for the last messages, if nobody has. A second caller waits for the first.
    pub(super) fn end(&self, limit: Duration) -> Farewell {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Running { stop, limit: tell, farewell, thread }) = running.take() else {
            return Farewell::default();
        };
        let _ = tell.try_send(limit);
        drop(stop);
        if thread.thread().id() == thread::current().id() {
            return Farewell::default(); // It drops what somebody left with it, and cannot wait for itself.
        }
        let farewell = farewell.recv().unwrap_or_default();
        let _ = thread.join();
        farewell
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.end(GOODBYE);
    }
}

/// As much as the other threads have.
const STACK_BYTES: usize = 256 << 10;
/// Limit for the last messages and `offline` where nobody has said another.
const GOODBYE: Duration = Duration::from_secs(2);
