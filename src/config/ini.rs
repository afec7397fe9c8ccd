//! The text of the file: sections, keys and values with their lines.
//!
//! rust-ini splits each line. It gets them one at a time, for it stops at the first error and keeps
//! no line numbers; and it gets no line that it would read otherwise than its writer meant it.

use std::path::{Path, PathBuf};
use std::str;

use ini::{Ini, ParseOption};

use super::document::{Document, Entry, has_id};
use super::error::{ConfigError, Place, Problem};

impl Document {
    /// Splits `bytes`, the content of `file`, and lists every line that cannot be.
    pub(super) fn parse(file: &Path, bytes: &[u8]) -> (Document, Vec<ConfigError>) {
        let mut parser = Parser {
            file: file.to_owned(),
            document: Document::default(),
            problems: Vec::new(),
            section: Current::None,
        };
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            parser.line(at + 1, line);
        }
        (parser.document, parser.problems)
    }
}

/// Goes through a file line by line.
struct Parser {
    file: PathBuf,
    document: Document,
    problems: Vec<ConfigError>,
    section: Current,
}

/// The section that an entry belongs to.
enum Current {
    /// No section has begun, and nobody has complained of it.
    None,
    /// The last section's line is broken: its entries are nobody's, and one complaint is enough.
    Broken,
    /// The section of this name, as written.
    Named(String),
}

impl Parser {
    fn line(&mut self, line: usize, bytes: &[u8]) {
        // Without the line itself: it may be the one with the password.
        let split = match str::from_utf8(bytes) {
            Ok(text) => split_line(text.trim()),
            Err(_) => Err("text in UTF-8"),
        };
        match split {
            Ok(Line::Nothing) => {}
            Ok(Line::Section(name)) => self.section(line, name),
            Ok(Line::Entry(key, text)) => self.entry(line, &key, text),
            Err(expected) => {
                if bytes.trim_ascii_start().starts_with(b"[") {
                    self.section = Current::Broken;
                }
                let section = match &self.section {
                    Current::Named(name) => Some(name.as_str()),
                    Current::None | Current::Broken => None,
                };
                let place = self.place(line, section, key_of(bytes));
                self.refuse(place, Problem::expected_hidden(expected));
            }
        }
    }

    /// Begins the section `name`, or goes on with it; one with an id begins once, for a second one is a copy whose id
    /// was forgotten.
    fn section(&mut self, line: usize, name: String) {
        let place = self.place(line, Some(&name), None);
        let first = self.document.sections.entry(name.to_ascii_lowercase()).or_insert_with(|| place.clone());
        match first.line() {
            Some(first_line) if first_line != line && has_id(&name) => {
                self.refuse(place, Problem::IdTwice { first_line });
                self.section = Current::Broken;
            }
            _ => self.section = Current::Named(name),
        }
    }

    fn entry(&mut self, line: usize, key: &str, text: String) {
        let section = match &self.section {
            Current::Named(section) => section,
            Current::Broken => return,
            Current::None => {
                let place = self.place(line, None, Some(key));
                self.refuse(place, Problem::expected_hidden("a [Section] above the first key"));
                self.section = Current::Broken;
                return;
            }
        };
        let place = self.place(line, Some(section), Some(key));
        let name = (section.to_ascii_lowercase(), key.to_ascii_uppercase());
        match self.document.entries.get(&name).and_then(|it| it.place.line()) {
            Some(first_line) => self.refuse(place, Problem::Twice { first_line }),
            None => {
                self.document.entries.insert(name, Entry { place, text });
            }
        }
    }

    fn refuse(&mut self, place: Place, problem: Problem) {
        self.problems.push(ConfigError { place, problem });
    }

    fn place(&self, line: usize, section: Option<&str>, key: Option<&str>) -> Place {
        let [section, key] = [section, key].map(|it| it.map(str::to_owned));
        Place::Line { file: self.file.clone(), line, section, key }
    }
}

/// Whether `text` could not stand in a line.
pub(super) fn has_control(text: &str) -> bool {
    text.chars().any(|c| c.is_control() && c != '\t')
}

/// What one line says.
#[derive(Debug, Eq, PartialEq)]
enum Line {
    /// Nothing, or a comment.
    Nothing,
    Section(String),
    Entry(String, String),
}

