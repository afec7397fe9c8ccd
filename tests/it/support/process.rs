//! A child process that does not outlive its test.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use super::wait::{LIMIT, wait_until};

/// A running program; dropping it kills it.
pub(crate) struct Process(Child);

impl Process {
    /// Starts `command`.
    pub(crate) fn start(command: &mut Command) -> Process {
        Process(command.spawn().unwrap_or_else(|it| panic!("cannot start {command:?}: {it}")))
    }

    /// One that was started otherwise.
    pub(crate) fn of(child: Child) -> Process {
        Process(child)
    }

    /// Its process identifier.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Reads `pipe` line by line on a thread of its own, until nobody can write to it any more.
    pub(crate) fn each_line(
        pipe: impl Read + Send + 'static,
        mut take: impl FnMut(String) + Send + 'static,
    ) -> JoinHandle<()> {
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                take(String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned());
                line.clear();
            }
        })
    }

    /// The child's standard output, once.
    pub(crate) fn stdout(&mut self) -> impl Read + Send + use<> {
        self.0.stdout.take().expect("started with its standard output piped")
    }

    /// The child's standard error, once.
    pub(crate) fn stderr(&mut self) -> impl Read + Send + use<> {
        self.0.stderr.take().expect("started with its standard error piped")
    }

    /// Sends `signal`.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.0.id()).expect("process identifiers are small");
        signal::kill(Pid::from_raw(id), signal).unwrap();
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        wait_until("the end of a process", limit, || self.ended().is_some());
        self.ended().expect("it has ended")
    }

    /// Ends it with SIGKILL.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        assert_eq!(self.wait_exit(LIMIT).signal(), Some(Signal::SIGKILL as i32));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `program`, about to be started by a command of which `starter` are the words, and which becomes it; by none where there are
/// none.
pub(crate) fn becoming(starter: &[impl AsRef<OsStr>], program: impl AsRef<OsStr>) -> Command {
    let Some((first, others)) = starter.split_first() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(others).arg(program);
    command
}

/// Where `program` is, on the path or where Debian keeps daemons.
///
/// # Panics
///
/// When it is not installed: a test that needs it has failed.
pub(crate) fn installed(program: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders
        .map(|folder| folder.join(program))
        .find(|it| Path::is_file(it))
        .unwrap_or_else(|| panic!("{program} is not installed; scripts/test installs what the tests need"))
}
