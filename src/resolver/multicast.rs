//! Names asked of the local network by multicast DNS, once (RFC 6762, section 5.1).

use std::fmt;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};

use super::answer::{Answer, MOST_ADDRESSES, question};
use super::name::LocalName;
use super::patience::{Seconds, wait_for_any};
use super::place::Place;

/// Where the host is, and who told.
#[derive(Debug)]
pub(super) struct Heard {
    /// One to eight, without a port.
    pub(super) addresses: Vec<SocketAddr>,
    /// For how long that is true.
    pub(super) time_to_live: Duration,
    /// On which interface the first answer came in.
    pub(super) interface: String,
}

/// Why nobody told.
#[derive(Debug)]
pub(super) enum Silence {
    /// There is no interface on which to ask.
    Nowhere,
    /// None of the interfaces took the question.
    Unasked(io::Error),
    /// They were asked, and for so long nobody answered.
    Unanswered(Vec<String>, Duration),
}

/// Asks for the addresses of `name` at all `places` at once, again and again until `deadline`, and then waits for a quarter of a
/// second: for an answer by the other kind of address, or on another interface.
///
/// The question comes from a port of our own. That is what has answers sent to us alone (section 6.7), and lets us ask
/// beside whoever else speaks multicast DNS on this machine.
pub(super) fn ask(name: &LocalName, places: &[Place], deadline: Instant) -> Result<Heard, Silence> {
    let began = Instant::now();
    let id = fastrand::u16(..);
    let packet = question(id, name);
    let mut refusal = None;
    let mut ears = Vec::new();
    for place in places {
        match Ear::open(place).and_then(|ear| ear.ask(&packet).map(|()| ear)) {
            Ok(ear) => ears.push(ear),
            Err(cause) => refusal = Some(cause),
        }
    }
    if ears.is_empty() {
        return Err(refusal.map_or(Silence::Nowhere, Silence::Unasked));
    }
    let mut heard: Option<Heard> = None;
    let mut room = vec![0; MOST_BYTES];
    let mut packets = 0;
    let (mut pause, mut end) = (FIRST_PAUSE, deadline);
    let mut ask_again = began + pause;
    while packets < MOST_PACKETS && Instant::now() < end {
        let until = if heard.is_some() { end } else { end.min(ask_again) };
        wait_for_any(ears.iter().map(|it| it.socket.as_fd()), until);
        for ear in &ears {
            while let Some(length) = ear.hear(&mut room).filter(|_| packets < MOST_PACKETS) {
                packets += 1;
                let Some(answer) = length.and_then(|it| Answer::read(&room[..it], id, name.as_str())) else {
                    continue;
                };
                end = end.min(Instant::now() + OTHERS);
                let heard = heard.get_or_insert_with(|| Heard::nothing_on(&ear.place.interface));
                heard.add(&answer, ear.place);
            }
        }
        if heard.as_ref().is_some_and(Heard::is_whole) {
            break;
        }
        if heard.is_none() && Instant::now() >= ask_again {
            for ear in &ears {
                // An interface may go down meanwhile; the others are still asked.
                let _ = ear.ask(&packet);
            }
            pause *= 2;
            ask_again += pause;
        }
    }
    heard.ok_or_else(|| {
        let mut interfaces: Vec<String> = ears.iter().map(|it| it.place.interface.clone()).collect();
        interfaces.sort();
        interfaces.dedup();
        Silence::Unanswered(interfaces, began.elapsed())
    })
}

/// A socket at a place.
struct Ear<'a> {
    place: &'a Place,
    socket: UdpSocket,
}

impl Ear<'_> {
    /// Bound to the place's address, by which also the kernel knows on which interface to send to the group.
    fn open(place: &Place) -> io::Result<Ear<'_>> {
        let socket = UdpSocket::bind(place.source)?;
        socket.set_nonblocking(true)?;
        // Section 11: some would take no packet that a router could have passed on.
        match place.source {
            SocketAddr::V4(_) => socket.set_multicast_ttl_v4(255)?,
            SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6MulticastHops, &255)?,
        }
        Ok(Ear { place, socket })
    }

    fn ask(&self, packet: &[u8]) -> io::Result<()> {
        self.socket.send_to(packet, self.place.group).map(|_| ())
    }

    /// The next packet's length, if it may be an answer; `None` when there is no packet left.
    fn hear(&self, room: &mut [u8]) -> Option<Option<usize>> {
        match self.socket.recv_from(room) {
            Ok((length, sender)) => Some(self.place.may_answer(sender).then_some(length)),
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => None,
            // What became of our question: nobody's answer.
            Err(_) => Some(None),
        }
    }
}

impl Heard {
    fn nothing_on(interface: &str) -> Heard {
        Heard { addresses: Vec::new(), time_to_live: Duration::MAX, interface: interface.to_owned() }
    }

    fn add(&mut self, answer: &Answer, place: &Place) {
        for address in answer.addresses.iter().map(|it| place.reach(*it)) {
            if !self.addresses.contains(&address) && self.addresses.len() < MOST_ADDRESSES {
                self.addresses.push(address);
            }
        }
        self.time_to_live = self.time_to_live.min(answer.time_to_live);
    }

