//! What others announce, in their own words, and what we understand of it.
//!
//! Each folder of `tests/data/announced` has `messages`: the source of the format after `#`, then the messages, an
//! empty line before each: the topic, and below it the payload. And `understood`, what comes of them; run the tests
//! with `WRITE_GOLDEN=1` to have that written anew, and read the difference.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// Topics and payloads of all cases.
pub(super) fn all_messages() -> Vec<(String, String)> {
    cases().iter().flat_map(|it| messages(&fs::read_to_string(it.join("messages")).unwrap())).collect()
}

#[test]
fn what_others_announce_is_understood() {
    let cases = cases();
    assert!(cases.len() >= 30, "three of each source, and more of those that say more");
    for case in cases {
        let text = fs::read_to_string(case.join("messages")).unwrap();
        assert!(text.starts_with("# ") && text.contains("https://"), "{}: no source", case.display());
        let mut bench = Bench::new();
        let mut understood = String::new();
        for (topic, payload) in messages(&text) {
            let said = bench.hear(&topic, payload);
            for line in said.iter().filter(|it| it.starts_with("refused") || it.starts_with("removed")) {
                writeln!(understood, "{line}\n").unwrap();
            }
        }
        bench.registry.devices(bench.now).iter().for_each(|it| describe(&bench, it, &mut understood));
        let path = case.join("understood");
        if std::env::var_os("WRITE_GOLDEN").is_some() {
            fs::write(&path, &understood).unwrap();
        }
        let golden = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(understood, golden, "{}", path.display());
    }
}

fn describe(bench: &Bench, device: &Discovered, text: &mut String) {
    let state = bench.registry.state(&device.id, bench.now).unwrap();
    writeln!(text, "{} {}: {:?}, {:?}", device.platform, device.id, device.name, state.availability).unwrap();
    let class = device.device_class.as_deref().unwrap_or("-");
    writeln!(text, "  class {class}, unit {}", device.unit.as_deref().unwrap_or("-")).unwrap();
    if let Some(it) = &device.device {
        let words = [&it.name, &it.manufacturer, &it.model, &it.sw_version];
        let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
        let connections = it.connections.iter().map(|(kind, address)| format!("{kind}:{address}"));
        let ids: Vec<String> = it.identifiers.iter().cloned().chain(connections).collect();
        writeln!(text, "  device {} ({})", ids.join(" "), words.join(", ")).unwrap();
    }
    if let Some(it) = &device.origin {
        writeln!(text, "  origin {} {}", it.name, it.sw_version.as_deref().unwrap_or("")).unwrap();
    }
    writeln!(text, "  tells {}", device.fields.join(" ")).unwrap();
    for (field, value) in state.fields.iter() {
        match value {
            capability::FieldValue::Known(value) => writeln!(text, "    {field} = {value}").unwrap(),
            capability::FieldValue::Raw(words) => writeln!(text, "    {field} = raw {words:?}").unwrap(),
        }
    }
    for offer in &device.offers {
        writeln!(text, "  takes {} {:?}", offer.field, offer.range).unwrap();
    }
    text.push('\n');
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/announced");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    cases.sort();
    cases
}

/// The messages of a file, its comments left out.
fn messages(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().filter(|it| !it.starts_with('#')).collect();
    let blocks = lines.split(|it| it.is_empty()).filter(|it| !it.is_empty());
    blocks.map(|it| (it[0].to_owned(), it[1..].join("\n"))).collect()
}
