//! Stories about gangs: all ranks start or none, and they end together.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_core::effect::Effect;
use repower_core::engine::Engine;
use repower_core::fact::{AttemptEnded, Fact};
use repower_core::input::{Input, Report};
use repower_core::life::attempt::Phase;
use repower_core::plan::why;
use repower_core::refusal::Refusal;
use repower_model::{
    AttemptId, Constraints, Cpus, Fault, Gang, Instance, JobSpec, JobState, Layout, NodeId,
    NodePhase, Outcome, Part, RankId, Retries, Role, Sequel, Span, StopReason, Usage, Variable,
};
use world::{World, attempt, cpus, exited, job};

fn gang(nodes: u32, ranks_per_node: u32, layout: Layout) -> JobSpec {
    JobSpec { gang: Some(Gang { nodes, ranks_per_node, layout }), ..job() }
}

fn spread(nodes: u32, ranks_per_node: u32) -> JobSpec {
    gang(nodes, ranks_per_node, Layout::Spread)
}

fn parts(of: &[(u32, u32)]) -> Vec<Part> {
    of.iter().map(|(node, ranks)| Part { node: NodeId(*node), ranks: *ranks }).collect()
}

/// One pass; returns the gangs that were placed, with their parts.
fn place(world: &mut World) -> Vec<(AttemptId, Vec<Part>)> {
    let facts = world.turn(&Input::Schedule).unwrap().facts.into_iter();
    let placed = facts.filter_map(|fact| match fact {
        Fact::AttemptPlaced { attempt, parts, .. } if !parts.is_empty() => Some((attempt, parts)),
        _ => None,
    });
    placed.collect()
}

fn node_of(world: &World, rank: RankId) -> NodeId {
    let ranks = world.engine.state().attempts[&rank.attempt.task].ranks.as_ref().unwrap();
    ranks.node_of(rank.rank).unwrap()
}

fn start(world: &mut World, rank: RankId) -> Vec<Fact> {
    let (node, started) = (node_of(world, rank), world.now);
    let report = Report::Started { rank, started };
    world.turn(&Input::Report { node, report }).unwrap().facts
}

fn end(world: &mut World, rank: RankId, outcome: Outcome) -> (Vec<Fact>, Vec<Effect>) {
    let node = node_of(world, rank);
    let usage = Usage { wall_us: 60_000_000, cpu_us: 5, ..Usage::default() };
    let (started, ended) = (Some(world.now), world.now);
    let report = Report::Ended { rank, outcome, usage, started, ended };
    let turn = world.turn(&Input::Report { node, report }).unwrap();
    (turn.facts, turn.effects)
}

fn ended(facts: &[Fact]) -> Option<&AttemptEnded> {
    facts.iter().find_map(|fact| match fact {
        Fact::AttemptEnded(ended) => Some(&**ended),
        _ => None,
    })
}

/// A gang of so many nodes with one rank each, of which all ranks run.
fn running(world: &mut World, spec: JobSpec) -> AttemptId {
    world.submit(spec);
    let placed = place(world);
    let count: u32 = placed[0].1.iter().map(|part| part.ranks).sum();
    for rank in 0..count {
        start(world, placed[0].0.rank(rank));
    }
    placed[0].0
}

fn phase(world: &World, attempt: AttemptId) -> Phase {
    world.engine.state().attempts[&attempt.task].phase
}

fn used(world: &World, node: u32) -> Cpus {
    world.engine.state().nodes[&NodeId(node)].used.cpus
}

#[test]
fn a_gang_is_placed_with_one_fact_and_every_node_of_it_is_told() {
    let mut world = World::with_nodes(&[4, 2, 2]);
    let id = world.submit(spread(2, 2));

    let turn = world.turn(&Input::Schedule).unwrap();

    let id = attempt(id, 0, 1);
    assert_eq!(
        turn.facts,
        [Fact::AttemptPlaced {
            attempt: id,
            node: NodeId(2),
            runway: false,
            alternative: 0,
            parts: parts(&[(2, 2), (3, 2)]),
        }]
    );
    let start = |node| Effect::Start { node: NodeId(node), attempt: id };
    assert_eq!(turn.effects, [start(2), start(3)]);
    assert_eq!((used(&world, 2), used(&world, 3)), (Cpus::from_whole(2), Cpus::from_whole(2)));
    let told = world.engine.state().rendezvous(id, NodeId(3)).unwrap();
    assert_eq!((told.local(), told.world(), told.node_rank), (2..4, 4, 1));
    assert_eq!(told.hosts[0].name, "n2");
}

