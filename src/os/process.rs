//! Runs a program to its end, or ends it.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::Halt;
use crate::model::Program;
use crate::worker::poll_timeout;

/// What a program has left when it has ended by itself.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed, 64 KiB at most.
    pub output: Vec<u8>,
    /// The first line that it complained with (standard error), 200 bytes at most; empty where it did not.
    pub complaint: String,
}

/// Why a program has no result. Nothing of its process group runs any more.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProcessError {
    /// It could not be started.
    Start {
        /// Its path.
        program: String,
        /// What the system said.
        cause: io::Error,
    },
    /// It ran longer than it may.
    Late {
        /// Its path.
        program: String,
        /// How long it may run.
        limit: Duration,
    },
    /// It printed more than is taken.
    Flood {
        /// Its path.
        program: String,
    },
    /// It ended, and left something behind in its group that goes on holding its output.
    Lingers {
        /// Its path.
        program: String,
    },
    /// It was ended, or not started, because [`Halt`] is set.
    Halted {
        /// Its path.
        program: String,
    },
    /// The system would not say how it does.
    Watch {
        /// Its path.
        program: String,
        /// What the system said.
        cause: io::Error,
    },
}

/// Runs `program` to its end, with `extra_argument` as its last argument and `environment` added to ours, of which it
/// does not get what is only for us. It reads nothing, and is a process group of its own.
///
/// The whole group is ended (SIGTERM, half a second later SIGKILL) when the program has run for its limit, prints more than
/// 64 KiB, has ended without all that it started having closed its output, or when `halt` is set. What it has started
/// and what holds neither output nor standard error runs on.
///
/// Blocks for the program's limit and a second at most; but longer where the kernel cannot end it, as one that waits for
/// a file system whose server is gone, or does not let us, as one of another user.
///
/// # Errors
///
/// [`ProcessError`] when it could not be started or had to be ended. A status other than 0 is none.
pub fn run(
    program: &Program,
    environment: &[(&str, &str)],
    extra_argument: Option<&str>,
    halt: Option<&Halt>,
) -> Result<Finished, ProcessError> {
    let name = || program.path.clone();
    if halt.is_some_and(Halt::is_set) {
        return Err(ProcessError::Halted { program: name() });
    }
    let child = command(program, environment, extra_argument).spawn();
    let child = child.map_err(|cause| ProcessError::Start { program: name(), cause })?;
    let mut run = Run::new(child, halt);
    let outcome = run.watch(Instant::now() + program.limit);
    if !matches!(outcome, Ok(Outcome::Ended)) {
        run.kill();
    }
    let status = run.child.wait();
    match outcome.and_then(|it| Ok((it, status?))) {
        Ok((Outcome::Ended, status)) => {
            Ok(Finished { status, complaint: first_line(&run.complaint), output: run.output })
        }
        Ok((Outcome::Late, _)) => Err(ProcessError::Late { program: name(), limit: program.limit }),
        Ok((Outcome::Flood, _)) => Err(ProcessError::Flood { program: name() }),
        Ok((Outcome::Lingers, _)) => Err(ProcessError::Lingers { program: name() }),
        Ok((Outcome::Halted, _)) => Err(ProcessError::Halted { program: name() }),
        Err(cause) => Err(ProcessError::Watch { program: name(), cause }),
    }
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcessError::Start { program, .. } => write!(f, "cannot start {program}"),
            ProcessError::Late { program, limit } => {
                write!(f, "{program} did not end within {limit:?} and was killed")
            }
            ProcessError::Flood { program } => {
                write!(f, "{program} was killed: expected at most 64 KiB of output, found more")
            }
            ProcessError::Lingers { program } => {
                write!(f, "{program} ended and left a program behind that held its output, which was killed")
            }
            ProcessError::Halted { program } => write!(f, "{program} was not run to its end: we stop"),
            ProcessError::Watch { program, .. } => write!(f, "cannot watch {program}, which was killed"),
        }
    }
}

impl Error for ProcessError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ProcessError::Start { cause, .. } | ProcessError::Watch { cause, .. } => Some(cause),
            ProcessError::Late { .. }
            | ProcessError::Flood { .. }
            | ProcessError::Lingers { .. }
            | ProcessError::Halted { .. } => None,
        }
    }
}

fn command(program: &Program, environment: &[(&str, &str)], extra_argument: Option<&str>) -> Command {
    let mut command = Command::new(&program.path);
    command.args(&program.arguments).args(extra_argument);
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    command
}

/// A program that runs.
struct Run<'a> {
    child: Child,
    halt: Option<&'a Halt>,
    /// `None` once all who could write to it have closed it.
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// One byte more than is taken, where there was more.
    output: Vec<u8>,
    complaint: Vec<u8>,
}

/// How it went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    /// It has ended, and nobody holds its output.
    Ended,
    Late,
    Flood,
    Lingers,
    Halted,
}

