//! What the broker sends, to those who asked for it: topic filters in, messages out.
