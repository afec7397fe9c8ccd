//! How an announcement becomes an entity, changes one, or ends it.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::Incoming;
use crate::model::Qos;
use crate::model::TopicFilter;

use super::Change;
use super::Flaw;
use super::Registry;
use super::address::Address;
use super::capability::Fields;
use super::capability::Payload;
use super::document::{Assembly, Document, Form, Order, device, single};
use super::known::{Draft, Known};
use super::layout::layout_identity;
use super::limits;
use super::platform::is_momentary;

impl Registry {
    /// Takes a message on a discovery topic.
    pub(super) fn announced(
        &mut self,
        address: Address<'_>,
        incoming: &Incoming,
        changes: &mut Vec<Change>,
    ) -> Result<(), Flaw> {
        match address {
            Address::Foreign => Ok(()),
            Address::Illegal => Err(Flaw::Topic),
            Address::Entity { platform, node, object_id } => {
                let place = node.map_or_else(|| object_id.to_owned(), |node| format!("{node} {object_id}"));
                self.announced_entity(platform, &place, object_id, incoming, changes)
            }
            Address::Device { node, object_id } => {
                let node = node.map(|it| format!("{it} ")).unwrap_or_default();
                self.announced_device(&format!("{object_id} {node}"), incoming, changes)
            }
        }
    }

    fn announced_entity(
        &mut self,
        platform: &'static str,
        place: &str,
        object_id: &str,
        incoming: &Incoming,
        changes: &mut Vec<Change>,
    ) -> Result<(), Flaw> {
        let identity = format!("{platform} {place}");
        let id = self.identities.get(identity.as_str()).cloned();
        // The broker sends all retained announcements again on each connection.
        let old = id.as_ref().and_then(|it| self.entities.get(it));
        if old.is_some_and(|it| is_same(&it.document, incoming)) {
            return Ok(());
        }
        let ours = id.filter(|_| old.is_some_and(|it| it.document.topic == incoming.topic));
        match (single(&incoming.payload)?, ours) {
            // Whoever announced it elsewhere keeps it.
            (Order::Remove | Order::Migrate, None) => {}
            (Order::Remove, Some(id)) => self.remove(&id, changes),
            (Order::Migrate, Some(id)) => self.migrate(&id),
            (Order::Announce(config), _) => {
                let document = document(incoming, Form::Single);
                let draft = Draft::new(identity, object_id, platform, &document, None, &config);
                self.admit(&document, |registry| registry.take(draft, &config, None, changes))?;
            }
        }
        Ok(())
    }

    fn announced_device(
        &mut self,
        place: &str,
        incoming: &Incoming,
        changes: &mut Vec<Change>,
    ) -> Result<(), Flaw> {
        let assembly = match device(&incoming.payload)? {
            Order::Announce(assembly) => assembly,
            order => {
                let theirs = self.entities.iter().filter(|(_, it)| it.document.topic == incoming.topic);
                let ids: Vec<Arc<str>> = theirs.map(|(id, _)| id.clone()).collect();
                for id in ids {
                    match order {
                        Order::Migrate => self.migrate(&id),
                        _ => self.remove(&id, changes),
                    }
                }
                return Ok(());
            }
        };
        let document = document(incoming, Form::Device);
        self.admit(&document, |registry| {
            let mut before = Before::default();
            for component in &assembly.components {
                let identity = format!("{} {place}{}", component.platform, component.key);
                let id = registry.identities.get(identity.as_str()).cloned();
                let old = id.as_ref().and_then(|it| registry.entities.get(it));
                if old.is_some_and(|it| is_same(&it.document, incoming)) {
                    continue;
                }
                let result = if component.is_removal() {
                    let ours = id.filter(|_| old.is_some_and(|it| it.document.topic == incoming.topic));
                    ours.map_or(Ok(()), |id| {
                        registry.remove(&id, changes);
                        Ok(())
                    })
                } else {
                    component.check().and_then(|()| {
                        let config = assembly.merged(component);
                        let (key, platform) = (component.key.as_str(), component.platform);
                        let draft = Draft::new(identity, key, platform, &document, Some(key), &config);
                        registry.take(draft, &config, Some(&mut before), changes)
                    })
                };
                if let Err(flaw) = result {
                    registry.refuse(&incoming.topic, Some(&component.key), flaw, changes);
                }
            }
            Ok(())
        })
    }

