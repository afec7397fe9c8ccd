//! `luigi-mqtt ghosts`: what is announced to Home Assistant and has no living owner, and how to be rid of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Exit;
use super::announced::{Announced, check_permitted};
use super::args::Ghosts;
use super::complain;
use super::print;
use super::printable::printable;
use super::question::agreed;
use super::say;
use super::table::{Align, Paint, Table};
use super::wanted::wanted;
use crate::client;
use crate::config::Config;
use crate::daemon::roster::Owners;
use crate::ghost::Ghost;
use crate::ghost::Hearing;
use crate::ghost::Ours;
use crate::ghost::Remembered;
use crate::link::Heard;
use crate::link::LinkError;
use crate::link::Options;
use crate::link::Visit;
use crate::model::Chain;
use crate::model::Topic;
use crate::model::TopicFilter;

/// Lists ghosts, and removes some where that is wished. The connection is one of its own, beside the daemon's.
pub(super) fn ghosts(config: &Config, request: &Ghosts) -> Exit {
    let announced = match Announced::look(config) {
        Ok(announced) => announced,
        Err(exit) => return exit,
    };
    if let Err(exit) = check_permitted(&announced.ledger) {
        return exit;
    }
    let ours = match ours(config, &announced) {
        Ok(ours) => ours,
        Err(exit) => return exit,
    };
    let presence = &announced.presence;
    let options = client::link_options(config, presence);
    let listen = Duration::from_secs(request.listen.into());
    let hearing = match hear(&options, presence.topics.discovery_prefix(), listen) {
        Ok(hearing) => hearing,
        Err(error) => return unavailable(&error),
    };
    let now = OffsetDateTime::now_utc();
    let ghosts = hearing.ghosts(&ours, Instant::now(), now);
    match request.json {
        true => say(&json(&ghosts, now)),
        false => _ = print(&table(&ghosts, now)),
    }
    match request.clear {
        true => clear(&options, request, &ghosts),
        false => Exit::Ok,
    }
}

/// What a broker keeps of announcements, and what is said for as long as `listen` after the last subscription.
fn hear(options: &Options, prefix: &Topic, listen: Duration) -> Result<Hearing, LinkError> {
    let mut hearing = Hearing::new(prefix);
    let mut visit = Visit::begin(options, WORD)?;
    let mut wanted: VecDeque<TopicFilter> = hearing.filters().iter().cloned().collect();
    let mut is_asking = false;
    let at_most = Instant::now() + listen + LONGEST;
    let mut deadline = Instant::now() + listen;
    loop {
        if !is_asking && !wanted.is_empty() {
            let some: Vec<TopicFilter> = wanted.drain(..wanted.len().min(AT_ONCE)).collect();
            visit.subscribe(&some);
            is_asking = true;
        }
        match visit.next_until(deadline.min(at_most))? {
            Some(Heard::Message(message)) => wanted.extend(hearing.receive(&message, Instant::now())),
            Some(Heard::Subscribed { refused }) => {
                is_asking = false;
                deadline = Instant::now() + listen;
                if refused > 0 {
                    complain(format_args!(
                        "the broker refused {refused} subscriptions: check what it allows this user"
                    ));
                    hearing.miss();
                }
            }
            None => break,
        }
    }
    if is_asking || !wanted.is_empty() {
        complain(format_args!("not all topics could be listened to in time: some ghosts may be missing"));
        hearing.miss();
    }
    visit.end();
    Ok(hearing)
}

/// Removes what `request` asks for of `ghosts`, after a question.
fn clear(options: &Options, request: &Ghosts, ghosts: &[Ghost]) -> Exit {
    let is_listed = |it: &&String| ghosts.iter().any(|ghost| ghost.topic.as_str() == **it);
    if let Some(other) = request.topics.iter().find(|it| !is_listed(it)) {
        complain(format_args!(
            "luigi-mqtt: {other:?} is none of the ghosts that were found; nothing was removed"
        ));
        return Exit::Usage;
    }
    let is_chosen = |ghost: &&Ghost| match request.topics.as_slice() {
        [] => ghost.is_certain(),
        topics => topics.iter().any(|it| it == ghost.topic.as_str()),
    };
    let chosen: Vec<&Ghost> = ghosts.iter().filter(is_chosen).collect();
    // Announcements first: nobody reads the rest any more then.
    let announcements = chosen.iter().map(|it| &it.topic);
    let residue: BTreeSet<&Topic> = chosen.iter().flat_map(|it| &it.residue).collect();
    let topics: Vec<&Topic> = announcements.chain(residue).collect();
    if topics.is_empty() {
        complain(format_args!("nothing that is certain to remove; what is named is removed all the same"));
        return Exit::Ok;
    }
    complain(format_args!("to be removed from the broker:"));
    for topic in &topics {
        complain(format_args!("  {}", printable(topic.as_str())));
    }
    if !request.yes {
        match agreed("Home Assistant forgets what was announced there. Remove?") {
            Ok(true) => {}
            Ok(false) => {
                complain(format_args!("nothing was removed"));
                return Exit::Ok;
            }
            Err(exit) => return exit,
        }
    }
    match remove(options, &topics) {
        Ok(left) if left.is_empty() => {
            complain(format_args!("removed"));
            Exit::Ok
        }
        Ok(left) => {
            for topic in left {
                let topic = printable(topic.as_str());
                let advice = "check that it allows this user to publish there";
                complain(format_args!("the broker still keeps {topic}: {advice}"));
            }
            Exit::Unavailable
        }
        Err(error) => unavailable(&error),
    }
}