#[test]
fn a_gang_that_does_not_fit_as_a_whole_holds_nothing_and_lets_others_go() {
    let mut world = World::with_nodes(&[2, 2]);
    let (task, _) = {
        world.submit(JobSpec { resources: cpus(2), ..job() });
        world.schedule()[0]
    };
    world.submit(spread(2, 1));

    assert_eq!(place(&mut world), []);
    world.submit(job());
    assert_eq!(world.schedule().len(), 1, "a plain task goes past it");
    world.end(task, exited(0));

    assert_eq!(place(&mut world)[0].1, parts(&[(1, 1), (2, 1)]));
}

#[test]
fn a_packed_gang_takes_as_few_nodes_as_will_do() {
    let mut world = World::with_nodes(&[2, 8, 4]);
    world.submit(gang(5, 2, Layout::Pack));

    assert_eq!(place(&mut world)[0].1, parts(&[(1, 2), (2, 8)]));
}

#[test]
fn a_gang_runs_when_all_of_its_ranks_do_and_succeeds_when_all_have() {
    let mut world = World::with_nodes(&[1, 1]);
    let id = world.submit(spread(2, 1));
    let gang = place(&mut world)[0].0;

    start(&mut world, gang.rank(0));
    assert_eq!(phase(&world, gang), Phase::Placed);
    let facts = start(&mut world, gang.rank(1));
    assert!(matches!(facts[..], [Fact::RankStarted { .. }, Fact::AttemptStarted { .. }]));
    assert_eq!(phase(&world, gang), Phase::Running);

    let (facts, effects) = end(&mut world, gang.rank(1), exited(0));
    assert_eq!((facts.len(), effects.len()), (1, 0));
    assert_eq!(used(&world, 2), Cpus::default(), "a rank that has ended holds nothing");
    let (facts, _) = end(&mut world, gang.rank(0), exited(0));

    let last = ended(&facts).unwrap();
    assert_eq!((last.sequel, last.usage.cpu_us), (Sequel::Succeeded, 10));
    assert_eq!(world.outcome_of(id), Some((JobState::Succeeded, 0)));
}

#[test]
fn a_rank_that_fails_ends_the_others_and_what_they_hold_is_theirs_until_they_have_ended() {
    let mut world = World::with_nodes(&[1, 1, 1]);
    let id = running(&mut world, spread(3, 1));

    let (facts, effects) = end(&mut world, id.rank(1), exited(7));

    assert!(matches!(facts[..], [Fact::RankEnded(_)]));
    let stop = |node, rank| Effect::Stop {
        node: NodeId(node),
        rank: id.rank(rank),
        why: StopReason::Cancelled,
    };
    assert_eq!(effects, [stop(1, 0), stop(3, 2)]);
    assert_eq!(phase(&world, id), Phase::Ending);
    assert_eq!(used(&world, 1), Cpus::from_whole(1));
    end(&mut world, id.rank(0), Outcome::Cancelled);
    let (facts, _) = end(&mut world, id.rank(2), Outcome::Cancelled);

    let last = ended(&facts).unwrap();
    assert_eq!((&last.outcome, last.fault), (&exited(7), Fault::User));
    assert_eq!(last.sequel, Sequel::Failed);
    assert_eq!(world.outcome_of(id.task.job), Some((JobState::Failed, 7)));
}

#[test]
fn a_failed_gang_is_tried_again_as_a_whole_where_its_retries_allow() {
    let mut world = World::with_nodes(&[1, 1]);
    let spec = JobSpec { retries: Retries { user: 1, system: 0 }, ..spread(2, 1) };
    let id = running(&mut world, spec);

    end(&mut world, id.rank(0), Outcome::Signalled { signal: 9 });
    assert_eq!(place(&mut world), [], "rank 1 has not ended");
    end(&mut world, id.rank(1), Outcome::Cancelled);

    assert_eq!(place(&mut world)[0], (attempt(id.task.job, 0, 2), parts(&[(1, 1), (2, 1)])));
}

