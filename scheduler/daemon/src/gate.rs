//! Who may call what: one table, asked before every call.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::Limited;
use repower_artefacts::Permit;
use repower_core::refusal::Refusal;
use repower_model::{Hash, NodeId, Role};
use tonic::{Code, Status};

use crate::arrivals::Arrivals;
use crate::calls::{self, By, Calls};
use crate::lines::{Line, Lines};
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::published::Published;
use crate::{clock, secret};

/// The most bytes that are read of a call that shows no credentials.
const OPEN_BODY: usize = 64 << 10;

/// Who may make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Whoever reaches the port.
    Anyone,
    /// Whoever shows a token of a person.
    Person,
    /// Whoever shows a token of an operator; what it is that nobody else may.
    Operator(&'static str),
    /// Whoever shows a certificate of a node.
    Node,
    /// Whoever shows either.
    PersonOrNode,
}

/// Who may call what. What is not here cannot be called.
pub(crate) const RULES: &[(&str, Who)] = &[
    ("/repower.v1.Jobs/Submit", Who::Person),
    ("/repower.v1.Jobs/List", Who::Person),
    ("/repower.v1.Jobs/Show", Who::Person),
    ("/repower.v1.Jobs/Attempts", Who::Person),
    ("/repower.v1.Jobs/Watch", Who::Person),
    ("/repower.v1.Jobs/Outputs", Who::Person),
    ("/repower.v1.Jobs/Logs", Who::Person),
    // Whose tasks they may enter, the engine decides.
    ("/repower.v1.Jobs/Exec", Who::Person),
    // Whose jobs they may cancel or submit again, too.
    ("/repower.v1.Jobs/Cancel", Who::Person),
    ("/repower.v1.Jobs/Resubmit", Who::Person),
    ("/repower.v1.Jobs/Review", Who::Operator("approve or deny jobs")),
    ("/repower.v1.Jobs/Why", Who::Person),
    ("/repower.v1.Jobs/Plan", Who::Person),
    ("/repower.v1.Nodes/List", Who::Person),
    ("/repower.v1.Nodes/Show", Who::Person),
    ("/repower.v1.Nodes/Drain", Who::Operator("drain nodes")),
    ("/repower.v1.Nodes/Resume", Who::Operator("resume nodes")),
    ("/repower.v1.Nodes/Reserve", Who::Operator("reserve nodes")),
    ("/repower.v1.Nodes/Unreserve", Who::Operator("end reservations")),
    ("/repower.v1.Nodes/Reservations", Who::Person),
    ("/repower.v1.Nodes/Running", Who::Person),
    ("/repower.v1.Access/Issue", Who::Operator("make tokens")),
    // What is in their own name; operators all.
    ("/repower.v1.Access/Revoke", Who::Person),
    ("/repower.v1.Access/List", Who::Person),
    ("/repower.v1.Ledger/Head", Who::Person),
    ("/repower.v1.Ledger/Heads", Who::Person),
    ("/repower.v1.Ledger/Export", Who::Person),
    ("/repower.v1.Ledger/ProveInclusion", Who::Person),
    ("/repower.v1.Ledger/ProveConsistency", Who::Person),
    // Which artefacts an agent may have, the service decides.
    ("/repower.v1.Artefacts/Stat", Who::PersonOrNode),
    ("/repower.v1.Artefacts/Put", Who::PersonOrNode),
    ("/repower.v1.Artefacts/Get", Who::PersonOrNode),
    ("/repower.v1.Policies/Show", Who::Person),
    ("/repower.v1.Policies/Apply", Who::Operator("put a policy in force")),
    ("/repower.v1.Policies/Approve", Who::Operator("approve jobs of a kind")),
    ("/repower.v1.Policies/Unapprove", Who::Operator("end approvals")),
    ("/repower.v1.Policies/Approvals", Who::Person),
    ("/repower.v1.Findings/List", Who::Person),
    ("/repower.v1.Findings/Show", Who::Person),
    // Whoever has submitted the job appeals, operators decide: the engine looks at which it is.
    ("/repower.v1.Findings/Decide", Who::Person),
    ("/repower.v1.Findings/Follow", Who::Person),
    ("/repower.v1.Findings/Quarantined", Who::Person),
    ("/repower.v1.Findings/Quarantine", Who::Operator("forbid programs or allow them again")),
    // The secret of a join token is in the request.
    ("/repower.v1.Agents/Enrol", Who::Anyone),
    ("/repower.v1.Agents/Link", Who::Node),
    ("/repower.v1.Agents/Session", Who::Node),
    // What services there are, and whether they serve, is in the public documentation.
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Who::Anyone),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Who::Anyone),
    ("/grpc.health.v1.Health/Check", Who::Anyone),
    ("/grpc.health.v1.Health/Watch", Who::Anyone),
    ("/grpc.health.v1.Health/List", Who::Anyone),
    ("/healthz", Who::Anyone),
    ("/metrics", Who::Person),
];

