//! The broker's certificate: a table of all that can be wrong with it, each with what comes of it: a connection, or one
//! line that says what to do. What `run` logs, `check --connect` says too.

use std::fs;

use openssl::x509::X509;

use crate::support::ASKING;
use crate::support::Daemon;
use crate::support::EVERYWHERE;
use crate::support::EncryptedBroker;
use crate::support::Folder;
use crate::support::IPV6;
use crate::support::LIMIT;
use crate::support::Relay;
use crate::support::Request;
use crate::support::TlsVersion;
use crate::support::loopback_of_version_6;
use crate::support::wait_until_or;

/// A broker with a listener for each kind of certificate, all named for it.
fn broker_of_every_kind(version: TlsVersion) -> EncryptedBroker {
    let files = Folder::new();
    let [ca, other] = files.put_authorities();
    let good = Request::new("broker", EVERYWHERE);
    files.put("good", &good.signed_by(&ca));
    files.put("named", &Request::new("broker", &["localhost"]).signed_by(&ca));
    files.put("elsewhere", &Request::new("broker", &["broker.example", "192.0.2.1"]).signed_by(&ca));
    files.put("expired", &good.expired().signed_by(&ca));
    files.put("future", &good.not_yet_valid().signed_by(&ca));
    files.put("foreign", &good.signed_by(&other));
    files.put("alone", &good.self_signed());
    let past = Request::authority("past").expired().self_signed();
    files.write("past.pem", past.pem());
    files.put("heir", &good.signed_by(&past));
    files.write("bundle.pem", [other.pem(), ca.pem()].concat());
    EncryptedBroker::start(
        files,
        &[
            ("good", "good"),
            (IPV6, "good"),
            ("named", "named"),
            ("elsewhere", "elsewhere"),
            ("expired", "expired"),
            ("future", "future"),
            ("foreign", "foreign"),
            ("alone", "alone"),
            ("heir", "heir"),
            (ASKING, "alone"),
        ],
        version,
    )
}

#[test]
fn a_broker_is_trusted_when_authority_time_and_name_are_right_and_else_the_line_says_what_to_do() {
    let broker = broker_of_every_kind(TlsVersion::Tls13);
    let renew = "has expired: renew it there (or that of its authority), or set our clock, which says 2";
    for (listener, host, ca, words) in [
        ("good", "localhost", "ca.pem", ""),
        ("good", "localhost", "bundle.pem", ""),
        ("good", "127.0.0.1", "ca.pem", ""),
        (IPV6, loopback_of_version_6(), "ca.pem", ""),
        ("named", "localhost", "ca.pem", ""),
        ("named", "127.0.0.1", "ca.pem", "certificate is not for 127.0.0.1: set HOST in [Broker] to a name"),
        ("elsewhere", "localhost", "ca.pem", "certificate is not for localhost: set HOST in [Broker] to a"),
        ("expired", "localhost", "ca.pem", renew),
        ("heir", "localhost", "past.pem", renew),
        ("future", "localhost", "ca.pem", "is not valid yet: is our clock set? It says 2"),
        ("foreign", "localhost", "ca.pem", "/ca.pem): set TLS_CA_CERT in [Broker] to the certificate of"),
        ("foreign", "localhost", "foreign.pem", "/foreign.pem): set TLS_CA_CERT in [Broker] to the"),
        ("alone", "localhost", "ca.pem", "signed by itself alone: if it is the right one, set TLS_CA_CERT"),
        ("alone", "localhost", "alone.pem", ""),
    ] {
        let configuration = broker.trusting(ca, listener).set("Broker", "HOST", host);
        match words {
            "" => drop(broker.check_connects(&configuration)),
            words => drop(broker.check_refused(&configuration, words)),
        }
    }
}

#[test]
fn the_authorities_of_the_system_are_trusted_where_no_other_is_configured() {
    let mut broker = broker_of_every_kind(TlsVersion::Tls13);
    let unknown = "nobody we trust (those of this system): set TLS_CA_CERT in [Broker]";
    broker.check_refused(&broker.client("good"), unknown);
    broker.check_refused(&broker.client("alone"), "signed by itself alone");
    broker.environment = vec![("SSL_CERT_FILE", broker.files.shown("other.pem"))];
    broker.check_refused(&broker.client("good"), unknown);
    broker.environment = vec![("SSL_CERT_FILE", broker.files.shown("ca.pem"))];
    broker.check_connects(&broker.client("good"));
    // A folder is read one certificate at a time: without any file, that is all there is in memory.
    let folder = Folder::new();
    let ca = X509::from_pem(&fs::read(broker.files.path("ca.pem")).unwrap()).unwrap();
    folder.write(&format!("{:08x}.0", ca.subject_name_hash()), ca.to_pem().unwrap());
    broker.environment = vec![("SSL_CERT_DIR", folder.shown("")), ("SSL_CERT_FILE", "/dev/null".to_owned())];
    broker.check_connects(&broker.client("good"));
    // One that is configured is the only one.
    broker.check_refused(&broker.trusting("other.pem", "good"), "/other.pem): set TLS_CA_CERT");
}