#[test]
fn a_lost_node_ends_the_whole_gang_by_the_systems_fault_and_it_is_named() {
    let mut world = World::with_nodes(&[1, 1, 1]);
    let id = running(&mut world, spread(2, 1));
    let lost = node_of(&world, id.rank(1));

    let silent = Input::Silent { node: lost, reason: "not heard of for 40 s".into() };
    let turn = world.turn(&silent).unwrap();

    let stop = |node, rank, why| Effect::Stop { node, rank: id.rank(rank), why };
    let first = node_of(&world, id.rank(0));
    assert_eq!(
        turn.effects,
        [stop(lost, 1, StopReason::Stale), stop(first, 0, StopReason::Cancelled)]
    );
    let (facts, _) = end(&mut world, id.rank(0), Outcome::Cancelled);
    let last = ended(&facts).unwrap();
    assert_eq!((last.sequel, last.fault), (Sequel::Again, Fault::System));
    let detail = "rank 1 on n2: the node was lost: not heard of for 40 s".to_owned();
    assert_eq!(last.outcome, Outcome::Lost { detail });
    assert_eq!(place(&mut world)[0].0, attempt(id.task.job, 0, 2));
}

#[test]
fn ranks_that_fail_because_another_was_lost_are_not_to_blame() {
    let mut world = World::with_nodes(&[1, 1, 1]);
    let id = running(&mut world, spread(2, 1));
    let lost = node_of(&world, id.rank(1));

    end(&mut world, id.rank(0), exited(1));
    let silent = Input::Silent { node: lost, reason: "not heard of for 40 s".into() };
    let facts = world.turn(&silent).unwrap().facts;

    let last = ended(&facts).unwrap();
    assert_eq!((last.sequel, last.fault), (Sequel::Again, Fault::System));
}

#[test]
fn an_agent_that_was_restarted_ends_the_gangs_that_it_had_ranks_of() {
    let mut world = World::with_nodes(&[2, 1]);
    let id = running(&mut world, gang(3, 1, Layout::Pack));

    let effects = world.hello(NodeId(1), 2, 2, &[]);

    assert_eq!(phase(&world, id), Phase::Ending);
    let stops = effects.iter().filter(|effect| {
        matches!(effect, Effect::Stop { node: NodeId(2), why: StopReason::Cancelled, .. })
    });
    assert_eq!(stops.count(), 1);
    assert_eq!(used(&world, 1), Cpus::default());
    let (facts, _) = end(&mut world, id.rank(2), Outcome::Cancelled);
    assert!(matches!(ended(&facts).unwrap().outcome, Outcome::Lost { .. }));
}

#[test]
fn an_order_that_never_arrived_is_sent_again_once_for_all_ranks_of_the_node() {
    let mut world = World::with_nodes(&[3, 1]);
    world.submit(gang(4, 1, Layout::Pack));
    let id = place(&mut world)[0].0;

    let effects = world.hello(NodeId(1), 1, 3, &[]);

    assert_eq!(effects, [Effect::Start { node: NodeId(1), attempt: id }]);
}

#[test]
fn a_rank_that_its_agent_no_longer_knows_is_lost_if_it_knew_others_of_the_gang() {
    let mut world = World::with_nodes(&[3]);
    world.submit(gang(3, 1, Layout::Pack));
    let id = place(&mut world)[0].0;
    start(&mut world, id.rank(0));
    end(&mut world, id.rank(0), exited(0));

    let node = NodeId(1);
    let inventory = Box::new(world.engine.state().nodes[&node].inventory.clone());
    let held = vec![id.rank(1)];
    let hello =
        Input::Hello { node, instance: Instance([1; 16]), inventory, held, saved: Vec::new() };
    let turn = world.turn(&hello).unwrap();

    assert!(!turn.effects.iter().any(|effect| matches!(effect, Effect::Start { .. })));
    assert_eq!(phase(&world, id), Phase::Ending);
    assert!(turn.effects.contains(&Effect::Stop {
        node,
        rank: id.rank(1),
        why: StopReason::Cancelled
    }));
}

#[test]
fn what_an_agent_holds_of_a_rank_that_has_ended_is_given_up_alone() {
    let mut world = World::with_nodes(&[2]);
    let id = running(&mut world, gang(2, 1, Layout::Pack));
    end(&mut world, id.rank(0), exited(0));

    let node = NodeId(1);
    let inventory = Box::new(world.engine.state().nodes[&node].inventory.clone());
    let held = vec![id.rank(0), id.rank(1)];
    let hello =
        Input::Hello { node, instance: Instance([1; 16]), inventory, held, saved: Vec::new() };
    let turn = world.turn(&hello).unwrap();

    let stale = Effect::Stop { node, rank: id.rank(0), why: StopReason::Stale };
    assert_eq!((turn.facts, turn.effects), (vec![], vec![stale]));
}

