//! Doing what the daemon does for commands, by a connection of our own: [`connect`].

mod due;
mod house;
mod line;
mod reading;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use serde_json::json;

use super::Exit;
use super::complain;
use super::socket::{Agent, Mark, Requests, Surroundings};
use crate::config::Config;
use crate::ingest::CallError;
use crate::link::LinkError;
use crate::model::Chain;
use crate::model::Incoming;
use crate::model::Message;
use crate::model::Qos;
use crate::model::Topic;
use crate::model::TopicFilter;
use crate::protocol;
use crate::protocol::Code;
use crate::protocol::Failure;
use crate::protocol::Reply;
use crate::protocol::Request;

use due::{Awaited, Due, ok};
use house::House;
use line::{Line, News, NoLine};
use reading::Sensors;

/// A connection to the broker as the configuration says. Blocks until it stands, as long as one attempt at each broker may take.
///
/// # Errors
///
/// The exit code, where there is none; that was said.
pub(super) fn connect(around: &Surroundings<'_>) -> Result<Box<dyn Agent>, Exit> {
    let config = around.load()?;
    match Line::open(&config) {
        Ok(line) => Ok(Box::new(Direct::new(config, line))),
        Err(NoLine::Broker(cause)) => {
            complain(format_args!("luigi-mqtt: {}", Chain(&cause)));
            Err(Exit::Unavailable)
        }
        Err(NoLine::System(cause)) => {
            complain(format_args!("luigi-mqtt: cannot start the link thread: {cause}"));
            Err(Exit::System)
        }
    }
}

/// Answers as the daemon does, by a connection of its own. What only a daemon can do is refused, with what to do instead.
///
/// Nobody goes on when it is gone: so a reading and a message are answered when the broker has acknowledged them, whether or not
/// that is waited for.
struct Direct {
    config: Config,
    /// `None` once it is lost.
    line: Option<Line>,
    /// Why it is lost, and whether that was told without being asked.
    cause: (String, bool),
    sensors: Option<Sensors>,
    house: Option<House>,
    subscriptions: BTreeMap<u64, TopicFilter>,
    /// How many subscriptions there were so far.
    last: u64,
    /// What the broker has answered about filters that somebody waits for.
    granted: BTreeMap<TopicFilter, bool>,
    /// Answers that are due, in order.
    due: VecDeque<Due>,
    messages: VecDeque<(u64, Incoming)>,
    /// Of which topics each subscription has had what the broker keeps: it comes again with each filter that matches.
    kept: BTreeSet<(u64, Topic)>,
    /// How many messages had to go because nobody took them.
    dropped: u64,
}

impl Direct {
    fn new(config: Config, line: Line) -> Direct {
        Direct {
            config,
            line: Some(line),
            cause: (String::new(), false),
            sensors: None,
            house: None,
            subscriptions: BTreeMap::new(),
            last: 0,
            granted: BTreeMap::new(),
            due: VecDeque::new(),
            messages: VecDeque::new(),
            kept: BTreeSet::new(),
            dropped: 0,
        }
    }

    /// Begins to carry out `request`. Returns what its answer waits for, and for how long.
    fn begin(&mut self, request: &Request) -> Result<(Awaited, Duration), Failure> {
        let now = Instant::now();
        let awaited = match request {
            Request::Hello => {
                let version = env!("CARGO_PKG_VERSION");
                ok("hello", json!({ "protocol": protocol::VERSION, "version": version, "direct": true }))
            }
            Request::Reading { entity, value, attributes, available, wait } => {
                let sensors = self.sensors()?;
                let messages = sensors.telling(entity, value.as_ref(), attributes.as_ref(), *available)?;
                return self.publish(messages, wait.unwrap_or(LIMIT));
            }
            Request::Publish { topic, payload, qos, retain, wait, .. } => {
                let message = Message {
                    topic: topic.clone(),
                    payload: payload.as_slice().into(),
                    qos: qos.unwrap_or(self.config.client.qos),
                    retain: *retain,
                };
                return self.publish(vec![message], wait.unwrap_or(LIMIT));
            }
            Request::Subscribe { filter, qos } => {
                self.line()?.subscribe(filter.clone(), *qos);
                self.last += 1;
                self.subscriptions.insert(self.last, filter.clone());
                Awaited::Subscription { number: self.last, filter: filter.clone() }
            }
            Request::Unsubscribe { subscription } => {
                let unknown = || Failure::new(Code::Field, "no subscription has that number");
                let filter = self.subscriptions.remove(subscription).ok_or_else(unknown)?;
                if !self.subscriptions.values().any(|it| *it == filter) {
                    self.line()?.unsubscribe(filter);
                }
                ok("unsubscribed", json!({}))
            }
            Request::Devices { .. } => self.listen(Awaited::Devices, now)?,
            Request::Watch => self.listen(Awaited::Watch, now)?,
            Request::Get { entity } => self.listen(Awaited::Device { entity: entity.clone() }, now)?,
            Request::Set { entity, value } => {
                let (entity, wanted) = (entity.clone(), value.clone());
                self.listen(Awaited::Setting { entity, wanted }, now)?
            }
            Request::Register { .. } | Request::Unregister { .. } => {
                return Err(only_the_daemon("entities are registered with the daemon")
                    .expected("it to be started, or a section with SOURCE=socket"));
            }
            Request::Status | Request::Reload => {
                return Err(only_the_daemon("the daemon is not asked").expected("no --direct"));
            }
        };
        Ok((awaited, LIMIT))
    }

