//! The signals that end the daemon: SIGINT, SIGTERM and SIGHUP, all with the same meaning.

use std::convert::Infallible;
use std::io;
use std::process;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

/// The channel that closes at the first signal to stop. Nothing is ever sent on it.
///
/// A second signal ends the process at once, with [`EXIT_AT_ONCE`]: whoever asks twice will not wait. One within
/// 100 ms of the first is the same request: `timeout` and terminals signal the process and its group.
/// The signals are noted on a thread of their own, so nothing here runs inside a signal handler.
///
/// # Errors
///
/// The system's own; and `AlreadyExists` for a second call in the same process, which has one set of signals.
pub fn stop_requested() -> io::Result<Receiver<Infallible>> {
    let (sender, stop) = bounded(0);
    let (mut sender, mut first) = (Some(sender), None);
    let noted = ctrlc::set_handler(move || {
        sender.take();
        if first.get_or_insert_with(Instant::now).elapsed() > SAME_REQUEST {
            process::exit(EXIT_AT_ONCE);
        }
    });
    match noted {
        Ok(()) => Ok(stop),
        Err(ctrlc::Error::System(cause)) => Err(cause),
        Err(other) => Err(io::Error::new(io::ErrorKind::AlreadyExists, other)),
    }
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

    use crossbeam_channel::RecvTimeoutError;
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);
    const THIS_TEST: &str =
        "service::signal::tests::the_first_signal_is_a_request_and_the_second_ends_the_process";

    /// Runs itself again as the process that gets the signals.
    #[test]
    fn the_first_signal_is_a_request_and_the_second_ends_the_process() {
        if env::var_os("SIGNALLED_CHILD").is_some() {
            let stop = stop_requested().unwrap();
            assert_eq!(stop_requested().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
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
        // The second is too close to the first to be another request.
        kill(id, Signal::SIGTERM).unwrap();
        kill(id, Signal::SIGTERM).unwrap();
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
