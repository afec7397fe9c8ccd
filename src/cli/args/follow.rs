//! `luigi-mqtt subscribe`, `devices`, `get` and `set`, as they were typed.

use std::time::Duration;

use super::{Route, qos, seconds};
use crate::model::Qos;

/// Topics to listen to.
#[derive(Debug, clap::Args)]
#[command(after_help = SUBSCRIBE_EXAMPLES)]
pub(crate) struct Subscribe {
    /// On which topics; + is any one level, # at the end all below
    #[arg(required = true, value_name = "FILTER")]
    pub(crate) filters: Vec<String>,

    /// The highest quality of service at which messages come; 2 is asked for as 1
    #[arg(long, short, value_name = "0|1|2", value_parser = qos, default_value = "1")]
    pub(crate) qos: Qos,

    /// End after so many messages
    #[arg(long, short = 'n', value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    /// End after so long
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) period: Option<Duration>,

    /// Only what the broker keeps; end when no more of it comes for a second
    #[arg(long)]
    pub(crate) retained_only: bool,

    /// Only news: not what the broker keeps
    #[arg(long, conflicts_with = "retained_only")]
    pub(crate) no_retained: bool,

    /// Print each message as JSON, one a line
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) route: Route,
}

/// What others announce.
#[derive(Debug, clap::Args)]
#[command(after_help = DEVICES_EXAMPLES)]
pub(crate) struct Devices {
    /// Only those with this in their name, id, platform or device, in any case of letters
    pub(crate) text: Option<String>,

    /// Go on and print what changes, a line each, until Ctrl-C
    #[arg(long, short)]
    pub(crate) watch: bool,

    /// Print them as JSON, one a line
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) route: Route,
}

/// An entity whose state is asked for.
#[derive(Debug, clap::Args)]
#[command(after_help = GET_EXAMPLES)]
pub(crate) struct Get {
    /// The id of one of ours, or the id of another's, as `luigi-mqtt devices` lists it
    pub(crate) entity: String,

    /// Print only this of it: state, brightness …
    pub(crate) field: Option<String>,

    /// Print all that is known of it as JSON
    #[arg(long, conflicts_with = "field")]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) route: Route,
}

/// A state that is wished for.
#[derive(Debug, clap::Args)]
#[command(after_help = SET_EXAMPLES)]
pub(crate) struct Set {
    /// The id of one of ours, or the id of another's, as `luigi-mqtt devices` lists it
    pub(crate) entity: String,

    /// on, off, a number, a text; brightness=80 and the like; or all of it as a JSON object
    #[arg(required = true, allow_negative_numbers = true, value_name = "VALUE|FIELD=VALUE|JSON")]
    pub(crate) words: Vec<String>,

    /// Wait until it says that it is so, for so many seconds at most [default: 10]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "10",
          value_parser = seconds)]
    pub(crate) wait: Option<Duration>,

    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) route: Route,
}

const SUBSCRIBE_EXAMPLES: &str = "\
Examples:
  luigi-mqtt subscribe 'zigbee2mqtt/+' 'luigi/#'
  luigi-mqtt subscribe --retained-only --json 'homeassistant/#' > announced.jsonl
  luigi-mqtt subscribe --no-retained -n 1 --for 60 door/state

A message is a line, TOPIC PAYLOAD; control characters stand as \\n, \\t or \\u{1b}, and what is no text in base64. --json has it
exactly. When the connection is lost it is made again: to the daemon where that is back within ten seconds.

Exit codes: 0 the end was asked for or Ctrl-C typed, 2 wrong use, 69 neither the daemon nor the broker can be reached, 74 what
comes cannot be written, 77 not permitted, 78 the configuration is wrong, 124 the time was over before so many messages came.";
const DEVICES_EXAMPLES: &str = "\
Examples:
  luigi-mqtt devices
  luigi-mqtt devices kitchen --json
  luigi-mqtt devices light --watch

Exit codes: 0 done, 1 nothing fits the text, 69 neither the daemon nor the broker can be reached, 77 not permitted,
78 the configuration is wrong.";
const GET_EXAMPLES: &str = "\
Examples:
  luigi-mqtt get lamp
  luigi-mqtt get lamp brightness

What is asked for by name is printed alone, for scripts.

Exit codes: 0 done, 1 it has not told that, 65 nothing is announced under that id, 69 neither the daemon nor the broker can be
reached, 77 not permitted, 78 the configuration is wrong.";
const SET_EXAMPLES: &str = "\
Examples:
  luigi-mqtt set lamp on brightness=80
  luigi-mqtt set lamp '{\"state\":\"on\",\"color_temp\":4000}' --wait
  luigi-mqtt set target 21.5

Exit codes: 0 the broker has it (with --wait: it is so), 2 wrong use, 65 nothing is announced under that id or it does not take
that: what it takes is printed, 69 neither the daemon nor the broker can be reached, 75 not now, 77 not permitted, 78 the
configuration is wrong, 124 it was not so in time.";
