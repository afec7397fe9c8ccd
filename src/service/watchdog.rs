//! The service manager's watchdog, which ends and restarts a service that gives no sign of life: [`Watchdog`].

use std::env;
use std::ffi::OsStr;
use std::process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Notifier;
use crate::worker::Pulses;

/// Gives the service manager its signs of life (`WATCHDOG=1`, sd_notify(3)), for as long as all threads keep their promises.
///
/// It is fed at half of the time that the service manager waits. Where a thread is late then, it is asked again each eighth of that
/// time, for a machine that was held up makes all of them late; and near the end an error names those that are late still,
/// once, before the service manager ends the process.
///
/// It has no thread of its own: whoever calls [`Watchdog::turn`] lives, or it is not fed.
#[derive(Debug)]
pub struct Watchdog {
    notifier: Arc<Notifier>,
    pulses: Pulses,
    /// How long the service manager waits for a sign of life.
    limit: Duration,
    fed: Instant,
    has_complained: bool,
}

impl Watchdog {
    /// The one that whoever started this process has asked for, if they have (sd_watchdog_enabled(3)); it is fed through
    /// `notifier`.
    pub fn of_process(notifier: &Arc<Notifier>) -> Option<Watchdog> {
        let (limit, whose) = (env::var_os("WATCHDOG_USEC"), env::var_os("WATCHDOG_PID"));
        let limit = asked(limit.as_deref()?, whose.as_deref(), process::id())?;
        Some(Watchdog::new(Arc::clone(notifier), limit, Instant::now()))
    }

    /// One that has to be fed each `limit`, from `now` on.
    pub fn new(notifier: Arc<Notifier>, limit: Duration, now: Instant) -> Watchdog {
        let pulses = Pulses::new(limit / 2, now);
        Watchdog { notifier, pulses, limit, fed: now, has_complained: false }
    }

    /// Those whose threads it watches over.
    pub fn pulses(&self) -> &Pulses {
        &self.pulses
    }

    /// Feeds it where all threads turn. Returns when to call this again. Waits for nothing, unless the service manager's own
    /// queue is full: a second at most.
    pub fn turn(&mut self, now: Instant) -> Instant {
        let late = self.pulses.late(now);
        if late.is_empty() {
            self.notifier.alive();
            (self.fed, self.has_complained) = (now, false);
            return self.pulses.next_round(now).unwrap_or(now + self.limit / 2);
        }
        let hungry = now.saturating_duration_since(self.fed);
        if hungry >= self.limit * 3 / 4 && !std::mem::replace(&mut self.has_complained, true) {
            log::error!(
                "a thread does not go on: {}; unless it does, the service manager starts luigi-mqtt again",
                late.join(", ")
            );
        }
        now + self.limit / 8
    }
}

/// How often a sign of life is asked for of the process `own` by these two variables.
fn asked(limit: &OsStr, whose: Option<&OsStr>, own: u32) -> Option<Duration> {
    // One that is meant for a process that has started us is not ours to feed.
    let is_ours = whose.is_none_or(|it| it.to_str() == Some(&own.to_string()));
    let limit = limit.to_str()?.parse().ok().filter(|it| (1..u64::MAX).contains(it));
    limit.filter(|_| is_ours).map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use tempfile::{TempDir, tempdir};

    use super::*;

    /// A service manager that has to hear each 8 s.
    struct Manager {
        _folder: TempDir,
        socket: UnixDatagram,
        watchdog: Watchdog,
        start: Instant,
    }

    impl Manager {
        fn new() -> Manager {
            let folder = tempdir().unwrap();
            let path = folder.path().join("notify");
            let socket = UnixDatagram::bind(&path).unwrap();
            socket.set_nonblocking(true).unwrap();
            let start = Instant::now();
            let notifier = Arc::new(Notifier::to(path.as_os_str()));
            let watchdog = Watchdog::new(notifier, Duration::from_secs(8), start);
            Manager { _folder: folder, socket, watchdog, start }
        }

        /// Whether it is fed at `at`, in seconds, when it is asked again, and whether it has complained by then.
        #[track_caller]
        fn check(&mut self, at: u64, expected: (bool, u64, bool)) {
            let next = self.watchdog.turn(self.start + Duration::from_secs(at)) - self.start;
            let mut datagram = [0; 20];
            let heard = self.socket.recv(&mut datagram).map(|length| datagram[..length].to_owned());
            assert!(heard.as_ref().map_or(true, |it| it == b"WATCHDOG=1"), "{heard:?}");
            assert_eq!((heard.is_ok(), next.as_secs(), self.watchdog.has_complained), expected, "at {at} s");
        }
    }

    #[test]
    fn it_is_fed_at_each_half_while_all_threads_keep_their_promises() {
        let mut manager = Manager::new();
        let (_watched, pulse) = manager.watchdog.pulses().watch("link");
        pulse.turns_within(Duration::from_secs(3600));
        manager.check(0, (true, 4, false));
        manager.check(4, (true, 8, false));
        manager.check(9, (true, 12, false));
    }

    #[test]
    fn a_thread_that_is_late_is_waited_for_and_named_before_the_end() {
        let mut manager = Manager::new();
        let (_watched, pulse) = manager.watchdog.pulses().watch("link");
        pulse.turns_within(Duration::ZERO);
        for (at, has_complained) in [(4, false), (5, false), (6, true), (7, true)] {
            manager.check(at, (false, at + 1, has_complained));
        }
        // Later than it had to be, but here it is.
        pulse.turns_within(Duration::from_secs(3600));
        manager.check(8, (true, 12, false));
    }

    #[test]
    fn only_what_is_asked_of_this_process_is_done() {
        for (limit, whose, expected) in [
            ("300000000", None, Some(300)),
            ("300000000", Some("77"), Some(300)),
            ("300000000", Some("78"), None),
            ("300000000", Some(""), None),
            ("0", None, None),
            ("18446744073709551615", None, None),
            ("5min", None, None),
            ("", None, None),
        ] {
            let found = asked(limit.as_ref(), whose.map(str::as_ref), 77);
            assert_eq!(found, expected.map(Duration::from_secs), "{limit:?} {whose:?}");
        }
    }
}
