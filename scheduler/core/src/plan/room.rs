//! Where a task can go now, and when it could go if not now, with what has been reserved for others.

use std::collections::{BTreeMap, BTreeSet};

use repower_model::{NodeId, Part, Resources, Span, TaskId, Timestamp};

use super::{Profile, filter, gang};
use crate::state::{Node, Shape, State};

/// What one pass has reserved. Made anew for each.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Nodes on which something is reserved.
    pub(super) profiles: BTreeMap<NodeId, Profile>,
    /// What is left to others now, whatever the profiles say, of nodes of which something is promised:
    /// what overruns counts as free in a profile, and is not.
    pub(super) left: BTreeMap<NodeId, Resources>,
    /// Nodes that take nothing more from behind, because nobody knows when they will be free.
    pub(super) kept: BTreeSet<NodeId>,
}

/// A place for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where; of a gang, where its first rank is.
    pub(crate) node: NodeId,
    /// With which of its amounts.
    pub(crate) choice: u32,
    /// Of a gang: all its nodes. Empty for others.
    pub(crate) parts: Vec<Part>,
}

impl Place {
    /// On one node.
    pub(crate) fn one(node: NodeId, choice: u32) -> Self {
        Self { node, choice, parts: Vec::new() }
    }

    /// On several nodes, at least one.
    pub(crate) fn of_gang(parts: Vec<Part>, choice: u32) -> Option<Self> {
        Some(Self { node: parts.first()?.node, choice, parts })
    }

    /// Each node of it, with how many processes it takes there.
    pub(super) fn shares(&self) -> impl Iterator<Item = (NodeId, u32)> + '_ {
        let one = self.parts.is_empty().then_some((self.node, 1));
        self.parts.iter().map(|part| (part.node, part.ranks)).chain(one)
    }
}

/// A place for a task that is not free yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Where.
    pub(crate) place: Place,
    /// From when on.
    pub(crate) at: Timestamp,
    /// The task that ends then and makes room, if it is one that runs.
    pub(crate) after: Option<TaskId>,
}

impl Room {
    /// With nothing taken but what is promised, of each node for as long as a task may have it.
    pub(crate) fn of(state: &State) -> Self {
        let mut room = Self::default();
        for (task, promise) in state.promises.iter() {
            let bound = State::bound(&state.jobs[&task.job]);
            for part in &promise.parts {
                let node = &state.nodes[&part.node];
                let need = state.promised(task, node.id);
                let profile =
                    room.profiles.entry(node.id).or_insert_with(|| profile_of(state, node));
                let starts = profile.earliest(&need, state.now, bound);
                let span = starts.and_then(|at| Some((at + bound?).since(state.now)));
                profile.take(&need, state.now, span);
                room.left.entry(node.id).or_insert_with(|| unpromised(state, node));
            }
        }
        room
    }

    /// Whether a node takes nothing beyond what is reserved there.
    pub(crate) fn is_spoken_for(&self, node: NodeId) -> bool {
        self.kept.contains(&node) || self.profiles.contains_key(&node)
    }

    /// Whether anything is reserved at all.
    pub(crate) fn is_narrowed(&self) -> bool {
        !self.kept.is_empty() || !self.profiles.is_empty()
    }

    /// Whether an empty node could hold these amounts for a shape.
    pub(crate) fn could_hold(node: &Node, shape: &Shape, amounts: &Resources) -> bool {
        node.takes_work()
            && filter::meets(node, &shape.constraints, &shape.needs, shape.gang.as_ref())
            && node.capacity().holds(amounts)
    }

    /// Nodes that hold tasks of a shape when they are empty, and are not kept for others.
    pub(crate) fn able<'a>(state: &'a State, shape: &'a Shape) -> impl Iterator<Item = &'a Node> {
        state.nodes.values().filter(|node| {
            let holds = |(_, amounts): (u32, &Resources)| node.capacity().holds(amounts);
            node.takes_work()
                && filter::meets(node, &shape.constraints, &shape.needs, shape.gang.as_ref())
                && shape.choices().any(holds)
                && state.reserved(node.id, &shape.project, state.now, shape.bound).is_none()
        })
    }

    /// Whether the nodes that take work could hold a task of a shape if they were empty: a plain one
    /// on one of them, a gang on several.
    pub(crate) fn is_possible(state: &State, shape: &Shape) -> bool {
        let mut able = Self::able(state, shape);
        let Some(gang) = &shape.gang else {
            return able.next().is_some();
        };
        let able: Vec<_> = able.map(|node| (node.id, node.capacity())).collect();
        shape
            .choices()
            .any(|(_, amounts)| gang::place(able.iter().copied(), amounts, gang).is_some())
    }

