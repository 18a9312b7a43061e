//! The words that users and programs hold on to: every code is documented.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The codes that a source file gives: `=> "word.word"`.
fn codes(path: &str) -> BTreeSet<String> {
    let text = read(path);
    let arms = text
        .split("=> \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next());
    let is_code = |word: &&str| {
        word.contains('.')
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c == '.' || c == '-')
    };
    arms.filter(is_code).map(str::to_owned).collect()
}

#[test]
fn every_reason_and_refusal_is_documented_by_its_code() {
    let page = read("docs/reasons.md");
    let mut known = codes("scheduler/core/src/reason.rs");
    known.extend(codes("scheduler/core/src/refusal.rs"));
    assert!(known.len() > 30, "found only {known:?}");

    let missing: Vec<_> = known
        .iter()
        .filter(|code| !page.contains(&format!("`{code}`")))
        .collect();

    assert!(
        missing.is_empty(),
        "docs/reasons.md does not have {missing:?}"
    );
}
