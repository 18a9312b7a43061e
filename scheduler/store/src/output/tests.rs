//! Each byte once.

use repower_model::{AttemptId, JobId, RankId, TaskId, Timestamp};

use super::*;

mod bound;
mod rest;

fn attempt(job: u64, index: u32, number: u32) -> RankId {
    AttemptId { task: TaskId { job: JobId(job), index }, number }.rank(0)
}

fn chunk(start: u64, bytes: &[u8]) -> Chunk {
    Chunk {
        rank: attempt(1, 0, 1),
        stream: Stream::Stdout,
        start,
        missing: 0,
        bytes: bytes.to_vec(),
    }
}

fn open() -> (tempfile::TempDir, Output) {
    let folder = tempfile::tempdir().unwrap();
    let output = Output::open(folder.path()).unwrap();
    (folder, output)
}

fn all(reader: &Reader) -> Vec<u8> {
    reader.read(attempt(1, 0, 1), Stream::Stdout, 0, 1 << 20).unwrap().bytes
}

/// Keeps chunks at a time of no matter, without a bound.
fn keep(output: &mut Output, chunks: &[Chunk]) -> Vec<Result<u64, Refused>> {
    output.append(chunks, u64::MAX, at(0)).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn printed_by(reader: &Reader, after: Option<RankId>, limit: usize) -> Vec<RankId> {
    let printers = reader.printers(JobId(1), after, limit).unwrap();
    printers.iter().map(|printer| printer.rank).collect()
}

#[test]
fn chunks_that_come_again_or_overlap_leave_each_byte_once() {
    let (_folder, mut output) = open();
    let chunks = [
        chunk(0, b"hello"),
        chunk(0, b"hello"),
        chunk(3, b"lo wor"),
        chunk(2, b"l"),
        chunk(9, b"ld"),
        chunk(11, b""),
        chunk(0, b"hello world"),
    ];

    let lengths = keep(&mut output, &chunks);

    assert_eq!(lengths, [5, 5, 9, 9, 11, 11, 11].map(Ok));
    assert_eq!(all(&output.reader()), b"hello world");
}

#[test]
fn a_gap_and_a_long_chunk_are_refused_without_holding_up_the_others() {
    let (_folder, mut output) = open();
    let other = Chunk { stream: Stream::Stderr, ..chunk(0, b"warning") };
    let long = chunk(0, &vec![0; CHUNK_LIMIT + 1]);

    let results = keep(&mut output, &[chunk(3, b"late"), other.clone(), long, chunk(0, b"abc")]);

    assert_eq!(results[0], Err(Refused::Gap { start: 3, have: 0 }));
    assert_eq!(results[1], Ok(7));
    assert_eq!(results[2], Err(Refused::TooLong { bytes: CHUNK_LIMIT + 1 }));
    assert_eq!(results[3], Ok(3));
    assert_eq!(all(&output.reader()), b"abc");
    assert_eq!(output.reader().length(other.rank, Stream::Stderr).unwrap(), 7);
}

#[test]
fn reading_from_any_byte_gives_the_bytes_from_there() {
    let (_folder, mut output) = open();
    let text: Vec<u8> = (0..100).collect();
    let mut start = 0;
    for part in text.chunks(7) {
        keep(&mut output, &[chunk(start, part)]);
        start += part.len() as u64;
    }
    let reader = output.reader();

    for from in 0..=100_usize {
        for max in [0, 1, 6, 7, 8, 50, 200] {
            let expected = &text[from..(from + max).min(100)];
            let read = reader.read(attempt(1, 0, 1), Stream::Stdout, from as u64, max).unwrap();
            assert_eq!(read.bytes, expected, "{max} from {from}");
        }
    }
    assert_eq!(reader.read(attempt(1, 0, 1), Stream::Stdout, u64::MAX, 9).unwrap().bytes, b"");
    assert_eq!(reader.read(attempt(1, 0, 2), Stream::Stdout, 0, 9).unwrap().bytes, b"");
}

#[test]
fn output_is_there_after_a_restart_and_arrives_where_it_stopped() {
    let (folder, mut output) = open();
    keep(&mut output, &[chunk(0, b"abc")]);
    drop(output);

    let mut output = Output::open(folder.path()).unwrap();

    assert_eq!(keep(&mut output, &[chunk(4, b"e")]), [Err(Refused::Gap { start: 4, have: 3 })]);
    assert_eq!(keep(&mut output, &[chunk(2, b"cd")]), [Ok(4)]);
    assert_eq!(all(&Reader::open(folder.path()).unwrap()), b"abcd");
}

#[test]
fn the_ranks_with_output_are_listed_page_by_page() {
    let (_folder, mut output) = open();
    let chunks = [(1, 0, 1), (1, 0, 2), (1, 5, 1), (2, 0, 1)]
        .map(|(job, index, number)| Chunk { rank: attempt(job, index, number), ..chunk(0, b"x") });
    keep(&mut output, &chunks);
    let reader = output.reader();

    let first = printed_by(&reader, None, 2);
    assert_eq!(first, [attempt(1, 0, 1), attempt(1, 0, 2)]);
    let next = printed_by(&reader, first.last().copied(), 2);
    assert_eq!(next, [attempt(1, 5, 1)]);
}

#[test]
fn the_largest_chunk_is_kept_whole() {
    let (_folder, mut output) = open();
    let bytes: Vec<u8> = (0..=250).cycle().take(CHUNK_LIMIT).collect();

    assert_eq!(keep(&mut output, &[chunk(0, &bytes)]), [Ok(CHUNK_LIMIT as u64)]);

    assert_eq!(all(&output.reader()), bytes);
}

#[test]
fn each_rank_of_a_gang_has_its_own_streams() {
    let (_folder, mut output) = open();
    let of =
        |rank, bytes: &[u8]| Chunk { rank: attempt(1, 0, 1).attempt.rank(rank), ..chunk(0, bytes) };
    keep(&mut output, &[of(2, b"two"), of(0, b"none"), of(2, b"two more")]);
    let reader = output.reader();

    let ranks = printed_by(&reader, None, 9);

    let read = |rank: RankId| reader.read(rank, Stream::Stdout, 0, 99).unwrap().bytes;
    assert_eq!(ranks, [0, 2].map(|rank| attempt(1, 0, 1).attempt.rank(rank)));
    let all: Vec<_> = ranks.into_iter().map(read).collect();
    assert_eq!(all, [b"none".to_vec(), b"two more".to_vec()]);
}

#[test]
fn a_file_without_ranks_opens_and_what_it_has_is_of_rank_0() {
    let folder = tempfile::tempdir().unwrap();
    let old = rusqlite::Connection::open(folder.path().join("output.db")).unwrap();
    old.execute_batch(
        "PRAGMA application_id = 0x5250574F; PRAGMA user_version = 1;
         CREATE TABLE chunks (
            id INTEGER PRIMARY KEY, job INTEGER NOT NULL, task INTEGER NOT NULL, attempt INTEGER NOT NULL,
            stream INTEGER NOT NULL, start INTEGER NOT NULL, bytes BLOB NOT NULL
         ) STRICT;
         CREATE UNIQUE INDEX chunks_in_order ON chunks (job, task, attempt, stream, start);
         INSERT INTO chunks (job, task, attempt, stream, start, bytes) VALUES (1, 0, 1, 1, 0, x'6f6c64');",
    )
    .unwrap();
    drop(old);

    let mut output = Output::open(folder.path()).unwrap();
    keep(&mut output, &[chunk(3, b" and new")]);

    assert_eq!(all(&output.reader()), b"old and new");
    drop(output);
    assert_eq!(all(&Output::open(folder.path()).unwrap().reader()), b"old and new");
}
