//! All tasks of a job as they print, in the order in which it comes: so whoever prints little is not kept waiting by
//! whoever prints much, and nothing has to be remembered of each task.

use std::collections::BTreeMap;

use repower_model::TaskId;
use repower_store::output::{Arrival, Printer};

use super::whole::Look;
use super::{Logs, PIECE, Stop, chunk, removed};
use crate::problem::Problem;

/// Of how many tasks the latest attempt is remembered.
const REMEMBERED: usize = 10_000;
/// How much is looked up at one time.
const TURN: usize = 4 * PIECE;

/// The latest attempt of tasks that do not run, as far as it has been looked up.
type Latest = BTreeMap<u32, u32>;

impl Logs {
    /// All tasks: what is there, and what comes.
    pub(super) async fn merged(&self) -> Result<(), Stop> {
        let mut after = self.first_look().await?;
        let mut latest = Latest::new();
        loop {
            // First whether the job has ended, then the output: all of it is there before.
            let over = self.shared.published.read().job(self.job()).is_none();
            loop {
                let job = self.job();
                let page = self.printed(move |printed| printed.arrivals(job, after, TURN)).await?;
                let Some(last) = page.last() else { break };
                after = last.id;
                for arrival in page {
                    self.pass_on(arrival, &mut latest).await?;
                }
            }
            if over {
                return Ok(());
            }
            tokio::select! {
                () = self.waiting.news() => {}
                () = self.sender.closed() => return Err(Stop::Gone),
            }
        }
    }

    /// Says what has been removed; if not everything is wanted, sends what is wanted of what is there. Returns the
    /// last piece of what has been sent.
    async fn first_look(&self) -> Result<i64, Stop> {
        let (job, all) = (self.job(), self.wanted.is_all());
        let newest = if all { 0 } else { self.printed(move |printed| printed.newest(job)).await? };
        let mut look = Look::new(all);
        while let Some(page) = self.next_page(&mut look).await? {
            for Printer { rank: id, removed: is_removed } in page {
                if is_removed {
                    self.send(removed(id)).await?;
                    continue;
                }
                for stream in self.wanted.streams.iter().copied() {
                    let begin = self.begin(id, stream).await?;
                    self.more(id, stream, begin).await?;
                }
            }
        }
        Ok(newest)
    }

    /// Sends what of a piece is wanted.
    async fn pass_on(&self, mut arrival: Arrival, latest: &mut Latest) -> Result<(), Stop> {
        let (id, stream) = (arrival.rank, arrival.stream);
        if !self.wanted.ranks.has(id.rank)
            || !self.wanted.streams.contains(&stream)
            || !self.is_of_interest(&arrival, latest).await?
        {
            return Ok(());
        }
        let known = self.wanted.has(id, stream).unwrap_or_default();
        let skip = usize::try_from(known.saturating_sub(arrival.start)).unwrap_or(usize::MAX);
        if skip >= arrival.bytes.len() {
            return Ok(());
        }
        arrival.bytes.drain(..skip);
        let (mut start, mut missing) = (arrival.start + skip as u64, arrival.missing);
        if known > arrival.start - arrival.missing {
            missing = arrival.start.saturating_sub(known);
        }
        for bytes in arrival.bytes.chunks(PIECE) {
            self.send(chunk(id, stream, start, missing, bytes.to_vec())).await?;
            (start, missing) = (start + bytes.len() as u64, 0);
        }
        Ok(())
    }

    /// Whether it is of the attempt that is wanted.
    async fn is_of_interest(&self, piece: &Arrival, latest: &mut Latest) -> Result<bool, Problem> {
        let attempt = piece.rank.attempt;
        if let Some(number) = self.wanted.attempt {
            return Ok(attempt.number == number);
        }
        let index = attempt.task.index;
        let task = TaskId { job: self.job(), index };
        let live = self.shared.published.read().attempts.get(&task).map(|live| live.number);
        if let Some(live) = live {
            return Ok(attempt.number >= live);
        }
        if let Some(latest) = latest.get(&index).filter(|latest| **latest >= attempt.number) {
            return Ok(attempt.number == *latest);
        }
        if latest.len() >= REMEMBERED {
            latest.clear();
        }
        let known = self.standing(index).await?.latest.unwrap_or(attempt.number);
        latest.insert(index, known);
        Ok(attempt.number >= known)
    }
}
