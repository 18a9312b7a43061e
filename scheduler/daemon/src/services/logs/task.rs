//! One task: what it has printed, and what comes.

use std::collections::BTreeMap;

use repower_model::{AttemptId, RankId, TaskId, Usage};
use repower_store::output::Stream;

use super::piece::cut;
use super::{Logs, Stop};
use crate::problem::Problem;

/// How much of each stream has been sent.
type Sent = BTreeMap<(u32, Stream), u64>;

impl Logs {
    /// One task: what is there, and what comes.
    pub(super) async fn task(&self, index: u32, follow: bool) -> Result<(), Stop> {
        let task = TaskId { job: self.job(), index };
        let (mut current, mut sent) = (self.wanted.attempt, Sent::new());
        // Whether this attempt had been printing before the call.
        let mut is_first = true;
        loop {
            // First the standing, then the output: all of it is there before an attempt has ended.
            let standing = self.standing(index).await?;
            current = current.or(standing.latest);
            if let Some(number) = current {
                let id = AttemptId { task, number };
                self.news(id, &mut sent, is_first).await?;
                let goes_on = standing.live && standing.latest == Some(number);
                let to_come =
                    !standing.over && standing.latest.is_none_or(|latest| latest < number);
                if !goes_on && !to_come {
                    self.close(id, &sent).await?;
                    if self.wanted.attempt.is_some() {
                        return Ok(());
                    }
                    if standing.latest != current {
                        (current, sent, is_first) = (standing.latest, Sent::new(), false);
                        continue;
                    }
                }
            }
            if !follow || (standing.over && !standing.live) {
                return Ok(());
            }
            is_first &= current.is_some();
            tokio::select! {
                () = self.waiting.news() => {}
                () = self.sender.closed() => return Err(Stop::Gone),
            }
        }
    }

    /// Sends what has come of an attempt since.
    async fn news(&self, id: AttemptId, sent: &mut Sent, is_first: bool) -> Result<(), Stop> {
        for rank in self.wanted.ranks.all() {
            let id = id.rank(rank);
            for stream in &self.wanted.streams {
                let from = match sent.get(&(rank, *stream)) {
                    Some(sent) => *sent,
                    None if is_first => self.begin(id, *stream).await?,
                    None => self.wanted.has(id, *stream).unwrap_or_default(),
                };
                let to = self.more(id, *stream, from).await?;
                sent.insert((rank, *stream), to);
            }
        }
        Ok(())
    }

    /// Says of an attempt that has ended what of its output is not there.
    async fn close(&self, id: AttemptId, sent: &Sent) -> Result<(), Stop> {
        for rank in self.wanted.ranks.all() {
            let id = id.rank(rank);
            if self.removed(id).await? {
                continue;
            }
            for stream in &self.wanted.streams {
                let sent = sent.get(&(rank, *stream)).copied().unwrap_or_default();
                self.cut(id, *stream, sent).await?;
            }
        }
        Ok(())
    }

    /// Says of a stream whose end is not there that it is not.
    pub(super) async fn cut(&self, id: RankId, stream: Stream, sent: u64) -> Result<(), Stop> {
        let Some(usage) = self.usage(id).await?.filter(|usage| usage.truncated) else {
            return Ok(());
        };
        let written = match stream {
            Stream::Stdout => usage.stdout_bytes,
            Stream::Stderr => usage.stderr_bytes,
        };
        if written > sent { self.send(cut(id, stream, sent)).await } else { Ok(()) }
    }

    async fn usage(&self, id: RankId) -> Result<Option<Usage>, Problem> {
        if self.wanted.ranks.is_gang {
            let row = self.shared.past(move |history| history.rank(id)).await?;
            return Ok(row.and_then(|row| row.ended).map(|ended| ended.usage));
        }
        let rows = self.rows(id.attempt.task.index).await?;
        let row = rows.into_iter().find(|row| row.placed.id == id.attempt);
        Ok(row.and_then(|row| row.ended).map(|ended| ended.usage))
    }
}
