//! `luigi-mqtt subscribe`: what is published, as it comes.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json};

use super::Exit;
use super::answer::{refused, sentence};
use super::args::Subscribe;
use super::complain;
use super::listening::{End, listen};
use super::print;
use super::printable::spelt_out;
use super::socket::{ANSWER_LIMIT, Agent, Surroundings};
use super::table::{Look, Paint};
use crate::ingest::CallError;
use crate::model::Chain;
use crate::model::TopicFilter;
use crate::protocol::Reply;
use crate::protocol::Request;

/// Prints what `request` asks for until that is enough. A connection that is lost is made again.
pub(super) fn subscribe(request: &Subscribe, around: &Surroundings<'_>) -> Exit {
    let filters = match filters(&request.filters) {
        Ok(filters) => filters,
        Err(exit) => return exit,
    };
    let until = request.period.and_then(|it| Instant::now().checked_add(it));
    let mut listener = Listener { request, filters, until, printed: 0, paint: Paint::of_stdout() };
    let exit = listen(&request.route, around, until, |agent| listener.hear(agent));
    exit.unwrap_or_else(|| listener.out_of_time())
}

/// The filters that `texts` are, without those that another one covers: a message would come once for each.
///
/// # Errors
///
/// The exit code, where one is none; that was said.
fn filters(texts: &[String]) -> Result<Vec<TopicFilter>, Exit> {
    let mut filters: Vec<TopicFilter> = Vec::new();
    for text in texts {
        let filter = TopicFilter::new(text).map_err(|cause| {
            complain(format_args!("luigi-mqtt: {text:?} is no topic filter: {}", Chain(&cause)));
            Exit::Usage
        })?;
        if !filters.iter().any(|it| it.covers(&filter)) {
            filters.retain(|it| !filter.covers(it));
            filters.push(filter);
        }
    }
    Ok(filters)
}

/// What is listened to, and what came of it so far.
struct Listener<'a> {
    request: &'a Subscribe,
    filters: Vec<TopicFilter>,
    until: Option<Instant>,
    printed: u64,
    paint: Paint,
}

impl Listener<'_> {
    /// Subscribes and prints what comes, until it ends. Blocks as long as that takes.
    fn hear(&mut self, agent: &mut dyn Agent) -> End {
        let mut awaited: VecDeque<usize> = (0..self.filters.len()).collect();
        for filter in &self.filters {
            let request = Request::Subscribe { filter: filter.clone(), qos: self.request.qos };
            if let Err(error) = agent.send(&request) {
                return error.into();
            }
        }
        let mut numbers: BTreeMap<u64, usize> = BTreeMap::new();
        let mut quiet = Instant::now() + ANSWER_LIMIT;
        loop {
            let is_bound = !awaited.is_empty() || self.request.retained_only;
            let deadline = self.until.into_iter().chain(is_bound.then_some(quiet)).min();
            let limit = deadline.map(|it| it.saturating_duration_since(Instant::now()));
            match agent.receive(limit) {
                Ok(Reply::Ok(_, fields)) => {
                    let number = fields.get("subscription").and_then(Json::as_u64);
                    if let (Some(at), Some(number)) = (awaited.pop_front(), number) {
                        numbers.insert(number, at);
                    }
                    quiet = Instant::now() + if awaited.is_empty() { QUIET } else { ANSWER_LIMIT };
                }
                Ok(Reply::Event(_, Json::Object(message))) => {
                    let number = message.get("subscription").and_then(Json::as_u64);
                    let at = number.and_then(|it| numbers.get(&it)).copied();
                    if is_retained(&message) && awaited.is_empty() {
                        quiet = Instant::now() + QUIET;
                    }
                    if let Some(exit) = at.and_then(|at| self.take(at, &message)) {
                        return End::Over(exit);
                    }
                }
                Ok(Reply::Event(..)) => {}
                Ok(Reply::Failed(failure)) if !awaited.is_empty() => return End::Over(refused(&failure)),
                Ok(Reply::Failed(failure)) => return End::Lost(sentence(&failure)),
                Err(CallError::Silent(_)) if self.until.is_some_and(|it| it <= Instant::now()) => {
                    return End::Over(self.out_of_time());
                }
                Err(CallError::Silent(_)) if awaited.is_empty() && quiet <= Instant::now() => {
                    return End::Over(self.out_of_time());
                }
                Err(CallError::Silent(_)) if quiet > Instant::now() => {}
                Err(error) => return error.into(),
            }
        }
    }

    /// Prints `message`, which came for the filter at `at`, where it is wanted. Returns how to end, where that was enough.
    fn take(&mut self, at: usize, message: &Map<String, Json>) -> Option<Exit> {
        if let Some(dropped) = message.get("dropped").and_then(Json::as_u64) {
            complain(format_args!(
                "luigi-mqtt: {dropped} messages were dropped: they come faster than they are printed, or are too large"
            ));
        }
        let topic = message.get("topic").and_then(Json::as_str).unwrap_or_default();
        // Where filters overlap it comes for each of them.
        let is_first = self.filters.iter().position(|it| it.matches(topic)) == Some(at);
        let is_unwanted = match is_retained(message) {
            true => self.request.no_retained,
            false => self.request.retained_only,
        };
        if !is_first || is_unwanted {
            return None;
        }
        let line = match self.request.json {
            true => json(message),
            false => line(message, self.paint),
        };
        if !print(&format!("{line}\n")) {
            return Some(Exit::Ok);
        }
        self.printed += 1;
        self.request.count.is_some_and(|count| self.printed >= count).then_some(Exit::Ok)
    }

    fn out_of_time(&self) -> Exit {
        if self.request.count.is_some() { Exit::Timeout } else { Exit::Ok }
    }
}

