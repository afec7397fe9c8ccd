//! Whoever carries out what a command asks: the daemon behind its socket, or a connection of our own. [`open`] and [`daemon`]
//! find them.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::Group;
use serde_json::{Map, Value as Json};

use super::Exit;
use super::args::{Route, Socket};
use super::complain;
use super::direct;
use crate::config;
use crate::config::Config;
use crate::config::Environment;
use crate::ingest::CallError;
use crate::ingest::Caller;
use crate::model::Chain;
use crate::protocol::Reply;
use crate::protocol::Request;

/// Whoever carries out what a command asks, and answers in order.
pub(super) trait Agent {
    /// Asks, without waiting for the answer.
    ///
    /// # Errors
    ///
    /// [`CallError::Lost`].
    fn send(&mut self, request: &Request) -> Result<(), CallError>;

    /// The next answer or event. Blocks for `limit` at most, for ever where there is none.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    fn receive(&mut self, limit: Option<Duration>) -> Result<Reply, CallError>;

    /// Asks and returns the answer, while none other is due. Blocks for `limit` at most.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    fn ask(&mut self, request: &Request, limit: Duration) -> Result<Reply, CallError>;

    /// Whether it is the daemon.
    fn is_daemon(&self) -> bool;

    /// Asks all that `requests` brings and tells each answer, in order; `limit` is for each. Blocks until all is answered, or
    /// `told` breaks.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    fn ask_all(
        &mut self,
        requests: Requests,
        limit: Duration,
        told: &mut dyn FnMut(Mark, Reply) -> ControlFlow<()>,
    ) -> Result<(), CallError> {
        for (mark, request) in requests {
            if told(mark, self.ask(&request, limit)?).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Requests as they come.
pub(super) type Requests = Box<dyn Iterator<Item = (Mark, Request)> + Send>;

/// One of several requests.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mark {
    /// The line on which it stands, from 1 on.
    pub(super) line: u64,
    /// What its answer is to carry.
    pub(super) tag: Option<Json>,
}

impl Mark {
    /// What an answer has of it.
    pub(super) fn fields(&self) -> Map<String, Json> {
        let tag = self.tag.clone().map(|it| ("tag".to_owned(), it));
        [("line".to_owned(), self.line.into())].into_iter().chain(tag).collect()
    }
}

/// What a command finds around it.
pub(super) struct Surroundings<'a> {
    /// `--config`.
    pub(super) config: Option<&'a Path>,
    /// Variables and the like.
    pub(super) environment: &'a Environment,
}

impl Surroundings<'_> {
    /// The configuration, read now.
    ///
    /// # Errors
    ///
    /// [`Exit::Config`], where it is wrong; all that is was said.
    pub(super) fn load(&self) -> Result<Config, Exit> {
        Config::load(self.config, self.environment).map_err(|errors| {
            complain(format_args!("{errors}"));
            Exit::Config
        })
    }

    /// How the daemon is started: by systemd where that runs (sd_booted(3)), and not every machine has it.
    fn start(&self) -> &'static str {
        match self.environment.root().join("run/systemd/system").is_dir() {
            true => "to start it: sudo systemctl start luigi-mqtt",
            false => "to start it: luigi-mqtt run",
        }
    }

    /// Whether another configuration than that of the machine is meant.
    fn names_a_configuration(&self) -> bool {
        self.config.is_some() || self.environment.variable("MQTT_CONFIG_FILE").is_some()
    }
}

impl Agent for Caller {
    fn send(&mut self, request: &Request) -> Result<(), CallError> {
        Caller::send(self, request)
    }

    fn receive(&mut self, limit: Option<Duration>) -> Result<Reply, CallError> {
        Caller::receive(self, limit)
    }

    fn ask(&mut self, request: &Request, limit: Duration) -> Result<Reply, CallError> {
        Caller::ask(self, request, limit)
    }

    fn is_daemon(&self) -> bool {
        true
    }

    fn ask_all(
        &mut self,
        requests: Requests,
        limit: Duration,
        told: &mut dyn FnMut(Mark, Reply) -> ControlFlow<()>,
    ) -> Result<(), CallError> {
        Caller::ask_all(self, requests, limit, told)
    }
}

