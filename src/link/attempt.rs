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
    open: impl FnMut(&Target, Duration) -> Result<Connection, LinkError>,
) -> Result<Connection, LinkError> {
    let deadline = Instant::now() + options.client.connection_timeout;
    let mut addresses = options.addresses(endpoint, resolver, deadline)?;
    addresses.sort_by_key(|it| Some(*it) != *answered);
    let (connection, address) = first_of(&options.targets(endpoint, &addresses), deadline, stop, open)
        .inspect_err(|error| {
            if is_absence(error) {
                // Who was there has perhaps moved.
                resolver.forget(&endpoint.host);
            }
        })?;
    *answered = Some(address);
    Ok(connection)
}

/// The connection that `open` makes to the first of `targets` at which somebody answers until `deadline`, and its address.
fn first_of(
    targets: &[Target],
    deadline: Instant,
    stop: &Stop,
    mut open: impl FnMut(&Target, Duration) -> Result<Connection, LinkError>,
) -> Result<(Connection, SocketAddr), LinkError> {
    let mut failure = LinkError::Disconnected;
    for (tried, target) in targets.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        if stop.is_set() || (tried > 0 && left < LEAST) {
            break;
        }
        let share = (left / (targets.len() - tried) as u32).max(LEAST);
        match open(target, share) {
            Ok(connection) => return Ok((connection, target.address)),
            Err(error) if is_absence(&error) => failure = error,
            // Somebody answered: to ask the same at another address is no use.
            Err(error) => return Err(error),
        }
    }
    Err(failure)
}

/// Whether `error` says that nobody answered.
fn is_absence(error: &LinkError) -> bool {
    matches!(error, LinkError::Connect { .. } | LinkError::Silent { .. } | LinkError::Disconnected)
}

/// No address gets less time than this.
pub(super) const LEAST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::link::peer::{LIMIT, Peer, options};
    use crate::link::tls::peer::{Speech, TlsPeer};
    use crate::worker::Worker;

    /// Checks that the broker at `address` is found behind one address where nobody is and one where nobody speaks. Those
    /// that the loopback device has are enough for all.
    fn check(options: &Options, endpoint: &Endpoint, address: SocketAddr) {
        let silent = TcpListener::bind(("127.0.0.3", address.port())).unwrap();
        let absent = SocketAddr::from(([127, 0, 0, 2], address.port()));
        let targets = options.targets(endpoint, &[absent, silent.local_addr().unwrap(), address]);
        let (told, found) = crossbeam_channel::bounded(1);
        let options = options.clone();
        let worker = Worker::spawn("attempt", move |stop| {
            let deadline = Instant::now() + 9 * LEAST;
            let found = first_of(&targets, deadline, &stop, |target, limit| {
                Connection::open(&options, target, limit, |_| {})
            });
            told.send(found.map(|(_, address)| address).map_err(|it| it.to_string())).unwrap();
        });
        assert_eq!(found.recv_timeout(LIMIT), Ok(Ok(address)));
        drop(worker);
    }

    #[test]
    fn each_address_is_tried_for_itself_without_encryption_and_with_it() {
        let peer = Peer::new();
        thread::scope(|scope| {
            scope.spawn(|| peer.log_in());
            let options = options(peer.port());
            check(&options, &options.broker.endpoints[0], SocketAddr::from(([127, 0, 0, 1], peer.port())));
        });
        let peer = TlsPeer::new("broker.lan", Speech::Tls13);
        thread::scope(|scope| {
            scope.spawn(|| peer.log_in());
            let mut options = options(peer.address().port());
            options.broker.tls = Some(peer.trust());
            check(&options, &peer.target("broker.lan").endpoint, peer.address());
        });
    }
}
