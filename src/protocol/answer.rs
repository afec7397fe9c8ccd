//! What is answered: [`Answer`] on our side, [`Reply`] on that of the program that asked.

use serde_json::{Map, Value as Json};

use super::{Code, Failure};

/// What is answered to a request that was carried out, or an event that a client has asked to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer(Map<String, Json>);

/// A line that came back, as the program that asked reads it.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// It was carried out: the word of `ok`, and what stands beside it.
    Ok(String, Map<String, Json>),
    /// It was not.
    Failed(Failure),
    /// No answer, but news that were asked for: which kind (`message`, `device`, `command`), and what stands in it.
    Event(String, Json),
}

impl Answer {
    /// `{"ok":word}`.
    pub fn ok(word: &str) -> Answer {
        Answer(Map::from_iter([("ok".to_owned(), word.into())]))
    }

    /// `{kind:content}`: an event.
    pub fn event(kind: &str, content: Json) -> Answer {
        Answer(Map::from_iter([(kind.to_owned(), content)]))
    }

    /// The same, with `name` beside it.
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Answer {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// The line, without its end, with the `tag` of the request where it had one.
    pub fn line(mut self, tag: Option<&Json>) -> String {
        if let Some(tag) = tag {
            self.0.insert("tag".to_owned(), tag.clone());
        }
        Json::Object(self.0).to_string()
    }
}

impl Failure {
    /// As [`Answer::line`]: `{"error":code,"reason":…,"expected":…}`.
    pub fn line(self, tag: Option<&Json>) -> String {
        let mut fields = self.more;
        fields.insert("error".to_owned(), self.code.as_str().into());
        fields.insert("reason".to_owned(), self.reason.into());
        if let Some(expected) = self.expected {
            fields.insert("expected".to_owned(), expected.into());
        }
        Answer(fields).line(tag)
    }
}

impl Reply {
    /// What `line` says.
    ///
    /// # Errors
    ///
    /// A sentence about what it is instead: whoever answered speaks another language.
    pub fn parse(line: &[u8]) -> Result<Reply, String> {
        let mut fields = match serde_json::from_slice(line) {
            Ok(Json::Object(fields)) => fields,
            Ok(_) => return Err("expected a JSON object".to_owned()),
            Err(cause) => return Err(format!("expected JSON: {cause}")),
        };
        fields.remove("tag");
        let mut text = |name| match fields.remove(name) {
            Some(Json::String(text)) => Some(text),
            _ => None,
        };
        if let Some(code) = text("error") {
            let (reason, expected) = (text("reason").unwrap_or_default(), text("expected"));
            // One that a newer daemon has is a failure all the same.
            let code = Code::from_name(&code).unwrap_or(Code::Internal);
            return Ok(Reply::Failed(Failure { code, reason, expected, more: fields }));
        }
        if let Some(word) = text("ok") {
            return Ok(Reply::Ok(word, fields));
        }
        match fields.into_iter().next() {
            Some((kind, content)) => Ok(Reply::Event(kind, content)),
            None => Err("expected an answer, found an empty object".to_owned()),
        }
    }
}