    fn sensors(&mut self) -> Result<&mut Sensors, Failure> {
        match &mut self.sensors {
            Some(sensors) => Ok(sensors),
            none => Ok(none.insert(Sensors::gather(&self.config)?)),
        }
    }

    fn line(&mut self) -> Result<&mut Line, Failure> {
        match &mut self.line {
            Some(line) => Ok(line),
            None => Err(Failure::new(Code::NotConnected, &self.cause.0)),
        }
    }

    fn publish(&mut self, messages: Vec<Message>, limit: Duration) -> Result<(Awaited, Duration), Failure> {
        self.connect_again();
        let topic = messages.first().map(|it| it.topic.clone());
        let tokens = self.line()?.publish(messages);
        Ok((Awaited::Delivery { tokens, topic, limit }, limit))
    }

    /// Begins to listen to what others announce, if that has not begun, for `awaited`.
    fn listen(&mut self, awaited: Awaited, now: Instant) -> Result<Awaited, Failure> {
        if self.house.is_none() {
            let (house, filters) = House::new(self.sensors()?.presence(), now);
            let line = self.line()?;
            filters.into_iter().for_each(|it| line.subscribe(it, Qos::AtLeastOnce));
            self.house = Some(house);
        }
        Ok(awaited)
    }

    /// The next event, if there is one.
    fn event(&mut self, now: Instant) -> Option<Reply> {
        if let Some((number, incoming)) = self.messages.pop_front() {
            let dropped = std::mem::take(&mut self.dropped);
            return Some(Reply::Event("message".to_owned(), protocol::message(number, &incoming, dropped)));
        }
        let news = self.house.as_mut()?.news(now)?;
        Some(Reply::Event("device".to_owned(), news))
    }

    /// Waits for what happens next on the connection, until `deadline` where there is one. Returns whether anything did.
    fn turn(&mut self, deadline: Option<Instant>) -> bool {
        let Some(line) = &mut self.line else { return false };
        let Some(news) = line.next(deadline) else { return false };
        let now = Instant::now();
        match news {
            News::Progress => {}
            News::Received(incoming) => {
                if let Some(house) = &mut self.house {
                    let (listen, ignore) = house.receive(&incoming, now);
                    listen.into_iter().for_each(|(filter, qos)| line.subscribe(filter, qos));
                    ignore.into_iter().for_each(|filter| line.unsubscribe(filter));
                }
                for (number, filter) in &self.subscriptions {
                    let copy = (*number, incoming.topic.clone());
                    let is_again = incoming.retained && self.kept.contains(&copy);
                    if is_again || !filter.matches(incoming.topic.as_str()) {
                        continue;
                    }
                    if incoming.retained && self.subscriptions.len() > 1 && self.kept.len() < MOST_KEPT {
                        self.kept.insert(copy);
                    }
                    self.messages.push_back((*number, incoming.clone()));
                }
                while self.messages.len() > MOST_MESSAGES {
                    self.messages.pop_front();
                    self.dropped += 1;
                }
            }
            News::Subscribed(filters) => {
                self.house.iter_mut().for_each(|it| it.answered(now));
                let is_wanted = |it: &TopicFilter| self.subscriptions.values().any(|filter| filter == it);
                let (wanted, of_house): (Vec<_>, Vec<_>) =
                    filters.into_iter().partition(|(it, _)| is_wanted(it));
                for (filter, _) in of_house.iter().filter(|(_, is_granted)| !is_granted) {
                    complain(format_args!("luigi-mqtt: the broker refuses the subscription to {filter}"));
                }
                self.granted.extend(wanted);
            }
            News::Ended(cause) => self.end(&cause),
        }
        true
    }

