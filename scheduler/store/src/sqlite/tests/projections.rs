//! What people look up.

use repower_model::{Fault, IndexRange, JobId, JobState, NodeId, Outcome, Sequel, Usage};

use super::common::{
    at, attempt_ended, ended, entries, folder, job, job_ended, open, placed, submitted,
};
use crate::journal::Journal as _;
use crate::rows::{AttemptRow, JobRow, NodeRow, RankEnded, RankRow, Row};
use crate::sqlite::{AttemptFilter, JobFilter};

#[test]
fn a_job_is_found_by_number_and_by_key_as_it_was_submitted() {
    let folder = folder();
    let mut journal = open(&folder);
    let held =
        JobRow { state: JobState::Held, hold_reason: Some("policy.review".to_owned()), ..job(1) };

    journal.append(&entries(0..1), &[submitted(held.clone()), submitted(job(2))], at(0)).unwrap();

    let reader = journal.reader();
    assert_eq!(reader.job(JobId(1)).unwrap(), Some(held.clone()));
    assert_eq!(reader.job_by_key(job(2).key).unwrap(), Some(job(2)));
    assert_eq!(reader.job(JobId(3)).unwrap(), None);
    assert_eq!(reader.job(JobId(u64::MAX)).unwrap(), None);
    assert_eq!(reader.job_by_key(job(3).key).unwrap(), None);
}

#[test]
fn a_job_keeps_what_a_change_does_not_name() {
    let folder = folder();
    let mut journal = open(&folder);
    let running = Row::JobState {
        id: JobId(1),
        state: JobState::Running,
        hold_reason: None,
        started: Some(at(1)),
    };
    let pending =
        Row::JobState { id: JobId(1), state: JobState::Pending, hold_reason: None, started: None };
    journal.append(&entries(0..1), &[submitted(job(1)), running, pending], at(0)).unwrap();
    let reader = journal.reader();
    let before = reader.job(JobId(1)).unwrap().unwrap();
    assert_eq!((before.state, before.started), (JobState::Pending, Some(at(1))));

    journal.append(&entries(1..2), &[job_ended(1, JobState::Failed)], at(0)).unwrap();

    let expected = JobRow {
        state: JobState::Failed,
        exit_code: Some(1),
        succeeded: 3,
        failed: 1,
        started: Some(at(1)),
        ended: Some(at(3)),
        ..job(1)
    };
    assert_eq!(reader.job(JobId(1)).unwrap(), Some(expected));
}

#[test]
fn jobs_are_listed_newest_first_page_by_page_and_filtered() {
    let folder = folder();
    let mut journal = open(&folder);
    let mut rows: Vec<_> = (1..=9).map(|id| submitted(job(id))).collect();
    rows.push(submitted(JobRow {
        name: "other".to_owned(),
        class: "science.md".to_owned(),
        project: "chem".to_owned(),
        ..job(10)
    }));
    rows.extend([2, 4, 6].map(|id| job_ended(id, JobState::Succeeded)));
    rows.push(job_ended(8, JobState::Failed));
    journal.append(&entries(0..1), &rows, at(0)).unwrap();
    let reader = journal.reader();
    let ids = |filter: &JobFilter| {
        reader.jobs(filter).unwrap().into_iter().map(|job| job.id.0).collect::<Vec<_>>()
    };
    let all = JobFilter::default();

    assert_eq!(ids(&JobFilter { limit: 3, ..all.clone() }), [10, 9, 8]);
    assert_eq!(ids(&JobFilter { limit: 3, before: Some(JobId(8)), ..all.clone() }), [7, 6, 5]);
    let states = vec![JobState::Succeeded, JobState::Failed];
    assert_eq!(ids(&JobFilter { states: states.clone(), ..all.clone() }), [8, 6, 4, 2]);
    assert_eq!(ids(&JobFilter { states, before: Some(JobId(6)), limit: 1, ..all.clone() }), [4]);
    assert_eq!(ids(&JobFilter { project: Some("chem".to_owned()), ..all.clone() }), [10]);
    assert_eq!(ids(&JobFilter { class: Some("science.md".to_owned()), ..all.clone() }), [10]);
    assert_eq!(ids(&JobFilter { name: Some("p-7".to_owned()), ..all.clone() }), [7]);
    assert_eq!(ids(&JobFilter { name: Some("' OR 1=1 --".to_owned()), ..all }), [0_u64; 0]);
}

