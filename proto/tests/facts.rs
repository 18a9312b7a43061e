//! Facts as bytes: every fact comes back as it was, and its bytes never change.

mod sample;

use std::fmt::Write as _;

use proptest::prelude::*;
use repower_core::fact::Entry;
use repower_model::JobSpec;
use repower_proto::convert::{decode, encode, seq_of};
use repower_proto::v1;

proptest! {
    #[test]
    fn every_fact_comes_back_as_it_was(entry in sample::entry()) {
        let bytes = encode(&entry);

        prop_assert_eq!(seq_of(&bytes), Some(entry.seq));
        prop_assert_eq!(decode(&bytes), Ok(entry));
    }

    #[test]
    fn every_specification_comes_back_as_it_was(spec in sample::spec()) {
        let wire = v1::JobSpec::from(&spec);

        prop_assert_eq!(JobSpec::try_from(wire), Ok(spec));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes).is_err() || seq_of(&bytes).is_some());
    }
}

/// The bytes of `golden/facts.txt` are those of journals that exist. Lines are only ever added;
/// a line that had to change means that old journals no longer verify.
#[test]
fn the_bytes_of_facts_never_change() {
    let golden = include_str!("golden/facts.txt");
    let facts: Vec<Entry> = sample::fixed();

    let fresh: Vec<_> = facts.iter().map(line).collect();

    let old: Vec<_> = golden.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(fresh, old, "all lines:\n{}\n", fresh.join("\n"));
    for (line, entry) in old.iter().zip(&facts) {
        assert_eq!(decode(&bytes_of(line)).as_ref(), Ok(entry));
    }
}

#[test]
fn the_golden_file_has_every_variant_of_the_proto_file() {
    let proto = include_str!("../repower/v1/fact.proto");
    let golden = include_str!("golden/facts.txt");
    let entry = proto.split("oneof fact {").nth(1).unwrap().split('}').next().unwrap();

    let variants = entry.lines().filter_map(|line| line.split_whitespace().next());
    let missing: Vec<_> =
        variants.filter(|name| !golden.lines().any(|line| line.starts_with(name))).collect();

    assert_eq!(missing, Vec::<&str>::new());
}

fn line(entry: &Entry) -> String {
    let debug = format!("{:?}", entry.fact);
    let name = debug.split([' ', '(', '{']).next().expect("a first word");
    let mut line = format!("{name} ");
    for byte in encode(entry) {
        write!(line, "{byte:02x}").expect("writing to a string does not fail");
    }
    line
}

fn bytes_of(line: &str) -> Vec<u8> {
    let hex = line.split(' ').nth(1).expect("a second word");
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(byte).collect()
}
