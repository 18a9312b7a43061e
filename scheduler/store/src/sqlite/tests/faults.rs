//! Full disks, killed processes, read-only folders, and readers beside the writer.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::common::{ORIGIN, at, entries, folder, job, open, submitted};
use super::tmpfs::Tmpfs;
use crate::journal::{AppendError, Entry, Journal as _, Ledger as _, ReadError, Snapshot};
use crate::sqlite::{Journal, OpenError, Reader};
use crate::verify::{Verifier, verify_folder};
use crate::{Fault, FileError, merkle};

fn assert_holds(folder: &Path, facts: u64) {
    let key = fs::read_to_string(folder.join("ledger.vkey")).unwrap().trim().parse().unwrap();
    let seq_of = |body: &[u8]| Some(u64::from_be_bytes(*body.first_chunk::<8>()?));
    let report = verify_folder(folder, Verifier::new(&key, &seq_of), |_| ()).unwrap();
    assert!(report.holds(), "{:?}", report.first_bad);
    assert_eq!(report.facts, facts);
}

/// Appends in batches of 100 until the disk is full; returns how many facts were appended.
fn fill(journal: &mut Journal) -> u64 {
    loop {
        let size = journal.head().size;
        let before = journal.head();
        match journal.append(&large(size..size + 100), &[submitted(job(size + 1))], at(0)) {
            Ok(head) => assert_eq!(head.size, size + 100),
            Err(error) => {
                assert!(matches!(error, AppendError::Fault(Fault::Full { .. })), "{error:?}");
                assert_eq!(journal.head(), before);
                assert_eq!(journal.entries(size, 10).unwrap(), [], "nothing of the batch is there");
                assert_eq!(journal.latest_head().unwrap().unwrap().head, before);
                assert_eq!(journal.reader().job(job(size + 1).id).unwrap(), None);
                return size;
            }
        }
        assert!(size < 100_000, "the disk should be full by now");
    }
}

fn large(seqs: std::ops::Range<u64>) -> Vec<Entry> {
    let mut entries = entries(seqs);
    for entry in &mut entries {
        entry.body.resize(500, b'x');
    }
    entries
}

#[test]
fn a_full_disk_refuses_the_batch_and_the_next_one_goes_on_when_there_is_space() {
    let Some(tmpfs) = Tmpfs::mount(2048) else {
        return;
    };
    let mut journal = Journal::open(tmpfs.path(), ORIGIN).unwrap();
    let ballast = tmpfs.path().join("ballast");
    fs::write(&ballast, vec![0; 512 * 1024]).unwrap();

    let size = fill(&mut journal);
    let again = journal.append(&large(size..size + 100), &[submitted(job(size + 1))], at(0));
    assert!(matches!(again, Err(AppendError::Fault(Fault::Full { .. }))), "{again:?}");
    fs::remove_file(ballast).unwrap();
    journal.append(&large(size..size + 100), &[submitted(job(size + 1))], at(1)).unwrap();

    assert!(journal.reader().job(job(size + 1).id).unwrap().is_some());
    assert_holds(tmpfs.path(), size + 100);
    drop(journal);
    let journal = Journal::open(tmpfs.path(), ORIGIN).unwrap();
    assert_eq!(journal.head().size, size + 100);
    assert_holds(tmpfs.path(), size + 100);
}

#[test]
fn a_ledger_on_a_full_disk_is_not_opened_and_it_is_the_disk_that_is_full() {
    let Some(tmpfs) = Tmpfs::mount(2048) else {
        return;
    };
    let data = tmpfs.path().join("data");
    Journal::open(&data, ORIGIN).unwrap().append(&entries(0..3), &[], at(0)).unwrap();
    let mut ballast = fs::File::create(tmpfs.path().join("ballast")).unwrap();
    while std::io::Write::write_all(&mut ballast, &[0; 512]).is_ok() {}
    drop(ballast);

    let refused = Journal::open(&data, ORIGIN).unwrap_err();
    fs::remove_file(tmpfs.path().join("ballast")).unwrap();

    let causes =
        std::iter::successors(Some(&refused as &dyn std::error::Error), |one| one.source());
    let told: Vec<String> = causes.map(ToString::to_string).collect();
    assert!(told.join(": ").contains("is full"), "{told:?}");
    assert!(refused.hint().contains("free space"), "{}", refused.hint());
    assert_eq!(Journal::open(&data, ORIGIN).unwrap().head().size, 3);
}

#[test]
fn a_ledger_at_its_page_limit_refuses_the_batch_and_goes_on_when_there_is_space() {
    let folder = folder();
    let mut journal = open(&folder);
    let limit = |journal: &Journal, pages: i64| {
        let set =
            journal
                .connection
                .pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0));
        assert_eq!(set.unwrap(), pages);
    };
    limit(&journal, 200);

    let size = fill(&mut journal);
    limit(&journal, 400);
    journal.append(&large(size..size + 100), &[], at(1)).unwrap();

    assert_holds(folder.path(), size + 100);
}

#[test]
fn a_disk_that_is_full_at_the_first_start_leaves_nothing_that_hinders_the_second() {
    let Some(tmpfs) = Tmpfs::mount(384) else {
        return;
    };
    let ballast = tmpfs.path().join("ballast");
    let data = tmpfs.path().join("data");
    for kib in (4..=384).rev().step_by(12) {
        let filled = fs::write(&ballast, vec![0; kib * 1024]);
        if filled.is_ok() || kib == 384 {
            match Journal::open(&data, ORIGIN) {
                Ok(journal) => assert_eq!(journal.head().size, 0),
                Err(error) => {
                    assert!(matches!(error, OpenError::File(_) | OpenError::Key(_)), "{error}");
                }
            }
        }
    }
    fs::remove_file(&ballast).unwrap();

    Journal::open(&data, ORIGIN).unwrap().append(&entries(0..3), &[], at(0)).unwrap();

    assert_holds(&data, 3);
}

