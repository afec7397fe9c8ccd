//! Which of the configured brokers it is: [`Site`].

use std::fmt;

use crate::config::Endpoint;

/// One of the configured brokers. Shows as `b:1883 (the second of 2)`, or as `b:1883` where there is no other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Site {
    endpoint: Endpoint,
    rank: usize,
    count: usize,
}

impl Site {
    /// Those at `endpoints`, which are in the order of preference.
    pub fn all(endpoints: &[Endpoint]) -> impl Iterator<Item = Site> {
        let count = endpoints.len();
        endpoints.iter().cloned().enumerate().map(move |(rank, endpoint)| Site { endpoint, rank, count })
    }

    /// Where it is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its place in the order of preference; the first is 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Whether no other is configured.
    pub fn is_only(&self) -> bool {
        self.count == 1
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)?;
        if self.is_only() {
            return Ok(());
        }
        match ORDINALS.get(self.rank) {
            Some(ordinal) => write!(f, " (the {ordinal} of {})", self.count),
            None => write!(f, " (number {} of {})", self.rank + 1, self.count),
        }
    }
}

/// As many as can be configured.
const ORDINALS: [&str; 8] = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_counted_only_among_others() {
        let endpoints = ["a", "fd00::1"].map(|it| Endpoint { host: it.to_owned(), port: 1883 });
        let shown = |endpoints| Site::all(endpoints).map(|it| it.to_string()).collect::<Vec<_>>();
        assert_eq!(shown(&endpoints), ["a:1883 (the first of 2)", "[fd00::1]:1883 (the second of 2)"]);
        assert_eq!(shown(&endpoints[..1]), ["a:1883"]);
    }
}
