//! What the port offers, and to whom.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use prost_reflect::DescriptorPool;
use repower::client::SCHEDULER_NAME;
use repower_proto::v1::FILE_DESCRIPTOR_SET;
use support::bounded;
use support::cli::{Cli, Said};
use support::runtime;
use support::shared::{Shared, Sharing, file, scheduler_alone};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

static CLUSTER: Sharing = Sharing::of(scheduler_alone);

/// A connection that trusts the scheduler's authority and shows nothing.
async fn stranger(shared: &Shared) -> Channel {
    let authority = Certificate::from_pem(shared.profile().authority);
    let tls = ClientTlsConfig::new().ca_certificate(authority).domain_name(SCHEDULER_NAME);
    let endpoint = Endpoint::from_shared(shared.url.clone()).unwrap().tls_config(tls).unwrap();
    endpoint.connect().await.unwrap()
}

/// Asks the reflection service one question.
async fn reflect(shared: &Shared, question: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let mut client = ServerReflectionClient::new(stranger(shared).await);
    let replies = client.server_reflection_info(tokio_stream::iter([request])).await.unwrap();
    let reply = replies.into_inner().message().await.unwrap().expect("an answer");
    reply.message_response.expect("an answer that says something")
}

/// Every method of every service, as `/package.Service/Method`.
fn methods() -> Vec<String> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let services: Vec<_> = pool.services().collect();
    let methods = services.iter().flat_map(|service| {
        let path = |name: &str| format!("/{}/{name}", service.full_name());
        service.methods().map(|method| path(method.name())).collect::<Vec<_>>()
    });
    methods.collect()
}

/// Calls a method with an empty message, and returns the status that it ends with.
async fn call(channel: &Channel, path: &str, token: Option<&str>) -> Status {
    let mut request = Request::new(());
    if let Some(token) = token {
        let header = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", header);
    }
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    let path: PathAndQuery = path.parse().unwrap();
    let mut stream = match grpc.server_streaming(request, path, codec).await {
        Ok(stream) => stream.into_inner(),
        Err(status) => return status,
    };
    loop {
        match stream.message().await {
            Ok(Some(())) => {}
            Ok(None) => return Status::ok(""),
            Err(status) => return status,
        }
    }
}

/// The stable code in a status.
fn code(status: &Status) -> String {
    let value = status.metadata().get_bin("repower-code-bin");
    let bytes = value.map(|value| value.to_bytes().unwrap()).unwrap_or_default();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Asks for a page with curl: the status and the body.
fn page(shared: &Shared, path: &str, headers: &[&str]) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let authority = file(folder.path(), "ca.pem", shared.profile().authority);
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "30", "--cacert", &authority]);
    command.args(["--write-out", "\n%{http_code}"]);
    for header in headers {
        command.args(["--header", header]);
    }
    let said = Said::by(command.arg(format!("{}{path}", shared.url)), b"").ok();
    let (body, status) = said.out.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

/// A profile like the cluster's own, with one key changed.
fn profile_with(shared: &Shared, folder: &tempfile::TempDir, key: &str, value: &str) -> Cli {
    use std::os::unix::fs::PermissionsExt as _;
    let text = std::fs::read_to_string(&shared.cli.profile).unwrap();
    let mut table: toml::Table = text.parse().unwrap();
    table.insert(key.to_owned(), value.into());
    let path: PathBuf = file(folder.path(), "client.toml", table.to_string()).into();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    Cli::new(&path, folder.path())
}

#[test]
fn reflection_lists_the_services_to_whoever_asks() {
    let shared = CLUSTER.get();

    let reply = runtime().block_on(reflect(&shared, MessageRequest::ListServices(String::new())));

    let MessageResponse::ListServicesResponse(list) = reply else { panic!("{reply:?}") };
    let names: BTreeSet<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    let ours = ["Access", "Agents", "Jobs", "Ledger", "Nodes", "Policies"];
    let ours = ours.map(|name| format!("repower.v1.{name}"));
    for name in ours.iter().map(String::as_str).chain(["grpc.health.v1.Health"]) {
        assert!(names.contains(name), "{name} is not in {names:?}");
    }
}

#[test]
fn reflection_describes_a_method_so_that_it_can_be_called_without_the_proto_files() {
    let shared = CLUSTER.get();
    let question = MessageRequest::FileContainingSymbol("repower.v1.Jobs".into());

    let reply = runtime().block_on(reflect(&shared, question));

    let MessageResponse::FileDescriptorResponse(files) = reply else { panic!("{reply:?}") };
    let text = String::from_utf8_lossy(&files.file_descriptor_proto[0]).into_owned();
    assert!(text.contains("SubmitRequest") && text.contains("Resubmit"), "{text}");
}

#[test]
fn health_is_serving_for_the_whole_and_for_each_service() {
    let shared = CLUSTER.get();

    let health = |service: &str| {
        let request = HealthCheckRequest { service: service.to_owned() };
        runtime().block_on(async {
            let mut client = HealthClient::new(stranger(&shared).await);
            client.check(request).await.unwrap().into_inner().status()
        })
    };

    assert_eq!(health(""), ServingStatus::Serving);
    assert_eq!(health("repower.v1.Jobs"), ServingStatus::Serving);
}

#[test]
fn every_call_without_credentials_is_refused_but_the_one_that_trades_a_join_token() {
    let shared = CLUSTER.get();

    runtime().block_on(async {
        let channel = stranger(&shared).await;
        for path in methods() {
            let status = call(&channel, &path, None).await;
            let wanted = match path.as_str() {
                "/repower.v1.Agents/Link" | "/repower.v1.Agents/Session" => "certificate.missing",
                // Open, so that it is the secret in the request that is looked at.
                "/repower.v1.Agents/Enrol" => continue,
                _ => "token.missing",
            };
            assert_eq!(
                (status.code(), code(&status).as_str()),
                (Code::Unauthenticated, wanted),
                "{path}"
            );
        }
        let status = call(&channel, "/repower.v1.Agents/Enrol", None).await;
        assert!(status.code() != Code::Ok && code(&status) != "token.missing", "{status:?}");
    });
    assert!(methods().len() > 20, "found only {:?}", methods());
}

