//! An error with its causes, as one line.

use std::error::Error;
use std::fmt;

/// Shows an error and everything that caused it, `: ` between: for the edge where it is printed, once.
/// A cause that the text ends with already, as OpenSSL's errors have it, is not shown again.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let more = error.to_string();
            if !text.ends_with(&more) {
                text = format!("{text}: {more}");
            }
            cause = error.source();
        }
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Link(&'static str, Option<Box<Link>>);

    impl fmt::Display for Link {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Link {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|it| it as &dyn Error)
        }
    }

    #[test]
    fn every_cause_is_shown_once() {
        let error = Link("a", Some(Box::new(Link("b", Some(Box::new(Link("c", None)))))));
        assert_eq!(Chain(&error).to_string(), "a: b: c");
        let said = Link("handshake failed: expired", Some(Box::new(Link("expired", None))));
        assert_eq!(Chain(&said).to_string(), "handshake failed: expired");
    }
}
