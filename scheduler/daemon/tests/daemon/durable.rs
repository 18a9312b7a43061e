//! What outlives a restart, and a disk that fails.

use repower_proto::v1;
use repower_proto::v1::from_agent::Body as Up;
use repower_proto::v1::to_agent::Body as Down;
use repower_scheduler::{Error, Options};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::agent::passed;
use crate::world::{World, array, code, job, rand_key, submission, text_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_everything_and_disturbs_no_running_task() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 1).await;
    let job = world.submit(array(2)).await;
    let running = agent.starts(1).await[0];
    let token = world.profile().token;

    let world = world.restart().await;
    let end = agent.message().await;
    agent.link(&world, &[running]).await;
    agent.report(passed(running).into()).await;
    agent.work(1).await;
    let ended = world.wait(job).await;

    assert!(matches!(end, Down::Dismissed(dismissed) if !dismissed.r#final));
    assert_eq!((ended.state(), ended.succeeded), (v1::JobState::Succeeded, 2));
    assert_eq!(world.profile().token, token, "the token stays good, so the profile keeps it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_from_the_facts_if_there_is_no_snapshot() {
    let world = World::new().await;
    let job = world.submit(array(5)).await;
    let (folder, options) = world.stop().await;
    std::fs::remove_dir_all(options.data.join("snapshots")).unwrap();

    let world = World::start(folder, options).await.unwrap();
    let shown = world.jobs().await.show(v1::ShowJobRequest { job }).await.unwrap().into_inner();

    assert_eq!(shown.summary.unwrap().tasks, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_ledger_cannot_be_written_nothing_is_acknowledged_and_then_all_goes_on() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 1).await;
    let first = world.submit(job()).await;
    let attempt = agent.starts(1).await[0];
    let mut client = world.jobs().await;
    let key = rand_key();
    // Somebody else's transaction stands for a disk that fails.
    let thief = rusqlite::Connection::open(world.file("ledger.db")).unwrap();
    thief.execute_batch("BEGIN IMMEDIATE").unwrap();

    let refused = client.submit(submission(key.clone(), job())).await.unwrap_err();
    let health = health(&world).await;
    let dismissed = agent.message().await;
    thief.execute_batch("ROLLBACK").unwrap();
    let accepted = loop {
        // For a moment after a failure nothing is tried.
        match client.submit(submission(key.clone(), job())).await {
            Ok(reply) => break reply.into_inner(),
            Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status}"),
        }
    };
    agent.link(&world, &[attempt]).await;
    agent.report(passed(attempt).into()).await;
    agent.work(1).await;

    assert_eq!((refused.code(), code(&refused).as_str()), (Code::Unavailable, "store.failed"));
    assert!(!text_of(&refused, "repower-hint-bin").is_empty());
    assert!(text_of(&refused, "repower-because-bin").contains("ledger.db"));
    assert_eq!(health, ServingStatus::NotServing);
    assert!(matches!(dismissed, Down::Dismissed(dismissed) if !dismissed.r#final));
    assert!(accepted.created);
    assert_eq!(world.wait(first).await.state(), v1::JobState::Succeeded);
    assert_eq!(world.wait(accepted.job).await.state(), v1::JobState::Succeeded);
    assert_eq!(self::health(&world).await, ServingStatus::Serving);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_ledger_cannot_be_written_agents_that_come_back_keep_their_lease() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 1).await;
    let first = world.submit(job()).await;
    let attempt = agent.starts(1).await[0];
    let thief = rusqlite::Connection::open(world.file("ledger.db")).unwrap();
    thief.execute_batch("BEGIN IMMEDIATE").unwrap();
    world.jobs().await.submit(submission(rand_key(), job())).await.unwrap_err();
    let dismissed = agent.message().await;

    agent.link(&world, &[attempt]).await;
    world.jobs().await.submit(submission(rand_key(), job())).await.unwrap_err();
    agent.send(Up::Heartbeat(v1::Heartbeat {})).await;
    let answer = agent.message().await;
    agent.report(passed(attempt).into()).await;
    let refused = agent.message().await;
    thief.execute_batch("ROLLBACK").unwrap();
    agent.link(&world, &[attempt]).await;
    loop {
        // Reports are taken once the scheduler has tried again, and has succeeded.
        agent.report_from(1, passed(attempt).into()).await;
        match agent.message().await {
            Down::Acknowledged(acknowledged) if acknowledged.through == 2 => break,
            Down::Dismissed(_) => drop(agent.link(&world, &[attempt]).await),
            other => panic!("{other:?}"),
        }
    }

    assert!(matches!(dismissed, Down::Dismissed(_)), "{dismissed:?}");
    assert_eq!(answer, Down::Acknowledged(v1::Acknowledged { through: 0, hold_output: false }));
    assert!(matches!(refused, Down::Dismissed(_)), "what was reported has to be sent again");
    assert_eq!(world.wait(first).await.state(), v1::JobState::Succeeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_scheduler_on_the_same_folder_is_refused() {
    let world = World::new().await;
    let other = tempfile::tempdir().unwrap();

    let second = World::start(other, world.options.clone()).await.err().unwrap();

    assert!(second.to_string().contains("in use by"), "{second}");
    assert!(second.hint().unwrap().contains("stop the other scheduler"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_is_named() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let options = Options { data, listen: world.ready.address, ..Options::default() };

    let error = World::start(folder, options).await.err().unwrap();

    assert!(matches!(error, Error::PortInUse { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_the_end_of_the_scheduler_cuts_short_ends_with_an_error() {
    let world = World::new().await;
    let job = world.submit(job()).await;
    let request = v1::WatchRequest { jobs: vec![job] };
    let mut watch = world.jobs().await.watch(request).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();

    world.stop().await;
    let end = watch.message().await;

    assert_eq!(end.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_is_adopted_at_start_and_stays_in_force() {
    use repower_proto::v1::policies_client::PoliciesClient;
    let text = "policy-version = \"7\"\n[class.only]\ntier = \"permitted\"\n";
    let world = World::new().await;
    let file = world.file("policy.toml");
    std::fs::write(&file, text).unwrap();
    let (folder, mut options) = world.stop().await;

    options.policy = Some(file.clone());
    let world = World::start(folder, options).await.unwrap();
    let refused = world.jobs().await.submit(submission(rand_key(), job())).await.unwrap_err();
    let (folder, mut options) = world.stop().await;
    options.policy = None;
    let world = World::start(folder, options).await.unwrap();
    let shown = PoliciesClient::new(world.line().await).show(v1::ShowPolicyRequest {}).await;
    std::fs::write(&file, "nonsense").unwrap();
    let (folder, mut options) = world.stop().await;
    options.policy = Some(file);
    let nonsense = World::start(folder, options).await.err().unwrap();

    assert_eq!(code(&refused), "class.unknown");
    assert_eq!(shown.unwrap().into_inner().text, text);
    assert!(matches!(nonsense, Error::Policy { .. }), "{nonsense}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_proves_what_it_holds() {
    use repower_proto::v1::ledger_client::LedgerClient;
    let world = World::new().await;
    world.submit(job()).await;
    let mut ledger = LedgerClient::new(world.line().await);

    let head = ledger.head(v1::HeadRequest {}).await.unwrap().into_inner();
    let mut export = ledger.export(v1::ExportRequest::default()).await.unwrap().into_inner();
    let mut facts = Vec::new();
    while let Some(reply) = export.message().await.unwrap() {
        facts.extend(reply.facts);
    }
    let request = v1::InclusionRequest { seq: 1, size: head.size };
    let proof = ledger.prove_inclusion(request).await.unwrap().into_inner();
    let request = v1::ConsistencyRequest { old_size: 2, new_size: head.size };
    let consistent = ledger.prove_consistency(request).await.unwrap().into_inner();
    let past = ledger.prove_inclusion(v1::InclusionRequest { seq: 0, size: 10_000 }).await;

    assert_eq!(facts.len() as u64, head.size);
    assert!(facts.iter().zip(0..).all(|(fact, seq)| fact.seq == seq));
    assert_eq!(proof.fact.unwrap(), facts[1]);
    let hash = |bytes: &Vec<u8>| <[u8; 32]>::try_from(bytes.as_slice()).unwrap();
    let hashes: Vec<_> = proof.hashes.iter().map(hash).collect();
    let (leaf, root) = (hash(&facts[1].leaf), hash(&head.root));
    repower_store::merkle::verify_inclusion(&leaf, 1, head.size, &hashes, &root).unwrap();
    assert!(!consistent.hashes.is_empty());
    assert_eq!(past.unwrap_err().code(), Code::OutOfRange);
}

async fn health(world: &World) -> ServingStatus {
    let mut client = HealthClient::new(world.channel().await);
    client.check(HealthCheckRequest::default()).await.expect("an answer").into_inner().status()
}
