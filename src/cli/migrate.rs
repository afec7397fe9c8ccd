//! `luigi-mqtt migrate`: what the next start removes from Home Assistant and moves, shown or done now.

use super::Exit;
use super::announced::{Announced, LIMIT, check_unused, not_delivered, not_noted};
use super::courier;
use super::say;
use super::wanted::{announcements, wanted};
use crate::client;
use crate::config::Config;
use crate::daemon::roster::Owners;
use crate::ledger::Plan;
use crate::ledger::Record;

/// Prints what the next start would remove and move; unless it is a `dry_run` does so now. Blocks for 30 s and the pauses at
/// most.
///
/// # Errors
///
/// The exit code, where it does not come to that; what is wrong was said.
pub(super) fn migrate(config: &Config, dry_run: bool) -> Result<(), Exit> {
    let Announced { mut ledger, presence } = Announced::open(config)?;
    let roster = wanted(config, &presence)?;
    let records = roster.records(&presence);
    let stays = |it: &Record| Owners(config).may_have(it);
    let plan = ledger.plan(&records, stays);
    if plan.is_empty() {
        say("nothing to remove and nothing to move");
        return Ok(());
    }
    plan.sentences.iter().for_each(|it| say(it));
    if dry_run {
        return Ok(());
    }
    check_unused(&ledger)?;
    let noted = ledger.intend(presence.topics.identity(), &records);
    noted.map_err(|error| not_noted("write", &error))?;
    let Plan { before: mut groups, after, .. } = plan;
    groups.extend([announcements(&roster, &presence), after]);
    let options = client::link_options(config, &presence);
    let delivered = courier::deliver(options, &groups, Plan::PAUSE, LIMIT);
    let follows = "the next start, or this command again, goes on from there";
    delivered.map_err(|error| not_delivered(&error, follows))?;
    ledger.settle(&records, stays).map_err(|error| not_noted("write", &error))
}
