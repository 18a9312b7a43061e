//! How attempts were stopped, and what they have saved, in the tables of `repower show`.

use jiff::tz::TimeZone;
use repower_proto::v1::TaskSummary;

use crate::jobfile::signal;
use crate::render::json::hex;
use crate::render::quantity::bytes;
use crate::render::{time, words};

/// Returns how an attempt was stopped, a line for each of its processes.
pub(super) fn steps(task: &TaskSummary, zone: &TimeZone) -> Vec<String> {
    let mut lines: Vec<(u32, String)> = Vec::new();
    for step in &task.steps {
        let number = step.signal;
        let signal =
            signal::name(number).map_or_else(|| number.to_string(), |name| format!("SIG{name}"));
        let said = format!("{signal} {}", time::calendar(step.taken_ms, zone));
        match lines.last_mut() {
            Some((rank, line)) if *rank == step.rank => {
                line.push_str(", ");
                line.push_str(&said);
            }
            _ => {
                let of =
                    if task.ranks.is_empty() { String::new() } else { format!("/{}", step.rank) };
                let (id, cause) = (task.attempt, words::stop_cause(step.cause()));
                let line =
                    format!("{}.{}#{id}{of} stopped ({cause}): {said}", task.job, task.index);
                lines.push((step.rank, line));
            }
        }
    }
    lines.into_iter().map(|(_, line)| line).collect()
}

/// Returns what attempts have saved for the next ones, a line for each that has.
pub(super) fn checkpoints(attempts: &[TaskSummary]) -> Vec<String> {
    let line = |task: &TaskSummary| {
        let checkpoint = task.checkpoint.as_ref()?;
        let id = format!("{}.{}#{}", task.job, task.index, task.attempt);
        Some(match &checkpoint.stored {
            None => format!("{id} checkpoint not kept: {}", words::tame(&checkpoint.problem)),
            Some(stored) => {
                let digest: String = hex(&stored.digest).chars().take(12).collect();
                let state = if checkpoint.needed { "kept" } else { "no longer needed" };
                format!("{id} checkpoint {state}: {}, SHA-256 {digest}", bytes(stored.bytes))
            }
        })
    };
    attempts.iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use repower_proto::v1::{CheckpointSummary, StepSummary, StopCause, StopStep, Stored};

    use super::*;

    #[test]
    fn a_stop_is_told_in_one_line_with_its_signals_and_its_cause() {
        let step = |step: StopStep, signal, taken_ms| StepSummary {
            rank: 0,
            step: step.into(),
            cause: StopCause::Preempted.into(),
            signal,
            taken_ms,
        };
        let steps_taken = vec![
            step(StopStep::Checkpoint, 10, 1_777_633_500_000),
            step(StopStep::Terminate, 15, 1_777_633_510_000),
        ];
        let task =
            TaskSummary { job: 12, attempt: 2, steps: steps_taken, ..TaskSummary::default() };

        let lines = steps(&task, &TimeZone::UTC);

        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("12.0#2 stopped (preempted): SIGUSR1 "), "{lines:?}");
        assert!(lines[0].contains(", SIGTERM "), "{lines:?}");
    }

    #[test]
    fn checkpoints_are_told_with_what_became_of_them() {
        let attempt = |attempt, stored, problem: &str, needed| {
            let (problem, job) = (problem.to_owned(), 12);
            let checkpoint = Some(CheckpointSummary { stored, problem, needed });
            TaskSummary { job, attempt, checkpoint, ..TaskSummary::default() }
        };
        let stored = |byte| Some(Stored { digest: vec![byte; 32], bytes: 2048 });
        let attempts = [
            attempt(1, stored(0xab), "", false),
            attempt(2, None, "the disk is full", false),
            attempt(3, stored(0xcd), "", true),
            TaskSummary { job: 12, attempt: 4, ..TaskSummary::default() },
        ];

        assert_eq!(
            checkpoints(&attempts),
            [
                "12.0#1 checkpoint no longer needed: 2 KiB, SHA-256 abababababab",
                "12.0#2 checkpoint not kept: the disk is full",
                "12.0#3 checkpoint kept: 2 KiB, SHA-256 cdcdcdcdcdcd",
            ]
        );
    }
}
