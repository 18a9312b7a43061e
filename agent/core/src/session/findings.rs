//! What the detector has noticed: it is reported, and what looks like no honest work stands still
//! until somebody has looked.
//!
//! Whether it does is kept here and not with the detector, which may be another one tomorrow: tasks
//! outlive agents.

use repower_model::{Egress, RankId, Response};

use super::Session;
use crate::phase::Phase;
use crate::{Action, Noticed, Now, Report, Stream};

/// What the detector is told of an attempt.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// How it is watched, as the scheduler has said it.
    pub watch: &'a [u8],
    /// What it has printed so far, in bytes.
    pub output: u64,
}

impl Session {
    /// What the detector is told of an attempt; `None`: it is not known.
    pub fn seen(&mut self, id: RankId) -> Option<Seen<'_>> {
        let attempt = self.attempts.get_mut(&id)?;
        let output = [Stream::Stdout, Stream::Stderr].map(|stream| attempt.printed(stream).all());
        Some(Seen { watch: &attempt.definition.watch, output: output.iter().sum() })
    }

    /// The detector has noticed something. What a person has found to be wrong is passed over, and so is
    /// what comes after the end.
    pub(super) fn noticed(&mut self, mut told: Noticed, now: Now, actions: &mut Vec<Action>) {
        let id = told.attempt;
        let Some(attempt) = self.attempts.get_mut(&id).filter(|one| one.phase != Phase::Ended)
        else {
            return;
        };
        if let Some(known) = &attempt.suspicion {
            told.verdicts.retain(|one| !known.cleared.contains(&one.rule));
        }
        if told.verdicts.is_empty() {
            return;
        }
        let witnesses = told.verdicts.iter().map(|one| (one.tier, one.mechanism.as_str()));
        let response = Response::to(witnesses).min(attempt.definition.hardest);
        attempt.suspicion.get_or_insert_default().verdicts.clone_from(&told.verdicts);
        self.outbox.push(Report::Noticed(Box::new(told)));
        if response >= Response::Hold {
            self.cut(id, actions);
        }
        if response >= Response::Freeze {
            self.freeze(id, now, actions);
        }
    }

    /// Cuts the connections of a process off that reaches named places only: those are carried for it. What has the
    /// network of its node is not carried by anybody, and what has none has nothing to be cut.
    fn cut(&mut self, id: RankId, actions: &mut Vec<Action>) {
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        let is_carried = matches!(attempt.definition.spec.egress, Some(Egress::Only(_)));
        if !is_carried || attempt.started.is_none() {
            return;
        }
        let suspicion = attempt.suspicion.get_or_insert_default();
        if !std::mem::replace(&mut suspicion.cut, true) {
            actions.push(Action::CutEgress(id));
        }
    }

    /// Lets a process stand still that runs. Its time limit waits meanwhile; what is being ended ends.
    pub(super) fn freeze(&mut self, id: RankId, now: Now, actions: &mut Vec<Action>) {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        let suspicion = attempt.suspicion.get_or_insert_default();
        if attempt.phase != Phase::Running || suspicion.frozen {
            return;
        }
        suspicion.frozen = true;
        suspicion.left = attempt.due.map(|due| due.since(now.steady));
        self.set_due(id, None);
        actions.push(Action::Freeze(id));
    }

    /// Some of a process's own go on although it is to stand still: that is evidence for whoever looks. If nothing was
    /// noticed here, it stands still for another rank of its gang, and only the log has it.
    pub(super) fn stands_in_part(&mut self, id: RankId, detail: &str) {
        let known = self.attempts.get(&id).filter(|one| one.phase != Phase::Ended);
        let suspicion = known.and_then(|one| one.suspicion.as_ref());
        let verdicts = suspicion.map(|one| one.verdicts.clone()).unwrap_or_default();
        if verdicts.is_empty() {
            return;
        }
        let evidence = format!("it stands still in part only: {detail}\n").into_bytes();
        let told = Noticed { attempt: id, verdicts, images: Vec::new(), evidence, cut: false };
        self.outbox.push(Report::Noticed(Box::new(told)));
    }

    /// A person has looked: it goes on, and so does its time limit.
    pub(super) fn thaw(
        &mut self,
        id: RankId,
        rules: Vec<String>,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        let suspicion = attempt.suspicion.get_or_insert_default();
        // Without a rule that was wrong, it goes on as one that somebody still looks at.
        let is_cleared = !rules.is_empty();
        suspicion.cleared.extend(rules);
        if is_cleared && std::mem::take(&mut suspicion.cut) && attempt.phase != Phase::Ended {
            actions.push(Action::MendEgress(id));
        }
        if !std::mem::take(&mut suspicion.frozen) || attempt.phase != Phase::Running {
            return;
        }
        let due = suspicion.left.take().map(|left| now.steady + left);
        self.set_due(id, due);
        actions.push(Action::Thaw(id));
    }

    /// A signal was sent: whoever stands still would not hear it.
    pub(super) fn hear_out(&mut self, id: RankId, actions: &mut Vec<Action>) {
        let suspicion = self.attempts.get_mut(&id).and_then(|one| one.suspicion.as_mut());
        if suspicion.is_some_and(|one| std::mem::take(&mut one.frozen)) {
            actions.push(Action::Thaw(id));
        }
    }
}