/// Has the broker keep nothing on `topics`, and returns those on which it still does: in MQTT 3.1.1 a broker acknowledges
/// also what it throws away.
fn remove(options: &Options, topics: &[&Topic]) -> Result<Vec<Topic>, LinkError> {
    let mut visit = Visit::begin(options, WORD)?;
    topics.iter().try_for_each(|topic| visit.clear(topic))?;
    let mut left = Vec::new();
    for some in topics.chunks(AT_ONCE) {
        let filters: Vec<TopicFilter> = some.iter().map(|it| TopicFilter::from((*it).clone())).collect();
        visit.subscribe(&filters);
        let mut deadline = Instant::now() + options.client.connection_timeout;
        while let Some(heard) = visit.next_until(deadline)? {
            match heard {
                Heard::Message(it) if it.retained && !left.contains(&it.topic) => left.push(it.topic),
                Heard::Message(_) => {}
                // What is kept comes at once.
                Heard::Subscribed { .. } => deadline = Instant::now() + KEPT_COMES,
            }
        }
    }
    visit.end();
    Ok(left)
}

/// What `config` has announced now, and what the ledger knows of.
fn ours(config: &Config, announced: &Announced) -> Result<Ours, Exit> {
    let Announced { ledger, presence } = announced;
    let topics = &presence.topics;
    let mut present: BTreeSet<Topic> =
        wanted(config, presence)?.records(presence).into_iter().map(|it| it.config).collect();
    let mut remembered: BTreeMap<Topic, Remembered> = BTreeMap::new();
    for it in ledger.records() {
        if Owners(config).may_have(it) {
            present.insert(it.config.clone());
        }
        let known = remembered.entry(it.config.clone()).or_default();
        known.since.clone_from(&it.since);
        known.retained.extend(it.retained.iter().filter(|topic| *topic != topics.availability()).cloned());
    }
    let (identity, node) = (topics.identity().clone(), topics.node().clone());
    Ok(Ours { identity, node, availability: topics.availability().clone(), present, remembered })
}

/// The ghosts for people, a line each.
fn table(ghosts: &[Ghost], now: OffsetDateTime) -> String {
    if ghosts.is_empty() {
        return "no ghosts: whatever is announced has an owner, or may well have one\n".to_owned();
    }
    let mut table = Table::new(["", "LAST SIGN", "NAME", "WHY", "TOPIC"].map(|it| (it, Align::Left)));
    for it in ghosts {
        let sure = if it.is_certain() { "certain" } else { "perhaps" };
        let age = it.last_sign.map_or("unknown".to_owned(), |sign| spell_age(now - sign));
        let name: String = it.name.chars().take(NAME_CHARS).collect();
        table.row([
            sure.into(),
            age.into(),
            name.into(),
            it.reason.to_string().into(),
            it.topic.as_str().into(),
        ]);
    }
    table.text(Paint::of_stdout())
}

/// The ghosts for programs.
fn json(ghosts: &[Ghost], now: OffsetDateTime) -> String {
    /// One of them.
    #[derive(Serialize)]
    struct Shown<'a> {
        topic: &'a str,
        name: &'a str,
        origin: Option<&'a str>,
        entities: usize,
        certain: bool,
        reason: &'static str,
        last_sign: Option<String>,
        age_seconds: Option<i64>,
        residue: Vec<&'a str>,
    }
    let shown: Vec<Shown<'_>> = ghosts
        .iter()
        .map(|it| Shown {
            topic: it.topic.as_str(),
            name: &it.name,
            origin: it.origin.as_deref(),
            entities: it.entities,
            certain: it.is_certain(),
            reason: it.reason.word(),
            last_sign: it.last_sign.and_then(|sign| sign.format(&Rfc3339).ok()),
            age_seconds: it.last_sign.map(|sign| (now - sign).whole_seconds()),
            residue: it.residue.iter().map(Topic::as_str).collect(),
        })
        .collect();
    serde_json::to_string_pretty(&shown).expect("structs of texts and numbers always serialize")
}

/// How long ago, roughly. A clock that is not set yet makes it nothing.
fn spell_age(age: time::Duration) -> String {
    match age.whole_minutes() {
        ..=0 => "now".to_owned(),
        minutes @ ..120 => format!("{minutes} min ago"),
        minutes @ ..2_880 => format!("{} h ago", minutes / 60),
        minutes => format!("{} d ago", minutes / 1_440),
    }
}

fn unavailable(error: &LinkError) -> Exit {
    complain(format_args!("luigi-mqtt: {}", Chain(error)));
    Exit::Unavailable
}

/// Behind the client identifier.
const WORD: &str = "-ghosts";
/// Whoever announces without an end is listened to no longer than this beyond what was asked for.
const LONGEST: Duration = Duration::from_secs(120);
/// Filters in one SUBSCRIBE: of a hundred bytes each it is a small packet.
const AT_ONCE: usize = 100;
/// How long what a broker keeps takes to come after its answer to a SUBSCRIBE.
const KEPT_COMES: Duration = Duration::from_millis(500);
/// Of a name in the table.
const NAME_CHARS: usize = 40;
