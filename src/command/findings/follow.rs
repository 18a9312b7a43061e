//! Following findings, over as many connections as it takes.

use std::collections::BTreeMap;
use std::time::Duration;

use repower_proto::v1::{Finding, FindingReply, FollowFindingsRequest, ShowFindingRequest};
use tonic::{Code, Status};

use super::page;
use crate::client::{Client, Patience, is_lost};
use crate::failure::Failure;
use crate::render::{Screen, json, words};

/// How long to go on trying once the scheduler is gone.
const PATIENCE: Duration = Duration::from_mins(10);
/// How many findings are remembered as they were printed last; the oldest are forgotten.
const KNOWN: usize = 4096;

/// What was printed, so that it is not printed again when the line broke.
#[derive(Debug, Default)]
struct Printed {
    last: BTreeMap<u64, Finding>,
}

impl Printed {
    /// Whether it says something that was not printed yet.
    fn is_news(&mut self, reply: &FindingReply) -> bool {
        let Some(finding) = &reply.finding else { return false };
        if self.last.get(&finding.id) == Some(finding) {
            return false;
        }
        self.last.insert(finding.id, finding.clone());
        if self.last.len() > KNOWN {
            self.last.pop_first();
        }
        true
    }
}

/// Prints what is undecided, and then all that happens to findings.
pub(super) async fn follow(client: &Client, screen: &mut Screen, job: u64) -> Result<(), Failure> {
    let mut printed = Printed::default();
    let mut patience = Patience::of(PATIENCE);
    loop {
        let status = match client.findings().follow(FollowFindingsRequest { job }).await {
            Err(status) => status,
            Ok(stream) => {
                patience = Patience::of(PATIENCE);
                let mut stream = stream.into_inner();
                match missed(client, screen, &mut printed).await? {
                    Some(status) => status,
                    None => loop {
                        match stream.message().await {
                            Ok(Some(reply)) => print(screen, &mut printed, &reply)?,
                            Ok(None) => break Status::unavailable("the stream has ended"),
                            Err(status) => break status,
                        }
                    },
                }
            }
        };
        if !is_lost(&status) || !patience.wait().await {
            return Err(client.refused(&status).into());
        }
    }
}

/// Looks again at what was undecided when it was printed: a scheduler that is asked anew tells only what
/// is undecided still. Returns what broke the line, if it broke.
async fn missed(
    client: &Client,
    screen: &mut Screen,
    printed: &mut Printed,
) -> Result<Option<Status>, Failure> {
    let undecided = printed.last.values().filter(|one| words::is_undecided(one.state()));
    let undecided: Vec<u64> = undecided.map(|one| one.id).collect();
    for finding in undecided {
        match client.findings().show(ShowFindingRequest { finding }).await {
            Ok(reply) => print(screen, printed, &reply.into_inner())?,
            // Nothing more will be told of it.
            Err(status) if status.code() == Code::NotFound => {}
            Err(status) => return Ok(Some(status)),
        }
    }
    Ok(None)
}

fn print(screen: &mut Screen, printed: &mut Printed, reply: &FindingReply) -> Result<(), Failure> {
    if !printed.is_news(reply) {
        return Ok(());
    }
    if screen.is_json() {
        screen.json_line(&json::Finding::from(reply))?;
    } else {
        screen.line(page::line(reply))?;
    }
    Ok(screen.flush()?)
}

#[cfg(test)]
mod tests {
    use repower_proto::v1::FindingState;

    use super::*;

    fn reply(id: u64, state: FindingState) -> FindingReply {
        let finding = Finding { id, state: state.into(), ..Finding::default() };
        FindingReply { finding: Some(finding), ..FindingReply::default() }
    }

    #[test]
    fn what_is_told_again_after_a_break_is_printed_once_and_what_changed_again() {
        let mut printed = Printed::default();

        assert!(printed.is_news(&reply(7, FindingState::Open)));
        assert!(!printed.is_news(&reply(7, FindingState::Open)));
        assert!(printed.is_news(&reply(7, FindingState::Dismissed)));
        assert!(printed.is_news(&reply(8, FindingState::Open)));
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut printed = Printed::default();

        for id in 1..=KNOWN as u64 + 5 {
            printed.is_news(&reply(id, FindingState::Open));
        }

        assert_eq!(printed.last.len(), KNOWN);
    }
}
