//! A folder of small JSON files: what each of them says, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::watch::News;
use crate::os::file;

/// The files `*.json` in a folder, the first 1,000 by name and 64 KiB of each at most; hidden ones do not count. A file
/// that was good once stands for what it said then, until it is good again or gone.
pub(super) struct Folder<T> {
    path: PathBuf,
    parse: fn(file: &str, bytes: &[u8]) -> Result<Sheet<T>, String>,
    files: BTreeMap<String, File<T>>,
    /// Why it cannot be looked into, or not at all of it.
    flaw: Option<String>,
    /// Whether there are more files than count.
    is_crowded: bool,
}

/// What a good file says.
pub(super) struct Sheet<T> {
    pub(super) content: T,
    /// What is unwise in it, as sentences.
    pub(super) remarks: Vec<String>,
}

struct File<T> {
    /// What it said when it was last good.
    sheet: Option<Sheet<T>>,
    /// What is wrong with it now.
    flaw: Option<String>,
}

impl<T> Folder<T> {
    /// The folder at `path`, where `parse` makes sense of a file. Not looked into yet.
    pub(super) fn new(
        path: &Path,
        parse: fn(file: &str, bytes: &[u8]) -> Result<Sheet<T>, String>,
    ) -> Folder<T> {
        Folder { path: path.to_owned(), parse, files: BTreeMap::new(), flaw: None, is_crowded: false }
    }

    /// Looks at what `news` speak of. Blocks for the card.
    pub(super) fn update(&mut self, news: &News) {
        let mut everything = news.everything;
        for (name, whole) in news.files.iter().filter(|_| !news.everything) {
            let was_there = self.files.contains_key(name);
            self.look_at(name, *whole);
            // Somebody who found no room may take it.
            everything |= self.is_crowded && was_there && !self.files.contains_key(name);
        }
        if everything {
            self.look_at_all();
        }
    }

    /// What the good files say, by name.
    pub(super) fn sheets(&self) -> impl Iterator<Item = (&str, &T)> {
        self.files.iter().filter_map(|(name, file)| Some((name.as_str(), &file.sheet.as_ref()?.content)))
    }

    /// What is wrong and what is unwise, as sentences that name the file.
    pub(super) fn problems(&self) -> impl Iterator<Item = String> {
        let of_files = self.files.iter().flat_map(move |(name, file)| {
            let stays = if file.sheet.is_some() { " (what it said before stands)" } else { "" };
            let flaw = file.flaw.iter().map(move |flaw| format!("{}: {flaw}{stays}", self.shown(name)));
            let remarks = file.sheet.iter().flat_map(|it| &it.remarks);
            flaw.chain(remarks.map(|it| format!("{}: {it}", self.shown(name))))
        });
        self.flaw.iter().map(|flaw| format!("{}: {flaw}", self.path.display())).chain(of_files)
    }

    /// The file called `name`, for people.
    pub(super) fn shown(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    fn look_at_all(&mut self) {
        let names = match names(&self.path) {
            Ok(names) => names,
            // Whoever is kept out for a while does not know that anything has gone.
            Err(cause) => {
                self.flaw = Some(format!("cannot be read: {cause}"));
                return;
            }
        };
        self.is_crowded = names.len() > MOST_FILES;
        self.flaw = None;
        self.files.retain(|name, _| names.contains(name));
        for name in names.iter().take(MOST_FILES) {
            self.look_at(name, true);
        }
        if self.is_crowded {
            self.say_crowded();
        }
    }

    /// Looks at the file called `name`. What is wrong with one that is not yet `whole` says nothing.
    fn look_at(&mut self, name: &str, whole: bool) {
        if self.files.len() >= MOST_FILES && !self.files.contains_key(name) {
            self.is_crowded = true;
            return self.say_crowded();
        }
        let parsed = match read(&self.path.join(name)) {
            Ok(Some(bytes)) => (self.parse)(name, &bytes),
            Ok(None) => {
                self.files.remove(name);
                return;
            }
            Err(flaw) => Err(flaw),
        };
        match parsed {
            Ok(sheet) => {
                self.files.insert(name.to_owned(), File { sheet: Some(sheet), flaw: None });
            }
            Err(flaw) if whole => {
                let file = self.files.entry(name.to_owned()).or_insert(File { sheet: None, flaw: None });
                file.flaw = Some(flaw);
            }
            Err(_) => {}
        }
    }

    fn say_crowded(&mut self) {
        self.flaw = Some(format!("expected at most {MOST_FILES} files, found more; the first count"));
    }
}

/// Whether a file of that name counts. An editor's `.attic.json.swp` and `attic.json~` do not.
pub(super) fn is_ours(name: &str) -> bool {
    name.ends_with(".json") && !name.starts_with('.') && !name.contains(char::is_control)
}

/// The names of the files that count, the first of them and one more where there are more. None where there is no
/// folder.
fn names(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let entries = match fs::read_dir(folder) {
        Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(names);
        }
        entries => entries?,
    };
    for entry in entries {
        if let Some(name) = entry?.file_name().to_str().filter(|it| is_ours(it)) {
            names.insert(name.to_owned());
            if names.len() > MOST_FILES + 1 {
                names.pop_last();
            }
        }
    }
    Ok(names)
}

/// What is in the file at `path`; none where there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    match file::read(path, MOST_BYTES) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(cause) => match cause.kind() {
            ErrorKind::NotFound => Ok(None),
            ErrorKind::InvalidInput | ErrorKind::FileTooLarge => Err(cause.to_string()),
            _ => Err(format!("cannot be read: {cause}")),
        },
    }
}

/// A hundred times what a Pi has sensors, and a megabyte or two of memory.
pub(super) const MOST_FILES: usize = 1_000;
/// A hundred times what a descriptor takes.
const MOST_BYTES: u64 = 64 * 1024;
