//! What is not gRPC.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::world::{World, array};

/// What a plain HTTP/1.1 client over TLS gets.
async fn get(world: &World, path: &str, headers: &str) -> String {
    let (address, authority) = (world.ready.address, world.profile().authority);
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n");
    let read = tokio::task::spawn_blocking(move || exchange(address, &authority, &request));
    read.await.expect("it reads").expect("TLS and HTTP")
}

/// What an operator reads of the metrics.
pub(crate) async fn metrics(world: &World) -> String {
    let bearer = format!("authorization: Bearer {}\r\n", world.profile().token);
    get(world, "/metrics", &bearer).await
}

fn exchange(
    address: SocketAddr,
    authority: &str,
    request: &str,
) -> Result<String, Box<dyn Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let session = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost")?)?;
    let mut stream = StreamOwned::new(session, TcpStream::connect(address)?);
    stream.write_all(request.as_bytes())?;
    let mut text = Vec::new();
    // The other side may close without a farewell of TLS.
    drop(stream.read_to_end(&mut text));
    Ok(String::from_utf8(text)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn healthz_is_open_and_metrics_need_a_token() {
    let world = World::new().await;
    let bearer = format!("authorization: Bearer {}\r\n", world.profile().token);

    let health = get(&world, "/healthz", "").await;
    let without = get(&world, "/metrics", "").await;
    let with = get(&world, "/metrics", &bearer).await;
    let nothing = get(&world, "/elsewhere", &bearer).await;

    assert!(health.starts_with("HTTP/1.1 200") && health.ends_with("serving\n"), "{health}");
    assert!(without.starts_with("HTTP/1.1 401"), "{without}");
    assert!(with.starts_with("HTTP/1.1 200"), "{with}");
    assert!(nothing.starts_with("HTTP/1.1 404"), "{nothing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_what_has_happened() {
    let world = World::new().await;
    let mut agent = world.agent("n1", 1).await;
    let job = world.submit(array(2)).await;
    agent.work(2).await;
    world.wait(job).await;
    world.submit(array(3)).await;
    let first = agent.starts(1).await;
    let headers = format!(
        "authorization: Bearer {}\r\naccept: application/openmetrics-text\r\n",
        world.profile().token
    );

    let text = get(&world, "/metrics", &headers).await;

    assert_eq!(first.len(), 1);
    for line in [
        "repower_attempts_ended_total{outcome=\"exited\"} 2",
        "repower_jobs{state=\"running\"} 1",
        "repower_nodes{phase=\"up\"} 1",
        "repower_links 1",
        "repower_queue_wait_seconds_count 3",
        "# UNIT repower_commit_duration_seconds seconds",
        "# EOF",
    ] {
        assert!(text.contains(line), "no `{line}` in {text}");
    }
}
