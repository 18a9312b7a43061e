//! Files of jobs: brought, fetched, listed, and for whom.

use repower_proto::v1;
use repower_proto::v1::artefacts_client::ArtefactsClient;
use repower_proto::v1::put_artefact_request::Body;
use sha2::{Digest as _, Sha256};
use tonic::transport::{Channel, Identity};
use tonic::{Code, Status};

use crate::agent::{Agent, passed};
use crate::world::{Line, World, code, job, rand_key, submission};

pub(crate) fn digest(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

impl World {
    pub(crate) async fn artefacts(&self) -> ArtefactsClient<Line> {
        ArtefactsClient::new(self.line().await)
    }
}

pub(crate) async fn by_agent(world: &World, agent: &Agent) -> ArtefactsClient<Channel> {
    let (certificate, key) = &agent.identity;
    ArtefactsClient::new(world.connect(Some(Identity::from_pem(certificate, key))).await)
}

pub(crate) fn messages(
    of: &[u8],
    bytes: u64,
    offset: u64,
    pieces: &[&[u8]],
) -> Vec<v1::PutArtefactRequest> {
    let start = v1::PutArtefactStart { digest: of.to_vec(), bytes, offset };
    let pieces = pieces.iter().map(|piece| Body::Piece(piece.to_vec().into()));
    let bodies = std::iter::once(Body::Start(start)).chain(pieces);
    bodies.map(|body| v1::PutArtefactRequest { body: Some(body) }).collect()
}

pub(crate) async fn put(world: &World, bytes: &[u8]) -> Vec<u8> {
    let digest = digest(bytes);
    let messages = messages(&digest, bytes.len() as u64, 0, &[bytes]);
    world.artefacts().await.put(tokio_stream::iter(messages)).await.expect("it is kept");
    digest
}

pub(crate) async fn get(world: &World, digest: &[u8], offset: u64) -> Result<Vec<u8>, Status> {
    let request = v1::GetArtefactRequest { digest: digest.to_vec(), offset };
    let mut stream = world.artefacts().await.get(request).await?.into_inner();
    let mut bytes = Vec::new();
    while let Some(piece) = stream.message().await? {
        bytes.extend(piece.piece);
    }
    Ok(bytes)
}

pub(crate) async fn stat(world: &World, digest: &[u8]) -> v1::ArtefactStanding {
    let request = v1::StatArtefactsRequest { digests: vec![digest.to_vec()] };
    world.artefacts().await.stat(request).await.expect("an answer").into_inner().standings[0]
}

pub(crate) fn with_input(digest: &[u8], bytes: u64) -> v1::JobSpec {
    let input = v1::InputFile {
        digest: digest.to_vec(),
        bytes,
        path: "data".into(),
        ..v1::InputFile::default()
    };
    v1::JobSpec { inputs: vec![input], ..job() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_there_when_it_was_put_and_survives_a_restart() {
    let world = World::new().await;

    let digest = put(&world, b"hello world").await;
    let world = world.restart().await;

    assert_eq!(stat(&world, &digest).await.bytes, Some(11));
    assert_eq!(get(&world, &digest, 0).await.unwrap(), b"hello world");
    assert_eq!(get(&world, &digest, 6).await.unwrap(), b"world");
    let missing = get(&world, &[7; 32], 0).await.unwrap_err();
    assert_eq!((missing.code(), code(&missing).as_str()), (Code::NotFound, "artefact.missing"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_goes_on_after_a_restart_of_the_scheduler() {
    let world = World::new().await;
    let digest = digest(b"hello world");

    let broken = messages(&digest, 11, 0, &[b"hello "]);
    let broken = world.artefacts().await.put(tokio_stream::iter(broken)).await.unwrap_err();
    let world = world.restart().await;
    let received = stat(&world, &digest).await.received;
    let rest = messages(&digest, 11, 6, &[b"world"]);
    world.artefacts().await.put(tokio_stream::iter(rest)).await.unwrap();

    assert_eq!(code(&broken), "artefact.wrong");
    assert_eq!(received, 6);
    assert_eq!(get(&world, &digest, 0).await.unwrap(), b"hello world");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_as_it_was_said_to_be_is_refused_and_leaves_nothing() {
    let world = World::new().await;
    let digest = digest(b"good");
    let mut client = world.artefacts().await;

    let wrong = messages(&digest, 4, 0, &[b"evil"]);
    let gap = messages(&digest, 4, 3, &[b"d"]);
    let large = messages(&digest, 2 << 20, 0, &[&vec![0; (1 << 20) + 1]]);
    let no_start = vec![v1::PutArtefactRequest { body: Some(Body::Piece(vec![1].into())) }];
    let mut codes = Vec::new();
    for messages in [wrong, gap, large, no_start] {
        codes.push(code(&client.put(tokio_stream::iter(messages)).await.unwrap_err()));
    }

    assert_eq!(codes, ["artefact.wrong", "artefact.gap", "request.bad", "request.bad"]);
    assert_eq!(stat(&world, &digest).await, v1::ArtefactStanding::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_with_an_input_that_is_not_there_is_refused() {
    let world = World::new().await;
    let digest = put(&world, b"hello").await;
    let mut jobs = world.jobs().await;

    let missing = jobs.submit(submission(rand_key(), with_input(&[7; 32], 5))).await.unwrap_err();
    let other = jobs.submit(submission(rand_key(), with_input(&digest, 6))).await.unwrap_err();

    assert_eq!((code(&missing), code(&other)), ("input.missing".into(), "input.missing".into()));
    jobs.submit(submission(rand_key(), with_input(&digest, 5))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_beyond_its_bounds_is_refused_before_anything_is_looked_up_for_it() {
    let world = World::new().await;
    let mut spec = with_input(&[7; 32], 5);
    spec.environment.push(v1::Variable { name: "X".into(), value: "x".repeat(2 << 20) });

    let submitted = world.jobs().await.submit(submission(rand_key(), spec.clone())).await;
    let plan = v1::PlanRequest { spec: Some(spec) };
    let planned = world.jobs().await.plan(plan).await;

    assert_eq!(code(&submitted.unwrap_err()), "job.too-large");
    assert_eq!(code(&planned.unwrap_err()), "job.too-large");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_reads_inputs_of_what_it_runs_and_writes_only_while_outputs_are_wanted() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 1).await;
    let (mine, other) = (put(&world, b"mine").await, put(&world, b"other").await);
    let mut client = by_agent(&world, &agent).await;
    let read = |digest: &[u8]| v1::GetArtefactRequest { digest: digest.to_vec(), offset: 0 };
    let write = || tokio_stream::iter(messages(&digest(b"out"), 3, 0, &[b"out"]));

    let before = client.get(read(&mine)).await.unwrap_err();
    world.submit(with_input(&mine, 4)).await;
    let attempt = agent.starts(1).await[0];
    client.get(read(&mine)).await.unwrap();
    let others = client.get(read(&other)).await.unwrap_err();
    let no_outputs = client.put(write()).await.unwrap_err();
    agent.report_durably(passed(attempt).into()).await;
    world.submit(v1::JobSpec { outputs: vec!["out".into()], ..job() }).await;
    agent.starts(1).await;
    client.put(write()).await.unwrap();

    for refused in [before, others, no_outputs] {
        assert_eq!(code(&refused), "artefact.not-yours");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outputs_of_a_job_are_listed_while_it_lives_and_after() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 1).await;
    let job = world.submit(v1::JobSpec { outputs: vec!["*.csv".into()], ..job() }).await;
    let attempt = agent.starts(1).await[0];
    let artefact = |path: &str| v1::Artefact { path: path.into(), bytes: 3, digest: vec![3; 32] };
    let kept = v1::Kept {
        attempt: Some(attempt),
        artefacts: vec![artefact("a.csv"), artefact("../../etc/passwd")],
        missing: vec!["*.png".into()],
    };

    agent.report_durably(vec![v1::report::Body::Kept(kept)]).await;
    let request = v1::OutputsRequest { job, ..v1::OutputsRequest::default() };
    let live = world.jobs().await.outputs(request).await.unwrap().into_inner();
    agent.report_durably(passed(attempt).into()).await;
    world.wait(job).await;
    let past = world.jobs().await.outputs(request).await.unwrap().into_inner();

    assert_eq!(live, past);
    assert_eq!((live.outputs.len(), live.more), (1, false));
    assert_eq!(live.outputs[0].artefacts, [artefact("a.csv")]);
    let out = "../../etc/passwd: its path leads out of the working folder";
    assert_eq!(live.outputs[0].missing, ["*.png", out]);
    let unknown = v1::OutputsRequest { job: 99, ..request };
    assert_eq!(code(&world.jobs().await.outputs(unknown).await.unwrap_err()), "job.unknown");
}
