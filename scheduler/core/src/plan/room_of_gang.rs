//! Where a gang can go now, and when it could go if not now: all of it at once.

use std::collections::BTreeMap;

use repower_model::{Gang, Layout, NodeId, Resources};

use super::gang::{self, Seats};
use super::room::{Place, Room, Slot, held};
use crate::state::{Node, Shape, State};

/// What is free of the nodes that could take ranks, as time goes on, and how many ranks that is.
#[derive(Debug)]
struct Hall<'a> {
    gang: &'a Gang,
    rank: &'a Resources,
    /// Whether a node must be empty to take any.
    alone: bool,
    nodes: BTreeMap<NodeId, (Resources, u32)>,
    /// How many nodes could take their share of a spread gang.
    shares: u32,
    /// How many ranks all nodes together could take.
    ranks: u64,
}

impl<'a> Hall<'a> {
    fn new(shape: &Shape, gang: &'a Gang, rank: &'a Resources) -> Self {
        let alone = shape.constraints.exclusive;
        Self { gang, rank, alone, nodes: BTreeMap::new(), shares: 0, ranks: 0 }
    }

    /// A node has this much free from now on.
    fn set(&mut self, node: &Node, free: Resources) {
        let seats = if self.alone && !free.holds(node.capacity()) {
            0
        } else {
            free.fits(self.rank, self.gang.ranks())
        };
        if let Some((_, before)) = self.nodes.insert(node.id, (free, seats)) {
            self.count(before, false);
        }
        self.count(seats, true);
    }

    fn count(&mut self, seats: u32, more: bool) {
        let share = u32::from(seats >= self.gang.ranks_per_node);
        if more {
            self.shares += share;
            self.ranks += u64::from(seats);
        } else {
            self.shares -= share;
            self.ranks -= u64::from(seats);
        }
    }

    /// The place of the gang, if all of it fits now.
    fn place(&self, choice: u32) -> Option<Place> {
        let fits = match self.gang.layout {
            Layout::Spread => self.shares >= self.gang.nodes,
            Layout::Pack => self.ranks >= u64::from(self.gang.ranks()),
        };
        if !fits {
            return None;
        }
        let seats = self.nodes.iter().map(|(node, (free, ranks))| Seats {
            node: *node,
            cpus: free.cpus,
            ranks: *ranks,
        });
        Place::of_gang(gang::seat(seats.collect(), self.gang)?, choice)
    }
}

impl Room {
    /// The place of a gang now, with the first of its choices that fits at all.
    pub(super) fn gang_now(
        &self,
        state: &State,
        shape: &Shape,
        gang: &Gang,
        avoid: &[NodeId],
    ) -> Option<Place> {
        shape.choices().find_map(|(choice, rank)| {
            let mut hall = Hall::new(shape, gang, rank);
            for id in state.offers.with_free(rank.cpus) {
                let node = &state.nodes[&id];
                let kept = state.reserved(id, &shape.project, state.now, shape.bound).is_some();
                if self.takes_ranks(node, shape, rank, avoid) && node.runway.is_empty() && !kept {
                    hall.set(node, self.unreserved(state, node, shape, hall.rank, gang));
                }
            }
            hall.place(choice)
        })
    }

    /// What of a node is free now and not needed for what is reserved there while the gang would run.
    fn unreserved(
        &self,
        state: &State,
        node: &Node,
        shape: &Shape,
        rank: &Resources,
        gang: &Gang,
    ) -> Resources {
        let free = node.free();
        let Some(profile) = self.profiles.get(&node.id) else {
            return free;
        };
        let left = self.left.get(&node.id).unwrap_or(&free);
        let fits = |ranks: u32| profile.fits(&rank.times(ranks.into()), state.now, shape.bound);
        if shape.constraints.exclusive {
            let all = profile.fits(node.capacity(), state.now, shape.bound)
                && left.holds(node.capacity());
            return if all { free } else { Resources::default() };
        }
        // The most ranks that fit: with fewer of them, fewer are in the way.
        let (mut least, mut most) = (0, free.fits(rank, left.fits(rank, gang.ranks())));
        while least < most {
            let middle = most - (most - least) / 2;
            if fits(middle) {
                least = middle;
            } else {
                most = middle - 1;
            }
        }
        rank.times(least.into())
    }

    /// When and where all of a gang could start at the earliest, on nodes where nothing is reserved;
    /// `None`: nobody knows when.
    pub(super) fn gang_earliest(
        &self,
        state: &State,
        shape: &Shape,
        gang: &Gang,
        avoid: &[NodeId],
    ) -> Option<Slot> {
        let slots = shape.choices().filter_map(|(choice, rank)| {
            let mut hall = Hall::new(shape, gang, rank);
            let able = Self::able(state, shape).filter(|node| {
                !self.is_spoken_for(node.id) && self.takes_ranks(node, shape, rank, avoid)
            });
            for node in able {
                hall.set(node, node.free());
            }
            for (until, task) in &state.ends {
                let mut changed = false;
                for id in state.attempts[task].nodes() {
                    if let Some((free, _)) = hall.nodes.get(&id) {
                        let free = free.plus(&held(state, *task, id));
                        hall.set(&state.nodes[&id], free);
                        changed = true;
                    }
                }
                let at = (*until).max(state.now);
                let kept = |place: &Place| {
                    let mut nodes = place.parts.iter().map(|part| part.node);
                    nodes.any(|id| state.reserved(id, &shape.project, at, shape.bound).is_some())
                };
                if changed && let Some(place) = hall.place(choice).filter(|place| !kept(place)) {
                    return Some(Slot { place, at, after: Some(*task) });
                }
            }
            None
        });
        slots.min_by_key(|slot| slot.at)
    }

    /// Keeps as many nodes as a gang takes of which nobody knows when it can start: those that are
    /// nearest to empty. Returns them.
    pub(super) fn keep_for_gang(
        &mut self,
        state: &State,
        shape: &Shape,
        gang: &Gang,
    ) -> Vec<NodeId> {
        let able = Self::able(state, shape).filter(|node| !self.kept.contains(&node.id));
        let mut able: Vec<&Node> = able.collect();
        able.sort_by_key(|node| (std::cmp::Reverse(node.free().cpus), node.id));
        let mut hall = Hall::new(shape, gang, &shape.resources);
        let mut nodes = Vec::new();
        for node in able {
            if hall.place(0).is_some() {
                break;
            }
            hall.set(node, node.capacity().clone());
            self.kept.insert(node.id);
            nodes.push(node.id);
        }
        nodes
    }

    fn takes_ranks(&self, node: &Node, shape: &Shape, rank: &Resources, avoid: &[NodeId]) -> bool {
        Self::could_hold(node, shape, rank)
            && !self.kept.contains(&node.id)
            && !avoid.contains(&node.id)
    }
}
