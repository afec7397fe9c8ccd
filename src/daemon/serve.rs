//! The daemon while it runs, and its end in order.

use std::time::Duration;

use crossbeam_channel::bounded;

use super::reception::Reception;
use super::reload::{Renewal, Running};
use super::start::Started;
use super::{DaemonError, tell_broker};
use crate::bridge::Farewell;

impl Started {
    /// Runs until a signal stops it, then ends in the reverse of the order in which it was started. Blocks as [`run`](super::run).
    ///
    /// # Errors
    ///
    /// As [`Started::serve`]; it has ended in order then, too.
    pub(super) fn run(mut self) -> Result<(), DaemonError> {
        let served = self.serve();
        self.notifier.stopping();
        log::info!("stopping");
        if let Some(running) = self.beside() {
            if let Some(closing) = running.reception.map(Reception::close) {
                // A program may just be asking something that only the bridge knows.
                self.core.run_until(closing.is_closed());
            }
            running.parts.stop();
            running.announcer.stop();
        }
        let farewell = self.core.finish(GOODBYE);
        self.store.write();
        drop(self.rehearsal);
        tell_farewell(farewell);
        served
    }

    /// Runs the bridge until the process is to end, and makes its connection anew whenever that is asked for.
    ///
    /// # Errors
    ///
    /// [`DaemonError::Link`], and what keeps another connection from being begun.
    fn serve(&mut self) -> Result<(), DaemonError> {
        loop {
            self.core.run();
            if self.ending.is_requested() {
                return Ok(());
            }
            let Ok(renewal) = self.renewals.try_recv() else { return Err(DaemonError::Link) };
            self.renew(renewal)?;
        }
    }

    /// Makes the connection anew.
    ///
    /// # Errors
    ///
    /// What keeps it from being begun.
    fn renew(&mut self, renewal: Renewal) -> Result<(), DaemonError> {
        let Renewal { config, presence, announcer, done } = renewal;
        log::info!("the connection to the broker is made anew");
        tell_broker(&config);
        let core = &mut self.core;
        let is_moved = *core.handle().presence() != presence;
        core.renew(&config, presence, self.ending.channel(), GOODBYE).map_err(DaemonError::Start)?;
        if is_moved {
            let plan = announcer.moved();
            plan.sentences.iter().for_each(|sentence| log::info!("{sentence}"));
            let (tell, departed) = bounded(1);
            core.depart(plan.before, plan.after, tell);
            announcer.settle(Some(departed));
        }
        let _ = done.try_send(());
        Ok(())
    }

    /// What runs beside the bridge, once no reload is under way: until then that needs the bridge, which runs for it.
    fn beside(&mut self) -> Option<Running> {
        loop {
            match self.reloader.end() {
                Ok(running) => return running,
                Err(is_over) => self.core.run_until(is_over),
            }
        }
    }
}

fn tell_farewell(farewell: Farewell) {
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
}

/// Limit for the last messages and `offline`: systemd waits 90 s, a person at a terminal does not.
const GOODBYE: Duration = Duration::from_secs(2);
