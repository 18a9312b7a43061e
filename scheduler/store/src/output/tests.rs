//! Each byte once.

use repower_model::{AttemptId, JobId, TaskId};

use super::*;

fn attempt(job: u64, index: u32, number: u32) -> AttemptId {
    AttemptId { task: TaskId { job: JobId(job), index }, number }
}

fn chunk(start: u64, bytes: &[u8]) -> Chunk {
    Chunk { attempt: attempt(1, 0, 1), stream: Stream::Stdout, start, bytes: bytes.to_vec() }
}

fn open() -> (tempfile::TempDir, Output) {
    let folder = tempfile::tempdir().unwrap();
    let output = Output::open(folder.path()).unwrap();
    (folder, output)
}

fn all(reader: &Reader) -> Vec<u8> {
    reader.read(attempt(1, 0, 1), Stream::Stdout, 0, 1 << 20).unwrap()
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

    let lengths = output.append(&chunks).unwrap();

    assert_eq!(lengths, [5, 5, 9, 9, 11, 11, 11].map(Ok));
    assert_eq!(all(&output.reader()), b"hello world");
}

#[test]
fn a_gap_and_a_long_chunk_are_refused_without_holding_up_the_others() {
    let (_folder, mut output) = open();
    let other = Chunk { stream: Stream::Stderr, ..chunk(0, b"warning") };
    let long = chunk(0, &vec![0; CHUNK_LIMIT + 1]);

    let results =
        output.append(&[chunk(3, b"late"), other.clone(), long, chunk(0, b"abc")]).unwrap();

    assert_eq!(results[0], Err(Refused::Gap { start: 3, have: 0 }));
    assert_eq!(results[1], Ok(7));
    assert_eq!(results[2], Err(Refused::TooLong { bytes: CHUNK_LIMIT + 1 }));
    assert_eq!(results[3], Ok(3));
    assert_eq!(all(&output.reader()), b"abc");
    assert_eq!(output.reader().length(other.attempt, Stream::Stderr).unwrap(), 7);
}

#[test]
fn reading_from_any_byte_gives_the_bytes_from_there() {
    let (_folder, mut output) = open();
    let text: Vec<u8> = (0..100).collect();
    let mut start = 0;
    for part in text.chunks(7) {
        output.append(&[chunk(start, part)]).unwrap();
        start += part.len() as u64;
    }
    let reader = output.reader();

    for from in 0..=100_usize {
        for max in [0, 1, 6, 7, 8, 50, 200] {
            let expected = &text[from..(from + max).min(100)];
            let read = reader.read(attempt(1, 0, 1), Stream::Stdout, from as u64, max).unwrap();
            assert_eq!(read, expected, "{max} from {from}");
        }
    }
    assert_eq!(reader.read(attempt(1, 0, 1), Stream::Stdout, u64::MAX, 9).unwrap(), b"");
    assert_eq!(reader.read(attempt(1, 0, 2), Stream::Stdout, 0, 9).unwrap(), b"");
}

#[test]
fn output_is_there_after_a_restart_and_arrives_where_it_stopped() {
    let (folder, mut output) = open();
    output.append(&[chunk(0, b"abc")]).unwrap();
    drop(output);

    let mut output = Output::open(folder.path()).unwrap();

    assert_eq!(
        output.append(&[chunk(4, b"e")]).unwrap(),
        [Err(Refused::Gap { start: 4, have: 3 })]
    );
    assert_eq!(output.append(&[chunk(2, b"cd")]).unwrap(), [Ok(4)]);
    assert_eq!(all(&Reader::open(folder.path()).unwrap()), b"abcd");
}

#[test]
fn the_attempts_with_output_are_listed_page_by_page() {
    let (_folder, mut output) = open();
    let chunks = [(1, 0, 1), (1, 0, 2), (1, 5, 1), (2, 0, 1)].map(|(job, index, number)| Chunk {
        attempt: attempt(job, index, number),
        ..chunk(0, b"x")
    });
    output.append(&chunks).unwrap();
    let reader = output.reader();

    let first = reader.attempts_with_output(JobId(1), None, 2).unwrap();
    assert_eq!(first, [attempt(1, 0, 1), attempt(1, 0, 2)]);
    let next = reader.attempts_with_output(JobId(1), first.last().copied(), 2).unwrap();
    assert_eq!(next, [attempt(1, 5, 1)]);
}

#[test]
fn pruning_removes_the_output_of_one_job() {
    let (_folder, mut output) = open();
    let other = Chunk { attempt: attempt(2, 0, 1), ..chunk(0, b"kept") };
    output.append(&[chunk(0, b"removed"), other.clone()]).unwrap();

    assert_eq!(output.prune(JobId(1)).unwrap(), 7);

    assert_eq!(all(&output.reader()), b"");
    assert_eq!(output.reader().length(other.attempt, Stream::Stdout).unwrap(), 4);
}

#[test]
fn the_largest_chunk_is_kept_whole() {
    let (_folder, mut output) = open();
    let bytes: Vec<u8> = (0..=250).cycle().take(CHUNK_LIMIT).collect();

    assert_eq!(output.append(&[chunk(0, &bytes)]).unwrap(), [Ok(CHUNK_LIMIT as u64)]);

    assert_eq!(all(&output.reader()), bytes);
}
