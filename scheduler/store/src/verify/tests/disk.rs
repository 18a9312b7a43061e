//! Tampering with the files, as somebody with root would.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use repower_model::Timestamp;
use rusqlite::Connection;

use super::{entries, seq_of};
use crate::journal::{Journal as _, Ledger as _, Snapshot};
use crate::note::VerifierKey;
use crate::sqlite::{Journal, OpenError};
use crate::verify::{Place, Report, Verifier, VerifyError, What, verify_folder};
use crate::{Fault, FileError};

const ORIGIN: &str = "repower.example/test";

/// A ledger of 3,000 facts with heads over 1,000 and 3,000 of them, whose scheduler has ended.
fn ledger() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path(), ORIGIN).unwrap();
    journal.append(&entries(0..1000, "as it was"), &[], Timestamp::default()).unwrap();
    journal.append(&entries(1000..3000, "as it was"), &[], Timestamp::default()).unwrap();
    folder
}

fn key(folder: &Path) -> VerifierKey {
    fs::read_to_string(folder.join("ledger.vkey")).unwrap().trim().parse().unwrap()
}

fn check(folder: &Path) -> Result<Report, VerifyError> {
    let key = key(folder);
    verify_folder(folder, Verifier::new(&key, &seq_of), |_| ())
}

fn alter(folder: &Path, sql: &str) {
    Connection::open(folder.join("ledger.db")).unwrap().execute_batch(sql).unwrap();
}

#[track_caller]
fn assert_bad(report: Result<Report, VerifyError>, place: Place, what: &What) {
    let bad = report.unwrap().first_bad.expect("it was tampered with");
    assert_eq!((bad.place, &bad.what), (place, what), "{bad}");
}

#[test]
fn an_untouched_ledger_holds_with_and_without_its_scheduler() {
    let folder = ledger();

    let without = check(folder.path()).unwrap();
    let mut journal = Journal::open(folder.path(), ORIGIN).unwrap();
    journal.append(&entries(3000..3001, "as it was"), &[], Timestamp::default()).unwrap();
    let with = check(folder.path()).unwrap();

    assert!(without.holds() && with.holds());
    assert_eq!((without.facts, with.facts), (3000, 3001));
}

#[test]
fn a_flipped_byte_a_removed_row_swapped_rows_and_a_cut_end_are_each_named() {
    let flipped = ledger();
    alter(
        flipped.path(),
        "UPDATE facts SET body = CAST(substr(body, 1, 10) || x'ff' || substr(body, 12) AS BLOB) WHERE seq = 1234",
    );
    assert_bad(check(flipped.path()), Place::Fact(1234), &What::BodyChanged);

    let removed = ledger();
    alter(removed.path(), "DELETE FROM facts WHERE seq = 1234");
    assert_bad(check(removed.path()), Place::Fact(1234), &What::Missing { next: 1235 });

    let swapped = ledger();
    alter(
        swapped.path(),
        "UPDATE facts SET seq = 9999 WHERE seq = 7; UPDATE facts SET seq = 7 WHERE seq = 8;
         UPDATE facts SET seq = 8 WHERE seq = 9999;",
    );
    assert_bad(check(swapped.path()), Place::Fact(7), &What::OtherNumber { says: 8 });

    let cut = ledger();
    alter(cut.path(), "DELETE FROM facts WHERE seq >= 2990");
    assert_bad(check(cut.path()), Place::Fact(2990), &What::TailCut { size: 3000 });
    let error = Journal::open(cut.path(), ORIGIN).unwrap_err();
    assert!(matches!(error, OpenError::HeadAndFacts { size: 3000, facts: 2990, .. }), "{error}");
}

#[test]
fn a_ledger_whose_newest_head_was_changed_is_not_written_on() {
    for sql in [
        "UPDATE newest_head SET root = zeroblob(32)",
        "UPDATE newest_head SET note = 'nonsense'",
        "UPDATE newest_head SET frontier = substr(frontier, 1, 40)",
        "UPDATE newest_head SET frontier = zeroblob(length(frontier))",
    ] {
        let folder = ledger();
        alter(folder.path(), sql);
        let error = Journal::open(folder.path(), ORIGIN).unwrap_err();
        assert!(matches!(error, OpenError::Head { .. }), "{error}");
    }
}