    /// Counts `document` while `take` makes entities of it, and after that if any has it.
    pub(super) fn admit(
        &mut self,
        document: &Arc<Document>,
        take: impl FnOnce(&mut Registry) -> Result<(), Flaw>,
    ) -> Result<(), Flaw> {
        self.bytes += Registry::weight(document);
        let result = take(self);
        if Arc::strong_count(document) == 1 {
            self.bytes -= Registry::weight(document);
        }
        result
    }

    /// Knows the entity of `draft`, whose configuration is `config`, from now on.
    pub(super) fn take(
        &mut self,
        mut draft: Draft,
        config: &Map<String, Value>,
        before: Option<&mut Before>,
        changes: &mut Vec<Change>,
    ) -> Result<(), Flaw> {
        let is_heard = matches!(draft.document.form, Form::Heard(_));
        draft.commands.retain(|it| !is_heard && self.place(it).is_some());
        let here = self.identities.get(draft.identity.as_str()).cloned();
        let same = draft.unique_id.as_deref().and_then(|it| self.holder(draft.platform, it));
        if let Some(taken) = [&here, &same].into_iter().flatten().find(|id| !self.may_take(id, &draft)) {
            return Err(Flaw::Taken { by: taken.clone() });
        }
        let known = here.as_ref().and_then(|it| self.entities.get(it));
        let renamed = known.is_some_and(|it| it.unique_id.as_deref() != draft.unique_id.as_deref());
        let id = same.or(here.clone().filter(|_| !renamed));
        self.check_room(&draft, id.as_deref())?;
        match (here, &id) {
            (Some(here), id) if Some(&here) != id.as_ref() => self.remove(&here, changes),
            _ => {}
        }
        self.drop_heard(&draft, changes);
        let known = id.as_ref().and_then(|it| self.entities.get(it));
        let unchanged = known.is_some_and(|it| it.config_before(before) == *config);
        match id {
            Some(id) if unchanged => self.redocument(&id, draft),
            Some(id) => self.put(id, draft, changes),
            None => {
                let id =
                    self.new_id(&draft).ok_or_else(|| Flaw::Taken { by: draft.object_id.as_str().into() })?;
                self.put(id, draft, changes);
            }
        }
        Ok(())
    }

    /// Forgets the entity `id`.
    pub(super) fn remove(&mut self, id: &Arc<str>, changes: &mut Vec<Change>) {
        let Some(known) = self.entities.remove(id) else { return };
        self.identities.remove(&known.identity);
        self.bytes -= known.weight(id) + known.fields.bytes();
        self.leave(id, &known, |_| false, changes);
        self.drop_document(known.document);
        self.full = false;
        changes.push(Change::Removed(id.clone()));
    }

    /// Lets another topic take over the entity `id`. Home Assistant asks for a device, and of what can be one of its
    /// entities for a `unique_id`.
    fn migrate(&mut self, id: &Arc<str>) {
        if let Some(known) = self.entities.get_mut(id) {
            let is_entity = !matches!(known.platform, "device_automation" | "tag");
            let named = known.unique_id.is_some() || !is_entity;
            known.migrating = named && known.config().contains_key("device");
        }
    }

    /// The entity of `platform` that has this `unique_id`.
    fn holder(&self, platform: &str, unique_id: &str) -> Option<Arc<str>> {
        let has = |known: &Known| known.platform == platform && known.unique_id.as_deref() == Some(unique_id);
        let (id, known) = self.entities.get_key_value(unique_id)?;
        if has(known) {
            return Some(id.clone());
        }
        // Somebody else has it as its identifier: whoever came second has another, and must be looked for.
        self.entities.iter().find(|(_, known)| has(known)).map(|(id, _)| id.clone())
    }

