//! The mock broker's one thread that owns all its state: [`Exchange`].

use std::collections::{BTreeMap, VecDeque};
use std::net::TcpStream;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError, at, never, select};

use super::Connect;
use super::Faults;
use super::Login;
use super::Publish;
use super::Refusal;
use super::Settings;
use super::Subscription;
use super::connection::Connection;
use super::connection::Phase;
use super::event::Event;
use super::event::Question;
use super::packet::FromClient;
use super::packet::PacketError;
use super::packet::ToClient;
use super::session::Session;
use crate::model::Message;
use crate::model::Qos;
use crate::model::Topic;
use crate::model::TopicFilter;
use crate::worker::Stop;

/// The broker's state and what is done about each event.
pub(super) struct Exchange {
    login: Option<Login>,
    faults: Faults,
    /// For the connections' readers.
    inbox: Sender<Event>,
    connections: BTreeMap<u64, Connection>,
    last_connection: u64,
    /// By client identifier. A session names a connection if and only if that connection is open and names it.
    sessions: BTreeMap<String, Session>,
    retained: BTreeMap<Topic, Message>,
    observers: Vec<Sender<Publish>>,
    unobserved: u64,
    /// The last [`MAX_CONNECTS`] of them.
    connects: VecDeque<Connect>,
    connect_count: u64,
    /// Acknowledgements due since the faults were set, withheld ones included.
    acks: u64,
}

impl Exchange {
    pub(super) fn new(settings: Settings, inbox: Sender<Event>) -> Exchange {
        Exchange {
            login: settings.login,
            faults: settings.faults,
            inbox,
            connections: BTreeMap::new(),
            last_connection: 0,
            sessions: BTreeMap::new(),
            retained: BTreeMap::new(),
            observers: Vec::new(),
            unobserved: 0,
            connects: VecDeque::new(),
            connect_count: 0,
            acks: 0,
        }
    }

    /// Handles events, one at a time, until told to stop.
    pub(super) fn run(mut self, events: &Receiver<Event>, stop: &Stop) {
        loop {
            let deadline = self.connections.values().filter_map(|it| it.deadline(&self.faults)).min();
            let event = select! {
                recv(stop.channel()) -> _ => return,
                recv(events) -> it => it.expect("the exchange itself holds a sender"),
                recv(deadline.map_or_else(never, at)) -> _ => Event::Tick,
            };
            self.handle(event, Instant::now());
        }
    }

    fn handle(&mut self, event: Event, now: Instant) {
        match event {
            Event::Accepted(stream) => self.accept(stream, now),
            Event::Received(id, bytes) => self.receive(id, &bytes, now),
            Event::Ended(id) => self.end(id),
            Event::Tick => self.tick(now),
            Event::Faults(faults) => {
                self.faults = faults;
                self.acks = 0;
                for connection in self.connections.values_mut() {
                    connection.read_on(&self.faults, now);
                }
            }
            Event::Publish(message) => self.route(message),
            Event::Cut => self.connections.values_mut().for_each(Connection::close),
            Event::Forget => {
                self.retained.clear();
                self.sessions.retain(|_, it| it.connection.is_some());
                self.sessions.values_mut().for_each(|it| it.clean = true);
            }
            Event::Observe(observer) => self.observers.push(observer),
            Event::Ask(question) => self.answer(question),
        }
        // A connection closed on the way (by a fault, a bad packet, a failed write) ends here, with its will.
        while let Some(id) = self.connections.iter().find(|(_, it)| it.is_closed()).map(|(id, _)| *id) {
            self.end(id);
        }
    }

    fn accept(&mut self, stream: TcpStream, now: Instant) {
        if self.connections.len() >= MAX_CONNECTIONS {
            return;
        }
        self.last_connection += 1;
        let id = self.last_connection;
        // No thread or no socket option to be had: the peer sees its connection closed.
        if let Ok(connection) = Connection::start(id, stream, self.inbox.clone(), now) {
            self.connections.insert(id, connection);
        }
    }

