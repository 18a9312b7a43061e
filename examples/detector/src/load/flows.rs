//! Conversations over loopback: their shape is real, what they say is not.
//!
//! The pool-like ones exchange lines of JSON of the usual lengths at the usual times. The methods have
//! other names, nobody mines, and the server throws away what it gets.

mod grpc;
mod lines;
mod tls;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;

/// A kind of conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Conversation {
    /// As a miner with its pool, in the clear.
    Pool,
    /// The same within TLS.
    PoolTls,
    /// An idle gRPC channel that is kept alive.
    Grpc,
    /// A program that pushes its metrics four times a minute.
    Metrics,
    /// A program that listens to events and never speaks.
    Events,
}

/// A server of a conversation, on a free port of loopback. It lives until the process ends.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its certificate, where it has one.
    pub certificate: Option<PathBuf>,
}

/// Times of a conversation, `pace` times faster than in real life.
#[derive(Debug, Clone, Copy)]
struct Pace(u32);

impl Pace {
    fn of(self, ms: u64) -> Duration {
        Duration::from_millis(ms) / self.0.max(1)
    }
}

impl Server {
    /// Starts one; certificates are put into `folder`.
    ///
    /// # Errors
    ///
    /// A port or a thread that cannot be had.
    pub fn start(how: Conversation, pace: u32, folder: &Path) -> anyhow::Result<Self> {
        if how == Conversation::Grpc {
            return Ok(Self { address: grpc::serve()?, certificate: None });
        }
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let identity = (how == Conversation::PoolTls).then(tls::Identity::new).transpose()?;
        let certificate = identity.as_ref().map(|identity| identity.write(folder)).transpose()?;
        std::thread::Builder::new().name("server".to_owned()).spawn(move || {
            // One client each is all that the report has.
            let Ok((stream, _)) = listener.accept() else { return };
            let ended = match identity {
                Some(identity) => {
                    identity.accept(stream).and_then(|stream| lines::serve(stream, how, Pace(pace)))
                }
                None => lines::serve(stream, how, Pace(pace)),
            };
            // The end of the client is the end of the conversation.
            drop(ended);
        })?;
        Ok(Self { address, certificate })
    }
}

/// The client's side, until the server is gone.
pub(super) fn talk(
    how: Conversation,
    address: SocketAddr,
    trust: Option<&Path>,
    pace: u32,
) -> anyhow::Result<()> {
    if how == Conversation::Grpc {
        return grpc::talk(address, Pace(pace));
    }
    let stream = TcpStream::connect(address)?;
    match trust {
        Some(trust) => lines::talk(tls::connect(stream, trust)?, how, Pace(pace)),
        None => lines::talk(stream, how, Pace(pace)),
    }
}
