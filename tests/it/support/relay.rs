//! A network of the tests' own: bytes pass through it until it is told to cut, hold, slow or swallow them.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{self, setsockopt, shutdown, sockopt};

use super::net::lasting_port;
use super::wait::{LIMIT, wait_until};

/// A way to a loopback port by way of another, which is where clients connect: they are the near side, the port is
/// the far one. What is asked of it has happened when the call returns.
pub(crate) struct Relay {
    port: u16,
    orders: Sender<(Order, Sender<()>)>,
    bell: UnixStream,
    thread: Option<JoinHandle<()>>,
}

/// How it goes, for all connections, until told otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Weather {
    /// Bytes pass.
    Fair,
    /// Bytes pass, but nobody listens any more.
    Refusing,
    /// Bytes pass, but a new connection is closed at once.
    Closing,
    /// Bytes are held in both directions, and so is the end of a connection.
    Holding,
    /// Bytes arrive this much later.
    Late(Duration),
    /// So many bytes a second pass in each direction.
    Narrow(u32),
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ending {
    /// As a process that ends closes it.
    Fin,
    /// As a machine that has restarted and knows of no connection.
    Reset,
}

/// One of the two peers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Side {
    /// The client.
    Near,
    /// The broker.
    Far,
}

impl Relay {
    /// A way to `port`, in fair weather.
    pub(crate) fn start(port: u16) -> Relay {
        let (orders, taken) = bounded(1);
        let (bell, rung) = UnixStream::pair().unwrap();
        let own = lasting_port();
        let mut network = Network {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, own)),
            far: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            listener: None,
            weather: Weather::Fair,
            trap: None,
            roads: Vec::new(),
            orders: taken,
            rung,
        };
        network.turn(Weather::Fair);
        let thread = thread::spawn(move || network.run());
        Relay { port: own, orders, bell, thread: Some(thread) }
    }

    /// Where clients connect.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends all connections, and each that is tried, until [`Relay::mend`].
    pub(crate) fn cut(&self) {
        self.turn(Weather::Closing);
        self.end(Ending::Fin);
    }

    /// Has the weather be fair again.
    pub(crate) fn mend(&self) {
        self.turn(Weather::Fair);
    }

    /// Changes the weather. Bytes on their way follow the new one from now on.
    pub(crate) fn turn(&self, weather: Weather) {
        self.ask(Order::Turn(weather));
    }

    /// Ends all connections now, on both sides.
    pub(crate) fn end(&self, ending: Ending) {
        self.ask(Order::End(ending));
    }

    /// Ends a connection when `bytes` more bytes have come from `side`: mostly within a packet.
    pub(crate) fn end_after(&self, bytes: usize, side: Side, ending: Ending) {
        self.ask(Order::Trap(Trap { bytes, side, ending }));
    }

    /// Half-open connections: closes all of them to `side`, and leaves the other side in the belief that they stand.
    /// What it sends is swallowed.
    pub(crate) fn lose(&self, side: Side) {
        self.ask(Order::Lose(side));
    }

    /// Has new connections go to `port` from now on.
    pub(crate) fn lead_to(&self, port: u16) {
        self.ask(Order::LeadTo(port));
    }

    fn ask(&self, order: Order) {
        let (done, is_done) = bounded(1);
        self.orders.send((order, done)).expect("the network lasts as long as its relay");
        (&self.bell).write_all(b"!").expect("the network lasts as long as its relay");
        is_done.recv().expect("the network lasts as long as its relay");
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.orders.send((Order::Stop, bounded(1).0));
        let _ = (&self.bell).write_all(b"!");
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

enum Order {
    Turn(Weather),
    End(Ending),
    Trap(Trap),
    Lose(Side),
    LeadTo(u16),
    Stop,
}

/// Ends a connection at a certain byte, once.
struct Trap {
    bytes: usize,
    side: Side,
    ending: Ending,
}

/// The relay's thread: all its connections, one `poll` that waits for any of them.
struct Network {
    address: SocketAddr,
    far: SocketAddr,
    listener: Option<TcpListener>,
    weather: Weather,
    trap: Option<Trap>,
    roads: Vec<Road>,
    orders: Receiver<(Order, Sender<()>)>,
    rung: UnixStream,
}

impl Network {
    fn run(mut self) {
        loop {
            self.wait();
            if self.is_rung() {
                let (order, done) = self.orders.recv().expect("the bell is rung after the order");
                match order {
                    Order::Stop => return,
                    order => self.obey(order),
                }
                let _ = done.send(());
            }
            self.accept();
            let (now, weather, trap) = (Instant::now(), self.weather, &mut self.trap);
            self.roads.retain_mut(|road| road.go_on(now, weather, trap));
        }
    }

    /// Blocks until there is something to do.
    fn wait(&self) {
        let now = Instant::now();
        let mut looked_at = vec![PollFd::new(self.rung.as_fd(), PollFlags::POLLIN)];
        looked_at.extend(self.listener.iter().map(|it| PollFd::new(it.as_fd(), PollFlags::POLLIN)));
        let mut due = None;
        for road in &self.roads {
            for (flow, from, to) in road.flows() {
                if let Some(from) = from.filter(|_| flow.has_room()) {
                    looked_at.push(PollFd::new(from.as_fd(), PollFlags::POLLIN));
                }
                let (Some(to), Some((moment, _))) = (to, flow.chunks.front()) else { continue };
                if self.weather == Weather::Holding {
                    continue;
                }
                if *moment <= now {
                    looked_at.push(PollFd::new(to.as_fd(), PollFlags::POLLOUT));
                } else {
                    due = due.into_iter().chain([*moment]).min();
                }
            }
        }
        let limit = due.map_or(PollTimeout::NONE, |it: Instant| {
            PollTimeout::try_from((it - now).as_millis() + 1).unwrap_or(PollTimeout::MAX)
        });
        let _ = poll(&mut looked_at, limit); // A signal that interrupts it makes one round more.
    }

    fn is_rung(&mut self) -> bool {
        self.rung.set_nonblocking(true).expect("it is open");
        self.rung.read_exact(&mut [0]).is_ok()
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Turn(weather) => self.turn(weather),
            Order::End(ending) => self.roads.drain(..).for_each(|road| end([&road.near, &road.far], ending)),
            Order::Trap(trap) => self.trap = Some(trap),
            Order::Lose(Side::Near) => self.roads.iter_mut().for_each(|road| drop(road.near.take())),
            Order::Lose(Side::Far) => self.roads.iter_mut().for_each(|road| drop(road.far.take())),
            Order::LeadTo(port) => self.far.set_port(port),
            Order::Stop => unreachable!("it was looked at before"),
        }
    }

    fn turn(&mut self, weather: Weather) {
        let now = Instant::now();
        for flow in self.roads.iter_mut().flat_map(|road| [&mut road.up, &mut road.down]) {
            flow.chunks.iter_mut().for_each(|(due, _)| *due = now);
        }
        self.weather = weather;
        if weather == Weather::Refusing {
            // A process that somebody starts at this moment holds it too, until it is what it is to be: closed for that one as well.
            if let Some(listener) = self.listener.take() {
                shutdown(listener.as_raw_fd(), socket::Shutdown::Both).expect("it listens");
            }
        } else if self.listener.is_none() {
            // Such a process holds the port.
            wait_until("the relay's port to be free again", LIMIT, || {
                self.listener = TcpListener::bind(self.address).ok();
                self.listener.is_some()
            });
            self.listener.as_ref().expect("it is bound").set_nonblocking(true).unwrap();
        }
    }

    fn accept(&mut self) {
        while let Some(Ok((near, _))) = self.listener.as_ref().map(TcpListener::accept) {
            if self.weather == Weather::Closing {
                continue;
            }
            // A broker that is away closes the connection, as a cut does.
            let Ok(far) = TcpStream::connect(self.far) else { continue };
            for end in [&near, &far] {
                end.set_nonblocking(true).unwrap();
                end.set_nodelay(true).unwrap();
            }
            let (up, down) = (Flow::default(), Flow::default());
            self.roads.push(Road { near: Some(near), far: Some(far), up, down });
        }
    }
}