#[test]
fn an_agent_that_leaves_before_its_ranks_ran_gives_the_gang_back_to_nobodys_fault() {
    let mut world = World::with_nodes(&[1, 1]);
    world.submit(spread(2, 1));
    let id = place(&mut world)[0].0;

    world.turn(&Input::Goodbye { node: NodeId(2), reason: "told to end".into() }).unwrap();
    let (facts, _) = end(&mut world, id.rank(0), Outcome::Cancelled);

    let last = ended(&facts).unwrap();
    assert_eq!((&last.outcome, last.fault), (&Outcome::Recalled, Fault::None));
    assert_eq!(last.sequel, Sequel::Again);
}

#[test]
fn a_cancelled_gang_is_cancelled_on_every_node() {
    let mut world = World::with_nodes(&[1, 1]);
    let id = running(&mut world, spread(2, 1));

    let (by, reason) = ("ada".to_owned(), String::new());
    let cancel = Input::Cancel { job: id.task.job, tasks: None, by, role: Role::Submitter, reason };
    let turn = world.turn(&cancel).unwrap();
    assert_eq!(turn.effects.len(), 2);
    // Its own word, that of a peer that misses it, and that of a node that is lost.
    end(&mut world, id.rank(1), exited(1));
    let silent = Input::Silent { node: NodeId(1), reason: "gone".into() };
    let facts = world.turn(&silent).unwrap().facts;

    let last = ended(&facts).unwrap();
    assert_eq!((&last.outcome, last.sequel), (&Outcome::Cancelled, Sequel::Cancelled));
    assert_eq!(world.outcome_of(id.task.job), Some((JobState::Cancelled, 130)));
}

#[test]
fn a_gang_that_is_ending_can_still_be_cancelled_and_is_not_tried_again() {
    let mut world = World::with_nodes(&[1, 1]);
    let spec = JobSpec { retries: Retries { user: 3, system: 3 }, ..spread(2, 1) };
    let id = running(&mut world, spec);
    end(&mut world, id.rank(1), exited(1));

    let (by, reason) = ("ada".to_owned(), String::new());
    world
        .turn(&Input::Cancel { job: id.task.job, tasks: None, by, role: Role::Submitter, reason })
        .unwrap();
    end(&mut world, id.rank(0), Outcome::Cancelled);

    assert_eq!(world.outcome_of(id.task.job), Some((JobState::Cancelled, 130)));
}

#[test]
fn late_reports_of_an_earlier_attempt_of_a_gang_change_nothing() {
    let mut world = World::with_nodes(&[1, 1]);
    let spec = JobSpec { retries: Retries { user: 3, system: 3 }, ..spread(2, 1) };
    let id = running(&mut world, spec);
    end(&mut world, id.rank(1), exited(1));
    end(&mut world, id.rank(0), Outcome::Cancelled);
    place(&mut world);

    let (rank, started) = (id.rank(0), world.now);
    let report = Report::Started { rank, started };
    let late = world.turn(&Input::Report { node: NodeId(1), report }).unwrap();
    let elsewhere = Report::Started { rank: attempt(id.task.job, 0, 2).rank(0), started };
    let wrong = world.turn(&Input::Report { node: NodeId(2), report: elsewhere }).unwrap();

    assert_eq!((late.facts, wrong.facts), (vec![], vec![]));
}

#[test]
fn replaying_the_facts_of_gangs_gives_the_same_state() {
    let mut world = World::with_nodes(&[3, 2, 1]);
    let spec = JobSpec { retries: Retries { user: 3, system: 3 }, ..gang(2, 2, Layout::Pack) };
    let id = running(&mut world, spec);
    end(&mut world, id.rank(3), exited(1));
    world.submit(spread(3, 1));
    place(&mut world);

    let mut replayed = Engine::new();
    world.journal.iter().for_each(|entry| replayed.apply(entry));

    let same = format!("{:?}", replayed.state()) == format!("{:?}", world.engine.state());
    assert!(same, "the replayed state differs");
}

