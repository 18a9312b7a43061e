//! Each way to tamper, on a ledger that lies in a vector.

use repower_model::Timestamp;

use super::{entries, seq_of};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::journal::{Journal as _, Ledger, ReadError, SignedHead, StoredEntry};
use crate::merkle::{self, Hash};
use crate::note::NoteError;
use crate::verify::{HeadProblem, Place, Report, Verifier, What, verify};
use crate::{memory, note};

const ORIGIN: &str = "repower.example/test";

/// A ledger that anybody can change.
#[derive(Clone)]
struct Open {
    facts: Vec<StoredEntry>,
    /// Newest first.
    heads: Vec<SignedHead>,
}

impl Ledger for Open {
    fn latest_head(&self) -> Result<Option<SignedHead>, ReadError> {
        Ok(self.heads.first().cloned())
    }

    fn heads(&self, limit: usize, _: Option<u64>) -> Result<Vec<SignedHead>, ReadError> {
        Ok(self.heads.iter().take(limit).cloned().collect())
    }

    fn entries(&self, from_seq: u64, limit: usize) -> Result<Vec<StoredEntry>, ReadError> {
        Ok(self.facts.iter().filter(|fact| fact.seq >= from_seq).take(limit).cloned().collect())
    }

    fn leaf_hashes(&self, _: u64) -> Result<Vec<Hash>, ReadError> {
        Ok(self.facts.iter().map(|fact| fact.leaf).collect())
    }
}

/// Sixty facts with heads over 10, 20, .. of them, all an hour apart and so all kept.
fn journal(text: &str) -> memory::Journal {
    let mut journal = memory::Journal::new(ORIGIN, [5; 32]).unwrap();
    for ten in 0..6_i64 {
        let from = 10 * u64::try_from(ten).unwrap();
        let now = Timestamp::from_millis(ten * 3_600_000);
        journal.append(&entries(from..from + 10, text), &[], now).unwrap();
    }
    journal
}

fn ledger() -> Open {
    let journal = journal("as it was");
    Open { facts: journal.entries(0, 100).unwrap(), heads: journal.heads(100, None).unwrap() }
}

fn key() -> note::SignerKey {
    note::SignerKey::from_seed(ORIGIN, [5; 32]).unwrap()
}

fn check(ledger: &Open) -> Report {
    check_with(ledger, &[])
}

fn check_with(ledger: &Open, outside: &[&SignedHead]) -> Report {
    let key = key();
    let mut verifier = Verifier::new(key.verifier(), &seq_of);
    for head in outside {
        verifier.outside(&head.note).unwrap();
    }
    verify(ledger, verifier, |_| ()).unwrap()
}

#[track_caller]
fn assert_bad(report: &Report, place: Place, what: &What) {
    let bad = report.first_bad.as_ref().expect("it was tampered with");
    assert_eq!((bad.place, &bad.what), (place, what), "{bad}");
}

#[test]
fn an_untouched_ledger_holds() {
    let report = check(&ledger());

    assert!(report.holds(), "{report:?}");
    assert_eq!((report.facts, report.heads), (60, 6));
    assert_eq!(report.head.map(|head| head.size), Some(60));
}

#[test]
fn an_empty_ledger_holds() {
    let report = check(&Open { facts: vec![], heads: vec![] });

    assert!(report.holds());
    assert_eq!((report.facts, report.head), (0, None));
}

#[test]
fn a_flipped_bit_of_any_body_is_named_wherever_it_is() {
    let ledger = ledger();
    let length = ledger.facts[0].body.len();
    let everywhere = (0..60).step_by(3).map(|seq| (seq, seq % length));
    for (seq, byte) in everywhere.chain((0..length).map(|byte| (17, byte))) {
        let mut tampered = ledger.clone();
        tampered.facts[seq].body[byte] ^= 1 << (byte % 8);
        let report = check(&tampered);
        assert_bad(&report, Place::Fact(seq as u64), &What::BodyChanged);
        assert_eq!(report.facts, seq as u64);
    }
}

#[test]
fn any_flipped_leaf_is_named_and_told_from_a_flipped_body() {
    let ledger = ledger();
    for seq in (0..60).step_by(3) {
        let mut tampered = ledger.clone();
        tampered.facts[seq].leaf[seq % 32] ^= 0x80;
        assert_bad(&check(&tampered), Place::Fact(seq as u64), &What::LeafChanged);
    }
}

#[test]
fn the_first_of_several_changes_is_named() {
    let mut tampered = ledger();
    tampered.facts[31].body[9] ^= 1;
    tampered.facts[33].leaf[0] ^= 1;
    tampered.facts[35].body[9] ^= 1;

    assert_bad(&check(&tampered), Place::Fact(31), &What::Changed);

    tampered.facts.remove(40);
    tampered.heads.truncate(1);
    assert_bad(&check(&tampered), Place::Fact(31), &What::Changed);
}

#[test]
fn a_removed_fact_is_named() {
    for seq in (0..59_u64).step_by(3) {
        let mut tampered = ledger();
        tampered.facts.remove(usize::try_from(seq).unwrap());
        assert_bad(&check(&tampered), Place::Fact(seq), &What::Missing { next: seq + 1 });
    }
}

#[test]
fn swapped_facts_are_named() {
    let mut tampered = ledger();
    tampered.facts.swap(17, 40);
    tampered.facts[17].seq = 17;
    tampered.facts[40].seq = 40;

    assert_bad(&check(&tampered), Place::Fact(17), &What::OtherNumber { says: 40 });
}