/// The certificate that the other side of a connection has shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) Option<Hash>);

/// What a call has to pass.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    pub(crate) published: Arc<Published>,
    pub(crate) lines: Arc<Lines>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Gate {
    /// Lets a caller in, unless so much of theirs is open already that this may not be; returns whose call it is, and
    /// what keeps it open.
    fn admit(
        &self,
        caller: &Caller,
        line: Option<&Arc<Line>>,
    ) -> Result<(By, Permit<By>), Problem> {
        let by = match caller {
            Caller::Person(person) => By::Person(person.name.clone()),
            Caller::Node(node) => By::Node(*node),
            Caller::Anyone => By::Stranger(line.map_or(0, |line| line.number())),
        };
        let known = line.filter(|_| *caller != Caller::Anyone);
        let introduced = known.map_or(Ok(()), |line| self.lines.introduce(line, &by));
        let admitted = introduced.and_then(|()| self.calls.open(&by));
        match admitted {
            Ok(call) => Ok((by, call)),
            Err(problem) => {
                self.metrics.refused(problem.code);
                Err(problem)
            }
        }
    }
}

/// Who makes a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Nobody knows.
    Anyone,
    /// A person.
    Person(Person),
    /// An agent, by its certificate.
    Node(NodeId),
}

/// A person, as their token has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// Their name.
    pub(crate) name: String,
    /// As what they come.
    pub(crate) role: Role,
}

/// The person who makes a call.
pub(crate) fn person<T>(request: &tonic::Request<T>) -> Result<Person, Status> {
    match request.extensions().get::<Caller>() {
        Some(Caller::Person(person)) => Ok(person.clone()),
        Some(Caller::Anyone | Caller::Node(_)) | None => Err(no_token().into()),
    }
}

/// The node that makes a call.
pub(crate) fn node<T>(request: &tonic::Request<T>) -> Result<NodeId, Status> {
    match request.extensions().get::<Caller>() {
        Some(Caller::Node(node)) => Ok(*node),
        Some(Caller::Anyone | Caller::Person(_)) | None => Err(no_certificate().into()),
    }
}

/// Whoever makes a call that people and nodes may make.
pub(crate) fn caller<T>(request: &tonic::Request<T>) -> Result<Caller, Status> {
    match request.extensions().get::<Caller>() {
        Some(caller @ (Caller::Person(_) | Caller::Node(_))) => Ok(caller.clone()),
        Some(Caller::Anyone) | None => Err(no_token().into()),
    }
}

