//! One-shot multicast DNS on the wire: our question, and what a packet says to it.

use std::net::IpAddr;
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE, header_buffer};

use super::name::LocalName;

/// What a packet of multicast DNS says of a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// Where the host is, at one to eight addresses; none that can only be a mistake.
    pub addresses: Vec<IpAddr>,
    /// For how long that is true; what the packet says.
    pub time_to_live: Duration,
}

impl Answer {
    /// What `packet` says of `host`, if it is an answer to the question `id`, and says anything.
    ///
    /// Addresses count wherever in the packet they stand, and also for a name of which the packet says that `host` is
    /// another word for it. Everything else in it is passed over (RFC 6762, sections 6.7 and 18).
    pub fn read(packet: &[u8], id: u16, host: &str) -> Option<Answer> {
        let host = LocalName::new(host)?;
        if records(packet)? > MOST_RECORDS {
            return None;
        }
        // Of the header alone: what an OPT record has to add, simple-dns 0.13 looks for in the wrong byte of it.
        let rcode = header_buffer::rcode(packet).ok()?;
        let packet = Packet::parse(packet).ok()?;
        let is_answer = packet.id() == id
            && packet.has_flags(PacketFlag::RESPONSE)
            && packet.opcode() == OPCODE::StandardQuery
            && rcode == RCODE::NoError;
        if !is_answer {
            return None;
        }
        let mut name = host.in_packets();
        let mut time_to_live = u32::MAX;
        let said = || {
            let records = packet.answers.iter().chain(&packet.additional_records);
            // The bit that empties caches is not of the class, and simple-dns has taken it out.
            records.filter(|it| it.class == CLASS::IN)
        };
        for _ in 0..MOST_ALIASES {
            let alias = said().find_map(|it| match &it.rdata {
                RData::CNAME(alias) if it.name == name => Some((alias.0.clone(), it.ttl)),
                _ => None,
            });
            let Some((alias, ttl)) = alias else { break };
            (name, time_to_live) = (alias, time_to_live.min(ttl));
        }
        let mut addresses = Vec::new();
        for record in said().filter(|it| it.name == name) {
            let address = match &record.rdata {
                RData::A(it) => IpAddr::V4(it.address.into()),
                RData::AAAA(it) => IpAddr::V6(it.address.into()),
                _ => continue,
            };
            if is_usable(address) && !addresses.contains(&address) && addresses.len() < MOST_ADDRESSES {
                addresses.push(address);
                time_to_live = time_to_live.min(record.ttl);
            }
        }
        let time_to_live = Duration::from_secs(time_to_live.into());
        (!addresses.is_empty()).then_some(Answer { addresses, time_to_live })
    }
}

/// The packet that asks for the addresses of `host`, of both kinds. Answers will bear `id`.
pub(super) fn question(id: u16, host: &LocalName) -> Vec<u8> {
    let mut packet = Packet::new_query(id);
    for kind in [TYPE::A, TYPE::AAAA] {
        let name = host.in_packets();
        packet.questions.push(Question::new(name, QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false));
    }
    packet.build_bytes_vec().expect("a vector takes all that is written to it")
}

/// How many records of all kinds the packet claims to hold: simple-dns makes room for them before it looks.
fn records(packet: &[u8]) -> Option<usize> {
    let counts = [
        header_buffer::questions(packet),
        header_buffer::answers(packet),
        header_buffer::name_servers(packet),
        header_buffer::additional_records(packet),
    ];
    counts.into_iter().try_fold(0, |sum, it| Some(sum + usize::from(it.ok()?)))
}

/// Whether another host can be there.
fn is_usable(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(it) if it.is_broadcast());
    !(address.is_unspecified() || address.is_loopback() || address.is_multicast() || is_broadcast)
}

