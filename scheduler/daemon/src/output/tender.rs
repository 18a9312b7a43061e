//! Looking after what ended tasks have printed: it is compressed, and removed when it is old or there is too much.
//!
//! All of the reading and compressing is done here, and not by the writer, in small parts with pauses as long as the
//! work was: nobody who prints waits for it.

use std::time::Duration;

use repower_model::{RankId, Span, Timestamp};
use repower_store::output::{Block, Removed, Stream};

use crate::clock::{self, Stopwatch};
use crate::problem::Problem;
use crate::shared::Shared;

/// The longest time between two looks.
const LOOK: Duration = Duration::from_secs(10);
/// How many processes are looked up at one time.
const PAGE: usize = 256;
/// About how many bytes, as printed, are compressed for one commit.
const COMMIT_BYTES: u64 = 4 << 20;
/// Of how many processes output is removed in one commit.
const REMOVE: usize = 16;

/// Looks after the output of ended tasks until the scheduler ends.
pub(crate) async fn tend(shared: &Shared) {
    let rest = shared.options.output_rest_ms;
    // The time since which those that nobody knows better of are quiet.
    let look = LOOK.min(Duration::from_millis(rest.max(50)));
    let mut problems = shared.printer.tend(|output| output.date(clock::now())).await.err();
    loop {
        let stopwatch = Stopwatch::start();
        let more = match round(shared).await {
            Ok(more) => more,
            Err(problem) => {
                problems = Some(problem);
                false
            }
        };
        if let Some(problem) = problems.take() {
            tracing::warn!(problem = problem.text, "the output of ended tasks is not looked after");
        }
        tokio::time::sleep(if more { stopwatch.elapsed() } else { look }).await;
    }
}

/// Does a part of what is to be done; returns whether there is more.
async fn round(shared: &Shared) -> Result<bool, Problem> {
    let packed = compress(shared).await?;
    let old = remove_old(shared).await?;
    let many = remove_many(shared).await?;
    Ok(packed || old || many)
}

/// Compresses the output of ended tasks; returns whether there is more to do.
async fn compress(shared: &Shared) -> Result<bool, Problem> {
    let now = clock::now();
    let since = before(now, shared.options.output_rest_ms);
    let quiet = ask(shared, move |printed| printed.quiet(since, PAGE)).await?;
    let more = quiet.len() == PAGE;
    let (live, ended): (Vec<RankId>, Vec<RankId>) =
        quiet.into_iter().partition(|rank| is_live(shared, *rank));
    if !live.is_empty() {
        // Their time begins when they have ended.
        shared.printer.tend(move |output| output.touch(&live, now)).await?;
    }
    let (mut blocks, mut done, mut bytes) = (Vec::new(), Vec::new(), 0);
    for rank in ended {
        for stream in Stream::ALL {
            let mut from = 0;
            while let Some(packed) =
                ask(shared, move |printed| printed.pack(rank, stream, from)).await?
            {
                from = packed.end;
                bytes += packed.block.length();
                blocks.push(packed.block);
                if bytes >= COMMIT_BYTES {
                    replace(shared, std::mem::take(&mut blocks), Vec::new(), since).await?;
                    bytes = 0;
                }
            }
        }
        done.push(rank);
    }
    if !done.is_empty() {
        replace(shared, blocks, done, since).await?;
    }
    Ok(more)
}

async fn replace(
    shared: &Shared,
    blocks: Vec<Block>,
    done: Vec<RankId>,
    since: Timestamp,
) -> Result<(), Problem> {
    let saved = shared.printer.tend(move |output| output.replace(&blocks, &done, since)).await?;
    shared.metrics.output_saved(saved);
    Ok(())
}

/// Removes what is too old; returns whether there is more to do.
async fn remove_old(shared: &Shared) -> Result<bool, Problem> {
    let keep = shared.options.output_keep_ms;
    if keep == 0 {
        return Ok(false);
    }
    let since = before(clock::now(), keep);
    let old = ask(shared, move |printed| printed.old(since, REMOVE)).await?;
    if old.is_empty() {
        return Ok(false);
    }
    let more = old.len() == REMOVE;
    let removed = shared.printer.tend(move |output| output.remove(&old, since)).await?;
    tell(shared, removed, format_args!("it is older than {}", Span::from_millis(keep)));
    Ok(more)
}

/// Removes the oldest if there is too much; returns whether there is still.
async fn remove_many(shared: &Shared) -> Result<bool, Problem> {
    let most = shared.options.output_total_bytes;
    let stored = ask(shared, repower_store::output::Reader::stored).await?;
    shared.metrics.output_stored(stored);
    if most == 0 || stored <= most {
        return Ok(false);
    }
    // Only what is compressed has ended; the rest gets there.
    let now = clock::now();
    let oldest = ask(shared, move |printed| printed.old(now, REMOVE)).await?;
    if oldest.is_empty() {
        return Ok(false);
    }
    let removed = shared.printer.tend(move |output| output.remove(&oldest, now)).await?;
    tell(shared, removed, format_args!("all output takes {stored} bytes, and {most} are allowed"));
    Ok(stored - removed.bytes.min(stored) > most)
}

fn tell(shared: &Shared, removed: Removed, why: std::fmt::Arguments<'_>) {
    shared.metrics.output_removed(removed.bytes);
    let Removed { printers, bytes } = removed;
    tracing::info!(printers, bytes, %why, "removed the output of ended tasks");
}

/// Whether more of it may come.
fn is_live(shared: &Shared, rank: RankId) -> bool {
    let state = shared.published.read();
    let live = state.attempts.get(&rank.attempt.task);
    live.is_some_and(|live| live.number == rank.attempt.number)
}

fn before(now: Timestamp, ms: u64) -> Timestamp {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(ms))
}

async fn ask<T: Send + 'static>(
    shared: &Shared,
    query: impl FnOnce(&repower_store::output::Reader) -> Result<T, repower_store::Fault>
    + Send
    + 'static,
) -> Result<T, Problem> {
    let printed = shared.printed.clone();
    let answer = tokio::task::spawn_blocking(move || query(&printed)).await;
    answer.map_err(|error| Problem::unreadable(&error))?.map_err(Problem::from)
}
