//! Amounts: what a task asks for, what a node has.

use repower_model::{Bytes, Cpus, Resources};

use crate::v1;

impl From<&Resources> for v1::Resources {
    fn from(resources: &Resources) -> Self {
        let extra =
            |(name, amount): &(String, u64)| v1::Extra { name: name.clone(), amount: *amount };
        Self {
            cpu_milli: resources.cpus.as_milli(),
            memory_bytes: resources.memory.as_u64(),
            disk_bytes: resources.disk.as_u64(),
            extras: resources.extras.iter().map(extra).collect(),
        }
    }
}

/// Amounts as they stand: what a node has, or what of it is used.
pub fn amounts(resources: v1::Resources) -> Resources {
    Resources {
        cpus: Cpus::from_milli(resources.cpu_milli),
        memory: Bytes::new(resources.memory_bytes),
        disk: Bytes::new(resources.disk_bytes),
        extras: merged(resources.extras),
    }
}

/// What a task asks for: without processors it gets one.
pub fn asked(resources: v1::Resources) -> Resources {
    let mut asked = amounts(resources);
    if asked.cpus == Cpus::default() {
        asked.cpus = Cpus::from_whole(1);
    }
    asked
}

/// By name, those of one name added up, none of nothing.
fn merged(extras: Vec<v1::Extra>) -> Vec<(String, u64)> {
    let mut extras: Vec<_> = extras.into_iter().map(|extra| (extra.name, extra.amount)).collect();
    extras.sort();
    extras.dedup_by(|later, first| {
        let same = later.0 == first.0;
        if same {
            first.1 = first.1.saturating_add(later.1);
        }
        same
    });
    extras.retain(|(_, amount)| *amount > 0);
    extras
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extras_of_one_name_add_up_and_nothing_is_dropped() {
        let extra = |name: &str, amount| v1::Extra { name: name.into(), amount };
        let extras = vec![extra("b", 2), extra("a", 1), extra("b", 3), extra("c", 0)];

        let read = asked(v1::Resources { extras, ..v1::Resources::default() });

        assert_eq!(read.extras, [("a".to_owned(), 1), ("b".to_owned(), 5)]);
        assert_eq!(read.cpus, Cpus::from_whole(1));
    }
}