    /// The place where a task fits tightest now, with the first of its choices that fits at all.
    /// Of the nodes only those are looked at that had more to offer since `tick`.
    pub(crate) fn now(
        &self,
        state: &State,
        shape: &Shape,
        avoid: &[NodeId],
        tick: Option<u64>,
    ) -> Option<Place> {
        let mut fresh: Vec<_> =
            tick.map(|tick| state.offers.grown_since(tick).collect::<Vec<_>>()).unwrap_or_default();
        if tick.is_some() && fresh.is_empty() {
            return None;
        }
        if let Some(gang) = &shape.gang {
            return self.gang_now(state, shape, gang, avoid);
        }
        fresh.sort_by_key(|id| (state.nodes[id].free().cpus, *id));
        for (choice, amounts) in shape.choices() {
            let fits = |id: &NodeId| self.fits(state, &state.nodes[id], shape, amounts, avoid);
            let found = if tick.is_some() {
                fresh.iter().copied().find(fits)
            } else {
                state.offers.with_free(amounts.cpus).find(fits)
            };
            if let Some(node) = found {
                return Some(Place::one(node, choice));
            }
        }
        None
    }

    fn fits(
        &self,
        state: &State,
        node: &Node,
        shape: &Shape,
        amounts: &Resources,
        avoid: &[NodeId],
    ) -> bool {
        if !node.takes_work()
            || !node.runway.is_empty()
            || !filter::meets(node, &shape.constraints, &shape.needs, shape.gang.as_ref())
        {
            return false;
        }
        let need = need(node, shape, amounts);
        node.free().holds(need)
            && (!shape.constraints.exclusive || node.capacity().holds(amounts))
            && !self.kept.contains(&node.id)
            && !avoid.contains(&node.id)
            && state.reserved(node.id, &shape.project, state.now, shape.bound).is_none()
            && self.left.get(&node.id).is_none_or(|left| left.holds(need))
            && self
                .profiles
                .get(&node.id)
                .is_none_or(|profile| profile.fits(need, state.now, shape.bound))
    }

    /// Notes that a task has its place from now on.
    pub(crate) fn took(&mut self, state: &State, shape: &Shape, place: &Place) {
        for (id, processes) in place.shares() {
            if let Some(profile) = self.profiles.get_mut(&id) {
                let need = whole(&state.nodes[&id], shape, place.choice, processes);
                profile.take(&need, state.now, shape.bound);
                if let Some(left) = self.left.get_mut(&id) {
                    *left = left.less(&need);
                }
            }
        }
    }

    /// When and where a task could start at the earliest; `None`: nobody knows when.
    pub(crate) fn earliest(&self, state: &State, shape: &Shape, avoid: &[NodeId]) -> Option<Slot> {
        if let Some(gang) = &shape.gang {
            return self.gang_earliest(state, shape, gang, avoid);
        }
        let choices = shape.choices().filter_map(|(choice, amounts)| {
            let reserved = self.among_reserved(state, shape, (choice, amounts), avoid);
            let running = self.among_running(state, shape, (choice, amounts), avoid);
            reserved.into_iter().chain(running).min_by_key(|slot| slot.at)
        });
        choices.min_by_key(|slot| slot.at)
    }

    fn among_reserved(
        &self,
        state: &State,
        shape: &Shape,
        (choice, amounts): (u32, &Resources),
        avoid: &[NodeId],
    ) -> Option<Slot> {
        let slots = self.profiles.iter().filter_map(|(id, profile)| {
            let node = &state.nodes[id];
            let able = node.takes_work()
                && filter::meets(node, &shape.constraints, &shape.needs, shape.gang.as_ref())
                && node.capacity().holds(amounts)
                && !avoid.contains(id)
                && !self.kept.contains(id);
            let at =
                able.then(|| profile.earliest(need(node, shape, amounts), state.now, shape.bound));
            let at = at??;
            let free = state.reserved(*id, &shape.project, at, shape.bound).is_none();
            free.then_some(Slot { place: Place::one(*id, choice), at, after: None })
        });
        slots.min_by_key(|slot| slot.at)
    }