fn is_retained(message: &Map<String, Json>) -> bool {
    message.get("retained") == Some(&Json::Bool(true))
}

/// The message for programs: topic, payload, and whether the broker kept it.
fn json(message: &Map<String, Json>) -> String {
    let is_wanted = |name: &str| ["topic", "payload", "payload_base64", "retained"].contains(&name);
    let fields = message.iter().filter(|(name, _)| is_wanted(name));
    Json::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect()).to_string()
}

/// The message for people, in one line that no terminal obeys.
fn line(message: &Map<String, Json>, paint: Paint) -> String {
    let text = |name: &str| message.get(name).and_then(Json::as_str);
    let topic = spelt_out(text("topic").unwrap_or_default());
    let look = if is_retained(message) { Look::Faint } else { Look::Heading };
    let topic = paint.paint(look, &topic);
    match (text("payload"), text("payload_base64")) {
        (Some(payload), _) => format!("{topic} {}", spelt_out(payload)),
        (None, Some(encoded)) => format!("{topic} {} (no text: base64)", spelt_out(encoded)),
        (None, None) => topic,
    }
}

/// Of what the broker keeps nothing is left when so long none of it has come.
const QUIET: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::io;

    use serde_json::json;

    use super::super::args::Route;
    use super::*;
    use crate::model::Qos;
    use crate::protocol::Code;
    use crate::protocol::Failure;

    fn message(fields: Json) -> Map<String, Json> {
        fields.as_object().unwrap().clone()
    }

    #[test]
    fn a_message_is_one_line_that_takes_over_no_terminal() {
        for (payload, expected) in [
            ("21.5 °C", "a/b 21.5 °C"),
            ("", "a/b "),
            ("one\ntwo\t\u{1b}[2J", r"a/b one\ntwo\t\u{1b}[2J"),
            ("\u{9b}31m\u{202e}c", r"a/b \u{9b}31m\u{202e}c"),
        ] {
            let message = message(json!({"topic": "a/b", "payload": payload, "retained": true}));
            assert_eq!(line(&message, Paint::none()), expected);
        }
        let binary = message(json!({"topic": "a\u{7f}", "payload_base64": "/wA=", "retained": false}));
        assert_eq!(line(&binary, Paint::none()), r"a\u{7f} /wA= (no text: base64)");
    }

    #[test]
    fn programs_are_told_what_came_and_nothing_of_how() {
        let message = message(
            json!({"topic": "a", "payload": "x\n", "retained": true, "subscription": 3, "dropped": 2}),
        );
        assert_eq!(json(&message), r#"{"payload":"x\n","retained":true,"topic":"a"}"#);
    }

    /// Somebody who answers as was written down.
    struct Scripted(VecDeque<Result<Reply, CallError>>);

    impl Agent for Scripted {
        fn send(&mut self, _: &Request) -> Result<(), CallError> {
            Ok(())
        }

        fn receive(&mut self, _: Option<Duration>) -> Result<Reply, CallError> {
            self.0.pop_front().unwrap_or_else(|| Err(CallError::Lost(io::ErrorKind::BrokenPipe.into())))
        }

        fn ask(&mut self, _: &Request, _: Duration) -> Result<Reply, CallError> {
            self.receive(None)
        }

        fn is_daemon(&self) -> bool {
            false
        }
    }

    #[test]
    fn listening_ends_when_it_is_enough_or_refused_and_begins_again_when_it_is_lost() {
        let subscribed =
            |number: u64| Ok(Reply::Ok("subscribed".to_owned(), message(json!({"subscription": number}))));
        let heard = |number: u64, topic: &str, retained: bool| {
            let content =
                json!({"subscription": number, "topic": topic, "payload": "", "retained": retained});
            Ok(Reply::Event("message".to_owned(), content))
        };
        let failed = |code: Code| Ok(Reply::Failed(Failure::new(code, "why")));
        let request = |count, retained_only, no_retained| Subscribe {
            filters: Vec::new(),
            qos: Qos::AtMostOnce,
            count,
            period: None,
            retained_only,
            no_retained,
            json: true,
            route: Route::default(),
        };
        for (request, script, expected) in [
            (
                request(Some(2), false, false),
                vec![subscribed(5), heard(5, "a/x", true), subscribed(7), heard(7, "x/b", false)],
                (Some(Exit::Ok), 2),
            ),
            // It matches both filters, and comes for each.
            (
                request(Some(2), false, false),
                vec![subscribed(5), subscribed(7), heard(7, "a/b", false), heard(5, "a/b", false)],
                (None, 1),
            ),
            (
                request(None, true, false),
                vec![subscribed(5), subscribed(7), heard(5, "a/b", false), heard(5, "a/c", true)],
                (None, 1),
            ),
            (
                request(None, false, true),
                vec![subscribed(5), subscribed(7), heard(5, "a/b", false), heard(5, "a/c", true)],
                (None, 1),
            ),
            (
                request(None, false, false),
                vec![subscribed(5), failed(Code::Forbidden)],
                (Some(Exit::Forbidden), 0),
            ),
            (request(None, false, false), vec![subscribed(5), subscribed(7), failed(Code::Ended)], (None, 0)),
            (
                request(None, false, false),
                vec![subscribed(5), Err(CallError::Strange("what".to_owned()))],
                (Some(Exit::Protocol), 0),
            ),
        ] {
            let filters = ["a/+", "+/b"].map(|it| TopicFilter::new(it).unwrap()).into();
            let mut listener =
                Listener { request: &request, filters, until: None, printed: 0, paint: Paint::none() };
            let exit = match listener.hear(&mut Scripted(script.into())) {
                End::Over(exit) => Some(exit),
                End::Lost(_) => None,
            };
            assert_eq!((exit, listener.printed), expected, "{request:?}");
        }
    }

    #[test]
    fn a_filter_that_another_covers_is_not_asked_for() {
        let filters = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|it| it.to_string()).collect();
            super::filters(&texts).map(|it| it.iter().map(|it| it.as_str().to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(filters(&["a/b", "a/#", "a/+", "c", "c"]), Ok(vec!["a/#".into(), "c".into()]));
        assert_eq!(filters(&["a/+", "+/b"]), Ok(vec!["a/+".into(), "+/b".into()]));
        assert_eq!(filters(&["a", "b/#/c"]), Err(Exit::Usage));
    }
}