#[test]
fn on_explicit_demand_any_certificate_will_do_and_each_start_warns_of_it() {
    let broker = broker_of_every_kind(TlsVersion::Tls13);
    let insecure = |listener: &str| broker.client(listener).set("Broker", "TLS_INSECURE", "yes");
    let warning = "[Broker] TLS_INSECURE: the broker's certificate is not checked";
    for listener in ["good", "elsewhere", "expired", "future", "foreign", "alone", "heir"] {
        let daemon = broker.check_connects(&insecure(listener));
        assert!(daemon.lines()[0].contains(warning), "{:#?}", daemon.lines());
    }
    let (_, lines) = broker.check(&insecure("alone"));
    let says = |part: &str| lines.iter().any(|it| it.contains(part));
    assert!(says(warning) && says("ok  TLS: encrypted, to nobody knows whom (TLS_INSECURE)"), "{lines:#?}");
    // Everything else still counts.
    broker.check_refused(&insecure(ASKING), "set TLS_CERT and TLS_KEY in [Broker]");
    let plain = insecure("good").set("Broker", "PORT", broker.mosquitto.port());
    broker.check_refused(&plain, "no TLS is spoken on that port");
}

#[test]
fn a_port_with_and_one_without_encryption_are_told_apart() {
    let broker = broker_of_every_kind(TlsVersion::Tls13);
    let plain = broker.trusting("ca.pem", "good").set("Broker", "PORT", broker.mosquitto.port());
    broker.check_refused(&plain, "no TLS is spoken on that port: check PORT and TLS_ENABLED in [Broker]");
    let unencrypted = broker.client("good").set("Broker", "TLS_ENABLED", "no");
    broker.check_refused(&unencrypted, "check PORT and TLS_ENABLED in [Broker]");
}

#[test]
fn nothing_older_than_version_1_2_is_spoken_not_even_on_demand() {
    let words = "the broker speaks no TLS of version 1.2 or newer: update it";
    let old = broker_of_every_kind(TlsVersion::Tls11);
    old.check_refused(&old.trusting("ca.pem", "good"), words);
    old.check_refused(&old.client("good").set("Broker", "TLS_INSECURE", "yes"), words);
    let newer = broker_of_every_kind(TlsVersion::Tls12);
    newer.check_connects(&newer.trusting("ca.pem", "good"));
    newer.check_refused(&newer.trusting("ca.pem", "alone"), "signed by itself alone");
    let asking = newer.client(ASKING).set("Broker", "TLS_INSECURE", "yes");
    newer.check_refused(
        &asking,
        "the broker wants a client certificate: set TLS_CERT and TLS_KEY in [Broker]",
    );
}

#[test]
fn the_next_broker_takes_the_place_of_one_that_is_not_trusted_which_is_not_gone_back_to() {
    let broker = broker_of_every_kind(TlsVersion::Tls13);
    let untrusted = format!("localhost:{}", broker.port("elsewhere"));
    let configuration = broker
        .trusting("ca.pem", "good")
        .set("Broker", "HOST", format!("{untrusted}, localhost"))
        .set("Broker", "FAILBACK_INTERVAL", "1s");
    let daemon = Daemon::start(&configuration.text());
    daemon.wait_for_line(&format!("] connected to the broker at localhost:{} (", broker.port("good")));
    for begin in ["[ERROR] no connection to", "[WARN] cannot go back to"] {
        let line = daemon.wait_for_line(&format!("{begin} the broker at {untrusted} (the first of 2)"));
        assert!(line.contains("certificate is not for localhost"), "{line}");
    }
    assert_eq!(daemon.count("] connected to the broker"), 1, "{:#?}", daemon.lines());
}

#[test]
fn each_connection_has_a_thread_of_its_own_which_goes_with_it_and_the_last_one_ends_in_order() {
    let broker = broker_of_every_kind(TlsVersion::Tls13);
    let relay = Relay::start(broker.port("good"));
    let configuration = broker
        .trusting("ca.pem", "good")
        .set("Broker", "PORT", relay.port())
        .set("Client", "CLIENT_ID", "leaver")
        .set("Client", "RECONNECT_DELAY_MAX", "1");
    let mut daemon = Daemon::start(&configuration.text());
    for sessions in 1..4 {
        daemon.wait_for_lines("] connected to the broker", sessions);
        let is_one = || tls_threads(daemon.id()) == 1;
        wait_until_or("one thread `tls`", LIMIT, is_one, || tls_threads(daemon.id()));
        if sessions < 3 {
            relay.cut();
            relay.mend();
        }
    }
    daemon.terminate();
    assert!(daemon.wait_exit(LIMIT).success());
    // So Mosquitto has it of a client that has said DISCONNECT; it has no will to send then.
    let is_told = || broker.mosquitto.log().contains("Client leaver disconnected.");
    wait_until_or("an orderly end", LIMIT, is_told, || broker.mosquitto.log());
}

/// How many threads of the process `id` carry the bytes of a TLS connection.
fn tls_threads(id: u32) -> usize {
    let threads = fs::read_dir(format!("/proc/{id}/task")).unwrap().flatten();
    let names = threads.filter_map(|it| fs::read_to_string(it.path().join("comm")).ok());
    names.filter(|it| it.trim_end() == "tls").count()
}
