//! The service for the ledger: what an auditor may ask.

use std::sync::Arc;

use repower_proto::v1;
use repower_proto::v1::ledger_server::Ledger;
use repower_store::journal::{Ledger as _, ReadError, SignedHead, StoredEntry};
use repower_store::sqlite::Reader;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::STREAM;
use crate::problem::Problem;
use crate::shared::Shared;

/// The most heads of one answer.
const HEADS: u32 = 10_000;
/// How many facts are read at one time; a message has no more, and at most so many bytes and one
/// fact more.
const PAGE: usize = 1000;
const MESSAGE_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Service(pub(super) Arc<Shared>);

#[tonic::async_trait]
impl Ledger for Service {
    async fn head(&self, _: Request<v1::HeadRequest>) -> Result<Response<v1::SignedHead>, Status> {
        Ok(Response::new(self.0.past(newest).await?.1))
    }

    async fn heads(
        &self,
        request: Request<v1::HeadsRequest>,
    ) -> Result<Response<v1::HeadsReply>, Status> {
        let v1::HeadsRequest { limit, before_size } = request.into_inner();
        let limit = if limit == 0 { 100 } else { limit.min(HEADS) } as usize;
        let before = (before_size > 0).then_some(before_size);
        let heads = self.0.past(move |history| {
            let key = key_of(history)?;
            let heads = history.heads(limit, before)?;
            Ok(heads.into_iter().map(|head| wire_head(head, &key)).collect())
        });
        Ok(Response::new(v1::HeadsReply { heads: heads.await? }))
    }

    type ExportStream = ReceiverStream<Result<v1::ExportReply, Status>>;

    async fn export(
        &self,
        request: Request<v1::ExportRequest>,
    ) -> Result<Response<Self::ExportStream>, Status> {
        let v1::ExportRequest { from, count } = request.into_inner();
        let end = if count == 0 { u64::MAX } else { from.saturating_add(count) };
        let (sender, stream) = mpsc::channel(STREAM);
        let shared = Arc::clone(&self.0);
        let work = {
            let sender = sender.clone();
            async move { export(&shared, from, end, &sender).await }
        };
        self.0.spawn_stream(sender, work);
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn prove_inclusion(
        &self,
        request: Request<v1::InclusionRequest>,
    ) -> Result<Response<v1::InclusionReply>, Status> {
        let v1::InclusionRequest { seq, size } = request.into_inner();
        let reply = self.0.past(move |history| {
            let (newest, head) = newest(history)?;
            let size = if size == 0 { newest } else { size };
            let hashes = history.inclusion(seq, size)?;
            let fact = history.entries(seq, 1)?.into_iter().find(|fact| fact.seq == seq);
            let fact = Some(wire_fact(fact.ok_or(ReadError::Missing { seq })?));
            let hashes = hashes.into_iter().map(Vec::from).collect();
            Ok(v1::InclusionReply { fact, head: Some(head), hashes, size })
        });
        Ok(Response::new(reply.await?))
    }

    async fn prove_consistency(
        &self,
        request: Request<v1::ConsistencyRequest>,
    ) -> Result<Response<v1::ConsistencyReply>, Status> {
        let v1::ConsistencyRequest { old_size, new_size } = request.into_inner();
        let reply = self.0.past(move |history| {
            let (newest, head) = newest(history)?;
            let new_size = if new_size == 0 { newest } else { new_size };
            let hashes = history.consistency(old_size, new_size)?;
            let hashes = hashes.into_iter().map(Vec::from).collect();
            Ok(v1::ConsistencyReply { old_size, new_size, hashes, head: Some(head) })
        });
        Ok(Response::new(reply.await?))
    }
}

async fn export(
    shared: &Shared,
    mut from: u64,
    end: u64,
    sender: &mpsc::Sender<Result<v1::ExportReply, Status>>,
) -> Result<(), Problem> {
    while from < end {
        let limit = usize::try_from(end - from).map_or(PAGE, |left| left.min(PAGE));
        let page = shared.past(move |history| history.entries(from, limit)).await?;
        let Some(last) = page.last() else { return Ok(()) };
        from = last.seq + 1;
        let (mut facts, mut bytes) = (Vec::new(), 0);
        for fact in page {
            bytes += fact.body.len();
            facts.push(wire_fact(fact));
            if bytes > MESSAGE_BYTES {
                bytes = 0;
                let facts = std::mem::take(&mut facts);
                if sender.send(Ok(v1::ExportReply { facts })).await.is_err() {
                    return Ok(());
                }
            }
        }
        if !facts.is_empty() && sender.send(Ok(v1::ExportReply { facts })).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The newest head and its size.
fn newest(history: &Reader) -> Result<(u64, v1::SignedHead), ReadError> {
    let key = key_of(history)?;
    let head = history.latest_head()?.ok_or(ReadError::TooShort { asked: 1, has: 0 })?;
    Ok((head.head.size, wire_head(head, &key)))
}

fn key_of(history: &Reader) -> Result<String, ReadError> {
    Ok(history.verifier_key()?.unwrap_or_default())
}

fn wire_head(signed: SignedHead, key: &str) -> v1::SignedHead {
    v1::SignedHead {
        size: signed.head.size,
        root: signed.head.root.to_vec(),
        note: signed.note,
        verifier_key: key.to_owned(),
        at_ms: signed.head.at.as_millis(),
    }
}

fn wire_fact(fact: StoredEntry) -> v1::StoredFact {
    v1::StoredFact { seq: fact.seq, body: fact.body, leaf: fact.leaf.to_vec() }
}
