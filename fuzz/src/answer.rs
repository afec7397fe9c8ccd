//! What packets of multicast DNS say of a name: addresses where another host can be, few, and those the packet has.
#![no_main]

use libfuzzer_sys::fuzz_target;
use luigi_mqtt::resolver::Answer;

fuzz_target!(|packet: &[u8]| {
    // The question is taken from the packet, so that the fuzzer need not guess it.
    let id = packet.first_chunk().map_or(0, |it| u16::from_be_bytes(*it));
    let Some(answer) = Answer::read(packet, id, "homeassistant.local") else { return };
    assert!((1..=8).contains(&answer.addresses.len()), "{answer:?}");
    for (number, address) in answer.addresses.iter().enumerate() {
        assert!(!address.is_unspecified() && !address.is_loopback() && !address.is_multicast(), "{address}");
        assert!(!answer.addresses[..number].contains(address), "{address} is told twice");
        let octets = match address {
            std::net::IpAddr::V4(it) => it.octets().to_vec(),
            std::net::IpAddr::V6(it) => it.octets().to_vec(),
        };
        assert!(packet.windows(octets.len()).any(|it| it == octets), "{address} is not from the packet");
    }
    // Neither the case of the name nor another question makes a difference, or all of it.
    assert_eq!(Answer::read(packet, id, "HomeAssistant.LOCAL.").as_ref(), Some(&answer));
    assert_eq!(Answer::read(packet, id.wrapping_add(1), "homeassistant.local"), None);
});
