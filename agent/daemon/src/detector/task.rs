//! One task that is looked at, and what of it has been told.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use repower_agent_core::detect::Response;
use repower_agent_core::{Moment, Now};
use repower_model::{RankId, Span};
use repower_proto::v1::{Noticed, WatchedTask};

use super::settings::Wanted;
use crate::sense::{self, Admitted, Files, Members, Sensors, Watch};

/// What goes on is told again after this.
const AGAIN: Span = Span::from_secs(10 * 60);

/// One task.
#[derive(Debug)]
pub(super) struct Task {
    /// Its first process.
    pub(super) process: u32,
    pub(super) watch: Watch,
    /// It stands still: there is nothing to see.
    pub(super) frozen: bool,
    /// When it was looked at last.
    pub(super) looked: Moment,
    /// What it had printed, and what progress it claims.
    output: u64,
    progress: Option<u64>,
    /// The policy by which it is watched.
    policy: String,
    told: Told,
}

/// What was told of a task.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    /// How many rules had been broken.
    rules: usize,
    /// What they called for.
    response: Response,
    at: Moment,
}

impl Task {
    pub(super) fn new(one: &WatchedTask, wanted: Wanted, now: Moment) -> Self {
        let group = PathBuf::from(OsString::from_vec(one.group.clone()));
        let members = if group.as_os_str().is_empty() {
            Members::Family(one.process)
        } else {
            Members::Group(group)
        };
        Self {
            process: one.process,
            watch: Watch::new(members, Admitted::default(), wanted.settings, now),
            frozen: false,
            looked: Moment::default(),
            output: 0,
            progress: None,
            policy: wanted.policy,
            told: Told::default(),
        }
    }

    /// How it stands and what it was given, as its executor says.
    pub(super) fn stands(&mut self, one: &WatchedTask, files: Files) {
        self.watch.admit(files);
        (self.output, self.progress, self.frozen) = (one.output_bytes, one.progress, one.frozen);
    }

    /// Looks at whatever is due; whether a thread of it stood still for that.
    pub(super) fn look(&mut self, sensors: &mut Sensors, now: Now) -> bool {
        self.watch.look(sensors, self.output, self.progress, now).has_stopped
    }

    /// Whoever was told may not have heard it.
    pub(super) fn tell_again(&mut self) {
        self.told = Told::default();
    }

    /// What is to be told: when another rule is broken, with evidence when that calls for more; and what goes on, now
    /// and then.
    pub(super) fn news(&mut self, id: RankId, sensors: &mut Sensors, now: Now) -> Option<Noticed> {
        let detector = self.watch.detector();
        let verdicts: Vec<_> = detector.verdicts().collect();
        let goes_on = || {
            let seen = verdicts.iter().map(|one| one.last_seen).max();
            let is_old = now.steady.since(self.told.at) >= AGAIN;
            is_old && seen.is_some_and(|seen| now.wall.since(seen) < AGAIN)
        };
        if verdicts.len() <= self.told.rules && !goes_on() {
            return None;
        }
        let response = detector.response();
        let mut noticed = Noticed {
            attempt: Some(id.into()),
            verdicts: verdicts.iter().map(sense::told).collect(),
            ..Noticed::default()
        };
        if response > self.told.response {
            let members = self.watch.members();
            let bundle = sense::evidence(sensors, members, &verdicts, &self.policy, now);
            noticed.images = sense::images(sensors, members, &verdicts);
            (noticed.evidence, noticed.cut) = (bundle.text.into_bytes(), bundle.cut);
        }
        self.told = Told { rules: verdicts.len(), response, at: now.steady };
        tracing::warn!(attempt = %id, %response, rules = verdicts.len(), "something was noticed");
        Some(noticed)
    }
}