/// One connection. A side that is gone while the other does not know is `None`.
struct Road {
    near: Option<TcpStream>,
    far: Option<TcpStream>,
    up: Flow,
    down: Flow,
}

impl Road {
    /// Each direction with where it comes from and where it goes.
    fn flows(&self) -> [(&Flow, Option<&TcpStream>, Option<&TcpStream>); 2] {
        [
            (&self.up, self.near.as_ref(), self.far.as_ref()),
            (&self.down, self.far.as_ref(), self.near.as_ref()),
        ]
    }

    /// Moves what can be moved now. Returns whether there is still a connection.
    fn go_on(&mut self, now: Instant, weather: Weather, trap: &mut Option<Trap>) -> bool {
        let (near, far) = (&self.near, &self.far);
        if near.is_none() && far.is_none() {
            return false;
        }
        for (flow, side, from, to) in
            [(&mut self.up, Side::Near, near, far), (&mut self.down, Side::Far, far, near)]
        {
            if let Some(from) = from {
                flow.take_in(from, now, weather);
            }
            match to {
                None if flow.ended => return false,
                None => flow.swallow(),
                Some(_) if weather == Weather::Holding => {}
                Some(to) => match flow.give_out(to, now, side, trap) {
                    Given::All if flow.ended => return false,
                    Given::All | Given::Some => {}
                    Given::Failed => return false,
                    Given::Trapped(ending) => {
                        *trap = None;
                        end([near, far], ending);
                        return false;
                    }
                },
            }
        }
        true
    }
}

