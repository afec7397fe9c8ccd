//! `luigi-mqtt migrate`: what the next start removes from Home Assistant and moves, shown or done now.

use super::Exit;
use super::announced::{Announced, LIMIT, check_unused, not_delivered, not_noted};
use super::courier;
use super::say;
use super::wanted::{announcements, wanted};
use crate::client;
use crate::config::Config;
use crate::daemon::roster::Owners;
use crate::daemon::roster::PRODUCERS;
use crate::ledger::Plan;
use crate::ledger::Record;
use crate::model::ObjectId;

/// Prints what the next start would remove and move; unless it is a `dry_run` does so now. Blocks for 30 s and the pauses at
/// most.
///
/// # Errors
///
/// The exit code, where it does not come to that; what is wrong was said.
pub(super) fn migrate(config: &Config, dry_run: bool) -> Result<(), Exit> {
    carry_out(
        config,
        Announced::open(config)?,
        |it| Owners(config).may_have(it),
        |plan| {
            if plan.is_empty() {
                say("nothing to remove and nothing to move");
            }
            plan.sentences.iter().for_each(|it| say(it));
            !plan.is_empty() && !dry_run
        },
    )
}

/// Announces what the next start would announce, and removes and moves what it would. Blocks as [`migrate`].
///
/// # Errors
///
/// As of [`migrate`].
pub(super) fn announce(config: &Config) -> Result<(), Exit> {
    carry_out(config, Announced::open(config)?, |it| Owners(config).may_have(it), |_| true)
}

/// The same with what was `announced`, where what a program has registered as `gone`, and nobody wants, does not stay.
///
/// # Errors
///
/// As of [`migrate`].
pub(super) fn announce_without(
    config: &Config,
    announced: Announced,
    gone: Option<&ObjectId>,
) -> Result<(), Exit> {
    let is_gone = |it: &Record| it.owner == PRODUCERS && Some(&it.entity) == gone;
    carry_out(config, announced, |it| !is_gone(it) && Owners(config).may_have(it), |_| true)
}

/// Does what the next start does in Home Assistant, where its plan is `agreed` to; what is not wanted now and yet `stays`, does.
fn carry_out(
    config: &Config,
    announced: Announced,
    stays: impl Fn(&Record) -> bool,
    agreed: impl FnOnce(&Plan) -> bool,
) -> Result<(), Exit> {
    let Announced { mut ledger, presence } = announced;
    let roster = wanted(config, &presence)?;
    let records = roster.records(&presence);
    let plan = ledger.plan(&records, &stays);
    if !agreed(&plan) {
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
