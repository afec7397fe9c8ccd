//! What the configuration has announced, as the daemon would do it.

use super::Exit;
use super::complain;
use crate::bridge::Presence;
use crate::config::Config;
use crate::daemon::roster::Roster;
use crate::entity::Entity;
use crate::entity::Form;
use crate::entity::device_payload;
use crate::entity::discovery_payload;
use crate::model::Health;
use crate::model::Message;

/// Everything that `config` has announced at the start; what is wrong with descriptors is said.
///
/// # Errors
///
/// The exit code, where two want the same id; that was said.
pub(super) fn wanted(config: &Config, presence: &Presence) -> Result<Roster, Exit> {
    let roster = Roster::gather(config, &Health::default(), &presence.device).map_err(|clash| {
        complain(format_args!("luigi-mqtt: {clash}"));
        Exit::Config
    })?;
    roster.problems.iter().for_each(|problem| complain(format_args!("warning: {problem}")));
    Ok(roster)
}

/// The messages that announce `entities` as `presence` says, as the bridge does.
pub(super) fn announcements(roster: &Roster, presence: &Presence) -> Vec<Message> {
    let Presence { device, topics, qos, form, .. } = presence;
    let entities: Vec<&Entity> = roster.entities().collect();
    let entities = entities.iter().copied();
    let retained = |topic, payload: String| Message::retained(topic, payload.into_bytes(), *qos);
    if *form == Form::Entity {
        let payload = |it| discovery_payload(it, device, topics, *qos);
        return entities.map(|it| retained(topics.config(it.platform(), it.id()), payload(it))).collect();
    }
    let own = |it: &'_ Entity| it.own_device().cloned();
    let mut devices = vec![None];
    for it in entities.clone() {
        if !devices.contains(&own(it)) {
            devices.push(own(it));
        }
    }
    let of = |wanted: &Option<_>| entities.clone().filter(move |it| own(it) == *wanted).collect::<Vec<_>>();
    let message = |own: &Option<_>| {
        let (device, members) = (own.as_deref().unwrap_or(device), of(own));
        let payload = || device_payload(device, members.iter().copied(), std::iter::empty(), topics, *qos);
        (!members.is_empty()).then(|| retained(topics.device_config(device), payload()))
    };
    devices.iter().filter_map(message).collect()
}
