//! The protocol as programs see it: lines in, lines out.

mod answers;
mod descriptions;
mod reference;
mod requests;
mod values;