impl<'a> Run<'a> {
    fn new(mut child: Child, halt: Option<&'a Halt>) -> Run<'a> {
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        Run { child, halt, stdout, stderr, output: Vec::new(), complaint: Vec::new() }
    }

    /// Reads what it prints until it has ended, or is to be.
    fn watch(&mut self, deadline: Instant) -> io::Result<Outcome> {
        self.stdout.as_ref().map_or(Ok(()), do_not_block)?;
        self.stderr.as_ref().map_or(Ok(()), do_not_block)?;
        let mut quiet_since = Instant::now();
        let mut ended = None;
        loop {
            let has_ended = self.has_ended()?;
            let open = self.is_open();
            self.read()?; // After the look: what it wrote before its end is there now.
            let now = Instant::now();
            if open && !self.is_open() {
                quiet_since = now;
            }
            if self.output.len() > MOST_OUTPUT {
                return Ok(Outcome::Flood); // Even where it has ended: part of its output is no result.
            } else if has_ended && !self.is_open() {
                return Ok(Outcome::Ended);
            } else if now >= deadline {
                return Ok(Outcome::Late);
            }
            let pause = if has_ended {
                let lingering = now - *ended.get_or_insert(now);
                if lingering >= LINGER {
                    return Ok(Outcome::Lingers);
                }
                LINGER - lingering
            } else {
                // No descriptor tells of its end where another holds its output, or where it has closed that itself. So we
                // look, ever more seldom: some fifty times in the first minute.
                ((now - quiet_since) / 4).max(SHORTEST_LOOK)
            };
            if self.wait(pause.min(deadline - now))? {
                return Ok(Outcome::Halted);
            }
        }
    }

    /// Ends the group. Some of it may run on for a moment, and the program is not waited for.
    fn kill(&mut self) {
        // The numbers of process and group are free for others only when the process is waited for: these signals cannot
        // reach a stranger. Where we may not send one, there is nothing else to be done either.
        let _ = killpg(self.group(), Signal::SIGTERM);
        self.halt = None;
        // What it still says goes: were it not read, it might wait for that and not end.
        let limit = Instant::now() + GRACE;
        while let Ok(Outcome::Flood) = self.watch(limit) {
            self.output.clear();
        }
        let _ = killpg(self.group(), Signal::SIGKILL);
        (self.stdout, self.stderr) = (None, None);
    }

    fn group(&self) -> Pid {
        // Process numbers are below 2^22 (`PID_MAX_LIMIT` in Linux's `include/linux/threads.h`).
        Pid::from_raw(self.child.id() as i32)
    }

    /// Whether it has ended; its number stays taken.
    fn has_ended(&self) -> io::Result<bool> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        Ok(waitid(Id::Pid(self.group()), flags)? != WaitStatus::StillAlive)
    }

    fn is_open(&self) -> bool {
        self.stdout.is_some() || self.stderr.is_some()
    }

    /// Takes what there is to be read.
    fn read(&mut self) -> io::Result<()> {
        take(&mut self.stdout, &mut self.output, MOST_OUTPUT + 1)?;
        take(&mut self.stderr, &mut self.complaint, MOST_COMPLAINT)
    }

    /// Waits for something to read or for `pause`. Returns whether it is to be ended.
    fn wait(&self, pause: Duration) -> io::Result<bool> {
        let pipes = self.stdout.as_ref().map(AsFd::as_fd).into_iter();
        let pipes = pipes.chain(self.stderr.as_ref().map(AsFd::as_fd));
        let halt = self.halt.map(AsFd::as_fd);
        let mut awaited: Vec<PollFd<'_>> =
            halt.into_iter().chain(pipes).map(|it| PollFd::new(it, PollFlags::POLLIN)).collect();
        match poll(&mut awaited, poll_timeout(Some(pause))) {
            Ok(_) | Err(Errno::EINTR) => Ok(self.halt.is_some_and(Halt::is_set)),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Reads what is in `pipe`, and keeps as much of it as makes `kept` as long as `most`. A pipe that is at its end
/// becomes `None`.
fn take(pipe: &mut Option<impl Read>, kept: &mut Vec<u8>, most: usize) -> io::Result<()> {
    let Some(open) = pipe else { return Ok(()) };
    let mut chunk = [0; 4096];
    // No more than a pipe holds: somebody may write faster than we read, and there is the time to look at.
    for _ in 0..16 {
        match open.read(&mut chunk) {
            Ok(0) => {
                *pipe = None;
                return Ok(());
            }
            Ok(count) => {
                let room = most.saturating_sub(kept.len());
                kept.extend_from_slice(&chunk[..count.min(room)]);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn do_not_block(pipe: &impl AsFd) -> io::Result<()> {
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}

/// The first line with anything in it, as one may show it.
fn first_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().map(str::trim).find(|it| !it.is_empty()).unwrap_or_default();
    line.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// Variables of ours that no other program is to have: a password, where the secrets lie, by which the service manager
/// would take others for us (systemd, `sd_notify(3)`, `sd_watchdog_enabled(3)`), and by which it tells which sockets are ours
/// (`sd_listen_fds(3)`).
const NOT_INHERITED: [&str; 8] = [
    "MQTT_PASSWORD",
    "CREDENTIALS_DIRECTORY",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];
/// More than any value needs, and what a pipe holds.
const MOST_OUTPUT: usize = 64 * 1024;
/// A line of the log.
const MOST_COMPLAINT: usize = 200;
/// A program that handles SIGTERM needs moments for it.
const GRACE: Duration = Duration::from_millis(500);
/// How long what a program has started may hold its output after its end: the end of a shell and that of the last in its
/// pipeline are moments apart, but on a busy machine; and whatever else is being started holds it until it runs.
const LINGER: Duration = Duration::from_secs(1);
/// Closing its output and ending is one thing to most programs.
const SHORTEST_LOOK: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests;
