//! Callers who open more than is theirs, and everybody else, who still gets in.

use std::time::Duration;

use repower_proto::v1;
use repower_proto::v1::jobs_client::JobsClient;
use tonic::{Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::world::{Line, World, code, job, text_of};

/// What anything may take that waits for nobody.
const PATIENCE: Duration = Duration::from_mins(1);

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("{what} has to wait"))
}

async fn list(line: &Line) -> Result<Response<v1::ListJobsReply>, Status> {
    let request = v1::ListJobsRequest::default();
    in_time("a list", JobsClient::new(line.clone()).list(request)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_who_take_connections_and_say_nothing_keep_nobody_out() {
    let world = World::with(|options| options.connections = 16).await;
    let known = world.line().await;
    list(&known).await.expect("it is known from now on");

    let mut strangers = Vec::new();
    for _ in 0..40 {
        strangers.push(in_time("a stranger", world.channel()).await);
        list(&known).await.expect("who is known stays");
    }
    let other = in_time("somebody new", world.line_of("mia")).await;

    list(&other).await.expect("there is room");
    assert_eq!(strangers.len(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_person_cannot_have_all_connections() {
    let world = World::with(|options| options.connections = 40).await;
    let (token, other) = (world.token_of("mia").await, world.line_of("noa").await);
    let mut held = Vec::new();

    let refused = loop {
        let line = world.line_with(&token).await;
        match list(&line).await {
            Ok(_) => held.push(line),
            Err(refused) => break refused,
        }
        assert!(held.len() <= 10, "a quarter is one caller's");
    };

    assert_eq!((code(&refused).as_str(), held.len()), ("connections.too-many", 10));
    list(&other).await.expect("there is room for others");
    drop(held.pop());
    // When the scheduler has noticed that, there is room again.
    in_time("room", async { while list(&world.line_with(&token).await).await.is_err() {} }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_person_has_so_many_calls_open_and_no_more_whatever_they_are() {
    let world = World::with(|options| options.calls = 4).await;
    let job = world.submit(job()).await;
    let (mia, noa) = (world.line_of("mia").await, world.line_of("noa").await);
    let mut client = JobsClient::new(mia.clone());
    let mut held = Vec::new();
    for _ in 0..2 {
        let watch = v1::WatchRequest { jobs: vec![job] };
        held.push(client.watch(watch).await.expect("it is watched").map(drop));
        let logs = v1::LogsRequest { job, follow: true, ..Default::default() };
        held.push(client.logs(logs).await.expect("it is followed").map(drop));
    }
    drop(held);
    // Answers that are dropped are over.
    in_time("room", async { while list(&mia).await.is_err() {} }).await;

    let mut watches = Vec::new();
    let refused = loop {
        match client.watch(v1::WatchRequest { jobs: vec![job] }).await {
            Ok(watch) => watches.push(watch),
            Err(refused) => break refused,
        }
        assert!(watches.len() <= 4);
    };

    assert_eq!(code(&refused), "calls.too-many");
    assert!(refused.message().starts_with("4 calls of yours are open"), "{refused}");
    assert!(text_of(&refused, "repower-hint-bin").contains("logs -f"), "{refused}");
    assert_eq!(code(&list(&mia).await.expect_err("that would be one more")), "calls.too-many");
    list(&noa).await.expect("that is somebody else's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_of_a_stranger_has_few_calls() {
    let world = World::new().await;
    let mut client = HealthClient::new(world.channel().await);
    let mut held = Vec::new();

    let refused = loop {
        match client.watch(HealthCheckRequest::default()).await {
            Ok(watch) => held.push(watch),
            Err(refused) => break refused,
        }
        assert!(held.len() <= 16);
    };
    let mut other = HealthClient::new(world.channel().await);

    assert_eq!((code(&refused).as_str(), held.len()), ("calls.too-many", 16));
    other.check(HealthCheckRequest::default()).await.expect("that is somebody else's");
}
