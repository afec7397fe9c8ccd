//! A question at the terminal.

use std::io::{self, IsTerminal, Write};

use super::Exit;
use super::complain;

/// Whether whoever sits at the terminal agrees to `question`. Blocks for the answer.
///
/// # Errors
///
/// The exit code, where nobody sits there; that was said.
pub(super) fn agreed(question: &str) -> Result<bool, Exit> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        complain(format_args!("luigi-mqtt: nobody is there to be asked; --yes removes without a question"));
        return Err(Exit::Usage);
    }
    let mut errors = io::stderr().lock();
    let _ = write!(errors, "{question} [y/N] ");
    let _ = errors.flush();
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer).is_ok();
    Ok(read && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
