//! One address of a broker: [`Target`].

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::config::Endpoint;

use super::LinkError;
use super::TlsProblem;

/// One place to try: an address of a configured broker.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Where the broker is said to be; with TLS its certificate has to be for this host.
    pub(super) endpoint: Endpoint,
    /// What its name stands for, or one of the things.
    pub(super) address: SocketAddr,
}

impl Target {
    /// The address in the form that rumqttc takes, which knows no port there.
    pub(super) fn literal(&self) -> String {
        match &self.address {
            SocketAddr::V4(it) => it.ip().to_string(),
            SocketAddr::V6(it) if it.scope_id() != 0 => format!("[{}%{}]", it.ip(), it.scope_id()),
            SocketAddr::V6(it) => format!("[{}]", it.ip()),
        }
    }

    /// Connects, `limit` at most.
    ///
    /// # Errors
    ///
    /// [`LinkError::Connect`]; [`LinkError::Silent`].
    pub(super) fn connect(&self, limit: Duration) -> Result<TcpStream, LinkError> {
        TcpStream::connect_timeout(&self.address, limit).map_err(|cause| {
            // The time-out of ours; the system's own has a number.
            match cause.kind() == io::ErrorKind::TimedOut && cause.raw_os_error().is_none() {
                true => self.silent(limit),
                false => LinkError::Connect { address: self.address.to_string(), cause },
            }
        })
    }

    /// It has not answered within `limit`.
    pub(super) fn silent(&self, limit: Duration) -> LinkError {
        LinkError::Silent { address: self.address.to_string(), limit }
    }

    /// Who is there is not trusted, or does not trust us.
    pub(super) fn untrusted(&self, problem: TlsProblem) -> LinkError {
        LinkError::Tls { address: self.endpoint.to_string(), problem }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn target(address: &str) -> Target {
        let endpoint = Endpoint { host: "broker.lan".to_owned(), port: 1883 };
        Target { endpoint, address: address.parse().unwrap() }
    }

    #[test]
    fn an_address_is_written_as_rumqttc_takes_it() {
        assert_eq!(target("192.0.2.1:1883").literal(), "192.0.2.1");
        assert_eq!(target("[2001:db8::1]:1883").literal(), "[2001:db8::1]");
        assert_eq!(target("[fe80::1%3]:1883").literal(), "[fe80::1%3]");
    }

    #[test]
    fn where_nobody_listens_the_address_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let error = target(&address).connect(Duration::from_secs(10)).unwrap_err();
        assert_eq!(error.kind(), "connect");
        assert!(error.to_string().contains(&address), "{error}");
    }
}
