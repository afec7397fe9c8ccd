//! What is registered for good while no daemon runs: [`keep`] and [`keep_no_longer`].

use std::io::{self, ErrorKind};

use serde_json::{Map, Value as Json};

use super::super::roster::{Owners, Roster};
use super::refusal::{not_kept, taken, too_large, too_many};
use super::{Kept, MOST_BYTES, MOST_ENTITIES};
use crate::bridge::Presence;
use crate::config::Config;
use crate::model::Chain;
use crate::model::Health;
use crate::model::ObjectId;
use crate::protocol;
use crate::protocol::Code;
use crate::protocol::Failure;

/// Keeps the entity of `description`, to be announced as `presence` says by whoever announces what `config` has. For whoever has the
/// ledger to itself. Blocks for the card.
///
/// # Errors
///
/// As of the daemon: `invalid`, `field`: it is nothing that Home Assistant would take. `taken`: its id is somebody else's.
/// `too_many` entities. `configuration`, where that is wrong; `forbidden` and `internal`, where the card does not take it.
pub(crate) fn keep(
    config: &Config,
    presence: &Presence,
    description: &Map<String, Json>,
) -> Result<(), Failure> {
    let entity = protocol::entity(description, &presence.device)?;
    let id = entity.id();
    let roster = Roster::gather(config, &Health::default(), &presence.device)
        .map_err(|clash| Failure::new(Code::Configuration, clash))?;
    let member = roster.members.iter().find(|(_, it)| it.id() == id);
    let owners = Owners(config);
    if let Some(owner) = member.map(|(owner, _)| owner.as_str()).or_else(|| owners.of(id)) {
        return Err(taken(id, owner));
    }
    presence.check(&entity).map_err(|it| Failure::new(Code::Invalid, Chain(&it)))?;
    let kept = Kept::open(&config.spool.directory);
    let others = kept.entities(&presence.device).iter().filter(|it| it.id() != id).count();
    if others >= MOST_ENTITIES {
        return Err(too_many(MOST_ENTITIES, "of all programs"));
    }
    let text = Json::Object(description.clone()).to_string();
    if text.len() > MOST_BYTES {
        return Err(too_large(id, text.len(), MOST_BYTES));
    }
    kept.change([(id, Some(&*text))]).map_err(|cause| not_kept_here(config, &cause))
}

/// Keeps the entity `id` no longer, where it was kept. As [`keep`].
///
/// # Errors
///
/// `forbidden` and `internal`, where the card does not take it.
pub(crate) fn keep_no_longer(config: &Config, id: &ObjectId) -> Result<(), Failure> {
    Kept::open(&config.spool.directory).change([(id, None)]).map_err(|cause| not_kept_here(config, &cause))
}

/// The folder is the daemon's: not everybody may write there.
fn not_kept_here(config: &Config, cause: &io::Error) -> Failure {
    let failure = not_kept(cause);
    match cause.kind() {
        ErrorKind::PermissionDenied => Failure { code: Code::Forbidden, ..failure }.expected(format!(
            "the user of {}: sudo, or the daemon to run",
            config.spool.directory.display()
        )),
        _ => failure,
    }
}
