//! The port: TLS for all, gRPC and HTTP on one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::Service as _;

use crate::Error;
use crate::gate::Peer;
use crate::lines::{Line, Lines};
use crate::tls;

/// How long a client may take to agree on TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a silent connection lives before it is asked, and how long it has to answer.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How long open calls have to end when the scheduler ends.
const FAREWELL: Duration = Duration::from_secs(3);
/// After the system refused a connection (too many open files), none is taken for this long.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Calls that may be open on one connection.
const STREAMS: u32 = 1024;
/// Bytes of a stream that may be on their way here: more than one piece of a file.
const WINDOW: u32 = 2 << 20;
/// Bytes of one frame: files are sent in few large ones.
const FRAME: u32 = 256 << 10;

/// The port, before it is served.
#[derive(Debug)]
pub(crate) struct Port {
    listener: TcpListener,
    address: SocketAddr,
}

impl Port {
    /// Takes the port.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Error> {
        let listen = |source: std::io::Error| {
            if source.kind() == std::io::ErrorKind::AddrInUse {
                Error::PortInUse { address }
            } else {
                Error::Listen { address, source }
            }
        };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        Ok(Self { listener, address })
    }

    /// Where it is; the port is known even if any was asked for.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves connections until told to stop, then lets open calls end for a while.
    pub(crate) async fn serve(
        self,
        tls: ServerConfig,
        router: Router,
        lines: Arc<Lines>,
        mut stop: watch::Receiver<bool>,
    ) {
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let room = Arc::new(Semaphore::new(lines.most()));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = told(&mut stop) => break,
                Some(ended) = connections.join_next() => {
                    log(ended);
                    continue;
                }
                accepted = accept(&self.listener, &room) => accepted,
            };
            match accepted {
                Ok((stream, permit)) => {
                    let (acceptor, router, stop) = (acceptor.clone(), router.clone(), stop.clone());
                    let open = lines.open();
                    connections.spawn(async move {
                        tokio::select! {
                            () = connection(stream, (acceptor, router), open.line(), stop) => {}
                            () = open.told_to_leave() => {
                                tracing::debug!("there are too many connections of strangers");
                            }
                        }
                        drop((open, permit));
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not taken");
                    tokio::time::sleep(BACK_OFF).await;
                }
            }
        }
        drop(self.listener);
        let ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, ended).await.is_err() {
            tracing::debug!("closing connections that have not ended");
        }
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, permit))
}

fn log(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection has ended badly");
    }
}

async fn connection(
    stream: TcpStream,
    (acceptor, router): (TlsAcceptor, Router),
    line: Arc<Line>,
    mut stop: watch::Receiver<bool>,
) {
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a client and TLS did not agree"),
        Err(_) => return tracing::debug!("a client took too long to agree on TLS"),
    };
    let peer = peer(&stream);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(Arc::clone(&line));
        router.clone().call(request.map(Body::new))
    });
    let builder = builder();
    let served = builder.serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let end = tokio::select! {
        end = served.as_mut() => Some(end),
        () = told(&mut stop) => None,
    };
    let end = if let Some(end) = end {
        end
    } else {
        served.as_mut().graceful_shutdown();
        served.await
    };
    if let Err(error) = end {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Returns when it is time to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        tracing::debug!("whoever would say when to stop has gone");
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HANDSHAKE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(2 * WINDOW)
        .max_frame_size(FRAME);
    builder
}

/// The certificate that the client has shown; TLS has verified it.
fn peer(stream: &TlsStream<TcpStream>) -> Peer {
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    Peer(certificate.map(tls::fingerprint))
}