#[test]
fn a_write_that_was_cut_off_at_any_byte_leaves_whole_batches() {
    let folder = folder();
    let mut journal = open(&folder);
    let mut sizes = vec![0];
    for batch in [1_u64, 7, 30, 2, 100, 1] {
        let size = journal.head().size;
        journal.append(&entries(size..size + batch), &[submitted(job(size + 1))], at(0)).unwrap();
        sizes.push(size + batch);
    }
    let wal = fs::read(folder.path().join("ledger.db-wal")).unwrap();

    // As a process that was killed, or a machine that lost power, leaves it: the log ends somewhere.
    let mut seen = std::collections::BTreeSet::new();
    for cut in (0..=wal.len()).step_by(wal.len() / 40).chain([wal.len()]) {
        let copy = tempfile::tempdir().unwrap();
        for name in ["ledger.db", "ledger.key"] {
            fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
        }
        fs::write(copy.path().join("ledger.db-wal"), &wal[..cut]).unwrap();
        let mut journal = Journal::open(copy.path(), ORIGIN).unwrap();
        let size = journal.head().size;
        assert!(sizes.contains(&size), "{size} facts after {cut} bytes");
        journal.append(&entries(size..size + 1), &[], at(0)).unwrap();
        assert_holds(copy.path(), size + 1);
        seen.insert(size);
    }

    assert_eq!(seen.last(), sizes.last(), "the whole log gives all facts");
    assert!(seen.len() >= 4, "{seen:?}");
}

#[test]
fn a_transaction_that_is_dropped_leaves_no_trace() {
    let folder = folder();
    let mut journal = open(&folder);
    let head = journal.append(&entries(0..3), &[], at(0)).unwrap();

    let transaction = journal.connection.transaction().unwrap();
    transaction.execute("INSERT INTO facts VALUES (3, x'00', x'00')", []).unwrap();
    drop(transaction);

    assert_eq!(journal.append(&entries(3..4), &[], at(0)).unwrap().size, head.size + 1);
    assert_holds(folder.path(), 4);
}

#[test]
fn a_folder_that_may_not_be_written_can_be_verified_but_not_written_on() {
    let Some(tmpfs) = Tmpfs::mount(2048) else {
        return;
    };
    let mut journal = Journal::open(tmpfs.path(), ORIGIN).unwrap();
    journal.append(&entries(0..10), &[], at(0)).unwrap();
    drop(journal);
    tmpfs.make_read_only();

    assert_holds(tmpfs.path(), 10);
    let error = Journal::open(tmpfs.path(), ORIGIN).unwrap_err();
    assert!(matches!(error, OpenError::File(FileError::Io { .. })), "{error}");
    assert!(error.hint().contains("this user may write"), "{}", error.hint());
}

#[test]
fn a_transaction_of_another_process_is_told_from_a_damaged_file() {
    let folder = folder();
    let mut journal = open(&folder);
    journal.connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    let other = rusqlite::Connection::open(folder.path().join("ledger.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let error = journal.append(&entries(0..1), &[], at(0)).unwrap_err();

    assert!(matches!(error, AppendError::Fault(Fault::Busy { .. })), "{error}");
    other.execute_batch("ROLLBACK").unwrap();
    journal.append(&entries(0..1), &[], at(0)).unwrap();
}

#[test]
fn readers_see_whole_batches_while_the_writer_goes_on() {
    let folder = folder();
    let mut journal = open(&folder);
    journal.append(&entries(0..1), &[], at(0)).unwrap();
    let reader = journal.reader();
    let outsider = Reader::open(folder.path()).unwrap();
    let done = AtomicBool::new(false);

    std::thread::scope(|scope| {
        for reader in [reader.clone(), reader, outsider] {
            let done = &done;
            scope.spawn(move || {
                // Bounded, so that a writer that fails does not leave them reading for ever.
                for _ in 0..10_000 {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let head = reader.latest_head().unwrap().unwrap().head;
                    let leaves = reader.leaf_hashes(head.size).unwrap();
                    assert_eq!(merkle::root(&leaves), head.root);
                    let job = reader.job(job(head.size).id).unwrap();
                    assert!(job.is_some() || head.size == 1);
                }
            });
        }
        for size in 1..200 {
            journal.append(&entries(size..size + 1), &[submitted(job(size + 1))], at(0)).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_snapshot_that_does_not_fit_on_the_disk_leaves_the_older_one_and_no_rest() {
    let Some(tmpfs) = Tmpfs::mount(2048) else {
        return;
    };
    let mut journal = Journal::open(tmpfs.path(), ORIGIN).unwrap();
    journal.append(&entries(0..10), &[], at(0)).unwrap();
    let small = Snapshot { size: 5, format: 1, bytes: vec![1; 100] };
    journal.save_snapshot(&small).unwrap();

    let error = journal
        .save_snapshot(&Snapshot { size: 10, format: 1, bytes: vec![1; 4 << 20] })
        .unwrap_err();

    assert!(matches!(error, ReadError::Snapshot(_)), "{error}");
    assert_eq!(journal.latest_snapshot().unwrap().snapshot, Some(small));
    assert_eq!(fs::read_dir(tmpfs.path().join("snapshots")).unwrap().count(), 1);
    journal.append(&entries(10..20), &[], at(0)).unwrap();
}
