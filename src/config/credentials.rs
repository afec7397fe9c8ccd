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
        // What the unit has for those who have none (`SetCredential=`, where nothing is an error): without it, systemd would
        // not start us.
        _ if read_file(&path, NEWLINE_BYTES).is_ok_and(|(it, _)| matches!(&*it, b"" | b"\n")) => Ok(None),
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
        Some(text) if is_line(text) => Ok(Some(Located { value: Secret::new(text), place })),
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
        Some(password) if is_line(password) => Ok(Secret::new(password)),
        _ => {
            let expected = format!("a password in {}: {LEGAL}", path.display());
            Err(settings.refuse(place.clone(), Problem::expected_hidden(expected)))
        }
    }
}

/// Whether `text` can be what somebody has written for a password. A second line, an empty one too, is a
/// slip of an editor or another format, and would only come back as the broker's refusal.
fn is_line(text: &str) -> bool {
    (1..=MQTT_STRING_BYTES).contains(&text.len()) && !text.contains(|c: char| c.is_control() && c != '\t')
}

pub(super) const SECTION: &str = "Authentication";
const VARIABLE: &str = "MQTT_PASSWORD";
/// The name of our secret in the service manager's directory.
const CREDENTIAL: &str = "mqtt-password";
/// MQTT would carry any bytes, but nothing that people write is anything else.
const LEGAL: &str = "one line of 1 to 65535 bytes of text in UTF-8";
const NEWLINE_BYTES: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use tempfile::{TempDir, tempdir};

    use crate::config::Config;
    use crate::config::Environment;

    /// A folder with a password file, a service manager's secret, and a configuration that has `lines`
    /// in its `[Authentication]`. `<file>` in them is the path of the password file.
    fn folder(lines: &str) -> (TempDir, PathBuf) {
        let folder = tempdir().unwrap();
        let file = folder.path().join("password");
        let lines = lines.replace("<file>", &file.to_string_lossy());
        let text = format!("[Authentication]\nUSERNAME=u\n{lines}\n");
        let path = folder.path().join("x.conf");
        for (path, text) in
            [(&path, &*text), (&file, "of file\n"), (&folder.path().join(CREDENTIAL), "of manager")]
        {
            fs::write(path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        (folder, path)
    }

    #[track_caller]
    fn check(lines: &str, variable: &str, with_manager: bool, expected: Option<&str>) {
        let (folder, path) = folder(lines);
        let mut environment = Environment::new("pi", folder.path()).with(VARIABLE, variable);
        if with_manager {
            environment = environment.with("CREDENTIALS_DIRECTORY", folder.path());
        }
        let credentials = Config::load(Some(&path), &environment).unwrap().credentials.unwrap();
        assert_eq!(credentials.password.as_ref().map(Secret::reveal), expected);
    }

    #[track_caller]
    fn check_file(content: impl AsRef<[u8]>, expected: Result<&str, &str>) {
        let (folder, path) = folder("PASSWORD_FILE=<file>");
        fs::write(folder.path().join("password"), content).unwrap();
        let loaded = Config::load(Some(&path), &Environment::new("pi", folder.path()));
        let found = match loaded {
            Ok(config) => Ok(config.credentials.unwrap().password.unwrap().reveal().to_owned()),
            Err(errors) => Err(errors.to_string().replace(&*folder.path().to_string_lossy(), "")),
        };
        assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn the_nearest_of_the_four_places_has_the_password() {
        check("PASSWORD=of key", "of variable", true, Some("of variable"));
        check("PASSWORD_FILE=<file>", "of variable", true, Some("of variable"));
        check("PASSWORD=of key", "", true, Some("of key"));
        check("PASSWORD_FILE=<file>", "", true, Some("of file"));
        check("PASSWORD=\nPASSWORD_FILE=<file>", "", false, Some("of file"));
        check("PASSWORD=of key\nPASSWORD_FILE=", "", false, Some("of key"));
        check("PASSWORD=\nPASSWORD_FILE=", "", true, Some("of manager"));
        check("", "", true, Some("of manager"));
        check("", "", false, None);
    }

    #[test]
    fn an_empty_secret_of_the_service_manager_is_none() {
        let (folder, _) = folder("");
        let environment = Environment::new("pi", folder.path()).with("CREDENTIALS_DIRECTORY", folder.path());
        for empty in ["", "\n"] {
            fs::write(folder.path().join(CREDENTIAL), empty).unwrap();
            // Nor does it need a user.
            assert_eq!(Config::load(None, &environment).unwrap().credentials, None);
        }
    }

    #[test]
    fn one_newline_is_cut_off_the_end_of_a_file() {
        check_file("p w", Ok("p w"));
        check_file("pw\n", Ok("pw"));
        check_file("pw\r\n", Ok("pw"));
        check_file(" p\tw \n", Ok(" p\tw "));
        check_file("x".repeat(MQTT_STRING_BYTES) + "\r\n", Ok(&"x".repeat(MQTT_STRING_BYTES)));
    }

    #[test]
    fn a_file_without_a_password_is_refused() {
        let legal = "/x.conf:3: [Authentication] PASSWORD_FILE: expected a password in /password: one line of 1 to 65535 bytes of text in UTF-8";
        check_file("", Err(legal));
        check_file("\n", Err(legal));
        check_file("hunter2\n\n", Err(legal));
        check_file("luigi\nhunter2\n", Err(legal));
        check_file("hunter2\0", Err(legal));
        check_file(b"hunter2\xff", Err(legal));
        check_file("x".repeat(MQTT_STRING_BYTES + 1), Err(legal));
        let longer =
            "/x.conf:3: [Authentication] PASSWORD_FILE: cannot read /password: longer than 65537 bytes";
        check_file("x".repeat(MQTT_STRING_BYTES + 3), Err(longer));
    }

    #[test]
    fn a_variable_with_the_newline_of_a_file_in_it_is_refused() {
        let (folder, path) = folder("");
        let environment = Environment::new("pi", folder.path()).with(VARIABLE, "hunter2\n");
        let errors = Config::load(Some(&path), &environment).unwrap_err().to_string();
        assert_eq!(errors, format!("MQTT_PASSWORD: expected {LEGAL}"));
    }

    #[test]
    fn a_password_file_that_is_missing_is_refused_and_one_open_to_others_warned_about() {
        let (folder, path) = folder("PASSWORD_FILE=<file>");
        let (file, environment) = (folder.path().join("password"), Environment::new("pi", folder.path()));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let warnings = Config::load(Some(&path), &environment).unwrap().warnings;
        assert!(
            matches!(&warnings[..], [it] if it.contains("password: can be read by others")),
            "{warnings:?}"
        );

        fs::remove_file(&file).unwrap();
        let errors = Config::load(Some(&path), &environment).unwrap_err().to_string();
        assert!(errors.ends_with("password: No such file or directory (os error 2)"), "{errors}");
    }

    #[test]
    fn a_password_of_the_service_manager_needs_a_user_too() {
        let (folder, _) = folder("");
        let environment = Environment::new("pi", folder.path()).with("CREDENTIALS_DIRECTORY", folder.path());
        let errors = Config::load(None, &environment).unwrap_err().to_string();
        let credential = folder.path().join(CREDENTIAL);
        assert!(errors.starts_with(&format!("{}: expected a USERNAME", credential.display())), "{errors}");
    }
}
