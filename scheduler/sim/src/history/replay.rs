//! Replay: the journal gives the state, whole and from each snapshot.

use repower_core::check::Violation;
use repower_core::fact::Entry;
use repower_core::state::State;

use crate::scheduler::{differ, replay, thaw};
use crate::world::World;

pub(super) fn check(world: &World<'_>, entries: &[Entry]) -> Result<(), Violation> {
    let state = world.scheduler.engine().state();
    differ("the whole journal", state, &replay(&State::default(), entries))?;
    for (size, bytes) in &world.scheduler.ledger.snapshots {
        let first = usize::try_from(*size).unwrap_or(entries.len());
        let again = replay(&thaw(bytes)?, &entries[first..]);
        differ(&format!("the snapshot of {size} facts"), state, &again)?;
    }
    Ok(())
}