    /// Goes through the ends of what runs, until one of them makes room.
    fn among_running(
        &self,
        state: &State,
        shape: &Shape,
        (choice, amounts): (u32, &Resources),
        avoid: &[NodeId],
    ) -> Option<Slot> {
        let mut free: BTreeMap<NodeId, Option<Resources>> = BTreeMap::new();
        let ends = state.ends.iter().flat_map(|(until, task)| {
            let nodes = state.attempts[task].nodes().into_iter();
            nodes.map(move |node| (until, task, node))
        });
        for (until, task, id) in ends {
            let node = &state.nodes[&id];
            let known = free.entry(id).or_insert_with(|| {
                let able = node.takes_work()
                    && !self.is_spoken_for(id)
                    && !avoid.contains(&id)
                    && filter::meets(node, &shape.constraints, &shape.needs, shape.gang.as_ref())
                    && node.capacity().holds(amounts);
                able.then(|| node.free())
            });
            let Some(left) = known else { continue };
            *left = left.plus(&held(state, *task, id));
            let at = (*until).max(state.now);
            let kept = || state.reserved(id, &shape.project, at, shape.bound).is_some();
            if left.holds(need(node, shape, amounts)) && !kept() {
                return Some(Slot { place: Place::one(id, choice), at, after: Some(*task) });
            }
        }
        None
    }

    /// Keeps a slot for a task: what would reach into it does not start on its node.
    pub(crate) fn reserve(&mut self, state: &State, shape: &Shape, slot: &Slot) {
        for (id, processes) in slot.place.shares() {
            let node = &state.nodes[&id];
            let need = whole(node, shape, slot.place.choice, processes);
            let profile = self.profiles.entry(id).or_insert_with(|| profile_of(state, node));
            profile.take(&need, slot.at, shape.bound);
        }
    }

    /// Keeps the node that is nearest to holding a task of which nobody knows when it can start; for a
    /// gang as many as it takes. Returns them.
    pub(crate) fn keep_nearest(&mut self, state: &State, shape: &Shape) -> Vec<NodeId> {
        if let Some(gang) = &shape.gang {
            return self.keep_for_gang(state, shape, gang);
        }
        let able = Self::able(state, shape).filter(|node| !self.kept.contains(&node.id));
        let nearest = able.max_by_key(|node| node.free().cpus).map(|node| node.id);
        self.kept.extend(nearest);
        nearest.into_iter().collect()
    }

    /// Looks at every node that could hold a task, not only at those where something is reserved.
    pub(crate) fn look_at_all(&mut self, state: &State) {
        for node in state.nodes.values().filter(|node| node.takes_work()) {
            self.profiles.entry(node.id).or_insert_with(|| profile_of(state, node));
        }
    }
}

/// What of a node is free or will be when what is stopping has ended, less what is promised.
pub(super) fn unpromised(state: &State, node: &Node) -> Resources {
    let stopping = node.holding.iter().filter(|task| state.attempts[task].phase.is_stopping());
    let all = stopping.fold(node.free(), |sum, task| sum.plus(&held(state, *task, node.id)));
    let promised = state.promises.on(node.id);
    promised.fold(all, |left, task| left.less(&state.promised(task, node.id)))
}

/// What is free of a node, from now on.
pub(crate) fn profile_of(state: &State, node: &Node) -> Profile {
    let ends = node.holding.iter().filter_map(|task| {
        let until = state.attempts[task].until?;
        Some((until, held(state, *task, node.id)))
    });
    Profile::new(state.now, node.free(), ends)
}

/// What a task takes of a node: all of it, if it wants the node for itself.
pub(super) fn need<'a>(node: &'a Node, shape: &Shape, amounts: &'a Resources) -> &'a Resources {
    if shape.constraints.exclusive { node.capacity() } else { amounts }
}

/// What so many processes of a task take of a node.
pub(super) fn whole(node: &Node, shape: &Shape, choice: u32, processes: u32) -> Resources {
    let amounts = shape.choices().nth(choice as usize).map(|(_, amounts)| amounts);
    let amounts = amounts.unwrap_or(&shape.resources);
    if shape.constraints.exclusive {
        node.capacity().clone()
    } else {
        amounts.times(processes.into())
    }
}

/// What a task gives back of a node when it ends.
pub(super) fn held(state: &State, task: TaskId, node: NodeId) -> Resources {
    let attempt = &state.attempts[&task];
    let spec = &state.jobs[&task.job].spec;
    let processes = attempt.processes_on(node);
    if spec.constraints.exclusive && processes > 0 {
        state.nodes[&node].capacity().clone()
    } else {
        spec.amounts(attempt.alternative).times(processes.into())
    }
}

/// How long a pass lets others go around a task of which nobody knows when it can start.
pub(crate) fn is_patient(waited: Span) -> bool {
    waited < super::PATIENCE
}
