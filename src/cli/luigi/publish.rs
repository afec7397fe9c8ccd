//! `luigi-publish`: a value of a sensor that is described already.

use std::time::Duration;

use clap::{ArgAction, Parser};
use serde_json::{Map, Value as Json};

use super::super::Exit;
use super::super::answer::{granted, refused};
use super::super::args::Route;
use super::super::complain;
use super::super::socket::{Surroundings, open};
use super::VERSION;
use crate::model::ObjectId;
use crate::protocol::Code;
use crate::protocol::Reply;
use crate::protocol::Request;

/// Tell Home Assistant a sensor's value
#[derive(Debug, Parser)]
#[command(
    name = "luigi-publish",
    version = VERSION,
    disable_version_flag = true,
    args_override_self = true,
    after_help = NOTES,
)]
pub(super) struct Publish {
    /// The sensor's id, as its descriptor has it
    #[arg(long, value_name = "ID")]
    sensor: String,

    /// Its value: a number, a text, ON or OFF
    #[arg(long, allow_hyphen_values = true)]
    value: String,

    /// Does not count: the descriptor says the unit
    #[arg(long, allow_hyphen_values = true)]
    unit: Option<String>,

    /// Does not count: the descriptor says the device class
    #[arg(long, value_name = "CLASS")]
    device_class: Option<String>,

    /// What else is known of it: a JSON object
    #[arg(long, value_name = "JSON")]
    attributes: Option<String>,

    /// The value is ON or OFF, in any case
    #[arg(long)]
    binary: bool,

    /// Does not count: the broker keeps every state
    #[arg(long)]
    retain: bool,

    /// Print the version
    #[arg(long, short, action = ArgAction::Version)]
    version: Option<bool>,
}

/// Tells the value. Blocks until the daemon has it, or without one the broker: less than the 10 s that modules wait.
///
/// # Errors
///
/// The exit code; why was said.
pub(super) fn publish(wanted: &Publish, around: &Surroundings<'_>) -> Result<(), Exit> {
    let request = reading(wanted).map_err(|reason| {
        complain(format_args!("luigi-publish: {reason}"));
        Exit::Failed
    })?;
    let mut agent = open(&Route::default(), around)?;
    match agent.ask(&request, LIMIT) {
        Ok(Reply::Failed(failure)) if failure.code == Code::UnknownEntity => {
            let exit = refused(&failure);
            complain(format_args!(
                "describe it in a file of the folder sensors.d ([Discovery] SENSORS_DIR), and run luigi-discover:"
            ));
            complain(format_args!(
                r#"  {{"sensor_id":"{0}","name":"{0}","module":"…"}}  perhaps with device_class, unit_of_measurement"#,
                wanted.sensor
            ));
            Err(exit)
        }
        reply => granted(reply).map(drop),
    }
}

fn reading(wanted: &Publish) -> Result<Request, String> {
    let attributes: Option<Map<String, Json>> = match &wanted.attributes {
        None => None,
        Some(text) => Some(
            serde_json::from_str(text)
                .map_err(|error| format!("--attributes: expected a JSON object: {error}"))?,
        ),
    };
    let value = if wanted.binary { wanted.value.to_uppercase() } else { wanted.value.clone() };
    Ok(Request::Reading {
        entity: ObjectId::new(&wanted.sensor).map_err(|error| format!("--sensor: {error}"))?,
        value: Some(value.into()),
        attributes,
        available: None,
        wait: None,
    })
}

/// Modules give it 10 s.
const LIMIT: Duration = Duration::from_secs(8);

const NOTES: &str = "\
The value goes to the sensor that the descriptor describes (luigi-discover lists them): through the daemon, which keeps it while the
broker is away, or where that does not run to the broker. `luigi-mqtt publish` can do more.

Exit codes: 0 done, 1 it was refused, or nobody can be reached, 2 the configuration is wrong.";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let words = ["luigi-publish"].into_iter().chain(line.split_whitespace());
        let told = Publish::try_parse_from(words).map_err(|error| error.to_string());
        let told = told.and_then(|it| reading(&it)).map(|it| it.line());
        match expected.strip_prefix("error: ") {
            None => assert_eq!(told.as_deref(), Ok(expected), "{line}"),
            Some(part) => assert!(told.as_ref().is_err_and(|it| it.contains(part)), "{line}: {told:?}"),
        }
    }

    #[test]
    fn the_options_of_the_shell_tool_say_a_reading() {
        check("--sensor t --value -5", r#"{"entity":"t","op":"reading","value":"-5"}"#);
        check(
            "--sensor t --value 23.5 --unit °C --device-class temperature --retain",
            r#"{"entity":"t","op":"reading","value":"23.5"}"#,
        );
        check("--value on --binary --sensor m", r#"{"entity":"m","op":"reading","value":"ON"}"#);
        check(
            r#"--sensor t --value 65 --unit % --attributes {"room":"bath"}"#,
            r#"{"attributes":{"room":"bath"},"entity":"t","op":"reading","value":"65"}"#,
        );
        check("--sensor t --value 1 --value 2", r#"{"entity":"t","op":"reading","value":"2"}"#);
    }

    #[test]
    fn what_is_no_reading_is_refused() {
        check("--sensor t", "error: --value");
        check("--value 1", "error: --sensor");
        check("--sensor a/b --value 1", "error: --sensor: ");
        check("--sensor t --value 1 --attributes [1]", "error: a JSON object");
        check("--sensor t --value 1 --topic x", "error: --topic");
        check("--sensor t 1", "error: ");
    }
}