/// One direction: bytes with the moment at which they may go on.
#[derive(Default)]
struct Flow {
    chunks: VecDeque<(Instant, Vec<u8>)>,
    /// How many bytes those are.
    bytes: usize,
    ended: bool,
}

/// What became of the bytes that were due.
enum Given {
    All,
    Some,
    Failed,
    Trapped(Ending),
}

impl Flow {
    fn has_room(&self) -> bool {
        !self.ended && self.bytes < MOST_BYTES
    }

    fn take_in(&mut self, mut from: &TcpStream, now: Instant, weather: Weather) {
        let mut buffer = [0; CHUNK];
        let length = if matches!(weather, Weather::Narrow(_)) { NARROW_CHUNK } else { CHUNK };
        while self.has_room() {
            let count = match from.read(&mut buffer[..length]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Ok(0) | Err(_) => {
                    self.ended = true;
                    return;
                }
                Ok(count) => count,
            };
            let due = match weather {
                Weather::Late(delay) => now + delay,
                Weather::Narrow(rate) => {
                    let before = self.chunks.back().map_or(now, |(due, _)| *due);
                    before + Duration::from_secs(1).mul_f64(count as f64 / f64::from(rate))
                }
                _ => now,
            };
            self.chunks.push_back((due, buffer[..count].to_vec()));
            self.bytes += count;
        }
    }

    fn swallow(&mut self) {
        self.chunks.clear();
        self.bytes = 0;
    }

    fn give_out(&mut self, mut to: &TcpStream, now: Instant, from: Side, trap: &mut Option<Trap>) -> Given {
        while let Some((due, bytes)) = self.chunks.front_mut() {
            if *due > now {
                return Given::Some;
            }
            let mut trap = trap.as_mut().filter(|it| it.side == from);
            let most = trap.as_ref().map_or(bytes.len(), |it| it.bytes.min(bytes.len()));
            let count = match to.write(&bytes[..most]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Given::Some,
                Err(_) => return Given::Failed,
                Ok(count) => count,
            };
            bytes.drain(..count);
            self.bytes -= count;
            if bytes.is_empty() {
                self.chunks.pop_front();
            }
            if let Some(trap) = &mut trap {
                trap.bytes -= count;
            }
            if let Some(trap) = trap.filter(|it| it.bytes == 0) {
                return Given::Trapped(trap.ending);
            }
        }
        Given::All
    }
}

/// Has both sides know of the end, at the latest when they are dropped.
fn end(sides: [&Option<TcpStream>; 2], ending: Ending) {
    for side in sides.into_iter().flatten() {
        match ending {
            // A close alone would be a reset where bytes have not been read. It may have ended by itself.
            Ending::Fin => drop(side.shutdown(Shutdown::Both)),
            Ending::Reset => {
                let at_once = libc::linger { l_onoff: 1, l_linger: 0 };
                setsockopt(side, sockopt::Linger, &at_once).expect("each connection has this option");
            }
        }
    }
}

/// The most bytes that are moved in one go; and where few pass a second.
const CHUNK: usize = 4096;
const NARROW_CHUNK: usize = 32;
/// So much is held before the sender feels it.
const MOST_BYTES: usize = 1 << 20;
