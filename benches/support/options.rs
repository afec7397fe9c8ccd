//! The arguments of a benchmark: `--name value`, in any order.

use std::error::Error;
use std::str::FromStr;

/// What stands behind `name`, where that is there.
pub(crate) fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|it| it != name).nth(1)
}

/// The number behind `name`; `default` where that is not there.
pub(crate) fn number<T: FromStr<Err: Error + 'static>>(name: &str, default: T) -> Result<T, Box<dyn Error>> {
    Ok(option(name).map_or(Ok(default), |it| it.parse())?)
}
