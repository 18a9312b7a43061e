//! Output at rest.

use super::*;

/// Compresses all output of a rank, in blocks.
fn blocks(reader: &Reader, rank: RankId) -> Vec<Block> {
    let mut blocks = Vec::new();
    for stream in Stream::ALL {
        let mut from = 0;
        while let Some(packed) = reader.pack(rank, stream, from).unwrap() {
            from = packed.end;
            blocks.push(packed.block);
        }
    }
    blocks
}

/// Lines that compress well, and more of them than a block holds.
fn text() -> Vec<u8> {
    let lines = (0..60_000).map(|line| format!("epoch {line}: loss 0.{line}\n"));
    lines.collect::<String>().into_bytes()
}

fn fill(output: &mut Output, text: &[u8]) {
    let mut start = 0;
    for part in text.chunks(50_000) {
        keep(output, &[chunk(start, part)]);
        start += part.len() as u64;
    }
}

fn whole(reader: &Reader) -> Vec<u8> {
    reader.read(attempt(1, 0, 1), Stream::Stdout, 0, usize::MAX).unwrap().bytes
}

#[test]
fn what_is_compressed_is_read_as_before_from_any_byte_and_its_last_lines_are_found() {
    let (_folder, mut output) = open();
    let text = text();
    fill(&mut output, &text);
    let reader = output.reader();
    let tail = reader.tail(attempt(1, 0, 1), Stream::Stdout, 1000, 1 << 30).unwrap();
    let rank = attempt(1, 0, 1);
    assert_eq!(reader.quiet(at(1), 9).unwrap(), [rank]);

    let saved = output.replace(&blocks(&reader, rank), &[rank], at(1)).unwrap();

    assert!(saved > text.len() as u64 / 2, "{saved} of {} saved", text.len());
    assert_eq!(reader.stored().unwrap(), text.len() as u64 - saved);
    assert!(whole(&reader) == text);
    for from in (0..text.len()).step_by(77_777) {
        let read = reader.read(rank, Stream::Stdout, from as u64, 100).unwrap();
        assert_eq!(read.bytes, text[from..text.len().min(from + 100)]);
    }
    assert_eq!(reader.tail(rank, Stream::Stdout, 1000, 1 << 30).unwrap(), tail);
    assert_eq!(
        (reader.quiet(at(1), 9).unwrap(), reader.old(at(1), 9).unwrap()),
        (vec![], vec![rank])
    );
    let arrivals = reader.arrivals(JobId(1), 0, usize::MAX).unwrap();
    assert!(arrivals.iter().flat_map(|one| one.bytes.clone()).eq(text));
}

#[test]
fn who_prints_again_is_not_taken_for_compressed() {
    let (_folder, mut output) = open();
    fill(&mut output, &text());
    let rank = attempt(1, 0, 1);
    let blocks = blocks(&output.reader(), rank);
    let end = text().len() as u64;

    output.append(&[chunk(end, b"more\n")], u64::MAX, at(5)).unwrap();
    output.replace(&blocks, &[rank], at(1)).unwrap();

    assert!(whole(&output.reader()).ends_with(b"more\n"));
    assert_eq!(output.reader().old(at(9), 9).unwrap(), []);
    assert_eq!(output.reader().quiet(at(9), 9).unwrap(), [rank]);
}

#[test]
fn blocks_of_chunks_that_have_changed_since_are_passed_over() {
    let (_folder, mut output) = open();
    let text = text();
    fill(&mut output, &text);
    let rank = attempt(1, 0, 1);
    let blocks = blocks(&output.reader(), rank);
    assert!(blocks.len() > 4);

    // The bound is passed while they wait: the middle goes.
    let end = text.len() as u64;
    output.append(&[chunk(end, b"last\n")], 300_000, at(0)).unwrap();
    output.replace(&blocks, &[], at(1)).unwrap();

    let reader = output.reader();
    let first = reader.read(rank, Stream::Stdout, 0, usize::MAX).unwrap().bytes;
    assert!(text.starts_with(&first) && (150_000..200_001).contains(&first.len()));
    let rest = reader.read(rank, Stream::Stdout, first.len() as u64, usize::MAX).unwrap();
    assert!(rest.bytes.ends_with(b"last\n") && rest.start > first.len() as u64);
}

#[test]
fn a_crash_at_any_step_of_compressing_loses_nothing_and_it_goes_on_after_it() {
    let text = text();
    let rank = attempt(1, 0, 1);
    let (folder, mut output) = open();
    fill(&mut output, &text);
    let all = blocks(&output.reader(), rank);
    let steps = all.len();
    for step in 0..=steps {
        // What a crash leaves is the file with its log as they are on the disk: both are copied under the writer.
        output.replace(&all[..step], &[], at(1)).unwrap();
        let crashed = tempfile::tempdir().unwrap();
        for name in ["output.db", "output.db-wal"] {
            std::fs::copy(folder.path().join(name), crashed.path().join(name)).unwrap();
        }

        let mut after = Output::open(crashed.path()).unwrap();
        assert!(whole(&after.reader()) == text, "after {step} of {steps} blocks");
        assert_eq!(after.reader().quiet(at(1), 9).unwrap(), [rank]);
        let again = blocks(&after.reader(), rank);
        after.replace(&again, &[rank], at(1)).unwrap();
        assert!(whole(&after.reader()) == text);
        assert_eq!(after.reader().old(at(1), 9).unwrap(), [rank]);
    }
}

