//! One reading or message, from the arguments: [`one`].

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Map, Value as Json};

use super::super::Exit;
use super::super::args::Publish;
use super::super::complain;
use crate::model::ObjectId;
use crate::model::Topic;
use crate::protocol::LINE_BYTES;
use crate::protocol::Request;

/// Why the arguments are nothing that could be published.
#[derive(Debug)]
pub(super) struct Unfit {
    reason: String,
    exit: Exit,
}

impl Unfit {
    /// The arguments do not go together.
    pub(super) fn usage(reason: impl fmt::Display) -> Unfit {
        Unfit { reason: format!("{reason} (see luigi-mqtt publish --help)"), exit: Exit::Usage }
    }

    /// They do, but name something that cannot be.
    fn refused(reason: impl fmt::Display) -> Unfit {
        Unfit { reason: reason.to_string(), exit: Exit::Refused }
    }

    /// Says it; returns the exit code.
    pub(super) fn said(self) -> Exit {
        complain(format_args!("luigi-mqtt: {}", self.reason));
        self.exit
    }
}

/// The reading or the message that `request` is; `input` is standard input, for a payload from there.
///
/// # Errors
///
/// [`Unfit`].
pub(super) fn one(request: &Publish, input: &mut dyn Read) -> Result<Request, Unfit> {
    let one = match &request.topic {
        Some(topic) => message(request, topic, input)?,
        None => reading(request)?,
    };
    let length = one.line().len();
    match length <= LINE_BYTES {
        true => Ok(one),
        false => Err(Unfit::refused(format!("a request of {length} bytes: expected at most {LINE_BYTES}"))),
    }
}

fn message(request: &Publish, topic: &str, input: &mut dyn Read) -> Result<Request, Unfit> {
    if request.sensor.is_some() || request.value.is_some() {
        return Err(Unfit::usage("a message goes to a topic or to a sensor, not to both"));
    }
    let payload = match (request.words.as_slice(), &request.payload_file) {
        ([payload], None) => payload.clone().into_bytes(),
        ([], Some(path)) => contents(path, input)
            .map_err(|error| Unfit::refused(format!("cannot read {}: {error}", path.display())))?,
        _ => return Err(Unfit::usage("with --topic, expected one payload, in quotes where it has blanks")),
    };
    Ok(Request::Publish {
        topic: Topic::new(topic).map_err(|error| Unfit::refused(format!("the topic {topic:?}: {error}")))?,
        payload,
        qos: request.qos,
        retain: request.retain,
        delivery: request.delivery(),
        wait: request.wait,
    })
}

fn reading(request: &Publish) -> Result<Request, Unfit> {
    let mut words = request.words.iter();
    let sensor = request.sensor.as_ref().or_else(|| words.next());
    let value = request.value.as_ref().or_else(|| words.next());
    let sensor = sensor.ok_or_else(|| Unfit::usage("expected SENSOR VALUE"))?;
    if words.next().is_some() {
        return Err(Unfit::usage("expected SENSOR VALUE: a value stands in quotes where it has blanks"));
    }
    if value.is_none() && request.attributes.is_none() && request.available.is_none() {
        return Err(Unfit::usage(format!(
            "what of {sensor:?}: expected a value, --attributes or --available"
        )));
    }
    Ok(Request::Reading {
        entity: ObjectId::new(sensor).map_err(|error| Unfit::refused(format!("the sensor's id: {error}")))?,
        value: value.map(|it| Json::from(it.as_str())),
        attributes: request.attributes.as_deref().map(attributes).transpose()?,
        available: request.available,
        wait: request.wait,
    })
}

fn attributes(text: &str) -> Result<Map<String, Json>, Unfit> {
    serde_json::from_str(text).map_err(|error| {
        Unfit::refused(format!("--attributes: expected a JSON object, {{\"battery\":81}} say: {error}"))
    })
}

