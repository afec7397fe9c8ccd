//! How the daemon fares, put together when somebody asks: [`status`].

use std::collections::BTreeMap;
use std::fs;
use std::process;
use std::time::Instant;

use super::Office;
use crate::config::Endpoint;
use crate::model::Figures;
use crate::model::LinkReport;
use crate::model::Report;
use crate::model::SpoolMode;
use crate::protocol::status;
use crate::protocol::status::Status;
use crate::source::Trouble;

/// How the daemon fares that `began` then, with these `clients`. Blocks for the bridge: a millisecond at most.
pub(super) fn status(office: &Office, clients: Vec<status::Client>, began: Instant, now: Instant) -> Status {
    let Office { config, handle, .. } = office;
    let Report { total, entities, on_card } = handle.report().unwrap_or_default();
    let spool = &config.spool;
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: process::id(),
        uptime: seconds(began, now),
        configuration: config.path.as_ref().map(|it| it.display().to_string()),
        connection: connection(office, now),
        messages: figures(&total),
        entities: entities.iter().map(|(id, it)| (id.to_string(), figures(it))).collect(),
        troubles: troubles(office, now),
        spool: status::Spool {
            mode: mode(spool.mode).to_owned(),
            directory: spool.directory.display().to_string(),
            messages: on_card,
            max_bytes: spool.max_bytes,
            failing: office.health.spool_degraded(),
        },
        memory: memory(&fs::read_to_string("/proc/self/status").unwrap_or_default()),
        clients,
    }
}

fn connection(office: &Office, now: Instant) -> status::Connection {
    let Office { config, health, .. } = office;
    let LinkReport { up, since, broker, error, .. } = health.link();
    let all: Vec<String> = config.broker.endpoints.iter().map(Endpoint::to_string).collect();
    status::Connection {
        up,
        since: seconds(since, now),
        broker: broker.filter(|_| up).unwrap_or_else(|| all.join(", ")),
        client_id: config.client.id.clone(),
        tls: config.broker.tls.is_some(),
        reconnects: health.reconnects(),
        error: error.filter(|_| !up),
    }
}

fn troubles(office: &Office, now: Instant) -> Vec<status::Trouble> {
    let told = |it: Trouble| status::Trouble {
        entity: it.entity.to_string(),
        error: it.error,
        since: seconds(it.since, now),
        over: it.over.map(|it| seconds(it, now)),
    };
    office.troubles.last().into_iter().map(told).collect()
}

fn seconds(since: Instant, now: Instant) -> u64 {
    now.saturating_duration_since(since).as_secs()
}

fn mode(mode: SpoolMode) -> &'static str {
    match mode {
        SpoolMode::Memory => "memory",
        SpoolMode::Outage => "outage",
        SpoolMode::Always => "always",
    }
}

fn figures(of: &Figures) -> status::Figures {
    status::Figures {
        accepted: of.accepted,
        delivered: of.delivered,
        waiting: of.waiting,
        replaced: of.replaced,
        dropped: of.dropped,
        expired: of.expired,
    }
}

/// What `/proc/self/status` says: lines as `VmRSS: 3584 kB`.
fn memory(text: &str) -> status::Memory {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let kilobytes = |text: &str| text.split_whitespace().next()?.parse::<u64>().ok();
    let by_name: BTreeMap<&str, u64> = lines.filter_map(|(name, it)| Some((name, kilobytes(it)?))).collect();
    let bytes = |name| by_name.get(name).map_or(0, |kilobytes| kilobytes << 10);
    status::Memory { resident: bytes("VmRSS"), anonymous: bytes("RssAnon"), peak: bytes("VmHWM") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_bytes_and_what_is_not_there_as_nothing() {
        let text = "Name:\tluigi-mqtt\nVmHWM:\t    4096 kB\nVmRSS:\t    3584 kB\nThreads:\t5\n";
        let expected = status::Memory { resident: 3584 << 10, anonymous: 0, peak: 4096 << 10 };
        assert_eq!(memory(text), expected);
    }
}
