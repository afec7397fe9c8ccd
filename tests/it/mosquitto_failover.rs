//! Several brokers that take each other's place: who is told what when one of them fails and when it comes back.

use std::array;
use std::collections::BTreeSet;

use crate::support::AVAILABILITY;
use crate::support::CLIENT_ID;
use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Relay;
use crate::support::Seen;
use crate::support::SilentPeer;
use crate::support::wait_until_or;

/// Brokers that remember what they were told, even when they are killed. None runs yet.
fn brokers<const COUNT: usize>() -> [Mosquitto; COUNT] {
    let options = MosquittoOptions { persistence: true, ..Default::default() };
    array::from_fn(|_| Mosquitto::absent(options.clone()))
}

/// A configuration for brokers at `ports`, in this order. The daemon looks each second whether a better one is back.
fn configuration(ports: &[u16]) -> Configuration {
    let others: String = ports[1..].iter().map(|port| format!(", 127.0.0.1:{port}")).collect();
    Configuration::new(ports[0])
        .set("Broker", "HOST", format!("127.0.0.1{others}"))
        .set("Broker", "FAILBACK_INTERVAL", "1s")
        .set("Client", "RECONNECT_DELAY_MAX", "2s")
        .set("Client", "CONNECTION_TIMEOUT", "1s")
        .set("Host", "INTERVAL", "1s")
}

/// Waits until `daemon` has said for the `times`th time that it is connected to `broker`.
#[track_caller]
fn wait_for_connection(daemon: &Daemon, broker: &Mosquitto, times: usize) {
    daemon.wait_for_lines(&format!("[INFO] connected to the broker at 127.0.0.1:{} (", broker.port()), times);
}

/// Waits until `broker` has everything that there is to tell, and returns the topics.
#[track_caller]
fn wait_for_everything(daemon: &Daemon, broker: &Mosquitto) -> BTreeSet<String> {
    let topics = || broker.retained("#").into_iter().map(|it| it.topic).collect::<BTreeSet<_>>();
    let count =
        |topics: &BTreeSet<String>, first: &str| topics.iter().filter(|it| it.starts_with(first)).count();
    // A state for each entity, and the availability.
    let complete = |topics: &BTreeSet<String>| {
        let discoveries = count(topics, "homeassistant/");
        discoveries > 0 && count(topics, "luigi/") == discoveries + 1
    };
    wait_until_or("everything", LIMIT, || complete(&topics()), || (topics(), daemon.lines()));
    Observer::start(broker, &[AVAILABILITY]).wait_for_latest(AVAILABILITY, "online");
    topics()
}

/// Waits until `payload` is retained as our availability at `broker`.
#[track_caller]
fn wait_for_availability(daemon: &Daemon, broker: &Mosquitto, payload: &str) {
    let found = || broker.retained(AVAILABILITY).first().map(|it| it.text());
    let is_it = || found().as_deref() == Some(payload);
    wait_until_or(&format!("{payload:?}"), LIMIT, is_it, || (found(), daemon.lines()));
}

/// How many logins of the daemon's own `broker` has accepted over all its lives, without those that only look.
fn logins(broker: &Mosquitto) -> usize {
    broker.log().matches(&format!(" as {CLIENT_ID} (")).count()
}

#[test]
fn a_broker_that_is_absent_at_the_start_is_replaced_and_gone_to_when_it_comes() {
    let [mut first, mut second] = brokers();
    second.start_again();
    let daemon = Daemon::start(&configuration(&[first.port(), second.port()]).text());
    let (here, there) = (second.port(), first.port());
    daemon.wait_for_line(&format!(
        "[WARN] no connection to the broker at 127.0.0.1:{there} (the first of 2): cannot connect to 127.0.0.1:{there}"
    ));
    wait_for_connection(&daemon, &second, 1);
    let everything = wait_for_everything(&daemon, &second);

    first.start_again();
    daemon.wait_for_line(&format!(
        "[INFO] leaving the broker at 127.0.0.1:{here} (the second of 2): \
         127.0.0.1:{there}, which comes before it in HOST, works again"
    ));
    wait_for_connection(&daemon, &first, 1);
    assert_eq!(wait_for_everything(&daemon, &first), everything);
    wait_for_availability(&daemon, &second, "offline");
    assert_eq!((logins(&first), logins(&second)), (1, 1));
    assert_eq!((daemon.count("[WARN]"), daemon.count("[ERROR]")), (1, 0), "{:#?}", daemon.lines());
}

