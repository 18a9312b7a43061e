//! Links that break, come back, and are taken over.

use std::time::Duration;

use repower_proto::v1;
use repower_proto::v1::from_agent::Body as Up;
use repower_proto::v1::to_agent::Body as Down;

use crate::agent::{Agent, passed, printed};
use crate::jobs::logs;
use crate::world::{World, array, code, job};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_comes_back_goes_on_where_it_was_and_reports_again_do_no_harm() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 2).await;
    let job = world.submit(array(2)).await;
    let attempts = agent.starts(2).await;
    let mut told = vec![printed(attempts[0], 0, b"zero")];
    told.extend(passed(attempts[0]));
    agent.report_durably(told.clone()).await;

    agent.hang_up();
    agent.link(&world, &attempts).await;
    let stale = agent.stop().await;
    agent.report_from(1, told).await;
    agent.report_durably(passed(attempts[1]).into()).await;
    let ended = world.wait(job).await;

    // The first had ended durably, so the agent is told to forget it.
    assert_eq!((stale.attempt, stale.reason()), (Some(attempts[0]), v1::StopReason::Stale));
    assert_eq!((ended.state(), ended.succeeded), (v1::JobState::Succeeded, 2));
    assert_eq!(logs(&world, job, false).await, "zero");
    assert_eq!(attempts_of(&world, job).await, [(0, 1), (1, 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_was_lost_with_the_link_is_sent_again() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 1).await;
    agent.hang_up();
    let job = world.submit(job()).await;

    agent.link(&world, &[]).await;
    agent.work(1).await;

    assert_eq!(world.wait(job).await.state(), v1::JobState::Succeeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_of_the_agent_takes_over_and_the_old_one_must_not_come_back() {
    let world = World::new().await;
    let mut old = world.agent("n1", 1).await;
    let job = world.submit(job()).await;
    let lost = old.starts(1).await[0];
    let mut new = old.twin();

    new.link(&world, &[]).await;
    let dismissed = old.message().await;
    let again = new.starts(1).await[0];
    new.report_durably(passed(again).into()).await;

    let Down::Dismissed(dismissed) = dismissed else { panic!("{dismissed:?}") };
    assert!(dismissed.r#final, "{}", dismissed.reason);
    assert_eq!((lost.number, again.number), (1, 2));
    assert_eq!(world.wait(job).await.state(), v1::JobState::Succeeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_node_loses_its_lease_and_its_tasks_run_elsewhere() {
    let world = World::with(|options| options.lease_ms = 600).await;
    let mut silent = world.agent("n1", 1).await;
    let job = world.submit(job()).await;
    let first = silent.starts(1).await[0];
    let mut other = world.agent("n2", 1).await;
    let mut patient = true;

    let second = loop {
        tokio::select! {
            started = other.starts(1) => break started[0],
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
        other.send(Up::Heartbeat(v1::Heartbeat {})).await;
        patient = false;
    };
    other.report_durably(passed(second).into()).await;
    let nodes = world.nodes().await.list(v1::ListNodesRequest {}).await.unwrap().into_inner().nodes;

    assert!(!patient);
    assert_eq!((first.number, second.number), (1, 2));
    assert_eq!(world.wait(job).await.state(), v1::JobState::Succeeded);
    assert_eq!((nodes[0].phase(), nodes[0].connected), (v1::NodePhase::Lost, false));
    // Its line has held, but it has to say hello again.
    let dismissed = loop {
        match silent.message().await {
            Down::Dismissed(dismissed) => break dismissed,
            Down::Orders(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(!dismissed.r#final, "{}", dismissed.reason);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_are_answered() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 1).await;

    agent.send(Up::Heartbeat(v1::Heartbeat {})).await;

    assert_eq!(
        agent.message().await,
        Down::Acknowledged(v1::Acknowledged { through: 0, hold_output: false })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_says_goodbye_has_left() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 1).await;

    agent.send(Up::Goodbye(v1::Goodbye { reason: "the machine is needed".into() })).await;
    let end = agent.message().await;
    let request = v1::ShowNodeRequest { name: "n1".into() };
    let node = world.nodes().await.show(request).await.unwrap().into_inner().node.unwrap();

    assert!(matches!(end, Down::Dismissed(_)), "{end:?}");
    assert_eq!(node.phase(), v1::NodePhase::Left);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_credentials_is_read_only_up_to_a_bound() {
    let world = World::new().await;

    let huge = Agent::enrol(&world, &"x".repeat(100_000), "n1", 1).await.err().unwrap();
    let small = Agent::enrol(&world, &"x".repeat(10_000), "n1", 1).await.err().unwrap();

    assert_ne!(code(&huge), "token.wrong", "{huge}");
    assert_eq!(code(&small), "token.wrong");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reason_is_bounded() {
    let world = World::new().await;
    let job = world.submit(job()).await;
    let reason = "x".repeat(1001);

    let request = v1::CancelRequest { job, reason, ..v1::CancelRequest::default() };
    let refused = world.jobs().await.cancel(request).await.unwrap_err();

    assert_eq!(code(&refused), "request.bad");
    assert!(refused.message().contains("1001"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_of_another_nodes_attempt_is_not_kept() {
    let world = World::new().await;
    let mut honest = world.agent("n1", 1).await;
    let job = world.submit(job()).await;
    let attempt = honest.starts(1).await[0];
    let mut other = world.agent("n2", 1).await;

    other.report_durably(vec![printed(attempt, 0, b"forged")]).await;
    let mut told = vec![printed(attempt, 0, b"true")];
    told.extend(passed(attempt));
    honest.report_durably(told).await;

    assert_eq!(logs(&world, job, false).await, "true");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_token_is_good_once_and_a_name_for_one_agent() {
    let world = World::new().await;
    let secret = world.join_secret("").await;
    Agent::enrol(&world, &secret, "n1", 1).await.unwrap();

    let used = Agent::enrol(&world, &secret, "n2", 1).await.err().unwrap();
    let wrong = Agent::enrol(&world, "rpw_wrong", "n2", 1).await.err().unwrap();
    let fresh = world.join_secret("").await;
    let taken = Agent::enrol(&world, &fresh, "n1", 1).await.err().unwrap();

    assert_eq!(code(&used), "token.used");
    assert_eq!(code(&wrong), "token.wrong");
    assert_eq!(code(&taken), "node.name-taken");
}

async fn attempts_of(world: &World, job: u64) -> Vec<(u32, u32)> {
    let request = v1::AttemptsRequest { job, ..v1::AttemptsRequest::default() };
    let reply = world.jobs().await.attempts(request).await.expect("attempts").into_inner();
    reply.attempts.iter().map(|attempt| (attempt.index, attempt.attempt)).collect()
}
