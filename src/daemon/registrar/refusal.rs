//! Why something is not registered, as the program is told.

use std::io;
use std::time::Duration;

use super::super::roster::PRODUCERS;
use crate::ingest::Peer;
use crate::model::ObjectId;
use crate::protocol::Code;
use crate::protocol::Failure;

/// `owner`, which is no program, has `id`.
pub(super) fn taken(id: &ObjectId, owner: &str) -> Failure {
    Failure::new(Code::Taken, format!("\"{id}\" is that of [{owner}]")).with("owner", owner)
}

/// Another program has registered `id` otherwise.
pub(super) fn taken_by_another(id: &ObjectId) -> Failure {
    let reason = format!("\"{id}\" is that of another program, which is connected");
    Failure::new(Code::Taken, reason).with("owner", PRODUCERS)
}

/// There are `most` entities already, `whose` that is.
pub(super) fn too_many(most: usize, whose: &str) -> Failure {
    let reason = format!("there is no room for another entity {whose}");
    Failure::new(Code::TooMany, reason).expected(format!("at most {most}"))
}

/// The user of `peer` may make the next change after `wait`.
pub(super) fn too_often(peer: &Peer, wait: Duration) -> Failure {
    let reason = format!("the user {} has entities registered and removed too often", peer.uid);
    Failure::new(Code::TooMany, reason)
        .expected(format!("another attempt in {} s", wait.as_secs_f64().ceil()))
}

/// The description of `id` is of so many `bytes`.
pub(super) fn too_large(id: &ObjectId, bytes: usize, most: usize) -> Failure {
    let reason = format!("the description of \"{id}\" has {bytes} bytes");
    Failure::new(Code::Invalid, reason).expected(format!("at most {most}"))
}

/// The card did not take it, for `cause`.
pub(super) fn not_kept(cause: &io::Error) -> Failure {
    Failure::new(Code::Internal, format!("what is registered for good cannot be written: {cause}"))
}

/// As many jobs are under way as there may be.
pub(super) fn busy() -> Failure {
    Failure::new(Code::Full, "entities are registered faster than the card takes note of them")
}
