//! Encryption: certificates that are trusted, and those that are not.

use std::path::Path;

use crate::support::AVAILABILITY;
use crate::support::CLIENT_ID;
use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::free_port;

fn file(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls").join(name).display().to_string()
}

/// A broker that speaks TLS with `certificate` on the port that is returned with it, and plain MQTT, for the
/// observer, on its own.
fn encrypted_broker(certificate: &str, more: &str) -> (Mosquitto, u16) {
    let port = free_port();
    let extra = format!(
        "listener {port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\n{more}",
        file("ca.pem"),
        file(certificate),
        file("server.key")
    );
    (Mosquitto::start(MosquittoOptions { extra, ..Default::default() }), port)
}

fn encrypted(port: u16, authority: &str) -> Configuration {
    Configuration::new(port).set("Broker", "HOST", "localhost").set("Broker", "TLS_ENABLED", "yes").set(
        "Broker",
        "TLS_CA_CERT",
        file(authority),
    )
}

fn with_certificate(configuration: Configuration) -> Configuration {
    configuration.set("Broker", "TLS_CERT", file("server.pem")).set("Broker", "TLS_KEY", file("server.key"))
}

#[track_caller]
fn check_connects(broker: &(Mosquitto, u16), configuration: &Configuration) {
    let observer = Observer::start(&broker.0, &["luigi/#"]);
    let _daemon = Daemon::start(&configuration.text());
    observer.wait_for_latest(AVAILABILITY, "online");
    observer.wait_for_latest("luigi/pi/cpu_temperature", "41.2");
    let log = broker.0.log();
    // Which listener it came to: the encrypted one.
    let port = broker.1;
    assert!(
        log.lines().any(|it| it.contains("New connection") && it.ends_with(&format!("on port {port}."))),
        "{log}"
    );
}

/// Checks that a daemon does not log in, and says `advice`.
#[track_caller]
fn check_refuses(broker: &(Mosquitto, u16), configuration: &Configuration, advice: &str) {
    let daemon = Daemon::start(&configuration.text());
    let line = daemon.wait_for_line("no connection to the broker");
    assert!(line.contains(advice), "{line}");
    daemon.wait_for_line("still no connection to the broker");
    let log = broker.0.log();
    assert!(!log.contains(CLIENT_ID), "it has shown itself to a broker that it does not trust:\n{log}");
}

#[test]
fn a_broker_of_the_configured_authority_is_trusted() {
    let broker = encrypted_broker("server.pem", "");
    check_connects(&broker, &encrypted(broker.1, "ca.pem"));
    check_connects(&broker, &encrypted(broker.1, "ca.pem").set("Broker", "HOST", "127.0.0.1"));
}

#[test]
fn the_check_names_tls_as_the_step_that_works_or_fails() {
    let broker = encrypted_broker("server.pem", "");
    let tls_step = |configuration: &Configuration| {
        let launch = Launch::new(&configuration.text()).subcommand("check").args(&["--connect"]);
        let mut daemon = launch.start();
        let code = daemon.wait_exit(LIMIT).code();
        (code, daemon.wait_for_line("TLS: ").trim_start().to_owned())
    };
    assert_eq!(
        tls_step(&encrypted(broker.1, "ca.pem")),
        (Some(0), "ok  TLS: the certificate is trusted and is for localhost".to_owned())
    );
    let (code, line) = tls_step(&encrypted(broker.1, "other-ca.pem"));
    assert!(code == Some(69) && line.starts_with("NO  TLS: ") && line.contains("set TLS_CA_CERT"), "{line}");
}

#[test]
fn a_broker_of_another_authority_is_refused() {
    let broker = encrypted_broker("server.pem", "");
    check_refuses(
        &broker,
        &encrypted(broker.1, "other-ca.pem"),
        "set TLS_CA_CERT in [Broker] to the certificate of",
    );
}

#[test]
fn a_broker_with_a_certificate_for_another_name_is_refused() {
    let broker = encrypted_broker("elsewhere.pem", "");
    let advice = "the broker's certificate is not for localhost: set HOST in [Broker]";
    check_refuses(&broker, &encrypted(broker.1, "ca.pem"), advice);
}

#[test]
fn the_next_broker_takes_the_place_of_one_that_is_not_trusted_and_it_is_not_gone_back_to() {
    let (untrusted, trusted) = (encrypted_broker("elsewhere.pem", ""), encrypted_broker("server.pem", ""));
    let hosts = format!("localhost:{}, localhost:{}", untrusted.1, trusted.1);
    let configuration =
        encrypted(1, "ca.pem").set("Broker", "HOST", hosts).set("Broker", "FAILBACK_INTERVAL", "1s");
    let observer = Observer::start(&trusted.0, &["luigi/#"]);
    let daemon = Daemon::start(&configuration.text());
    observer.wait_for_latest("luigi/pi/cpu_temperature", "41.2");
    let advice = "the broker's certificate is not for localhost: set HOST in [Broker]";
    for begin in ["[ERROR] no connection to", "[WARN] cannot go back to"] {
        let line =
            daemon.wait_for_line(&format!("{begin} the broker at localhost:{} (the first", untrusted.1));
        assert!(line.contains(advice), "{line}");
    }
    assert_eq!(daemon.count("] connected to the broker at localhost:"), 1, "{:#?}", daemon.lines());
    assert!(!untrusted.0.log().contains(CLIENT_ID), "{}", untrusted.0.log());
}

#[test]
fn a_broker_with_an_expired_certificate_is_refused() {
    let broker = encrypted_broker("expired.pem", "");
    let advice = "the broker's certificate has expired: renew it there, or set our clock";
    check_refuses(&broker, &encrypted(broker.1, "ca.pem"), advice);
}

#[test]
fn a_broker_without_encryption_is_refused() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let port = mosquitto.port();
    let advice = "no TLS is spoken on that port: check PORT and TLS_ENABLED in [Broker]";
    check_refuses(&(mosquitto, port), &encrypted(port, "ca.pem"), advice);
}

#[test]
fn a_daemon_without_encryption_says_what_an_encrypted_broker_wants() {
    let broker = encrypted_broker("server.pem", "");
    check_refuses(&broker, &Configuration::new(broker.1), "check PORT and TLS_ENABLED in [Broker]");
}

#[test]
fn a_client_certificate_opens_a_broker_that_requires_one() {
    let broker = encrypted_broker("server.pem", "require_certificate true");
    check_connects(&broker, &with_certificate(encrypted(broker.1, "ca.pem")));
}

#[test]
fn without_a_client_certificate_a_broker_that_requires_one_stays_closed() {
    let broker = encrypted_broker("server.pem", "require_certificate true");
    check_refuses(&broker, &encrypted(broker.1, "ca.pem"), "set TLS_CERT and TLS_KEY in [Broker]");
}
