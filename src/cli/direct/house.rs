//! What others announce to Home Assistant, listened to for a while: [`House`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json, json};

use crate::bridge::Presence;
use crate::client::DeviceError;
use crate::model::Chain;
use crate::model::Incoming;
use crate::model::Message;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::TopicFilter;
use crate::protocol;
use crate::protocol::Code;
use crate::protocol::Failure;
use crate::registry::Availability;
use crate::registry::Change;
use crate::registry::Limits;
use crate::registry::Registry;

/// What others announce, as far as it was heard. What the broker keeps comes at once, but nobody says when that was all: it is
/// taken for all when nothing more has come for a moment.
pub(super) struct House {
    registry: Registry,
    /// Since when nothing has come that the broker kept.
    quiet_since: Instant,
    /// When to wait no longer for quiet.
    patience: Instant,
    /// Those that are to be told of, where somebody watches.
    changed: Option<BTreeSet<Arc<str>>>,
}

impl House {
    /// One of which nothing was heard yet, and what to listen to.
    pub(super) fn new(presence: &Presence, now: Instant) -> (House, Vec<TopicFilter>) {
        let discovery = presence.topics.discovery_prefix();
        let registry = Registry::new(discovery, Some(&presence.layout), Limits::default());
        let filters = registry.filters();
        (House { registry, quiet_since: now, patience: now + PATIENCE, changed: None }, filters)
    }

    /// Takes a message. Returns what else is to be listened to, and what no longer.
    pub(super) fn receive(
        &mut self,
        incoming: &Incoming,
        now: Instant,
    ) -> (Vec<(TopicFilter, Qos)>, Vec<TopicFilter>) {
        if incoming.retained {
            self.quiet_since = now;
        }
        let (mut listen, mut ignore) = (Vec::new(), Vec::new());
        for change in self.registry.receive(incoming, now) {
            match change {
                Change::Listen(filter, qos) => listen.push((filter, qos)),
                Change::Ignore(filter) => ignore.push(filter),
                Change::Announced(id) | Change::Updated(id) | Change::Removed(id) | Change::State(id) => {
                    self.changed.iter_mut().for_each(|it| it.extend([Arc::clone(&id)]));
                }
                // Of other people's mistakes there are many, and nobody here can mend them.
                _ => {}
            }
        }
        (listen, ignore)
    }

    /// The broker has answered a subscription: what it keeps for that one comes now.
    pub(super) fn answered(&mut self, now: Instant) {
        self.quiet_since = now;
    }

    /// When everything is taken for heard, unless more comes; later while the broker `is_asked`.
    pub(super) fn settles(&self, is_asked: bool) -> Instant {
        if is_asked { self.patience } else { self.patience.min(self.quiet_since + QUIET) }
    }

    /// Whether `id` is known with all that it tells, so that nothing has to be waited for.
    pub(super) fn is_complete(&self, id: &str, now: Instant) -> bool {
        let (Some(device), Some(state)) = (self.registry.device(id, now), self.registry.state(id, now))
        else {
            return false;
        };
        state.availability == Availability::Available
            && device.fields.iter().all(|it| state.fields.field(it).is_some())
    }

    /// All that is known, in the order of the ids.
    pub(super) fn devices(&self, now: Instant) -> Vec<Json> {
        let devices = self.registry.devices(now);
        devices.iter().map(|it| protocol::device(it, self.registry.state(&it.id, now).as_ref())).collect()
    }

    /// The entity that is called `id`.
    ///
    /// # Errors
    ///
    /// [`Code::UnknownEntity`].
    pub(super) fn device(&self, id: &str, now: Instant) -> Result<Json, Failure> {
        let device = self.registry.device(id, now).ok_or_else(|| protocol::no_device(id))?;
        Ok(protocol::device(&device, self.registry.state(id, now).as_ref()))
    }

    /// What is to be published so that the entity that is called `id` does what is `wanted`: an object of several, or the one
    /// thing that it is about.
    ///
    /// # Errors
    ///
    /// [`Code::UnknownEntity`], [`Code::Invalid`].
    pub(super) fn messages(&self, id: &str, wanted: &Json, now: Instant) -> Result<Vec<Message>, Failure> {
        let state = self.registry.state(id, now).ok_or_else(|| protocol::no_device(id))?;
        if state.availability == Availability::Unavailable {
            return Err(Failure::new(Code::Invalid, DeviceError::Unavailable { id: id.to_owned() }));
        }
        let wanted = match wanted {
            Json::Object(fields) => fields.clone(),
            value => {
                let offers = self.registry.device(id, now).map(|it| it.offers).unwrap_or_default();
                // What has one thing that can be set need not be told which.
                let field = if let [only] = &*offers { only.field } else { "state" };
                Map::from_iter([(field.to_owned(), value.clone())])
            }
        };
        let messages = self.registry.set(id, &wanted).ok_or_else(|| protocol::no_device(id))?;
        messages.map_err(|cause| {
            let refused = DeviceError::Refused { id: id.to_owned(), cause };
            Failure::new(Code::Invalid, Chain(&refused))
        })
    }

    /// The name by which `entity` is known here: where it is one of ours, it is announced under a longer one.
    pub(super) fn name(&self, entity: &str, presence: &Presence, now: Instant) -> String {
        let ours = ObjectId::new(entity).ok().map(|id| presence.topics.unique_id(&id));
        ours.filter(|it| self.registry.device(it, now).is_some()).unwrap_or_else(|| entity.to_owned())
    }

    /// From now on [`House::news`] tells of all that is known, and then of what changes.
    pub(super) fn watch(&mut self, now: Instant) {
        let known = self.registry.devices(now).into_iter().map(|it| Arc::from(it.id));
        self.changed = Some(known.collect());
    }

    /// The next entity that is new, or has changed, or is gone: `{"id":…,"change":"went"}`.
    pub(super) fn news(&mut self, now: Instant) -> Option<Json> {
        let id = self.changed.as_mut()?.pop_first()?;
        Some(self.device(&id, now).unwrap_or_else(|_| json!({ "id": &*id, "change": "went" })))
    }
}

/// After so long without a message that the broker kept, there is none left: its answer to a subscription and what it keeps come
/// in one go.
const QUIET: Duration = Duration::from_millis(500);
/// Whoever announces without an end is not waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(30);
