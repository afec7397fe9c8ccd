//! Requests from standard input, a line each: [`Lines`].

use std::io::{self, BufRead};
use std::sync::Arc;
use std::time::Duration;

use super::super::args::Publish;
use super::super::socket::{ANSWER_LIMIT, Mark};
use super::tally::Tally;
use crate::model::Delivery;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Topic;
use crate::protocol::Code;
use crate::protocol::Envelope;
use crate::protocol::Failure;
use crate::protocol::LINE_BYTES;
use crate::protocol::Request;

/// The requests in the lines of `input`. What is none is told to the tally and passed over, as empty lines are.
pub(super) struct Lines<R> {
    input: R,
    form: Form,
    tally: Arc<Tally>,
    /// How many have been read.
    count: u64,
    line: Vec<u8>,
}

/// What a line is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// `SENSOR VALUE`.
    Reading { wait: Option<Duration> },
    /// `TOPIC PAYLOAD`.
    Message { qos: Option<Qos>, retain: bool, delivery: Delivery, wait: Option<Duration> },
    /// As the socket takes it.
    Request,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R, form: Form, tally: Arc<Tally>) -> Lines<R> {
        Lines { input, form, tally, count: 0, line: Vec::new() }
    }

    /// Reads the next line. Returns whether there is one.
    ///
    /// # Errors
    ///
    /// Those of the input; with [`io::ErrorKind::FileTooLarge`] the line is longer than any request, and passed.
    fn read(&mut self) -> io::Result<bool> {
        self.line.clear();
        let most = LINE_BYTES as u64 + 1;
        if io::Read::take(&mut self.input, most).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(false);
        }
        self.count += 1;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if self.line.len() > LINE_BYTES {
            self.input.skip_until(b'\n')?;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(true)
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = (Mark, Request);

    fn next(&mut self) -> Option<(Mark, Request)> {
        loop {
            let (tag, read) = match self.read() {
                Ok(false) => return None,
                Ok(true) if self.line.trim_ascii().is_empty() => continue,
                Ok(true) => self.form.read(&self.line),
                Err(error) if error.kind() == io::ErrorKind::FileTooLarge => (None, Err(too_long())),
                Err(error) => {
                    self.tally.broke_off(&error);
                    return None;
                }
            };
            let mark = Mark { line: self.count, tag };
            match read {
                Ok(request) => {
                    self.tally.asked();
                    return Some((mark, request));
                }
                Err(failure) => self.tally.refused(&mark, failure),
            }
        }
    }
}

impl Form {
    /// As the arguments say.
    pub(super) fn of(request: &Publish) -> Form {
        let Publish { qos, retain, wait, .. } = *request;
        match (request.topic_lines, request.json_lines) {
            (true, _) => Form::Message { qos, retain, delivery: request.delivery(), wait },
            (_, true) => Form::Request,
            _ => Form::Reading { wait },
        }
    }

    /// How long an answer may take.
    pub(super) fn limit(self) -> Duration {
        match self {
            Form::Reading { wait } | Form::Message { wait, .. } => ANSWER_LIMIT + wait.unwrap_or_default(),
            // The longest that a request may ask for.
            Form::Request => ANSWER_LIMIT + Duration::from_secs(3_600),
        }
    }

    /// The tag and the request in `line`.
    fn read(self, line: &[u8]) -> (Option<serde_json::Value>, Result<Request, Failure>) {
        match self {
            Form::Reading { wait } => (None, reading(line, wait)),
            Form::Message { qos, retain, delivery, wait } => {
                let message = message(line).map(|(topic, payload)| Request::Publish {
                    topic,
                    payload,
                    qos,
                    retain,
                    delivery,
                    wait,
                });
                (None, message)
            }
            Form::Request => match Envelope::parse(line) {
                Ok(Envelope { tag, request: it @ (Request::Reading { .. } | Request::Publish { .. }) }) => {
                    (tag, Ok(it))
                }
                Ok(Envelope { tag, .. }) => {
                    let failure = Failure::new(Code::Field, "this operation publishes nothing");
                    (tag, Err(failure.expected("reading or publish")))
                }
                Err((tag, failure)) => (tag, Err(failure)),
            },
        }
    }
}

