//! What the detector has noticed.

use repower_model::{
    AttemptId, Egress, JobId, JobSpec, Outcome, RankId, Response, Span, StopReason, TaskId,
    Timestamp, Verdict,
};

use super::{World, attempt, kill, spec, terminate};
use crate::{Action, Input, Noticed, Report, Status};

pub(super) const MODES: (&str, u8, &str) = ("registers.rounding-modes", 1, "registers");
const CONSTANTS: (&str, u8, &str) = ("content.known-constants", 1, "content");
pub(super) const FLAT: (&str, u8, &str) = ("load.flat", 3, "load");

pub(super) fn noticed(attempt: RankId, rules: &[(&str, u8, &str)]) -> Input<'static> {
    let verdict = |(rule, tier, mechanism): &(&str, u8, &str)| Verdict {
        rule: (*rule).to_owned(),
        version: 1,
        tier: *tier,
        mechanism: (*mechanism).to_owned(),
        first_seen: Timestamp::from_millis(1),
        last_seen: Timestamp::from_millis(2),
        times: 2,
        detail: String::new(),
    };
    let verdicts = rules.iter().map(verdict).collect();
    let evidence = b"map".to_vec();
    Input::Noticed(Box::new(Noticed {
        attempt,
        verdicts,
        images: Vec::new(),
        evidence,
        cut: false,
    }))
}

impl World {
    /// The rules of what was reported since the last look.
    fn told(&mut self) -> Vec<String> {
        let reports = self.sent().map(|(_, reports)| reports).unwrap_or_default();
        let rules = reports.into_iter().filter_map(|report| match report {
            Report::Noticed(noticed) => Some(noticed.verdicts),
            Report::Started { .. }
            | Report::Output { .. }
            | Report::Kept { .. }
            | Report::Saved { .. }
            | Report::Stopping { .. }
            | Report::Claimed { .. }
            | Report::Ended { .. } => None,
        });
        rules.flatten().map(|one| one.rule).collect()
    }

    fn clear(&mut self, attempt: RankId, rule: &str) {
        self.tell(Input::Thaw(attempt, vec![rule.to_owned()]));
    }
}

#[test]
fn one_witness_of_the_first_tier_freezes_at_once_and_a_question_does_not() {
    let mut world = World::new();
    let (one, other) = (world.run(0), world.run(1));

    world.tell(noticed(one, &[MODES]));
    world.tell(noticed(other, &[FLAT]));
    world.tell(noticed(one, &[MODES]));

    assert_eq!(world.actions(), [Action::Freeze(one)]);
    assert_eq!(world.told(), [MODES.0, FLAT.0, MODES.0]);
}

#[test]
fn what_a_person_has_found_to_be_wrong_is_noticed_no_more() {
    let mut world = World::new();
    let one = world.run(0);
    world.tell(noticed(one, &[MODES]));
    world.told();
    world.actions();

    world.clear(one, MODES.0);
    world.tell(noticed(one, &[MODES]));

    assert_eq!(world.actions(), [Action::Thaw(one)]);
    assert_eq!(world.told(), [] as [&str; 0]);
    world.tell(noticed(one, &[MODES, CONSTANTS]));
    assert_eq!(world.actions(), [Action::Freeze(one)]);
    assert_eq!(world.told(), [CONSTANTS.0]);
}

const WORDS: (&str, u8, &str) = ("content.pool-words", 2, "content");

#[test]
fn what_reaches_named_places_only_is_cut_off_by_a_finding_of_the_second_tier_and_not_by_a_question()
{
    let places = vec!["example.org:443".to_owned()];
    let mut world = World::with(JobSpec { egress: Some(Egress::Only(places)), ..spec() });
    let (one, other) = (world.run(0), world.run(1));

    world.tell(noticed(other, &[FLAT]));
    world.tell(noticed(one, &[FLAT, WORDS]));
    world.tell(noticed(one, &[FLAT, WORDS]));
    assert_eq!(world.actions(), [Action::CutEgress(one)], "once");
    world.tell(noticed(one, &[MODES]));
    assert_eq!(world.actions(), [Action::Freeze(one)]);

    world.clear(one, MODES.0);
    assert_eq!(world.actions(), [Action::MendEgress(one), Action::Thaw(one)]);
    world.tell(noticed(one, &[MODES]));
    assert_eq!(world.actions(), [], "that was found to be wrong");
    world.tell(noticed(one, &[WORDS]));
    assert_eq!(world.actions(), [Action::CutEgress(one)]);
}

#[test]
fn what_has_the_network_of_its_node_or_none_cannot_be_cut_off() {
    for egress in [None, Some(Egress::Open), Some(Egress::None)] {
        let mut world = World::with(JobSpec { egress, ..spec() });
        let one = world.run(0);

        world.tell(noticed(one, &[WORDS]));

        assert_eq!(world.actions(), []);
        assert_eq!(world.told(), [WORDS.0]);
    }
}

