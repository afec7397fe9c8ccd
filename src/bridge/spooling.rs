//! The spool as the bridge knows it: started when it is first needed, and what is said of it.

use std::time::Duration;

use crossbeam_channel::Sender;

use crate::config;
use crate::model::Chain;
use crate::outbox::SpoolNews;
use crate::outbox::SpoolOrder;
use crate::outbox::spool::Spool;
use crate::outbox::spool::SpoolError;
use crate::outbox::spool::SpoolEvent;

/// The spool, running or not yet.
#[derive(Debug)]
pub(super) struct Spooling {
    settings: config::Spool,
    events: Sender<SpoolEvent>,
    spool: Option<Spool>,
    /// Whether it was said that the card does not take messages, and not yet that it does again.
    failure_said: bool,
    /// Whether it was said that messages are dropped for want of room.
    dropping_said: bool,
    /// Whether it was said that the card does not answer, and not yet that it does again.
    silence_said: bool,
}

impl Spooling {
    /// A spool that is not running. What it will say goes to `events`.
    pub(super) fn new(settings: config::Spool, events: Sender<SpoolEvent>) -> Spooling {
        Spooling {
            settings,
            events,
            spool: None,
            failure_said: false,
            dropping_said: false,
            silence_said: false,
        }
    }

    /// Whether an earlier process has left something.
    pub(super) fn has_backlog(&self) -> bool {
        Spool::exists(&self.settings.directory)
    }

    /// Has the spool do as `order` says. Never blocks.
    pub(super) fn carry_out(&mut self, order: SpoolOrder) {
        if self.spool.is_none() {
            let config::Spool { directory, max_bytes, .. } = &self.settings;
            match Spool::start(directory.clone(), *max_bytes, self.events.clone()) {
                Ok(spool) => self.spool = Some(spool),
                // There is room: nothing else can have been said yet.
                Err(cause) => {
                    let cause = SpoolError::Thread(cause);
                    let answer = match order {
                        SpoolOrder::Append(records) => SpoolEvent::Refused { records, cause },
                        _ => SpoolEvent::Failed { cause },
                    };
                    return drop(self.events.try_send(answer));
                }
            }
        }
        let Some(spool) = &self.spool else { return };
        match order {
            SpoolOrder::Open => {}
            SpoolOrder::Append(records) => spool.append(records),
            SpoolOrder::Load(from) => spool.load(from),
            SpoolOrder::Release(next) => spool.release(next),
        }
    }

    /// Says what a person should know: a line per transition, never one per message.
    pub(super) fn tell(&mut self, news: SpoolNews) {
        match news {
            SpoolNews::Opened { waiting, lost } => {
                self.failure_said = false;
                if waiting > 0 {
                    log::info!("{waiting} messages wait in the spool since before, and go first");
                }
                if lost > 0 {
                    log::warn!(
                        "the spool was damaged: {lost} messages in it are lost, the others were saved"
                    );
                }
            }
            SpoolNews::Mended => {
                if std::mem::take(&mut self.failure_said) {
                    log::info!("the spool takes messages again");
                }
            }
            SpoolNews::Refused(cause) | SpoolNews::Failed { cause, lost: 0 } => self.tell_failure(&cause, 0),
            SpoolNews::Failed { cause, lost } => self.tell_failure(&cause, lost),
            SpoolNews::Dropped(count) if self.dropping_said => log::debug!("{count} more messages dropped"),
            SpoolNews::Dropped(count) => {
                self.dropping_said = true;
                log::warn!(
                    "the spool has reached MAX_BYTES ([Spool]): the oldest messages are dropped for new ones, \
                     {count} for a start"
                );
            }
            SpoolNews::Damaged(count) => log::warn!("{count} messages in the spool are damaged, and lost"),
        }
    }

    /// Says whether the card is `silent`, where that is news.
    pub(super) fn note_silence(&mut self, silent: bool) {
        if std::mem::replace(&mut self.silence_said, silent) == silent {
            return;
        }
        match silent {
            true => log::warn!("the card does not answer; messages wait in memory until it does"),
            false => log::info!("the card answers again"),
        }
    }

    /// The broker takes messages again: the next outage is another story.
    pub(super) fn outage_is_over(&mut self) {
        self.dropping_said = false;
    }

    fn tell_failure(&mut self, cause: &SpoolError, lost: u64) {
        let cause = Chain(cause);
        if std::mem::replace(&mut self.failure_said, true) {
            log::debug!("still no spool: {cause}");
        } else if lost > 0 {
            log::error!("no spool: {cause}; {lost} messages in it are out of reach, new ones wait in memory");
        } else {
            log::warn!("no spool: {cause}; messages wait in memory alone until it works");
        }
    }

    /// Ends it, with what it was given on the card. Blocks for `limit` at most.
    pub(super) fn stop(&mut self, limit: Duration) {
        if let Some(spool) = self.spool.take() {
            if !spool.stop(limit) {
                log::warn!("the card does not answer; the spool is left behind");
            }
        }
    }
}

/// How long to wait for the card at the end: a worn one takes a second for a group, and there may be one before the last.
pub(super) const LIMIT: Duration = Duration::from_secs(5);
