//! Two daemons that both say that they are the same client.

use crate::support::CLIENT_ID;
use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::wait_until_or;

#[test]
fn two_daemons_with_one_client_identifier_say_so_once_and_give_way() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let configuration = Configuration::new(mosquitto.port()).text();
    let mut rivals = [Daemon::start(&configuration), Daemon::start(&configuration)];
    for rival in &rivals {
        let line = rival.wait_for_line("another program");
        assert!(line.contains("[ERROR]") && line.contains("CLIENT_ID"), "{line}");
    }
    // After this many evictions neither is as quick as it was.
    let evictions = || mosquitto.log().matches("already connected, closing old connection").count();
    wait_until_or("more evictions", LIMIT, || evictions() >= 7, || mosquitto.log());
    for rival in &mut rivals {
        let lines = rival.lines();
        assert_eq!(rival.count("another program"), 1, "{lines:#?}");
        let pauses: Vec<f64> = lines.iter().filter_map(|it| pause(it)).collect();
        // Doubled each time, but for a quarter by chance in either direction.
        assert!(pauses.windows(2).all(|it| it[1] > it[0]) && pauses.len() >= 3, "{pauses:?}: {lines:#?}");
        assert_eq!(rival.ended(), None);
    }
    // Not more than its pauses let it: as many logins as sessions lost, and one that may stand.
    let logins = mosquitto.log().matches(&format!("as {CLIENT_ID} ")).count();
    let lost: usize = rivals.iter().map(|it| it.count("lost the connection")).sum();
    assert!(logins <= lost + 2, "{logins} logins for {lost} sessions lost:\n{}", mosquitto.log());
    for mut rival in rivals {
        rival.terminate();
        assert!(rival.wait_exit(LIMIT).success());
    }
}

/// The pause in seconds that the line about a lost connection announces.
fn pause(line: &str) -> Option<f64> {
    let text = line.split_once("lost the connection")?.1;
    text.rsplit_once("next attempt in ")?.1.strip_suffix(" s")?.parse().ok()
}