#[test]
fn a_ledger_that_was_replaced_by_another_with_the_same_key_is_caught_by_a_head_exported_before() {
    let (honest, forged) = (ledger(), tempfile::tempdir().unwrap());
    let kept = Journal::open(honest.path(), ORIGIN).unwrap().latest_head().unwrap().unwrap();
    fs::copy(honest.path().join("ledger.key"), forged.path().join("ledger.key")).unwrap();
    let mut journal = Journal::open(forged.path(), ORIGIN).unwrap();
    journal.append(&entries(0..3500, "as it was not"), &[], Timestamp::default()).unwrap();

    assert!(check(forged.path()).unwrap().holds());
    let key = key(forged.path());
    let mut verifier = Verifier::new(&key, &seq_of);
    verifier.outside(&kept.note).unwrap();
    let report = verify_folder(forged.path(), verifier, |_| ());
    assert_bad(report, Place::Facts(0, 2999), &What::HistoryRewritten { size: 3000 });
}

#[test]
fn a_damaged_page_is_named_by_the_first_fact_on_it() {
    let folder = ledger();
    let path = folder.path().join("ledger.db");
    // The page that holds fact 1500: found by what its body begins with.
    let file = fs::read(&path).unwrap();
    let needle = entries(1500..1501, "as it was").remove(0).body;
    let at = file.windows(needle.len()).position(|window| window == needle).unwrap();
    let page = at / 4096 * 4096;
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .write_all_at(&[0xAA; 4096], page as u64)
        .unwrap();

    let report = check(folder.path()).unwrap();

    let bad = report.first_bad.unwrap();
    assert!(matches!(bad.what, What::Unreadable { .. }), "{bad}");
    let Place::Fact(seq) = bad.place else { panic!("{bad}") };
    assert!((1400..=1500).contains(&seq), "{bad}");
    assert_eq!(report.facts, seq);
    assert!(bad.to_string().contains("is damaged"), "{bad}");
}

#[test]
fn a_truncated_file_and_one_that_is_no_database_are_named_with_what_to_do() {
    let truncated = ledger();
    let path = truncated.path().join("ledger.db");
    let length = fs::metadata(&path).unwrap().len();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(length / 2 / 4096 * 4096).unwrap();
    let nonsense = ledger();
    fs::write(nonsense.path().join("ledger.db"), "x".repeat(8192)).unwrap();

    match check(truncated.path()) {
        Ok(report) => assert!(!report.holds()),
        Err(error) => assert!(error.to_string().contains("is damaged"), "{error}"),
    }
    assert!(Journal::open(truncated.path(), ORIGIN).is_err());
    let error = check(nonsense.path()).unwrap_err();
    assert!(matches!(error, VerifyError::Open(FileError::Fault(Fault::Damaged { .. }))), "{error}");
    assert!(error.hint().contains("restore it from a backup"), "{}", error.hint());
    let error = Journal::open(nonsense.path(), ORIGIN).unwrap_err();
    assert!(error.to_string().contains("is damaged"), "{error}");
}

#[test]
fn a_damaged_snapshot_is_reported_beside_a_ledger_that_holds() {
    let folder = ledger();
    let mut journal = Journal::open(folder.path(), ORIGIN).unwrap();
    journal.save_snapshot(&Snapshot { size: 3000, format: 1, bytes: vec![1; 100] }).unwrap();
    let file = folder.path().join("snapshots").join("00000000000000003000.snapshot");
    let mut bytes = fs::read(&file).unwrap();
    bytes[150] ^= 1;
    fs::write(file, bytes).unwrap();

    let report = check(folder.path()).unwrap();

    assert!(report.holds());
    assert_eq!((report.snapshots, report.damaged_snapshots.len()), (1, 1));
}
