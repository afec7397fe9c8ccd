//! x
/// v
#[derive(Debug)]
pub struct View;