#[test]
fn a_transaction_that_a_crash_cuts_off_is_as_if_it_had_never_been() {
    let text = text();
    let (folder, mut output) = open();
    fill(&mut output, &text);
    let rank = attempt(1, 0, 1);
    let before = std::fs::metadata(folder.path().join("output.db-wal")).unwrap().len();
    output.replace(&blocks(&output.reader(), rank), &[rank], at(1)).unwrap();
    let crashed = tempfile::tempdir().unwrap();
    for name in ["output.db", "output.db-wal"] {
        std::fs::copy(folder.path().join(name), crashed.path().join(name)).unwrap();
    }
    // The log ends somewhere in the middle of it, before the frame that commits.
    let log = crashed.path().join("output.db-wal");
    let after = std::fs::metadata(&log).unwrap().len();
    assert!(after > before, "the log has grown from {before} to {after}");
    let file = std::fs::OpenOptions::new().write(true).open(&log).unwrap();
    file.set_len(after - 100).unwrap();
    drop(file);

    let torn = Output::open(crashed.path()).unwrap();

    assert!(whole(&torn.reader()) == text);
    assert_eq!(torn.reader().quiet(at(1), 9).unwrap(), [rank]);
}

#[test]
fn what_is_removed_is_gone_and_known_to_be() {
    let (_folder, mut output) = open();
    let (old, young) = (attempt(1, 0, 1), attempt(1, 1, 1));
    output.append(&[chunk(0, b"old words")], u64::MAX, at(0)).unwrap();
    output.append(&[Chunk { rank: young, ..chunk(0, b"young") }], u64::MAX, at(50)).unwrap();
    let reader = output.reader();

    // Not while more may come.
    assert_eq!(output.remove(&[old], at(60)).unwrap(), Removed::default());
    output.replace(&[], &[old, young], at(60)).unwrap();
    let removed = output.remove(&[old, young], at(50)).unwrap();

    assert_eq!(removed, Removed { printers: 1, bytes: 9 });
    assert_eq!(whole(&reader), b"");
    assert!(reader.is_removed(old).unwrap() && !reader.is_removed(young).unwrap());
    let printers = reader.printers(JobId(1), None, 9).unwrap();
    assert_eq!(printers.iter().map(|one| one.removed).collect::<Vec<_>>(), [true, false]);
    assert_eq!(reader.stored().unwrap(), 5);
}

#[test]
fn a_file_of_an_earlier_version_is_brought_up_to_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("output.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(
        "PRAGMA application_id = 0x5250574F; PRAGMA user_version = 2;
         CREATE TABLE chunks (id INTEGER PRIMARY KEY, job INTEGER NOT NULL, task INTEGER NOT NULL,
             attempt INTEGER NOT NULL, rank INTEGER NOT NULL DEFAULT 0, stream INTEGER NOT NULL,
             start INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;
         CREATE UNIQUE INDEX chunks_in_order ON chunks (job, task, attempt, rank, stream, start);
         INSERT INTO chunks VALUES (1, 1, 0, 1, 0, 1, 0, x'6162'), (2, 1, 0, 1, 0, 1, 2, x'63');",
    )
    .unwrap();
    drop(old);

    let mut output = Output::open(folder.path()).unwrap();

    assert_eq!(all(&output.reader()), b"abc");
    assert_eq!(output.reader().stored().unwrap(), 3);
    assert_eq!(output.reader().quiet(at(1 << 40), 9).unwrap(), [], "nobody knows how old it is");
    output.date(at(7)).unwrap();
    assert_eq!(output.reader().quiet(at(8), 9).unwrap(), [attempt(1, 0, 1)]);
    assert_eq!(keep(&mut output, &[chunk(3, b"d")]), [Ok(4)]);
}

#[test]
fn compressed_output_that_is_damaged_is_an_error_and_not_other_output() {
    let (folder, mut output) = open();
    fill(&mut output, &text());
    let rank = attempt(1, 0, 1);
    output.replace(&blocks(&output.reader(), rank), &[rank], at(1)).unwrap();
    drop(output);
    let file = rusqlite::Connection::open(folder.path().join("output.db")).unwrap();
    file.execute("UPDATE chunks SET bytes = substr(bytes, 1, 100) WHERE start = 0", []).unwrap();
    drop(file);

    let reader = Reader::open(folder.path()).unwrap();

    assert!(reader.read(rank, Stream::Stdout, 0, 10).is_err());
}