    /// Whether the entity `id` was announced where `draft` comes from, or may be taken over.
    fn may_take(&self, id: &str, draft: &Draft) -> bool {
        self.entities.get(id).is_none_or(|known| {
            known.migrating
                || known.document.topic == draft.document.topic && *known.identity == *draft.identity
                || matches!(known.document.form, Form::Heard(_))
        })
    }

    /// Whether the entity of `draft` fits beside all others, in place of `id`. The document counts already.
    fn check_room(&self, draft: &Draft, id: Option<&str>) -> Result<(), Flaw> {
        let mut held = self.bytes + self.topics.bytes() + draft.weight();
        let mut entities = self.entities.len() + 1;
        if let Some((id, known)) = id.and_then(|it| self.entities.get_key_value(it)) {
            entities -= 1;
            held -= known.weight(id);
            if Arc::strong_count(&known.document) == 1 {
                held -= Registry::weight(&known.document);
            }
        }
        if entities <= self.limits.entities && limits::with_gaps(held) <= self.limits.bytes {
            Ok(())
        } else {
            Err(Flaw::Full)
        }
    }

    /// An identifier that nobody has; none where all that fit are taken.
    fn new_id(&self, draft: &Draft) -> Option<Arc<str>> {
        draft.ids().find(|id| !self.entities.contains_key(id.as_str())).map(Arc::from)
    }

    /// Makes `id` the entity of `draft`: a new one, or another than it was. Its state stays where it is still told
    /// on the same topics.
    fn put(&mut self, id: Arc<str>, draft: Draft, changes: &mut Vec<Change>) {
        let old = self.entities.remove(&id);
        let newly = |topic: &TopicFilter| {
            let had = old.as_ref().is_some_and(|it| it.topics().any(|it| it == topic));
            (!had).then_some(&id)
        };
        let mut sources = draft.sources;
        for source in &mut sources {
            source.topic = self.listen(&source.topic, draft.qos, newly(&source.topic), changes);
        }
        let mut rules = Vec::with_capacity(draft.rules.len());
        for (topic, rule) in draft.rules {
            let topic = self.listen(&topic, draft.qos, newly(&topic), changes);
            rules.extend(self.topics.share(&topic, rule).map(|at| (topic, at)));
        }
        let identity: Arc<str> = draft.identity.into();
        let unique_id = draft.unique_id.map(|it| if *it == *id { id.clone() } else { it.into() });
        for topic in &draft.commands {
            self.listen(topic, draft.qos, newly(topic), changes);
        }
        let mut known = Known {
            identity: identity.clone(),
            unique_id,
            platform: draft.platform,
            document: draft.document,
            key: draft.key,
            sources: sources.into(),
            source_heap: draft.source_heap,
            rules: rules.into(),
            commands: draft.commands.into(),
            mode: draft.mode,
            available: false,
            expire_after: draft.expire_after,
            told: None,
            fields: Fields::new(),
            migrating: false,
        };
        let change = if old.is_some() { Change::Updated } else { Change::Announced };
        let stays = |old: &Known| {
            old.platform == known.platform && old.topics().all(|topic| known.topics().any(|it| it == topic))
        };
        if let Some(mut old) = old {
            self.identities.remove(&old.identity);
            self.bytes -= old.weight(&id) + old.fields.bytes();
            let kept = stays(&old).then(|| (std::mem::take(&mut old.fields), old.told));
            self.leave(&id, &old, |topic| known.topics().any(|it| it == topic), changes);
            self.drop_document(old.document);
            (known.fields, known.told) = kept.unwrap_or_default();
        }
        self.catch_up(&mut known);
        known.look_at(&self.topics);
        self.bytes += known.weight(&id) + known.fields.bytes();
        // What it is told next finds room again, or not, like all that is told.
        if self.bytes() > self.limits.bytes {
            self.bytes -= known.fields.bytes();
            known.fields = Fields::new();
            self.refused += 1;
        }
        self.identities.insert(identity, id.clone());
        self.entities.insert(id.clone(), known);
        changes.push(change(id));
    }

