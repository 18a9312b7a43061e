//! Appending, reading back, and who may.

use repower_model::{JobId, Timestamp};

use super::common::{ORIGIN, at, entries, folder, job, open, submitted};
use crate::checkpoint::Checkpoint;
use crate::journal::{AppendError, Head, Journal as _, Ledger as _};
use crate::rows::JobRow;
use crate::sqlite::{Journal, OpenError, Reader};
use crate::{FileError, merkle, note};

#[test]
fn facts_and_head_are_there_after_a_restart() {
    let folder = folder();
    let mut journal = open(&folder);
    let head = journal.append(&entries(0..5), &[], at(1)).unwrap();
    drop(journal);

    let journal = open(&folder);

    assert_eq!(journal.head(), head);
    let stored = journal.entries(0, 100).unwrap();
    assert_eq!(
        stored.iter().map(|e| (e.seq, e.body.clone())).collect::<Vec<_>>(),
        entries(0..5).into_iter().map(|e| (e.seq, e.body)).collect::<Vec<_>>()
    );
    assert!(stored.iter().all(|e| e.leaf == merkle::leaf(&e.body)));
    let signed = journal.latest_head().unwrap().unwrap();
    let checkpoint = Checkpoint::open(&signed.note, journal.verifier()).unwrap();
    assert_eq!(
        (checkpoint.size, checkpoint.root),
        (5, merkle::root(&journal.leaf_hashes(5).unwrap()))
    );
}

#[test]
fn the_tree_goes_on_where_it_was_after_a_restart() {
    let (one, two) = (folder(), folder());
    let mut through = open(&one);
    through.append(&entries(0..10), &[], at(0)).unwrap();

    let mut broken = open(&two);
    broken.append(&entries(0..3), &[], at(0)).unwrap();
    drop(broken);
    let mut broken = open(&two);
    broken.append(&entries(3..10), &[], at(0)).unwrap();

    assert_eq!(through.head().root, broken.head().root);
}

#[test]
fn facts_that_do_not_continue_the_journal_are_refused_and_change_nothing() {
    let folder = folder();
    let mut journal = open(&folder);
    journal.append(&entries(0..3), &[], at(0)).unwrap();
    let before = journal.head();

    for wrong in [entries(2..5), entries(4..6), [entries(3..4), entries(5..6)].concat()] {
        let error = journal.append(&wrong, &[], at(0)).unwrap_err();
        assert!(matches!(error, AppendError::OutOfOrder { .. }), "{error}");
    }

    assert_eq!(journal.head(), before);
    assert_eq!(journal.entries(0, 10).unwrap().len(), 3);
    journal.append(&entries(3..4), &[], at(0)).unwrap();
}

#[test]
fn a_refused_row_takes_the_facts_of_its_batch_with_it() {
    let folder = folder();
    let mut journal = open(&folder);
    let twin = JobRow { key: job(1).key, ..job(2) };
    let rows = [submitted(job(1)), submitted(twin)];

    let error = journal.append(&entries(0..2), &rows, at(0)).unwrap_err();

    assert!(matches!(error, AppendError::Fault(crate::Fault::Refused { .. })), "{error}");
    assert_eq!(journal.head(), Head::empty());
    assert_eq!(journal.reader().job(JobId(1)).unwrap(), None);
    journal.append(&entries(0..2), &rows[..1], at(0)).unwrap();
}

#[test]
fn a_second_writer_of_a_data_folder_is_refused_and_told_who_has_it() {
    let folder = folder();
    let first = open(&folder);

    let error = Journal::open(folder.path(), ORIGIN).unwrap_err();

    let expected = format!("is in use by process {}", std::process::id());
    assert!(error.to_string().contains(&expected), "{error}");
    drop(first);
    open(&folder);
}

#[test]
fn an_empty_append_does_nothing() {
    let folder = folder();
    let mut journal = open(&folder);

    assert_eq!(journal.append(&[], &[], at(5)).unwrap(), Head::empty());
    assert_eq!(journal.latest_head().unwrap(), None);
    assert_eq!(journal.heads(10, None).unwrap(), []);
}

#[test]
fn a_ledger_of_a_newer_version_and_a_foreign_database_are_refused() {
    let newer = folder();
    drop(open(&newer));
    let connection = rusqlite::Connection::open(newer.path().join("ledger.db")).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let foreign = folder();
    let connection = rusqlite::Connection::open(foreign.path().join("ledger.db")).unwrap();
    connection.execute_batch("CREATE TABLE t (x)").unwrap();
    drop(connection);

    let error = Journal::open(newer.path(), ORIGIN).unwrap_err();
    assert!(
        matches!(error, OpenError::File(FileError::Newer { found: 99, known: 8, .. })),
        "{error}"
    );
    assert!(matches!(Reader::open(newer.path()), Err(FileError::Newer { .. })));
    let error = Journal::open(foreign.path(), ORIGIN).unwrap_err();
    assert!(matches!(error, OpenError::File(FileError::Foreign { .. })), "{error}");
    let mode: String = rusqlite::Connection::open(foreign.path().join("ledger.db"))
        .unwrap()
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "delete", "a file that is not ours is left as it is");
}

#[test]
fn a_ledger_keeps_its_name_and_its_key() {
    let folder = folder();
    drop(open(&folder));

    let error = Journal::open(folder.path(), "repower.example/other").unwrap_err();
    assert!(matches!(error, OpenError::OtherOrigin { .. }), "{error}");

    let key = folder.path().join("ledger.key");
    std::fs::remove_file(&key).unwrap();
    let error = Journal::open(folder.path(), ORIGIN).unwrap_err();
    assert!(matches!(error, OpenError::OtherKey { .. }), "{error}");
    assert!(!key.exists(), "no new key is made for an old ledger");

    note::load_or_make(&key, ORIGIN).unwrap();
    let error = Journal::open(folder.path(), ORIGIN).unwrap_err();
    assert!(matches!(error, OpenError::OtherKey { .. }), "{error}");
}

