//! `luigi-mqtt status`.

use crate::support::Outcome;
use crate::support::Script;
use crate::support::bare;

/// A daemon in trouble, as it tells it; `up` is whether it is connected.
fn status(up: bool) -> String {
    let connection = match up {
        true => {
            r#"{"up":true,"since":7500,"broker":"ha.lan:8883","client_id":"luigi-pi","tls":true,"reconnects":2}"#
        }
        false => {
            r#"{"up":false,"since":59,"broker":"ha.lan:1883","client_id":"luigi-pi","error":"refused\u001b[2J"}"#
        }
    };
    format!(
        r#"{{"ok":"status","status":{{"version":"0.1.0","pid":812,"uptime":273600,"configuration":"/etc/luigi-mqtt.conf","connection":{connection},
        "messages":{{"accepted":1204,"delivered":1200,"waiting":4,"dropped":1}},
        "entities":{{"attic":{{"accepted":1000,"delivered":999,"waiting":1}},"cpu":{{"accepted":4,"delivered":3,"dropped":1}}}},
        "troubles":[{{"entity":"cellar","error":"cannot read /sys/x","since":90}},{{"entity":"attic","error":"no power","since":900,"over":600}}],
        "spool":{{"mode":"outage","directory":"/var/lib/luigi-mqtt","messages":12,"max_bytes":16777216}},
        "memory":{{"resident":2202009,"anonymous":1048576,"peak":2306867}},
        "clients":[{{"pid":99,"uid":1000,"since":5,"requests":17}},{{"uid":0,"since":1,"requests":0}}],"newer":true}}}}"#
    )
    .replace('\n', "")
}

#[test]
fn people_are_told_all_of_it_in_tables() {
    let outcome = Script::always(&status(true)).run(&["status"], b"");
    assert_eq!((outcome.errors.as_str(), outcome.code), ("", 0));
    assert_eq!(
        outcome.output.lines().collect::<Vec<_>>(),
        [
            "luigi-mqtt 0.1.0  process 812, for 3 d 4 h",
            "file      /etc/luigi-mqtt.conf",
            "broker    connected to ha.lan:8883 as luigi-pi, TLS, for 2 h 5 min, 2 times again",
            "messages  1204 accepted, 1200 delivered, 4 waiting, 1 dropped",
            "spool     12 messages in /var/lib/luigi-mqtt (mode outage, up to 16.0 MiB)",
            "memory    2.1 MiB, 1.0 MiB of it our own; 2.2 MiB at most",
            "programs  2 connected",
            "",
            "TROUBLE                     LAST ERROR",
            "cellar   for 1 min          cannot read /sys/x",
            "attic    over since 10 min  no power",
            "",
            "ENTITY  ACCEPTED  DELIVERED  WAITING  REPLACED  DROPPED  EXPIRED",
            "attic       1000        999        1         0        0        0",
            "cpu            4          3        0         0        1        0",
            "",
            "PROGRAM  USER  REQUESTS  FOR",
            "     99  1000        17  5 s",
            "      ?     0         0  1 s",
        ]
    );
}

#[test]
fn a_connection_that_is_down_has_a_code_and_a_reason_that_cannot_take_over_the_terminal() {
    let outcome = Script::always(&status(false)).run(&["status"], b"");
    assert_eq!(outcome.code, 1, "{outcome:?}");
    let broker = outcome.output.lines().nth(2);
    assert_eq!(
        broker,
        Some(
            "broker    not connected to ha.lan:1883 as luigi-pi, not encrypted, for 59 s: refused\u{fffd}[2J"
        )
    );
}

#[test]
fn a_card_that_takes_nothing_is_named_where_the_spool_is() {
    let failing = status(true).replace(r#""max_bytes":16777216"#, r#""max_bytes":16777216,"failing":true"#);
    let outcome = Script::always(&failing).run(&["status"], b"");
    let expected = "spool     12 messages in /var/lib/luigi-mqtt (mode outage, up to 16.0 MiB); it takes none: what waits is in memory";
    assert_eq!(outcome.output.lines().nth(4), Some(expected));
}

#[test]
fn programs_are_told_all_that_the_daemon_tells() {
    let outcome = Script::always(&status(false)).run(&["status", "--json"], b"");
    assert_eq!((outcome.errors.as_str(), outcome.code), ("", 1));
    let told: serde_json::Value = serde_json::from_str(&outcome.output).unwrap();
    assert_eq!((&told["clients"][0]["requests"], &told["newer"]), (&17.into(), &true.into()));
}

#[test]
fn a_status_that_is_none_is_named_as_such() {
    for answer in [r#"{"ok":"status"}"#, r#"{"ok":"status","status":{"uptime":"long"}}"#] {
        let outcome = Script::always(answer).run(&["status"], b"");
        assert_eq!((outcome.output.as_str(), outcome.code), ("", 76));
    }
}

#[test]
fn a_terminal_gets_colours_unless_it_wants_none() {
    let script = Script::always(&status(true));
    let (green, escape) = ("\u{1b}[32mconnected\u{1b}[0m to", "\u{1b}[");
    let coloured = script.on_a_terminal("status", &[]);
    assert!(coloured.output.contains(green), "{coloured:?}");
    for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = script.on_a_terminal("status", &[variable]);
        assert!(plain.output.contains("connected to") && !plain.output.contains(escape), "{plain:?}");
    }
}

#[test]
fn a_daemon_that_does_not_run_has_a_code_of_its_own_and_the_way_to_start_it() {
    let root = tempfile::tempdir().unwrap();
    let gone = root.path().join("gone.sock");
    let outcome = Outcome::of(&mut bare(&["status", "--socket", gone.to_str().unwrap()], root.path()), b"");
    assert_eq!((outcome.output.as_str(), outcome.code), ("", 3));
    assert!(outcome.errors.contains("to start it: "), "{outcome:?}");
}
