//! Room on the disk of the data folder: some of it is kept for the ledger, whatever tasks print.
//!
//! When less is free than that, agents keep what tasks print, and the scheduler takes it no more; everything else goes on. A
//! disk that others fill to the last byte stops the ledger all the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use repower_model::{Bytes, Span, Timestamp};
use repower_store::output::Spare;
use tokio::sync::watch;

use crate::clock;
use crate::shared::Shared;

/// After this a disk that has refused to be written is tried again.
const AGAIN: Span = Span::from_secs(5);
/// How often the disk is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// So much more must be free before output is taken again, or a sixteenth of a small disk.
const SPARE: u64 = 3 << 20;
/// What an agent may have sent before it hears that there is no room: it waits for an answer after 8 MiB, and all of it is
/// written twice.
const ON_ITS_WAY: u64 = 16 << 20;
/// The most that is left free for what is on its way; of a small disk it is a quarter.
const MARGIN: u64 = 4 << 30;
/// How often a byte of output is written before it is at its place: into the log of the database, and from there.
const WRITTEN: u64 = 2;

/// What the disk has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Disk {
    /// How much of it is free.
    pub(crate) free: Bytes,
    /// How much of it is kept for the ledger.
    pub(crate) reserve: Bytes,
    /// How large it is.
    pub(crate) total: Bytes,
}

/// Room on the disk of the data folder.
#[derive(Debug)]
pub(crate) struct Room {
    data: PathBuf,
    /// How many agents send, at the last look.
    links: AtomicUsize,
    /// What there is, and whether output is held back.
    seen: watch::Sender<Seen>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    disk: Disk,
    held: bool,
    /// Until when nothing is written, because the disk has refused it, on the steady clock.
    refused: Option<Timestamp>,
}

impl Room {
    /// That of a data folder.
    pub(crate) fn of(data: &Path) -> Arc<Self> {
        let disk = Self::disk(data);
        let (data, links) = (data.to_owned(), AtomicUsize::new(0));
        let seen = watch::Sender::new(Seen { disk, held: false, refused: None });
        let room = Self { data, links, seen };
        room.look(Spare::default());
        Arc::new(room)
    }

    /// What is there now. A disk that tells nothing is taken to have room: what is written to it will tell.
    fn disk(data: &Path) -> Disk {
        let known = repower_artefacts::Disk::of(data);
        let [free, reserve, total] = known
            .map_or([u64::MAX, 0, u64::MAX], |disk| [disk.free, disk.reserve(), disk.total])
            .map(Bytes::new);
        Disk { free, reserve, total }
    }

    /// Looks at the disk, where the files of output have some room of their own; returns whether output is held back.
    fn look(&self, spare: Spare) -> bool {
        let disk = Self::disk(&self.data);
        let links = self.links.load(Ordering::Relaxed);
        self.seen.send_if_modified(|seen| {
            let before = *seen;
            let refused = before.refused.filter(|until| clock::steady() < *until);
            let held = refused.is_some() || is_held(disk, spare, links, before.held);
            *seen = Seen { disk, held, refused };
            before.held != held
        });
        self.seen.borrow().held
    }

    /// Whether so many bytes of output may be written now. This looks at the disk, too: a task fills a small one
    /// between two looks.
    pub(crate) fn takes(&self, bytes: u64, spare: Spare) -> bool {
        self.look(spare);
        let Seen { disk, refused, .. } = *self.seen.borrow();
        if refused.is_some() {
            return false;
        }
        let need = bytes.saturating_mul(WRITTEN);
        let least = (disk.reserve.as_u64() / 2).saturating_add(need);
        disk.free.as_u64().saturating_sub(spare.owed) >= least || spare.inside >= need
    }

    /// Output is held back until there is room again.
    pub(crate) fn hold(&self) {
        self.set(None);
    }

    /// The disk has refused to be written, whatever it says of its room: output is held back for a while, and tried again.
    pub(crate) fn refused(&self) {
        self.set(Some(clock::steady() + AGAIN));
    }

    fn set(&self, refused: Option<Timestamp>) {
        let disk = Self::disk(&self.data);
        self.seen.send_if_modified(|seen| {
            let before = seen.held;
            *seen = Seen { disk, held: true, refused };
            !before
        });
    }

    /// What the disk had at the last look.
    pub(crate) fn last(&self) -> Disk {
        self.seen.borrow().disk
    }

    /// What the disk had at the last look, if output is held back, and whether it has refused to be written although it
    /// says that it has room.
    pub(crate) fn shortage(&self) -> Option<(Disk, bool)> {
        let Seen { disk, held, refused } = *self.seen.borrow();
        held.then_some((disk, refused.is_some() && disk.free >= disk.reserve))
    }

    /// Waits until output is not held back.
    pub(crate) async fn returns(&self) {
        let mut seen = self.seen.subscribe();
        // The sender is here, so this ends only when there is room.
        drop(seen.wait_for(|seen| !seen.held).await);
    }
}

