//! Artefacts to and from the scheduler's store, one try at a time.
//!
//! Whoever calls decides how often a broken transfer is tried again; each try goes on where the one before broke off.

mod pace;

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use bytes::Bytes;
use repower_artefacts::{Fault, Part};
use repower_model::Hash;
use repower_proto::v1::artefacts_client::ArtefactsClient;
use repower_proto::v1::put_artefact_request::Body;
use repower_proto::v1::{
    GetArtefactRequest, PutArtefactRequest, PutArtefactStart, StatArtefactsRequest,
};
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Status};

pub use pace::Pace;

/// Pieces that wait between the disk and the network.
const WAITING: usize = 4;

/// A connection to the store, with whatever shows who calls.
pub type Service<F> = ArtefactsClient<InterceptedService<Channel, F>>;

/// Why a try has failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
    /// The file is not what it was when its digest was made.
    #[error("the file has changed while it was sent")]
    Changed,
    /// What has come cannot be kept, or is not what it should be.
    #[error(transparent)]
    Write(Fault),
    /// The call was refused, or did not get through.
    #[error("the scheduler's store did not do as asked")]
    Call(#[source] Status),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Call(status)
    }
}

/// Whether what a call met may have passed at the next try: the line broke, or the store was busy with the same
/// artefact, or is away.
pub fn may_pass(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unknown
        | Code::Cancelled
        | Code::DeadlineExceeded => true,
        // A status that the scheduler has sent itself has no source.
        Code::Internal => std::error::Error::source(status).is_some(),
        // The bytes that it has got are fewer than there should be: it has lost the rest of them with the line.
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => false,
    }
}

/// Whether an upload has sent anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The store had it already.
    Nothing,
    /// These bytes.
    Bytes(u64),
}

/// Brings a file to the store, unless it is there; `progress` is told how many bytes are there.
pub async fn upload<F: Interceptor + Clone>(
    service: &mut Service<F>,
    mut file: File,
    (digest, bytes): (Hash, u64),
    progress: impl Fn(u64),
    pace: &Pace,
) -> Result<Sent, Failure> {
    let request = StatArtefactsRequest { digests: vec![digest.0.to_vec()] };
    let standings = service.stat(request).await?.into_inner().standings;
    let standing = standings.first().copied().unwrap_or_default();
    if standing.bytes.is_some() {
        progress(bytes);
        return Ok(Sent::Nothing);
    }
    let offset = standing.received.min(bytes);
    file.seek(SeekFrom::Start(offset)).map_err(Failure::Read)?;
    let (pieces, received) = mpsc::channel(WAITING);
    let (told, mut at) = watch::channel(offset);
    let start = PutArtefactStart { digest: digest.0.to_vec(), bytes, offset };
    let at_once = pace.piece();
    let reader = tokio::task::spawn_blocking(move || {
        let send = |body| pieces.blocking_send(PutArtefactRequest { body: Some(body) }).is_ok();
        let mut left = bytes - offset;
        let mut go_on = send(Body::Start(start));
        while go_on && left > 0 {
            let mut piece = Vec::with_capacity(at_once);
            let read = (&mut file).take(left.min(at_once as u64)).read_to_end(&mut piece);
            match read.map_err(Failure::Read)? {
                0 => return Err(Failure::Changed),
                read => left -= read as u64,
            }
            go_on = send(Body::Piece(piece.into()));
            told.send_replace(bytes - left);
        }
        Ok(())
    });
    let pace = pace.clone();
    let messages = ReceiverStream::new(received).then(move |message: PutArtefactRequest| {
        let pace = pace.clone();
        async move {
            if let Some(Body::Piece(piece)) = &message.body {
                pace.spend(piece.len()).await;
            }
            message
        }
    });
    let call = service.put(messages);
    let mut call = std::pin::pin!(call);
    let answer = loop {
        tokio::select! {
            answer = call.as_mut() => break answer,
            Ok(()) = at.changed() => progress(*at.borrow_and_update()),
        }
    };
    // An end of the file that came too early breaks the call, too, but is the cause.
    if let Ok(Err(failure)) = reader.await {
        return Err(failure);
    }
    match answer {
        Ok(_) => Ok(Sent::Bytes(bytes - offset)),
        Err(status) if status.code() == Code::InvalidArgument => Err(Failure::Changed),
        Err(status) => Err(status.into()),
    }
}

/// Fetches what is missing of an artefact, and gives back what has come of it, whether that is all or not.
pub async fn download<F: Interceptor + Clone>(
    service: &mut Service<F>,
    digest: Hash,
    part: Part,
    progress: impl Fn(u64),
    pace: &Pace,
) -> (Option<Part>, Result<(), Failure>) {
    download_holding(service, digest, (part, ()), progress, pace).await
}

/// The same, and holds something for as long as anything may be written to the part: also when nobody waits for that any
/// more.
pub(crate) async fn download_holding<F: Interceptor + Clone>(
    service: &mut Service<F>,
    digest: Hash,
    (part, held): (Part, impl Send + 'static),
    progress: impl Fn(u64),
    pace: &Pace,
) -> (Option<Part>, Result<(), Failure>) {
    let offset = part.written();
    progress(offset);
    let request = GetArtefactRequest { digest: digest.0.to_vec(), offset };
    let mut stream = match service.get(request).await {
        Ok(stream) => stream.into_inner(),
        Err(status) => return (Some(part), Err(status.into())),
    };
    let writer = Writer::new(part, held);
    let mut at = offset;
    let fetched = loop {
        match stream.message().await {
            Ok(Some(piece)) => {
                at += piece.piece.len() as u64;
                pace.spend(piece.piece.len()).await;
                if !writer.write(piece.piece).await {
                    break Ok(());
                }
                progress(at);
            }
            Ok(None) => break Ok(()),
            Err(status) => break Err(status.into()),
        }
    };
    let (part, written) = writer.finish().await;
    (part, written.map_err(Failure::Write).and(fetched))
}

/// Writes a part on a thread of its own, so that hashing and writing hold up nothing else.
#[derive(Debug)]
pub(crate) struct Writer {
    pieces: mpsc::Sender<Bytes>,
    done: tokio::task::JoinHandle<(Part, Result<(), Fault>)>,
}

impl Writer {
    /// Something is held until nothing is written any more.
    pub(crate) fn new(mut part: Part, held: impl Send + 'static) -> Self {
        let (pieces, mut received) = mpsc::channel::<Bytes>(WAITING);
        let done = tokio::task::spawn_blocking(move || {
            let _held = held;
            while let Some(piece) = received.blocking_recv() {
                if let Err(fault) = part.write(&piece) {
                    return (part, Err(fault));
                }
            }
            (part, Ok(()))
        });
        Self { pieces, done }
    }

    /// Hands on bytes; false if they cannot be kept, of which [`Writer::finish`] says why.
    pub(crate) async fn write(&self, piece: Bytes) -> bool {
        self.pieces.send(piece).await.is_ok()
    }

    /// The part with all that has come; none if the thread is gone.
    pub(crate) async fn finish(self) -> (Option<Part>, Result<(), Fault>) {
        let Self { pieces, done } = self;
        drop(pieces);
        match done.await {
            Ok((part, written)) => (Some(part), written),
            Err(_) => (None, Err(Fault::Ending)),
        }
    }
}
