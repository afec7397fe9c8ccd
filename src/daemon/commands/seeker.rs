//! Who looks for what an output has lost: [`Seeker`].

use std::time::Duration;

use crate::worker::Worker;

/// Tries something again and again until it is done, on a thread `commands` that there is only until then. Dropping it ends that,
/// and waits for nothing: a driver may hang.
#[derive(Default)]
pub(super) struct Seeker(Option<Worker>);

impl Seeker {
    /// Calls `is_done` after each `pause`, until it returns that it is; what was sought before is given up.
    pub(super) fn seek(&mut self, pause: Duration, mut is_done: impl FnMut() -> bool + Send + 'static) {
        self.give_up();
        let sought = Worker::spawn("commands", move |stop| while stop.sleep(pause) && !is_done() {});
        let failed = |error: &_| log::warn!("a lost GPIO line is not looked for: no thread for it: {error}");
        self.0 = sought.inspect_err(failed).ok();
    }

    fn give_up(&mut self) {
        if let Some(worker) = self.0.take() {
            worker.stop_within(Duration::ZERO);
        }
    }
}

impl Drop for Seeker {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::{RecvTimeoutError, bounded};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn it_tries_until_it_is_done_and_is_gone_then() {
        let (tries, tried) = bounded(9);
        let mut left = 3;
        let mut seeker = Seeker::default();
        seeker.seek(Duration::from_millis(1), move || {
            left -= 1;
            tries.send(left).unwrap();
            left == 0
        });
        assert_eq!([(); 3].map(|()| tried.recv_timeout(LIMIT)), [Ok(2), Ok(1), Ok(0)]);
        assert_eq!(tried.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn who_seeks_something_else_or_is_dropped_gives_up() {
        let (first, first_ends) = bounded::<()>(0);
        let (second, second_ends) = bounded::<()>(0);
        let mut seeker = Seeker::default();
        seeker.seek(LIMIT * 9, move || first.is_empty());
        seeker.seek(LIMIT * 9, move || second.is_empty());
        assert_eq!(first_ends.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
        assert!(second_ends.try_recv().is_err_and(|it| it.is_empty()));
        drop(seeker);
        assert_eq!(second_ends.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
    }
}