#[test]
fn the_time_limit_waits_while_a_task_stands_still() {
    let limit = Some(Span::from_secs(60));
    let mut world = World::with(JobSpec { time_limit: limit, ..spec() });
    let one = world.run(0);
    world.pass(20_000);
    world.tell(Input::Freeze(one));

    assert_eq!(world.wake_at(), None);
    world.pass(3_600_000);
    world.tell(Input::Timer);
    assert_eq!(world.actions(), [Action::Freeze(one)]);
    world.clear(one, MODES.0);
    assert_eq!(world.wake(), 40_000);

    assert_eq!(world.actions(), [Action::Thaw(one), terminate(one)]);
    world.exit(one, Status::Signal(15), true);
    assert_eq!(world.outcomes(), [(one, Outcome::TimedOut)]);
}

#[test]
fn whoever_is_cancelled_while_it_stands_still_hears_it_and_goes_on_to_its_end() {
    let mut world = World::new();
    let one = world.run(0);
    world.tell(Input::Freeze(one));
    world.actions();

    world.stop(one, StopReason::Cancelled);
    world.tell(Input::Freeze(one));

    assert_eq!(world.actions(), [terminate(one), Action::Thaw(one)], "what ends is not frozen");
    world.exit(one, Status::Signal(15), true);
    assert_eq!(world.outcomes(), [(one, Outcome::Cancelled)]);
}

#[test]
fn a_finding_ends_a_task_without_grace_whatever_it_is_doing() {
    let mut world = World::with(JobSpec { checkpoint_signal: Some(10), ..spec() });
    let (one, other) = (world.run(0), world.run(1));
    world.stop(other, StopReason::Preempted);
    world.actions();

    world.stop(one, StopReason::Finding);
    world.stop(other, StopReason::Finding);

    assert_eq!(world.actions(), [kill(one), kill(other)]);
    world.exit(one, Status::Signal(9), true);
    world.exit(other, Status::Signal(9), true);
    let ended = |id| (id, Outcome::Finding { detail: String::new() });
    assert_eq!(world.outcomes(), [ended(one), ended(other)]);
}

#[test]
fn what_the_policy_leaves_to_a_person_is_told_and_nothing_else_is_done() {
    let mut world = World::new();
    world.tell(Input::Define {
        job: JobId(2),
        spec: Box::new(spec()),
        tasks: 1,
        watch: Vec::new(),
        hardest: Response::Hold,
    });
    let one = AttemptId { task: TaskId { job: JobId(2), index: 0 }, number: 1 }.rank(0);
    world.tell(super::start(one));
    world.tell(Input::Started { attempt: one });
    world.actions();

    world.tell(noticed(one, &[MODES, CONSTANTS]));

    assert_eq!(world.actions(), []);
    assert_eq!(world.told(), [MODES.0, CONSTANTS.0]);
}

#[test]
fn what_must_not_run_ends_as_a_finding_and_not_as_a_failure_to_start() {
    let mut world = World::new();
    let one = world.start(0);
    world.launched();
    let detail = || "its program is in quarantine".to_owned();

    world.tell(Input::Forbidden { attempt: one, detail: detail() });

    assert_eq!(world.outcomes(), [(one, Outcome::Finding { detail: detail() })]);
}

#[test]
fn what_is_noticed_is_told_again_on_the_next_link_until_it_is_acknowledged() {
    let mut world = World::new();
    let one = world.run(0);
    world.tell(noticed(one, &[MODES]));
    assert_eq!(world.told(), [MODES.0]);

    world.tell(Input::LinkUp(super::terms()));
    assert_eq!(world.told(), [MODES.0]);
    world.tell(Input::Acknowledged(9));
    world.tell(Input::LinkUp(super::terms()));

    assert_eq!(world.told(), [] as [&str; 0]);
    world.exit(one, Status::Code(0), true);
    world.outcomes();
    world.tell(noticed(attempt(0), &[MODES]));
    assert_eq!(world.told(), [] as [&str; 0], "it has ended");
    assert_eq!(Response::to([(MODES.1, MODES.2)]), Response::Freeze);
}

#[test]
fn what_stands_still_in_part_only_is_told_with_what_was_noticed() {
    let mut world = World::new();
    let (one, other) = (world.run(0), world.run(1));
    world.tell(noticed(one, &[MODES]));
    world.tell(Input::Freeze(other));
    world.sent();

    let detail = "it has more than 2 processes".to_owned();
    world.tell(Input::StandsInPart { attempt: one, detail: detail.clone() });
    world.tell(Input::StandsInPart { attempt: other, detail });

    let reports = world.sent().map(|(_, reports)| reports).unwrap_or_default();
    let [Report::Noticed(told)] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!((told.attempt, told.verdicts[0].rule.as_str()), (one, MODES.0));
    let evidence = "it stands still in part only: it has more than 2 processes\n";
    assert_eq!(String::from_utf8_lossy(&told.evidence), evidence);
}
