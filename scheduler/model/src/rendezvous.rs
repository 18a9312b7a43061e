//! What the ranks of a gang are told, so that they find each other.

use std::ops::Range;

use crate::AttemptId;

/// A node of a gang, as its ranks are told of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Host {
    /// The node's name.
    pub name: String,
    /// By which the other nodes reach it.
    pub address: String,
    /// How many ranks it has.
    pub ranks: u32,
}

/// What the ranks of a gang on one node are told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rendezvous {
    /// All nodes of the gang; ranks are numbered through them, in order.
    pub hosts: Vec<Host>,
    /// Which of them this one is.
    pub node_rank: u32,
    /// Where rank 0 may listen, on its own node. Nobody keeps it free: see [`Rendezvous::port_of`].
    pub port: u16,
}

impl Rendezvous {
    /// The first port that is given to gangs: below those that systems hand out by themselves.
    pub const FIRST_PORT: u16 = 20_000;
    /// How many there are.
    pub const PORTS: u16 = 10_000;

    /// The port of an attempt: always the same for the same attempt, and another for the next one, so
    /// that a port that somebody else has taken costs one attempt, not all of them.
    pub fn port_of(attempt: AttemptId) -> u16 {
        // FNV-1a: spreads neighbours, and is the same everywhere.
        let numbers = [attempt.task.job.0, attempt.task.index.into(), attempt.number.into()];
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let offset = u16::try_from((hash >> 16) % u64::from(Self::PORTS)).unwrap_or(0);
        Self::FIRST_PORT + offset
    }

    /// How many ranks the gang has.
    pub fn world(&self) -> u32 {
        self.hosts.iter().fold(0, |sum, host| sum.saturating_add(host.ranks))
    }

    /// The ranks on this node.
    pub fn local(&self) -> Range<u32> {
        let at = usize::try_from(self.node_rank).unwrap_or(usize::MAX).min(self.hosts.len());
        let (before, from) = self.hosts.split_at(at);
        let first = before.iter().fold(0_u32, |sum, host| sum.saturating_add(host.ranks));
        first..first.saturating_add(from.first().map_or(0, |host| host.ranks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JobId, TaskId};

    #[test]
    fn ranks_are_numbered_through_the_hosts() {
        let host = |name: &str, ranks| Host { name: name.into(), address: name.into(), ranks };
        let of = |node_rank| Rendezvous {
            hosts: vec![host("a", 2), host("b", 1), host("c", 3)],
            node_rank,
            port: 1,
        };

        assert_eq!([0, 1, 2, 3].map(|node| of(node).local()), [0..2, 2..3, 3..6, 6..6]);
        assert_eq!(of(1).world(), 6);
    }

    #[test]
    fn each_attempt_has_a_port_of_its_own_in_the_range() {
        let attempt = |number| AttemptId { task: TaskId { job: JobId(7), index: 0 }, number };

        let ports: Vec<u16> = (1..5).map(|number| Rendezvous::port_of(attempt(number))).collect();

        assert!(ports.iter().all(|port| (20_000..30_000).contains(port)), "{ports:?}");
        assert!(ports.windows(2).all(|pair| pair[0] != pair[1]), "{ports:?}");
    }
}
