//! The mock broker from outside: [`Broker`] and its [`Settings`].

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select};

use super::Connect;
use super::Faults;
use super::Publish;
use super::Subscription;
use super::event::Event;
use super::event::Question;
use super::exchange::Exchange;
use crate::model::Message;
use crate::model::Qos;
use crate::model::Secret;
use crate::model::Topic;
use crate::worker::Stop;
use crate::worker::Worker;

/// A small MQTT 3.1.1 broker in this process, on a loopback port. Dropping it closes every connection and joins
/// every thread.
///
/// One thread accepts, one reads for each connection, and one owns all state and writes. A method that asks
/// something waits for that last one: no longer than a second for each client that has stopped reading.
///
/// A kept session of a client that is away holds 1,000 messages, QoS 0 none; 20 are in flight at most. A packet
/// may have 4 MiB. At most 64 connections are open at once; 1,000 messages are retained, and as many sessions kept.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    // Before the exchange, for it may wait for room in the exchange's inbox, and fields are dropped in order.
    acceptor: Option<Acceptor>,
    inbox: Sender<Event>,
    _exchange: Worker,
}

/// What a broker is started with. The default: any free port, everybody may connect, no faults.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The port on 127.0.0.1; 0 is any that is free.
    pub port: u16,
    /// Who alone may connect, if not everybody.
    pub login: Option<Login>,
    /// What to do wrong from the start.
    pub faults: Faults,
}

/// A user name and its password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Login {
    /// The user name.
    pub user_name: String,
    /// The password.
    pub password: Secret,
}

impl From<Faults> for Settings {
    fn from(faults: Faults) -> Settings {
        Settings { faults, ..Settings::default() }
    }
}

impl Broker {
    /// Starts a broker; it takes connections from now on.
    ///
    /// # Errors
    ///
    /// The system's own, when the port is taken or there is no thread to be had.
    pub fn start(settings: impl Into<Settings>) -> io::Result<Broker> {
        let settings = settings.into();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port))?;
        let address = listener.local_addr()?;
        let (inbox, events) = bounded(INBOX_EVENTS);
        let exchange = Exchange::new(settings, inbox.clone());
        let exchange = Worker::spawn("mock", move |stop| exchange.run(&events, &stop))?;
        let acceptor = Some(Acceptor::start(listener, inbox.clone())?);
        Ok(Broker { address, acceptor, inbox, _exchange: exchange })
    }

    /// Where to connect to. It stays the same over [`Broker::restart`].
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets what to do wrong from now on, on connections that are open as well.
    pub fn set_faults(&self, faults: Faults) {
        self.tell(Event::Faults(faults));
    }

    /// Whatever clients publish from now on, in order of arrival, wills included; a QoS 2 message that is sent
    /// again counts once. The channel holds `capacity` messages. When it is full the newest is dropped and counted
    /// in [`Broker::unobserved`], for the broker waits for nobody. Dropping the receiver ends it.
    pub fn publishes(&self, capacity: usize) -> Receiver<Publish> {
        let (observer, publishes) = bounded(capacity);
        self.tell(Event::Observe(observer));
        publishes
    }

    /// How many messages found no room in a channel of [`Broker::publishes`].
    pub fn unobserved(&self) -> u64 {
        self.ask(Question::Unobserved)
    }

    /// How many connections there are, with a CONNECT accepted or not.
    pub fn connected(&self) -> usize {
        self.ask(Question::Connected)
    }

    /// The last 256 CONNECTs, refused and unanswered ones included, oldest first.
    pub fn connects(&self) -> Vec<Connect> {
        self.ask(Question::Connects)
    }

    /// How many CONNECTs have arrived since the broker was started first.
    pub fn connect_count(&self) -> u64 {
        self.ask(Question::ConnectCount)
    }

    /// The payload retained on `topic`, if there is one.
    pub fn retained(&self, topic: &Topic) -> Option<Vec<u8>> {
        self.ask(|reply| Question::Retained(topic.clone(), reply))
    }

    /// All subscriptions, those of kept sessions whose client is away included, by client and filter.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.ask(Question::Subscriptions)
    }

    /// Publishes as another client would, at each subscription's own QoS: Home Assistant's birth message, say.
    /// [`Broker::publishes`] does not show it.
    pub fn publish(&self, topic: &Topic, payload: impl AsRef<[u8]>, retain: bool) {
        let (topic, payload) = (topic.clone(), payload.as_ref().into());
        self.tell(Event::Publish(Message { topic, payload, qos: Qos::ExactlyOnce, retain }));
    }

    /// Closes every connection without a word. Wills are published.
    pub fn cut(&self) {
        self.tell(Event::Cut);
    }

    /// Loses all retained messages and all sessions, as a broker without persistence does when it restarts.
    /// Who is connected stays so, and loses the session in the end.
    pub fn forget(&self) {
        self.tell(Event::Forget);
    }

    /// Stops listening and closes every connection: connecting is refused until [`Broker::restart`]. Wills are
    /// published, retained messages and sessions kept, as by a broker that is shut down in order.
    pub fn stop(&mut self) {
        self.acceptor = None;
        self.cut();
        self.connected(); // Answered when the cut is done.
    }

    /// Stops the broker if it runs, and listens on its port again. It remembers everything;
    /// [`Broker::forget`] between `stop` and `restart` makes it one without persistence.
    ///
    /// # Errors
    ///
    /// The system's own, when somebody else has taken the port or there is no thread to be had.
    pub fn restart(&mut self) -> io::Result<()> {
        self.stop();
        self.acceptor = Some(Acceptor::start(TcpListener::bind(self.address)?, self.inbox.clone())?);
        Ok(())
    }

    fn tell(&self, event: Event) {
        self.inbox.send(event).expect("the exchange runs as long as its broker");
    }

    fn ask<T>(&self, question: impl FnOnce(Sender<T>) -> Question) -> T {
        let (reply, answer) = bounded(1);
        self.tell(Event::Ask(question(reply)));
        answer.recv().expect("the exchange runs as long as its broker")
    }
}

/// The thread that accepts connections. Dropping it closes the port.
#[derive(Debug)]
struct Acceptor {
    /// The listening socket, as the one type whose `shutdown` the standard library offers.
    socket: TcpStream,
    _worker: Worker,
}

impl Acceptor {
    fn start(listener: TcpListener, inbox: Sender<Event>) -> io::Result<Acceptor> {
        let socket = TcpStream::from(OwnedFd::from(listener.try_clone()?));
        let worker = Worker::spawn("mock-accept", move |stop| accept(&listener, &inbox, &stop))?;
        Ok(Acceptor { socket, _worker: worker })
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        // On Linux this ends a blocked `accept`, and every later one, with an error: the worker can be joined.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

fn accept(listener: &TcpListener, inbox: &Sender<Event>, stop: &Stop) {
    loop {
        match listener.accept() {
            Ok((stream, _)) => select! {
                send(inbox, Event::Accepted(stream)) -> _ => {}
                recv(stop.channel()) -> _ => return,
            },
            // Told to stop, or out of file descriptors: then there may be some later.
            Err(_) => {
                if !stop.sleep(ACCEPT_PAUSE) {
                    return;
                }
            }
        }
    }
}

/// Room for events: each connection has one on its way at most.
const INBOX_EVENTS: usize = 16;
/// How long to wait after an `accept` that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
