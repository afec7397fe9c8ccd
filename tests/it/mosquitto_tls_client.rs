//! Our own certificate: what opens a broker that asks for one, and what does not; and its renewal.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::ASKING;
use crate::support::Daemon;
use crate::support::EVERYWHERE;
use crate::support::EncryptedBroker;
use crate::support::Folder;
use crate::support::Request;
use crate::support::TlsVersion;

/// A broker that asks for a certificate of `ca.pem`, and certificates for its clients.
fn broker_that_asks(version: TlsVersion) -> EncryptedBroker {
    let files = Folder::new();
    let [ca, other] = files.put_authorities();
    files.put("good", &Request::new("broker", EVERYWHERE).signed_by(&ca));
    let request = Request::new("client", &[]);
    for (name, client) in [("rsa", request.rsa().signed_by(&ca)), ("ec", request.signed_by(&ca))] {
        files.put(name, &client);
        files.write(&format!("{name}-old.key"), client.old_key_pem());
        files.write(&format!("{name}-both.pem"), [client.pem(), client.key_pem()].concat());
        for (form, key) in ["encrypted", "old-encrypted"].iter().zip(client.encrypted_key_pems()) {
            files.write(&format!("{name}-{form}.key"), key);
        }
    }
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let key = fs::read_to_string(files.path("ec-old.key")).unwrap();
    files.write("ec-parameters.key", format!("{parameters}{key}"));
    let between = Request::authority("between").signed_by(&ca);
    let chained = request.signed_by(&between);
    files.put("chain", &chained);
    files.write("chain.pem", [chained.pem(), between.pem()].concat());
    files.put("foreign", &request.signed_by(&other));
    files.put("expired", &request.expired().signed_by(&ca));
    files.put("future", &request.not_yet_valid().signed_by(&ca));
    EncryptedBroker::start(files, &[(ASKING, "good")], version)
}

/// The same with each version, for the broker speaks its mind at another moment in each.
fn brokers_that_ask() -> [EncryptedBroker; 2] {
    [TlsVersion::Tls12, TlsVersion::Tls13].map(broker_that_asks)
}

#[test]
fn a_client_certificate_opens_the_broker_that_asks_for_one_whatever_the_form_of_its_key() {
    for broker in brokers_that_ask() {
        for (certificate, key) in [
            ("rsa.pem", "rsa.key"),
            ("rsa.pem", "rsa-old.key"),
            ("rsa-both.pem", "rsa-both.pem"),
            ("ec.pem", "ec.key"),
            ("ec.pem", "ec-old.key"),
            ("ec.pem", "ec-parameters.key"),
            ("chain.pem", "chain.key"),
        ] {
            broker.check_connects(&broker.showing(certificate, key));
        }
    }
}

#[test]
fn without_a_client_certificate_that_it_trusts_the_broker_stays_closed() {
    let encrypted = "encrypted, and nobody is here to type its password; decrypt it with: openssl pkey -in /";
    for broker in brokers_that_ask() {
        for (certificate, key, words) in [
            ("foreign.pem", "foreign.key", "our certificate in /"),
            ("rsa.pem", "rsa-encrypted.key", encrypted),
            ("rsa.pem", "rsa-old-encrypted.key", encrypted),
            ("ec.pem", "ec-encrypted.key", encrypted),
            ("ec.pem", "ec-old-encrypted.key", encrypted),
            ("ec.pem", "rsa.key", "does not belong to the first certificate in /"),
            ("ec.pem", "rsa.pem", "/rsa.pem: expected a private key in PEM form, found none"),
            ("ec.key", "ec.key", "/ec.key: expected whole certificates in PEM form"),
        ] {
            broker.check_refused(&broker.showing(certificate, key), words);
        }
        broker.check_refused(&broker.trusting("ca.pem", ASKING), "set TLS_CERT and TLS_KEY in [Broker]");
    }
}

#[test]
fn a_client_certificate_out_of_its_time_is_told_before_the_broker_says_so() {
    for broker in brokers_that_ask() {
        for (name, words) in [("expired", "has expired on 2"), ("future", "is valid from 2")] {
            let configuration = broker.showing(&format!("{name}.pem"), &format!("{name}.key"));
            let daemon = broker.check_refused(&configuration, &format!("/{name}.pem {words}"));
            let lines = daemon.lines();
            let warned = lines.iter().position(|it| it.contains("our certificate in"));
            let refused = lines.iter().position(|it| it.contains("no connection to the broker"));
            assert!(warned.is_some() && warned < refused, "{lines:#?}");
        }
    }
}

#[test]
fn renewed_certificates_need_no_restart_and_a_renewal_in_progress_is_waited_for() {
    let mut broker = broker_that_asks(TlsVersion::Tls13);
    // As certbot has it: a link to the newest of a series.
    let live = |part: &str| broker.files.path(&format!("live.{part}"));
    for part in ["pem", "key"] {
        symlink(format!("ec.{part}"), live(part)).unwrap();
    }
    let configuration = broker.showing("live.pem", "live.key").set("Client", "RECONNECT_DELAY_MAX", "1");
    let mut daemon = Daemon::start(&configuration.text());
    daemon.wait_for_lines("connected to the broker", 1);

    // All new: another authority for both ends, by renaming; our certificate, by switching the link; its key is late.
    broker.mosquitto.stop();
    let ca = Request::authority("new").self_signed();
    broker.files.put("good", &Request::new("broker", EVERYWHERE).signed_by(&ca));
    broker.files.put("renewed", &Request::new("client", &[]).signed_by(&ca));
    broker.files.write("ca.pem", ca.pem());
    let switch = |part: &str| {
        symlink(format!("renewed.{part}"), broker.files.path("aside")).unwrap();
        fs::rename(broker.files.path("aside"), broker.files.path(&format!("live.{part}"))).unwrap();
    };
    switch("pem");
    broker.mosquitto.start_again();
    daemon.wait_for_line("/live.key does not belong to the first certificate in /");
    switch("key");
    daemon.wait_for_lines("connected to the broker", 2);

    // A file that is missing, or only half there, at the moment of an attempt.
    let whole = |name: &str| fs::read(broker.files.path(name)).unwrap();
    let (key, authority) = (whole("live.key"), whole("ca.pem"));
    broker.mosquitto.stop();
    broker.files.write("live.key", &key[..key.len() / 2]);
    daemon.wait_for_line("/live.key: the private key is damaged, or not yet written to its end");
    broker.files.write("live.key", &key);
    fs::remove_file(broker.files.path("ca.pem")).unwrap();
    daemon.wait_for_line("/ca.pem: No such file or directory");
    broker.files.write("ca.pem", &authority[..authority.len() / 2]);
    daemon.wait_for_line("/ca.pem: expected whole certificates in PEM form");
    broker.files.write("ca.pem", &authority);
    broker.mosquitto.start_again();
    daemon.wait_for_lines("connected to the broker", 3);
    assert!(daemon.ended().is_none());
}
