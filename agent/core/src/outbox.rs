//! Reports, in order, from the moment they are made until they are acknowledged.

use std::collections::{BTreeSet, VecDeque};

use repower_model::RankId;

use crate::{Report, Stream};

/// The bounds of one message and of all that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Reports in one message.
    pub reports: usize,
    /// Bytes in one message; one report may pass it alone.
    pub bytes: usize,
    /// Bytes sent on this link and not acknowledged.
    pub window_bytes: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { reports: 4096, bytes: 1 << 20, window_bytes: 8 << 20 }
    }
}

/// Reports that follow each other without gaps.
#[derive(Debug)]
pub struct Batch<'a> {
    /// The sequence of the first one.
    pub first: u64,
    /// The reports.
    pub reports: Vec<&'a Report>,
}

/// Reports that wait for their acknowledgement.
///
/// A report gets its sequence when it is first sent, so that one which has become superfluous can
/// be dropped before, and is sent again with the same sequence on the next link.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// Those that have a sequence.
    numbered: VecDeque<Report>,
    /// The sequence of the first of them.
    first: u64,
    /// How many of them have been sent on this link.
    sent: usize,
    /// The bytes of those.
    sent_bytes: usize,
    /// Those that have never been sent; `None` is one that was dropped.
    fresh: VecDeque<Option<Report>>,
    /// How many were fresh before the first of them.
    gone: u64,
    /// Whether the scheduler has no room for output.
    holding: bool,
    /// Output that waits until it has, and what follows it of the same attempts; none has a sequence.
    held: VecDeque<Report>,
    /// Of which attempts there is output in `held`.
    behind: BTreeSet<RankId>,
    /// The bytes of all.
    bytes: usize,
}

/// Where a fresh report lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(u64);

impl Outbox {
    pub(crate) fn new() -> Self {
        Self {
            numbered: VecDeque::new(),
            first: 1,
            sent: 0,
            sent_bytes: 0,
            fresh: VecDeque::new(),
            gone: 0,
            holding: false,
            held: VecDeque::new(),
            behind: BTreeSet::new(),
            bytes: 0,
        }
    }

