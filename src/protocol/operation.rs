//! How each operation is read from the fields of its request.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::fields::{Fields, missing, of_field, text, wrong};
use super::{Code, Failure, Request, VERSION, decoded, shown};
use crate::model::Delivery;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Topic;
use crate::model::TopicFilter;
use crate::model::nearest;

/// The request that `fields` are.
///
/// # Errors
///
/// [`Code::UnknownVersion`], [`Code::UnknownOperation`], [`Code::Field`], [`Code::NotJson`].
pub(super) fn read(fields: &Fields<'_>) -> Result<Request, Failure> {
    match fields.optional("protocol", "a whole number, the version", number::<u64>)? {
        Some(version) if version != u64::from(VERSION) => {
            let reason = format!("version {version} of the protocol is not spoken here");
            return Err(Failure::new(Code::UnknownVersion, reason).expected(VERSION));
        }
        _ => {}
    }
    let Some(raw) = fields.raw("op") else {
        return Err(unknown_operation("the field op is missing".to_owned()));
    };
    let name = text(raw);
    let operation = OPERATIONS.iter().find(|it| Some(it.name) == name.as_deref());
    let Some(operation) = operation else {
        let meant = name.and_then(|it| nearest(&it, OPERATIONS.iter().map(|it| it.name)));
        let suggestion = meant.map_or(String::new(), |it| format!(" (did you mean {it}?)"));
        let reason = format!("the operation {} is unknown{suggestion}", shown(raw.get()));
        return Err(unknown_operation(reason));
    };
    fields.check(operation.fields)?;
    (operation.read)(fields)
}

fn unknown_operation(reason: String) -> Failure {
    let all: Vec<&str> = OPERATIONS.iter().map(|it| it.name).collect();
    Failure::new(Code::UnknownOperation, reason).expected(format!("one of {}", all.join(", ")))
}

fn reading(fields: &Fields<'_>) -> Result<Request, Failure> {
    let entity = own_id(fields)?;
    let value = fields.json("value")?;
    let attributes = object(fields, "attributes")?;
    let available = fields.optional("available", TRUE_OR_FALSE, parsed)?;
    if value.is_none() && attributes.is_none() && available.is_none() {
        return Err(missing("value", "it, or attributes, or available"));
    }
    Ok(Request::Reading { entity, value, attributes, available, wait: wait(fields)? })
}

fn publish(fields: &Fields<'_>) -> Result<Request, Failure> {
    let topic = fields.required("topic", "a topic without wildcards", |raw| Topic::new(text(raw)?).ok())?;
    let encoded = fields.optional("payload_base64", "base64 with its padding", |raw| decoded(&text(raw)?))?;
    let payload = match (fields.raw("payload"), encoded) {
        // Not by way of a value: what a program spells, it has its reasons for.
        (Some(raw), None) if !raw.get().starts_with('"') => raw.get().as_bytes().to_vec(),
        (Some(raw), None) => {
            let text = text(raw).ok_or_else(|| wrong("payload", raw, "a text in Unicode, or other JSON"))?;
            text.into_owned().into_bytes()
        }
        (None, Some(bytes)) => bytes,
        (None, None) => return Err(missing("payload", "it, or payload_base64")),
        (Some(_), Some(_)) => {
            let reason = "the fields payload and payload_base64 are both there";
            return Err(of_field("payload_base64", reason).expected("one of them"));
        }
    };
    let qos = fields.optional("qos", QOS, qos)?;
    let retain = fields.optional("retain", TRUE_OR_FALSE, parsed)?.unwrap_or_default();
    let delivery = fields.optional("delivery", r#""every" or "latest""#, |raw| match &*text(raw)? {
        "every" => Some(Delivery::Every),
        "latest" => Some(Delivery::Latest),
        _ => None,
    })?;
    let delivery = delivery.unwrap_or(Delivery::Every);
    Ok(Request::Publish { topic, payload, qos, retain, delivery, wait: wait(fields)? })
}

fn register(fields: &Fields<'_>) -> Result<Request, Failure> {
    let description = object(fields, "entity")?.ok_or_else(|| missing("entity", "its description"))?;
    let permanent = fields.optional("permanent", TRUE_OR_FALSE, parsed)?.unwrap_or_default();
    Ok(Request::Register { description, permanent })
}

fn subscribe(fields: &Fields<'_>) -> Result<Request, Failure> {
    let filter =
        fields.required("topic", "a topic filter, + and # only as whole levels, # as the last", |raw| {
            TopicFilter::new(text(raw)?).ok()
        })?;
    let qos = fields.optional("qos", QOS, qos)?.unwrap_or(Qos::AtLeastOnce);
    Ok(Request::Subscribe { filter, qos })
}

