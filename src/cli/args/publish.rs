//! `luigi-mqtt publish`, as it was typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgGroup;

use super::{Route, qos, seconds};
use crate::model::Delivery;
use crate::model::Qos;

/// A reading, a message, or several of either.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "luigi-mqtt publish [OPTIONS] SENSOR VALUE\n       \
                      luigi-mqtt publish [OPTIONS] --topic TOPIC PAYLOAD\n       \
                      luigi-mqtt publish [OPTIONS] --stdin [--topic-lines | --json-lines]",
    group = ArgGroup::new("raw").args(["topic", "topic_lines"]),
    group = ArgGroup::new("many").args(["stdin", "topic_lines", "json_lines"]).multiple(true),
    after_help = EXAMPLES,
)]
pub(crate) struct Publish {
    /// SENSOR VALUE: the id of a sensor (as `luigi-mqtt check` lists it, or as it was registered) and its value. With --topic
    /// the payload. `-` is --stdin
    #[arg(value_names = ["SENSOR", "VALUE"], num_args = 1..=2, allow_negative_numbers = true)]
    pub(crate) words: Vec<String>,

    /// The id of the sensor, as the first word is
    #[arg(long, value_name = "ID", conflicts_with_all = ["raw", "many"])]
    pub(crate) sensor: Option<String>,

    /// Its value, as the second word is
    #[arg(long, conflicts_with_all = ["raw", "many"], allow_hyphen_values = true)]
    pub(crate) value: Option<String>,

    /// Its attributes, in the place of those before: a JSON object; of an entity that is described with attributes
    #[arg(long, value_name = "JSON", conflicts_with_all = ["raw", "many"])]
    pub(crate) attributes: Option<String>,

    /// Whether it is available, apart from the device
    #[arg(long, value_name = "YES|NO", value_parser = super::switch, conflicts_with_all = ["raw", "many"])]
    pub(crate) available: Option<bool>,

    /// Publish the payload on this topic, rather than a sensor's value
    #[arg(long, short, conflicts_with = "many")]
    pub(crate) topic: Option<String>,

    /// The payload is what this file contains, `-` is standard input; any bytes
    #[arg(long, value_name = "FILE", requires = "topic")]
    pub(crate) payload_file: Option<PathBuf>,

    /// 0 at most once, 1 at least once, 2 exactly once [default: as configured]
    #[arg(long, short, value_name = "0|1|2", value_parser = qos, requires = "raw")]
    pub(crate) qos: Option<Qos>,

    /// Have the broker keep it
    #[arg(long, short, requires = "raw")]
    pub(crate) retain: bool,

    /// Which of several on one topic are worth sending after an outage [default: every]
    #[arg(long, value_name = "every|latest", value_parser = delivery, requires = "raw")]
    pub(crate) delivery: Option<Delivery>,

    /// Wait until the broker has acknowledged it, for so many seconds at most [default: 10]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "10",
          value_parser = seconds)]
    pub(crate) wait: Option<Duration>,

    /// Publish what standard input says, a line each: SENSOR VALUE
    #[arg(long)]
    pub(crate) stdin: bool,

    /// The same with lines of TOPIC PAYLOAD
    #[arg(long, conflicts_with = "json_lines")]
    pub(crate) topic_lines: bool,

    /// The same with requests as the socket takes them: {"op":"reading","entity":…} or {"op":"publish","topic":…}
    #[arg(long)]
    pub(crate) json_lines: bool,

    /// Print the answers as JSON, one a line
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) route: Route,
}

impl Publish {
    /// As it was wished, or else every one.
    pub(crate) fn delivery(&self) -> Delivery {
        self.delivery.unwrap_or(Delivery::Every)
    }
}

fn delivery(text: &str) -> Result<Delivery, String> {
    match text {
        "every" => Ok(Delivery::Every),
        "latest" => Ok(Delivery::Latest),
        _ => Err("expected every or latest".to_owned()),
    }
}

const EXAMPLES: &str = "\
Examples:
  luigi-mqtt publish attic 21.5
  luigi-mqtt publish door on --attributes '{\"battery\":81}' --wait
  luigi-mqtt publish --topic garden/pump/set --qos 1 ON
  while sleep 60; do echo \"load $(cut -d' ' -f1 /proc/loadavg)\"; done | luigi-mqtt publish -

Nothing is printed on success but on a terminal; --json prints the answer. With several, a line that is refused is named and
the others go on.

Exit codes: 0 accepted (with --wait: acknowledged), 1 some of several were refused, or it was given up, 2 wrong use,
65 the value, the sensor or the topic was refused, 69 neither the daemon nor the broker can be reached, 75 it was not accepted now
but may be later, 77 not permitted, 78 the configuration is wrong, 124 not acknowledged in time, but accepted.";
