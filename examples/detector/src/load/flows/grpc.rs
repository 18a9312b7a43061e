//! An idle gRPC channel.

use std::net::SocketAddr;
use std::time::Duration;

use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Endpoint, Server};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::Pace;

/// Serves the usual health checks.
pub(super) fn serve() -> anyhow::Result<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    std::thread::Builder::new().name("grpc".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let (_reporter, service) = tonic_health::server::health_reporter();
            let incoming = TcpListenerStream::new(listener);
            // It serves until the process ends.
            Server::builder().add_service(service).serve_with_incoming(incoming).await
        })
    })?;
    Ok(address)
}

/// Asks once, then only keeps the channel alive, three times a minute.
pub(super) fn talk(address: SocketAddr, pace: Pace) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let channel = Endpoint::from_shared(format!("http://{address}"))?
            .http2_keep_alive_interval(pace.of(20_000))
            .keep_alive_timeout(Duration::from_secs(20))
            .keep_alive_while_idle(true)
            .connect()
            .await?;
        let mut client = HealthClient::new(channel);
        client.check(HealthCheckRequest { service: String::new() }).await?;
        std::future::pending::<()>().await;
        Ok(())
    })
}