    fn receive(&mut self, id: u64, bytes: &[u8], now: Instant) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.receive(bytes, &self.faults, now);
        }
        self.take_packets(id, now);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.read_on(&self.faults, now);
        }
    }

    fn take_packets(&mut self, id: u64, now: Instant) {
        while let Some(connection) = self.connections.get_mut(&id) {
            let packet = match connection.next() {
                Ok(Some(packet)) => packet,
                Ok(None) => return,
                Err(PacketError::Malformed) => return connection.close(),
                Err(PacketError::ProtocolVersion) => {
                    return refuse(connection, Refusal::ProtocolVersion, &self.faults);
                }
            };
            match (&connection.phase, packet) {
                (Phase::Open { client, .. }, packet) => {
                    let client = client.clone();
                    self.serve(id, &client, packet, now);
                }
                (Phase::Accepted { .. }, FromClient::Connect(connect)) => self.take_connect(id, connect, now),
                _ => return connection.close(),
            }
        }
    }

    fn take_connect(&mut self, id: u64, mut connect: Box<Connect>, now: Instant) {
        connect.refusal = self.refusal(&connect);
        if connect.client.is_empty() {
            connect.client = format!("mock-{id}");
        }
        self.connect_count += 1;
        self.connects.push_back(Connect::clone(&connect));
        if self.connects.len() > MAX_CONNECTS {
            self.connects.pop_front();
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match self.faults.connack_delay {
            _ if self.faults.silent => connection.phase = Phase::Held { connect, until: None },
            Some(delay) => connection.phase = Phase::Held { connect, until: Some(now + delay) },
            None => self.open(id, *connect, now),
        }
    }

    fn refusal(&self, connect: &Connect) -> Option<Refusal> {
        let known = self.login.as_ref().is_none_or(|it| {
            connect.user_name.as_ref() == Some(&it.user_name)
                && connect.password.as_ref() == Some(&it.password)
        });
        match self.faults.refuse {
            Some(refusal) => Some(refusal),
            None if connect.client.is_empty() && !connect.clean_session => Some(Refusal::Identifier),
            None if !known => Some(Refusal::NotAuthorized),
            None => None,
        }
    }

    /// Answers a CONNECT, and takes up the session where there is one.
    fn open(&mut self, id: u64, connect: Connect, now: Instant) {
        if let (Some(refusal), Some(connection)) = (connect.refusal, self.connections.get_mut(&id)) {
            return refuse(connection, refusal, &self.faults);
        }
        if let Some(older) = self.sessions.get(&connect.client).and_then(|it| it.connection) {
            self.end(older);
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let keep = !connect.clean_session && !self.faults.lose_session;
        let kept = self.sessions.remove(&connect.client).filter(|_| keep);
        let present = kept.is_some();
        let count = self.sessions.len();
        let session = self.sessions.entry(connect.client.clone()).or_insert(kept.unwrap_or_default());
        session.connection = Some(id);
        session.clean = connect.clean_session || count > MAX_KEPT;
        connection.open(connect, present, &self.faults, now);
        for packet in session.again() {
            connection.send(&packet, &self.faults);
        }
        flush(session, &mut self.connections, &self.faults);
    }

    /// Does what an accepted client asks for.
    fn serve(&mut self, id: u64, client: &str, packet: FromClient, now: Instant) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(session) = self.sessions.get_mut(client) else { return };
        match packet {
            FromClient::Connect(_) => connection.close(),
            FromClient::Publish { id: packet_id, dup, message } => {
                let answer = match message.qos {
                    Qos::AtMostOnce => None,
                    Qos::AtLeastOnce => Some(ToClient::PubAck(packet_id)),
                    Qos::ExactlyOnce => Some(ToClient::PubRec(packet_id)),
                };
                if message.qos != Qos::ExactlyOnce || session.note_inbound(packet_id) {
                    self.publish(client, message, dup);
                }
                if let Some(answer) = answer {
                    self.acknowledge(id, answer, now);
                }
            }
            FromClient::PubRel(packet_id) => {
                session.release_inbound(packet_id);
                self.acknowledge(id, ToClient::PubComp(packet_id), now);
            }
            FromClient::PubAck(packet_id) => session.acknowledged(packet_id),
            FromClient::PubRec(packet_id) => {
                session.received(packet_id);
                connection.send(&ToClient::PubRel(packet_id), &self.faults);
            }
            FromClient::PubComp(packet_id) => session.completed(packet_id),
            FromClient::Subscribe(packet_id, filters) => self.subscribe(id, client, packet_id, filters),
            FromClient::Unsubscribe(packet_id, filters) => {
                session.subscriptions.retain(|it, _| !filters.iter().any(|gone| gone == it.as_str()));
                if !self.faults.withhold_subacks {
                    connection.send(&ToClient::UnsubAck(packet_id), &self.faults);
                }
            }
            FromClient::PingReq => connection.send(&ToClient::PingResp, &self.faults),
            FromClient::Disconnect => {
                if let Phase::Open { will, .. } = &mut connection.phase {
                    *will = None;
                }
                connection.close();
            }
        }
        // An acknowledgement makes room for the next message.
        if let Some(session) = self.sessions.get_mut(client) {
            flush(session, &mut self.connections, &self.faults);
        }
    }

    fn subscribe(
        &mut self,
        id: u64,
        client: &str,
        packet_id: u16,
        mut filters: Vec<Option<(TopicFilter, Qos)>>,
    ) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(session) = self.sessions.get_mut(client) else { return };
        for filter in &mut filters {
            filter.take_if(|(it, _)| self.faults.refuse_filters.contains(it));
        }
        let granted = filters.iter().map(|it| it.as_ref().map(|(_, qos)| *qos)).collect();
        if !self.faults.withhold_subacks {
            connection.send(&ToClient::SubAck(packet_id, granted), &self.faults);
        }
        let filters: Vec<(TopicFilter, Qos)> = filters.into_iter().flatten().collect();
        for message in self.retained.values() {
            let filters = filters.iter().map(|(filter, qos)| (filter, qos));
            for qos in Session::granted(filters, message.topic.as_str(), self.faults.copy_per_filter) {
                session.deliver(Message { qos: qos.min(message.qos), ..message.clone() });
            }
        }
        if let (Some(bytes), Some((filter, _))) = (self.faults.oversize, filters.first()) {
            // A filter with each wildcard replaced by a letter is a topic that it matches.
            if let Ok(topic) = Topic::new(filter.as_str().replace(['+', '#'], "x")) {
                let message =
                    Message { topic, payload: vec![b'x'; bytes].into(), qos: Qos::AtMostOnce, retain: true };
                connection.send(&ToClient::Publish { id: 0, dup: false, message }, &self.faults);
            }
        }
        session.subscriptions.extend(filters);
    }

    fn acknowledge(&mut self, id: u64, packet: ToClient, now: Instant) {
        self.acks += 1;
        let withheld = self.faults.withhold_acks.is_some_and(|nth| nth > 0 && self.acks % nth == 0);
        if let (false, Some(connection)) = (withheld, self.connections.get_mut(&id)) {
            connection.acknowledge(packet, &self.faults, now);
        }
    }

    /// A client's message: shown to the observers, and routed.
    fn publish(&mut self, client: &str, message: Message, dup: bool) {
        let unobserved = &mut self.unobserved;
        self.observers.retain(|observer| match observer.try_send(Publish::new(client, &message, dup)) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                *unobserved += 1;
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        });
        self.route(message);
    }

    /// Keeps `message` if it is to be retained, and sends it to each session that subscribes to it.
    fn route(&mut self, message: Message) {
        match (message.retain, message.payload.is_empty()) {
            (true, true) => drop(self.retained.remove(&message.topic)),
            (true, false) if self.retained.len() < MAX_KEPT || self.retained.contains_key(&message.topic) => {
                self.retained.insert(message.topic.clone(), message.clone());
            }
            (true, false) | (false, _) => {}
        }
        for session in self.sessions.values_mut() {
            let topic = message.topic.as_str();
            for qos in Session::granted(&session.subscriptions, topic, self.faults.copy_per_filter) {
                session.deliver(Message { qos: qos.min(message.qos), retain: false, ..message.clone() });
            }
            flush(session, &mut self.connections, &self.faults);
        }
    }

    fn tick(&mut self, now: Instant) {
        let mut due = Vec::new();
        for (id, connection) in &mut self.connections {
            connection.tick(&self.faults, now);
            match &connection.phase {
                Phase::Held { connect, until: Some(until) } if *until <= now => {
                    due.push((*id, Connect::clone(connect)));
                }
                _ => {}
            }
        }
        for (id, connect) in due {
            self.open(id, connect, now);
            self.take_packets(id, now);
        }
    }

    /// Clears a connection away; what it leaves is its will and, if it is to be kept, its session.
    fn end(&mut self, id: u64) {
        let Some(mut connection) = self.connections.remove(&id) else { return };
        let Phase::Open { client, will, .. } = &mut connection.phase else { return };
        let (client, will) = (std::mem::take(client), will.take());
        drop(connection); // Closes the socket before anybody hears of it.
        if let Some(session) = self.sessions.get_mut(&client) {
            session.connection = None;
            if session.clean {
                self.sessions.remove(&client);
            }
        }
        if let Some(will) = will {
            self.publish(&client, will, false);
        }
    }

    /// Answers `question`; whoever asked and has left does not mind.
    fn answer(&self, question: Question) {
        match question {
            Question::Unobserved(reply) => drop(reply.send(self.unobserved)),
            Question::Connected(reply) => drop(reply.send(self.connections.len())),
            Question::Connects(reply) => drop(reply.send(self.connects.iter().cloned().collect())),
            Question::ConnectCount(reply) => drop(reply.send(self.connect_count)),
            Question::Retained(topic, reply) => {
                drop(reply.send(self.retained.get(&topic).map(|it| it.payload.to_vec())));
            }
            Question::Subscriptions(reply) => {
                let of_session = |(client, session): (&String, &Session)| {
                    let row = |(filter, qos): (&TopicFilter, &Qos)| Subscription {
                        client: client.clone(),
                        filter: filter.clone(),
                        qos: *qos,
                    };
                    session.subscriptions.iter().map(row).collect::<Vec<_>>()
                };
                drop(reply.send(self.sessions.iter().flat_map(of_session).collect()));
            }
        }
    }
}

/// Sends what waits for the session's client, as far as the window allows.
fn flush(session: &mut Session, connections: &mut BTreeMap<u64, Connection>, faults: &Faults) {
    let Some(connection) = session.connection.and_then(|id| connections.get_mut(&id)) else { return };
    while let Some(packet) = session.next() {
        connection.send(&packet, faults);
    }
}

fn refuse(connection: &mut Connection, refusal: Refusal, faults: &Faults) {
    if let Phase::Accepted { .. } | Phase::Held { .. } = connection.phase {
        connection.send(&ToClient::ConnAck { session_present: false, refusal: Some(refusal) }, faults);
    }
    connection.close();
}

/// Each has a thread: more at once is no test and no mock mode.
const MAX_CONNECTIONS: usize = 64;
/// Retained messages, and sessions; what comes beyond is passed on and not kept.
pub(super) const MAX_KEPT: usize = 1_000;
/// How many CONNECTs are remembered.
const MAX_CONNECTS: usize = 256;
