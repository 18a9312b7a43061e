//! Exports, whole and tampered with.

use repower_model::Timestamp;

use super::*;
use crate::journal::{Entry, Journal as _};
use crate::memory;
use crate::note::VerifierKey;
use crate::verify::{Place, What};

fn export(facts: u64) -> (String, VerifierKey) {
    let mut journal = memory::Journal::new("repower.example/test", [5; 32]).unwrap();
    let entries: Vec<_> = (0..facts)
        .map(|seq| Entry { seq, body: [&seq.to_be_bytes()[..], b"what happened"].concat() })
        .collect();
    journal.append(&entries, &[], Timestamp::default()).unwrap();
    let mut text = Vec::new();
    let head = write(&journal, &mut text, |_| ()).unwrap();
    assert_eq!(head, journal.head());
    (String::from_utf8(text).unwrap(), journal.verifier().clone())
}

fn check(text: &str, key: &VerifierKey) -> Report {
    let seq_of = |body: &[u8]| Some(u64::from_be_bytes(*body.first_chunk::<8>()?));
    verify(&mut text.as_bytes(), Verifier::new(key, &seq_of), |_| ())
}

#[track_caller]
fn assert_bad(text: &str, key: &VerifierKey, place: Place, what: &What) {
    let bad = check(text, key).first_bad.expect("it was tampered with");
    assert_eq!((bad.place, &bad.what), (place, what), "{bad}");
}

#[track_caller]
fn assert_unreadable(text: &str, key: &VerifierKey, fact: u64, problem: &str) {
    let bad = check(text, key).first_bad.expect("it was tampered with");
    assert_eq!(bad.place, Place::Fact(fact), "{bad}");
    assert!(bad.to_string().contains(problem), "{bad}");
}

#[test]
fn an_export_is_one_fact_a_line_and_then_the_head_and_it_verifies() {
    let (text, key) = export(3000);

    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3001);
    assert_eq!(
        lines[1],
        "{\"seq\":1,\"leaf\":\"fd6c4c3a\",\"body\":\"AAAAAAAAAAF3aGF0IGhhcHBlbmVk\"}"
            .replace("fd6c4c3a", &lines[1][17..81])
    );
    assert!(
        lines[3000].starts_with("{\"head\":\"repower.example/test\\n3000\\n"),
        "{}",
        lines[3000]
    );
    let report = check(&text, &key);
    assert!(report.holds(), "{report:?}");
    assert_eq!((report.facts, report.heads), (3000, 1));
}

#[test]
fn a_tampered_export_is_found_out_and_the_fact_named() {
    let (text, key) = export(40);
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    let joined = |lines: &[String]| lines.join("\n") + "\n";
    let change = |alter: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        alter(&mut lines);
        joined(&lines)
    };

    let flipped = change(&|lines| lines[7] = lines[7].replace("BlbmVk", "BlbmVj"));
    assert_bad(&flipped, &key, Place::Fact(7), &What::BodyChanged);
    let removed = change(&|lines| drop(lines.remove(7)));
    assert_bad(&removed, &key, Place::Fact(7), &What::Missing { next: 8 });
    let swapped = change(&|lines| lines.swap(7, 9));
    assert_bad(&swapped, &key, Place::Fact(7), &What::Missing { next: 9 });
    let doubled = change(&|lines| lines.insert(7, lines[6].clone()));
    assert_bad(&doubled, &key, Place::Fact(7), &What::OutOfPlace { found: 6 });
    let tail_cut = change(&|lines| drop(lines.drain(30..40)));
    assert_bad(&tail_cut, &key, Place::Fact(30), &What::TailCut { size: 40 });

    assert_unreadable(&joined(&lines[..40]), &key, 40, "ends without a head");
    assert_unreadable(&text[..3000], &key, 24, "line 25 is cut short");
    assert_unreadable(
        &change(&|lines| lines.push(lines[3].clone())),
        &key,
        40,
        "line 42 comes after the head",
    );
    assert_unreadable(
        &change(&|lines| lines[5].insert(3, 'x')),
        &key,
        5,
        "line 6 is neither a fact nor a head",
    );
    assert_unreadable(
        &change(&|lines| lines[5] = lines[5].replace("\"leaf\":\"", "\"leaf\":\"A")),
        &key,
        5,
        "line 6",
    );
    assert_unreadable(
        &change(&|lines| lines[40] = "{\"head\":\"x\"}".to_owned()),
        &key,
        40,
        "malformed",
    );
    assert_unreadable("", &key, 0, "ends without a head");
}

#[test]
fn an_export_with_the_head_of_fewer_facts_is_found_out() {
    let (text, key) = export(40);
    let (shorter, _) = export(30);
    let head = shorter.lines().last().unwrap();
    let facts: Vec<_> = text.lines().take(40).collect();

    let mixed = format!("{}\n{head}\n", facts.join("\n"));

    assert_bad(&mixed, &key, Place::Fact(30), &What::Unsigned);
}

#[test]
fn a_ledger_without_facts_has_no_export() {
    let journal = memory::Journal::new("a", [5; 32]).unwrap();

    assert!(matches!(write(&journal, &mut Vec::new(), |_| ()), Err(ExportError::Empty)));
}
