//! What others announce to Home Assistant, as the bridge follows it.

use std::mem;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use serde_json::{Map, Value};

use super::watch::{Watch, Watcher};
use super::{Bridge, Handle};
use crate::model::Chain;
use crate::model::Incoming;
use crate::model::Message;
use crate::model::Qos;
use crate::registry::Change;
use crate::registry::Discovered;
use crate::registry::Flaw;
use crate::registry::Limits;
use crate::registry::Registry;
use crate::registry::SetError;
use crate::registry::State;

/// What is asked about what others announce.
#[derive(Debug)]
pub(super) enum FollowRequest {
    /// Begin to follow. Goes on where it has begun.
    Start(Limits),
    /// Follow no longer, and forget.
    Stop,
    /// Note what changes; what is known already has come.
    Watch(Watcher),
    /// Tell for how long nothing has come that the broker keeps.
    Quiet(Sender<Option<Duration>>),
    /// Tell the next few after this one, or the first.
    Next(Option<String>, Sender<Vec<Discovered>>),
    /// Tell of one.
    One(String, Sender<Option<Discovered>>),
    /// Tell the state of one.
    State(String, Sender<Option<State>>),
    /// Tell what is to be published so that one does something; nothing of one that is unknown.
    Set(String, Map<String, Value>, Sender<Option<Result<Vec<Message>, SetError>>>),
}

/// What others announce, and who watches it.
#[derive(Debug)]
pub(super) struct Following {
    registry: Registry,
    watchers: Vec<Watcher>,
    /// When something came last that the broker keeps, or it said that it will send.
    heard: Instant,
}

impl Handle {
    /// Begins to listen to what others announce to Home Assistant, within `limits`. Blocks as [`Handle::register`] does.
    /// False once the bridge has stopped.
    pub fn start_discovery(&self, limits: Limits) -> bool {
        self.follow(FollowRequest::Start(limits))
    }

    /// Listens no longer, and forgets what was heard. Blocks as [`Handle::register`] does.
    pub fn stop_discovery(&self) {
        self.follow(FollowRequest::Stop);
    }

    /// Has `ring` called, on the thread of the bridge, whenever what is returned has news of what others announce; nothing may
    /// block in there. It begins with all that is known already. Begins to listen where that has not begun, within
    /// [`Limits::default`]; there is no news any more after [`Handle::stop_discovery`]. Blocks as [`Handle::register`] does.
    /// `None` once the bridge has stopped.
    pub fn watch_devices(&self, ring: impl Fn() + Send + Sync + 'static) -> Option<Watch> {
        let (watch, watcher) = Watch::new(ring);
        (self.start_discovery(Limits::default()) && self.follow(FollowRequest::Watch(watcher)))
            .then_some(watch)
    }

    /// For how long the broker has sent nothing of what it keeps of others' announcements and states: after a moment of that
    /// all there is was heard. `None` while it is still to be asked for it, or away, or nobody listens. Blocks until the
    /// bridge has the time: microseconds.
    pub fn discovery_quiet(&self) -> Option<Duration> {
        self.ask(FollowRequest::Quiet)?
    }

    /// What was announced and not removed since, in the order of the ids. Blocks until the bridge has the time, some at a
    /// time: it does other things in between. `None` once the bridge has stopped.
    pub fn discovered(&self) -> Option<Vec<Discovered>> {
        let mut all: Vec<Discovered> = Vec::new();
        loop {
            let some = self.discovered_after(all.last().map(|it| it.id.as_str()))?;
            let is_end = some.len() < AT_ONCE;
            all.extend(some);
            if is_end {
                return Some(all);
            }
        }
    }

    /// The next of those that were announced, in the order of the ids: after `last`, or the first. None where there are no
    /// more. Blocks until the bridge has the time; `None` once it has stopped.
    pub fn discovered_after(&self, last: Option<&str>) -> Option<Vec<Discovered>> {
        self.ask(|tell| FollowRequest::Next(last.map(str::to_owned), tell))
    }

    /// What was announced as `id`.
    pub fn device(&self, id: &str) -> Option<Discovered> {
        self.ask(|tell| FollowRequest::One(id.to_owned(), tell))?
    }

    /// The newest state of `id`.
    pub fn device_state(&self, id: &str) -> Option<State> {
        self.ask(|tell| FollowRequest::State(id.to_owned(), tell))?
    }

    /// What is to be published so that `id` does what is `wanted`. `None` where there is no `id`.
    ///
    /// # Errors
    ///
    /// [`SetError`] where `id` does not offer that.
    pub fn device_messages(
        &self,
        id: &str,
        wanted: Map<String, Value>,
    ) -> Option<Result<Vec<Message>, SetError>> {
        self.ask(|tell| FollowRequest::Set(id.to_owned(), wanted, tell))?
    }