#[test]
fn a_node_that_could_not_start_a_rank_is_avoided_by_the_next_attempt() {
    let mut world = World::with_nodes(&[1, 1, 1]);
    world.submit(spread(2, 1));
    let id = place(&mut world)[0].0;

    end(&mut world, id.rank(1), Outcome::NotStarted { detail: "no such program".into() });
    end(&mut world, id.rank(0), Outcome::Cancelled);

    assert_eq!(place(&mut world)[0].1, parts(&[(1, 1), (3, 1)]));
}

#[test]
fn a_preempted_gang_goes_back_to_pending_without_counting_against_any_retries() {
    let mut world = World::with_nodes(&[1, 1]);
    let spec = JobSpec { retries: Retries { user: 0, system: 0 }, ..spread(2, 1) };
    let id = running(&mut world, spec);
    // As the planner will decide it.
    let mut engine = world.engine.clone();
    let (seq, at) = (engine.state().seq, engine.state().now);
    let why = StopReason::Preempted;
    let (by, reason) = ("scheduler".to_owned(), "job 9 is more urgent".to_owned());
    let fact = Fact::AttemptStopping { attempt: id, why, by, reason };
    engine.apply(&repower_core::fact::Entry { seq, at, fact });
    world.engine = engine;

    end(&mut world, id.rank(0), Outcome::Preempted);
    let (facts, _) = end(&mut world, id.rank(1), exited(1));

    let last = ended(&facts).unwrap();
    assert_eq!((&last.outcome, last.fault), (&Outcome::Preempted, Fault::None));
    assert_eq!(last.sequel, Sequel::Again);
    assert_eq!(place(&mut world)[0].0, attempt(id.task.job, 0, 2));
}

#[test]
fn a_gang_that_can_never_fit_is_refused_with_the_largest_that_could() {
    let mut world = World::with_nodes(&[4, 4, 1]);

    let wide = world.try_submit(spread(3, 2)).unwrap_err();
    let share = world.try_submit(spread(2, 5)).unwrap_err();
    let large = world.try_submit(gang(5, 2, Layout::Pack)).unwrap_err();
    let nothing = world.try_submit(spread(0, 2)).unwrap_err();
    let huge = world.try_submit(spread(400, 400)).unwrap_err();
    let rank = Variable { name: "RANK".into(), value: "7".into() };
    let own = world.try_submit(JobSpec { environment: vec![rank], ..spread(1, 1) }).unwrap_err();

    assert_eq!(wide, Refusal::GangTooWide { asked: 3, most: 2, ranks: 2 });
    assert_eq!(share, Refusal::GangShareTooLarge { asked: 5, most: 4 });
    assert_eq!(large, Refusal::GangTooLarge { asked: 10, most: 9 });
    assert_eq!(nothing.to_string(), "the number of nodes is 0, but must be at least 1");
    assert_eq!(huge.to_string(), "the number of ranks is 160000, but must be at most 65536");
    assert_eq!(own.code(), "job.bad-text");
    world.submit(gang(9, 1, Layout::Pack));
}

#[test]
fn a_lost_node_gets_its_gang_again_only_when_it_is_back() {
    let mut world = World::with_nodes(&[1, 1]);
    let id = running(&mut world, spread(2, 1));

    world.turn(&Input::Silent { node: NodeId(2), reason: "gone".into() }).unwrap();
    end(&mut world, id.rank(0), Outcome::Cancelled);
    assert_eq!(place(&mut world), []);
    assert_eq!(world.engine.state().nodes[&NodeId(2)].phase, NodePhase::Lost);
    // The same process comes back and still runs its rank: that is given up.
    let inventory = Box::new(world.engine.state().nodes[&NodeId(2)].inventory.clone());
    let (node, held) = (NodeId(2), vec![id.rank(1)]);
    let hello =
        Input::Hello { node, instance: Instance([1; 16]), inventory, held, saved: Vec::new() };
    let effects = world.turn(&hello).unwrap().effects;

    assert_eq!(effects, [Effect::Stop { node, rank: id.rank(1), why: StopReason::Stale }]);
    assert_eq!(place(&mut world)[0].0, attempt(id.task.job, 0, 2));
}

