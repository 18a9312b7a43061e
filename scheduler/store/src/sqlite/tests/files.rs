//! Files of jobs.

use repower_model::{
    Artefact, AttemptId, Claim, Count, Finding, FindingId, FindingSource, FindingState, Fraction,
    Hash, JobId, JobState, Progress, RankId, StopCause, StopStep, Stored, TaskId, Timestamp,
    Verdict,
};

use super::common::{at, entries, folder, job, open, submitted};
use crate::journal::Journal as _;
use crate::rows::{
    CheckpointRow, ClaimRow, Collection, DecisionRow, FindingRow, JobEnded, Row, StepTaken,
    Verdict as Decided,
};

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
fn what_a_process_has_claimed_is_found_again_as_it_was() {
    let folder = folder();
    let mut journal = open(&folder);
    let count = |total| Some(Count { unit: "step".into(), value: 7, total });
    let progress = |done: Option<u32>, count, first: Option<u32>| Progress {
        claim: Some(Claim { done: done.and_then(Fraction::from_ppm), count }),
        said: at(9),
        changed: at(8),
        first: first.and_then(Fraction::from_ppm).map(|first| (first, at(1))),
        lines: 3,
        bad_lines: 1,
        mistake: "it is empty".into(),
    };
    let bad = Progress { claim: None, ..progress(None, None, None) };
    let all = [
        ClaimRow { id: rank(0, 1, 0), progress: progress(Some(420_000), None, Some(0)) },
        ClaimRow { id: rank(0, 2, 0), progress: progress(Some(0), count(Some(70)), Some(5)) },
        ClaimRow { id: rank(3, 1, 0), progress: progress(None, count(None), None) },
        ClaimRow { id: rank(3, 1, 1), progress: bad },
    ];
    let rows: Vec<Row> =
        all.iter().cloned().map(|row| Row::ProgressClaimed(Box::new(row))).collect();

    journal.append(&entries(0..1), &rows, at(1)).unwrap();
    journal.append(&entries(1..2), &rows[..1], at(1)).unwrap();

    let reader = journal.reader();
    assert_eq!(reader.claims(JobId(1), (0, 9), 10).unwrap(), all);
    assert_eq!(reader.claims(JobId(1), (1, 9), 1).unwrap(), all[2..3]);
    assert_eq!(reader.claims(JobId(2), (0, 9), 10).unwrap(), []);
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

fn settled(index: u32, number: u32, kept: Result<u8, &str>) -> CheckpointRow {
    let kept = kept.map(|byte| Stored { digest: Hash([byte; 32]), bytes: byte.into() });
    let (id, kept) = (rank(index, number, 0).attempt, kept.map_err(str::to_owned));
    let needed = kept.is_ok();
    CheckpointRow { id, kept, settled: at(5), needed }
}

#[test]
fn a_checkpoint_is_needed_until_the_next_one_is_kept_or_its_task_is_over() {
    let folder = folder();
    let mut journal = open(&folder);
    let all = [
        settled(0, 1, Ok(1)),
        settled(0, 2, Err("the disk is full")),
        settled(0, 3, Ok(2)),
        settled(1, 1, Ok(3)),
    ];
    let needs = |reader: &crate::sqlite::Reader| {
        [1, 2, 3].map(|byte| reader.refers_to(Hash([byte; 32]), at(0)).unwrap())
    };
    let mut rows = vec![submitted(job(1))];
    rows.extend(all[..2].iter().cloned().map(Row::CheckpointSettled));
    journal.append(&entries(0..1), &rows, at(1)).unwrap();
    let reader = journal.reader();
    let first = needs(&reader);
    let rows: Vec<Row> = all[2..].iter().cloned().map(Row::CheckpointSettled).collect();
    journal.append(&entries(1..2), &rows, at(2)).unwrap();
    let later = needs(&reader);
    let over = Row::CheckpointsDropped { job: JobId(1), index: Some(0) };
    journal.append(&entries(2..3), &[over], at(3)).unwrap();

    assert_eq!((first, later), ([true, false, false], [false, true, true]));
    assert_eq!(needs(&reader), [false, false, true]);
    let found = reader.checkpoints(JobId(1), (0, 0), 10).unwrap();
    let gone = |row: &CheckpointRow| CheckpointRow { needed: false, ..row.clone() };
    assert_eq!(found, all[..3].iter().map(gone).collect::<Vec<_>>());
    assert_eq!(reader.checkpoints(JobId(1), (1, 9), 10).unwrap(), all[3..]);
}

#[test]
fn the_steps_of_stops_are_those_of_the_latest_attempts_in_their_order() {
    let folder = folder();
    let mut journal = open(&folder);
    let step = |number, rank_of, step: StopStep, signal| StepTaken {
        id: rank(0, number, rank_of),
        step,
        cause: StopCause::TimedOut,
        signal,
        taken: at(7),
    };
    let all = [
        step(1, 0, StopStep::Terminate, 15),
        step(2, 0, StopStep::Checkpoint, 10),
        step(2, 0, StopStep::Kill, 9),
        step(2, 1, StopStep::Terminate, 15),
    ];
    let mut rows = vec![submitted(job(1))];
    rows.extend(all.iter().rev().copied().map(Row::StepTaken));
    journal.append(&entries(0..1), &rows, at(1)).unwrap();
    let reader = journal.reader();
    let task = TaskId { job: JobId(1), index: 0 };

    assert_eq!(reader.latest_steps(task, 100).unwrap(), all);
    assert_eq!(reader.latest_steps(task, 2).unwrap(), all[2..]);
}

#[test]
fn an_output_that_a_finding_holds_back_is_held_by_its_digest_unless_another_put_out_the_same() {
    let folder = folder();
    let mut journal = open(&folder);
    let verdict = Verdict {
        rule: "content.pool-words".into(),
        version: 1,
        tier: 2,
        mechanism: "content".into(),
        first_seen: at(1),
        last_seen: at(1),
        times: 1,
        detail: String::new(),
    };
    let own = |byte| Artefact { bytes: u64::from(byte < 9), ..artefact("x", byte) };
    let mut finding = Finding::new(FindingId(7), FindingSource::Task, at(1), Hash([0; 32]));
    (finding.job, finding.rank) = (Some(JobId(1)), Some(rank(0, 1, 0)));
    finding.notice(&[verdict], &[], None);
    assert!(finding.holds_outputs());
    let rows = [
        submitted(job(1)),
        Row::InputsGiven { job: JobId(1), inputs: vec![artefact("given", 4)] },
        Row::OutputsKept(collection(rank(0, 1, 0), &[artefact("a", 1), artefact("b", 2)], &[])),
        Row::OutputsKept(collection(
            rank(0, 1, 1),
            &[own(4), Artefact { path: "e".into(), ..own(9) }],
            &[],
        )),
        Row::OutputsKept(collection(rank(1, 1, 0), &[artefact("b", 2)], &[])),
        Row::Finding(Box::new(FindingRow { finding: finding.clone(), body: Vec::new() })),
        // Who names it as an input afterwards had not brought it.
        submitted(job(2)),
        Row::InputsGiven { job: JobId(2), inputs: vec![artefact("later", 1)] },
    ];

    journal.append(&entries(0..1), &rows, at(1)).unwrap();

    let reader = journal.reader();
    let held = |byte: u8| reader.holds_artefact(Hash([byte; 32])).unwrap();
    assert_eq!([held(1), held(2), held(3)], [Some(FindingId(7)), None, None]);
    assert_eq!([held(4), held(9)], [None; 2], "a file that a job had brought, and an empty one");
    finding.state = FindingState::Dismissed;
    let row = Row::Finding(Box::new(FindingRow { finding, body: Vec::new() }));
    journal.append(&entries(1..2), &[row], at(1)).unwrap();
    assert_eq!(held(1), None);
}

#[test]
fn what_was_decided_about_a_job_is_kept_once_for_the_same_words_and_in_order() {
    let folder = folder();
    let mut journal = open(&folder);
    let decided = |verdict, by: &str, reason: &str, ms| DecisionRow {
        job: JobId(1),
        verdict,
        by: by.into(),
        reason: reason.into(),
        at: Timestamp::from_millis(ms),
    };
    let approved = decided(Decided::Approved, "mia", "read it", 5);
    let first = decided(Decided::Cancelled, "ada", "", 7);
    let second = decided(Decided::Cancelled, "ada", "wrong data", 9);
    let again = decided(Decided::Cancelled, "ada", "", 11);
    let rows: Vec<Row> =
        [&approved, &first, &second, &again].map(|row| Row::Decided(row.clone())).into();

    journal.append(&entries(0..1), &rows, Timestamp::from_millis(0)).unwrap();

    let reader = journal.reader();
    assert_eq!(reader.decisions(JobId(1), 9).unwrap(), [approved, first, second.clone()]);
    assert_eq!(reader.decisions(JobId(1), 1).unwrap(), [second]);
    assert_eq!(reader.decisions(JobId(2), 9).unwrap(), []);
}
