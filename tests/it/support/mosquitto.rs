//! A real Mosquitto, on a port and in a folder of its own.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::net::free_port;
use super::observer::{Observer, Seen};
use super::process::{Process, becoming, installed};
use super::wait::{LIMIT, wait_until_or};

/// How a [`Mosquitto`] is set up. The default lets anybody in and forgets everything when it ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct MosquittoOptions {
    /// User names and passwords; when there are any, nobody else gets in (but our own observers).
    pub(crate) users: Vec<(String, String)>,
    /// The text of its access control file; without, everybody may do anything.
    pub(crate) acl: Option<String>,
    /// Whether retained messages and sessions outlive the process, whichever way it ends.
    pub(crate) persistence: bool,
    /// More lines of its configuration file, within the listener's part.
    pub(crate) extra: String,
    /// Its environment, beside ours.
    pub(crate) environment: Vec<(String, String)>,
    /// The words of a command that becomes it, and those who look on: that of a host of their own.
    pub(crate) starter: Vec<String>,
}

/// A running Mosquitto; dropping it kills it.
pub(crate) struct Mosquitto {
    folder: TempDir,
    port: u16,
    options: MosquittoOptions,
    process: Option<Process>,
}

impl Mosquitto {
    /// Starts one and returns when it accepts connections.
    #[track_caller]
    pub(crate) fn start(options: MosquittoOptions) -> Mosquitto {
        let mut mosquitto = Mosquitto::absent(options);
        // Between our look and Mosquitto's, another test run may have taken the port.
        while !mosquitto.try_start() {
            mosquitto.port = free_port();
            mosquitto.write_configuration();
        }
        mosquitto
    }

    /// One that has its port but does not run yet: the broker that comes up late. See [`Mosquitto::start_again`].
    pub(crate) fn absent(options: MosquittoOptions) -> Mosquitto {
        let folder = tempfile::tempdir().unwrap();
        let mosquitto = Mosquitto { folder, port: free_port(), options, process: None };
        mosquitto.write_configuration();
        mosquitto
    }

