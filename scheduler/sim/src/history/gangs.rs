//! What the journal says of gangs: whole or not at all.

use std::collections::{BTreeMap, BTreeSet};

use repower_core::fact::{AttemptEnded, RankEnded};
use repower_model::{AttemptId, Gang, Layout, NodeId, Outcome, Part, RankId};

use super::{Rule, hold};

/// Every gang that is on its nodes, as the facts tell it.
#[derive(Debug, Default)]
pub(super) struct Gangs {
    live: BTreeMap<AttemptId, Live>,
}

#[derive(Debug)]
struct Live {
    /// The node of each rank.
    on: Vec<NodeId>,
    started: BTreeSet<u32>,
    ended: BTreeMap<u32, Outcome>,
    /// The node of the first rank that did not succeed.
    failed: Option<NodeId>,
}

impl Gangs {
    /// Returns the node of each process: of a plain attempt there is one.
    pub(super) fn placed(
        &mut self,
        attempt: AttemptId,
        node: NodeId,
        parts: &[Part],
        gang: Option<Gang>,
    ) -> Result<Vec<NodeId>, Rule> {
        let Some(gang) = gang else {
            hold(parts.is_empty(), "only a gang has parts")?;
            return Ok(vec![node]);
        };
        let nodes: BTreeSet<_> = parts.iter().map(|part| part.node).collect();
        hold(nodes.len() == parts.len(), "no node is twice in a gang")?;
        hold(parts.first().map(|part| part.node) == Some(node), "a gang begins on its first node")?;
        let ranks = parts.iter().map(|part| u64::from(part.ranks)).sum::<u64>();
        let wanted = u64::from(gang.nodes) * u64::from(gang.ranks_per_node);
        hold(ranks == wanted, "a gang is placed whole or not at all")?;
        let even = parts.iter().all(|part| part.ranks == gang.ranks_per_node);
        hold(gang.layout == Layout::Pack || even, "a spread gang has the same ranks on each node")?;
        let on: Vec<_> = parts.iter().flat_map(|part| (0..part.ranks).map(|_| part.node)).collect();
        let (started, ended) = (BTreeSet::new(), BTreeMap::new());
        let live = Live { on: on.clone(), started, ended, failed: None };
        self.live.insert(attempt, live);
        Ok(on)
    }

    pub(super) fn started(&mut self, rank: RankId) -> Result<(), Rule> {
        let live = self.live(rank.attempt)?;
        hold(!live.ended.contains_key(&rank.rank), "what has ended does not start")?;
        hold(live.started.insert(rank.rank), "a rank starts once")
    }

    pub(super) fn ended(&mut self, ended: &RankEnded) -> Result<(), Rule> {
        let live = self.live(ended.rank.attempt)?;
        let rank = ended.rank.rank;
        let on = usize::try_from(rank).ok().and_then(|rank| live.on.get(rank).copied());
        let on = on.ok_or("a rank is one of its gang")?;
        let outcome = ended.outcome.clone();
        hold(live.ended.insert(rank, outcome.clone()).is_none(), "a rank ends once")?;
        if outcome != (Outcome::Exited { code: 0 }) && live.failed.is_none() {
            live.failed = Some(on);
        }
        Ok(())
    }

    /// A gang has ended; returns the node on which it failed, or its first. `None` for a plain attempt.
    pub(super) fn over(&mut self, ended: &AttemptEnded) -> Result<Option<NodeId>, Rule> {
        let Some(live) = self.live.remove(&ended.attempt) else {
            return Ok(None);
        };
        hold(live.ended.len() == live.on.len(), "a gang ends when all of its ranks have")?;
        let all = live.ended.values().all(|outcome| *outcome == Outcome::Exited { code: 0 });
        let succeeds = ended.outcome == Outcome::Exited { code: 0 };
        hold(all == succeeds, "a gang succeeds when all of its ranks do")?;
        Ok(live.failed.or(live.on.first().copied()))
    }

    fn live(&mut self, attempt: AttemptId) -> Result<&mut Live, Rule> {
        self.live.get_mut(&attempt).ok_or("ranks are those of live gangs")
    }
}
