//! Between the bridge and one connection at a time: what happens on it is passed on until it ends.

use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select};
use rumqttc::Client;
use rumqttc::Event;

use crate::worker::Stop;

use super::connection::Connection;
use super::in_flight::{InFlight, Meaning};
use super::options::Options;
use super::retry::Lifetime;
use super::session::Session;
use super::subscriptions::Subscriptions;
use super::{LinkError, LinkEvent};

/// The bridge's side of the link thread, which outlives the connections.
pub(super) struct Passage {
    events: Sender<LinkEvent>,
    stop: Stop,
    current: Current,
    subscriptions: Subscriptions,
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
}

impl Passage {
    /// A passage for what `options` subscribe to, before the first connection.
    pub(super) fn new(options: &Options, events: Sender<LinkEvent>, current: Current, stop: Stop) -> Passage {
        Passage { subscriptions: Subscriptions::new(&options.subscriptions), events, stop, current }
    }

    /// Subscribes, says that the link is up, and passes on what happens until the connection ends. Returns
    /// why it ended, and what it was good for.
    pub(super) fn serve(&mut self, mut connection: Connection) -> (LinkError, Lifetime) {
        connection.subscribe(self.subscriptions.wanted());
        let (session, orders) = Session::new(connection.client());
        // Whoever stops us closes the stop first and looks here then; so one of us sees the other.
        self.current.set(connection.client());
        let began = Instant::now();
        let mut progress = Progress { in_flight: InFlight::new(orders), acknowledged: false };
        let cause = if !self.stop.is_set() && self.tell(LinkEvent::Up(session)) {
            self.until_end(&mut connection, &mut progress)
        } else {
            LinkError::Disconnected
        };
        self.current.clear();
        self.subscriptions.connection_ended(&cause);
        (cause, Lifetime { lasted: began.elapsed(), acknowledged: progress.acknowledged })
    }

    fn until_end(&mut self, connection: &mut Connection, progress: &mut Progress) -> LinkError {
        let cause = loop {
            match connection.next() {
                Ok(event) => {
                    if let Some(end) = self.pass_on(progress, event, true) {
                        // After a DISCONNECT of ours nothing may be waited for: dropping is closing.
                        return end;
                    }
                }
                Err(cause) => break cause,
            }
        };
        while let Some(event) = connection.left_over() {
            self.pass_on(progress, event, false);
        }
        cause
    }

    /// Tells the bridge what `event` means. Returns why the connection is to end, if it is.
    fn pass_on(&mut self, progress: &mut Progress, event: Event, live: bool) -> Option<LinkError> {
        let event = match progress.in_flight.meaning(event, live) {
            Meaning::Acknowledged(token) => {
                progress.acknowledged = true;
                LinkEvent::Delivered(token)
            }
            Meaning::Written(token) => LinkEvent::Delivered(token),
            Meaning::Received(message) => LinkEvent::Received(message),
            Meaning::Subscribed(accepted) => {
                self.subscriptions.answered(&accepted);
                return None;
            }
            Meaning::Nothing => return None,
            Meaning::End(cause) => return Some(cause),
        };
        if self.tell(event) { None } else { Some(LinkError::Disconnected) }
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

    fn set(&self, client: Client) {
        self.clear();
        let _ = self.put.try_send(client);
    }

    fn clear(&self) {
        let _ = self.take.try_recv();
    }
}