    /// The connection is lost, with all that the broker had not acknowledged.
    fn end(&mut self, cause: &LinkError) {
        self.cause.0 = Chain(cause).to_string();
        let Some(line) = self.line.take() else { return };
        for mut due in std::mem::take(&mut self.due) {
            if let Awaited::Delivery { tokens, topic, .. } = &due.answer {
                due.answer = match line.is_delivered(tokens) {
                    true => ok("delivered", json!({})),
                    false => Awaited::Nothing(Box::new(Reply::Failed(self.lost(topic.as_ref())))),
                };
            }
            self.due.push_back(due);
        }
    }

    /// Connects again for what is to be published, where nobody listens who would have missed something.
    fn connect_again(&mut self) {
        let is_listening = self.house.is_some() || !self.subscriptions.is_empty();
        if self.line.is_some() || is_listening {
            return;
        }
        match Line::open(&self.config) {
            Ok(line) => self.line = Some(line),
            Err(NoLine::Broker(cause)) => self.cause.0 = Chain(&cause).to_string(),
            Err(NoLine::System(cause)) => self.cause.0 = format!("cannot start the link thread: {cause}"),
        }
    }
}

impl Agent for Direct {
    fn send(&mut self, request: &Request) -> Result<(), CallError> {
        while self.line.as_ref().is_some_and(Line::is_behind) {
            self.turn(None);
        }
        let begun = self.begin(request);
        let (answer, limit) =
            begun.unwrap_or_else(|failure| (Awaited::Nothing(Box::new(Reply::Failed(failure))), LIMIT));
        self.due.push_back(Due { answer, deadline: Instant::now() + limit });
        Ok(())
    }

    fn receive(&mut self, limit: Option<Duration>) -> Result<Reply, CallError> {
        let until = limit.and_then(|limit| Instant::now().checked_add(limit));
        loop {
            let now = Instant::now();
            if let Some(reply) = self.answer(now) {
                return Ok(reply);
            }
            if self.due.is_empty() {
                if let Some(event) = self.event(now) {
                    return Ok(event);
                }
                if self.line.is_none() {
                    if !std::mem::replace(&mut self.cause.1, true) {
                        return Ok(Reply::Failed(self.lost(None)));
                    }
                    return Err(CallError::Lost(io::ErrorKind::ConnectionAborted.into()));
                }
            }
            if until.is_some_and(|it| it <= now) {
                return Err(CallError::Silent(limit.unwrap_or_default()));
            }
            let settles = self.settles().filter(|it| *it > now);
            let due = self.due.front().map(|it| it.deadline).filter(|it| *it > now);
            self.turn(until.into_iter().chain(due).chain(settles).min());
        }
    }

    fn ask(&mut self, request: &Request, limit: Duration) -> Result<Reply, CallError> {
        self.send(request)?;
        self.receive(Some(limit))
    }

    fn is_daemon(&self) -> bool {
        false
    }

    fn ask_all(
        &mut self,
        requests: Requests,
        limit: Duration,
        told: &mut dyn FnMut(Mark, Reply) -> ControlFlow<()>,
    ) -> Result<(), CallError> {
        let (feed, fed) = bounded(AT_ONCE);
        // Left to end by itself: it may wait for somebody to type.
        thread::Builder::new()
            .name("requests".to_owned())
            .spawn(move || requests.into_iter().all(|it| feed.send(it).is_ok()))
            .map_err(CallError::Lost)?;
        let mut marks = VecDeque::new();
        loop {
            while marks.len() < AT_ONCE {
                // What is due is not kept waiting for what is still to come.
                let next = if marks.is_empty() { fed.recv().ok() } else { fed.try_recv().ok() };
                let Some((mark, request)) = next else { break };
                self.send(&request)?;
                marks.push_back(mark);
            }
            let Some(mark) = marks.pop_front() else { return Ok(()) };
            if told(mark, self.receive(Some(limit))?).is_break() {
                return Ok(());
            }
        }
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        if let Some(line) = self.line.take() {
            line.close();
        }
    }
}

fn only_the_daemon(reason: &str) -> Failure {
    Failure::new(Code::NotConnected, reason)
}

/// How long the broker has for an answer, unless told otherwise.
const LIMIT: Duration = Duration::from_secs(10);
/// How many of several requests are under way at once.
const AT_ONCE: usize = 64;
/// Messages that wait for whoever has subscribed; beyond that the oldest go, and are counted.
const MOST_MESSAGES: usize = 1_024;
/// Of so many topics it is known that what the broker keeps has come; of others it may come again.
const MOST_KEPT: usize = 16_384;