#[test]
fn the_log_tells_where_it_connects_to_and_in_which_order() {
    let [first, second] = brokers();
    let daemon = Daemon::start(&configuration(&[first.port(), second.port()]).text());
    let (first, second) = (first.port(), second.port());
    daemon.wait_for_line(&format!(
        "connecting to the broker at 127.0.0.1:{first}, else at 127.0.0.1:{second} as {CLIENT_ID}"
    ));
    let line =
        daemon.wait_for_line(&format!("no connection to the broker at 127.0.0.1:{first} (the first of 2)"));
    assert!(line.contains("; trying the next one"), "{line}");
    let line =
        daemon.wait_for_line(&format!("no connection to the broker at 127.0.0.1:{second} (the second of 2)"));
    assert!(line.contains("; next attempt in 1 s"), "{line}");
    daemon.wait_for_line("still no connection");
    assert_eq!(daemon.count("[WARN]"), 2, "{:#?}", daemon.lines());
}

#[test]
fn a_killed_broker_is_replaced_and_told_that_we_are_offline_when_it_comes_back() {
    let [mut first, mut second] = brokers();
    first.start_again();
    second.start_again();
    let configuration =
        configuration(&[first.port(), second.port()]).set("Broker", "FAILBACK_INTERVAL", "never");
    let daemon = Daemon::start(&configuration.text());
    let everything = wait_for_everything(&daemon, &first);
    first.kill();
    daemon.wait_for_line(&format!(
        "lost the connection to the broker at 127.0.0.1:{} (the first of 2): the broker closed the connection",
        first.port()
    ));
    wait_for_connection(&daemon, &second, 1);
    assert_eq!(wait_for_everything(&daemon, &second), everything);

    // It has stored that we are online, and sends no will for a connection that it does not know of.
    first.start_again();
    wait_for_availability(&daemon, &first, "offline");
    daemon.wait_for_line("[INFO] the broker at 127.0.0.1:");
    wait_for_availability(&daemon, &second, "online");
    assert_eq!((logins(&first), logins(&second)), (1, 1), "it stays where it is");
}

#[test]
fn a_broker_that_was_told_offline_is_told_online_on_the_return() {
    let [mut first, mut second] = brokers();
    first.start_again();
    second.start_again();
    let daemon = Daemon::start(&configuration(&[first.port(), second.port()]).text());
    wait_for_everything(&daemon, &first);
    for round in 1..=2 {
        first.kill();
        wait_for_connection(&daemon, &second, round);
        wait_for_availability(&daemon, &second, "online");
        first.start_again();
        wait_for_connection(&daemon, &first, round + 1);
        wait_for_availability(&daemon, &first, "online");
        wait_for_availability(&daemon, &second, "offline");
    }
}

#[test]
fn a_broker_that_restarts_is_waited_for() {
    let [mut first, mut second] = brokers();
    first.start_again();
    second.start_again();
    let configuration = configuration(&[first.port(), second.port()])
        .set("Client", "RECONNECT_DELAY", "3s")
        .set("Client", "RECONNECT_DELAY_MAX", "10s");
    let daemon = Daemon::start(&configuration.text());
    wait_for_everything(&daemon, &first);
    first.stop();
    first.start_again();
    wait_for_connection(&daemon, &first, 2);
    assert_eq!(logins(&second), 0);
}

