//! Snapshots, whole and not.

use std::fs;
use std::path::PathBuf;

use super::common::{at, entries, folder, open};
use crate::journal::{Journal as _, ReadError, Snapshot};
use crate::snapshot::{Problem, SnapshotError};

/// Does something to the bytes of a file.
type Damage = fn(&mut Vec<u8>);

fn snapshot(size: u64) -> Snapshot {
    Snapshot { size, format: 3, bytes: format!("state of {size} facts").into_bytes() }
}

fn file(folder: &tempfile::TempDir, size: u64) -> PathBuf {
    folder.path().join("snapshots").join(format!("{size:020}.snapshot"))
}

#[test]
fn the_last_two_snapshots_are_kept_and_the_newest_is_found() {
    let folder = folder();
    let mut journal = open(&folder);
    assert!(journal.latest_snapshot().unwrap().snapshot.is_none());
    journal.append(&entries(0..30), &[], at(0)).unwrap();

    for size in [0, 10, 20, 30] {
        journal.save_snapshot(&snapshot(size)).unwrap();
    }

    let found = journal.latest_snapshot().unwrap();
    assert_eq!(found.snapshot, Some(snapshot(30)));
    assert_eq!(found.damaged, []);
    let mut names: Vec<_> =
        fs::read_dir(folder.path().join("snapshots")).unwrap().map(|f| f.unwrap().path()).collect();
    names.sort();
    assert_eq!(names, [file(&folder, 20), file(&folder, 30)]);
}

#[test]
fn a_damaged_snapshot_is_passed_over_and_reported() {
    let damages: [(Problem, Damage); 6] = [
        (Problem::Hash, |file| *file.last_mut().unwrap() ^= 1),
        (Problem::Hash, |file| file[9] ^= 1),
        (Problem::Length, |file| file.truncate(100)),
        (Problem::Length, |file| file.truncate(10)),
        (Problem::Length, |file| file.push(0)),
        (Problem::Header, |file| file[0] = b'x'),
    ];
    for (problem, damage) in damages {
        let folder = folder();
        let mut journal = open(&folder);
        journal.append(&entries(0..30), &[], at(0)).unwrap();
        journal.save_snapshot(&snapshot(20)).unwrap();
        journal.save_snapshot(&snapshot(30)).unwrap();
        let mut bytes = fs::read(file(&folder, 30)).unwrap();
        damage(&mut bytes);
        fs::write(file(&folder, 30), bytes).unwrap();

        let found = journal.latest_snapshot().unwrap();

        assert_eq!(found.snapshot, Some(snapshot(20)));
        assert_eq!(
            found.damaged.iter().map(|d| (d.size, d.problem)).collect::<Vec<_>>(),
            [(30, problem)]
        );
    }
}

#[test]
fn a_snapshot_from_before_the_ledger_was_restored_is_not_used() {
    let (longer, other, restored) = (folder(), folder(), folder());
    let mut journal = open(&longer);
    journal.append(&entries(0..30), &[], at(0)).unwrap();
    journal.save_snapshot(&snapshot(30)).unwrap();
    let mut journal = open(&other);
    let changed = entries(0..20)
        .into_iter()
        .map(|mut entry| {
            entry.body.push(1);
            entry
        })
        .collect::<Vec<_>>();
    journal.append(&changed, &[], at(0)).unwrap();
    journal.save_snapshot(&snapshot(20)).unwrap();
    let mut journal = open(&restored);
    journal.append(&entries(0..20), &[], at(0)).unwrap();
    fs::create_dir(restored.path().join("snapshots")).unwrap();
    fs::copy(file(&longer, 30), file(&restored, 30)).unwrap();
    fs::copy(file(&other, 20), file(&restored, 20)).unwrap();

    let found = journal.latest_snapshot().unwrap();

    assert_eq!(found.snapshot, None);
    let problems: Vec<_> = found.damaged.iter().map(|d| d.problem).collect();
    assert_eq!(problems, [Problem::Ahead, Problem::OtherLedger]);
    journal.save_snapshot(&snapshot(15)).unwrap();
    assert_eq!(journal.latest_snapshot().unwrap().snapshot, Some(snapshot(15)));
    assert!(!file(&restored, 30).exists());
}

#[test]
fn a_snapshot_of_facts_that_are_not_there_is_refused() {
    let folder = folder();
    let mut journal = open(&folder);

    let error = journal.save_snapshot(&snapshot(1)).unwrap_err();

    assert!(matches!(error, ReadError::Snapshot(SnapshotError::Ahead { size: 1 })), "{error}");
}