#[test]
fn an_attempt_that_begins_and_ends_in_one_batch_reads_like_one_that_takes_its_time() {
    let folder = folder();
    let mut journal = open(&folder);
    let begin = |index| {
        let placed = placed(1, index, 1);
        let started = Row::AttemptStarted { id: placed.id, started: at(1) };
        [Row::AttemptPlaced(placed), started]
    };
    let [placed_slow, started_slow] = begin(0);
    let [placed_fast, started_fast] = begin(1);
    let end = |index| attempt_ended(1, index, 1, 0, Sequel::Succeeded);

    journal.append(&entries(0..1), &[placed_slow], at(0)).unwrap();
    journal.append(&entries(1..2), &[started_slow], at(0)).unwrap();
    let reader = journal.reader();
    let going_on = reader.attempts(JobId(1), &AttemptFilter::default()).unwrap();
    journal.append(&entries(2..3), &[end(0)], at(0)).unwrap();
    journal.append(&entries(3..4), &[placed_fast, started_fast, end(1)], at(0)).unwrap();

    let row = AttemptRow { placed: placed(1, 0, 1), started: Some(at(1)), ended: None };
    assert_eq!(going_on, [row]);
    let expected = [0, 1].map(|index| {
        let ended = ended(placed(1, index, 1), 0, Sequel::Succeeded);
        AttemptRow { placed: placed(1, index, 1), started: Some(at(1)), ended: Some(ended) }
    });
    assert_eq!(reader.attempts(JobId(1), &AttemptFilter::default()).unwrap(), expected);
}

#[test]
fn an_end_that_does_not_know_the_start_keeps_what_was_known() {
    let folder = folder();
    let mut journal = open(&folder);
    let id = placed(1, 0, 1).id;
    let lost = crate::rows::AttemptEnded {
        started: None,
        outcome: Outcome::Lost { detail: "its lease ran out".to_owned() },
        fault: Fault::System,
        ..ended(placed(1, 0, 1), 0, Sequel::Again)
    };
    let rows = [
        Row::AttemptPlaced(placed(1, 0, 1)),
        Row::AttemptStarted { id, started: at(1) },
        Row::AttemptEnded(Box::new(lost)),
    ];

    journal.append(&entries(0..1), &rows, at(0)).unwrap();

    let [row] =
        <[_; 1]>::try_from(journal.reader().attempts(JobId(1), &AttemptFilter::default()).unwrap())
            .unwrap();
    assert_eq!(row.started, Some(at(1)));
    assert_eq!(
        row.ended.unwrap().outcome,
        Outcome::Lost { detail: "its lease ran out".to_owned() }
    );
}

#[test]
fn a_task_counts_as_failed_by_its_newest_attempt() {
    let folder = folder();
    let mut journal = open(&folder);
    let rows = [
        attempt_ended(1, 0, 1, 1, Sequel::Failed),
        attempt_ended(1, 1, 1, 1, Sequel::Again),
        attempt_ended(1, 1, 2, 1, Sequel::Failed),
        attempt_ended(1, 2, 1, 1, Sequel::Failed),
        attempt_ended(1, 3, 1, 1, Sequel::Again),
        attempt_ended(1, 3, 2, 0, Sequel::Succeeded),
        attempt_ended(1, 4, 1, 0, Sequel::Succeeded),
        attempt_ended(1, 5, 1, 1, Sequel::Failed),
        attempt_ended(1, 6, 1, 130, Sequel::Cancelled),
        attempt_ended(2, 7, 1, 1, Sequel::Failed),
    ];
    journal.append(&entries(0..1), &rows, at(0)).unwrap();
    let reader = journal.reader();
    let range = |first, last| IndexRange { first, last, step: 1 };

    assert_eq!(reader.failed_tasks(JobId(1)).unwrap(), [range(0, 2), range(5, 5)]);
    assert_eq!(reader.failed_tasks(JobId(9)).unwrap(), []);

    let listed = |filter: AttemptFilter| {
        let ids = reader.attempts(JobId(1), &filter).unwrap().into_iter().map(|row| row.placed.id);
        ids.map(|id| (id.task.index, id.number)).collect::<Vec<_>>()
    };
    let filter = AttemptFilter { first_task: 1, last_task: 3, ..AttemptFilter::default() };
    assert_eq!(listed(filter.clone()), [(1, 1), (1, 2), (2, 1), (3, 1), (3, 2)]);
    let failed = AttemptFilter { failed_only: true, ..filter };
    assert_eq!(listed(failed.clone()), [(1, 1), (1, 2), (2, 1), (3, 1)]);
    assert_eq!(listed(AttemptFilter { limit: 2, offset: 1, ..failed }), [(1, 2), (2, 1)]);
}