#[test]
fn a_name_that_no_cell_can_have_is_refused_before_anything_is_made() {
    let folder = folder();
    for origin in ["", "two words", "a+b", "a\nb"] {
        let error = Journal::open(folder.path(), origin).unwrap_err();
        assert!(matches!(error, OpenError::Origin { .. }), "{error}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_journal_in_memory_gives_the_same_heads_as_one_on_the_disk() {
    let folder = folder();
    let key = note::SignerKey::from_seed(ORIGIN, [7; 32]).unwrap();
    std::fs::write(folder.path().join("ledger.key"), key.to_secret_string()).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(folder.path().join("ledger.key"), private).unwrap();
    let mut on_disk = open(&folder);
    let mut in_memory = crate::memory::Journal::new(ORIGIN, [7; 32]).unwrap();

    for (seqs, seconds) in [(0..3, 0), (3..4, 7200), (4..5000, 7201), (5000..5001, 7202)] {
        let head = on_disk.append(&entries(seqs.clone()), &[], at(seconds)).unwrap();
        assert_eq!(in_memory.append(&entries(seqs), &[], at(seconds)).unwrap(), head);
    }

    assert_eq!(on_disk.heads(10, None).unwrap(), in_memory.heads(10, None).unwrap());
    assert_eq!(on_disk.entries(4990, 100).unwrap(), in_memory.entries(4990, 100).unwrap());
    assert_eq!(on_disk.inclusion(17, 5001).unwrap(), in_memory.inclusion(17, 5001).unwrap());
    let note = on_disk.latest_head().unwrap().unwrap().note;
    assert_eq!(note, FROZEN, "heads of old ledgers must still come out the same");
}

/// The head of the ledger that the test above writes.
const FROZEN: &str = "\
repower.example/test
5001
fYypENq0cBu1l8cKu2FtLTBCZohBwLVtPFn/1PPFpIY=

— repower.example/test zfIc6/0sUk37XeYAMBZJC9IGbRG4LNpiuqG7+wIw1zLlt24FcuTK6n1mzK1RN3Tek36QqC8VDvUvv97iUXm1X4w/lwI=
";

#[test]
fn a_data_folder_that_cannot_be_made_is_named() {
    let folder = folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();

    let error = Journal::open(&file.join("data"), ORIGIN).unwrap_err();

    assert!(matches!(error, OpenError::File(FileError::Io { .. })), "{error}");
    assert!(error.to_string().contains("file/data"), "{error}");
    assert!(matches!(Reader::open(folder.path()), Err(FileError::Absent { .. })));
}

#[test]
fn the_files_of_the_ledger_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let mut journal = open(&folder);
    journal.append(&entries(0..1), &[], at(0)).unwrap();

    for name in ["ledger.db", "ledger.db-wal", "ledger.key", "ledger.lock"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
}

#[test]
fn heads_are_kept_by_count_and_by_hour_and_the_newest_always() {
    let folder = folder();
    let mut journal = open(&folder);
    for (facts, at_ms) in [
        (0..10, 0),
        (10..20, 1000),
        (20..30, 3_600_000),
        (30..4095, 3_600_001),
        (4095..4100, 3_600_002),
        (4100..4200, 3_600_003),
    ] {
        journal.append(&entries(facts), &[], Timestamp::from_millis(at_ms)).unwrap();
    }

    let sizes = |heads: Vec<crate::journal::SignedHead>| {
        heads.iter().map(|h| h.head.size).collect::<Vec<_>>()
    };
    assert_eq!(sizes(journal.heads(10, None).unwrap()), [4200, 4100, 30, 10]);
    assert_eq!(sizes(journal.reader().heads(2, Some(4200)).unwrap()), [4100, 30]);
    drop(journal);
    let mut journal = open(&folder);
    journal.append(&entries(4200..4300), &[], Timestamp::from_millis(3_600_004)).unwrap();
    assert_eq!(sizes(journal.heads(10, None).unwrap()), [4300, 4100, 30, 10]);
}

#[test]
fn proofs_from_a_reader_hold_against_signed_heads() {
    let folder = folder();
    let mut journal = open(&folder);
    let old = journal.append(&entries(0..70), &[], at(0)).unwrap();
    let new = journal.append(&entries(70..200), &[], at(0)).unwrap();
    let reader = journal.reader();

    let path = reader.consistency(70, 200).unwrap();
    merkle::verify_consistency((70, &old.root), (200, &new.root), &path).unwrap();
    let leaf = merkle::leaf(&entries(41..42)[0].body);
    merkle::verify_inclusion(&leaf, 41, 200, &reader.inclusion(41, 200).unwrap(), &new.root)
        .unwrap();
    assert!(reader.inclusion(200, 200).is_err());
    assert!(reader.inclusion(1, 201).is_err());
}

#[test]
fn a_ledger_that_was_removed_or_emptied_is_not_begun_anew_by_itself() {
    for emptied in [false, true] {
        let folder = folder();
        let mut journal = open(&folder);
        journal.append(&entries(0..5), &[], at(0)).unwrap();
        drop(journal);
        std::fs::remove_file(folder.path().join("ledger.db")).unwrap();
        if emptied {
            std::fs::write(folder.path().join("ledger.db"), "").unwrap();
            assert!(matches!(Reader::open(folder.path()), Err(FileError::Empty { .. })));
        }

        let error = Journal::open(folder.path(), ORIGIN).unwrap_err();

        assert!(matches!(error, OpenError::Lost { .. }), "{error}");
    }
}
