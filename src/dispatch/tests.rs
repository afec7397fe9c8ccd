//! The whole: what is delivered to whom.
