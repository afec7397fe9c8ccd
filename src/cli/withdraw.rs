//! `luigi-mqtt withdraw`: everything that was announced leaves Home Assistant, as at uninstall.

use std::io::{self, Write};

use super::Exit;
use super::announced::{Announced, LIMIT, not_delivered, say, unusable};
use super::complain;
use super::courier;
use crate::client;
use crate::config::Config;
use crate::ledger::Plan;

/// Prints what was announced; unless it is a `dry_run` removes it from Home Assistant and from the broker, with all that is
/// retained of it, and then the ledger. Without `yes` asks first. Blocks for the answer, then for 30 s and the
/// pauses at most.
pub(super) fn withdraw(config: &Config, dry_run: bool, yes: bool) -> Exit {
    let Announced { mut ledger, presence } = match Announced::open(config) {
        Ok(announced) => announced,
        Err(exit) => return exit,
    };
    let plan = ledger.plan(&[], |_| false);
    if plan.is_empty() {
        say("nothing to remove: the ledger knows of nothing that was announced");
        return Exit::Ok;
    }
    plan.sentences.iter().for_each(|it| say(it));
    if dry_run {
        return Exit::Ok;
    }
    if let Some(exit) = unusable(&ledger) {
        return exit;
    }
    if !yes && !agreed(ledger.records().count()) {
        say("nothing is removed");
        return Exit::Ok;
    }
    // It is noted what may be half removed if we do not come through.
    let noted = ledger.intend(presence.topics.identity(), &[]);
    noted.unwrap_or_else(|error| complain(format_args!("luigi-mqtt: cannot write the ledger: {error}")));
    let Plan { before: mut groups, after, .. } = plan;
    groups.push(after);
    let options = client::link_options(config, &presence);
    if let Err(error) = courier::deliver(options, &groups, Plan::PAUSE, LIMIT) {
        return not_delivered(&error, "the ledger is kept, and this command can be given again");
    }
    match ledger.remove() {
        Ok(()) => Exit::Ok,
        Err(error) => {
            complain(format_args!("luigi-mqtt: cannot remove the ledger: {error}"));
            Exit::System
        }
    }
}

/// Asks whoever is there. Nobody there has not agreed.
fn agreed(count: usize) -> bool {
    let mut output = io::stdout();
    let _ = write!(output, "remove {count} entities, with their history, from Home Assistant? [y/N] ");
    let _ = output.flush();
    let mut answer = String::new();
    let answered = io::stdin().read_line(&mut answer).is_ok();
    answered && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}