fn unsubscribe(fields: &Fields<'_>) -> Result<Request, Failure> {
    let subscription = fields.required("subscription", "the number that subscribe was answered", number)?;
    Ok(Request::Unsubscribe { subscription })
}

fn devices(fields: &Fields<'_>) -> Result<Request, Failure> {
    let after = fields.optional("after", "the id of a device", |raw| text(raw).map(Cow::into_owned))?;
    Ok(Request::Devices { after })
}

fn set(fields: &Fields<'_>) -> Result<Request, Failure> {
    let value = fields.json("value")?.ok_or_else(|| missing("value", "a value, or an object of several"))?;
    Ok(Request::Set { entity: any_id(fields)?, value })
}

/// The entity of ours that is meant.
fn own_id(fields: &Fields<'_>) -> Result<ObjectId, Failure> {
    fields.required("entity", "an id of 1 to 64 of a-z A-Z 0-9 _ -", |raw| ObjectId::new(&text(raw)?).ok())
}

/// The entity that is meant, anybody's.
fn any_id(fields: &Fields<'_>) -> Result<String, Failure> {
    let read = |raw| text(raw).filter(|it| !it.is_empty()).map(Cow::into_owned);
    fields.required("entity", "the id of one of ours, or the unique id of another's", read)
}

fn object(fields: &Fields<'_>, name: &str) -> Result<Option<Map<String, Json>>, Failure> {
    match (fields.json(name)?, fields.raw(name)) {
        (Some(Json::Object(object)), _) => Ok(Some(object)),
        (Some(_), Some(raw)) => Err(wrong(name, raw, "a JSON object")),
        _ => Ok(None),
    }
}

fn wait(fields: &Fields<'_>) -> Result<Option<Duration>, Failure> {
    fields.optional("wait", "seconds, more than 0 and at most 3600", |raw| {
        let wait = Duration::try_from_secs_f64(parsed(raw)?).ok()?;
        Some(wait).filter(|it| !it.is_zero() && *it <= MOST_WAIT)
    })
}

fn qos(raw: &RawValue) -> Option<Qos> {
    Qos::from_level(number(raw)?)
}

/// The whole number that `raw` is, if it is one in range.
fn number<T: TryFrom<u64>>(raw: &RawValue) -> Option<T> {
    T::try_from(parsed(raw)?).ok()
}

fn parsed<'a, T: serde::Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

/// What can be asked.
pub(super) struct Operation {
    /// As it stands in `op`.
    pub(super) name: &'static str,
    /// What its request may have beside what every request may have.
    pub(super) fields: &'static [&'static str],
    read: fn(&Fields<'_>) -> Result<Request, Failure>,
}

/// All of them.
pub(super) const OPERATIONS: [Operation; 13] = [
    Operation { name: "hello", fields: &[], read: |_| Ok(Request::Hello) },
    Operation {
        name: "reading",
        fields: &["entity", "value", "attributes", "available", "wait"],
        read: reading,
    },
    Operation {
        name: "publish",
        fields: &["topic", "payload", "payload_base64", "qos", "retain", "delivery", "wait"],
        read: publish,
    },
    Operation { name: "register", fields: &["entity", "permanent"], read: register },
    Operation {
        name: "unregister",
        fields: &["entity"],
        read: |fields| Ok(Request::Unregister { entity: own_id(fields)? }),
    },
    Operation { name: "subscribe", fields: &["topic", "qos"], read: subscribe },
    Operation { name: "unsubscribe", fields: &["subscription"], read: unsubscribe },
    Operation { name: "devices", fields: &["after"], read: devices },
    Operation { name: "watch", fields: &[], read: |_| Ok(Request::Watch) },
    Operation {
        name: "get",
        fields: &["entity"],
        read: |fields| Ok(Request::Get { entity: any_id(fields)? }),
    },
    Operation { name: "set", fields: &["entity", "value"], read: set },
    Operation { name: "status", fields: &[], read: |_| Ok(Request::Status) },
    Operation { name: "reload", fields: &[], read: |_| Ok(Request::Reload) },
];
/// How long an answer may be waited for: longer than any broker is restarted, shorter than a program is forgotten.
const MOST_WAIT: Duration = Duration::from_secs(3600);
const TRUE_OR_FALSE: &str = "true or false";
const QOS: &str = "0, 1 or 2";
