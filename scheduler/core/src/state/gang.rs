//! How the facts about gangs change the state.

use repower_model::{
    AttemptId, Host, NodeId, Outcome, Part, RankId, Rendezvous, Span, TaskId, Timestamp,
};

use super::share::Amounts;
use super::{Ranks, State};
use crate::fact::RankEnded;
use crate::life::attempt::{self, Event, Phase};

impl State {
    /// A gang has what it asked for, on each of its nodes, from now on.
    pub(super) fn seat(&mut self, task: TaskId, at: Timestamp) {
        let spec = self.jobs[&task.job].spec.clone();
        let attempt = self.attempts.get_mut(&task).expect("what holds is a live attempt");
        let asked = spec.amounts(attempt.alternative);
        attempt.until = spec.time_limit.or(spec.expected).map(|bound| at + bound);
        let until = attempt.until;
        until.map(|until| self.ends.insert((until, task)));
        let parts = attempt.ranks.as_ref().map(|ranks| ranks.parts.clone()).unwrap_or_default();
        self.backlog.starts(self.processors(task), until, self.now);
        for part in parts {
            let here = asked.times(part.ranks.into());
            let node = self.known_node(part.node);
            node.holding.insert(task);
            node.take(&here, spec.constraints.exclusive);
            self.share(&spec.project, &Amounts::Taken(&here), at);
            self.reoffer(part.node);
        }
    }

    pub(super) fn rank_started(&mut self, id: RankId, started: Timestamp) {
        if let Some(ranks) = self.ranks_mut(id.attempt.task) {
            ranks.start(id.rank, started);
        }
    }

    /// Takes a rank off its node. One that did not succeed ends the whole attempt.
    ///
    /// Returns the node if it has given the rank back without being asked to.
    pub(super) fn rank_ended(&mut self, ended: &RankEnded, at: Timestamp) -> Option<NodeId> {
        let task = ended.rank.attempt.task;
        let spec = self.known_job(task.job).spec.clone();
        let attempt = self.attempts.get_mut(&task).expect("only ranks of live attempts end");
        let asked = spec.amounts(attempt.alternative);
        let ranks = attempt.ranks.as_mut().expect("only a gang has ranks");
        let id = ranks.node_of(ended.rank.rank).expect("a rank is on a node of its gang");
        ranks.end(ended);
        let is_last_here = ranks.left_on(id) == 0;
        let unasked = ended.outcome == Outcome::Recalled
            && matches!(attempt.phase, Phase::Placed | Phase::Running);
        if !ended.outcome.is_success()
            && let Some(phase) = attempt::after(attempt.phase, Event::Break)
        {
            attempt.phase = phase;
            let saves = matches!(ended.outcome, Outcome::Checkpointed { .. });
            let saving = if saves { spec.saving() } else { Span::ZERO };
            let (until, by) = (attempt.until, at + saving + spec.grace);
            self.expect_end(task, until.map_or(by, |until| until.min(by)));
        }
        let node = self.known_node(id);
        if is_last_here {
            node.holding.remove(&task);
        }
        // A node that the gang has for itself is free when its last rank there has ended.
        if is_last_here || !spec.constraints.exclusive {
            node.give(asked, spec.constraints.exclusive);
        }
        self.share(&spec.project, &Amounts::Given(asked), at);
        self.promote(id, at);
        unasked.then_some(id)
    }

    /// What the ranks of a gang on one of its nodes are told; `None` if the attempt is not live, or no
    /// gang, or not there.
    pub fn rendezvous(&self, id: AttemptId, node: NodeId) -> Option<Rendezvous> {
        let attempt = self.attempts.get(&id.task).filter(|live| live.number == id.number)?;
        let parts = &attempt.ranks.as_ref()?.parts;
        let node_rank = u32::try_from(parts.iter().position(|part| part.node == node)?).ok()?;
        let host = |part: &Part| {
            let known = &self.nodes[&part.node];
            let told = &known.inventory.address;
            let address = if told.is_empty() { &known.name } else { told };
            Host { name: known.name.clone(), address: address.clone(), ranks: part.ranks }
        };
        let port = Rendezvous::port_of(id);
        Some(Rendezvous { hosts: parts.iter().map(host).collect(), node_rank, port })
    }

    fn ranks_mut(&mut self, task: TaskId) -> Option<&mut Ranks> {
        self.attempts.get_mut(&task)?.ranks.as_deref_mut()
    }
}