    /// Whether there is nothing more to be hoped for: one way by either kind of address.
    fn is_whole(&self) -> bool {
        self.addresses.iter().any(SocketAddr::is_ipv4) && self.addresses.iter().any(SocketAddr::is_ipv6)
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Silence::Nowhere => f.write_str("no network interface is up to ask by mDNS"),
            Silence::Unasked(cause) => write!(f, "no network interface took a question by mDNS: {cause}"),
            Silence::Unanswered(interfaces, time) => {
                write!(f, "no answer by mDNS on {} within {}", interfaces.join(", "), Seconds(*time))
            }
        }
    }
}

/// Then as long again, and so on: section 5.2.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// For answers after the first. Who shares a record with others waits up to 120 ms (section 6), and Wi-Fi some 100 ms.
const OTHERS: Duration = Duration::from_millis(250);
/// The largest packet of multicast DNS (section 17).
const MOST_BYTES: usize = 9000;
/// Each interface brings a few. More is a flood, in which no answer is to be believed in any case.
const MOST_PACKETS: usize = 256;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::thread;

    use super::*;

    /// What comes of a question within `limit` to somebody who does as `answer` does: is given each question and says
    /// something to it, or several things.
    fn asked(
        limit: Duration,
        mut answer: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send,
    ) -> Result<Heard, Silence> {
        let group = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let place = Place::beside(group.local_addr().unwrap());
        let name = LocalName::new("homeassistant.local").unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut room = [0; 512];
                loop {
                    let (length, sender) = group.recv_from(&mut room).unwrap();
                    if length == 0 {
                        return;
                    }
                    for packet in answer(&room[..length]) {
                        group.send_to(&packet, sender).unwrap();
                    }
                }
            });
            let heard = ask(&name, &[place], Instant::now() + limit);
            let end = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            end.send_to(&[], group.local_addr().unwrap()).unwrap();
            heard
        })
    }

    /// The answer to `question` that the host is at that address, for 120 s.
    fn answer(question: &[u8], kind: u8, address: &[u8]) -> Vec<u8> {
        let name = b"\x0dhomeassistant\x05local\0";
        let header = [&question[..2], &[0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0]].concat();
        let record = [&[0, kind, 0, 1, 0, 0, 0, 120, 0, address.len() as u8], address].concat();
        [&header[..], name, &record].concat()
    }

    fn v4(question: &[u8]) -> Vec<u8> {
        answer(question, 1, &[192, 0, 2, 1])
    }

    fn v6(question: &[u8]) -> Vec<u8> {
        answer(question, 28, &[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    }

    fn addresses(heard: Result<Heard, Silence>) -> Vec<String> {
        heard.unwrap().addresses.iter().map(SocketAddr::to_string).collect()
    }

    #[test]
    fn both_kinds_of_address_are_waited_for_and_one_will_do() {
        let heard = asked(LIMIT, |question| vec![v4(question), v6(question)]);
        assert_eq!(addresses(heard), ["192.0.2.1:0", "[fe80::1%1]:0"]);
        let heard = asked(LIMIT, |question| vec![v6(question)]).unwrap();
        assert_eq!((heard.interface.as_str(), heard.time_to_live.as_secs()), ("lo", 120));
        assert_eq!(addresses(Ok(heard)), ["[fe80::1%1]:0"]);
    }

    #[test]
    fn a_question_that_is_lost_is_asked_again() {
        let mut questions = 0;
        let heard = asked(LIMIT, |question| {
            questions += 1;
            if questions < 3 { vec![] } else { vec![v4(question), v6(question)] }
        });
        assert_eq!(heard.unwrap().addresses.len(), 2);
        assert_eq!(questions, 3);
    }

    #[test]
    fn what_is_no_answer_is_not_taken_for_one() {
        let heard = asked(LIMIT, |question| {
            let mut stale = v4(question);
            stale[1] ^= 1;
            vec![question.to_vec(), stale, vec![], vec![0xff; 2000], v6(question)]
        });
        assert_eq!(addresses(heard), ["[fe80::1%1]:0"]);
        let silence = asked(Duration::from_millis(300), |question| vec![question.to_vec()]).unwrap_err();
        assert!(silence.to_string().starts_with("no answer by mDNS on lo within "), "{silence}");
    }

    #[test]
    fn a_flood_ends_the_question_and_not_the_patience_of_others() {
        let began = Instant::now();
        let heard = asked(Duration::from_secs(600), |question| vec![question.to_vec(); 2 * MOST_PACKETS]);
        assert!(heard.is_err());
        assert!(began.elapsed() < Duration::from_secs(300));
    }

    #[test]
    fn where_there_is_nowhere_to_ask_nobody_is_waited_for() {
        let name = LocalName::new("homeassistant.local").unwrap();
        let silence = ask(&name, &[], Instant::now() + LIMIT).unwrap_err();
        assert_eq!(silence.to_string(), "no network interface is up to ask by mDNS");
        // An address that is nobody's here.
        let mut place = Place::beside("127.0.0.1:9".parse().unwrap());
        place.source = "192.0.2.77:0".parse().unwrap();
        let silence = ask(&name, &[place], Instant::now() + LIMIT).unwrap_err();
        assert!(
            silence.to_string().starts_with("no network interface took a question by mDNS: "),
            "{silence}"
        );
    }

    /// Longer than anything takes that works.
    const LIMIT: Duration = Duration::from_secs(30);
}