#[test]
fn when_all_are_away_the_one_that_comes_back_is_taken() {
    let [mut first, mut second] = brokers();
    first.start_again();
    let daemon = Daemon::start(&configuration(&[first.port(), second.port()]).text());
    let everything = wait_for_everything(&daemon, &first);
    first.kill();
    daemon.wait_for_lines("no connection to the broker at", 3);
    second.start_again();
    wait_for_connection(&daemon, &second, 1);
    assert_eq!(wait_for_everything(&daemon, &second), everything);
    second.kill();
    daemon.wait_for_lines("lost the connection to the broker at", 2);
    first.start_again();
    wait_for_connection(&daemon, &first, 2);
    wait_for_availability(&daemon, &first, "online");
    second.start_again();
    wait_for_availability(&daemon, &second, "offline");
}

#[test]
fn among_three_the_best_that_there_is_is_gone_to() {
    let [mut first, mut second, mut third] = brokers();
    third.start_again();
    let daemon = Daemon::start(&configuration(&[first.port(), second.port(), third.port()]).text());
    let line = daemon.wait_for_line("[INFO] connected to the broker");
    assert!(line.contains("(the third of 3)"), "{line}");
    let everything = wait_for_everything(&daemon, &third);
    second.start_again();
    wait_for_connection(&daemon, &second, 1);
    wait_for_availability(&daemon, &third, "offline");
    first.start_again();
    wait_for_connection(&daemon, &first, 1);
    assert_eq!(wait_for_everything(&daemon, &first), everything);
    wait_for_availability(&daemon, &second, "offline");
    first.kill();
    wait_for_connection(&daemon, &second, 2);
}

#[test]
fn a_broker_under_two_names_says_online_in_the_end() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let relay = Relay::start(mosquitto.port());
    let observer = Observer::start(&mosquitto, &[AVAILABILITY]);
    let configuration =
        configuration(&[relay.port(), mosquitto.port()]).set("Broker", "FAILBACK_INTERVAL", "never");
    let daemon = Daemon::start(&configuration.text());
    wait_for_everything(&daemon, &mosquitto);
    relay.cut();
    wait_for_connection(&daemon, &mosquitto, 1);
    relay.mend();
    daemon.wait_for_line("told it that we are offline");
    observer
        .wait_for("another online", LIMIT, |it| it.iter().filter(|it| it.text() == "online").count() >= 3);
    let said: Vec<String> = observer.messages().iter().map(Seen::text).collect();
    assert_eq!(said, ["online", "offline", "online", "offline", "online"]);
}

#[test]
fn a_broker_that_answers_nothing_is_not_gone_back_to() {
    let silent = SilentPeer::start();
    let [mut second] = brokers();
    second.start_again();
    let daemon = Daemon::start(&configuration(&[silent.port(), second.port()]).text());
    wait_for_connection(&daemon, &second, 1);
    wait_until_or("more looks at the first", LIMIT, || silent.accepted() >= 4, || daemon.lines());
    assert_eq!(daemon.count("leaving the broker"), 0, "{:#?}", daemon.lines());
    assert_eq!((logins(&second), daemon.count("[WARN]")), (1, 1), "{:#?}", daemon.lines());
}

#[test]
fn a_broker_that_does_not_know_our_password_is_not_gone_back_to() {
    let with_password = |password: &str| {
        let users = vec![("luigi".to_owned(), password.to_owned())];
        Mosquitto::start(MosquittoOptions { users, ..Default::default() })
    };
    let (first, second) = (with_password("another"), with_password("secret"));
    let configuration = configuration(&[first.port(), second.port()])
        .set("Authentication", "USERNAME", "luigi")
        .set("Authentication", "PASSWORD", "secret");
    let daemon = Daemon::start(&configuration.text());
    wait_for_connection(&daemon, &second, 1);
    let line = daemon.wait_for_line("[WARN] cannot go back to the broker at");
    assert!(line.contains("(the first of 2)") && line.contains("check USERNAME and PASSWORD"), "{line}");
    let looks = || daemon.count("cannot go back to the broker at");
    wait_until_or("more looks at the first", LIMIT, || looks() >= 3, || daemon.lines());
    assert_eq!((logins(&second), daemon.count("[WARN] cannot")), (1, 1), "{:#?}", daemon.lines());
}