#[test]
fn every_call_with_a_wrong_token_is_refused() {
    let shared = CLUSTER.get();

    runtime().block_on(async {
        let channel = stranger(&shared).await;
        for path in methods().iter().filter(|path| !path.contains(".Agents/")) {
            let status = call(&channel, path, Some("rp_wrong")).await;
            assert_eq!(status.code(), Code::Unauthenticated, "{path}");
            assert_eq!(code(&status), "token.unknown", "{path}");
        }
    });
}

#[test]
fn the_token_of_a_person_does_not_open_the_link_of_an_agent() {
    let shared = CLUSTER.get();
    let token = shared.profile().token;

    let status = runtime().block_on(async {
        call(&stranger(&shared).await, "/repower.v1.Agents/Link", Some(&token)).await
    });

    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(code(&status), "certificate.missing");
}

#[test]
fn a_call_that_does_not_exist_is_refused_and_named() {
    let shared = CLUSTER.get();
    let token = shared.profile().token;

    let status = runtime().block_on(async {
        call(&stranger(&shared).await, "/repower.v1.Jobs/Steal", Some(&token)).await
    });

    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.message().contains("/repower.v1.Jobs/Steal"), "{status:?}");
}

#[test]
fn a_wrong_token_is_told_on_the_command_line_with_exit_code_4() {
    let (shared, folder) = (CLUSTER.get(), tempfile::tempdir().unwrap());
    let cli = profile_with(&shared, &folder, "token", "rp_wrong");

    cli.run(&["jobs"]).fails(4, &["token", "[token.unknown]"]);
}

#[test]
fn a_revoked_token_is_refused_from_then_on() {
    let (shared, folder) = (CLUSTER.get(), tempfile::tempdir().unwrap());
    let issued = shared.cli.json(&["token", "user", "mia"]);
    let cli = profile_with(&shared, &folder, "token", issued["secret"].as_str().unwrap());
    cli.run(&["jobs"]).ok();

    shared.cli.run(&["token", "revoke", &issued["id"].to_string()]).ok();

    cli.run(&["jobs"]).fails(4, &["[token.unknown]"]);
}

#[test]
fn the_secret_of_a_token_is_nowhere_in_the_data_folder() {
    let shared = CLUSTER.get();
    let issued = shared.cli.json(&["token", "user", "noa"]);
    let secret = issued["secret"].as_str().unwrap().as_bytes().to_vec();

    let files = std::fs::read_dir(&shared.data).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.is_file()).collect();

    assert!(files.len() > 2, "found only {files:?}");
    for path in files {
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!found, "the secret is in {}", path.display());
    }
}

#[test]
fn another_authority_than_the_one_that_is_trusted_is_told_with_exit_code_3() {
    let (shared, folder) = (CLUSTER.get(), tempfile::tempdir().unwrap());
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let other = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
    let cli = profile_with(&shared, &folder, "authority", &other);

    let words = [shared.url.as_str(), "is not the one that the client profile trusts"];
    cli.run(&["jobs"]).fails(3, &words);
}

#[test]
fn an_authority_that_is_no_certificate_is_told_and_the_token_is_not() {
    let (shared, folder) = (CLUSTER.get(), tempfile::tempdir().unwrap());
    let cli = profile_with(&shared, &folder, "authority", "not a certificate");

    let said = cli.run(&["jobs"]).fails(3, &["authority"]);

    assert!(!said.err.contains(&shared.profile().token));
}

#[test]
fn a_probe_gets_healthz_without_a_token() {
    let shared = CLUSTER.get();

    assert_eq!(page(&shared, "/healthz", &[]), ("200".into(), "serving\n".into()));
}

#[test]
fn metrics_need_a_token() {
    let shared = CLUSTER.get();

    let (status, body) = page(&shared, "/metrics", &[]);

    assert_eq!(status, "401");
    assert!(!body.contains("repower_"), "{body}");
}

#[test]
fn promtool_accepts_the_metrics() {
    let shared = CLUSTER.get();
    // So that counters of refusals are there, too.
    shared.cli.run(&["submit", "--class", "pow-mining", "--", "true"]).fails(4, &[]);
    let header = format!("Authorization: Bearer {}", shared.profile().token);

    let (status, metrics) = page(&shared, "/metrics", &[&header]);
    let checked = bounded::output_with(
        Command::new("promtool").args(["check", "metrics"]),
        metrics.as_bytes(),
    );

    assert_eq!(status, "200");
    assert!(metrics.contains("repower_refusals_total{code=\"class.prohibited\"} "), "{metrics}");
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && said.is_empty(), "{said}");
}

#[test]
fn who_asks_for_open_metrics_gets_them() {
    let shared = CLUSTER.get();
    let token = format!("Authorization: Bearer {}", shared.profile().token);
    let accept = "Accept: application/openmetrics-text; version=1.0.0";

    let (status, metrics) = page(&shared, "/metrics", &[&token, accept]);

    assert_eq!(status, "200");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    for name in [
        "repower_queue_wait_seconds",
        "repower_turn_duration_seconds",
        "repower_commit_duration_seconds",
        "repower_tasks",
        "repower_nodes",
    ] {
        assert!(metrics.contains(&format!("# TYPE {name} ")), "{name} is not in {metrics}");
    }
}
