//! Connections: where they lead, and the shape that encryption leaves visible.
//!
//! A pool speaks first whenever there is new work, its client answers with little and rarely, and the
//! connection is never quiet for long. Requests and their answers, keep-alives included, fall between
//! the same two looks and are no pushes.

use std::collections::BTreeMap;

use repower_model::Timestamp;

use super::{Flow, FlowSettings, Rule};
use crate::Now;

/// The most connections of one task that are followed; further ones are followed when others end.
const CONNECTIONS: usize = 256;

#[derive(Debug, Clone, Copy)]
struct Track {
    begun: Now,
    first: Flow,
    last: Flow,
    looked: Now,
    active: Now,
    pushes: u64,
    spoken: u64,
    was_idle: bool,
}

/// The connections of one task.
#[derive(Debug, Default)]
pub(super) struct Flows {
    tracks: BTreeMap<u64, Track>,
    /// Windows that were filled.
    pub(super) windows: u64,
}

impl Flows {
    /// The rules that the connection breaks, each with the time at which that began.
    pub(super) fn observe(
        &mut self,
        flow: Flow,
        now: Now,
        settings: &FlowSettings,
    ) -> Vec<(Rule, Timestamp)> {
        let mut broken = Vec::new();
        if !flow.is_allowed {
            broken.push((Rule::EgressOutside, now.wall));
        }
        // One that was not seen for so long is closed, or another with the same number.
        self.tracks.retain(|_, track| now.steady.since(track.looked.steady) <= settings.idle);
        if self.tracks.len() >= CONNECTIONS && !self.tracks.contains_key(&flow.socket) {
            return broken;
        }
        let track = self.tracks.entry(flow.socket).or_insert_with(|| Track::new(flow, now));
        if track.last.remote != flow.remote || flow.received < track.last.received {
            *track = Track::new(flow, now);
        }
        track.look(flow, now, settings);
        if now.steady.since(track.begun.steady) >= settings.window {
            self.windows += 1;
            if track.is_pool_like(now, settings) {
                broken.push((Rule::PoolShape, track.begun.wall));
            }
            *track = Track::new(flow, now);
        }
        broken
    }
}

impl Track {
    fn new(flow: Flow, now: Now) -> Self {
        Self {
            begun: now,
            first: flow,
            last: flow,
            looked: now,
            active: now,
            pushes: 0,
            spoken: 0,
            was_idle: false,
        }
    }

    fn look(&mut self, flow: Flow, now: Now, settings: &FlowSettings) {
        let has_received = flow.received > self.last.received;
        let has_sent = flow.sent > self.last.sent;
        self.pushes += u64::from(has_received && !has_sent);
        self.spoken += u64::from(has_sent);
        if has_received || has_sent {
            self.active = now;
        }
        self.was_idle |= now.steady.since(self.active.steady) > settings.idle;
        self.last = flow;
        self.looked = now;
    }

    fn is_pool_like(&self, now: Now, settings: &FlowSettings) -> bool {
        let ms = now.steady.since(self.begun.steady).as_millis().max(1);
        let thin = |from: u64, to: u64| {
            to.saturating_sub(from).saturating_mul(1000)
                < settings.bytes_per_second.saturating_mul(ms)
        };
        let often = |count: u64, every_ms: u64| count.saturating_mul(every_ms) >= ms;
        !self.was_idle
            && thin(self.first.sent, self.last.sent)
            && thin(self.first.received, self.last.received)
            && often(self.pushes, settings.push_every.as_millis())
            && often(self.spoken, settings.speak_every.as_millis())
    }
}
