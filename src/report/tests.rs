//! The forms of one report, as files: whoever changes them sees it.

use std::path::Path;

use super::testing::example;
use super::{csv, page};

/// Compares a text with the file that has it. With `REPOWER_BLESS` set that is written anew.
fn hold(name: &str, told: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report").join(name);
    if std::env::var_os("REPOWER_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, told).expect("written");
    }
    let known = std::fs::read_to_string(&path).expect("the file is there");
    assert_eq!(known, told, "{}: REPOWER_BLESS=1 writes it anew", path.display());
}

#[test]
fn the_table_for_spreadsheets_is_as_it_was() {
    hold("compliance.csv", &csv(&example()));
}

#[test]
fn the_page_is_as_it_was() {
    // Without its style, which stands in a file of its own, and with a line for each tag, so that a change can be read.
    let page = page(&example()).replace(include_str!("page.css"), "");
    hold("compliance.html", &page.replace("><", ">\n<"));
}