    /// Where it listens, on the IPv4 loopback address.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts it, on the same port as before, with what it has stored.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        assert!(self.try_start(), "Mosquitto's port was taken meanwhile:\n{}", self.log());
    }

    /// Starts it and returns when it accepts connections, or false where somebody else has its port.
    #[track_caller]
    fn try_start(&mut self) -> bool {
        assert!(self.process.is_none(), "Mosquitto runs already");
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        let before = self.log_length();
        let mut process = Process::start(
            becoming(&self.options.starter, installed("mosquitto"))
                .arg("-c")
                .arg(self.path("mosquitto.conf"))
                .envs(self.options.environment.clone())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log),
        );
        // Its own word, rather than a connection: that might be made to somebody else.
        let said = |what| self.log_from(before).contains(what);
        let ended_or_runs = || process.ended().is_some() || said(" running\n");
        wait_until_or("Mosquitto to accept connections", LIMIT, ended_or_runs, || self.log());
        if process.ended().is_some() {
            assert!(said("Address already in use"), "Mosquitto does not start:\n{}", self.log());
            return false;
        }
        self.process = Some(process);
        true
    }

    /// Ends it in order, as a service manager does.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        let mut process = self.process.take().expect("Mosquitto runs");
        process.signal(Signal::SIGTERM);
        process.wait_exit(LIMIT);
    }

    /// Ends it with SIGKILL: connections are cut, wills are not sent. With persistence, what was acknowledged before
    /// is stored.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        if self.options.persistence {
            self.save();
        }
        self.process.take().expect("Mosquitto runs").kill();
    }

    /// Has it store everything now. The new file takes the place of the old one, hence has another number.
    #[track_caller]
    fn save(&self) {
        let number = || fs::metadata(self.path("mosquitto.db")).ok().map(|it| it.ino());
        let before = number();
        self.process.as_ref().expect("Mosquitto runs").signal(Signal::SIGUSR1);
        wait_until_or("Mosquitto to save", LIMIT, || number() != before, || self.log());
    }

    /// Deletes what it has stored; it must not run.
    pub(crate) fn forget(&mut self) {
        assert!(self.process.is_none(), "Mosquitto runs, and would store it again");
        fs::remove_file(self.path("mosquitto.db")).unwrap();
    }

    /// Freezes it: connections stay open and nobody answers, until [`Mosquitto::thaw`].
    pub(crate) fn freeze(&self) {
        self.process.as_ref().expect("Mosquitto runs").signal(Signal::SIGSTOP);
    }

    /// Ends what [`Mosquitto::freeze`] began.
    pub(crate) fn thaw(&self) {
        self.process.as_ref().expect("Mosquitto runs").signal(Signal::SIGCONT);
    }

    /// What it has logged so far, over all its lives: each packet in and out.
    pub(crate) fn log(&self) -> String {
        self.log_from(0)
    }

    /// The same without its first `start` bytes.
    fn log_from(&self, start: u64) -> String {
        let mut text = Vec::new();
        if let Ok(mut log) = File::open(self.path("log")) {
            log.seek(SeekFrom::Start(start)).and_then(|_| log.read_to_end(&mut text)).unwrap();
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// How many bytes that is.
    pub(crate) fn log_length(&self) -> u64 {
        fs::metadata(self.path("log")).map_or(0, |it| it.len())
    }

    /// Publishes `payload` on `topic` by another client, with QoS 1, and returns when that is acknowledged.
    /// An empty one that is to be retained removes what was retained.
    #[track_caller]
    pub(crate) fn publish(&self, topic: &str, payload: impl AsRef<[u8]>, retained: bool) {
        self.publish_at(1, topic, payload, retained);
    }

    /// The same with another QoS. With 2 it arrives after all that came before it, of whatever QoS.
    #[track_caller]
    pub(crate) fn publish_at(&self, qos: u8, topic: &str, payload: impl AsRef<[u8]>, retained: bool) {
        let payload = payload.as_ref();
        let mut command = self.client("mosquitto_pub");
        command.args(["-q", &qos.to_string(), "-t", topic]);
        command.args(if payload.is_empty() { ["-n"] } else { ["-s"] }).args(retained.then_some("-r"));
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().expect("it is piped").write_all(payload).unwrap();
        assert!(child.wait().unwrap().success(), "cannot publish on {topic}\n{}", self.log());
    }

    /// What is retained on the topics that match `filter`.
    #[track_caller]
    pub(crate) fn retained(&self, filter: &str) -> Vec<Seen> {
        Observer::start(self, &[filter]).messages()
    }

    /// One of Mosquitto's own clients, about to connect here.
    pub(crate) fn client(&self, program: &str) -> Command {
        let mut command = becoming(&self.options.starter, installed(program));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-V", "mqttv5"]);
        if !self.options.users.is_empty() {
            command.args(["-u", OBSERVER, "-P", OBSERVER]);
        }
        command
    }

    fn write_configuration(&self) {
        let mut lines = vec![
            // Started by root it would go on as a user who cannot read our folder.
            "user root".to_owned(),
            "log_dest stderr".to_owned(), // Not buffered, unlike the others.
            "log_type all".to_owned(),
            format!("listener {} 127.0.0.1", self.port),
        ];
        if self.options.users.is_empty() {
            lines.push("allow_anonymous true".to_owned());
        } else {
            self.write_passwords();
            lines.push("allow_anonymous false".to_owned());
            lines.push(format!("password_file {}", self.path("passwords").display()));
        }
        if let Some(acl) = &self.options.acl {
            let acl = format!("user {OBSERVER}\ntopic readwrite #\n\n{acl}");
            fs::write(self.path("acl"), acl).unwrap();
            lines.push(format!("acl_file {}", self.path("acl").display()));
        }
        if self.options.persistence {
            lines.push("persistence true".to_owned());
            lines.push(format!("persistence_location {}/", self.folder.path().display()));
        }
        lines.push(self.options.extra.clone());
        fs::write(self.path("mosquitto.conf"), lines.join("\n") + "\n").unwrap();
    }

    fn write_passwords(&self) {
        fs::write(self.path("passwords"), "").unwrap();
        let observer = (OBSERVER.to_owned(), OBSERVER.to_owned());
        for (user, password) in self.options.users.iter().chain([&observer]) {
            let mut command = Command::new(installed("mosquitto_passwd"));
            command.arg("-b").arg(self.path("passwords")).args([user, password]);
            assert!(command.status().unwrap().success(), "{command:?}");
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Name and password of the user as whom we look on, where users are needed.
const OBSERVER: &str = "observer";
