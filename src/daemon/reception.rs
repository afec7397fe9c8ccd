//! Where other programs come in: [`Reception`].

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::config::Config;
use crate::ingest::Server;
use crate::os::Bell;
use crate::worker::Pulses;
use crate::worker::Stop;
use crate::worker::Worker;

use super::desk::{Clerk, Office};
use super::reload::Reloader;

/// The socket, and the desk behind it.
pub(super) struct Reception {
    server: Server,
    configurations: Sender<Arc<Config>>,
    bell: Bell,
}

impl Reception {
    /// Opens the socket that `office` is configured for; `bell` is rung by all that happens behind the desk. Answers say that
    /// the daemon runs since `began`. `pulses` watch over the thread.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub(super) fn open(
        office: Office,
        reloader: Reloader,
        bell: Bell,
        began: Instant,
        pulses: &Pulses,
    ) -> io::Result<Reception> {
        let socket = office.config.socket.clone();
        let (configurations, others) = unbounded();
        let clerk = Clerk::new(office, others, reloader, bell.clone(), began);
        let server = Server::start(&socket, clerk, bell.clone(), pulses)?;
        Ok(Reception { server, configurations, bell })
    }

    /// Has the desk know of another configuration.
    pub(super) fn configured(&self, config: Arc<Config>) {
        let _ = self.configurations.send(config); // Where nobody is at the desk any more, nobody has to know.
        self.bell.ring();
    }

    /// Closes it: programs get the answers that are ready. Blocks for nothing but the thread that sees to it.
    pub(super) fn close(self) -> Closing {
        let (over, is_closed) = bounded(0);
        let server = self.server;
        let body = move |_: Stop| {
            if !server.stop_within(CLOSING) {
                log::warn!("the socket does not close in time, and is left behind");
            }
            drop(over);
        };
        Closing { is_closed, _worker: Worker::spawn("closing", body).ok() }
    }
}

/// A reception that is about to be closed. Dropping it waits for that.
pub(super) struct Closing {
    is_closed: Receiver<Infallible>,
    /// `None` where the system has no thread to give: then it was left as it is.
    _worker: Option<Worker>,
}

impl Closing {
    /// Closes when it is closed: within three seconds.
    pub(super) fn is_closed(&self) -> Receiver<Infallible> {
        self.is_closed.clone()
    }
}

/// Limit for programs to take the answers that are ready for them: thousands may be, on a slow machine.
const CLOSING: Duration = Duration::from_secs(3);
