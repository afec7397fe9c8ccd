//! Between the bridge and one connection at a time: what happens on it is passed on until it ends.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select};
use rumqttc::Client;
use rumqttc::Event;
use rumqttc::Outgoing;
use rumqttc::Packet;
use rumqttc::PingReq;
use rumqttc::Request;

use crate::model::Qos;
use crate::model::Token;
use crate::worker::Pulse;
use crate::worker::Stop;

use super::connection::Connection;
use super::in_flight::{InFlight, Meaning};
use super::kept::{Kept, Unfinished};
use super::options::Options;
use super::orders::{Order, Orders};
use super::question::Asked;
use super::retry::Lifetime;
use super::session::{NOTHING, Session, limits};
use super::site::Site;
use super::subscriptions::Subscriptions;
use super::witness::Witness;
use super::{LinkError, LinkEvent};

/// The bridge's side of the link thread, which outlives the connections.
pub(super) struct Passage {
    events: Sender<LinkEvent>,
    stop: Stop,
    current: Current,
    pulse: Pulse,
    /// How long nothing at all may happen on a connection: at the latest, we write a ping or give up waiting.
    silence: Duration,
    subscriptions: Subscriptions,
    /// `None` with clean sessions, of which nothing is kept.
    kept: Option<Kept>,
    /// Tells the session that is kept from another.
    witness: Option<Witness>,
    max_in_flight: u16,
    /// How long a broker may take from one step to the next in finishing what an earlier connection left.
    patience: Duration,
}

/// Room for the requests of the connection there is, so that a thread that waits in it can be woken.
#[derive(Clone)]
pub(super) struct Current {
    put: Sender<Client>,
    take: Receiver<Client>,
}

/// What is known of the messages on one connection.
struct Progress {
    in_flight: InFlight,
    acknowledged: bool,
    /// How many packets in a row were written without a look at what came in.
    run: u32,
    /// Of these messages the bridge is to hear once that look was taken.
    written: Vec<Token>,
}

impl Passage {
    /// A passage for what `options` subscribe to, before the first connection.
    pub(super) fn new(
        options: &Options,
        events: Sender<LinkEvent>,
        current: Current,
        stop: Stop,
        pulse: Pulse,
    ) -> Passage {
        let client = &options.client;
        let will = options.will.as_ref().filter(|_| !client.clean_session);
        let witness = will.and_then(|it| Witness::below(&it.topic));
        let own = witness.iter().map(Witness::subscription);
        let subscriptions: Vec<_> = own.chain(options.subscriptions.iter().cloned()).collect();
        Passage {
            subscriptions: Subscriptions::new(subscriptions),
            kept: (!client.clean_session).then(Kept::default),
            witness,
            max_in_flight: client.max_in_flight,
            patience: 2 * client.connection_timeout,
            // rumqttc gives each write that limit too.
            silence: client.keep_alive.max(2 * client.connection_timeout) + client.connection_timeout,
            events,
            stop,
            current,
            pulse,
        }
    }

    /// What is known of the session that the broker keeps; `None` with clean sessions.
    pub(super) fn kept(&mut self) -> Option<&mut Kept> {
        self.kept.as_mut()
    }

    /// Finishes what the connection before has left, subscribes, says that the link to the broker at `site` is up, and
    /// passes on what happens until the connection ends. Returns why it ended, and what it was good for.
    pub(super) fn serve(&mut self, mut connection: Connection, site: Site) -> (LinkError, Lifetime) {
        let began = Instant::now();
        self.pulse.turns_within(self.silence);
        // Whoever stops us closes the stop first and looks here then; so one of us sees the other.
        self.current.set(connection.client());
        let (cause, acknowledged) = match self.prove(&mut connection) {
            Ok(()) => self.exchange(connection, site),
            Err(cause) => {
                self.kept.iter_mut().for_each(|it| it.unproven(&cause));
                self.subscriptions.connection_ended(&cause, None);
                (cause, false)
            }
        };
        self.current.clear();
        (cause, Lifetime { lasted: began.elapsed(), acknowledged })
    }

