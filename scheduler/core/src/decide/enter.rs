//! Entering a running task: somebody runs a command in its box.

use repower_model::{AttemptId, NodePhase, RankId, TaskId};

use super::owner;
use crate::draft::Draft;
use crate::effect::Answer;
use crate::fact::Fact;
use crate::input::Enter;
use crate::life::attempt::Phase;
use crate::policy::hash_of;
use crate::refusal::Refusal;

/// The most that is written down of a command, in bytes with one after each word.
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
    owner::may(id, &job.submitter, (&enter.by, enter.role))?;
    let task = TaskId { job: id, index };
    let not_running = || Refusal::NotRunning { task };
    let live = state.attempts.get(&task).ok_or_else(not_running)?;
    if live.runway || live.phase_of(enter.rank) == Phase::Placed {
        return Err(not_running());
    }
    let mut about = state.findings.of(AttemptId { task, number: live.number });
    let holding = about.find(|one| one.holds_job() || one.condemns()).map(|one| one.id);
    if let Some(finding) = holding {
        return Err(Refusal::StandsStill { task, finding });
    }
    drop(about);
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

/// A command as it is written down: whole, unless it is very long. Then its beginning, and the digest of
/// all of its words, each with a zero byte after it.
fn bounded(command: &[String]) -> Vec<String> {
    let bytes: usize = command.iter().map(|word| word.len() + 1).sum();
    if bytes <= WORDS {
        return command.to_vec();
    }
    let whole: String = command.iter().flat_map(|word| [word.as_str(), "\0"]).collect();
    let mut room = WORDS;
    let mut words = Vec::new();
    for word in command {
        let kept = word.floor_char_boundary(room.min(word.len()));
        words.push(word[..kept].to_owned());
        room = room.saturating_sub(word.len() + 1);
        if room == 0 {
            break;
        }
    }
    words.push(format!("... ({bytes} bytes, SHA-256 {})", hash_of(whole.as_bytes())));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_is_written_down_by_its_beginning_and_its_digest() {
        let command = |last: &str| {
            vec!["sh".to_owned(), "-c".to_owned(), format!("mine;{}{last}", "#".repeat(9000))]
        };

        let (one, other) = (bounded(&command("a")), bounded(&command("b")));

        assert!(one[2].starts_with("mine;#") && one[2].len() <= WORDS);
        assert!(one[3].contains("bytes, SHA-256 "), "{}", one[3]);
        assert_ne!(one[3], other[3]);
        assert_eq!(bounded(&command("")[..2]), ["sh", "-c"]);
        assert_eq!(bounded(&vec![String::new(); 9000]).len(), WORDS + 1);
    }
}
