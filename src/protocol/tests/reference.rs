//! The page that people write clients by says what is so: `PROTOCOL.md`.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::super::description::PLATFORMS;
use super::super::operation::OPERATIONS;
use super::super::{Code, Envelope, LINE_BYTES, Reply, Request, Status, VERSION, entity};
use crate::entity::Device;
use crate::model::ObjectId;

const PAGE: &str = include_str!("../../../PROTOCOL.md");

/// The lines of all blocks of `language`.
fn lines(language: &str) -> Vec<&'static str> {
    let begin = format!("```{language}\n");
    let blocks = PAGE.split(&begin).skip(1);
    blocks.flat_map(|it| it.split("```").next().unwrap_or_default().lines()).collect()
}

/// What stands below the heading `title`.
fn section(title: &str) -> &'static str {
    let below = PAGE.split(&format!("# {title}\n")).nth(1).unwrap_or_else(|| panic!("no {title}"));
    below.split("\n#").next().unwrap_or_default()
}

/// The rows of the first table below the heading `title`, each as its cells.
fn rows(title: &str) -> Vec<Vec<&'static str>> {
    let table = section(title).lines().skip_while(|it| !it.starts_with('|')).skip(2);
    let rows = table.take_while(|it| it.starts_with('|'));
    rows.map(|it| it.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// What stands between backticks in `cell`.
fn words(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn described(description: &Map<String, Json>) -> Result<(), String> {
    let ours = Device {
        identifier: ObjectId::new("pi").unwrap(),
        name: "Pi".to_owned(),
        manufacturer: String::new(),
        model: String::new(),
        sw_version: String::new(),
        via: None,
    };
    entity(description, &ours).map(drop).map_err(|it| it.reason)
}

#[test]
fn every_request_on_the_page_is_one_and_every_operation_is_there() {
    let mut shown = BTreeSet::new();
    for line in lines("json") {
        let envelope = Envelope::parse(line.as_bytes()).unwrap_or_else(|(_, it)| panic!("{line}: {it}"));
        if let Request::Register { description, .. } = &envelope.request {
            assert_eq!(described(description), Ok(()), "{line}");
        }
        let fields: Json = serde_json::from_str(line).unwrap();
        shown.insert(fields["op"].as_str().unwrap().to_owned());
    }
    for operation in OPERATIONS {
        assert!(shown.remove(operation.name), "{} is not shown", operation.name);
        let names: Vec<&str> = rows(operation.name).iter().flat_map(|row| words(row[0])).collect();
        assert_eq!(names, operation.fields, "the fields of {}", operation.name);
    }
}

#[test]
fn every_answer_on_the_page_is_read_and_every_code_explained() {
    for line in lines("answer") {
        let fields: Json = serde_json::from_str(line).unwrap();
        let reply = Reply::parse(line.as_bytes()).unwrap_or_else(|it| panic!("{line}: {it}"));
        match reply {
            Reply::Failed(failure) => assert_eq!(fields["error"], failure.code.as_str(), "{line}"),
            Reply::Ok(word, more) if word == "status" => {
                let status: Status = serde_json::from_value(more["status"].clone()).unwrap();
                assert_eq!(json!(status), more["status"], "it has all, and nothing else");
            }
            Reply::Ok(..) => {}
            Reply::Event(kind, _) => assert!(section("Events").contains(&format!("| `{kind}` |")), "{line}"),
        }
    }
    let explained: Vec<&str> = rows("Errors").iter().flat_map(|row| words(row[0])).collect();
    assert_eq!(explained, Code::ALL.map(Code::as_str));
}

#[test]
fn every_field_of_a_description_is_of_those_platforms_that_the_page_says() {
    for row in rows("Descriptions of entities") {
        let of: Vec<&str> = row[3].split(|it: char| !it.is_alphanumeric() && it != '_').collect();
        for field in words(row[0]) {
            for platform in PLATFORMS {
                let mut description = json!({"id": "a", "name": "A", "platform": platform});
                if field != "platform" {
                    description[field] = json!([[]]);
                }
                let flaws = described(description.as_object().unwrap()).err().unwrap_or_default();
                let is_known = !flaws.contains(&format!("{field}: is unknown"));
                assert_eq!(is_known, of.contains(&platform) || of == ["all"], "{field} of {platform}");
            }
        }
    }
    let [platforms, ..] = &rows("Descriptions of entities")[..] else { panic!("a table") };
    assert_eq!(words(platforms[1]), PLATFORMS);
}

#[test]
fn the_numbers_on_the_page_are_those_of_the_program() {
    assert_eq!(LINE_BYTES, 262_144);
    assert_eq!(PAGE.matches("262,144 bytes").count(), 3);
    assert!(PAGE.starts_with(&format!("# The protocol of the socket, version {VERSION}\n")));
}
