//! Two clients with one identifier: each evicts the other, and somebody has to say so.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Settings;

use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Witness;
use crate::support::config;
use crate::support::wait_until_or;

/// Logs in as `luigi-pi`, at which the broker closes the connection of the other `luigi-pi`.
fn take_over(address: SocketAddr) -> TcpStream {
    let mut rival = TcpStream::connect(address).unwrap();
    rival.write_all(b"\x10\x14\0\x04MQTT\x04\x02\0\0\0\x08luigi-pi").unwrap();
    let mut answer = [0; 4];
    rival.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [0x20, 2, 0, 0]);
    rival
}

#[test]
fn another_client_with_our_identifier_is_recognised_told_once_and_left_more_and_more_time() {
    let broker = Broker::start(Settings::default()).unwrap();
    let daemon = Daemon::start(&config(broker.address().port(), &[]));
    let lines = |part: &str| daemon.lines().into_iter().filter(|it| it.contains(part)).collect::<Vec<_>>();
    let mut rivals = Vec::new();
    for round in 1..=4 {
        let connected = || lines("[INFO] connected to the broker").len() == round;
        wait_until_or("a connection", LIMIT, connected, || daemon.lines());
        rivals.push(take_over(broker.address()));
        let lost = || lines("lost the connection").len() == round;
        wait_until_or("its end", LIMIT, lost, || daemon.lines());
    }
    let suspicions = lines("[ERROR]");
    assert_eq!(suspicions.len(), 1, "{:#?}", daemon.lines());
    assert!(suspicions[0].contains("another program uses the same CLIENT_ID ([Client])"), "{suspicions:?}");
    let pauses: Vec<f64> = lines("lost the connection")
        .iter()
        .map(|it| it.split("next attempt in ").nth(1).unwrap().trim_end_matches(" s").parse().unwrap())
        .collect();
    // 1, 2, 4, 8 s, give or take a quarter, rounded.
    assert!(pauses[2] >= 3.0 && pauses[3] >= 6.0, "{pauses:?}");
}

#[test]
fn when_the_other_client_has_gone_everything_is_announced() {
    let broker = Broker::start(Settings::default()).unwrap();
    let witness = Witness::of(&broker);
    let _daemon = Daemon::start(&config(broker.address().port(), &[]));
    witness.wait_for_line("luigi/pi/availability", "online");
    drop(take_over(broker.address()));
    witness.wait_for_lines("luigi/pi/availability", "online", 2);
    witness.wait_for_line("luigi/pi/load_1m", "0.08");
    assert_eq!(witness.announcements(), 6, "{:#?}", witness.lines());
}
