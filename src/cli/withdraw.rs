//! `luigi-mqtt withdraw`: everything that was announced leaves Home Assistant, as before an uninstall.

use super::Exit;
use super::announced::{Announced, LIMIT, check_unused, not_delivered, not_noted};
use super::complain;
use super::courier;
use super::question::agreed;
use super::say;
use crate::client;
use crate::config::Config;
use crate::ledger::Plan;

/// Prints what was announced; unless it is a `dry_run` removes it from Home Assistant and from the broker, with all that is
/// retained of it, and then the ledger. Without `yes` asks first. Blocks for the answer, then for 30 s and the
/// pauses at most.
///
/// # Errors
///
/// The exit code, where it does not come to that; what is wrong was said.
pub(super) fn withdraw(config: &Config, dry_run: bool, yes: bool) -> Result<(), Exit> {
    let Announced { mut ledger, presence } = Announced::open(config)?;
    let plan = ledger.plan(&[], |_| false);
    if plan.is_empty() {
        say("nothing to remove: the ledger knows of nothing that was announced");
        return Ok(());
    }
    plan.sentences.iter().for_each(|it| say(it));
    if dry_run {
        return Ok(());
    }
    check_unused(&ledger)?;
    let count = ledger.records().count();
    let question = format!("Remove {count} entities, with their history, from Home Assistant?");
    if !yes && !agreed(&question)? {
        complain(format_args!("nothing was removed"));
        return Ok(());
    }
    // It is noted what may be half removed if we do not come through.
    if let Err(error) = ledger.intend(presence.topics.identity(), &[]) {
        not_noted("write", &error);
    }
    let Plan { before: mut groups, after, .. } = plan;
    groups.push(after);
    let options = client::link_options(config, &presence);
    let delivered = courier::deliver(options, &groups, Plan::PAUSE, LIMIT);
    let follows = "the ledger is kept, and this command can be given again";
    delivered.map_err(|error| not_delivered(&error, follows))?;
    ledger.remove().map_err(|error| not_noted("remove", &error))
}
