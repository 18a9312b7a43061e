//! Who may call what.

use prost::Message as _;
use prost_types::FileDescriptorSet;
use repower_proto::v1;
use repower_proto::v1::access_client::AccessClient;
use repower_proto::v1::agents_client::AgentsClient;
use repower_proto::v1::jobs_client::JobsClient;
use tonic::Code;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::world::{World, code};

/// Every method of our services.
fn methods() -> Vec<String> {
    let set = FileDescriptorSet::decode(v1::FILE_DESCRIPTOR_SET).expect("our own descriptors");
    let mut found = Vec::new();
    for file in set.file {
        for service in &file.service {
            let name = format!("{}.{}", file.package(), service.name());
            found.extend(service.method.iter().map(|method| format!("/{name}/{}", method.name())));
        }
    }
    found
}

/// Calls a method with a message that says nothing; returns how that ends.
pub(crate) async fn call(channel: Channel, path: &str, token: Option<&str>) -> tonic::Status {
    let mut client = Grpc::new(channel);
    client.ready().await.expect("a connection");
    let mut request = tonic::Request::new(v1::HeadRequest {});
    if let Some(token) = token {
        let header = format!("Bearer {token}").parse().expect("a header");
        request.metadata_mut().insert("authorization", header);
    }
    let codec: ProstCodec<v1::HeadRequest, v1::HeadRequest> = ProstCodec::default();
    let reply = client.unary(request, path.parse().expect("a path"), codec).await;
    reply.err().unwrap_or_else(|| tonic::Status::ok("answered"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_method_answers_without_credentials_but_enrolment_which_needs_a_join_token() {
    let world = World::new().await;
    let channel = world.channel().await;
    let methods = methods();

    assert!(methods.len() >= 25, "{methods:?}");
    for method in methods {
        let status = call(channel.clone(), &method, None).await;
        assert_eq!(status.code(), Code::Unauthenticated, "{method}: {status}");
        let expected = match method.as_str() {
            "/repower.v1.Agents/Enrol" => "token.wrong",
            "/repower.v1.Agents/Link" | "/repower.v1.Agents/Session" => "certificate.missing",
            _ => "token.missing",
        };
        assert_eq!(code(&status), expected, "{method}");
    }
    assert_eq!(call(channel, "/repower.v1.Jobs/Steal", None).await.code(), Code::Unimplemented);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persons_token_opens_no_link_and_a_nodes_certificate_no_other_service() {
    let world = World::new().await;
    let agent = world.agent("n1", 1).await;
    let (certificate, key) = agent.identity.clone();
    let identity = tonic::transport::Identity::from_pem(certificate, key);

    let empty = tokio_stream::empty();
    let by_person = AgentsClient::new(world.line().await).link(empty).await.unwrap_err();
    let by_node = world.connect(Some(identity)).await;
    let by_node = JobsClient::new(by_node).list(v1::ListJobsRequest::default()).await.unwrap_err();

    assert_eq!(code(&by_person), "certificate.missing");
    assert_eq!(code(&by_node), "token.missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_good_until_it_is_revoked() {
    let world = World::new().await;
    let mut access = world.access().await;
    let issued = world.person("ada", v1::Role::Submitter).await;
    let mut hers = AccessClient::new(world.line_with(&issued.secret).await);

    let tokens = hers.list(v1::ListTokensRequest {}).await.unwrap().into_inner().tokens;
    access.revoke(v1::RevokeRequest { id: issued.id }).await.unwrap();
    let after = hers.list(v1::ListTokensRequest {}).await.unwrap_err();

    assert_eq!(
        tokens.iter().map(|token| token.name.as_str()).collect::<Vec<_>>(),
        ["admin", "ada"]
    );
    assert_eq!((after.code(), code(&after).as_str()), (Code::Unauthenticated, "token.unknown"));
    assert!(issued.authority_pem.starts_with("-----BEGIN CERTIFICATE-----"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reflection_lists_the_services() {
    let world = World::new().await;
    let mut client = ServerReflectionClient::new(world.channel().await);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };

    let stream = client.server_reflection_info(tokio_stream::once(request)).await.unwrap();
    let reply = stream.into_inner().message().await.unwrap().unwrap().message_response;

    let Some(MessageResponse::ListServicesResponse(list)) = reply else { panic!("{reply:?}") };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(
        names.contains(&"repower.v1.Jobs") && names.contains(&"grpc.health.v1.Health"),
        "{names:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_tokens_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new().await;

    for name in ["client.toml", "tls/authority.key", "tls/server.key", "ledger.key"] {
        let mode = std::fs::metadata(world.file(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let ledger = std::fs::read(world.file("ledger.db")).unwrap();
    let wal = std::fs::read(world.file("ledger.db-wal")).unwrap_or_default();
    let token = world.profile().token;
    let holds = |bytes: &[u8]| bytes.windows(token.len()).any(|some| some == token.as_bytes());
    assert!(!holds(&ledger) && !holds(&wal), "the ledger has a secret in it");
}