/// The daemon; or where it does not run, or `route` asks for it, a connection of our own.
///
/// # Errors
///
/// The exit code, where nobody can be reached; that was said.
pub(super) fn open(route: &Route, around: &Surroundings<'_>) -> Result<Box<dyn Agent>, Exit> {
    if let Some(caller) = daemon_unless_direct(route, around)? {
        return Ok(Box::new(caller));
    }
    direct::connect(around).inspect_err(|_| {
        if !route.direct {
            complain(format_args!("the daemon does not run either; {}", around.start()));
        }
    })
}

/// The daemon; `None` where it does not run, or `route` asks for another way.
///
/// # Errors
///
/// The exit code, where only the daemon will do, or it cannot be asked; that was said.
pub(super) fn daemon_unless_direct(route: &Route, around: &Surroundings<'_>) -> Result<Option<Caller>, Exit> {
    if route.direct {
        return Ok(None);
    }
    match find(&route.socket, around) {
        Ok(caller) => Ok(Some(caller)),
        Err(Missing::Call(CallError::Absent { .. }) | Missing::Off) if route.socket.socket.is_none() => {
            Ok(None)
        }
        Err(missing) => Err(missing.said(around)),
    }
}

/// The daemon.
///
/// # Errors
///
/// As [`open`]; [`Exit::Unavailable`] where it does not run.
pub(super) fn daemon(socket: &Socket, around: &Surroundings<'_>) -> Result<Caller, Exit> {
    find(socket, around).map_err(|it| it.said(around))
}

/// The daemon, if it runs and we may ask it; nothing is said.
pub(super) fn running(socket: &Socket, around: &Surroundings<'_>) -> Option<Caller> {
    find(socket, around).ok()
}

/// Why there is nobody to be asked.
#[derive(Debug)]
enum Missing {
    /// The configuration that would say where the socket is, is wrong; that was said.
    Configuration(Exit),
    /// The configuration wants no socket.
    Off,
    /// Nobody answers there.
    Call(CallError),
}

impl Missing {
    /// Says it, with what is to be done; returns the exit code.
    fn said(self, around: &Surroundings<'_>) -> Exit {
        match self {
            Missing::Configuration(exit) => exit,
            Missing::Off => {
                complain(format_args!(
                    "luigi-mqtt: the daemon has no socket: the configuration says [Socket] ENABLED=no"
                ));
                Exit::Unavailable
            }
            Missing::Call(error) => {
                complain(format_args!("luigi-mqtt: {}", Chain(&error)));
                match &error {
                    CallError::Absent { .. } => complain(format_args!("{}", around.start())),
                    CallError::Forbidden { path } => complain(format_args!(
                        "members of the group {0} may open it: sudo usermod -aG {0} \"$USER\", then log in again",
                        group_of(path)
                    )),
                    _ => {}
                }
                Exit::from(&error)
            }
        }
    }
}

/// Connects to the daemon. The configuration is read only where it has to be: where it is named, and where nobody answers at the
/// default place. So a mistake in it keeps nobody from publishing.
fn find(socket: &Socket, around: &Surroundings<'_>) -> Result<Caller, Missing> {
    let variable = || around.environment.variable(VARIABLE).map(PathBuf::from);
    if let Some(path) = socket.socket.clone().or_else(variable) {
        return Caller::connect(&path).map_err(Missing::Call);
    }
    if around.names_a_configuration() {
        let socket = around.load().map_err(Missing::Configuration)?.socket;
        return match socket.enabled {
            true => Caller::connect(&socket.path).map_err(Missing::Call),
            false => Err(Missing::Off),
        };
    }
    let default = Path::new(config::Socket::DEFAULT_PATH);
    let absent = match Caller::connect(default) {
        Err(absent @ CallError::Absent { .. }) => absent,
        other => return other.map_err(Missing::Call),
    };
    match Config::load(None, around.environment) {
        Ok(config) if !config.socket.enabled => Err(Missing::Off),
        Ok(config) if config.socket.path != default => {
            Caller::connect(&config.socket.path).map_err(Missing::Call)
        }
        _ => Err(Missing::Call(absent)),
    }
}

/// The group that may open the socket at `path`: where we may not even look, the one that it has by default.
fn group_of(path: &Path) -> String {
    let group = fs::metadata(path).ok().and_then(|it| Group::from_gid(it.gid().into()).ok()?);
    group.map_or_else(|| config::Socket::DEFAULT_GROUP.to_owned(), |it| it.name)
}

/// Beside what was asked to wait, how long an answer may take: from a daemon that is alive it comes in milliseconds, even of a
/// busy Pi Zero.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(20);

const VARIABLE: &str = "LUIGI_MQTT_SOCKET";