    /// The sequence of the first report that has none.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.first + self.numbered.len() as u64
    }

    /// Counts on from another outbox, which was empty.
    pub(crate) fn succeed(&mut self, next: u64) {
        assert!(self.first == 1 && self.numbered.is_empty(), "nothing has a sequence yet");
        self.first = next.max(1);
    }

    /// How many reports wait.
    pub(crate) fn len(&self) -> usize {
        self.numbered.len() + self.fresh.len() + self.held.len()
    }

    /// How many bytes they take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is something that has not been sent on this link.
    pub(crate) fn has_unsent(&self) -> bool {
        let is_ready = !self.holding && !self.held.is_empty();
        self.sent < self.numbered.len() || !self.fresh.is_empty() || is_ready
    }

    pub(crate) fn push(&mut self, report: Report) -> Place {
        self.bytes += report.size();
        self.fresh.push_back(Some(report));
        Place(self.gone + self.fresh.len() as u64 - 1)
    }

    /// Adds output, before which `missing` bytes of the stream are left out; it goes on the end of the report before
    /// if that is of the same stream and not yet sent, and nothing is left out.
    pub(crate) fn push_output(
        &mut self,
        attempt: RankId,
        stream: Stream,
        (offset, missing): (u64, u64),
        data: &[u8],
    ) {
        let joined = if missing == 0 { self.join_output(attempt, stream, data) } else { 0 };
        let (mut offset, mut missing, rest) = (offset + joined as u64, missing, &data[joined..]);
        for piece in rest.chunks(Report::PIECE) {
            self.push(Report::Output { attempt, stream, offset, missing, data: piece.to_vec() });
            offset += piece.len() as u64;
            missing = 0;
        }
    }

    /// Adds as much as fits to the last report; returns how much that was.
    fn join_output(&mut self, attempt: RankId, stream: Stream, more: &[u8]) -> usize {
        let Some(Some(Report::Output { attempt: whose, stream: which, data, .. })) =
            self.fresh.back_mut()
        else {
            return 0;
        };
        if *whose != attempt || *which != stream {
            return 0;
        }
        let room = Report::PIECE.saturating_sub(data.len()).min(more.len());
        data.extend_from_slice(&more[..room]);
        self.bytes += room;
        room
    }

    /// Drops a report if it has never been sent.
    pub(crate) fn drop_unsent(&mut self, place: Place) {
        let Some(at) = place.0.checked_sub(self.gone) else {
            return;
        };
        let slot = usize::try_from(at).ok().and_then(|at| self.fresh.get_mut(at));
        if let Some(report) = slot.and_then(Option::take) {
            self.bytes -= report.size();
        }
    }

    /// The next message; `None` if there is nothing to send or too much is on its way.
    pub(crate) fn next_batch(&mut self, limits: &BatchLimits) -> Option<Batch<'_>> {
        let (from, mut bytes) = (self.sent, 0);
        while self.sent - from < limits.reports && self.number_one() {
            let size = self.numbered[self.sent].size();
            let is_first = self.sent == from;
            let is_first_of_link = self.sent == 0;
            if (!is_first && bytes + size > limits.bytes)
                || (!is_first_of_link && self.sent_bytes + size > limits.window_bytes)
            {
                break;
            }
            bytes += size;
            self.sent += 1;
            self.sent_bytes += size;
        }
        (self.sent > from).then(|| Batch {
            first: self.first + from as u64,
            reports: self.numbered.range(from..self.sent).collect(),
        })
    }

    /// Makes sure that the next report to send has a sequence; false if there is none.
    fn number_one(&mut self) -> bool {
        while self.sent == self.numbered.len() {
            if let Some(report) = self.take_held() {
                self.numbered.push_back(report);
                break;
            }
            let Some(slot) = self.fresh.pop_front() else {
                return false;
            };
            self.gone += 1;
            let Some(report) = slot else { continue };
            if self.holding && self.waits(&report) {
                self.held.push_back(report);
            } else {
                self.numbered.push_back(report);
            }
        }
        true
    }

    /// The first that was held back, if there is room again.
    fn take_held(&mut self) -> Option<Report> {
        if self.holding {
            return None;
        }
        self.held.pop_front()
    }

    /// Whether a report is output, or follows output that waits.
    fn waits(&mut self, report: &Report) -> bool {
        let attempt = report.attempt();
        if matches!(report, Report::Output { .. }) {
            self.behind.insert(attempt);
        }
        self.behind.contains(&attempt)
    }

    /// Holds output back from now on, or sends what was held back before all that came later. What has a sequence goes all
    /// the same.
    pub(crate) fn hold(&mut self, hold: bool) {
        if hold && !self.holding {
            self.behind = self.held.iter().map(Report::attempt).collect();
        }
        self.holding = hold;
    }

    /// Drops what is held back of an attempt's output, so that what follows it need not wait, and says in the report of
    /// its end that something is missing; returns how many bytes of each of its streams that was.
    pub(crate) fn drop_held(&mut self, attempt: RankId) -> [(Stream, u64); 2] {
        let mut dropped = [(Stream::Stdout, 0), (Stream::Stderr, 0)];
        if !self.holding {
            return dropped;
        }
        let mut is_dropped = |report: &Report| {
            let Report::Output { attempt: whose, stream, data, .. } = report else { return false };
            let is_it = *whose == attempt;
            for (_, bytes) in dropped.iter_mut().filter(|(of, _)| is_it && of == stream) {
                *bytes += data.len() as u64;
            }
            is_it
        };
        let mut freed = VecDeque::new();
        for report in std::mem::take(&mut self.held) {
            if report.attempt() != attempt {
                self.held.push_back(report);
            } else if is_dropped(&report) {
                self.bytes -= report.size();
            } else {
                freed.push_back(report);
            }
        }
        for slot in &mut self.fresh {
            if let Some(report) = slot.take_if(|report| is_dropped(report)) {
                self.bytes -= report.size();
            }
        }
        let is_cut = dropped.iter().any(|(_, bytes)| *bytes > 0);
        for report in freed.iter_mut().chain(self.fresh.iter_mut().flatten()) {
            if let Report::Ended { attempt: whose, usage, .. } = report {
                usage.truncated |= is_cut && *whose == attempt;
            }
        }
        self.numbered.append(&mut freed);
        self.behind.remove(&attempt);
        dropped
    }

    /// Forgets what is durable, and hands each report to `durable` before.
    pub(crate) fn acknowledge(&mut self, through: u64, mut durable: impl FnMut(&Report)) {
        while self.first <= through {
            let Some(report) = self.numbered.pop_front() else {
                return;
            };
            let size = report.size();
            self.first += 1;
            self.bytes -= size;
            if self.sent > 0 {
                self.sent -= 1;
                self.sent_bytes -= size;
            }
            durable(&report);
        }
    }

    /// Everything that is not acknowledged will be sent again.
    pub(crate) fn rewind(&mut self) {
        self.sent = 0;
        self.sent_bytes = 0;
    }
}
