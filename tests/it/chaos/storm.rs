//! What goes wrong, one thing after another, as the seed has it.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::support::Ending;
use crate::support::Relay;
use crate::support::Side;
use crate::support::Weather;

use super::broker::{Broker, wait_for_silence};
use super::disk::Disk;
use super::journal::Journal;
use super::publisher::Publisher;
use super::subscriber::Subscriber;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Fault {
    /// The connection ends.
    Cut,
    /// The connection ends in the middle of a packet.
    CutWithin,
    /// One side is gone, and the other does not know.
    Lose,
    /// Bytes are held for a while.
    Hold,
    /// Bytes come late for a while.
    Late,
    /// Few bytes pass for a while.
    Narrow,
    /// The broker's port is closed for a while.
    Refuse,
    /// Connections are closed at once for a while.
    Close,
    /// The broker hangs for a while.
    FreezeBroker,
    /// The broker ends by SIGTERM and starts again.
    StopBroker,
    /// The broker ends by SIGKILL and starts again.
    KillBroker,
    /// We end by SIGTERM and start again.
    StopPublisher,
    /// We end by SIGKILL and start again.
    KillPublisher,
    /// A file of the spool is damaged while we are away.
    DamageSpool,
    /// The disk is full for a while.
    FillDisk,
}

/// What a network does to us.
pub(super) const NETWORK: &[Fault] = &[
    Fault::Cut,
    Fault::CutWithin,
    Fault::Lose,
    Fault::Hold,
    Fault::Late,
    Fault::Narrow,
    Fault::Refuse,
    Fault::Close,
];
/// What a broker does to us.
pub(super) const BROKER: &[Fault] = &[Fault::FreezeBroker, Fault::StopBroker, Fault::KillBroker];

/// Those who suffer, and the seed's choices.
pub(super) struct Storm<'a> {
    pub(super) random: Rng,
    pub(super) faults: Vec<Fault>,
    pub(super) relay: &'a Relay,
    pub(super) broker: &'a Broker,
    pub(super) subscriber: &'a mut Subscriber,
    pub(super) publisher: &'a mut Publisher,
    pub(super) disk: &'a Disk,
    pub(super) journal: &'a Journal,
    /// How often each has struck.
    pub(super) strikes: BTreeMap<Fault, u64>,
}

