//! What the configuration has announced, as the daemon would do it.

use std::collections::BTreeMap;
use std::iter;

use super::Exit;
use super::announced::ledger_to_look_at;
use super::complain;
use crate::bridge::Presence;
use crate::config::Config;
use crate::daemon::roster::Roster;
use crate::daemon::roster::registered;
use crate::entity::Device;
use crate::entity::Entity;
use crate::entity::Form;
use crate::model::Health;
use crate::model::Message;
use crate::model::ObjectId;

/// Everything that `config` has announced at the start, with what programs have registered for good; what is wrong with single ones
/// is said.
///
/// # Errors
///
/// The exit code, where two want the same id; that was said.
pub(super) fn wanted(config: &Config, presence: &Presence) -> Result<Roster, Exit> {
    let roster = gathered(config, presence)?;
    roster.problems.iter().for_each(|problem| complain(format_args!("warning: {problem}")));
    Ok(roster)
}

/// The same; what is wrong with single ones is for the caller to say.
///
/// # Errors
///
/// As [`wanted`].
pub(super) fn gathered(config: &Config, presence: &Presence) -> Result<Roster, Exit> {
    let mut roster = Roster::gather(config, &Health::default(), &presence.device).map_err(|clash| {
        complain(format_args!("luigi-mqtt: {clash}"));
        Exit::Config
    })?;
    let taken = roster.add_registered(registered(config, &presence.device));
    roster.problems.extend(taken);
    if ledger_to_look_at(config, presence).is_forbidden() {
        let folder = config.spool.directory.display();
        roster.problems.push(format!(
            "what programs have registered is not known: this user may not read {folder}; root may (sudo)"
        ));
    }
    Ok(roster)
}

/// The messages that announce all of `roster` as `presence` says, as the bridge does.
pub(super) fn announcements(roster: &Roster, presence: &Presence) -> Vec<Message> {
    if presence.form == Form::Entity {
        return roster.entities().map(|it| presence.entity_announcement(it)).collect();
    }
    let mut devices: BTreeMap<&ObjectId, (&Device, Vec<&Entity>)> = BTreeMap::new();
    for entity in roster.entities() {
        let device = presence.device_of(entity);
        devices.entry(&device.identifier).or_insert_with(|| (device, Vec::new())).1.push(entity);
    }
    let message = |(device, members): (_, Vec<&Entity>)| {
        presence.device_announcement(device, members.into_iter(), iter::empty())
    };
    devices.into_values().map(message).collect()
}
