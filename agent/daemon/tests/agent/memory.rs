//! What the small scheduler remembers, and how it behaves.

use std::collections::BTreeMap;

use repower_proto::v1::report::Body as Report;
use repower_proto::v1::{
    AttemptRef, Claims, Dismissed, Ended, Goodbye, Hello, Output, Progress, Reports, Samples,
    Stream, ToAgent,
};
use tokio::sync::mpsc;
use tonic::Status;

/// What the scheduler remembers and how it behaves.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) hellos: Vec<Hello>,
    pub(crate) heartbeats: u64,
    pub(crate) goodbyes: Vec<Goodbye>,
    /// Each once, in order.
    pub(crate) reports: Vec<Report>,
    /// How many came again.
    pub(crate) again: u64,
    /// How many messages of reports there were.
    pub(crate) messages: u64,
    /// Whether reports stay unacknowledged.
    pub(crate) withhold: bool,
    /// Whether links are refused as if nobody were there.
    pub(crate) away: bool,
    pub(crate) dismiss: Option<Dismissed>,
    pub(crate) enrolled: u32,
    pub(crate) names: Vec<String>,
    pub(crate) samples: Vec<Samples>,
    /// What processes say of their progress, in messages, each with the number of the link from 1.
    pub(crate) claims: Vec<(usize, Claims)>,
    next: BTreeMap<Vec<u8>, u64>,
    pub(crate) link: Option<mpsc::Sender<Result<ToAgent, Status>>>,
}

impl Memory {
    pub(crate) fn ended(&self, attempt: AttemptRef) -> Option<Ended> {
        self.reports.iter().find_map(|report| match report {
            Report::Ended(ended) if ended.attempt == Some(attempt) => Some(ended.clone()),
            Report::Ended(_)
            | Report::Started(_)
            | Report::Output(_)
            | Report::Kept(_)
            | Report::Saved(_)
            | Report::Noticed(_)
            | Report::Claimed(_)
            | Report::Stopping(_) => None,
        })
    }

    /// The last that an attempt has said of its progress, as it was reported before its end.
    pub(crate) fn claimed(&self, attempt: AttemptRef) -> Option<Progress> {
        let is_end =
            |one: &&Report| matches!(one, Report::Ended(end) if end.attempt == Some(attempt));
        let mut reports = self.reports.iter().take_while(|one| !is_end(one));
        reports.find_map(|report| match report {
            Report::Claimed(one) if one.attempt == Some(attempt) => one.progress.clone(),
            Report::Claimed(_)
            | Report::Ended(_)
            | Report::Started(_)
            | Report::Output(_)
            | Report::Kept(_)
            | Report::Saved(_)
            | Report::Noticed(_)
            | Report::Stopping(_) => None,
        })
    }

    /// The pieces of what an attempt printed on one stream.
    pub(crate) fn pieces(&self, attempt: AttemptRef, stream: Stream) -> Vec<Output> {
        let piece = |report: &Report| match report {
            Report::Output(output) => Some(output.clone()),
            Report::Ended(_)
            | Report::Started(_)
            | Report::Kept(_)
            | Report::Saved(_)
            | Report::Noticed(_)
            | Report::Claimed(_)
            | Report::Stopping(_) => None,
        };
        let pieces = self.reports.iter().filter_map(piece);
        pieces.filter(|one| one.attempt == Some(attempt) && one.stream() == stream).collect()
    }

    /// What an attempt printed on one stream, but for what was left out; the pieces must follow each other without
    /// other gaps.
    pub(crate) fn output(&self, attempt: AttemptRef, stream: Stream) -> Vec<u8> {
        let (mut all, mut end) = (Vec::new(), 0);
        for report in &self.reports {
            if let Report::Output(output) = report
                && output.attempt == Some(attempt)
                && output.stream() == stream
            {
                assert_eq!(output.offset, end + output.missing, "a gap or an overlap");
                end = output.offset + output.data.len() as u64;
                assert!(output.data.len() <= 256 << 10, "a piece is too large");
                all.extend_from_slice(&output.data);
            }
        }
        all
    }

    /// Takes in a message of reports; returns the sequence of the last.
    pub(crate) fn take(&mut self, instance: &[u8], reports: Reports) -> u64 {
        let next = self.next.entry(instance.to_vec()).or_insert(1);
        self.messages += 1;
        assert!(reports.first <= *next, "a gap between reports");
        for (sequence, report) in (reports.first..).zip(reports.reports) {
            if sequence < *next {
                self.again += 1;
            } else {
                self.reports.push(report.body.unwrap());
                *next += 1;
            }
        }
        *next - 1
    }
}
