//! `luigi-mqtt status`: how the daemon fares.

use serde_json::Value as Json;

use super::Exit;
use super::answer::{granted, lost};
use super::args::Route;
use super::printable::printable;
use super::say;
use super::socket::{ANSWER_LIMIT, Surroundings, daemon, running};
use super::standstill::standstill;
use super::table::{Align, Cell, Look, Paint, Table};
use crate::ingest::CallError;
use crate::protocol::Figures;
use crate::protocol::Request;
use crate::protocol::Status;

/// Prints it, as JSON where that is wished.
pub(super) fn status(as_json: bool, route: &Route, around: &Surroundings<'_>) -> Exit {
    if route.direct {
        let is_running = running(&route.socket, around).is_some();
        return standstill(as_json, is_running, around);
    }
    let mut daemon = match daemon(&route.socket, around) {
        Ok(daemon) => daemon,
        // Of one that is somewhere else nothing more is known.
        Err(Exit::Unavailable) if route.socket.socket.is_some() => return Exit::Stopped,
        Err(Exit::Unavailable) => return standstill(as_json, false, around),
        Err(exit) => return exit,
    };
    match granted(daemon.ask(&Request::Status, ANSWER_LIMIT)) {
        Ok((_, mut fields)) => shown(as_json, fields.remove("status").unwrap_or_default()),
        Err(exit) => exit,
    }
}

/// Prints the status that was `told`; returns the exit code.
fn shown(as_json: bool, told: Json) -> Exit {
    let text = as_json.then(|| told.to_string());
    let status: Status = match serde_json::from_value(told) {
        Ok(status) => status,
        Err(error) => return lost(&CallError::Strange(format!("its status: {error}"))),
    };
    match text {
        Some(text) => say(&text),
        None => say(page(&status, Paint::of_stdout()).trim_end()),
    }
    match status.connection.up {
        true => Exit::Ok,
        false => Exit::Failed,
    }
}

/// The status for people.
fn page(status: &Status, paint: Paint) -> String {
    let mut page = format!(
        "{}  process {}, for {}\n",
        paint.paint(Look::Heading, &format!("luigi-mqtt {}", printable(&status.version))),
        status.pid,
        spell_time(status.uptime),
    );
    for (title, text) in [
        ("file", printable(status.configuration.as_deref().unwrap_or("none: all default"))),
        ("broker", connection(status, paint)),
        ("messages", totals(&status.messages)),
        ("spool", spool(status, paint)),
        ("memory", memory(status)),
        ("programs", format!("{} connected", status.clients.len())),
    ] {
        page += &format!("{title:<10}{text}\n");
    }
    [troubles(status), entities(status), clients(status)].into_iter().flatten().for_each(|table| {
        page += "\n";
        page += &table.text(paint);
    });
    page
}

fn connection(status: &Status, paint: Paint) -> String {
    let it = &status.connection;
    let way = if it.tls { ", TLS" } else { ", not encrypted" };
    let since = spell_time(it.since);
    let (broker, name) = (printable(&it.broker), printable(&it.client_id));
    match it.up {
        true => {
            let up = paint.paint(Look::Good, "connected");
            let again =
                if it.reconnects == 0 { String::new() } else { format!(", {} times again", it.reconnects) };
            format!("{up} to {broker} as {name}{way}, for {since}{again}")
        }
        false => {
            let down = paint.paint(Look::Bad, "not connected");
            let why = it.error.as_deref().map(|it| format!(": {}", printable(it))).unwrap_or_default();
            format!("{down} to {broker} as {name}{way}, for {since}{why}")
        }
    }
}

fn totals(it: &Figures) -> String {
    let all = [
        (it.accepted, "accepted"),
        (it.delivered, "delivered"),
        (it.waiting, "waiting"),
        (it.replaced, "replaced"),
        (it.dropped, "dropped"),
        (it.expired, "expired"),
    ];
    let worth = all.into_iter().enumerate().filter(|(at, (count, _))| *at < 3 || *count > 0);
    worth.map(|(_, (count, what))| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}

fn spool(status: &Status, paint: Paint) -> String {
    let it = &status.spool;
    if it.mode == "memory" {
        return "in memory alone".to_owned();
    }
    let (directory, mode) = (printable(&it.directory), printable(&it.mode));
    let text =
        format!("{} messages in {directory} (mode {mode}, up to {})", it.messages, spell_size(it.max_bytes));
    match it.failing {
        true => format!("{text}; {}", paint.paint(Look::Bad, "it takes none: what waits is in memory")),
        false => text,
    }
}

fn memory(status: &Status) -> String {
    let it = &status.memory;
    let [resident, anonymous, peak] = [it.resident, it.anonymous, it.peak].map(spell_size);
    format!("{resident}, {anonymous} of it our own; {peak} at most")
}

/// The figures of each entity.
fn entities(status: &Status) -> Option<Table> {
    let headings = ["ACCEPTED", "DELIVERED", "WAITING", "REPLACED", "DROPPED", "EXPIRED"];
    let [a, b, c, d, e, f] = headings.map(|it| (it, Align::Right));
    let mut table = Table::new([("ENTITY", Align::Left), a, b, c, d, e, f]);
    for (id, it) in &status.entities {
        let lost = |count| Cell::new(count, if count == 0 { Look::Faint } else { Look::Bad });
        table.row([
            id.as_str().into(),
            it.accepted.into(),
            it.delivered.into(),
            it.waiting.into(),
            it.replaced.into(),
            lost(it.dropped),
            lost(it.expired),
        ]);
    }
    (!status.entities.is_empty()).then_some(table)
}

/// The entities whose values cannot be had, or could not once, and why; those first that are in trouble now.
fn troubles(status: &Status) -> Option<Table> {
    let mut table = Table::new([("TROUBLE", Align::Left), ("", Align::Left), ("LAST ERROR", Align::Left)]);
    let (now, over): (Vec<_>, Vec<_>) = status.troubles.iter().partition(|it| it.over.is_none());
    for it in now {
        let time = format!("for {}", spell_time(it.since));
        table.row([Cell::new(&it.entity, Look::Bad), time.into(), it.error.as_str().into()]);
    }
    for it in over {
        let time = format!("over since {}", spell_time(it.over.unwrap_or_default()));
        table.row([it.entity.as_str().into(), time.into(), it.error.as_str().into()]);
    }
    (!status.troubles.is_empty()).then_some(table)
}

/// The programs at the socket.
fn clients(status: &Status) -> Option<Table> {
    let mut table = Table::new([
        ("PROGRAM", Align::Right),
        ("USER", Align::Right),
        ("REQUESTS", Align::Right),
        ("FOR", Align::Left),
    ]);
    for it in &status.clients {
        let pid = it.pid.map_or("?".to_owned(), |pid| pid.to_string());
        table.row([pid.into(), u64::from(it.uid).into(), it.requests.into(), spell_time(it.since).into()]);
    }
    (!status.clients.is_empty()).then_some(table)
}

/// A time in its two greatest units: `3 d 4 h`.
fn spell_time(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// A size in units of 1024, to a tenth.
fn spell_size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1_024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
