//! What a job asks of nodes.

use repower_model::{Bytes, Constraints, Cpus, Gang, Layout, Resources};

use super::GPU;

/// What a job asks of nodes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Shape {
    /// Amounts; of a gang, for each rank.
    pub resources: Resources,
    /// Which nodes will do.
    pub constraints: Constraints,
    /// Of a job of several ranks: how many, and how they lie.
    pub gang: Option<Gang>,
}

/// What becomes of a job that no single node could hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wide {
    /// It is left out, and counted.
    #[default]
    LeaveOut,
    /// It runs as a packed gang on several nodes, if they could hold it.
    Pack,
}

impl Shape {
    /// Amounts on any node.
    pub fn of(cpus: Cpus, memory: Bytes, gpus: u64) -> Self {
        let extras = if gpus > 0 { vec![(GPU.to_owned(), gpus)] } else { Vec::new() };
        let resources = Resources { cpus, memory, disk: Bytes::default(), extras };
        Self { resources, ..Self::default() }
    }

    /// How many processes it has.
    pub fn ranks(&self) -> u32 {
        self.gang.map_or(1, |gang| gang.ranks())
    }

    /// Processors, of all ranks together.
    pub fn cpus(&self) -> Cpus {
        Cpus::from_milli(self.resources.cpus.as_milli().saturating_mul(self.ranks().into()))
    }

    /// GPUs, of all ranks together.
    pub fn gpus(&self) -> u64 {
        self.resources.extra(GPU).saturating_mul(self.ranks().into())
    }

    /// The same amounts as equal ranks on as few nodes as hold them: as many ranks as leave whole
    /// processors and whole GPUs to each, and an equal part of the memory, rounded up. `None` where there are not
    /// two such ranks, or it is a gang already.
    pub fn packed(&self) -> Option<Self> {
        let milli = self.resources.cpus.as_milli();
        if self.gang.is_some() || milli == 0 || !milli.is_multiple_of(1000) {
            return None;
        }
        let common =
            self.resources.extras.iter().fold(milli / 1000, |all, (_, one)| gcd(all, *one));
        let ranks = (2..=u64::from(Gang::MOST).min(common))
            .rev()
            .find(|most| common.is_multiple_of(*most))?;
        let part = Resources {
            cpus: Cpus::from_milli(milli / ranks),
            memory: Bytes::new(self.resources.memory.as_u64().div_ceil(ranks)),
            disk: Bytes::new(self.resources.disk.as_u64().div_ceil(ranks)),
            extras: self
                .resources
                .extras
                .iter()
                .map(|(name, all)| (name.clone(), all / ranks))
                .collect(),
        };
        let nodes = u32::try_from(ranks).ok()?;
        let gang = Gang { nodes, ranks_per_node: 1, layout: Layout::Pack };
        Some(Self { resources: part, constraints: self.constraints.clone(), gang: Some(gang) })
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_shape_asks_for_the_same_in_as_many_equal_ranks_as_there_can_be() {
        let of = |cpus, gpus| Shape::of(Cpus::from_milli(cpus), Bytes::from_gib(10), gpus).packed();

        let plain = of(12_000, 0).unwrap();
        let gpus = of(12_000, 8).unwrap();

        assert_eq!((plain.ranks(), plain.resources.cpus), (12, Cpus::from_whole(1)));
        assert_eq!((gpus.ranks(), gpus.resources.cpus, gpus.gpus()), (4, Cpus::from_whole(3), 8));
        assert_eq!(gpus.resources.memory, Bytes::from_mib(2560));
        assert_eq!((of(1000, 0), of(1500, 0), of(12_000, 5)), (None, None, None));
        assert_eq!(plain.packed(), None, "a gang is not packed again");
        assert_eq!(of(131_072_000, 0).map(|large| large.ranks()), Some(65_536));
    }
}