/// A host has a few addresses, each with a record, and a record or two that say which others it has not.
const MOST_RECORDS: usize = 64;
/// Each gets its share of the time in which a connection is to come about.
pub(super) const MOST_ADDRESSES: usize = 8;
/// One is what people set up.
const MOST_ALIASES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const A: u16 = 1;
    const CNAME: u16 = 5;
    const TXT: u16 = 16;
    const AAAA: u16 = 28;
    const OPT: u16 = 41;
    const NSEC: u16 = 47;

    /// A packet in the making: an answer to [`ID`] at first.
    struct Wire {
        flags: u16,
        counts: [u16; 4],
        body: Vec<u8>,
    }

    impl Wire {
        fn new() -> Wire {
            Wire { flags: 0x8400, counts: [0; 4], body: Vec::new() }
        }

        /// What an answer to one-shot questions repeats.
        fn asked(mut self, kind: u16) -> Wire {
            self.counts[0] += 1;
            self.body.extend([&name("homeassistant.local")[..], &kind.to_be_bytes(), &[0, 1]].concat());
            self
        }

        fn record(self, owner: &[u8], kind: u16, content: &[u8]) -> Wire {
            self.in_section(1, owner, kind, 1, 120, content)
        }

        fn in_section(
            mut self,
            section: usize,
            owner: &[u8],
            kind: u16,
            class: u16,
            ttl: u32,
            content: &[u8],
        ) -> Wire {
            self.counts[section] += 1;
            self.body.extend(owner);
            self.body.extend([kind, class].map(u16::to_be_bytes).concat());
            self.body.extend(ttl.to_be_bytes());
            self.body.extend((content.len() as u16).to_be_bytes());
            self.body.extend(content);
            self
        }

        fn bytes(&self) -> Vec<u8> {
            let [questions, answers, authorities, additional] = self.counts;
            let header = [ID, self.flags, questions, answers, authorities, additional];
            [header.map(u16::to_be_bytes).concat(), self.body.clone()].concat()
        }
    }

    const ID: u16 = 0x1234;
    /// Points to the name in the first question, or of the first record.
    const FIRST_NAME: &[u8] = &[0xc0, 12];

    fn name(text: &str) -> Vec<u8> {
        let labels = text.split('.').flat_map(|it| [&[it.len() as u8], it.as_bytes()].concat());
        labels.chain([0]).collect()
    }

    fn ours() -> Vec<u8> {
        name("homeassistant.local")
    }

    #[track_caller]
    fn check(packet: &[u8], expected: &[&str]) {
        let found =
            Answer::read(packet, ID, "homeassistant.local").map(|it| it.addresses).unwrap_or_default();
        assert_eq!(found.iter().map(IpAddr::to_string).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_question_is_for_both_kinds_of_address_and_for_a_host_that_knows_only_the_oldest_rules() {
        let packet = question(ID, &LocalName::new("HomeAssistant.local.").unwrap());
        let expected = Wire { flags: 0, ..Wire::new() }.asked(A).asked(AAAA);
        assert_eq!(packet, expected.bytes());
        check(&packet, &[]);
    }

    #[test]
    fn addresses_are_told_by_records_of_both_kinds_in_any_section_and_with_names_in_any_form() {
        let v6 = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        check(&Wire::new().record(&ours(), A, &[192, 0, 2, 1]).bytes(), &["192.0.2.1"]);
        check(&Wire::new().record(&ours(), AAAA, &v6).bytes(), &["fe80::1"]);
        check(&Wire::new().record(&name("HomeAssistant.LOCAL"), A, &[192, 0, 2, 1]).bytes(), &["192.0.2.1"]);
        let both = Wire::new().asked(A).asked(AAAA).record(FIRST_NAME, A, &[192, 0, 2, 1]);
        check(&both.in_section(3, FIRST_NAME, AAAA, 1, 120, &v6).bytes(), &["192.0.2.1", "fe80::1"]);
        let flush = Wire::new().in_section(1, &ours(), A, 0x8001, 120, &[192, 0, 2, 1]);
        check(&flush.bytes(), &["192.0.2.1"]);
        // The same one twice, as on two ways.
        let twice = Wire::new().record(&ours(), A, &[192, 0, 2, 1]).record(FIRST_NAME, A, &[192, 0, 2, 1]);
        check(&twice.bytes(), &["192.0.2.1"]);
    }

    #[test]
    fn everything_else_in_an_answer_is_passed_over() {
        let wire = Wire::new()
            .asked(A)
            .record(&name("other.local"), A, &[192, 0, 2, 9])
            .record(&name("homeassistant.local.local"), A, &[192, 0, 2, 8])
            .record(FIRST_NAME, TXT, b"\x05hello")
            .record(FIRST_NAME, 0xff01, b"from the future")
            .in_section(1, FIRST_NAME, A, 3, 120, &[192, 0, 2, 7])
            .in_section(2, FIRST_NAME, A, 1, 120, &[192, 0, 2, 6])
            // It has A, and no AAAA.
            .in_section(3, FIRST_NAME, NSEC, 0x8001, 120, &[FIRST_NAME, &[0, 1, 0x40]].concat())
            .in_section(3, &[0], OPT, 1440, 0x1194, &[0, 4, 0, 0]);
        check(&wire.bytes(), &[]);
        let wire = wire.in_section(3, FIRST_NAME, A, 1, 120, &[192, 0, 2, 1]);
        check(&wire.bytes(), &["192.0.2.1"]);
    }

    #[test]
    fn what_is_no_answer_to_our_question_says_nothing() {
        let good = Wire::new().record(&ours(), A, &[192, 0, 2, 1]);
        assert_eq!(Answer::read(&good.bytes(), ID + 1, "homeassistant.local"), None);
        assert_eq!(Answer::read(&good.bytes(), ID, "homeassistant.example"), None);
        for flags in [0x0400, 0x8403, 0x8405, 0xac00] {
            check(&Wire { flags, counts: good.counts, body: good.body.clone() }.bytes(), &[]);
        }
        // Whole, or not at all.
        let bytes = good.bytes();
        for length in 0..bytes.len() {
            check(&bytes[..length], &[]);
        }
        check(&Wire { counts: [0, 2, 0, 0], ..good }.bytes(), &[]);
    }

    #[test]
    fn an_address_where_no_other_host_can_be_is_a_mistake() {
        let mut wire = Wire::new();
        for address in [[0; 4], [127, 0, 0, 1], [224, 0, 0, 251], [255; 4], [192, 0, 2, 1]] {
            wire = wire.record(&ours(), A, &address);
        }
        for (first, last) in [(0, 0), (0, 1), (0xff, 1)] {
            let mut address = [0; 16];
            (address[0], address[15]) = (first, last);
            wire = wire.record(&ours(), AAAA, &address);
        }
        check(&wire.bytes(), &["192.0.2.1"]);
    }

    #[test]
    fn an_alias_is_followed_within_the_packet_and_not_for_ever() {
        let wire = Wire::new()
            .record(&ours(), CNAME, &name("hall.local"))
            .record(&name("hall.local"), CNAME, &name("attic.local"))
            .record(&name("attic.local"), A, &[192, 0, 2, 1]);
        check(&wire.bytes(), &["192.0.2.1"]);
        check(&Wire::new().record(&ours(), CNAME, &name("hall.local")).bytes(), &[]);
        let ring = Wire::new()
            .record(&ours(), CNAME, &name("hall.local"))
            .record(&name("hall.local"), CNAME, &ours())
            .record(&name("attic.local"), A, &[192, 0, 2, 1]);
        check(&ring.bytes(), &[]);
    }

    #[test]
    fn a_name_that_points_to_itself_or_onwards_is_none() {
        for owner in [&[0xc0, 12][..], &[0xc0, 14], &[0xff, 0xff], &[1, b'a', 0xc0, 12], &[0xc0], &[0x40, 1]]
        {
            check(&Wire::new().record(owner, A, &[192, 0, 2, 1]).bytes(), &[]);
        }
    }

    #[test]
    fn what_claims_more_than_an_answer_holds_is_not_even_read() {
        let mut wire = Wire::new().record(&ours(), A, &[192, 0, 2, 1]);
        wire.counts = [u16::MAX; 4];
        check(&wire.bytes(), &[]);
        let many =
            |count: u8| (0..count).fold(Wire::new(), |wire, it| wire.record(&ours(), A, &[192, 0, 2, it]));
        let found = |count| {
            Answer::read(&many(count).bytes(), ID, "homeassistant.local").map(|it| it.addresses.len())
        };
        assert_eq!(found(64), Some(MOST_ADDRESSES));
        assert_eq!(found(65), None);
    }

    #[test]
    fn an_answer_is_good_for_as_long_as_each_part_of_it() {
        let found = |wire: Wire| {
            Answer::read(&wire.bytes(), ID, "homeassistant.local").unwrap().time_to_live.as_secs()
        };
        let of = |wire: Wire, ttl| wire.in_section(1, &ours(), A, 1, ttl, &[192, 0, 2, ttl as u8]);
        assert_eq!(found(of(of(Wire::new(), 10), 120)), 10);
        assert_eq!(found(of(Wire::new(), 0)), 0);
        assert_eq!(found(of(Wire::new(), u32::MAX)), u64::from(u32::MAX));
        let alias = Wire::new().in_section(1, &ours(), CNAME, 1, 3, &name("hall.local"));
        assert_eq!(found(alias.record(&name("hall.local"), A, &[192, 0, 2, 1])), 3);
    }
}