/// Not more than could be sent.
fn contents(path: &Path, input: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut payload = Vec::new();
    let limit = LINE_BYTES as u64 + 1;
    match path.as_os_str() == "-" {
        true => input.take(limit).read_to_end(&mut payload)?,
        false => File::open(path)?.take(limit).read_to_end(&mut payload)?,
    };
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::super::args::{Args, Command, Deferred};
    use super::*;

    fn parsed(line: &str) -> Result<String, Exit> {
        let words = ["luigi-mqtt", "publish"].into_iter().chain(line.split_whitespace());
        let Command::Publish(Deferred(request)) =
            Args::try_parse_from(words).map_err(|_| Exit::Usage)?.command
        else {
            unreachable!("publish is publish");
        };
        one(&request, &mut &b"from\0 input"[..]).map(|it| it.line()).map_err(|it| it.exit)
    }

    #[track_caller]
    fn check(line: &str, expected: &str) {
        assert_eq!(parsed(line).as_deref(), Ok(expected), "{line}");
    }

    #[track_caller]
    fn check_refused(line: &str, expected: Exit) {
        assert_eq!(parsed(line), Err(expected), "{line}");
    }

    #[test]
    fn a_reading_is_a_sensor_and_a_value_or_what_else_is_known_of_it() {
        let attic = r#"{"entity":"attic","op":"reading","value":"21.5"}"#;
        check("attic 21.5", attic);
        check("--sensor attic --value 21.5", attic);
        check("--sensor attic 21.5", attic);
        check("attic --value 21.5", attic);
        check("attic -5", r#"{"entity":"attic","op":"reading","value":"-5"}"#);
        check("attic --value -x", r#"{"entity":"attic","op":"reading","value":"-x"}"#);
        check("attic -- -x", r#"{"entity":"attic","op":"reading","value":"-x"}"#);
        check("door --available no", r#"{"available":false,"entity":"door","op":"reading"}"#);
        check(
            r#"door on --attributes {"battery":81} --wait"#,
            r#"{"attributes":{"battery":81},"entity":"door","op":"reading","value":"on","wait":10}"#,
        );
        check("door --wait=0.5 on", r#"{"entity":"door","op":"reading","value":"on","wait":0.5}"#);
    }

    #[test]
    fn a_message_is_a_topic_and_a_payload_from_wherever() {
        check("--topic a/b ON", r#"{"op":"publish","payload":"ON","topic":"a/b"}"#);
        check(
            "-t a -q 0 -r --delivery latest ON",
            r#"{"delivery":"latest","op":"publish","payload":"ON","qos":0,"retain":true,"topic":"a"}"#,
        );
        check("-t a -1", r#"{"op":"publish","payload":"-1","topic":"a"}"#);
        check("-t a -", r#"{"op":"publish","payload":"-","topic":"a"}"#);
        check("-t a --payload-file -", r#"{"op":"publish","payload":"from\u0000 input","topic":"a"}"#);
    }

    #[test]
    fn arguments_that_do_not_go_together_are_wrong_use() {
        for line in [
            "",
            "attic",
            "attic 1 2",
            "--sensor attic 1 2",
            "attic 1 --qos 1",
            "attic 1 --retain",
            "--topic a",
            "--topic a b c",
            "--topic a b --sensor c",
            "--topic a --payload-file x y",
            "attic 1 --payload-file x",
            "attic 1 --wait=0",
            "attic 1 --wait=3601",
            "attic 1 --wait=nan",
            "--topic a b --qos 3",
            "attic --available perhaps",
            "attic 1 --direct --socket x",
            "--stdin --attributes {}",
        ] {
            check_refused(line, Exit::Usage);
        }
    }

    #[test]
    fn what_can_be_no_sensor_topic_or_attributes_is_refused_before_anybody_is_asked() {
        for line in ["att/ic 1", "-t a/+ 1", "attic --attributes [1]", "-t a --payload-file /no/such"] {
            check_refused(line, Exit::Refused);
        }
    }
}