impl Storm<'_> {
    /// Rages for `duration`. Afterwards all is well again, but for what this has done to messages.
    pub(super) fn rage(&mut self, duration: Duration) {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            self.pause(CALM);
            let fault = self.choice(|_| true).expect("there are faults");
            self.strike(fault, Weather::Fair);
        }
        self.journal.note("the storm is over");
    }

    /// Has `fault` strike while `weather` is as it is, and ends what it has begun.
    fn strike(&mut self, fault: Fault, weather: Weather) {
        *self.strikes.entry(fault).or_default() += 1;
        let (ending, side) = self.how();
        match fault {
            Fault::Cut => {
                self.journal.note(format!("the connection ends by {ending:?}"));
                self.relay.end(ending);
            }
            Fault::CutWithin => {
                let bytes = self.random.usize(..600);
                self.journal.note(format!("the connection ends by {ending:?} {bytes} bytes from {side:?}"));
                self.relay.end_after(bytes, side, ending);
            }
            Fault::Lose => {
                self.journal.note(format!("{side:?} is gone, and the other side does not know"));
                self.relay.lose(side);
            }
            Fault::Hold => self.while_it_is(Weather::Holding),
            Fault::Late => {
                let delay = Duration::from_millis(self.random.u64(5..400));
                self.while_it_is(Weather::Late(delay));
            }
            Fault::Narrow => {
                let rate = self.random.u32(200..5000);
                self.while_it_is(Weather::Narrow(rate));
            }
            Fault::Refuse => {
                self.relay.end(ending);
                self.while_it_is(Weather::Refusing);
            }
            Fault::Close => {
                self.relay.end(ending);
                self.while_it_is(Weather::Closing);
            }
            Fault::FreezeBroker => {
                let broker = self.broker.alone();
                self.journal.note("the broker hangs");
                broker.freeze();
                self.pause_and(&[Fault::StopPublisher, Fault::KillPublisher]);
                broker.thaw();
                self.journal.note("the broker goes on");
            }
            Fault::StopBroker | Fault::KillBroker => self.end_broker(fault, weather),
            Fault::StopPublisher | Fault::KillPublisher => {
                self.end_publisher(fault);
                self.pause(CALM);
                self.start_publisher();
            }
            Fault::DamageSpool => {
                self.relay.end(ending);
                self.relay.turn(Weather::Refusing);
                self.pause(BACKLOG);
                let end = if self.random.bool() { Fault::StopPublisher } else { Fault::KillPublisher };
                self.end_publisher(end);
                let damage = self.disk.damage(&mut self.random);
                self.journal.note(damage.unwrap_or_else(|| "there is no spool to damage".to_owned()));
                self.start_publisher();
                self.pause(CALM);
                self.relay.turn(weather);
            }
            Fault::FillDisk => {
                self.journal.note("the disk is full");
                self.disk.fill(self.publisher.id());
                if self.random.bool() {
                    self.relay.end(ending);
                    self.while_it_is(Weather::Refusing);
                } else {
                    self.pause_and(NETWORK);
                }
                self.disk.clear(self.publisher.id());
                self.journal.note("the disk has room again");
            }
        }
    }

    fn while_it_is(&mut self, weather: Weather) {
        self.journal.note(format!("{weather:?}"));
        self.relay.turn(weather);
        if self.random.u8(..100) < 40 {
            self.pause(CALM);
            if let Some(fault) = self.choice(|it| !NETWORK.contains(&it) && it != Fault::FillDisk) {
                self.strike(fault, weather);
            }
        }
        let longest = if self.random.u8(..100) < 20 { LONG } else { SHORT };
        self.pause(longest);
        self.relay.mend();
        self.journal.note("fair weather");
    }

    fn end_broker(&mut self, fault: Fault, weather: Weather) {
        let mut broker = self.broker.alone();
        self.relay.turn(Weather::Holding);
        wait_for_silence(&broker);
        self.subscriber.go();
        self.journal.note(format!("{fault:?}"));
        if fault == Fault::StopBroker {
            broker.stop();
        } else {
            broker.kill();
        }
        self.relay.turn(weather);
        self.pause_and(&[Fault::StopPublisher, Fault::KillPublisher]);
        broker.start_again();
        self.subscriber.come(&broker);
        self.journal.note("the broker is back");
    }

    fn end_publisher(&mut self, fault: Fault) {
        self.journal.note(format!("{fault:?}"));
        if fault == Fault::StopPublisher {
            self.publisher.stop();
        } else {
            self.publisher.kill();
        }
    }

    fn start_publisher(&mut self) {
        self.publisher.start();
        self.journal.note("the publisher is back");
    }

    /// Pauses for a while, in which one of `faults` may strike, if it is among our own.
    fn pause_and(&mut self, faults: &[Fault]) {
        self.pause(SHORT);
        if self.random.bool() {
            if let Some(fault) = self.choice(|it| faults.contains(&it)) {
                self.strike(fault, Weather::Fair);
                self.pause(SHORT);
            }
        }
    }

    fn choice(&mut self, fits: impl Fn(Fault) -> bool) -> Option<Fault> {
        let fitting: Vec<Fault> = self.faults.iter().copied().filter(|it| fits(*it)).collect();
        self.random.choice(fitting)
    }

    fn how(&mut self) -> (Ending, Side) {
        let ending = if self.random.bool() { Ending::Fin } else { Ending::Reset };
        (ending, if self.random.bool() { Side::Near } else { Side::Far })
    }

    fn pause(&mut self, longest: Duration) {
        thread::sleep(longest.mul_f64(self.random.f64()));
    }
}

/// The longest time between two strikes: long enough for a connection now and then, and for a cut into its beginning.
const CALM: Duration = Duration::from_millis(1_500);
/// The longest that something is wrong, mostly.
const SHORT: Duration = Duration::from_millis(1_500);
/// And now and then: longer than the keep alive of 5 s twice over.
const LONG: Duration = Duration::from_secs(12);
/// The longest time in which a backlog comes together.
const BACKLOG: Duration = Duration::from_secs(3);