/// Lets a call through, with its [`Caller`], or answers it.
pub(crate) async fn keep(
    State(gate): State<Gate>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let Some((_, who)) = RULES.iter().find(|(known, _)| *known == path) else {
        let text = format!("there is nothing at {path}");
        return refuse(&request, Problem::new(Code::Unimplemented, "call.unknown", text));
    };
    let published = &gate.published;
    let caller = match who {
        Who::Anyone => Ok(Caller::Anyone),
        Who::Person => by_token(request.headers(), published),
        Who::Operator(what) => {
            by_token(request.headers(), published).and_then(|caller| operators_only(caller, what))
        }
        Who::Node => by_certificate(request.extensions().get::<Peer>(), published),
        Who::PersonOrNode => match request.extensions().get::<Peer>() {
            Some(peer @ Peer(Some(_))) if !request.headers().contains_key(AUTHORIZATION) => {
                by_certificate(Some(peer), published)
            }
            _ => by_token(request.headers(), published),
        },
    };
    let admitted = caller.and_then(|caller| {
        let (by, call) = gate.admit(&caller, request.extensions().get::<Arc<Line>>())?;
        Ok((caller, by, call))
    });
    match admitted {
        Ok((caller, by, call)) => {
            if *who == Who::Anyone {
                request = request.map(|body| Body::new(Limited::new(body, OPEN_BODY)));
            }
            if *who == Who::PersonOrNode {
                let arrivals = Arrivals::default();
                request = request.map(|body| arrivals.of(body));
                request.extensions_mut().insert(arrivals);
            }
            request.extensions_mut().insert(caller);
            let answer = calls::on_behalf(by, next.run(request)).await;
            answer.map(|body| calls::hold(body, call))
        }
        Err(problem) => refuse(&request, problem),
    }
}

fn by_token(headers: &HeaderMap, published: &Published) -> Result<Caller, Problem> {
    let header = headers.get(AUTHORIZATION).ok_or_else(no_token)?;
    let text = header.to_str().ok();
    let secret = text.and_then(|text| {
        let (scheme, secret) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
    });
    let hash = secret::hash(secret.ok_or_else(no_token)?);
    let state = published.read();
    let token = state.person_by_hash(&hash, clock::now());
    let person =
        token.and_then(|token| Some(Person { name: token.name.clone(), role: token.role? }));
    person.map(Caller::Person).ok_or_else(|| {
        Problem::new(
            Code::Unauthenticated,
            "token.unknown",
            "the token is not valid here, was revoked, or has expired",
        )
        .hint("ask an operator for a new one (`repower token user NAME`)")
    })
}

fn operators_only(caller: Caller, what: &'static str) -> Result<Caller, Problem> {
    match caller {
        Caller::Person(Person { name: by, role }) if role < Role::Operator => {
            Err(Refusal::OperatorsOnly { what, by }.into())
        }
        Caller::Person(_) | Caller::Node(_) | Caller::Anyone => Ok(caller),
    }
}

fn by_certificate(peer: Option<&Peer>, published: &Published) -> Result<Caller, Problem> {
    let Some(Peer(Some(fingerprint))) = peer else {
        return Err(no_certificate());
    };
    let node = published.read().node_by_fingerprint(fingerprint).map(|node| node.id);
    node.map(Caller::Node).ok_or_else(|| {
        Problem::new(
            Code::Unauthenticated,
            "certificate.unknown",
            "the certificate is not the one that this node has enrolled with last",
        )
        .hint("enrol the agent again with a new join token")
    })
}

fn no_token() -> Problem {
    Problem::new(Code::Unauthenticated, "token.missing", "the call shows no token").hint(
        "send `authorization: Bearer TOKEN`; client.toml in the scheduler's data folder has one",
    )
}

fn no_certificate() -> Problem {
    Problem::new(Code::Unauthenticated, "certificate.missing", "the call shows no certificate")
        .hint("enrol the agent with a join token first")
}

fn refuse(request: &Request<Body>, problem: Problem) -> Response {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind.is_some_and(|kind| kind.starts_with("application/grpc")) {
        return Status::from(problem).into_http();
    }
    let status = if problem.status == Code::Unauthenticated {
        StatusCode::UNAUTHORIZED
    } else if problem.status == Code::ResourceExhausted {
        StatusCode::TOO_MANY_REQUESTS
    } else if problem.status == Code::PermissionDenied {
        StatusCode::FORBIDDEN
    } else {
        StatusCode::NOT_FOUND
    };
    (status, format!("{}\n", problem.text)).into_response()
}
