//! Files of jobs.

use repower_model::{Artefact, AttemptId, Hash, JobId, JobState, RankId, TaskId};

use super::common::{at, entries, folder, job, open, submitted};
use crate::journal::Journal as _;
use crate::rows::{Collection, JobEnded, Row};

fn artefact(path: &str, byte: u8) -> Artefact {
    Artefact { path: path.to_owned(), bytes: 5, digest: Hash([byte; 32]) }
}

fn rank(index: u32, number: u32, rank: u32) -> RankId {
    AttemptId { task: TaskId { job: JobId(1), index }, number }.rank(rank)
}

fn collection(id: RankId, artefacts: &[Artefact], missing: &[&str]) -> Collection {
    let missing = missing.iter().map(|&word| word.to_owned()).collect();
    Collection { id, artefacts: artefacts.to_vec(), missing }
}

#[test]
fn outputs_are_those_of_the_latest_attempt_that_had_any_by_task_and_rank() {
    let folder = folder();
    let mut journal = open(&folder);
    let all = [
        collection(rank(0, 1, 0), &[artefact("old", 1)], &[]),
        collection(rank(0, 2, 0), &[artefact("b", 2), artefact("a", 3)], &["*.png", "c: gone"]),
        collection(rank(3, 1, 0), &[], &[]),
        collection(rank(3, 1, 1), &[artefact("x", 4)], &[]),
    ];
    let rows: Vec<Row> = std::iter::once(submitted(job(1)))
        .chain(all.iter().cloned().map(Row::OutputsKept))
        .collect();
    journal.append(&entries(0..1), &rows, at(1)).unwrap();
    let reader = journal.reader();

    let found = reader.outputs(JobId(1), None, None, 10).unwrap();
    let page = reader.outputs(JobId(1), None, Some((3, 0)), 10).unwrap();
    let one = reader.outputs(JobId(1), Some(3), None, 1).unwrap();

    let sorted =
        collection(all[1].id, &[artefact("a", 3), artefact("b", 2)], &["*.png", "c: gone"]);
    assert_eq!(found, [sorted, all[2].clone(), all[3].clone()]);
    assert_eq!(page, [all[3].clone()]);
    assert_eq!(one, [all[2].clone()]);
}

#[test]
fn an_input_is_needed_for_a_while_after_its_job_and_an_output_for_ever() {
    let folder = folder();
    let mut journal = open(&folder);
    let rows = [
        submitted(job(1)),
        Row::InputsGiven { job: JobId(1), inputs: vec![artefact("in", 1)] },
        Row::OutputsKept(collection(rank(0, 1, 0), &[artefact("out", 2)], &[])),
    ];
    journal.append(&entries(0..1), &rows, at(1)).unwrap();
    let reader = journal.reader();
    let needed = |byte, since| reader.refers_to(Hash([byte; 32]), at(since)).unwrap();

    let live = (needed(1, 1_000_000), needed(2, 1_000_000), needed(9, 0));
    let ended = JobEnded {
        id: JobId(1),
        state: JobState::Succeeded,
        exit_code: Some(0),
        signal: None,
        succeeded: 1,
        failed: 0,
        cancelled: 0,
        started: None,
        ended: at(100),
    };
    journal.append(&entries(1..2), &[Row::JobEnded(ended)], at(100)).unwrap();

    assert_eq!(live, (true, true, false));
    assert_eq!((needed(1, 100), needed(1, 101), needed(2, 1_000_000)), (true, false, true));
}
