//! Load that is steady, busy and for nothing that can be seen. A question, never more: honest batch
//! work looks the same.

use std::collections::VecDeque;

use repower_model::Timestamp;

use super::{Counters, FlatSettings};
use crate::Now;

/// The most buckets that are kept, whatever the settings ask for.
const BUCKETS: usize = 120;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    begun: Timestamp,
    /// Use of processor time, in permille of one processor.
    permille: u64,
}

/// The counters of one task over time.
#[derive(Debug, Default)]
pub(super) struct Flat {
    last: Option<(Now, Counters)>,
    buckets: VecDeque<Bucket>,
}

impl Flat {
    /// When the flat stretch began, if there is one.
    pub(super) fn observe(
        &mut self,
        counters: Counters,
        now: Now,
        settings: &FlatSettings,
    ) -> Option<Timestamp> {
        let Some((then, before)) = self.last else {
            self.last = Some((now, counters));
            return None;
        };
        let ms = now.steady.since(then.steady).as_millis();
        if ms < settings.bucket.as_millis().max(1) {
            return None;
        }
        self.last = Some((now, counters));
        let used = counters.cpu_ms.saturating_sub(before.cpu_ms);
        let permille = used.saturating_mul(1000) / ms;
        let has_moved = counters.moved.saturating_sub(before.moved) > settings.moved;
        let has_output = counters.output > before.output;
        let has_progress = counters.progress > before.progress;
        if has_moved || has_output || has_progress || permille < settings.least_permille {
            self.buckets.clear();
            return None;
        }
        let wanted = settings.buckets.clamp(1, BUCKETS);
        self.buckets.push_back(Bucket { begun: then.wall, permille });
        if self.buckets.len() > wanted {
            self.buckets.pop_front();
        }
        if self.buckets.len() < wanted {
            return None;
        }
        let sum: u64 = self.buckets.iter().map(|bucket| bucket.permille).sum();
        let mean = sum / wanted as u64;
        let most = mean.saturating_mul(settings.spread_permille) / 1000;
        let is_flat = self.buckets.iter().all(|bucket| bucket.permille.abs_diff(mean) <= most);
        let begun = self.buckets.front().map(|bucket| bucket.begun);
        begun.filter(|_| is_flat)
    }
}