#[test]
fn a_node_is_found_by_name_as_it_was_last() {
    let folder = folder();
    let mut journal = open(&folder);
    let node = |id, name: &str, phase: &str| NodeRow {
        id: NodeId(id),
        name: name.to_owned(),
        phase: phase.to_owned(),
        cpus_milli: 2000,
        memory_bytes: 1 << 32,
        isa: "x86-64-v3".to_owned(),
        kernel: "6.18".to_owned(),
        version: "0.1.0".to_owned(),
        since: at(0),
        reason: None,
    };
    let write = |row| Row::Node(Box::new(row));
    let rows = [node(1, "b", "up"), node(2, "a", "up"), node(1, "b", "lost")].map(write);

    journal.append(&entries(0..1), &rows, at(0)).unwrap();

    let reader = journal.reader();
    assert_eq!(reader.node("b").unwrap(), Some(node(1, "b", "lost")));
    assert_eq!(reader.node("c").unwrap(), None);
    assert_eq!(reader.nodes().unwrap(), [node(2, "a", "up"), node(1, "b", "lost")]);
}

#[test]
fn the_views_show_ended_jobs_with_class_node_exit_code_and_times() {
    let folder = folder();
    let mut journal = open(&folder);
    let rows = [
        submitted(job(1)),
        submitted(job(2)),
        attempt_ended(1, 0, 1, 1, Sequel::Failed),
        job_ended(1, JobState::Failed),
    ];
    journal.append(&entries(0..4), &rows, at(0)).unwrap();
    let connection = rusqlite::Connection::open(folder.path().join("ledger.db")).unwrap();
    let line =
        |query: &str| connection.query_row(query, [], |row| row.get::<_, String>(0)).unwrap();

    let jobs = "SELECT group_concat(concat_ws('|', id, class, nodes, state, exit_code, submitted, ended, seconds)) FROM ended_jobs";
    assert_eq!(
        line(jobs),
        "1|ai.training|n7|failed|1|2023-11-14T22:13:20.000Z|2023-11-14T22:13:23.000Z|2.0"
    );
    let attempts = "SELECT concat_ws('|', attempt, name, node, outcome, exit_code, fault, sequel, started) FROM attempt_history";
    assert_eq!(line(attempts), "1.0#1|sweep-1|n7|exited|1|user|failed|2023-11-14T22:13:21.000Z");
    let heads = "SELECT concat_ws('|', size, at, length(root)) FROM heads";
    assert_eq!(line(heads), "4|2023-11-14T22:13:20.000Z|64");
}

#[test]
fn the_ranks_of_a_gang_are_listed_with_their_nodes_and_their_ends() {
    let folder = folder();
    let mut journal = open(&folder);
    let attempt = placed(1, 0, 1).id;
    let place = |rank: u32| Row::RankPlaced {
        id: attempt.rank(rank),
        node: NodeId(rank + 4),
        node_name: format!("n{}", rank + 4),
    };
    let end = RankEnded {
        outcome: Outcome::Lost { detail: "the node was lost".to_owned() },
        usage: Usage {
            cpu_us: 5,
            truncated: true,
            read_bytes: 6,
            written_bytes: 7,
            oom_kills: 1,
            ..Usage::default()
        },
        started: None,
        ended: at(2),
    };
    let rows = [
        place(0),
        place(1),
        place(2),
        Row::RankStarted { id: attempt.rank(1), started: at(1) },
        Row::RankEnded { id: attempt.rank(1), ended: Box::new(end.clone()) },
    ];

    journal.append(&entries(0..1), &rows, at(0)).unwrap();

    let reader = journal.reader();
    let listed = reader.latest_ranks(attempt.task, 9).unwrap();
    let row = |rank: u32, started, ended| RankRow {
        id: attempt.rank(rank),
        node: NodeId(rank + 4),
        node_name: format!("n{}", rank + 4),
        started,
        ended,
    };
    let end = RankEnded { started: Some(at(1)), ..end };
    let expected = [row(0, None, None), row(1, Some(at(1)), Some(end)), row(2, None, None)];
    assert_eq!(listed, expected);
    assert_eq!(reader.latest_ranks(attempt.task, 2).unwrap(), expected[1..]);
    assert_eq!(reader.rank(attempt.rank(1)).unwrap().as_ref(), Some(&expected[1]));
    assert_eq!(reader.latest_ranks(placed(1, 1, 1).id.task, 9).unwrap(), []);
}