/// The sensor up to the first blank, and the value behind it, without the blanks around it.
fn reading(line: &[u8], wait: Option<Duration>) -> Result<Request, Failure> {
    let line = std::str::from_utf8(line).map_err(|_| wrong("the line is no UTF-8"))?.trim();
    let (sensor, value) =
        line.split_once(char::is_whitespace).ok_or_else(|| wrong("no value in the line"))?;
    let entity = ObjectId::new(sensor).map_err(|error| Failure::new(Code::Field, error))?;
    let value = Some(value.trim_start().into());
    Ok(Request::Reading { entity, value, attributes: None, available: None, wait })
}

/// The topic up to the first blank, and the payload behind that one, whatever it is.
fn message(line: &[u8]) -> Result<(Topic, Vec<u8>), Failure> {
    let mut parts = line.splitn(2, |byte| *byte == b' ' || *byte == b'\t');
    let (Some(topic), Some(payload)) = (parts.next(), parts.next()) else {
        return Err(Failure::new(Code::Field, "no payload in the line").expected("TOPIC PAYLOAD"));
    };
    let topic = std::str::from_utf8(topic).map_err(|_| wrong("the topic is no UTF-8"))?;
    let topic = Topic::new(topic).map_err(|error| Failure::new(Code::Field, error))?;
    Ok((topic, payload.to_vec()))
}

fn wrong(reason: &str) -> Failure {
    Failure::new(Code::Field, reason).expected("SENSOR VALUE")
}

fn too_long() -> Failure {
    Failure::new(Code::LineTooLong, "the line is too long").expected(format!("at most {LINE_BYTES} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The requests in `input`, each behind the number of its line; and how many lines were refused.
    fn requests(input: &[u8], form: Form) -> (Vec<String>, u64) {
        let tally = Arc::new(Tally::new(true, false));
        let lines = Lines::new(input, form, Arc::clone(&tally));
        let requests = lines.map(|(mark, request)| format!("{} {}", mark.line, request.line())).collect();
        (requests, tally.failed())
    }

    #[track_caller]
    fn check(input: &[u8], form: Form, expected: &[&str], refused: u64) {
        let (requests, failed) = requests(input, form);
        assert_eq!(
            (requests.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), failed),
            (expected, refused)
        );
    }

    const READING: Form = Form::Reading { wait: None };
    const MESSAGE: Form = Form::Message { qos: None, retain: false, delivery: Delivery::Every, wait: None };

    #[test]
    fn a_line_is_a_sensor_and_a_value() {
        check(
            b"attic 21.5\r\n\n \nnote\t two  words \nno_value\nbad/id 1\n\xff 1\nlast 1",
            READING,
            &[
                r#"1 {"entity":"attic","op":"reading","value":"21.5"}"#,
                r#"4 {"entity":"note","op":"reading","value":"two  words"}"#,
                r#"8 {"entity":"last","op":"reading","value":"1"}"#,
            ],
            3,
        );
    }

    #[test]
    fn a_line_is_a_topic_and_any_payload() {
        check(
            b"a/b  x \na \n#  x\nc\nd \xff\n",
            MESSAGE,
            &[
                r#"1 {"op":"publish","payload":" x ","topic":"a/b"}"#,
                r#"2 {"op":"publish","payload":"","topic":"a"}"#,
                r#"5 {"op":"publish","payload_base64":"/w==","topic":"d"}"#,
            ],
            2,
        );
    }

    #[test]
    fn a_line_is_a_request_that_publishes() {
        check(
            br#"{"op":"reading","entity":"attic","value":21.5,"tag":7}
                {"op":"status"}
                {"op":"publish","topic":"a","payload":{"b":1}}
                nothing"#,
            Form::Request,
            &[
                r#"1 {"entity":"attic","op":"reading","value":21.5}"#,
                r#"3 {"op":"publish","payload":"{\"b\":1}","topic":"a"}"#,
            ],
            2,
        );
    }

    #[test]
    fn a_line_without_an_end_takes_no_memory_and_those_behind_it_count_on() {
        let mut input = b"a 1\na ".to_vec();
        input.resize(5 * LINE_BYTES, b'x');
        input.extend(b"\nb 2\n");
        check(
            &input,
            READING,
            &[
                r#"1 {"entity":"a","op":"reading","value":"1"}"#,
                r#"3 {"entity":"b","op":"reading","value":"2"}"#,
            ],
            1,
        );
        let mut lines = Lines::new(&input[..], READING, Arc::new(Tally::new(true, false)));
        while lines.next().is_some() {}
        assert!(lines.line.capacity() <= 4 * LINE_BYTES, "{}", lines.line.capacity());
    }
}
