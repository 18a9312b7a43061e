//! Where the ranks of a gang go: all of them at once, or none.

use std::cmp::Reverse;

use repower_model::{Cpus, Gang, JobSpec, Layout, NodeId, Part, Resources};

use super::filter;
use crate::state::Node;

/// A node that could take ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seats {
    pub(crate) node: NodeId,
    /// What is free of what is usually scarcest.
    pub(crate) cpus: Cpus,
    /// How many ranks it could take.
    pub(crate) ranks: u32,
}

/// Places all ranks of a gang on nodes with this much free, `rank` for each; `None`: they do not fit.
///
/// Spread: of the nodes that can take their share, the ones with the least free, so that large holes
/// stay whole. Pack: as few nodes as will do, which takes those with the most room first, and then,
/// for what is left, the one with the least that holds all of it. Ties go to the lower id, and the
/// parts come in order of id. Cost: n log n in the nodes given.
pub fn place<'a>(
    free: impl IntoIterator<Item = (NodeId, &'a Resources)>,
    rank: &Resources,
    gang: &Gang,
) -> Option<Vec<Part>> {
    let seats = free.into_iter().map(|(node, free)| Seats {
        node,
        cpus: free.cpus,
        ranks: free.fits(rank, gang.ranks()),
    });
    seat(seats.collect(), gang)
}

/// As [`place`], for nodes of which is known how many ranks they could take.
pub(crate) fn seat(mut seats: Vec<Seats>, gang: &Gang) -> Option<Vec<Part>> {
    seats.retain(|seats| seats.ranks > 0);
    let mut parts = match gang.layout {
        Layout::Spread => spread(seats, gang)?,
        Layout::Pack => pack(seats, gang.ranks())?,
    };
    parts.sort_unstable();
    Some(parts)
}

fn spread(mut rooms: Vec<Seats>, gang: &Gang) -> Option<Vec<Part>> {
    let (nodes, ranks) = (usize::try_from(gang.nodes).ok()?, gang.ranks_per_node);
    rooms.retain(|room| room.ranks >= ranks);
    rooms.sort_unstable_by_key(|room| (room.cpus, room.node));
    let parts = rooms.get(..nodes)?.iter();
    Some(parts.map(|room| Part { node: room.node, ranks }).collect())
}

fn pack(mut rooms: Vec<Seats>, ranks: u32) -> Option<Vec<Part>> {
    rooms.sort_unstable_by_key(|room| (Reverse(room.ranks), room.cpus, room.node));
    let (mut parts, mut left) = (Vec::new(), ranks);
    let mut rooms = rooms.as_slice();
    while left > 0 {
        let (most, rest) = rooms.split_first()?;
        if most.ranks >= left {
            let enough = rooms.iter().take_while(|room| room.ranks >= left);
            let tightest = enough.min_by_key(|room| (room.ranks, room.cpus, room.node))?;
            parts.push(Part { node: tightest.node, ranks: left });
            break;
        }
        parts.push(Part { node: most.node, ranks: most.ranks });
        (left, rooms) = (left - most.ranks, rest);
    }
    Some(parts)
}

/// Whether these nodes could hold a task of a job if they were empty and take work: a plain one on one
/// of them, a gang on several.
pub(crate) fn could_hold<'a>(nodes: impl Iterator<Item = &'a Node>, spec: &JobSpec) -> bool {
    let mut suitable = nodes.filter(|node| filter::suits(node, spec));
    let Some(gang) = &spec.gang else {
        return suitable.next().is_some();
    };
    let suitable: Vec<_> = suitable.map(|node| (node.id, node.capacity())).collect();
    let mut choices = std::iter::once(&spec.resources).chain(&spec.alternatives);
    choices.any(|rank| place(suitable.iter().copied(), rank, gang).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpus(count: u64) -> Resources {
        Resources { cpus: Cpus::from_whole(count), ..Resources::default() }
    }

    /// Places a gang of ranks of two cpus on nodes 1, 2, .. with so many free.
    fn placed(free: &[u64], nodes: u32, ranks_per_node: u32, layout: Layout) -> Vec<(u32, u32)> {
        let free: Vec<Resources> = free.iter().map(|count| cpus(*count)).collect();
        let nodes_free = (1..).map(NodeId).zip(&free);
        let gang = Gang { nodes, ranks_per_node, layout };
        let parts = place(nodes_free, &cpus(2), &gang).unwrap_or_default();
        parts.iter().map(|part| (part.node.0, part.ranks)).collect()
    }

    #[test]
    fn a_spread_gang_takes_the_tightest_nodes_that_hold_their_share() {
        let placed = |free: &[u64], nodes, ranks| placed(free, nodes, ranks, Layout::Spread);

        assert_eq!(placed(&[16, 4, 3, 5, 4], 2, 2), [(2, 2), (5, 2)]);
        assert_eq!(placed(&[16, 4, 3, 5, 4], 4, 2), [(1, 2), (2, 2), (4, 2), (5, 2)]);
        assert_eq!(placed(&[16, 4, 3, 5, 4], 5, 2), []);
        assert_eq!(placed(&[100], 2, 1), [], "one large node is not two");
    }

    #[test]
    fn a_packed_gang_takes_as_few_nodes_as_will_do_and_the_tightest_for_the_rest() {
        let placed = |free: &[u64], nodes, ranks| placed(free, nodes, ranks, Layout::Pack);

        assert_eq!(placed(&[16, 8, 4], 1, 4), [(2, 4)], "the tightest that holds all");
        assert_eq!(placed(&[16, 8, 4], 5, 2), [(1, 8), (3, 2)]);
        assert_eq!(placed(&[16, 8, 4], 14, 1), [(1, 8), (2, 4), (3, 2)]);
        assert_eq!(placed(&[16, 8, 4], 15, 1), []);
        assert_eq!(placed(&[1, 1, 1], 1, 1), [], "a rank is not cut in two");
    }

    #[test]
    fn what_is_placed_fits_whatever_the_nodes_have() {
        let mut seed = 7_u64;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        for _ in 0..2_000 {
            let free: Vec<u64> = (0..next(8)).map(|_| next(20)).collect();
            let mut count = || u32::try_from(1 + next(4)).unwrap();
            let (nodes, ranks) = (count(), count());
            let room: u64 = free.iter().map(|free| free / 2).sum();

            for layout in [Layout::Spread, Layout::Pack] {
                let parts = placed(&free, nodes, ranks, layout);

                let all: u32 = parts.iter().map(|(_, ranks)| ranks).sum();
                assert!(all == 0 || all == nodes * ranks, "{free:?} {parts:?}");
                for (node, ranks) in &parts {
                    assert!(
                        u64::from(*ranks) * 2 <= free[*node as usize - 1],
                        "{free:?} {parts:?}"
                    );
                }
                let fits = layout == Layout::Pack && room >= u64::from(nodes * ranks);
                assert!(!fits || all > 0, "{free:?}: {nodes} x {ranks} would fit");
            }
        }
    }
}