#[test]
fn a_gang_gets_a_reservation_on_all_of_its_nodes_and_what_would_reach_into_it_waits() {
    let mut world = World::with_nodes(&[2, 2]);
    let minutes = |count: u64| Some(Span::from_secs(60 * count));
    let two_cpus = |time_limit| JobSpec { resources: cpus(2), time_limit, ..job() };
    world.submit(two_cpus(minutes(10)));
    world.submit(JobSpec { time_limit: minutes(10), ..job() });
    assert_eq!(world.schedule().len(), 2);
    world.submit(JobSpec { resources: cpus(2), time_limit: minutes(10), ..spread(2, 1) });

    let long = world.submit(JobSpec { time_limit: minutes(60), ..job() });
    assert_eq!(world.schedule(), [], "it fits now, but would delay the gang");
    let short = world.submit(JobSpec { time_limit: minutes(5), ..job() });

    let placed = world.schedule();
    assert_eq!(placed.len(), 1);
    assert_eq!(placed[0].0.task.job, short, "not {long}");
}

#[test]
fn a_gang_that_wants_its_nodes_alone_has_them_until_its_last_rank_there_has_ended() {
    let mut world = World::with_nodes(&[4, 4]);
    let constraints = Constraints { exclusive: true, ..Constraints::default() };
    let id = running(&mut world, JobSpec { constraints, ..spread(1, 2) });
    let node = node_of(&world, id.rank(0));

    assert_eq!(used(&world, node.0), Cpus::from_whole(4));
    end(&mut world, id.rank(0), exited(0));
    assert_eq!(used(&world, node.0), Cpus::from_whole(4));
    world.submit(JobSpec { resources: cpus(3), ..job() });
    world.submit(JobSpec { resources: cpus(3), ..job() });
    assert_eq!(world.schedule().len(), 1, "one goes to the other node");
    end(&mut world, id.rank(1), exited(0));

    assert_eq!(world.schedule().len(), 1);
}

#[test]
fn a_gang_of_several_nodes_keeps_away_from_one_that_others_could_not_reach() {
    let mut world = World::with_nodes(&[4, 4, 4]);
    let tell = |world: &mut World, node: u32, address: &str| {
        let mut inventory = world.engine.state().nodes[&NodeId(node)].inventory.clone();
        inventory.address = address.into();
        let (node, instance) = (NodeId(node), Instance([1; 16]));
        let inventory = Box::new(inventory);
        world
            .turn(&Input::Hello { node, instance, inventory, held: Vec::new(), saved: Vec::new() })
            .unwrap();
    };
    (1..=3).for_each(|node| tell(&mut world, node, ""));
    let (wide, packed) = (world.submit(spread(2, 1)), world.submit(gang(1, 2, Layout::Pack)));
    let alone = world.submit(spread(1, 4));

    let first = place(&mut world);
    let said = why(world.engine.state(), wide, None, world.now).unwrap();
    (2..=3).for_each(|node| tell(&mut world, node, "10.0.0.9"));
    let then = place(&mut world);

    let of = |placed: &[(AttemptId, Vec<Part>)]| -> Vec<_> {
        placed.iter().map(|(attempt, parts)| (attempt.task.job, parts.clone())).collect()
    };
    assert_eq!(of(&first), [(alone, parts(&[(1, 4)]))], "alone it needs none");
    assert_eq!(said.reason.code(), "nodes.address");
    assert!(said.reason.hint().unwrap().contains("--address"));
    let last = said.funnel.last().unwrap();
    assert_eq!((last.code, last.nodes_left), ("nodes.address", 0));
    assert_eq!(of(&then), [(wide, parts(&[(2, 1), (3, 1)])), (packed, parts(&[(2, 2)]))]);
}

#[test]
fn a_gang_for_which_only_the_other_reservations_leave_no_node_keeps_none() {
    let mut world = World::with_nodes(&[4, 4]);
    let lasting = |spec: JobSpec, secs| JobSpec { time_limit: Some(Span::from_secs(secs)), ..spec };
    let four = |spec: JobSpec| JobSpec { resources: cpus(4), ..spec };
    world.submit(lasting(four(job()), 7200));
    world.schedule();
    let (_long, _short) = (
        world.submit(lasting(four(spread(2, 1)), 36_000)),
        world.submit(lasting(four(spread(2, 1)), 60)),
    );
    world.schedule();
    world.wait(1_000_000);

    let small = world.submit(lasting(four(job()), 600));
    let placed = world.schedule();

    let placed: Vec<_> = placed.iter().map(|(attempt, node)| (attempt.task.job, node.0)).collect();
    assert_eq!(placed, [(small, 2)], "it ends long before the first gang can start");
}
