//! The real binary, in a folder of its own, on a machine of its own making.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::process::{Process, becoming};
use super::producer::Producer;
use super::wait::{LIMIT, wait_until_or};

/// A `luigi-mqtt` about to be started.
pub(crate) struct Launch {
    folder: TempDir,
    subcommand: String,
    arguments: Vec<String>,
    environment: Vec<(String, OsString)>,
    /// A program that becomes it, e.g. `nohup`, with its arguments.
    starter: Vec<String>,
    stdin: Stdio,
}

/// A `luigi-mqtt` that was started; dropping it kills it.
pub(crate) struct Daemon {
    folder: TempDir,
    process: Process,
    lines: Arc<Mutex<Vec<(Stream, String)>>>,
    readers: [JoinHandle<()>; 2],
}

/// Where a line was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Launch {
    /// `luigi-mqtt run --config FILE` with `config` in the file, readable by the owner alone, and a machine to read
    /// that looks like a Pi Zero W.
    pub(crate) fn new(config: &str) -> Launch {
        let folder = tempfile::tempdir().unwrap();
        let (arguments, environment) = (vec![], vec![]);
        let (starter, stdin) = (Vec::new(), Stdio::null());
        let launch = Launch { folder, subcommand: "run".into(), arguments, environment, starter, stdin };
        let path = launch.folder.path().join(CONFIG);
        fs::write(&path, config).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        PI_ZERO_W.iter().fold(launch, |launch, (path, text)| launch.machine_file(path, text))
    }

    /// Another sub-command than `run`.
    pub(crate) fn subcommand(mut self, name: &str) -> Launch {
        self.subcommand = name.to_owned();
        self
    }

    /// More arguments, after `--config FILE`.
    pub(crate) fn args(mut self, arguments: &[&str]) -> Launch {
        self.arguments.extend(arguments.iter().map(|it| it.to_string()));
        self
    }

    /// A variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Launch {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Has it started by a program with arguments, which becomes it.
    pub(crate) fn by(self, starter: &[impl ToString]) -> Launch {
        Launch { starter: starter.iter().map(ToString::to_string).collect(), ..self }
    }

    /// Hands `listener` to it as systemd does (`sd_listen_fds(3)`).
    pub(crate) fn activated(self, listener: UnixListener) -> Launch {
        // Its process identifier only the process itself can say.
        const SCRIPT: &str = r#"LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@" 3<&0 </dev/null"#;
        let launch = Launch { stdin: OwnedFd::from(listener).into(), ..self };
        launch.by(&["sh", "-c", SCRIPT])
    }

    /// A file of the machine that it reads, e.g. `proc/loadavg`.
    pub(crate) fn machine_file(self, path: &str, text: &str) -> Launch {
        write_below(&self.folder.path().join(MACHINE), path, text);
        self
    }

    /// The folder in which it will run.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it.
    pub(crate) fn start(self) -> Daemon {
        let mut command = becoming(&self.starter, env!("CARGO_BIN_EXE_luigi-mqtt"));
        command
            .arg(self.subcommand)
            .arg("--config")
            .arg(self.folder.path().join(CONFIG))
            .args(self.arguments);
        // What the person who runs the tests has set for their own daemon is not for this one.
        for name in INHERITED {
            command.env_remove(name);
        }
        command
            .env("LUIGI_MQTT_ROOT", self.folder.path().join(MACHINE))
            .env("STATE_DIRECTORY", self.folder.path().join(STATE))
            .envs(self.environment);
        command
            .current_dir(self.folder.path())
            .stdin(self.stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = Process::start(&mut command);
        let lines = Arc::<Mutex<Vec<(Stream, String)>>>::default();
        let (output, errors) = (Arc::clone(&lines), Arc::clone(&lines));
        let readers = [
            Process::each_line(process.stdout(), move |it| output.lock().unwrap().push((Stream::Stdout, it))),
            Process::each_line(process.stderr(), move |it| errors.lock().unwrap().push((Stream::Stderr, it))),
        ];
        Daemon { folder: self.folder, process, lines, readers }
    }
}

impl Daemon {
    /// Starts `luigi-mqtt run` with `config`; see [`Launch`] for more say.
    pub(crate) fn start(config: &str) -> Daemon {
        Launch::new(config).start()
    }

