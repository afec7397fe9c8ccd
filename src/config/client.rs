//! `[Client]` and `[Connection]`: how the connection behaves.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::defaults;
use super::error::Problem;
use super::settings::{Located, Reported, Settings};
use super::value::{self, spell_duration};

use crate::model::Qos;

/// How the connection behaves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Client {
    /// Client identifier, 1 to 65,535 bytes; each program on a broker needs its own.
    pub id: String,
    /// Longest silence before a ping, 5 s to 65,535 s. A dead link is noticed within twice this.
    pub keep_alive: Duration,
    /// Quality of service of states, availability and discovery.
    pub qos: Qos,
    /// First pause before another attempt, 1 s to `reconnect_delay_max`.
    pub reconnect_delay: Duration,
    /// Longest pause before another attempt, up to a day.
    pub reconnect_delay_max: Duration,
    /// Limit for name look-up, TCP, TLS and CONNACK together, 1 s to 300 s.
    pub connection_timeout: Duration,
    /// Largest packet accepted from the broker, in bytes, 1 KiB to 256 MiB.
    pub max_packet_bytes: usize,
    /// Messages at QoS 1 and 2 that may be on their way unacknowledged, 1 to 1000.
    pub max_in_flight: u16,
    /// Whether each connection begins a session of its own. Where not, the broker keeps the session between
    /// connections, and what a cut leaves unfinished is finished rather than sent again.
    pub clean_session: bool,
}

impl Client {
    pub(super) fn read(settings: &mut Settings<'_>) -> Result<Client, Reported> {
        let id = settings.owner().client_id();
        let id = settings.key(SECTION, "CLIENT_ID").or(&id, value::text);
        let keep_alive =
            settings.key(SECTION, "KEEPALIVE").or(defaults::KEEPALIVE, value::duration(seconds(5, 65_535)));
        let qos = settings.key(SECTION, "QOS").or(defaults::QOS, value::qos);
        let delays = read_delays(settings);
        let connection_timeout = settings
            .key(SECTION, "CONNECTION_TIMEOUT")
            .or_key(CONNECTION, "CONNECTION_TIMEOUT")
            .or(defaults::CONNECTION_TIMEOUT, value::duration(seconds(1, 300)));
        let max_packet_bytes = settings
            .key(SECTION, "MAX_PACKET_SIZE")
            .or(defaults::MAX_PACKET_SIZE, value::size(1 << 10..=256 << 20));
        let max_in_flight =
            settings.key(SECTION, "MAX_IN_FLIGHT").or(defaults::MAX_IN_FLIGHT, value::whole(1..=1000));
        let clean_session = settings.key(SECTION, "CLEAN_SESSION").or(defaults::CLEAN_SESSION, value::switch);
        let (reconnect_delay, reconnect_delay_max) = delays?;
        Ok(Client {
            id: id?,
            keep_alive: keep_alive?,
            qos: qos?,
            reconnect_delay,
            reconnect_delay_max,
            connection_timeout: connection_timeout?,
            max_packet_bytes: max_packet_bytes?,
            max_in_flight: max_in_flight?,
            clean_session: clean_session?,
        })
    }
}

/// The first and the longest pause. Where only one of them is set, the other's default gives way:
/// `RECONNECT_DELAY=600` was legal before there was a longest pause.
fn read_delays(settings: &mut Settings<'_>) -> Result<(Duration, Duration), Reported> {
    let legal = || value::duration(seconds(1, DAY));
    let first =
        settings.key(SECTION, "RECONNECT_DELAY").or_key(CONNECTION, "RECONNECT_DELAY_MIN").if_set(legal());
    let longest = settings
        .key(SECTION, "RECONNECT_DELAY_MAX")
        .or_key(CONNECTION, "RECONNECT_DELAY_MAX")
        .if_set(legal());
    match (first?, longest?) {
        (None, None) => Ok((defaults::RECONNECT_DELAY, defaults::RECONNECT_DELAY_MAX)),
        (Some(first), None) => Ok((first.value, first.value.max(defaults::RECONNECT_DELAY_MAX))),
        (None, Some(longest)) => Ok((longest.value.min(defaults::RECONNECT_DELAY), longest.value)),
        (Some(first), Some(longest)) if first.value <= longest.value => Ok((first.value, longest.value)),
        (Some(Located { value, place }), Some(longest)) => {
            let expected = format!("at most RECONNECT_DELAY_MAX, {}", spell_duration(longest.value));
            Err(settings.refuse(place, Problem::expected(expected, &spell_duration(value))))
        }
    }
}

fn seconds(least: u64, most: u64) -> RangeInclusive<Duration> {
    Duration::from_secs(least)..=Duration::from_secs(most)
}

pub(super) const SECTION: &str = "Client";
/// The shell module's section for it.
const CONNECTION: &str = "Connection";
/// In seconds.
const DAY: u64 = 86_400;
