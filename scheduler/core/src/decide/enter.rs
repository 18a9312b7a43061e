//! Entering a running task: somebody runs a command in its box.

use repower_model::{AttemptId, NodePhase, RankId, TaskId};

use crate::draft::Draft;
use crate::effect::Answer;
use crate::fact::Fact;
use crate::input::Enter;
use crate::life::attempt::Phase;
use crate::refusal::Refusal;

/// The most that is written down of a command, in bytes.
const WORDS: usize = 4096;

pub(crate) fn enter(draft: &mut Draft<'_>, enter: &Enter) -> Result<Answer, Refusal> {
    let (id, index) = (enter.task.job, enter.task.index);
    let state = draft.state();
    let Some(job) = state.job(id) else {
        return Err(if state.was_submitted(id) {
            Refusal::JobHasEnded { job: id }
        } else {
            Refusal::JobUnknown { job: id }
        });
    };
    if !enter.operator && enter.by != job.submitter {
        let owner = job.submitter.clone();
        return Err(Refusal::NotYours { job: id, owner, by: enter.by.clone() });
    }
    let task = TaskId { job: id, index };
    let not_running = || Refusal::NotRunning { task };
    let live = state.attempts.get(&task).ok_or_else(not_running)?;
    if live.runway || live.phase_of(enter.rank) == Phase::Placed {
        return Err(not_running());
    }
    let place = live.left().into_iter().find(|(rank, _)| *rank == enter.rank);
    let (rank, node) = place.ok_or_else(not_running)?;
    let known = state.nodes.get(&node).ok_or_else(not_running)?;
    if known.phase != NodePhase::Up {
        return Err(Refusal::OutOfTouch { task, node: known.name.clone() });
    }
    let rank: RankId = AttemptId { task, number: live.number }.rank(rank);
    let by = enter.by.clone();
    let command = bounded(&enter.command);
    draft.push(Fact::TaskEntered { rank, by, command });
    Ok(Answer::Entered { rank, node })
}

/// A command as it is written down: whole, unless it is very long.
fn bounded(command: &[String]) -> Vec<String> {
    let mut room = WORDS;
    let mut words = Vec::new();
    for word in command {
        if word.len() > room {
            words.push("...".to_owned());
            break;
        }
        room -= word.len();
        words.push(word.clone());
    }
    words
}