#[test]
fn a_cut_end_is_noticed() {
    for left in [0, 1, 49, 50, 59] {
        let mut tampered = ledger();
        tampered.facts.truncate(left);
        assert_bad(&check(&tampered), Place::Fact(left as u64), &What::TailCut { size: 60 });
    }
}

#[test]
fn facts_that_were_rewritten_with_their_leaves_are_bracketed_by_heads() {
    let mut tampered = ledger();
    let body = entries(25..26, "as it was not").remove(0).body;
    tampered.facts[25].leaf = merkle::leaf(&body);
    tampered.facts[25].body = body;

    assert_bad(&check(&tampered), Place::Facts(20, 29), &What::Rewritten { size: 30 });
}

#[test]
fn a_head_that_was_changed_is_named() {
    let mut tampered = ledger();
    tampered.heads[2].note = tampered.heads[2].note.replacen("\n40\n", "\n41\n", 1);
    let report = check(&tampered);
    let Some(What::Head(HeadProblem::Note(CheckpointError::Note(NoteError::Forged { .. })))) =
        report.first_bad.as_ref().map(|bad| bad.what.clone())
    else {
        panic!("{report:?}");
    };
    assert_eq!(report.first_bad.unwrap().place, Place::Head(40));

    let mut tampered = ledger();
    tampered.heads[2].head.root[0] ^= 1;
    assert_bad(&check(&tampered), Place::Head(40), &What::Head(HeadProblem::Columns));
}

#[test]
fn a_head_that_another_key_signed_is_named() {
    let mut tampered = ledger();
    let thief = note::SignerKey::from_seed(ORIGIN, [6; 32]).unwrap();
    let root = tampered.heads[0].head.root;
    let head = Checkpoint { origin: ORIGIN.to_owned(), size: 60, root, extensions: vec![] };
    tampered.heads[0].note = head.sign(&thief).unwrap();

    let report = check(&tampered);

    assert_eq!(report.first_bad.unwrap().place, Place::Head(60));
    assert_eq!(report.facts, 60);
}

#[test]
fn facts_that_no_head_covers_are_named() {
    let mut tampered = ledger();
    let body = entries(60..61, "added").remove(0).body;
    tampered.facts.push(StoredEntry { seq: 60, leaf: merkle::leaf(&body), body });

    assert_bad(&check(&tampered), Place::Fact(60), &What::Unsigned);
    tampered.heads.clear();
    assert_bad(&check(&tampered), Place::Fact(0), &What::Unsigned);
}

#[test]
fn an_old_copy_holds_by_itself_but_not_against_a_head_from_outside() {
    let whole = ledger();
    let mut old = whole.clone();
    old.facts.truncate(40);
    old.heads.drain(..2);

    assert!(check(&old).holds());
    let report = check_with(&old, &[&whole.heads[4], &whole.heads[0]]);
    assert_bad(&report, Place::Fact(40), &What::ShorterThanOutside { size: 60 });
    assert_eq!(report.outside_heads, 1);
}

#[test]
fn a_rewritten_history_holds_by_itself_but_not_against_a_head_from_outside() {
    let kept = ledger();
    let mut journal = memory::Journal::new(ORIGIN, [5; 32]).unwrap();
    journal.append(&entries(0..25, "as it was"), &[], Timestamp::default()).unwrap();
    journal.append(&entries(25..26, "as it was not"), &[], Timestamp::default()).unwrap();
    journal.append(&entries(26..60, "as it was"), &[], Timestamp::default()).unwrap();
    let facts = journal.entries(0, 100).unwrap();
    let rewritten = Open { facts, heads: journal.heads(100, None).unwrap() };

    assert!(check(&rewritten).holds());
    let report = check_with(&rewritten, &[&kept.heads[1]]);
    assert_bad(&report, Place::Facts(0, 49), &What::HistoryRewritten { size: 50 });
    let report = check_with(&rewritten, &[&kept.heads[4], &kept.heads[3]]);
    assert_bad(&report, Place::Facts(20, 29), &What::HistoryRewritten { size: 30 });
    assert_eq!(report.outside_heads, 1);
}

#[test]
fn a_consistency_proof_of_a_rewritten_history_does_not_hold_either() {
    let (kept, rewritten) = (journal("as it was"), journal("as it was not"));
    let new = rewritten.head();
    let mut old = merkle::Frontier::new();
    kept.leaf_hashes(30).unwrap().into_iter().for_each(|leaf| old.push(leaf));

    let proof = rewritten.consistency(30, 60).unwrap();

    let held = merkle::verify_consistency((30, &old.root()), (60, &new.root), &proof);
    assert_eq!(held, Err(merkle::ProofError::Root { size: 30 }));
    let proof = kept.consistency(30, 60).unwrap();
    merkle::verify_consistency((30, &old.root()), (60, &kept.head().root), &proof).unwrap();
}

#[test]
fn a_head_of_another_ledger_cannot_be_compared_with() {
    let mut other = memory::Journal::new("repower.example/other", [5; 32]).unwrap();
    other.append(&entries(0..1, "x"), &[], Timestamp::default()).unwrap();
    let key = key();
    let mut verifier = Verifier::new(key.verifier(), &seq_of);

    assert!(verifier.outside(&other.latest_head().unwrap().unwrap().note).is_err());
    assert!(verifier.outside("nonsense").is_err());
}
