//! `[Authentication]`: who we are to the broker, and the four places a password can come from.

use std::fs;
use std::io;
use std::path::Path;

use super::error::{Place, Problem};
use super::settings::{Located, Reported, Settings, read_file};
use super::value::{self, MQTT_STRING_BYTES};

use crate::model::Secret;

/// Who we are to the broker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credentials {
    /// Not empty.
    pub username: String,
    /// MQTT lets a user come without a password.
    pub password: Option<Secret>,
}

impl Credentials {
    /// `None` connects as anonymous.
    pub(super) fn read(settings: &mut Settings<'_>) -> Result<Option<Credentials>, Reported> {
        let username = settings.key(SECTION, "USERNAME").or_variable("MQTT_USERNAME").if_set(value::text);
        let password = read_password(settings);
        match (username?, password?) {
            (Some(username), password) => {
                let password = password.map(|it| it.value);
                Ok(Some(Credentials { username: username.value, password }))
            }
            (None, None) => Ok(None),
            (None, Some(Located { place, .. })) => {
                let expected = "a USERNAME with the password (MQTT 3.1.1, section 3.1.2.9)";
                Err(settings.refuse(place, Problem::expected_hidden(expected)))
            }
        }
    }
}

/// The password: that of the environment, else of the file or the file it names, else of the
/// service manager.
fn read_password(settings: &mut Settings<'_>) -> Result<Option<Located<Secret>>, Reported> {
    let written = settings.key(SECTION, "PASSWORD").if_set_secret();
    let named = settings.key(SECTION, "PASSWORD_FILE").if_set(value::secret_path);
    let (written, named) = (written?, named?);
    if let (Some(written), Some(named)) = (&written, &named) {
        let other = written.place.clone();
        return Err(settings.refuse(named.place.clone(), Problem::Beside { other }));
    }
    if let Some(password) = read_variable(settings)? {
        return Ok(Some(password));
    }
    if written.is_some() {
        return Ok(written);
    }
    if let Some(Located { value: path, place }) = named {
        let value = read_secret(settings, &path, &place, true)?;
        return Ok(Some(Located { value, place }));
    }
    let Some(directory) = settings.environment().credentials_directory() else {
        return Ok(None);
    };
    let path = directory.join(CREDENTIAL);
    let place = Place::File(path.clone());
    match fs::symlink_metadata(&path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        // Its permissions are the service manager's affair.
        _ => Ok(Some(Located { value: read_secret(settings, &path, &place, false)?, place })),
    }
}

fn read_variable(settings: &mut Settings<'_>) -> Result<Option<Located<Secret>>, Reported> {
    let Some(value) = settings.environment().variable(VARIABLE) else {
        return Ok(None);
    };
    let place = Place::Variable(VARIABLE);
    match value.to_str() {
        Some(text) if text.len() <= MQTT_STRING_BYTES => {
            Ok(Some(Located { value: Secret::new(text), place }))
        }
        _ => Err(settings.refuse(place, Problem::expected_hidden(LEGAL))),
    }
}

/// The password in the file at `path`, without the newline at its end. The file was named in `place`.
fn read_secret(
    settings: &mut Settings<'_>,
    path: &Path,
    place: &Place,
    is_ours: bool,
) -> Result<Secret, Reported> {
    let (bytes, metadata) = match read_file(path, MQTT_STRING_BYTES + NEWLINE_BYTES) {
        Ok(read) => read,
        Err(cause) => {
            let path = path.to_owned();
            return Err(settings.refuse(place.clone(), Problem::NamesUnreadable { path, cause }));
        }
    };
    if is_ours {
        settings.warn_of_permissions(path, &metadata);
    }
    let text = String::from_utf8(bytes).ok();
    let password = text.as_deref().map(|it| it.strip_suffix('\n').unwrap_or(it));
    match password.map(|it| it.strip_suffix('\r').unwrap_or(it)) {
        Some(password) if (1..=MQTT_STRING_BYTES).contains(&password.len()) => Ok(Secret::new(password)),
        _ => {
            let expected = format!("a password in {}: {LEGAL}", path.display());
            Err(settings.refuse(place.clone(), Problem::expected_hidden(expected)))
        }
    }
}

const SECTION: &str = "Authentication";
const VARIABLE: &str = "MQTT_PASSWORD";
/// The name of our secret in the service manager's directory.
const CREDENTIAL: &str = "mqtt-password";
/// MQTT would carry any bytes, but nothing that people write is anything else.
const LEGAL: &str = "1 to 65535 bytes of text in UTF-8";
const NEWLINE_BYTES: usize = 2;
