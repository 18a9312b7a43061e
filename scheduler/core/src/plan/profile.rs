//! The capacity profile: what is free, as a step function of time.
//!
//! Running tasks give back at their ends, reservations take for a while. Backfill, gangs and "when
//! will it start?" all ask it. Cost grows with the steps that are touched.

use repower_model::{Resources, Span, Timestamp};

/// What is free of one node, or of several together, from a moment on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Ascending; the first is the present, the last holds for ever.
    steps: Vec<Step>,
}

/// From when on something is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// From when on.
    pub at: Timestamp,
    /// How much.
    pub free: Resources,
}

impl Profile {
    /// What is free now, and what comes back when. What should have come back already counts as
    /// free now: nobody knows better.
    pub fn new(
        now: Timestamp,
        free: Resources,
        ends: impl IntoIterator<Item = (Timestamp, Resources)>,
    ) -> Self {
        let mut ends: Vec<_> = ends.into_iter().map(|(at, given)| (at.max(now), given)).collect();
        ends.sort_by_key(|(at, _)| *at);
        let mut steps = Vec::with_capacity(ends.len() + 1);
        let mut last = Step { at: now, free };
        for (at, given) in ends {
            let free = last.free.plus(&given);
            if last.at < at {
                steps.push(std::mem::replace(&mut last, Step { at, free }));
            } else {
                last.free = free;
            }
        }
        steps.push(last);
        Self { steps }
    }

    /// Its steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether `asked` is free from `from` on for so long; `None`: for ever.
    pub fn fits(&self, asked: &Resources, from: Timestamp, span: Option<Span>) -> bool {
        let first = self.index_at(from);
        self.steps[first..]
            .iter()
            .take_while(|step| step.at <= from || ends_after(from, span, step.at))
            .all(|step| step.free.holds(asked))
    }

    /// The first moment, not before `from`, at which `asked` is free for so long; `None`: never.
    pub fn earliest(
        &self,
        asked: &Resources,
        from: Timestamp,
        span: Option<Span>,
    ) -> Option<Timestamp> {
        let mut start = from;
        let mut at = self.index_at(from);
        while at < self.steps.len() {
            let step = &self.steps[at];
            if step.at > start && !ends_after(start, span, step.at) {
                return Some(start);
            }
            at += 1;
            if !step.free.holds(asked) {
                start = self.steps.get(at)?.at;
            }
        }
        Some(start)
    }

    /// Takes `asked` from `from` on for so long; where less is free, nothing is left.
    pub fn take(&mut self, asked: &Resources, from: Timestamp, span: Option<Span>) {
        self.cut(from);
        if let Some(span) = span {
            self.cut(from + span);
        }
        for step in &mut self.steps {
            if step.at >= from && (step.at <= from || ends_after(from, span, step.at)) {
                step.free = step.free.less(asked);
            }
        }
    }

    /// Makes a step begin at `at`, if that lies ahead.
    fn cut(&mut self, at: Timestamp) {
        let before = self.index_at(at);
        if self.steps[before].at < at {
            let free = self.steps[before].free.clone();
            self.steps.insert(before + 1, Step { at, free });
        }
    }

    /// The step that holds at a moment; the first for what lies before it.
    fn index_at(&self, at: Timestamp) -> usize {
        self.steps.partition_point(|step| step.at <= at).saturating_sub(1)
    }
}

/// Whether what begins at `from` and lasts for `span` still lasts at `at`.
fn ends_after(from: Timestamp, span: Option<Span>, at: Timestamp) -> bool {
    span.is_none_or(|span| from + span > at)
}

#[cfg(test)]
mod tests {
    use repower_model::Cpus;

    use super::*;

    fn cpus(count: u64) -> Resources {
        Resources { cpus: Cpus::from_whole(count), ..Resources::default() }
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    fn secs(count: u64) -> Span {
        Span::from_secs(count)
    }

    /// Two free now, four from 10 s on, eight from 20 s on.
    fn profile() -> Profile {
        Profile::new(at(0), cpus(2), [(at(20), cpus(4)), (at(10), cpus(2))])
    }

    #[test]
    fn what_fits_now_fits_only_as_long_as_nothing_is_reserved() {
        let mut profile = profile();

        profile.take(&cpus(4), at(10), Some(secs(10)));

        assert!(profile.fits(&cpus(2), at(0), Some(secs(10))));
        assert!(!profile.fits(&cpus(2), at(0), Some(secs(11))));
        assert!(!profile.fits(&cpus(1), at(0), None));
    }

    #[test]
    fn the_earliest_hole_is_long_enough() {
        let mut profile = profile();
        profile.take(&cpus(3), at(10), Some(secs(20)));

        assert_eq!(profile.earliest(&cpus(2), at(0), Some(secs(10))), Some(at(0)));
        assert_eq!(profile.earliest(&cpus(2), at(0), Some(secs(11))), Some(at(20)));
        assert_eq!(profile.earliest(&cpus(6), at(0), Some(secs(5))), Some(at(30)));
        assert_eq!(profile.earliest(&cpus(9), at(0), Some(secs(1))), None);
    }

    #[test]
    fn taking_splits_steps_where_it_begins_and_ends() {
        let mut profile = profile();

        profile.take(&cpus(1), at(5), Some(secs(10)));

        let steps: Vec<_> = profile
            .steps()
            .iter()
            .map(|step| (step.at, step.free.cpus.as_milli() / 1000))
            .collect();
        let expected = [(at(0), 2), (at(5), 1), (at(10), 3), (at(15), 4), (at(20), 8)];
        assert_eq!(steps, expected);
    }

    #[test]
    fn what_is_overdue_counts_as_free_now() {
        let profile = Profile::new(at(100), cpus(0), [(at(10), cpus(4))]);

        assert_eq!(profile.earliest(&cpus(4), at(100), None), Some(at(100)));
    }

    /// Against counting second by second.
    #[test]
    fn the_earliest_hole_is_what_counting_every_second_finds() {
        let mut dice = 7_u64;
        let mut throw = |sides: u64| {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % sides
        };
        for _ in 0..500 {
            let ends: Vec<_> =
                (0..throw(5)).map(|_| (at(throw(20).cast_signed()), cpus(throw(3)))).collect();
            let mut profile = Profile::new(at(0), cpus(throw(4)), ends.clone());
            for _ in 0..throw(4) {
                let (asked, from, long) =
                    (cpus(1), at(throw(20).cast_signed()), Some(secs(1 + throw(8))));
                if profile.fits(&asked, from, long) {
                    profile.take(&asked, from, long);
                }
            }
            let (asked, long) = (cpus(1 + throw(4)), 1 + throw(9));
            let free_at = |second: i64| {
                profile
                    .steps()
                    .iter()
                    .rev()
                    .find(|step| step.at <= at(second))
                    .unwrap()
                    .free
                    .clone()
            };
            let counted = (0..60).find(|start| {
                (*start..start + long.cast_signed()).all(|second| free_at(second).holds(&asked))
            });

            assert_eq!(profile.earliest(&asked, at(0), Some(secs(long))), counted.map(at));
        }
    }
}
