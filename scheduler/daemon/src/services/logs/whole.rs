//! Everything that a job has printed so far, in order of index.

use repower_model::{AttemptId, RankId};
use repower_store::output::{Printer, Reader};

use super::{Logs, PAGE, Stop, removed};
use crate::problem::Problem;

/// How far a look at those who have printed something is.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Whether only those matter whose output was removed.
    removed: bool,
    after: Option<RankId>,
    /// Whether the attempt of the rank before is wanted.
    known: Option<(AttemptId, bool)>,
    over: bool,
}

impl Look {
    /// A look that begins, at all of them or only at those whose output was removed.
    pub(super) fn new(removed: bool) -> Self {
        Self { removed, ..Self::default() }
    }
}

impl Logs {
    /// Everything that is there.
    pub(super) async fn whole(&self) -> Result<(), Stop> {
        let mut look = Look::new(false);
        while let Some(page) = self.next_page(&mut look).await? {
            for Printer { rank: id, removed: is_removed } in page {
                if is_removed {
                    self.send(removed(id)).await?;
                    continue;
                }
                for stream in self.wanted.streams.iter().copied() {
                    let begin = self.begin(id, stream).await?;
                    let sent = self.more(id, stream, begin).await?;
                    self.cut(id, stream, sent).await?;
                }
                // It may have gone while it was read.
                self.removed(id).await?;
            }
        }
        Ok(())
    }

    /// The next of those who have printed something and are wanted; `None`: there are no more.
    pub(super) async fn next_page(&self, look: &mut Look) -> Result<Option<Vec<Printer>>, Problem> {
        if look.over {
            return Ok(None);
        }
        let (job, after, removed) = (self.job(), look.after, look.removed);
        let query = move |printed: &Reader| {
            let query = if removed { Reader::removed } else { Reader::printers };
            query(printed, job, after, PAGE)
        };
        let page = self.printed(query).await?;
        look.over = page.len() < PAGE;
        look.after = page.last().map(|printer| printer.rank);
        let mut wanted = Vec::with_capacity(page.len());
        for printer in page {
            let id = printer.rank;
            let is_wanted = match (self.wanted.attempt, look.known) {
                (Some(number), _) => id.attempt.number == number,
                (None, Some((attempt, wanted))) if attempt == id.attempt => wanted,
                (None, _) => self.is_latest(id.attempt).await?,
            };
            look.known = Some((id.attempt, is_wanted));
            if is_wanted && self.wanted.ranks.has(id.rank) {
                wanted.push(printer);
            }
        }
        Ok(Some(wanted))
    }

    async fn is_latest(&self, id: AttemptId) -> Result<bool, Problem> {
        let standing = self.standing(id.task.index).await?;
        Ok(standing.latest.is_none_or(|latest| latest == id.number))
    }
}
