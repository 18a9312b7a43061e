//! The service for agents.

use std::sync::Arc;

use repower_core::effect::Answer;
use repower_core::input::Input;
use repower_core::refusal::Refusal;
use repower_proto::v1;
use repower_proto::v1::agents_server::Agents;
use repower_proto::v1::from_session::Body as From;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};

use super::submit::unexpected;
use crate::problem::Problem;
use crate::sessions::{self, Ends};
use crate::shared::Shared;
use crate::{clock, gate, link, secret};

/// How many messages to one agent may wait to be sent.
const WAITING: usize = 4;

#[derive(Debug)]
pub(super) struct Service(pub(super) Arc<Shared>);

#[tonic::async_trait]
impl Agents for Service {
    async fn enrol(
        &self,
        request: Request<v1::EnrolRequest>,
    ) -> Result<Response<v1::EnrolReply>, Status> {
        let shared = &self.0;
        let v1::EnrolRequest { secret, name, request_pem } = request.into_inner();
        let secret = secret::hash(&secret);
        // Signing costs something, and this call is open: nothing is signed for nothing.
        if shared.published.read().token_by_hash(&secret).is_none() {
            shared.metrics.refused(Refusal::TokenWrong.code());
            return Err(Problem::from(Refusal::TokenWrong).into());
        }
        let signed = shared.authority.sign_node(&request_pem, &name, clock::now());
        let signed = signed.map_err(|error| {
            Problem::new(Code::InvalidArgument, "certificate.bad-request", error.to_string())
                .because(&error)
        })?;
        let fingerprint = signed.fingerprint;
        let input = Input::Enrol { secret, name, fingerprint };
        let Answer::Node(node) = shared.keeper.ask(input).await? else {
            return Err(unexpected());
        };
        Ok(Response::new(v1::EnrolReply {
            node: node.0,
            certificate_pem: signed.pem,
            authority_pem: shared.authority.pem().to_owned(),
        }))
    }

    type LinkStream = ReceiverStream<Result<v1::ToAgent, Status>>;

    async fn link(
        &self,
        request: Request<Streaming<v1::FromAgent>>,
    ) -> Result<Response<Self::LinkStream>, Status> {
        let node = gate::node(&request)?;
        let (sender, stream) = mpsc::channel(WAITING);
        let inbound = request.into_inner();
        self.0.spawn_link(link::serve(Arc::clone(&self.0), node, inbound, sender));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    type SessionStream = ReceiverStream<Result<v1::ExecInput, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<v1::FromSession>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let node = gate::node(&request)?;
        let mut output = request.into_inner();
        let first = tokio::time::timeout(sessions::PATIENCE, output.message()).await;
        let Ok(Ok(Some(v1::FromSession { body: Some(From::Session(session)) }))) = first else {
            return Err(Problem::bad_request("the first message names the session").into());
        };
        let (input, stream) = mpsc::channel(WAITING);
        if !self.0.sessions.claim(node, &session, Ends { input, output }) {
            return Err(Problem::bad_request("nobody waits for this session").into());
        }
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}
