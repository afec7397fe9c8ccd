//! A real Mosquitto, on a port and in a folder of its own.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::net::free_port;
use super::observer::{Observer, Seen};
use super::process::{Process, installed};
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
        mosquitto.start_again();
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
        assert!(self.process.is_none(), "Mosquitto runs already");
        let log = fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let mut process = Process::start(
            Command::new(installed("mosquitto"))
                .arg("-c")
                .arg(self.path("mosquitto.conf"))
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log),
        );
        let accepts = || {
            assert!(process.ended().is_none(), "Mosquitto ended while it started:\n{}", self.log());
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
        };
        wait_until_or("Mosquitto to accept connections", LIMIT, accepts, || self.log());
        self.process = Some(process);
    }

    /// Ends it in order, as a service manager does.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        let mut process = self.process.take().expect("Mosquitto runs");
        process.signal(Signal::SIGTERM);
        process.wait_exit(LIMIT);
    }

    /// Ends it with SIGKILL: connections are cut, wills are not sent.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("Mosquitto runs").kill();
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
        fs::read(self.path("log")).map(|it| String::from_utf8_lossy(&it).into_owned()).unwrap_or_default()
    }

    /// Publishes `payload` on `topic` by another client, with QoS 1, and returns when that is acknowledged.
    /// An empty one that is to be retained removes what was retained.
    #[track_caller]
    pub(crate) fn publish(&self, topic: &str, payload: impl AsRef<[u8]>, retained: bool) {
        let payload = payload.as_ref();
        let mut command = self.client("mosquitto_pub");
        command.args(["-q", "1", "-t", topic]);
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
    pub(super) fn client(&self, program: &str) -> Command {
        let mut command = Command::new(installed(program));
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
            "log_dest stdout".to_owned(),
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
            // Stored at each change: SIGKILL leaves as much behind as SIGTERM.
            lines.push("autosave_on_changes true".to_owned());
            lines.push("autosave_interval 1".to_owned());
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
