//! One entity that producers have registered: [`Entry`].

use std::sync::Arc;
use std::time::Instant;

use crate::entity::Entity;
use crate::ingest::ClientId;

/// An entity that producers have registered, and who has.
#[derive(Debug)]
pub(super) struct Entry {
    /// As it was registered last.
    pub(super) entity: Arc<Entity>,
    /// Whether it stays without anybody.
    pub(super) for_good: bool,
    /// Those who have registered it and are connected.
    pub(super) holders: Vec<ClientId>,
    /// When it goes, unless somebody registers it again: the last has left.
    pub(super) leaves: Option<Instant>,
    /// How many jobs about it are under way.
    pub(super) under_way: u32,
    /// Whether the last of them is its removal.
    pub(super) is_going: bool,
}

impl Entry {
    /// Of nobody yet.
    pub(super) fn new(entity: Arc<Entity>) -> Entry {
        let (for_good, is_going) = (false, false);
        Entry { entity, for_good, holders: Vec::new(), leaves: None, under_way: 0, is_going }
    }

    /// Whether it is `entity`, and stays.
    pub(super) fn is(&self, entity: &Entity) -> bool {
        !self.is_going && *self.entity == *entity
    }

    pub(super) fn is_held_by(&self, client: ClientId) -> bool {
        self.holders.contains(&client)
    }

    /// Whether somebody else than `client` has registered it.
    pub(super) fn is_held_beside(&self, client: ClientId) -> bool {
        self.holders.iter().any(|it| *it != client)
    }

    /// Whether nothing has it stay.
    pub(super) fn is_abandoned(&self) -> bool {
        self.holders.is_empty() && !self.for_good && !self.is_going
    }

    /// Notes that `client` has registered it. Returns whether it was about to leave.
    pub(super) fn hold(&mut self, client: ClientId) -> bool {
        if !self.is_held_by(client) {
            self.holders.push(client);
        }
        self.leaves.take().is_some()
    }

    pub(super) fn release(&mut self, client: ClientId) {
        self.holders.retain(|it| *it != client);
    }
}