    /// Waits for the witness where the session may be another than the one that we know.
    fn prove(&mut self, connection: &mut Connection) -> Result<(), LinkError> {
        if self.stop.is_set() {
            return Err(LinkError::Disconnected);
        }
        let present = connection.session_present();
        if !self.kept.as_ref().is_some_and(|it| it.needs_proof(present)) {
            return Ok(());
        }
        let question = self.witness.as_mut().map(Witness::ask);
        // A broker that answers the ping has read the question.
        connection.write_first(question.into_iter().chain([Request::PingReq(PingReq)]).collect());
        let mut nothing = self.take_up(connection, Unfinished::default());
        let mut cause = LinkError::KeepAlive;
        let deadline = Instant::now() + self.patience;
        while !self.witness.as_ref().is_some_and(Witness::has_answered) {
            match connection.next_until(deadline) {
                None => return Err(cause),
                Some(Ok(Event::Outgoing(Outgoing::Publish(_)))) => {}
                Some(Ok(Event::Incoming(Packet::PingResp))) => cause = LinkError::Unacknowledged,
                Some(event) => self.pass_on(&mut nothing, event?, true)?,
            }
        }
        Ok(())
    }

    /// All of one connection that is to be used. Returns why it ended, and whether anything was acknowledged.
    fn exchange(&mut self, mut connection: Connection, site: Site) -> (LinkError, bool) {
        let resumed = self.kept.as_mut().and_then(|it| it.resume(connection.session_present()));
        let is_resumed = resumed.is_some();
        let mut progress = self.take_up(&mut connection, resumed.unwrap_or_default());
        let steps = progress.in_flight.steps();
        let Err(cause) = self.live(&mut connection, &mut progress, site, is_resumed);

        // From here on nothing is handed over, so what is left is complete.
        progress.in_flight.orders.close();
        connection.close();
        while let Some(event) = connection.left_over() {
            // At QoS 0 it may not have been written. With clean sessions the bridge sends it again then.
            let _ = self.pass_on(&mut progress, event, self.kept.is_some());
        }
        self.tell_written(&mut progress);
        let Progress { in_flight, acknowledged, .. } = progress;
        self.subscriptions.connection_ended(&cause, in_flight.orders.newest());
        if let Some(kept) = &mut self.kept {
            let advanced = in_flight.steps() > steps;
            let identifiers = limits(self.max_in_flight).identifiers();
            let unfinished = Unfinished::of(in_flight, connection.unfinished(), identifiers);
            kept.ended(&cause, unfinished, advanced);
        }
        (cause, acknowledged)
    }

    /// Begins with what is `unfinished`.
    fn take_up(&self, connection: &mut Connection, unfinished: Unfinished) -> Progress {
        let orders = Orders::new(limits(self.max_in_flight));
        for token in unfinished.at_most_once {
            // There is room: they have come from such a one.
            let _ = orders.place(Order::Publish(token, Qos::AtMostOnce), || true);
        }
        connection.write_first(unfinished.requests);
        let in_flight = InFlight::new(orders, unfinished.unacknowledged);
        Progress { in_flight, acknowledged: false, run: 0, written: Vec::new() }
    }

    /// One connection, until it ends.
    fn live(
        &mut self,
        connection: &mut Connection,
        progress: &mut Progress,
        site: Site,
        resumed: bool,
    ) -> Result<Infallible, LinkError> {
        self.finish(connection, progress)?;
        self.kept.iter_mut().for_each(Kept::up);
        let (orders, allowed) = (progress.in_flight.orders.clone(), self.subscriptions.allowed());
        let session = Session::new(connection.client(), site, orders, allowed, resumed);
        // There is room: nothing was asked before.
        let _ = session.subscribe_to(self.subscriptions.first());
        if !self.tell(LinkEvent::Up(session)) {
            return Err(LinkError::Disconnected);
        }
        loop {
            let event = match progress.run < LONGEST_RUN {
                true => Some(connection.next()?),
                false => connection.next_until(Instant::now() + BREATH).transpose()?,
            };
            progress.run = if matches!(event, Some(Event::Outgoing(_))) { progress.run + 1 } else { 0 };
            if let Some(event) = event {
                self.pass_on(progress, event, true)?;
            }
            if progress.run == 0 && !self.tell_written(progress) {
                return Err(LinkError::Disconnected);
            }
        }
    }

    /// Tells the bridge what it has not heard of yet. False when nobody takes it any more.
    fn tell_written(&self, progress: &mut Progress) -> bool {
        progress.written.drain(..).all(|it| self.tell(LinkEvent::Delivered(it)))
    }

