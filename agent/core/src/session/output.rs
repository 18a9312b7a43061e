//! What tasks print, on its way to the scheduler.
//!
//! Of each stream the first half of its bound goes out as it comes, and nothing of it is lost: who prints faster than
//! the link carries is slowed down. What comes after that goes through a window of the latest bytes that goes out at a
//! pace, so that the end of the output is there, whoever follows it sees it go on, and nobody is slowed down by it.

use repower_model::{Progress, RankId};

use super::Session;
use crate::phase::Phase;
use crate::{Now, Report, Stream};

/// The least bytes of a window.
const LEAST: usize = 4 << 10;
/// The most bytes of a window.
const MOST: usize = 1 << 20;

impl Session {
    /// Takes in what a task printed.
    pub(super) fn output(&mut self, id: RankId, stream: Stream, data: &[u8], now: Now) {
        let (bound, room) = (self.output_bound(), self.room());
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        match attempt.phase {
            Phase::Starting { .. }
            | Phase::Running
            | Phase::Saving { .. }
            | Phase::Stopping { .. }
            | Phase::Killed { .. }
            | Phase::Draining { .. } => {}
            Phase::Staging | Phase::Waiting | Phase::Collecting { .. } | Phase::Ended => return,
        }
        let head = bound / 2;
        let tail = usize::try_from(bound - head).unwrap_or(usize::MAX);
        let printed = attempt.printed(stream);
        let had_window = printed.is_windowed();
        let (offset, first) = printed.take(data, head, room.min(tail));
        let (has_window, waits) = (printed.is_windowed(), printed.latest().is_some());
        self.windows += usize::from(has_window && !had_window);
        if waits && attempt.flush.is_none() {
            let at = now.steady + self.limits.pace;
            self.flushes.set(&mut attempt.flush, id, Some(at));
        }
        attempt.unsettled += first.len();
        // More than the link carries at a time, and too little to shut others out.
        attempt.slowed |= attempt.unsettled >= self.limits.bytes / 4;
        self.outbox.push_output(id, stream, (offset, 0), first);
    }

    /// How many bytes one more window may have.
    fn room(&self) -> usize {
        (self.limits.windows / self.windows.max(1)).clamp(LEAST, MOST)
    }

    /// Sends the windows whose moment has come.
    pub(super) fn flush_due(&mut self, now: Now) {
        while let Some(id) = self.flushes.pop(now.steady) {
            if let Some(attempt) = self.attempts.get_mut(&id) {
                attempt.flush = None;
            }
            if self.outbox.bytes() >= self.limits.bytes / 2 {
                // Whoever is behind gets the latest when there is room, and not everything that has been.
                if let Some(attempt) = self.attempts.get_mut(&id) {
                    let at = now.steady + self.limits.pace;
                    self.flushes.set(&mut attempt.flush, id, Some(at));
                }
                continue;
            }
            self.flush(id);
        }
    }

    /// Sends what is in the windows of an attempt.
    fn flush(&mut self, id: RankId) {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        for stream in [Stream::Stdout, Stream::Stderr] {
            let printed = attempt.printed(stream);
            let Some(latest) = printed.latest() else { continue };
            let (first, second) = latest.bytes;
            let (offset, bytes) = (latest.offset, first.len() + second.len());
            self.outbox.push_output(id, stream, (offset, latest.missing), first);
            self.outbox.push_output(id, stream, (offset + first.len() as u64, 0), second);
            printed.went_out();
            attempt.unsettled += bytes;
        }
    }

    /// How far a process has said that it is: what it said last is reported before its end.
    pub(super) fn claimed(&mut self, id: RankId, progress: Box<Progress>) {
        if self.attempts.get(&id).is_some_and(|one| one.phase != Phase::Ended) {
            self.outbox.push(Report::Claimed { attempt: id, progress });
        }
    }

    /// No more output of an attempt comes: sends what there is of it.
    pub(super) fn close_output(&mut self, id: RankId) {
        self.flush(id);
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        self.flushes.set(&mut attempt.flush, id, None);
        for stream in [Stream::Stdout, Stream::Stderr] {
            let printed = attempt.printed(stream);
            self.windows -= usize::from(printed.is_windowed());
            printed.close();
        }
    }

    /// Drops what an attempt has printed and the scheduler has no room for.
    pub(super) fn drop_held(&mut self, id: RankId) {
        let dropped = self.outbox.drop_held(id);
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        for (stream, bytes) in dropped {
            attempt.printed(stream).lose(bytes);
        }
    }

    /// Forgets what is durable.
    pub(super) fn acknowledged(&mut self, through: u64) {
        let attempts = &mut self.attempts;
        let (share, eased) = (self.limits.bytes / 4, &mut self.eased);
        self.outbox.acknowledge(through, |report| match report {
            Report::Ended { attempt, .. } => {
                attempts.remove(attempt);
            }
            Report::Output { attempt, data, .. } => {
                let Some(attempt) = attempts.get_mut(attempt) else { return };
                attempt.unsettled = attempt.unsettled.saturating_sub(data.len());
                if attempt.slowed && attempt.unsettled <= share / 2 {
                    attempt.slowed = false;
                    *eased = true;
                }
            }
            Report::Started { .. }
            | Report::Kept { .. }
            | Report::Saved { .. }
            | Report::Stopping { .. }
            | Report::Claimed { .. }
            | Report::Noticed(_) => {}
        });
    }
}
