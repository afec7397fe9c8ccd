//! `luigi-mqtt check`: what is configured, what would be announced, and whether the broker takes it.

use std::time::{Duration, SystemTime};

use super::Exit;
use super::complain;
use super::origin::{missing, origin};
use super::say;
use super::wanted::gathered;
use crate::bridge::Presence;
use crate::client;
use crate::config::Config;
use crate::daemon::roster::PRODUCERS;
use crate::daemon::roster::Roster;
use crate::entity::Entity;
use crate::entity::Topics;
use crate::link::Outcome;
use crate::link::Site;
use crate::link::Step;
use crate::link::check_files;
use crate::link::probe;
use crate::model::Chain;
use crate::model::Topic;

/// Prints the configuration's warnings and every entity that would be announced; with `connect` goes on to
/// the broker. Every problem is printed, not the first alone.
pub(super) fn check(config: &Config, connect: bool) -> Exit {
    let presence = match client::presence(config) {
        Ok(presence) => presence,
        Err(error) => {
            complain(format_args!("luigi-mqtt: {}", Chain(&error)));
            return Exit::Config;
        }
    };
    match &config.path {
        Some(path) => say(&format!("configuration: {}, no errors", path.display())),
        None => say("configuration: no file, all default"),
    }
    for warning in &config.warnings {
        say(&format!("warning: {warning}"));
    }
    if let Some(Err(problem)) = config.broker.tls.as_ref().map(|it| check_files(it, SystemTime::now())) {
        say(&format!("warning: {}", Chain(&problem)));
    }
    let roster = match gathered(config, &presence) {
        Ok(roster) => roster,
        Err(exit) => return exit,
    };
    for problem in &roster.problems {
        say(&format!("warning: {problem}"));
    }
    for problem in config.declared.iter().flat_map(|it| missing(it, &config.host.root)) {
        say(&format!("warning: {problem}"));
    }
    let entities: Vec<&Entity> = roster.entities().collect();
    let refused = entities.iter().filter_map(|it| presence.check(it).err());
    let refusals = refused.map(|error| complain(format_args!("{error}"))).count();
    say(&announced(&presence, config, &roster));
    if refusals > 0 {
        return Exit::Config;
    }
    match connect && !reachable(config, &presence) {
        true => Exit::Unavailable,
        false => Exit::Ok,
    }
}

/// The entities as a table, those that sections or descriptors describe with what that says of their values.
fn announced(presence: &Presence, config: &Config, roster: &Roster) -> String {
    let device = &presence.device;
    let mut text = format!("\ndevice: {} ({}, {})\n", device.name, device.manufacturer, device.model);
    let rows = roster.members.iter().map(|(owner, it)| {
        let declared = config.declared.iter().find(|it| it.section == *owner);
        let is_described = roster.described.iter().any(|(_, described)| described.id() == it.id());
        let origin = match declared {
            Some(declared) => origin(declared),
            None if is_described => owner.clone(),
            None if owner == PRODUCERS => "registered by a program".to_owned(),
            None => String::new(),
        };
        // A button has no state: what it has is presses.
        let of = if it.has_states() { Topics::state } else { Topics::command };
        [
            it.name().to_owned(),
            it.unit().unwrap_or_default().to_owned(),
            of(&presence.topics, it.id()).to_string(),
            origin,
        ]
    });
    let rows: Vec<[String; 4]> = rows.collect();
    let width = |column: usize| rows.iter().map(|it| it[column].chars().count()).max().unwrap_or(0);
    let (names, units, topics) = (width(0), width(1), width(2));
    for [name, unit, topic, origin] in &rows {
        let row = format!("  {name:names$}  {unit:units$}  {topic:topics$}  {origin}");
        text += &format!("{}\n", row.trim_end());
    }
    text + &format!("{} entities would be announced\n", rows.len())
}

/// Tries each broker step by step. Returns whether no step fails at any of them.
pub(super) fn reachable(config: &Config, presence: &Presence) -> bool {
    let mut last = None;
    each_step(config, presence, |site, step, outcome| {
        if last.as_ref() != Some(site) {
            match site.is_only() {
                true => say("to the broker:"),
                false => say(&format!("to the broker at {site}:")),
            }
            last = Some(site.clone());
        }
        let (mark, text) = match outcome {
            Outcome::Well(detail) => ("ok", detail),
            Outcome::Unsure(detail) => ("??", detail),
            Outcome::Failed(reason) => ("NO", reason),
        };
        say(&format!("  {mark}  {step}: {text}"));
    })
}

/// The same, where each step is `told`.
pub(super) fn each_step(
    config: &Config,
    presence: &Presence,
    mut told: impl FnMut(&Site, Step, &Outcome),
) -> bool {
    let options = client::link_options(config, presence);
    let topics = probe_topics(config, presence);
    let mut well = true;
    for site in options.sites() {
        well &=
            probe(&options, &site, &topics, &presence.birth_topic, HOME_ASSISTANT_WAIT, |step, outcome| {
                told(&site, step, outcome);
            });
    }
    well
}

/// Where to try to publish: beside the states and beside the discovery payloads, for a broker may allow one and not
/// the other. Nobody subscribes to either: Home Assistant reads below its prefix only what ends in `config`.
fn probe_topics(config: &Config, presence: &Presence) -> Vec<Topic> {
    let beside_states = config.topics.state.join("check");
    let node = presence.topics.node();
    let beside_discovery = config.topics.discovery_prefix.join(&format!("sensor/{node}/check"));
    [beside_states, beside_discovery].into_iter().flatten().collect()
}

/// How long to listen for Home Assistant's birth message.
const HOME_ASSISTANT_WAIT: Duration = Duration::from_secs(2);