    /// Waits until what an earlier connection has left is delivered. Nothing else is written meanwhile, for
    /// rumqttc does not know which packet identifiers are in use.
    fn finish(&mut self, connection: &mut Connection, progress: &mut Progress) -> Result<(), LinkError> {
        let mut steps = progress.in_flight.steps();
        let mut deadline = Instant::now() + self.patience;
        while !progress.in_flight.is_empty() {
            let event = connection.next_until(deadline).ok_or(LinkError::Unacknowledged)??;
            self.pass_on(progress, event, true)?;
            if progress.in_flight.steps() > steps {
                steps = progress.in_flight.steps();
                deadline = Instant::now() + self.patience;
            }
        }
        Ok(())
    }

    /// Tells the bridge what `event` means, `sure` as in [`InFlight::meaning`].
    ///
    /// # Errors
    ///
    /// [`LinkError`], why the connection is to end.
    fn pass_on(&mut self, progress: &mut Progress, event: Event, sure: bool) -> Result<(), LinkError> {
        self.pulse.turns_within(self.silence);
        let event = match progress.in_flight.meaning(event, sure) {
            Meaning::Acknowledged(token) => {
                progress.acknowledged = true;
                Some(LinkEvent::Delivered(token))
            }
            Meaning::Written(token) if progress.run >= LONGEST_RUN => {
                progress.written.push(token);
                None
            }
            Meaning::Written(token) => Some(LinkEvent::Delivered(token)),
            Meaning::Received(message) if self.witness.as_mut().is_some_and(|it| it.hears(&message)) => None,
            Meaning::Received(message) => Some(LinkEvent::Received(message)),
            Meaning::Nothing => None,
            Meaning::End(cause) => return Err(cause),
        };
        let answer = progress.in_flight.answer().map(|it| self.answered(it));
        let is_told = event.into_iter().chain(answer).all(|it| self.tell(it));
        if is_told { Ok(()) } else { Err(LinkError::Disconnected) }
    }

    /// What the bridge is to hear of an answer.
    fn answered(&mut self, asked: Asked) -> LinkEvent {
        match asked {
            Asked::Subscribe(mut filters) => {
                self.subscriptions.answered(&filters);
                filters.retain(|(filter, _)| !self.witness.as_ref().is_some_and(|it| it.is_at(filter)));
                LinkEvent::Subscribed(filters)
            }
            Asked::Unsubscribe => LinkEvent::Unsubscribed,
        }
    }

    /// Waits until the bridge has room for `event`. False when nobody takes it any more, or when we are to
    /// stop and there is no room.
    pub(super) fn tell(&self, event: LinkEvent) -> bool {
        match self.events.try_send(event) {
            Ok(()) => true,
            Err(TrySendError::Disconnected(_)) => false,
            Err(TrySendError::Full(event)) => select! {
                send(self.events, event) -> it => it.is_ok(),
                recv(self.stop.channel()) -> _ => false,
            },
        }
    }
}

impl Current {
    /// No connection.
    pub(super) fn new() -> Current {
        let (put, take) = bounded(1);
        Current { put, take }
    }

    /// Ends the connection there is, if there is one, with a DISCONNECT. Never blocks.
    pub(super) fn disconnect(&self) {
        if let Ok(client) = self.take.try_recv() {
            let _ = client.try_disconnect();
        }
    }

    /// Ends the connection there is, if there is one, without DISCONNECT: the broker sends the will, and so says itself
    /// that we are offline there. Never blocks.
    pub(super) fn leave(&self) {
        if let Ok(client) = self.take.try_recv() {
            let _ = client.try_unsubscribe(NOTHING);
        }
    }

    fn set(&self, client: Client) {
        self.clear();
        let _ = self.put.try_send(client);
    }

    fn clear(&self) {
        let _ = self.take.try_recv();
    }
}

/// After so many packets the link has a look at what came in. rumqttc 0.25.1 asks the system for that only when it has
/// nothing to write: whoever publishes at QoS 0 without a pause, which no window stops, would hear nothing any more, not
/// even that the broker is alive. The bridge does not hear of what is written meanwhile, so its window fills, and there is
/// a pause.
const LONGEST_RUN: u32 = 1_000;
/// How long that look takes where nothing came in: the least that the runtime waits.
const BREATH: Duration = Duration::from_millis(1);
