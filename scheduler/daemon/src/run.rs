//! A scheduler, from start to end.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use axum::Router;
use repower_core::input::Input;
use repower_core::policy::{self, Policy};
use repower_core::state::State;
use repower_proto::v1;
use repower_store::output::Output;
use repower_store::snapshot::Snapshots;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::admission::{self, Admission};
use crate::artefacts::{self, Artefacts, Bin};
use crate::aside::Aside;
use crate::calls::Calls;
use crate::claims::Claims;
use crate::follower::{Charge, follower};
use crate::gate::Gate;
use crate::journal::{self, Replayed};
use crate::keeper::{self, Keeper, Loop, Parts};
use crate::lines::Lines;
use crate::link::Links;
use crate::metrics::Metrics;
use crate::notices::Notices;
use crate::output::{printer, tend};
use crate::profile::{self, founding};
use crate::published::Published;
use crate::reasons::Reasons;
use crate::room::{self, Room};
use crate::samples::Samples;
use crate::server::Port;
use crate::shared::Shared;
use crate::tls::{self, Authority};
use crate::{Error, Options, clock, gate, http, services};

/// A scheduler that serves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Ready {
    /// Where it listens.
    pub address: SocketAddr,
    /// The same for clients on this machine: `https://HOST:PORT`.
    pub url: String,
    /// How many facts its ledger has.
    pub facts: u64,
}

/// Runs a scheduler until `shutdown` ends; `ready` is called once it serves.
///
/// # Errors
///
/// [`Error`] if it cannot start, or if the loop that owns the engine ends by itself.
pub async fn run(
    options: Options,
    ready: impl FnOnce(Ready),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    options.check()?;
    let policy = options.policy.as_deref().map(read_policy).transpose()?;
    // Before anything is made: who cannot listen leaves no ledger behind.
    let port = Port::open(options.listen).await?;
    let Replayed { journal, engine, snapshot } = journal::open(&options.data, &options.cell)?;
    admission::check_in_force(engine.state(), policy.as_deref())?;
    let output = Output::open(&options.data)?;
    let artefacts = Artefacts::open(&options)?;
    let admission = Admission::open(&options.data)?;
    let authority = Authority::open(&options.data, &options.cell, clock::now())?;
    let tls = tls::config(&options.data, &authority, &options.names, clock::now())?;

    let metrics = Metrics::new(engine.state().seq);
    let published = Arc::new(Published::new(engine.clone()));
    let (links, notices) = (Arc::new(Links::default()), Arc::new(Notices::default()));
    let (snapshots, to_save) = sync_channel(1);
    let (litter, to_tidy) = Bin::new();
    let (follower, following) = follower(Charge {
        published: Arc::clone(&published),
        links: Arc::clone(&links),
        notices: Arc::clone(&notices),
        metrics: Arc::clone(&metrics),
        litter,
        snapshots,
        snapshot_facts: options.snapshot_facts,
        snapshot,
    });
    let (letters, received) = mpsc::channel(keeper::WAITING);
    let (healthy, health) = watch::channel(true);
    let history = journal.reader();
    let saved = journal.snapshots();
    let tails = output.reader();
    let room = Room::of(&options.data);
    let (printer, printing) = printer(output, Arc::clone(&notices), options.output_bytes, &room);
    let runtime = Handle::current();
    let parts = Parts {
        engine,
        journal,
        letters: received,
        follower,
        metrics: Arc::clone(&metrics),
        healthy,
    };
    let keeper_loop = Loop::new(parts);
    let threads = Threads {
        keeper: thread("repower-keeper", move || keeper_loop.run(&runtime))?,
        follower: thread("repower-follower", move || following.run())?,
        snapshots: thread("repower-snapshot", move || save(&to_save, &saved))?,
        printer: thread("repower-printer", move || printing.run())?,
    };
    let shared = Arc::new(Shared {
        options,
        keeper: Keeper::new(letters),
        published,
        history,
        printed: tails,
        printer,
        room,
        admission,
        artefacts,
        links,
        notices,
        metrics,
        authority,
        leases: Mutex::default(),
        reasons: Reasons::default(),
        samples: Samples::default(),
        claims: Claims::default(),
        sessions: Arc::default(),
        aside: Aside::default(),
        linked: Mutex::default(),
        streams: Mutex::default(),
        ending: watch::Sender::new(false),
    });
    found(&shared, policy).await?;
    profile::write(&shared, port.address()).await?;
    let mut crew = JoinSet::new();
    let tidying = Arc::clone(&shared);
    crew.spawn(async move { artefacts::tidy(&tidying, to_tidy).await });
    serve(shared, port, tls, (health, crew), threads, ready, shutdown).await
}

fn read_policy(path: &std::path::Path) -> Result<String, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::File {
        what: "read",
        path: path.to_owned(),
        source,
    })?;
    let wrong = |problem| Error::Policy { path: path.to_owned(), problem };
    let policy = Policy::proposed(&text).map_err(|error| wrong(error.to_string()))?;
    admission::check(&policy).map_err(wrong)?;
    Ok(text)
}

struct Threads {
    keeper: JoinHandle<()>,
    follower: JoinHandle<()>,
    snapshots: JoinHandle<()>,
    printer: JoinHandle<()>,
}

fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body).map_err(Error::Thread)
}

