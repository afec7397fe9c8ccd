//! `luigi-mqtt migrate`: what the next start removes from Home Assistant and moves, shown or done now.

use super::Exit;
use super::announced::{Announced, LIMIT, not_delivered, say, unusable};
use super::complain;
use super::courier;
use super::wanted::{announcements, wanted};
use crate::client;
use crate::config::Config;
use crate::daemon::roster::Owners;
use crate::ledger::Plan;

/// Prints what the next start would remove and move; unless it is a `dry_run` does so now. Blocks for 30 s and the pauses at
/// most.
pub(super) fn migrate(config: &Config, dry_run: bool) -> Exit {
    let Announced { mut ledger, presence } = match Announced::open(config) {
        Ok(announced) => announced,
        Err(exit) => return exit,
    };
    let roster = match wanted(config, &presence) {
        Ok(roster) => roster,
        Err(exit) => return exit,
    };
    let records = roster.records(&presence);
    let stays = |owner: &str| Owners(config).may_have_more(owner);
    let plan = ledger.plan(&records, stays);
    if plan.is_empty() {
        say("nothing to remove and nothing to move");
        return Exit::Ok;
    }
    plan.sentences.iter().for_each(|it| say(it));
    if dry_run {
        return Exit::Ok;
    }
    if let Some(exit) = unusable(&ledger) {
        return exit;
    }
    if let Err(error) = ledger.intend(presence.topics.identity(), &records) {
        complain(format_args!("luigi-mqtt: cannot write the ledger: {error}"));
        return Exit::System;
    }
    let Plan { before: mut groups, after, .. } = plan;
    groups.extend([announcements(&roster, &presence), after]);
    let options = client::link_options(config, &presence);
    if let Err(error) = courier::deliver(options, &groups, Plan::PAUSE, LIMIT) {
        return not_delivered(&error, "the next start, or this command again, goes on from there");
    }
    match ledger.settle(&records, stays) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            complain(format_args!("luigi-mqtt: cannot write the ledger: {error}"));
            Exit::System
        }
    }
}