/// Splits `line`, which has no blanks around it; an error says what was expected.
fn split_line(line: &str) -> Result<Line, &'static str> {
    if has_control(line) {
        return Err("no control characters in a line");
    }
    let mut text = line;
    let is_entry = !line.starts_with(['[', '#', ';']);
    if let Some(delimiter) = line.find(DELIMITERS).filter(|_| is_entry) {
        let behind = &line[delimiter + 1..];
        let value = behind.trim_start();
        if value.starts_with(COMMENTS) && value.len() < behind.len() {
            // rust-ini drops the blanks first and then takes `KEY=   # text` for the value `# text`.
            text = &line[..=delimiter];
        } else if let Some(quote) = value.chars().next().filter(|c| QUOTES.contains(c)) {
            // rust-ini appends what follows to the value, quotes included or not.
            check_quoted(&value[1..], quote)?;
        }
    }
    let options = ParseOption { enabled_quote: true, enabled_escape: false, ..ParseOption::default() };
    // Even with escapes off, rust-ini does not see a quote or a blank behind a backslash.
    let masked = text.replace('\\', BACKSLASH);
    let ini = Ini::load_from_str_opt(&masked, options).map_err(|_| expectation(line))?;

    let mut sections = ini.iter().filter(|(name, entries)| name.is_some() || !entries.is_empty());
    let unmasked = |it: &str| it.replace(BACKSLASH, "\\");
    match (sections.next(), sections.next()) {
        (None, _) => Ok(Line::Nothing),
        (Some((Some(name), entries)), None) if entries.is_empty() => {
            section_name(&unmasked(name)).map(Line::Section).ok_or_else(|| expectation(line))
        }
        (Some((None, entries)), None) => match entries.iter().next() {
            Some((key, value)) if is_name(key) => Ok(Line::Entry(key.to_owned(), unmasked(value))),
            _ => Err("a key of letters, digits and _ before the ="),
        },
        _ => Err("nothing but a comment behind [Section]"),
    }
}

/// Checks what follows the opening `quote` of a value.
fn check_quoted(text: &str, quote: char) -> Result<(), &'static str> {
    let (_, behind) = text.split_once(quote).ok_or("a closing quote")?;
    let rest = behind.trim_start();
    let is_comment = rest.starts_with(COMMENTS) && rest.len() < behind.len();
    if rest.is_empty() || is_comment { Ok(()) } else { Err("nothing but a comment behind the closing quote") }
}

/// What `line`, which rust-ini cannot split, should have been.
fn expectation(line: &str) -> &'static str {
    if line.starts_with('[') { "[Section], by itself" } else { "KEY=value, [Section] or # comment" }
}

/// The key of a line that cannot be split, where that much can be seen of it.
fn key_of(line: &[u8]) -> Option<&str> {
    let delimiter = line.iter().position(|byte| DELIMITERS.contains(&char::from(*byte)))?;
    let key = str::from_utf8(&line[..delimiter]).ok()?.trim();
    is_name(key).then_some(key)
}