/// Saves snapshots until there will be no more.
fn save(states: &Receiver<State>, snapshots: &Snapshots) {
    while let Ok(state) = states.recv() {
        let seq = state.seq;
        match journal::snapshot(&state) {
            Ok(snapshot) => {
                drop(state);
                match snapshots.save(&snapshot) {
                    Ok(()) => {
                        tracing::debug!(seq, bytes = snapshot.bytes.len(), "saved a snapshot");
                    }
                    Err(error) => {
                        tracing::warn!(%error, seq, "a snapshot is not saved: the next start replays more");
                    }
                }
            }
            Err(error) => tracing::error!(%error, seq, "a snapshot cannot be written"),
        }
    }
}

/// Founds the cell if there is none, and puts the policy in force that the operator brings.
async fn found(shared: &Shared, policy: Option<String>) -> Result<(), Error> {
    let (is_new, has_policy) = {
        let state = shared.published.read();
        (state.cell.is_empty(), state.policy.is_some())
    };
    let ask = async |input| shared.keeper.ask(input).await.map_err(|problem| founding(&problem));
    if is_new {
        let (cell, version) = (shared.options.cell.clone(), env!("CARGO_PKG_VERSION").to_owned());
        ask(Input::Found { cell, version }).await?;
    }
    let text = policy.or_else(|| (!has_policy).then(|| policy::DEFAULT.to_owned()));
    if let Some(text) = text {
        ask(Input::Adopt { text, by: String::new(), replaces: None }).await?;
    }
    Ok(())
}

async fn serve(
    shared: Arc<Shared>,
    port: Port,
    tls: rustls::ServerConfig,
    (health, mut crew): (watch::Receiver<bool>, JoinSet<()>),
    threads: Threads,
    ready: impl FnOnce(Ready),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let address = port.address();
    let lines = Arc::new(Lines::new(shared.options.connections));
    let (site, reporter, names) = site(&shared, &lines, &health);
    set_health(&reporter, &names, true).await;
    let (stop, stopped) = watch::channel(false);
    let mut door = JoinSet::new();
    door.spawn(port.serve(tls, site, lines, stopped));
    crew.spawn(report_health(reporter.clone(), names.clone(), health));
    // At start nobody is declared dead: every lease begins anew.
    shared.restart_leases();
    let watching = Arc::clone(&shared);
    crew.spawn(async move { watching.watch_leases().await });
    let sweeping = Arc::clone(&shared);
    crew.spawn(async move { artefacts::sweep(&sweeping).await });
    let tending = Arc::clone(&shared);
    crew.spawn(async move { tend(&tending).await });
    let looking = Arc::clone(&shared);
    crew.spawn(async move { room::watch(&looking).await });

    let facts = shared.published.read().seq;
    tracing::info!(%address, cell = shared.options.cell, facts, "the scheduler serves");
    ready(Ready { address, url: profile::url(address), facts });
    let end = tokio::select! {
        () = shutdown => Ok(()),
        () = shared.keeper.ended() => Err(Error::LoopEnded),
    };
    tracing::info!("the scheduler is ending");
    set_health(&reporter, &names, false).await;
    shared.keeper.end().await;
    join(vec![("keeper", threads.keeper), ("follower", threads.follower)]).await;
    shared.end_streams();
    stop.send_replace(true);
    if let Some(Err(error)) = door.join_next().await {
        tracing::error!(%error, "the port has ended badly");
    }
    crew.shutdown().await;
    for crew in [&shared.linked, &shared.streams] {
        crew.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
    drop(shared);
    join(vec![("snapshots", threads.snapshots), ("printer", threads.printer)]).await;
    end
}

fn site(
    shared: &Arc<Shared>,
    lines: &Arc<Lines>,
    health: &watch::Receiver<bool>,
) -> (Router, HealthReporter, Vec<&'static str>) {
    let (routes, names) = services::routes(shared);
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let routes = routes
        .add_service(health_service)
        .add_service(reflection().build_v1().expect("our own descriptors are valid"))
        .add_service(reflection().build_v1alpha().expect("our own descriptors are valid"));
    let gate = Gate {
        published: Arc::clone(&shared.published),
        lines: Arc::clone(lines),
        calls: Arc::new(Calls::new(shared.options.calls)),
        metrics: Arc::clone(&shared.metrics),
    };
    let keep = axum::middleware::from_fn_with_state(gate, gate::keep);
    let pages = http::pages(Arc::clone(shared), health.clone());
    let all = routes.prepare().into_axum_router().merge(pages).layer(keep);
    (all, reporter, names)
}

async fn report_health(
    reporter: HealthReporter,
    names: Vec<&'static str>,
    mut health: watch::Receiver<bool>,
) {
    loop {
        let serves = *health.borrow_and_update();
        set_health(&reporter, &names, serves).await;
        if health.changed().await.is_err() {
            return;
        }
    }
}

async fn set_health(reporter: &HealthReporter, names: &[&'static str], serves: bool) {
    let status = if serves { ServingStatus::Serving } else { ServingStatus::NotServing };
    for name in names.iter().chain(&[""]) {
        reporter.set_service_status(name, status).await;
    }
}

/// Waits for threads, each of which ends when the one before it has.
async fn join(threads: Vec<(&'static str, JoinHandle<()>)>) {
    let joined = tokio::task::spawn_blocking(move || {
        for (name, thread) in threads {
            if thread.join().is_err() {
                tracing::error!(name, "a thread has panicked");
            }
        }
    });
    if joined.await.is_err() {
        tracing::error!("the threads could not be joined");
    }
}
