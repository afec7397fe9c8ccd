//! `luigi-mqtt register`, as it was typed.

use super::Route;

/// An entity to be announced.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "luigi-mqtt register [OPTIONS] PLATFORM ID\n       luigi-mqtt register [OPTIONS] --json JSON",
    after_help = EXAMPLES,
)]
pub(crate) struct Register {
    /// sensor, binary_sensor, switch, button, number, select, text, light, event …
    #[arg(required_unless_present = "description")]
    pub(crate) platform: Option<String>,

    /// By which it is fed, and known to Home Assistant: 1 to 64 of a-z A-Z 0-9 _ -
    #[arg(required_unless_present = "description")]
    pub(crate) id: Option<String>,

    /// As people see it [default: the id, spelt for people]
    #[arg(long)]
    pub(crate) name: Option<String>,

    /// What it is to Home Assistant: temperature, motion, door …
    #[arg(long, value_name = "CLASS")]
    pub(crate) device_class: Option<String>,

    /// In what it is measured: °C, %, hPa …
    #[arg(long)]
    pub(crate) unit: Option<String>,

    /// measurement, total or total_increasing: Home Assistant keeps statistics then
    #[arg(long, value_name = "CLASS")]
    pub(crate) state_class: Option<String>,

    /// A Material Design icon: mdi:thermometer
    #[arg(long)]
    pub(crate) icon: Option<String>,

    /// How many decimal places are shown
    #[arg(long, value_name = "PLACES")]
    pub(crate) precision: Option<u8>,

    /// After how long without a value it is unavailable
    #[arg(long, value_name = "SECONDS")]
    pub(crate) expire_after: Option<u32>,

    /// Of a select or an event: what it may be, with commas between
    #[arg(long, value_name = "A,B…", value_delimiter = ',')]
    pub(crate) options: Vec<String>,

    /// All of it, as a JSON object; what the socket takes as `entity`
    #[arg(long = "json", value_name = "JSON", conflicts_with_all = [
        "platform", "id", "name", "device_class", "unit", "state_class", "icon", "precision", "expire_after", "options",
    ])]
    pub(crate) description: Option<String>,

    /// Keep it while this command runs, until Ctrl-C, and print what Home Assistant asks of it, a JSON object a line. Otherwise it
    /// stays until `luigi-mqtt unregister`
    #[arg(long, conflicts_with = "direct")]
    pub(crate) until_exit: bool,

    #[command(flatten)]
    pub(crate) route: Route,
}

/// An entity to be removed.
#[derive(Debug, clap::Args)]
pub(crate) struct Unregister {
    /// As it was registered
    pub(crate) id: String,

    #[command(flatten)]
    pub(crate) route: Route,
}

const EXAMPLES: &str = "\
Examples:
  luigi-mqtt register sensor attic --name Attic --device-class temperature --unit °C --state-class measurement
  luigi-mqtt publish attic 21.5
  luigi-mqtt register binary_sensor porch --device-class motion
  luigi-mqtt register --json '{\"platform\":\"number\",\"id\":\"target\",\"name\":\"Target\",\"min\":5,\"max\":30}' --until-exit

Registering the same again changes nothing; with another name, unit or so it changes the entity.

Where the daemon does not run, it is noted in the daemon's folder ([Spool] DIRECTORY), which takes its user, and announced from here;
Home Assistant has it as unavailable until the daemon runs. Beside one that runs --direct is refused.

Exit codes: 0 registered, 2 wrong use, 65 Home Assistant would refuse it, or the id is another's, 69 neither the daemon nor the broker
can be reached: it is announced with the next start, 77 not permitted, 78 the configuration is wrong.";