    /// Reads what was last said on the topics of an entity before it was known.
    fn catch_up(&self, known: &mut Known) {
        if is_momentary(known.platform) {
            return;
        }
        let topics: Vec<TopicFilter> = known.sources.iter().map(|it| it.topic.clone()).collect();
        for (at, topic) in topics.iter().enumerate() {
            if let Some(last) = self.topics.last(topic).filter(|_| !topics[..at].contains(topic)) {
                known.read(topic, &Payload::new(&last.payload, true), last.at);
            }
        }
    }

    /// Has an entity whose configuration is the same point to the newer document.
    fn redocument(&mut self, id: &Arc<str>, draft: Draft) {
        let Some(known) = self.entities.get_mut(id) else { return };
        self.bytes -= known.weight(id);
        self.identities.remove(&known.identity);
        known.identity = draft.identity.into();
        known.key = draft.key;
        known.migrating = false;
        let old = std::mem::replace(&mut known.document, draft.document);
        self.identities.insert(known.identity.clone(), id.clone());
        self.bytes += known.weight(id);
        self.drop_document(old);
    }

    fn drop_document(&mut self, document: Arc<Document>) {
        if let Some(document) = Arc::into_inner(document) {
            self.bytes -= Registry::weight(&document);
        }
    }

    /// Has `reader`, where it does not yet, read `topic`, and says so where it must be subscribed to. Returns the
    /// topic as others have it.
    fn listen(
        &mut self,
        topic: &TopicFilter,
        qos: Qos,
        reader: Option<&Arc<str>>,
        changes: &mut Vec<Change>,
    ) -> TopicFilter {
        let (topic, anew) = self.topics.add(topic, qos, reader);
        if anew && !self.is_covered(&topic) {
            changes.push(Change::Listen(topic.clone(), qos));
        }
        topic
    }

    /// Has `reader` read the topics of `known` no longer, but those that it `keeps`.
    fn leave(
        &mut self,
        reader: &str,
        known: &Known,
        keeps: impl Fn(&TopicFilter) -> bool,
        changes: &mut Vec<Change>,
    ) {
        for (topic, at) in &known.rules {
            self.topics.release(topic, *at);
        }
        for topic in known.topics().filter(|it| !keeps(it)) {
            if self.topics.remove(topic, reader) && !self.is_covered(topic) {
                changes.push(Change::Ignore(topic.clone()));
            }
        }
    }

    /// Forgets what was only heard of the device that `draft` announces.
    fn drop_heard(&mut self, draft: &Draft, changes: &mut Vec<Change>) {
        if matches!(draft.document.form, Form::Heard(_)) {
            return;
        }
        let places = draft.topics().filter_map(|it| self.place(it));
        let mut ids: Vec<Arc<str>> =
            places.filter_map(|it| self.identities.get(layout_identity(it).as_str()).cloned()).collect();
        for id in draft.ids() {
            let heard = self.entities.get_key_value(id.as_str());
            ids.extend(
                heard.filter(|(_, it)| matches!(it.document.form, Form::Heard(_))).map(|(id, _)| id.clone()),
            );
        }
        for id in ids {
            self.remove(&id, changes);
        }
    }
}

/// What announced the entities of a device before, parsed once for all of them. It names the payload, not the
/// document: that ends with its last entity.
#[derive(Default)]
pub(super) struct Before(Option<(Arc<[u8]>, Assembly)>);

impl Known {
    /// Its configuration until now.
    fn config_before(&self, before: Option<&mut Before>) -> Map<String, Value> {
        let (Some(before), Some(key)) = (before, self.key.as_deref()) else { return self.config() };
        let payload = &self.document.payload;
        if !before.0.as_ref().is_some_and(|(it, _)| Arc::ptr_eq(it, payload)) {
            before.0 = self.document.assembly().map(|it| (payload.clone(), it));
        }
        before.0.as_ref().and_then(|(_, it)| it.config_of(key)).unwrap_or_default()
    }
}

fn document(incoming: &Incoming, form: Form) -> Arc<Document> {
    Arc::new(Document { topic: incoming.topic.clone(), payload: incoming.payload.clone(), form })
}

fn is_same(document: &Document, incoming: &Incoming) -> bool {
    document.topic == incoming.topic && document.payload == incoming.payload
}
