//! The services: from calls to inputs and queries, and back.

mod access;
mod agents;
mod artefacts;
mod attempts;
mod exec;
mod findings;
mod jobs;
mod ledger;
mod list;
mod logs;
mod nodes;
mod outputs;
mod plan;
mod policies;
mod remarks;
mod reservations;
mod resubmit;
mod running;
mod submit;
mod summary;
mod watch;
pub(crate) mod why;

use std::sync::Arc;

use repower_proto::v1;
use repower_proto::v1::access_server::AccessServer;
use repower_proto::v1::agents_server::AgentsServer;
use repower_proto::v1::artefacts_server::ArtefactsServer;
use repower_proto::v1::findings_server::FindingsServer;
use repower_proto::v1::jobs_server::JobsServer;
use repower_proto::v1::ledger_server::LedgerServer;
use repower_proto::v1::nodes_server::NodesServer;
use repower_proto::v1::policies_server::PoliciesServer;
use tonic::service::Routes;

use crate::problem::Problem;
use crate::shared::Shared;

/// The largest message of an agent.
const AGENT_MESSAGE: usize = 16 << 20;
/// The largest submission that is read: as large as the largest job file, so that one that is too
/// large for a job is refused in the words of the engine, and not in those of the transport.
const SUBMISSION: usize = 16 << 20;
/// How many answers of a stream may wait to be sent.
const STREAM: usize = 8;
/// The most bytes of a reason that a person gives: it is kept for ever.
const REASON: usize = 1000;

/// All services of a scheduler, with their names.
pub(crate) fn routes(shared: &Arc<Shared>) -> (Routes, Vec<&'static str>) {
    let share = || Arc::clone(shared);
    let agents =
        AgentsServer::new(agents::Service(share())).max_decoding_message_size(AGENT_MESSAGE);
    let jobs = JobsServer::new(jobs::Service(share())).max_decoding_message_size(SUBMISSION);
    let routes = Routes::new(jobs)
        .add_service(NodesServer::new(nodes::Service(share())))
        .add_service(AccessServer::new(access::Service(share())))
        .add_service(LedgerServer::new(ledger::Service(share())))
        .add_service(ArtefactsServer::new(artefacts::Service(share())))
        .add_service(PoliciesServer::new(policies::Service(share())))
        .add_service(FindingsServer::new(findings::Service(share())))
        .add_service(agents);
    let names = vec![
        v1::jobs_server::SERVICE_NAME,
        v1::nodes_server::SERVICE_NAME,
        v1::access_server::SERVICE_NAME,
        v1::ledger_server::SERVICE_NAME,
        v1::artefacts_server::SERVICE_NAME,
        v1::policies_server::SERVICE_NAME,
        v1::findings_server::SERVICE_NAME,
        v1::agents_server::SERVICE_NAME,
    ];
    (routes, names)
}

fn check_reason(reason: &str) -> Result<(), Problem> {
    if reason.len() > REASON {
        let text = format!("the reason has {} bytes, but may have at most {REASON}", reason.len());
        return Err(Problem::bad_request(text).hint("say it in fewer words"));
    }
    Ok(())
}
