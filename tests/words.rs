//! The words that users and programs hold on to: every code is documented.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The codes that a source file of the core gives: `=> "word.word"`.
fn codes(path: &str) -> BTreeSet<String> {
    after(&read(path), "=> \"")
}

fn after(text: &str, mark: &str) -> BTreeSet<String> {
    let words = text.split(mark).skip(1).filter_map(|rest| rest.split('"').next());
    let is_code = |word: &&str| {
        word.contains('.') && word.chars().all(|c| c.is_ascii_lowercase() || c == '.' || c == '-')
    };
    words.filter(is_code).map(str::to_owned).collect()
}

/// The sources below a folder, as paths from the root.
fn sources(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
    let below = entries.flat_map(|entry| {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() { sources(&path) } else { vec![path] }
    });
    below.collect()
}

/// The codes of the daemon: the text behind a gRPC code, wherever a `Problem` is made.
fn codes_of_services() -> BTreeSet<String> {
    let files = ["gate.rs", "problem.rs"].map(|name| format!("scheduler/daemon/src/{name}"));
    let files = files.into_iter().chain(sources("scheduler/daemon/src/services"));
    files
        .flat_map(|file| {
            let text = read(&file);
            let text = text.split("#[cfg(test)]").next().unwrap_or_default().replace('\n', " ");
            let parts: Vec<&str> = text.split("Code::").skip(1).collect();
            parts.iter().flat_map(|part| after(part, "\"").into_iter().take(1)).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn every_reason_and_refusal_is_documented_by_its_code() {
    let page = read("docs/reasons.md");
    let mut known = codes("scheduler/core/src/reason.rs");
    known.extend(codes("scheduler/core/src/refusal.rs"));
    known.extend(codes("scheduler/core/src/plan/filter.rs"));
    let services = codes_of_services();
    assert!(known.len() > 30 && services.len() > 10, "found only {known:?} and {services:?}");
    known.extend(services);

    let missing: Vec<_> =
        known.iter().filter(|code| !page.contains(&format!("`{code}`"))).collect();

    assert!(missing.is_empty(), "docs/reasons.md does not have {missing:?}");
}
