//! Listening until somebody has heard enough, whoever comes and goes meanwhile: [`listen`].

use std::thread;
use std::time::{Duration, Instant};

use super::Exit;
use super::answer::{is_connected, lost};
use super::args::Route;
use super::complain;
use super::socket::{ANSWER_LIMIT, Agent, Surroundings, open, running};
use crate::ingest::CallError;
use crate::model::Chain;
use crate::protocol::Reply;
use crate::protocol::Request;
use crate::service::signal;

/// How listening to one of them has ended.
pub(super) enum End {
    /// For good.
    Over(Exit),
    /// The connection is lost, for that reason.
    Lost(String),
}

impl From<CallError> for End {
    fn from(error: CallError) -> End {
        match error {
            CallError::Lost(_) => End::Lost(Chain(&error).to_string()),
            other => End::Over(lost(&other)),
        }
    }
}

/// Has `hear` listen to whoever is found by `route`, and to the next one whenever the connection is lost, until it is over; Ctrl-C
/// ends the process. `None` where nobody could be reached when the time was over, at `until`.
///
/// A daemon that is lost is waited for, as long as a restart may take: by a connection of our own nothing would be missed
/// meanwhile, but it would be held beside the daemon's from then on.
pub(super) fn listen(
    route: &Route,
    around: &Surroundings<'_>,
    until: Option<Instant>,
    mut hear: impl FnMut(&mut dyn Agent) -> End,
) -> Option<Exit> {
    if let Err(cause) = signal::end_when_requested() {
        complain(format_args!("luigi-mqtt: cannot take note of Ctrl-C: {cause}"));
    }
    let mut agent = match open(route, around) {
        Ok(agent) => agent,
        Err(exit) => return Some(exit),
    };
    loop {
        if agent.is_daemon() {
            tell_if_down(&mut *agent);
        }
        match hear(&mut *agent) {
            End::Over(exit) => return Some(exit),
            End::Lost(why) => complain(format_args!("luigi-mqtt: {why}; trying again")),
        }
        let daemon_until = Instant::now() + if agent.is_daemon() { RESTART } else { Duration::ZERO };
        drop(agent);
        let mut pause = FIRST_PAUSE;
        agent = loop {
            let left = until.map(|it| it.saturating_duration_since(Instant::now()));
            thread::sleep(left.map_or(pause, |left| left.min(pause)));
            if left.is_some_and(|left| left <= pause) {
                return None;
            }
            let found = match Instant::now() < daemon_until {
                true => running(&route.socket, around)
                    .map(|it| Box::new(it) as Box<dyn Agent>)
                    .ok_or(Exit::Unavailable),
                false => {
                    pause = (2 * pause).min(LONGEST_PAUSE);
                    open(route, around)
                }
            };
            match found {
                Ok(agent) => break agent,
                Err(Exit::Unavailable) => {}
                Err(exit) => return Some(exit),
            }
        };
        complain(format_args!("luigi-mqtt: connected again"));
    }
}

/// Says so where the daemon waits for the broker: else somebody would wait and not know for what.
fn tell_if_down(daemon: &mut dyn Agent) {
    let Ok(Reply::Ok(_, fields)) = daemon.ask(&Request::Status, ANSWER_LIMIT) else { return };
    if is_connected(&fields) == Some(false) {
        complain(format_args!(
            "luigi-mqtt: the broker is not connected; what it has to tell comes as soon as it is"
        ));
    }
}

/// How long a daemon may take to be back: with its outputs in their safe state, its goodbye said, and its start.
const RESTART: Duration = Duration::from_secs(10);
/// Before the first attempt to connect again, doubling up to the longest where it is to the broker.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
