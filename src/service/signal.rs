//! The signals that end the daemon: SIGINT, SIGTERM and SIGHUP, all with the same meaning. Under nohup(1) the last has none.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use nix::sys::signal::{SigSet, Signal};

/// Whether the process is to end: at the first signal. Cheap to clone.
///
/// A second signal ends the process at once, with [`EXIT_AT_ONCE`]: whoever asks twice will not wait. One within
/// 100 ms of the first is the same request: `timeout` and terminals signal the process and its group.
/// The signals are noted on a thread of their own, so nothing here runs inside a signal handler.
#[derive(Clone, Debug, Default)]
pub struct Ending(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    is_requested: bool,
    /// Closes the channel that was given out last.
    stop: Option<Sender<Infallible>>,
}

impl Ending {
    /// Listens to the signals.
    ///
    /// # Errors
    ///
    /// The system's own; and `AlreadyExists` for a second call in the same process, which has one set of signals.
    pub fn of_signals() -> io::Result<Ending> {
        outlive_the_terminal();
        let ending = Ending::default();
        let (noted, mut first) = (ending.clone(), None);
        let set = ctrlc::set_handler(move || {
            noted.request();
            if first.get_or_insert_with(Instant::now).elapsed() > SAME_REQUEST {
                process::exit(EXIT_AT_ONCE);
            }
        });
        match set {
            Ok(()) => Ok(ending),
            Err(ctrlc::Error::System(cause)) => Err(cause),
            Err(other) => Err(io::Error::new(io::ErrorKind::AlreadyExists, other)),
        }
    }

    /// A channel that closes when the process is to end, or is [interrupted](Ending::interrupt); the one before closes now.
    /// Nothing is ever sent on it.
    pub fn channel(&self) -> Receiver<Infallible> {
        let (stop, stopped) = bounded(0);
        let mut state = self.state();
        state.stop = (!state.is_requested).then_some(stop);
        stopped
    }

    /// Closes the channel that was given out last, without an end of the process.
    pub fn interrupt(&self) {
        self.state().stop = None;
    }

    /// Whether the process is to end.
    pub fn is_requested(&self) -> bool {
        self.state().is_requested
    }

    fn request(&self) {
        *self.state() = State { is_requested: true, stop: None };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Goes on without the terminal where whoever started us has seen to that: nohup(1) has SIGHUP ignored, and a handler would
/// undo it. It is kept from this thread, and from all that it starts, instead.
fn outlive_the_terminal() {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if is_ignored(Signal::SIGHUP, &status) {
        let mut hangup = SigSet::empty();
        hangup.add(Signal::SIGHUP);
        if let Err(errno) = hangup.thread_block() {
            log::debug!("SIGHUP will end us: {errno}");
        }
    }
}

/// Whether `signal` is ignored by the process of which `/proc/self/status` says `status`: `SigIgn:`, a mask in hexadecimal digits
/// (proc_pid_status(5)).
fn is_ignored(signal: Signal, status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|it| u64::from_str_radix(it.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal as u32 - 1) & 1 == 1
}

/// Has a signal to stop end the process at once, with exit status 0: for a command that runs until somebody has seen enough, and
/// has nothing to put in order.
///
/// # Errors
///
/// As of [`Ending::of_signals`].
pub fn end_when_requested() -> io::Result<()> {
    ctrlc::set_handler(|| process::exit(0)).map_err(|error| match error {
        ctrlc::Error::System(cause) => cause,
        other => io::Error::new(io::ErrorKind::AlreadyExists, other),
    })
}

/// Exit status after a second signal: what shells report for a program that an interrupt ended, 128 + SIGINT.
pub const EXIT_AT_ONCE: i32 = 130;
/// Signals so close together are one request. Nobody types Ctrl-C twice in this time.
const SAME_REQUEST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::env;
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    use std::thread;

    use crossbeam_channel::{RecvTimeoutError, TryRecvError};
    use nix::sys::signal::kill;
    use nix::unistd::Pid;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);
    const THIS_TEST: &str =
        "service::signal::tests::the_first_signal_is_a_request_and_the_second_ends_the_process";

    #[test]
    fn an_interruption_closes_the_channel_of_now_and_a_request_each_one() {
        let ending = Ending::default();
        let is_closed = |it: &Receiver<Infallible>| it.try_recv() == Err(TryRecvError::Disconnected);
        let first = ending.channel();
        assert!(!is_closed(&first));
        ending.interrupt();
        assert!(is_closed(&first) && !ending.is_requested());
        let second = ending.channel();
        assert!(!is_closed(&second));
        ending.request();
        assert!(is_closed(&second) && is_closed(&ending.channel()) && ending.is_requested());
    }

    #[test]
    fn an_ignored_signal_is_known_by_its_bit() {
        for (status, expected) in [
            ("Name:\tx\nSigIgn:\t0000000000000001\n", true),
            ("SigIgn:\t0000000000001002\nSigCgt:\t0000000000000001\n", false),
            ("SigIgn:\tno mask\n", false),
            ("", false),
        ] {
            assert_eq!(is_ignored(Signal::SIGHUP, status), expected, "{status:?}");
        }
    }

    /// Runs itself again as the process that gets the signals.
    #[test]
    fn the_first_signal_is_a_request_and_the_second_ends_the_process() {
        if env::var_os("SIGNALLED_CHILD").is_some() {
            let ending = Ending::of_signals().unwrap();
            let stop = ending.channel();
            assert_eq!(Ending::of_signals().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert!(stop.try_recv().unwrap_err().is_empty());
            println!("\nlistening");
            assert_eq!(stop.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
            println!("\nstopping");
            thread::sleep(LIMIT); // Stuck in its clean-up.
            panic!("the second signal ended nothing");
        }
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", THIS_TEST, "--nocapture"])
            .env("SIGNALLED_CHILD", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let id = Pid::from_raw(child.id() as i32);
        assert!(lines.any(|line| line == "listening"), "the child never listened");
        // The second is too close to the first to be another request, however long it takes to send both.
        for signal in [Signal::SIGSTOP, Signal::SIGTERM, Signal::SIGINT, Signal::SIGCONT] {
            kill(id, signal).unwrap();
        }
        assert!(lines.any(|line| line == "stopping"), "the child never stopped");
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            thread::sleep(SAME_REQUEST / 4);
            kill(id, Signal::SIGINT).unwrap();
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(Instant::now() < deadline, "the second signal ended nothing"),
            }
        };
        assert_eq!(status.code(), Some(EXIT_AT_ONCE));
    }
}
