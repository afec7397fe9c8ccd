//! Whom to try next, where there are several brokers. Pure.

/// A round of attempts: each broker once. It begins with the broker that we were connected to, for one that
/// restarts is back in seconds, and moving to another and back costs an announcement of everything each time.
/// The others follow in the order of preference.
#[derive(Debug)]
pub(super) struct Round {
    count: usize,
    current: usize,
    /// What is still to be tried after the current one, the next one last.
    left: Vec<usize>,
}

impl Round {
    /// The first round among `count` brokers, at least one. It begins with the first of them.
    pub(super) fn new(count: usize) -> Round {
        let mut round = Round { count, current: 0, left: Vec::with_capacity(count) };
        round.begin_with(0);
        round
    }

    /// Whom to try now.
    pub(super) fn current(&self) -> usize {
        self.current
    }

    /// Begins a new round with `broker`.
    pub(super) fn begin_with(&mut self, broker: usize) {
        self.current = broker;
        self.left.clear();
        self.left.extend((0..self.count).rev().filter(|it| *it != broker));
    }

    /// Goes on to the next broker of the round. Where all have been tried, begins a new round with the first and
    /// returns false.
    pub(super) fn advance(&mut self) -> bool {
        match self.left.pop() {
            Some(next) => self.current = next,
            None => {
                self.begin_with(0);
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The brokers of the rest of the round and of the one after it, with a bar between.
    fn order(mut round: Round) -> String {
        let mut order = String::new();
        for _ in 0..2 {
            order += &round.current().to_string();
            while round.advance() {
                order += &round.current().to_string();
            }
            order += "|";
        }
        order
    }

    #[test]
    fn every_broker_is_tried_in_the_order_of_preference() {
        assert_eq!(order(Round::new(3)), "012|012|");
        assert_eq!(order(Round::new(1)), "0|0|");
    }

    #[test]
    fn after_a_session_its_broker_comes_first_and_then_the_order_of_preference() {
        for (broker, expected) in [(0, "012|012|"), (1, "102|012|"), (2, "201|012|")] {
            let mut round = Round::new(3);
            round.advance();
            round.begin_with(broker);
            assert_eq!(order(round), expected);
        }
    }
}