    fn ask<T>(&self, request: impl FnOnce(Sender<T>) -> FollowRequest) -> Option<T> {
        let (tell, told) = bounded(1);
        self.follow(request(tell)).then(|| told.recv().ok())?
    }
}

impl Bridge {
    /// Does what `request` asks for.
    pub(super) fn answer(&mut self, request: FollowRequest, now: Instant) {
        let registry = self.following.as_ref().map(|it| &it.registry);
        match request {
            FollowRequest::Start(limits) => self.start_discovery(limits, now),
            FollowRequest::Stop => self.stop_discovery(),
            FollowRequest::Watch(watcher) => {
                if let Some(following) = &mut self.following {
                    following.watch(watcher);
                }
            }
            FollowRequest::Quiet(tell) => {
                let is_asked = self.link.may_ask() && self.wire.is_asked();
                let heard = self.following.as_ref().filter(|_| is_asked).map(|it| it.heard);
                let _ = tell.try_send(heard.map(|it| now.saturating_duration_since(it)));
            }
            FollowRequest::Next(last, tell) => {
                let some = registry.map(|it| it.devices_after(last.as_deref(), AT_ONCE, now));
                let _ = tell.try_send(some.unwrap_or_default());
            }
            FollowRequest::One(id, tell) => {
                let _ = tell.try_send(registry.and_then(|it| it.device(&id, now)));
            }
            FollowRequest::State(id, tell) => {
                let _ = tell.try_send(registry.and_then(|it| it.state(&id, now)));
            }
            FollowRequest::Set(id, wanted, tell) => {
                let _ = tell.try_send(registry.and_then(|it| it.set(&id, &wanted)));
            }
        }
    }

    /// Has the registry hear what the broker sent.
    pub(super) fn overhear(&mut self, incoming: &Incoming, now: Instant) {
        let Some(following) = &mut self.following else { return };
        if incoming.retained {
            following.heard(now);
        }
        for change in following.registry.receive(incoming, now) {
            following.watchers.retain(|it| it.note(&change));
            match change {
                Change::Listen(filter, qos) => self.wire.want(filter, qos),
                Change::Ignore(filter) => self.wire.unwant(&filter),
                Change::Refused(refusal) if matches!(refusal.flaw, Flaw::Full) => {
                    log::warn!("{}", Chain(&refusal));
                }
                // Of other people's mistakes there are many, and nobody here can mend them.
                Change::Refused(refusal) => log::debug!("{}", Chain(&refusal)),
                _ => {}
            }
        }
    }

    fn start_discovery(&mut self, limits: Limits, now: Instant) {
        if self.following.is_none() {
            let topics = &self.presence.topics;
            let registry = Registry::new(topics.discovery_prefix(), Some(&self.presence.layout), limits);
            registry.filters().into_iter().for_each(|it| self.wire.want(it, Qos::AtLeastOnce));
            self.following = Some(Box::new(Following { registry, watchers: Vec::new(), heard: now }));
        }
    }

    /// Forgets what others have announced, where somebody follows that, and listens to what they announce to another broker,
    /// or elsewhere. Whoever watches hears that all has gone.
    pub(super) fn follow_anew(&mut self, now: Instant) {
        let Some(following) = &mut self.following else { return };
        for id in following.registry.ids() {
            let change = Change::Removed(id.clone());
            following.watchers.retain(|it| it.note(&change));
        }
        let (limits, watchers) = (following.registry.limits(), mem::take(&mut following.watchers));
        self.stop_discovery();
        self.start_discovery(limits, now);
        if let Some(following) = &mut self.following {
            following.watchers = watchers;
        }
    }

    fn stop_discovery(&mut self) {
        let Some(Following { registry, .. }) = self.following.take().map(|it| *it) else { return };
        registry.filters().iter().for_each(|it| self.wire.unwant(it));
        registry.listening().for_each(|(filter, _)| self.wire.unwant(filter));
    }
}

impl Following {
    /// Something has come that the broker keeps, or will come from now on.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Has `watcher` note what changes, and what there is.
    fn watch(&mut self, watcher: Watcher) {
        self.registry.ids().for_each(|it| watcher.find(it));
        // In a quiet house nothing else notices for days that others have gone.
        self.watchers.retain(Watcher::is_watched);
        self.watchers.push(watcher);
    }
}

/// How many of those that are announced are told at once: each has to be parsed, and others wait for the bridge meanwhile.
const AT_ONCE: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::tests::presence;

    #[test]
    fn those_who_have_gone_leave_nothing_behind_where_no_device_changes() {
        let registry = Registry::new(presence().topics.discovery_prefix(), None, Limits::default());
        let mut following = Following { registry, watchers: Vec::new(), heard: Instant::now() };
        let (_stays, watcher) = Watch::new(|| {});
        following.watch(watcher);
        for _ in 0..1_000 {
            let (_goes, watcher) = Watch::new(|| {});
            following.watch(watcher);
        }
        assert_eq!(following.watchers.len(), 2, "who stays, and who went last");
    }
}