/// The name of a section, with one blank before its id where it has one.
fn section_name(text: &str) -> Option<String> {
    match text.split_once(char::is_whitespace) {
        None => is_name(text).then(|| text.to_owned()),
        Some((kind, id)) => {
            let fits = is_name(kind) && id.len() <= LONGEST_ID && !id.contains(['[', ']', '\\']);
            fits.then(|| format!("{kind} {}", id.trim_start()))
        }
    }
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Either ends a key, as in Python's `configparser`.
const DELIMITERS: [char; 2] = ['=', ':'];
/// Either begins a comment, at the start of a line or behind a blank.
const COMMENTS: [char; 2] = ['#', ';'];
/// Either encloses a value.
const QUOTES: [char; 2] = ['"', '\''];
/// Stands for a backslash while rust-ini has the line. A control character: no line has it.
const BACKSLASH: &str = "\u{1}";
/// Twice as long as any of ours, and short enough to be shown.
const LONGEST_NAME: usize = 64;
/// Twice as long as any may be, so that what is wrong with a longer one is said with its reason.
const LONGEST_ID: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        assert_eq!(split_line(line), Ok(Line::Entry("KEY".into(), expected.into())));
    }

    #[track_caller]
    fn check_refused(line: &str, expected: &'static str) {
        assert_eq!(split_line(line), Err(expected));
    }

    #[test]
    fn a_comment_begins_behind_a_blank() {
        check("KEY=a # b", "a");
        check("KEY=a\t; b", "a");
        check("KEY=a#b;c", "a#b;c");
        check("KEY=# b", "# b");
        check("KEY=a b  # c # d", "a b");
        for line in ["KEY=", "KEY = ", "KEY=   # b", "KEY:\t;b", "KEY= #"] {
            check(line, "");
        }
        for line in ["", "# KEY=a", ";KEY=a", "#", "# [Section]"] {
            assert_eq!(split_line(line), Ok(Line::Nothing), "{line}");
        }
    }

    #[test]
    fn a_value_is_taken_as_it_stands() {
        check("KEY=pa#ss%w;ord", "pa#ss%w;ord");
        check("KEY = a=b:c ", "a=b:c");
        check("KEY: a", "a");
        check(r"KEY=C:\new\", r"C:\new\");
        check(r"KEY=a\ # b", r"a\");
        check("KEY=it's \"so\"", "it's \"so\"");
        check("KEY=%(HOME)s ${x}", "%(HOME)s ${x}");
        check("KEY=ключ", "ключ");
    }

    #[test]
    fn quotes_keep_blanks_and_comment_characters() {
        check("KEY=\" a # b \"", " a # b ");
        check("KEY='a \"b\" ;c'  # d", "a \"b\" ;c");
        check("KEY=\"\"", "");
        check(r#"KEY="a\" # b"#, r"a\");
        check(r#"KEY='C:\"x"\'"#, r#"C:\"x"\"#);
    }

    #[test]
    fn a_quote_is_closed_and_nothing_follows_it() {
        for line in ["KEY=\"a", "KEY='a\"", "KEY='"] {
            check_refused(line, "a closing quote");
        }
        for line in ["KEY=\"a\"b", "KEY=\"a\"#b", "KEY='a' 'b'", "KEY='a'\"b\"", r#"KEY="a\"b""#] {
            check_refused(line, "nothing but a comment behind the closing quote");
        }
    }

    #[test]
    fn sections_stand_alone() {
        for line in ["[Broker]", "[ Broker ]", "[Broker] # c", "[Broker];c"] {
            assert_eq!(split_line(line), Ok(Line::Section("Broker".into())), "{line}");
        }
        for line in ["[Sensor attic]", "[ Sensor  attic ] # c", "[Sensor\tattic]"] {
            assert_eq!(split_line(line), Ok(Line::Section("Sensor attic".into())), "{line}");
        }
        assert_eq!(split_line("[Sensor a/b c]"), Ok(Line::Section("Sensor a/b c".into())));
        for line in ["[Broker", "[]", "[Bro\\]ker]", "[a. b]", "[Sensor a\\b]", "[Broker] HOST"] {
            check_refused(line, "[Section], by itself");
        }
        for line in ["[Broker] HOST=a", "[a][b]"] {
            check_refused(line, "nothing but a comment behind [Section]");
        }
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        for line in ["PASSWORD hunter2", "hunter2", "=a", ": a"] {
            check_refused(line, "KEY=value, [Section] or # comment");
        }
        for line in ["PASSWORD hunter2=x", "\"KEY\"=a", "KEY # b = c", &format!("{}=a", "K".repeat(65))] {
            check_refused(line, "a key of letters, digits and _ before the =");
        }
        check_refused("KEY=a\0b", "no control characters in a line");
        check_refused("KEY=a\rKEY=b", "no control characters in a line");
    }

    #[test]
    fn sections_of_one_name_are_one_whatever_their_case() {
        let text = b"[Broker]\nHOST=a\n[Client]\nQOS=1\n[BROKER]\nport=2\nhost=b\n";
        let (mut document, problems) = Document::parse(Path::new("x.conf"), text);
        assert_eq!(document.take("broker", "PORT").unwrap().text, "2");
        assert_eq!(document.take("Broker", "HOST").unwrap().text, "a");
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems, ["x.conf:7: [BROKER] host: set twice, first in line 2"]);
    }

    #[test]
    fn a_broken_section_brings_no_complaints_of_its_keys() {
        let (document, problems) = Document::parse(Path::new("x.conf"), b"[Broker]\n[Client\nHOST=a\n\nb");
        assert_eq!(document.rest().count(), 0);
        assert_eq!(problems.iter().map(|it| it.place.line()).collect::<Vec<_>>(), [Some(2), Some(5)]);
    }

    #[test]
    fn a_line_that_is_no_text_is_named() {
        let (mut document, problems) =
            Document::parse(Path::new("x.conf"), b"[Broker]\nHOST=k\xfcche\n\xff\nPORT=1\n");
        assert!(document.take("Broker", "PORT").is_some() && document.take("Broker", "HOST").is_none());
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            ["x.conf:2: [Broker] HOST: expected text in UTF-8", "x.conf:3: [Broker]: expected text in UTF-8"]
        );
    }

    #[test]
    fn whatever_comes_in_nothing_panics_and_what_is_read_reads_the_same_again() {
        let mut random = fastrand::Rng::with_seed(10);
        let words: Vec<&[u8]> = [
            "[",
            "]",
            "=",
            ":",
            " ",
            "\t",
            "#",
            ";",
            "\"",
            "'",
            "\\",
            "\n",
            "\r\n",
            "\0",
            "\u{feff}",
            "ü",
            "\u{a0}",
            "KEY",
            "[Broker]\n",
            "\nA=",
            "\nB=",
            "\nC=\"",
            "x",
            "%",
            "$",
            "{HOSTNAME}",
        ]
        .iter()
        .map(|it| it.as_bytes())
        .chain([b"\xff".as_slice(), b"\xc3"])
        .collect();
        let mut entries = 0;
        for _ in 0..6_000 {
            let mut text = b"[Broker]\n".to_vec();
            text.extend((0..random.usize(0..24)).flat_map(|_| words[random.usize(..words.len())]));
            text.truncate(text.len() - random.usize(0..3));
            let (document, _) = Document::parse(Path::new("x.conf"), &text);
            for entry in document.rest() {
                let Some(quote) = QUOTES.into_iter().find(|it| !entry.text.contains(*it)) else { continue };
                check(&format!("KEY={quote}{}{quote}", entry.text), &entry.text);
                entries += 1;
            }
        }
        assert!(entries > 1_500, "{entries}");
    }
}