    /// Its process identifier.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where other programs find it.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join(MACHINE).join("run/luigi-mqtt/luigi-mqtt.sock")
    }

    /// Its configuration file.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.path().join(CONFIG)
    }

    /// Changes a file of the machine that it reads, e.g. `proc/loadavg`; a reader sees the old or the new text.
    pub(crate) fn change_machine(&self, path: &str, text: &str) {
        write_below(&self.folder.path().join(MACHINE), path, text);
    }

    /// Writes another configuration into its file, and has it read that. Returns its answer.
    #[track_caller]
    pub(crate) fn reload(&self, config: &str) -> Json {
        fs::write(self.folder.path().join(CONFIG), config).unwrap();
        Producer::connect(self).ask(&json!({"op": "reload"}))
    }

    /// All it has written so far, to either stream, without the line breaks.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().iter().map(|(_, line)| line.clone()).collect()
    }

    /// What it has written to `stream` so far.
    pub(crate) fn lines_of(&self, stream: Stream) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|(it, _)| *it == stream).map(|(_, line)| line.clone()).collect()
    }

    /// Waits for a line that contains `part`, and returns it; the panic shows all lines.
    #[track_caller]
    pub(crate) fn wait_for_line(&self, part: &str) -> String {
        let found = || self.lines().into_iter().find(|it| it.contains(part));
        wait_until_or(&format!("a line with {part:?}"), LIMIT, || found().is_some(), || self.lines());
        found().expect("lines only become more")
    }

    /// How many of its lines so far contain `part`.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.lines().iter().filter(|it| it.contains(part)).count()
    }

    /// Waits until `count` of its lines contain `part`, or more; the panic shows all lines.
    #[track_caller]
    pub(crate) fn wait_for_lines(&self, part: &str, count: usize) {
        let what = format!("{count} lines with {part:?}");
        wait_until_or(&what, LIMIT, || self.count(part) >= count, || self.lines());
    }

    /// Asks it to end, with SIGTERM; see [`Daemon::wait_exit`].
    pub(crate) fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Sends it `signal`.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Ends it with SIGKILL.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }

    /// Waits at most `limit` for its end, after which all it has written is in [`Daemon::lines`]; the panic shows them.
    #[track_caller]
    pub(crate) fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        let Daemon { process, lines, readers, .. } = self;
        let ended = || process.ended().is_some() && readers.iter().all(JoinHandle::is_finished);
        wait_until_or("the daemon's end", limit, ended, || lines.lock().unwrap().clone());
        self.process.ended().expect("it has ended")
    }
}

/// Writes aside and renames: whoever reads meanwhile sees the old text or the new one.
fn write_below(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    let aside = PathBuf::from(format!("{}.aside", path.display()));
    fs::create_dir_all(path.parent().expect("it is below the root")).unwrap();
    fs::write(&aside, text).unwrap();
    fs::rename(aside, path).unwrap();
}

/// Its configuration file, in its folder.
const CONFIG: &str = "luigi-mqtt.conf";
/// The root of the machine it reads, in its folder.
const MACHINE: &str = "machine";
/// Where its spool is, in its folder.
const STATE: &str = "state";

/// Variables that mean something to it.
const INHERITED: &[&str] = &[
    "CREDENTIALS_DIRECTORY",
    "JOURNAL_STREAM",
    "LOGS_DIRECTORY",
    "MOCK_MODE",
    "MQTT_BROKER_HOST",
    "MQTT_BROKER_PORT",
    "MQTT_CONFIG_FILE",
    "MQTT_PASSWORD",
    "MQTT_TOPIC_PREFIX",
    "MQTT_USERNAME",
    "NOTIFY_SOCKET",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// What a Pi Zero W has to say of itself.
const PI_ZERO_W: &[(&str, &str)] = &[
    ("proc/loadavg", "0.08 0.03 0.01 1/91 1234\n"),
    (
        "proc/meminfo",
        "MemTotal: 441272 kB\nMemFree: 187412 kB\nMemAvailable: 330954 kB\nBuffers: 21520 kB\nCached: 162340 kB\nSwapTotal: 102396 kB\nSwapFree: 92156 kB\n",
    ),
    ("proc/stat", "cpu 1 2 3 4 5 6 7 8 9 0\nbtime 1781234567\nprocesses 1234\n"),
    ("proc/uptime", "86400.00 80000.00\n"),
    (
        "proc/net/wireless",
        "Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n wlan0: 0000   56.  -54.  -256        0      0      0      0      0        0\n",
    ),
    ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
    ("sys/class/thermal/thermal_zone0/temp", "41158\n"),
    ("sys/devices/platform/soc/soc:firmware/get_throttled", "0\n"),
];
