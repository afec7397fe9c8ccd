//! Answers what other programs ask of the daemon through its socket: [`Clerk`].

mod devices;
mod office;
mod pending;
mod readings;
mod rights;
mod status;
mod subscriptions;
mod visitor;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use serde_json::{Value as Json, json};

use crate::config::Config;
use crate::ingest::Asked;
use crate::ingest::ClientId;
use crate::ingest::Desk;
use crate::ingest::Peer;
use crate::ingest::Ticket;
use crate::model::Message;
use crate::os::Bell;
use crate::protocol;
use crate::protocol::Answer;
use crate::protocol::Code;
use crate::protocol::Envelope;
use crate::protocol::Failure;
use crate::protocol::Request;
use crate::worker::Worker;

use super::registrar::Progress;
use super::reload::Reloader;
use devices::Devices;
pub(super) use office::Office;
use pending::{Arrival, Pending, Place, Until};
use readings::Told;
use rights::Rights;
use visitor::Visitor;

/// Answers what programs ask.
pub(super) struct Clerk {
    office: Office,
    /// Other configurations, as they are taken over.
    configurations: Receiver<Arc<Config>>,
    reloader: Reloader,
    rights: Rights,
    bell: Bell,
    pending: Pending,
    devices: Devices,
    visitors: BTreeMap<ClientId, Visitor>,
    began: Instant,
    reloading: Option<Worker>,
    /// When the configuration may be read again.
    reload_at: Option<Instant>,
}

/// How far a request is.
enum Done {
    /// It is answered.
    Answer(Answer),
    /// It will be.
    Later(Ticket),
    /// There is no room for it now: it is to be asked again.
    Busy,
}

impl Clerk {
    /// One who answers out of `office`, lets programs do what its configuration permits, and has `bell` rung by whatever comes
    /// from other threads. `configurations` bring others. Looks groups up.
    pub(super) fn new(
        office: Office,
        configurations: Receiver<Arc<Config>>,
        reloader: Reloader,
        bell: Bell,
        began: Instant,
    ) -> Clerk {
        let ring = bell.clone();
        office.handle.when_room(move || ring.ring());
        Clerk {
            rights: Rights::of(&office.config.socket),
            office,
            configurations,
            reloader,
            pending: Pending::new(bell.clone()),
            bell,
            devices: Devices::default(),
            visitors: BTreeMap::new(),
            began,
            reloading: None,
            reload_at: None,
        }
    }

    /// Carries out `request` of `peer`. What is answered at once is returned.
    fn carry_out(
        &mut self,
        peer: &Peer,
        request: Request,
        tag: Option<&Json>,
        now: Instant,
    ) -> Result<Done, Failure> {
        if matches!(request, Request::Subscribe { .. }) {
            self.check_room()?;
        }
        let office = &mut self.office;
        let Some(visitor) = self.visitors.get_mut(&peer.client) else {
            return Err(Failure::new(Code::Internal, "the program is not known to be connected"));
        };
        self.rights.check(visitor.permits, &request)?;
        match request {
            Request::Hello => Ok(Done::Answer(hello())),
            Request::Reading { entity, .. } if office.registrar.is_pending(&entity) => Ok(Done::Busy),
            Request::Reading { entity, value, attributes, available, wait } => {
                let told = Told { entity, value, attributes, available, wait };
                readings::read(office, &mut self.pending, peer, told, tag, now)
            }
            Request::Publish { topic, payload, qos, retain, delivery, wait } => {
                let qos = qos.unwrap_or(office.config.client.qos);
                let message = Message { topic, payload: payload.into(), qos, retain };
                readings::publish(office, &mut self.pending, peer, (message, delivery), wait, tag, now)
            }
            Request::Register { description, permanent } => {
                let place = self.pending.place();
                let progress = office.registrar.register(peer, &description, permanent, place.ticket, now)?;
                Ok(self.progressed(progress, place, peer, "registered", tag))
            }
            Request::Unregister { entity } => {
                let place = self.pending.place();
                let progress = office.registrar.unregister(peer, &entity, place.ticket, now)?;
                Ok(self.progressed(progress, place, peer, "unregistered", tag))
            }
            Request::Subscribe { filter, qos } => {
                let number = visitor.subscriptions.add(&office.handle, &self.bell, filter, qos)?;
                Ok(Done::Answer(Answer::ok("subscribed").with("subscription", number)))
            }
            Request::Unsubscribe { subscription } => match visitor.subscriptions.remove(subscription) {
                true => Ok(Done::Answer(Answer::ok("unsubscribed"))),
                false => {
                    let reason = format!("there is no subscription {subscription} of this connection");
                    Err(Failure::new(Code::Field, reason).expected("a number that subscribe has answered"))
                }
            },
            Request::Devices { .. } | Request::Get { .. } | Request::Set { .. } => {
                self.devices.ask(office, &request, now)
            }
            Request::Watch => {
                let bell = self.bell.clone();
                visitor.watch = Some(self.devices.watch(office, move || bell.ring(), now)?);
                Ok(Done::Answer(Answer::ok("watching")))
            }
            Request::Status => {
                let clients = self.visitors.values().map(|it| it.told(now)).collect();
                let status = status::status(office, clients, self.began, now);
                Ok(Done::Answer(Answer::ok("status").with("status", json!(status))))
            }
            Request::Reload => self.reload(peer, tag, now),
        }
    }

