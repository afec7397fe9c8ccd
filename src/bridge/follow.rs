//! What others announce to Home Assistant, as the bridge follows it.

use std::time::Instant;

use crossbeam_channel::{Sender, bounded};
use serde_json::{Map, Value};

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
    /// Tell the next few after this one, or the first.
    Next(Option<String>, Sender<Vec<Discovered>>),
    /// Tell of one.
    One(String, Sender<Option<Discovered>>),
    /// Tell the state of one.
    State(String, Sender<Option<State>>),
    /// Tell what is to be published so that one does something; nothing of one that is unknown.
    Set(String, Map<String, Value>, Sender<Option<Result<Vec<Message>, SetError>>>),
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

    /// What was announced and not removed since, in the order of the ids. Blocks until the bridge has the time, some at a
    /// time: it does other things in between. `None` once the bridge has stopped.
    pub fn discovered(&self) -> Option<Vec<Discovered>> {
        let mut all: Vec<Discovered> = Vec::new();
        loop {
            let last = all.last().map(|it| it.id.clone());
            let some = self.ask(|tell| FollowRequest::Next(last, tell))?;
            let is_end = some.len() < AT_ONCE;
            all.extend(some);
            if is_end {
                return Some(all);
            }
        }
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
        match request {
            FollowRequest::Start(limits) => self.start_discovery(limits),
            FollowRequest::Stop => self.stop_discovery(),
            FollowRequest::Next(last, tell) => {
                let some = self.registry.as_ref().map(|it| it.devices_after(last.as_deref(), AT_ONCE, now));
                let _ = tell.try_send(some.unwrap_or_default());
            }
            FollowRequest::One(id, tell) => {
                let _ = tell.try_send(self.registry.as_ref().and_then(|it| it.device(&id, now)));
            }
            FollowRequest::State(id, tell) => {
                let _ = tell.try_send(self.registry.as_ref().and_then(|it| it.state(&id, now)));
            }
            FollowRequest::Set(id, wanted, tell) => {
                let _ = tell.try_send(self.registry.as_ref().and_then(|it| it.set(&id, &wanted)));
            }
        }
    }

    /// Has the registry hear what the broker sent.
    pub(super) fn overhear(&mut self, incoming: &Incoming, now: Instant) {
        let Some(registry) = &mut self.registry else { return };
        for change in registry.receive(incoming, now) {
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

    fn start_discovery(&mut self, limits: Limits) {
        if self.registry.is_none() {
            let topics = &self.presence.topics;
            let registry = Registry::new(topics.discovery_prefix(), Some(&self.presence.layout), limits);
            registry.filters().into_iter().for_each(|it| self.wire.want(it, Qos::AtLeastOnce));
            self.registry = Some(Box::new(registry));
        }
    }

    fn stop_discovery(&mut self) {
        let Some(registry) = self.registry.take() else { return };
        registry.filters().iter().for_each(|it| self.wire.unwant(it));
        registry.listening().for_each(|(filter, _)| self.wire.unwant(filter));
    }
}

/// How many of those that are announced are told at once: each has to be parsed, and others wait for the bridge meanwhile.
const AT_ONCE: usize = 50;
