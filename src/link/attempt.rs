//! One attempt to connect to a broker: its addresses one after the other, within one limit for all of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::config::Endpoint;
use crate::resolver::Resolver;
use crate::worker::Stop;

use super::LinkError;
use super::connection::Connection;
use super::options::Options;
use super::target::Target;

/// Connects to the broker at `endpoint`, by way of `open`, which is given a limit. The address in `answered` is tried
/// first, and the one that answers is left there. Blocks up to `connection_timeout`, and as long as the system's
/// resolver takes; `stop` keeps it from trying another address.
///
/// # Errors
///
/// [`LinkError`], any that does not need a session.
pub(super) fn attempt(
    options: &Options,
    endpoint: &Endpoint,
    resolver: &mut Resolver,
    answered: &mut Option<SocketAddr>,
    stop: &Stop,
    mut open: impl FnMut(&Target, Duration) -> Result<Connection, LinkError>,
) -> Result<Connection, LinkError> {
    let deadline = Instant::now() + options.client.connection_timeout;
    let mut addresses = options.addresses(endpoint, resolver, deadline)?;
    addresses.sort_by_key(|it| Some(*it) != *answered);
    let targets = options.targets(endpoint, &addresses);
    let mut failure = LinkError::Disconnected;
    for (tried, target) in targets.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        if stop.is_set() || (tried > 0 && left < LEAST) {
            break;
        }
        let share = (left / (targets.len() - tried) as u32).max(LEAST);
        match open(target, share) {
            Ok(connection) => {
                *answered = Some(target.address);
                return Ok(connection);
            }
            Err(error @ (LinkError::Connect { .. } | LinkError::Silent { .. })) => failure = error,
            // Somebody answered: to ask the same at another address is no use.
            Err(error) => return Err(error),
        }
    }
    // Who was there has perhaps moved.
    resolver.forget(&endpoint.host);
    Err(failure)
}

/// No address gets less time than this.
pub(super) const LEAST: Duration = Duration::from_secs(1);
