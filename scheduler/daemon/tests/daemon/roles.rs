//! What a submitter may not do, over the wire.

use prost::Message as _;
use prost_types::FileDescriptorSet;
use repower_proto::v1;
use repower_proto::v1::access_client::AccessClient;
use repower_proto::v1::jobs_client::JobsClient;
use tonic::Code;

use crate::access::call;
use crate::world::{World, code, job, rand_key, submission, text_of};

/// What only operators may call.
const OPERATORS: [&str; 10] = [
    "Access/Issue",
    "Findings/Quarantine",
    "Jobs/Review",
    "Nodes/Drain",
    "Nodes/Reserve",
    "Nodes/Resume",
    "Nodes/Unreserve",
    "Policies/Apply",
    "Policies/Approve",
    "Policies/Unapprove",
];

/// What submitters may call, too, some of it only about what is their own.
const EVERYBODY: [&str; 33] = [
    "Access/List",
    "Access/Revoke",
    "Artefacts/Get",
    "Artefacts/Put",
    "Artefacts/Stat",
    "Findings/Decide",
    "Findings/Follow",
    "Findings/List",
    "Findings/Quarantined",
    "Findings/Show",
    "Jobs/Attempts",
    "Jobs/Cancel",
    "Jobs/Exec",
    "Jobs/List",
    "Jobs/Logs",
    "Jobs/Outputs",
    "Jobs/Plan",
    "Jobs/Resubmit",
    "Jobs/Show",
    "Jobs/Submit",
    "Jobs/Watch",
    "Jobs/Why",
    "Ledger/Export",
    "Ledger/Head",
    "Ledger/Heads",
    "Ledger/ProveConsistency",
    "Ledger/ProveInclusion",
    "Nodes/List",
    "Nodes/Reservations",
    "Nodes/Running",
    "Nodes/Show",
    "Policies/Approvals",
    "Policies/Show",
];

/// Every method of the services for people, as `Service/Method`, and whether it streams.
fn methods() -> Vec<(String, bool)> {
    let set = FileDescriptorSet::decode(v1::FILE_DESCRIPTOR_SET).expect("our own descriptors");
    let services = set.file.iter().flat_map(|file| &file.service);
    let services = services.filter(|service| service.name() != "Agents");
    let methods = services.flat_map(|service| {
        service.method.iter().map(|method| {
            let streams = method.client_streaming() || method.server_streaming();
            (format!("{}/{}", service.name(), method.name()), streams)
        })
    });
    let mut methods: Vec<_> = methods.collect();
    methods.sort();
    methods
}

#[test]
fn of_every_method_it_is_said_who_may_call_it() {
    let mut told: Vec<&str> = OPERATORS.into_iter().chain(EVERYBODY).collect();
    told.sort_unstable();
    let methods = methods();

    let known: Vec<&str> = methods.iter().map(|(name, _)| name.as_str()).collect();

    assert_eq!(told, known, "a new call belongs into one of the two lists");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_for_operators_is_refused_to_a_submitter_and_no_other_is() {
    let world = World::new().await;
    let submitter = world.person("ada", v1::Role::Submitter).await.secret;
    let operator = world.person("mia", v1::Role::Operator).await.secret;
    let channel = world.channel().await;

    for (method, streams) in methods() {
        let path = format!("/repower.v1.{method}");
        let refused = OPERATORS.contains(&method.as_str());
        if !refused && streams {
            // It may have nothing to say for as long as it is listened to.
            continue;
        }
        let said = call(channel.clone(), &path, Some(&submitter)).await;
        assert_eq!(code(&said) == "role.operators-only", refused, "{method}: {said}");
        if refused {
            assert_eq!(said.code(), Code::PermissionDenied, "{method}: {said}");
            assert!(said.message().starts_with("ada may not "), "{method}: {said}");
            let hint = text_of(&said, "repower-hint-bin");
            assert!(hint.contains("repower token user NAME --operator"), "{method}: {hint}");
            let said = call(channel.clone(), &path, Some(&operator)).await;
            assert_ne!(code(&said), "role.operators-only", "{method}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_outlives_a_restart_with_and_without_a_snapshot() {
    let world = World::new().await;
    let submitter = world.person("ada", v1::Role::Submitter).await.secret;
    let operator = world.person("mia", v1::Role::Operator).await.secret;
    let admin = world.profile().token;

    let world = world.restart().await;
    roles(&world, [&admin, &operator, &submitter]).await;
    let (folder, options) = world.stop().await;
    std::fs::remove_dir_all(options.data.join("snapshots")).unwrap();
    let world = World::start(folder, options).await.unwrap();
    roles(&world, [&admin, &operator, &submitter]).await;
}

async fn roles(world: &World, [admin, operator, submitter]: [&str; 3]) {
    let channel = world.channel().await;
    for (token, wanted) in
        [(admin, "request.bad"), (operator, "request.bad"), (submitter, "role.operators-only")]
    {
        let said = call(channel.clone(), "/repower.v1.Access/Issue", Some(token)).await;
        assert_eq!(code(&said), wanted, "{said}");
    }
    let list = AccessClient::new(world.line().await).list(v1::ListTokensRequest {}).await;
    let tokens = list.expect("tokens").into_inner().tokens;
    let shown: Vec<_> = tokens.iter().map(|one| (one.name.as_str(), one.role())).collect();
    assert_eq!(
        shown,
        [("admin", v1::Role::Operator), ("ada", v1::Role::Submitter), ("mia", v1::Role::Operator)]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_profile_of_whoever_starts_the_scheduler_is_an_operators_whatever_was_revoked() {
    let world = World::new().await;
    let ada = world.person("ada", v1::Role::Submitter).await;
    let mut profile = std::fs::read_to_string(world.file("client.toml")).unwrap();
    profile = profile.replace(&world.profile().token, &ada.secret);
    let admin = world.access().await.list(v1::ListTokensRequest {}).await.unwrap().into_inner();
    world.access().await.revoke(v1::RevokeRequest { id: admin.tokens[0].id }).await.unwrap();
    std::fs::write(world.file("client.toml"), profile).unwrap();

    let world = world.restart().await;

    assert_ne!(world.profile().token, ada.secret, "a submitter's token is no good there");
    world.person("mia", v1::Role::Operator).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_others_are_neither_cancelled_nor_submitted_again_by_a_submitter() {
    let world = World::new().await;
    let (ada, eve) = (
        world.person("ada", v1::Role::Submitter).await.secret,
        world.person("eve", v1::Role::Submitter).await.secret,
    );
    let mut hers = JobsClient::new(world.line_with(&ada).await);
    let mut others = JobsClient::new(world.line_with(&eve).await);
    let live = hers.submit(submission(rand_key(), job())).await.unwrap().into_inner().job;
    let ended = hers.submit(submission(rand_key(), job())).await.unwrap().into_inner().job;
    let cancel = |job| v1::CancelRequest { job, ..v1::CancelRequest::default() };
    let again = || v1::ResubmitRequest { key: rand_key(), job: ended, failed: false };

    let refused = others.cancel(cancel(live)).await.unwrap_err();
    hers.cancel(cancel(ended)).await.unwrap();
    let twice = others.resubmit(again()).await.unwrap_err();
    hers.resubmit(again()).await.unwrap();
    world.jobs().await.resubmit(again()).await.unwrap();
    world.jobs().await.cancel(cancel(live)).await.unwrap();

    for status in [refused, twice] {
        assert_eq!(
            (status.code(), code(&status).as_str()),
            (Code::PermissionDenied, "job.not-yours")
        );
        assert!(status.message().ends_with("is ada's, and eve is no operator"), "{status}");
    }
}
