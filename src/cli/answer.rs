//! What came back, for people and for programs.

use serde_json::{Map, Value as Json};

use super::Exit;
use super::complain;
use super::printable::printable;
use crate::ingest::CallError;
use crate::model::Chain;
use crate::protocol::Failure;
use crate::protocol::Reply;

/// What was answered: the word of `ok`, and what stands beside it.
///
/// # Errors
///
/// The exit code, where it was not carried out; that was said.
pub(super) fn granted(reply: Result<Reply, CallError>) -> Result<(String, Map<String, Json>), Exit> {
    match reply {
        Ok(Reply::Ok(word, fields)) => Ok((word, fields)),
        Ok(Reply::Failed(failure)) => Err(refused(&failure)),
        Ok(Reply::Event(kind, _)) => {
            Err(lost(&CallError::Strange(format!("a {kind} that nobody asked for"))))
        }
        Err(error) => Err(lost(&error)),
    }
}

/// Whether the broker is connected, as the answer to `status` has it.
pub(super) fn is_connected(fields: &Map<String, Json>) -> Option<bool> {
    fields.get("status")?.pointer("/connection/up")?.as_bool()
}

/// Says why something was not carried out; returns the exit code.
pub(super) fn refused(failure: &Failure) -> Exit {
    complain(format_args!("luigi-mqtt: {}", sentence(failure)));
    Exit::from(failure.code)
}

/// Says why there is no answer; returns the exit code.
pub(super) fn lost(error: &CallError) -> Exit {
    complain(format_args!("luigi-mqtt: {}", Chain(error)));
    Exit::from(error)
}

/// Why something was not carried out, in one line that a terminal can take.
pub(super) fn sentence(failure: &Failure) -> String {
    printable(&failure.to_string())
}

/// `value` as people write it.
pub(super) fn spelt(value: &Json) -> String {
    match value {
        Json::String(text) => printable(text),
        Json::Null => "unknown".to_owned(),
        other => other.to_string(),
    }
}

/// `reply` as a line of JSON, with `more` in it.
pub(super) fn json(reply: Reply, more: Map<String, Json>) -> String {
    let mut fields = match reply {
        Reply::Ok(word, mut fields) => {
            fields.insert("ok".to_owned(), word.into());
            fields
        }
        Reply::Failed(Failure { code, reason, expected, more: mut fields }) => {
            fields.insert("error".to_owned(), code.as_str().into());
            fields.insert("reason".to_owned(), reason.into());
            fields.extend(expected.map(|it| ("expected".to_owned(), it.into())));
            fields
        }
        Reply::Event(kind, content) => Map::from_iter([(kind, content)]),
    };
    fields.extend(more);
    Json::Object(fields).to_string()
}