    /// Looks whether there may be one subscription more.
    ///
    /// # Errors
    ///
    /// [`Code::TooMany`].
    fn check_room(&self) -> Result<(), Failure> {
        let all: usize = self.visitors.values().map(|it| it.subscriptions.len()).sum();
        if all < MOST_SUBSCRIPTIONS {
            return Ok(());
        }
        let reason = format!("all programs together may have {MOST_SUBSCRIPTIONS} subscriptions");
        Err(Failure::new(Code::TooMany, reason).expected("fewer, with wildcards"))
    }

    /// The answer to what the registrar has done, or has begun.
    fn progressed(
        &mut self,
        progress: Progress,
        place: Place,
        peer: &Peer,
        word: &'static str,
        tag: Option<&Json>,
    ) -> Done {
        match progress {
            Progress::Done => Done::Answer(Answer::ok(word)),
            Progress::Begun => {
                Done::Later(self.pending.add(place, peer.client, tag.cloned(), Until::Answered(word), None))
            }
        }
    }

    /// Has the configuration read again, on a thread of its own: that takes seconds. Who asks again and again waits in between,
    /// for each time is in the log.
    fn reload(&mut self, peer: &Peer, tag: Option<&Json>, now: Instant) -> Result<Done, Failure> {
        let is_under_way = self.reloading.as_ref().is_some_and(|it| !it.has_ended());
        if is_under_way || self.reload_at.is_some_and(|it| it > now) {
            self.reload_at.get_or_insert(now + RELOAD_PAUSE);
            return Ok(Done::Busy);
        }
        self.reload_at = Some(now + RELOAD_PAUSE);
        let (reloader, postbox, place) =
            (self.reloader.clone(), self.pending.postbox(), self.pending.place());
        let ticket = place.ticket;
        let worker = Worker::spawn("reload", move |_| {
            postbox.put(ticket, Arrival::Answer(office::reloaded(reloader.reload())));
        });
        let failed = |cause| Failure::new(Code::Internal, format!("no thread is to be had: {cause}"));
        self.reloading = Some(worker.map_err(failed)?);
        let until = Until::Answered("reloaded");
        Ok(Done::Later(self.pending.add(place, peer.client, tag.cloned(), until, None)))
    }

    /// Looks what the registrar has to tell, and appends its answers.
    fn look_at_registrar(&mut self, now: Instant, answers: &mut Vec<(Ticket, String)>) {
        let registrar = &mut self.office.registrar;
        registrar.tick(now);
        for (ticket, done) in registrar.answers() {
            answers.extend(self.pending.conclude(ticket, done));
        }
        for commanded in registrar.commands() {
            for client in &commanded.clients {
                if let Some(visitor) = self.visitors.get_mut(client) {
                    visitor.command(&commanded);
                }
            }
        }
    }
}

/// Who speaks what here.
fn hello() -> Answer {
    let limits = json!({"line_bytes": protocol::LINE_BYTES});
    let answer = Answer::ok("hello").with("protocol", protocol::VERSION);
    answer.with("version", env!("CARGO_PKG_VERSION")).with("limits", limits)
}

impl Desk for Clerk {
    fn came(&mut self, peer: &Peer, now: Instant) {
        let permits = self.rights.permits(peer);
        self.visitors.insert(peer.client, Visitor::new(peer.clone(), permits, now));
    }

    fn ask(&mut self, peer: &Peer, line: &[u8], now: Instant) -> Asked {
        let Envelope { tag, request } = match Envelope::parse(line) {
            Ok(envelope) => envelope,
            Err((tag, failure)) => return Asked::Answer(failure.line(tag.as_ref())),
        };
        let answer = match self.carry_out(peer, request, tag.as_ref(), now) {
            Ok(Done::Busy) => return Asked::Busy,
            Ok(Done::Later(ticket)) => Asked::Later(ticket),
            Ok(Done::Answer(answer)) => Asked::Answer(answer.line(tag.as_ref())),
            Err(failure) => Asked::Answer(failure.line(tag.as_ref())),
        };
        if let Some(visitor) = self.visitors.get_mut(&peer.client) {
            visitor.requests += 1;
        }
        answer
    }

    fn went(&mut self, peer: &Peer, now: Instant) {
        self.visitors.remove(&peer.client);
        self.pending.forget(peer.client);
        self.office.registrar.left(peer.client, now);
    }

    fn answers(&mut self, now: Instant, answers: &mut Vec<(Ticket, String)>) {
        while let Ok(config) = self.configurations.try_recv() {
            self.office.config = config;
            self.office.registrar.configured();
        }
        self.reload_at = self.reload_at.filter(|it| *it > now);
        self.look_at_registrar(now, answers);
        let is_watched = self.visitors.values().any(|it| it.watch.is_some());
        self.devices.tick(&self.office, is_watched, now);
        self.pending.answers(now, self.office.health.link_up(), answers);
    }

    fn last_answers(&mut self, now: Instant, answers: &mut Vec<(Ticket, String)>) {
        self.answers(now, answers);
        self.pending.give_up(answers);
    }

    fn event(&mut self, client: ClientId) -> Option<String> {
        let visitor = self.visitors.get_mut(&client)?;
        let news = visitor.event();
        news.or_else(|| Some(devices::event(&self.office, visitor.watch.as_ref()?)?.line(None)))
    }

    fn due(&self) -> Option<Instant> {
        let of_registrar = self.office.registrar.due();
        [self.pending.due(), self.devices.due(), of_registrar, self.reload_at].into_iter().flatten().min()
    }
}

/// Shorter than anybody takes to change the configuration again.
const RELOAD_PAUSE: Duration = Duration::from_secs(1);

/// How many subscriptions there may be of all programs. Each may hold a megabyte for a program that does not read.
const MOST_SUBSCRIPTIONS: usize = 128;
