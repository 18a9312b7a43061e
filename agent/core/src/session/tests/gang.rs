//! Ranks of a gang, each a process of its own.

use std::sync::Arc;

use repower_model::{
    AttemptId, Host, JobId, JobSpec, Outcome, RankId, Rendezvous, StopReason, TaskId,
};

use super::{World, spec, terminate};
use crate::{Action, Input, Status};

const GANG: AttemptId = AttemptId { task: TaskId { job: JobId(1), index: 0 }, number: 1 };

/// A gang with one rank on another node, then so many here.
fn rendezvous(ranks: u32) -> Arc<Rendezvous> {
    let host = |name: &str, ranks| Host { name: name.into(), address: name.into(), ranks };
    Arc::new(Rendezvous { hosts: vec![host("a", 1), host("b", ranks)], node_rank: 1, port: 20_000 })
}

fn order(world: &mut World, ranks: u32) {
    let rendezvous = Some(rendezvous(ranks));
    world.tell(Input::Start { attempt: GANG, alternative: Some(0), rendezvous, checkpoint: None });
}

fn ranks(ids: &[u32]) -> Vec<RankId> {
    ids.iter().map(|rank| GANG.rank(*rank)).collect()
}

#[test]
fn one_order_starts_all_ranks_of_this_node_each_with_what_it_must_know() {
    let mut world = World::new();

    order(&mut world, 2);

    let launches: Vec<_> = world
        .actions()
        .into_iter()
        .filter_map(|action| match action {
            Action::Launch { attempt, rendezvous, .. } => Some((attempt, rendezvous)),
            Action::Signal { .. }
            | Action::Stage(_)
            | Action::Collect { .. }
            | Action::Discard(_)
            | Action::Restore { .. }
            | Action::Save(_)
            | Action::Release(_)
            | Action::DropCheckpoint(_)
            | Action::Freeze(_)
            | Action::Thaw(_)
            | Action::CutEgress(_)
            | Action::MendEgress(_)
            | Action::CloseOutput { .. }
            | Action::ResumeReading
            | Action::ForgetJob(_) => None,
        })
        .collect();
    let told = Some(rendezvous(2));
    assert_eq!(launches, [(GANG.rank(1), told.clone()), (GANG.rank(2), told)]);
    assert_eq!(world.session.held().collect::<Vec<_>>(), ranks(&[1, 2]));
}

#[test]
fn each_rank_has_its_own_slot_and_its_own_end() {
    let mut world = World::new();

    order(&mut world, 3);
    assert_eq!(world.launched(), ranks(&[1, 2]), "two cpus hold two ranks");
    world.tell(Input::Started { attempt: GANG.rank(1) });
    world.exit(GANG.rank(1), Status::Code(3), true);

    assert_eq!(world.launched(), ranks(&[3]));
    assert_eq!(world.outcomes(), [(GANG.rank(1), Outcome::Exited { code: 3 })]);
    assert_eq!(world.session.held().collect::<Vec<_>>(), ranks(&[1, 2, 3]));
}

#[test]
fn a_rank_is_stopped_alone_and_reported_as_itself() {
    let mut world = World::new();
    order(&mut world, 2);
    world.launched();
    for rank in [1, 2] {
        world.tell(Input::Started { attempt: GANG.rank(rank) });
    }

    world.stop(GANG.rank(2), StopReason::Cancelled);

    assert_eq!(world.actions(), [terminate(GANG.rank(2))]);
    world.exit(GANG.rank(2), Status::Signal(15), true);
    assert_eq!(world.outcomes(), [(GANG.rank(2), Outcome::Cancelled)]);
}

#[test]
fn an_order_that_comes_again_starts_nothing_twice() {
    let mut world = World::new();
    order(&mut world, 2);
    world.launched();

    order(&mut world, 2);

    assert_eq!(world.actions(), []);
}

#[test]
fn a_gang_that_this_node_cannot_hold_gives_every_rank_back() {
    let mut world = World::with(JobSpec {
        resources: repower_model::Resources {
            cpus: repower_model::Cpus::from_whole(3),
            ..Default::default()
        },
        ..spec()
    });

    order(&mut world, 2);

    let lost: Vec<_> = world.outcomes().into_iter().map(|(rank, _)| rank).collect();
    assert_eq!(lost, ranks(&[1, 2]));
}
