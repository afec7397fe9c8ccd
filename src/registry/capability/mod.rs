//! What an announced entity tells of its state, and what it can be told.