fn is_held(disk: Disk, spare: Spare, links: usize, held: bool) -> bool {
    let (free, reserve) = (disk.free.as_u64().saturating_sub(spare.owed), disk.reserve.as_u64());
    let total = disk.total.as_u64();
    // What is on its way must find room: while it waited, all that its agent reports would wait behind it.
    let links = u64::try_from(links).unwrap_or(u64::MAX);
    let margin = ON_ITS_WAY.saturating_mul(links).min(MARGIN).min(total / 4);
    let more = margin + if held { SPARE.min(total / 16).max(reserve / 4) } else { 0 };
    // What is free in the file of output is of use only if the disk has some room for its log.
    let is_usable = free >= reserve / 2;
    free < reserve.saturating_add(more)
        && !(is_usable && spare.inside >= SPARE.saturating_add(more))
}

/// Looks at the disk again and again, until the scheduler ends; agents hear what that comes to.
pub(crate) async fn watch(shared: &Shared) {
    let mut held = false;
    loop {
        shared.room.links.store(shared.links.count(), Ordering::Relaxed);
        let now = shared.room.look(shared.printer.spare());
        let Disk { free, reserve, .. } = shared.room.last();
        shared.metrics.disk(free.as_u64(), reserve.as_u64(), now);
        if now != held {
            held = now;
            shared.links.hold_output(held);
            if held && shared.room.shortage().is_some_and(|(_, refuses)| refuses) {
                tracing::error!(%free, "the disk refuses to be written, although it says that it has room: output of tasks waits");
            } else if held {
                tracing::error!(%free, %reserve, "the disk is nearly full: output of tasks is not taken, so that the ledger has room");
            } else {
                tracing::info!(%free, "the disk has room again: output of tasks is taken");
            }
        }
        if held
            && shared.printer.spare().owed > 0
            && let Err(problem) = shared.printer.settle().await
        {
            tracing::debug!(problem = problem.text, "the log of output is not given back");
        }
        let mut seen = shared.room.seen.subscribe();
        let changed = seen.wait_for(|seen| seen.held != held);
        if tokio::time::timeout(LOOK, changed).await.is_ok_and(|seen| seen.is_err()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(free_mib: u64, reserve_mib: u64) -> Disk {
        Disk {
            free: Bytes::from_mib(free_mib),
            reserve: Bytes::from_mib(reserve_mib),
            total: Bytes::from_mib(20 * reserve_mib),
        }
    }

    fn spare(inside_mib: u64, owed_mib: u64) -> Spare {
        Spare { inside: inside_mib << 20, owed: owed_mib << 20 }
    }

    #[test]
    fn output_is_held_back_below_the_reserve_and_taken_again_well_above_it() {
        let held = |free, owed, before| is_held(disk(free, 256), spare(0, owed), 0, before);

        assert!(!held(256, 0, false));
        assert!(held(255, 0, false));
        assert!(held(319, 0, true), "it must not come and go with every message");
        assert!(!held(320, 0, true));
        assert!(held(260, 5, false), "what is in the log is written twice");
    }

    #[test]
    fn what_agents_may_have_sent_already_finds_room_but_never_takes_more_than_a_quarter() {
        let held = |free, links| is_held(disk(free, 256), Spare::default(), links, false);

        assert!(!held(256 + 160, 10) && held(256 + 159, 10));
        assert!(!held(256 + 1280, 1_000_000) && held(256 + 1279, 1_000_000));
    }

    #[test]
    fn what_is_free_in_the_file_of_output_counts_as_long_as_the_disk_has_some_room() {
        let held = |free, inside, before| is_held(disk(free, 256), spare(inside, 0), 0, before);

        assert!(!held(130, 100, false));
        assert!(!held(130, 100, true));
        assert!(held(120, 100, false), "its log needs room, too");
        assert!(held(130, 1, false));
    }

    #[test]
    fn a_disk_that_refuses_to_be_written_is_left_alone_for_a_while_whatever_room_it_says_it_has() {
        let folder = tempfile::TempDir::new().unwrap();
        let room = Room::of(folder.path());

        room.refused();

        assert!(room.look(Spare::default()), "a look at the disk changes nothing");
        assert!(!room.takes(1, Spare::default()));
        assert!(room.shortage().unwrap().1);
    }

    #[test]
    fn what_would_use_up_the_reserve_is_not_taken_and_output_is_held_until_there_is_room() {
        let folder = tempfile::TempDir::new().unwrap();
        let room = Room::of(folder.path());
        assert!(room.takes(1, Spare::default()) && room.shortage().is_none());

        assert!(room.takes(1 << 50, Spare { inside: 1 << 52, owed: 0 }), "the file has room");
        assert!(!room.takes(1 << 50, Spare::default()));
        assert!(!room.takes(1, Spare { inside: 0, owed: 1 << 60 }));
        room.hold();

        assert!(room.shortage().is_some());
        assert!(!room.look(Spare::default()), "there is room for less");
        assert!(room.shortage().is_none());
    }
}
