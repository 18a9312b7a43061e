//! Groups that no task has at the moment.

use super::{Group, Limits};

/// The most groups that are kept for later.
const MOST: usize = 256;

/// Groups that no task has at the moment.
#[derive(Debug)]
pub(super) struct Pool {
    spare: Vec<(Limits, Group)>,
    next: u64,
}

impl Pool {
    pub(super) fn new() -> Self {
        Self { spare: Vec::new(), next: 1 }
    }

    /// One whose limits need not be changed if there is one, else any.
    pub(super) fn take(&mut self, limits: Limits) -> Option<Group> {
        let alike = self.spare.iter().rposition(|(had, _)| *had == limits);
        match alike {
            Some(at) => Some(self.spare.swap_remove(at).1),
            None => self.spare.pop().map(|(_, group)| group),
        }
    }

    /// A name that no group has had.
    pub(super) fn name(&mut self) -> String {
        let name = self.next.to_string();
        self.next += 1;
        name
    }

    /// Keeps a group; hands it back if there are enough.
    pub(super) fn keep(&mut self, group: Group) -> Option<Group> {
        if self.spare.len() >= MOST {
            return Some(group);
        }
        self.spare.push((group.limits(), group));
        None
    }

    pub(super) fn drain(&mut self) -> Vec<Group> {
        self.spare.drain(..).map(|(_, group)| group).collect()
    }
}
