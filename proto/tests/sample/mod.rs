//! Facts at random, and one fixed one of every variant.

mod fixed;

pub(crate) use fixed::fixed;

use std::sync::Arc;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use repower_core::fact::{
    AttemptEnded, Entry, Fact, FindingSeen, JobSubmitted, OutputsKept, RankEnded, SubmissionRefused,
};
use repower_core::policy::Tier;
use repower_model::{
    Approval, ApprovalId, Array, Artefact, AttemptId, Bytes, Claim, Constraints, Count, Cpus,
    Dependency, DependencyKind, Egress, Evidence, Fault, Finding, FindingId, FindingReview,
    FindingSource, FindingState, Fraction, Gang, Hash, Image, IndexRange, InputFile, Instance,
    Inventory, IsaLevel, Isolation, JobId, JobSpec, JobState, Keep, Key, LabelRule, Layout, Mark,
    NodeId, OnDisconnect, Outcome, Part, Progress, Reservation, ReservationId, Resources, Response,
    Retries, Role, Sequel, Sign, Source, Span, StopCause, StopReason, StopStep, Stored, TaskId,
    Timestamp, TokenId, TokenKind, Usage, Variable, Verdict,
};

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 äß/.-]{1,12}"
}

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

fn job() -> impl Strategy<Value = JobId> {
    any::<u64>().prop_map(JobId)
}

fn node() -> impl Strategy<Value = NodeId> {
    any::<u32>().prop_map(NodeId)
}

fn moment() -> impl Strategy<Value = Timestamp> {
    (1..i64::MAX).prop_map(Timestamp::from_millis)
}

fn attempt() -> impl Strategy<Value = AttemptId> {
    let parts = (job(), any::<u32>(), any::<u32>());
    parts.prop_map(|(job, index, number)| AttemptId { task: TaskId { job, index }, number })
}

fn range() -> impl Strategy<Value = IndexRange> {
    let parts = (0..1000_u32, 0..1000_u32, 1..9_u32);
    parts.prop_map(|(first, more, step)| IndexRange { first, last: first + more, step })
}

fn resources() -> impl Strategy<Value = Resources> {
    let parts = (1..u64::MAX, any::<u64>(), any::<u64>(), btree_map(text(), 1..9_u64, 0..3));
    parts.prop_map(|(cpus, memory, disk, extras)| Resources {
        cpus: Cpus::from_milli(cpus),
        memory: Bytes::new(memory),
        disk: Bytes::new(disk),
        extras: extras.into_iter().collect(),
    })
}

fn dependency() -> impl Strategy<Value = Dependency> {
    let kinds = [DependencyKind::Ok, DependencyKind::NotOk, DependencyKind::Any];
    (job(), prop::sample::select(kinds.to_vec()), any::<bool>())
        .prop_map(|(job, kind, per_task)| Dependency { job, kind, per_task })
}

fn variable() -> impl Strategy<Value = Variable> {
    (text(), text()).prop_map(|(name, value)| Variable { name, value })
}

/// Any specification that came through the door.
pub(crate) fn spec() -> impl Strategy<Value = JobSpec> {
    let words = (text(), "[a-z-]{0,9}", text(), vec(text(), 0..4), vec(any::<u8>(), 0..20));
    let place = (vec(variable(), 0..3), "[/a-z]{0,9}", range(), option::of(1..u32::MAX));
    let when =
        (resources(), option::of(1..u64::MAX), 1..u64::MAX, any::<i32>(), option::of(moment()));
    let rest = (any::<u32>(), any::<u32>(), vec(dependency(), 0..3));
    let demand = (
        option::of(1..u64::MAX),
        option::of(moment()),
        option::of(gang()),
        constraints(),
        vec(resources(), 0..3),
        option::of(1..65_i32),
    );
    let parts = (words, place, when, rest, demand, bounds());
    parts.prop_map(|(words, place, when, rest, demand, bounds)| JobSpec {
        name: words.0,
        class: words.1,
        project: words.2,
        command: words.3,
        script: words.4,
        environment: place.0,
        working_folder: place.1,
        array: Array::new(vec![place.2], place.3).expect("a valid array"),
        resources: when.0,
        time_limit: when.1.map(Span::from_millis),
        grace: Span::from_millis(when.2),
        priority: when.3,
        start_after: when.4,
        retries: Retries { user: rest.0, system: rest.1 },
        dependencies: rest.2,
        expected: demand.0.map(Span::from_millis),
        deadline: demand.1,
        gang: demand.2,
        constraints: demand.3,
        alternatives: demand.4,
        checkpoint_signal: demand.5,
        ..bounds
    })
}

fn artefact() -> impl Strategy<Value = Artefact> {
    let parts = (text(), any::<u64>(), hash());
    parts.prop_map(|(path, bytes, digest)| Artefact { path, bytes, digest })
}

fn input() -> impl Strategy<Value = InputFile> {
    let source = prop_oneof![
        (hash(), any::<u64>()).prop_map(|(digest, bytes)| Source::Stored { digest, bytes }),
        (text(), option::of(hash())).prop_map(|(url, digest)| Source::Url { url, digest }),
    ];
    (source, text(), any::<bool>(), any::<bool>()).prop_map(|(source, path, unpack, executable)| {
        InputFile { source, path, unpack, executable }
    })
}

/// Files, isolation and stops; the rest as a job that says nothing.
fn bounds() -> impl Strategy<Value = JobSpec> {
    let egress = prop_oneof![
        Just(Egress::Open),
        Just(Egress::None),
        btree_set(text(), 0..3).prop_map(|hosts| Egress::Only(hosts.into_iter().collect())),
    ];
    let files = (vec(input(), 0..3), vec(text(), 0..3), prop::sample::select(Keep::ALL.to_vec()));
    let stop = (
        option::of(1..u64::MAX),
        option::of(any::<i32>()),
        prop::sample::select(OnDisconnect::ALL.to_vec()),
    );
    let levels = prop::sample::select(Isolation::ALL.to_vec());
    let walls =
        (levels, option::of(egress), option::of(1..u32::MAX), "[a-z:/]{0,9}", any::<bool>());
    let rest = (any::<bool>(), any::<bool>(), option::of(1..u32::MAX));
    (files, stop, walls, rest).prop_map(|(files, stop, walls, rest)| JobSpec {
        checkpoint: rest.0,
        project_user: rest.1,
        io_weight: rest.2,
        checkpoint_grace: stop.0.map(Span::from_millis),
        checkpoint_exit: stop.1,
        on_disconnect: stop.2,
        inputs: files.0,
        outputs: files.1,
        keep_outputs: files.2,
        isolation: walls.0,
        egress: walls.1,
        pids: walls.2,
        image: walls.3,
        pin_cpus: walls.4,
        ..JobSpec::default()
    })
}

fn gang() -> impl Strategy<Value = Gang> {
    let layouts = vec![Layout::Spread, Layout::Pack];
    (any::<u32>(), 1..u32::MAX, prop::sample::select(layouts))
        .prop_map(|(nodes, ranks_per_node, layout)| Gang { nodes, ranks_per_node, layout })
}

fn constraints() -> impl Strategy<Value = Constraints> {
    let rule = (text(), vec(text(), 0..3), any::<bool>())
        .prop_map(|(name, values, negated)| LabelRule { name, values, negated });
    let level = option::of(prop::sample::select(IsaLevel::ALL.to_vec()));
    (btree_set(rule, 0..3), level, any::<bool>()).prop_map(|(labels, isa_level, exclusive)| {
        Constraints { labels: labels.into_iter().collect(), isa_level, exclusive }
    })
}

fn part() -> impl Strategy<Value = Part> {
    (node(), any::<u32>()).prop_map(|(node, ranks)| Part { node, ranks })
}

fn inventory() -> impl Strategy<Value = Inventory> {
    (resources(), text(), text(), any::<u32>()).prop_map(|(capacity, one, other, sockets)| {
        Inventory {
            capacity,
            hostname: one.clone(),
            kernel: other.clone(),
            cpu_model: one.clone(),
            isa_level: other,
            sockets,
            version: one.clone(),
            labels: vec![(one.clone(), one.clone())],
            address: one,
            abilities: vec!["limit.memory".into(), "namespace.pid".into()],
            lacks: vec![("sensor.registers".into(), "not here".into())],
        }
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        any::<i32>().prop_map(|code| Outcome::Exited { code }),
        any::<i32>().prop_map(|signal| Outcome::Signalled { signal }),
        Just(Outcome::TimedOut),
        Just(Outcome::Cancelled),
        text().prop_map(|detail| Outcome::NotStarted { detail }),
        text().prop_map(|detail| Outcome::Lost { detail }),
        Just(Outcome::Recalled),
        Just(Outcome::OutOfMemory),
        Just(Outcome::Preempted),
        Just(Outcome::Drained),
        any::<i32>().prop_map(|code| Outcome::Checkpointed { code }),
        text().prop_map(|detail| Outcome::Finding { detail }),
    ]
}

fn usage() -> impl Strategy<Value = Usage> {
    (any::<[u64; 8]>(), any::<bool>()).prop_map(|(amounts, truncated)| Usage {
        wall_us: amounts[0],
        cpu_us: amounts[1],
        peak_memory_bytes: amounts[2],
        stdout_bytes: amounts[3],
        stderr_bytes: amounts[4],
        truncated,
        read_bytes: amounts[5],
        written_bytes: amounts[6],
        oom_kills: amounts[7],
    })
}

fn submitted() -> impl Strategy<Value = Fact> {
    let tiers = vec![Tier::Encouraged, Tier::Permitted, Tier::Review, Tier::Prohibited];
    let parts = (job(), any::<[u8; 16]>(), text(), spec(), prop::sample::select(tiers), hash());
    let rest = (option::of(1..u64::MAX), vec(mark(), 0..3));
    (parts, any::<bool>(), vec(dependency(), 0..3), rest).prop_map(
        |(parts, review, waits_for, rest)| {
            Fact::JobSubmitted(Box::new(JobSubmitted {
                job: parts.0,
                key: Key(parts.1),
                submitter: parts.2,
                spec: Arc::new(parts.3),
                tier: parts.4,
                policy: parts.5,
                review,
                waits_for,
                approval: rest.0.map(ApprovalId),
                marks: rest.1,
            }))
        },
    )
}

fn mark() -> impl Strategy<Value = Mark> {
    (prop::sample::select(Sign::ALL.to_vec()), text(), text())
        .prop_map(|(sign, place, detail)| Mark { sign, place, detail })
}

fn approval() -> impl Strategy<Value = Approval> {
    let scope = ("[a-z-]{0,9}", option::of("[a-z]{1,9}"), option::of(hash()));
    (any::<u64>(), scope, any::<i64>(), text(), text(), hash()).prop_map(
        |(id, (class, project, content), until, by, reason, policy)| Approval {
            id: ApprovalId(id),
            class,
            project,
            content,
            until: Timestamp::from_millis(until),
            by,
            reason,
            policy,
        },
    )
}

fn refused() -> impl Strategy<Value = Fact> {
    let marks = vec(mark(), 0..3);
    (text(), text(), "[a-z]{0,4}", text(), text(), hash(), hash(), marks).prop_map(|parts| {
        Fact::SubmissionRefused(Box::new(SubmissionRefused {
            submitter: parts.0,
            name: parts.1,
            class: parts.2,
            code: parts.3,
            text: parts.4,
            policy: parts.5,
            spec_hash: parts.6,
            marks: parts.7,
        }))
    })
}

fn ended() -> impl Strategy<Value = Fact> {
    let sequels = vec![Sequel::Succeeded, Sequel::Failed, Sequel::Cancelled, Sequel::Again];
    let faults = vec![Fault::None, Fault::User, Fault::System];
    let times = (option::of(moment()), moment(), option::of(moment()));
    let verdict = (prop::sample::select(sequels), prop::sample::select(faults));
    (attempt(), outcome(), usage(), times, verdict).prop_map(
        |(attempt, outcome, usage, times, verdict)| {
            Fact::AttemptEnded(Box::new(AttemptEnded {
                attempt,
                outcome,
                usage,
                started: times.0,
                ended: times.1,
                sequel: verdict.0,
                again_after: times.2,
                fault: verdict.1,
            }))
        },
    )
}

fn of_ranks() -> impl Strategy<Value = Fact> {
    let ended = (attempt(), any::<u32>(), outcome(), usage(), option::of(moment()), moment());
    prop_oneof![
        (attempt(), any::<u32>(), moment()).prop_map(|(attempt, rank, started)| {
            Fact::RankStarted { rank: attempt.rank(rank), started }
        }),
        ended.prop_map(|(attempt, rank, outcome, usage, started, ended)| {
            let rank = attempt.rank(rank);
            Fact::RankEnded(Box::new(RankEnded { rank, outcome, usage, started, ended }))
        }),
    ]
}

fn progress() -> impl Strategy<Value = Progress> {
    let fraction = || (0_u32..=1_000_000).prop_map(|ppm| Fraction::from_ppm(ppm).expect("a part"));
    let count = ("[a-z][a-z0-9_-]{0,15}", 0_u64..=Count::MOST, option::of(0_u64..=Count::MOST))
        .prop_map(|(unit, one, other)| match other.filter(|other| one.max(*other) > 0) {
            Some(other) => Count { unit, value: one.min(other), total: Some(one.max(other)) },
            None => Count { unit, value: one, total: None },
        });
    let claim = (option::of(fraction()), option::of(count))
        .prop_filter("it says something", |(done, count)| done.is_some() || count.is_some())
        .prop_map(|(done, count)| Claim { done, count });
    let first = option::of((fraction(), moment()));
    (option::of(claim), moment(), moment(), first, any::<[u64; 2]>(), "[a-z ]{0,200}").prop_map(
        |(claim, said, changed, first, [lines, bad_lines], mistake)| Progress {
            claim,
            said,
            changed,
            first,
            lines,
            bad_lines,
            mistake,
        },
    )
}

fn of_stops_and_outputs() -> impl Strategy<Value = Fact> {
    let steps = prop::sample::select(StopStep::ALL.to_vec());
    let causes = prop::sample::select(StopCause::ALL.to_vec());
    prop_oneof![
        (attempt(), any::<u32>(), vec(artefact(), 0..3), vec(text(), 0..3)).prop_map(
            |(attempt, rank, artefacts, missing)| {
                let rank = attempt.rank(rank);
                Fact::OutputsKept(Box::new(OutputsKept { rank, artefacts, missing }))
            }
        ),
        (attempt(), any::<u32>(), progress()).prop_map(|(attempt, rank, progress)| {
            Fact::ProgressClaimed { rank: attempt.rank(rank), progress: Box::new(progress) }
        }),
        (attempt(), hash(), any::<u64>()).prop_map(|(attempt, digest, bytes)| {
            Fact::CheckpointSettled { attempt, kept: Ok(Stored { digest, bytes }) }
        }),
        (attempt(), text())
            .prop_map(|(attempt, why)| Fact::CheckpointSettled { attempt, kept: Err(why) }),
        (attempt(), any::<u32>(), text(), vec(text(), 0..4)).prop_map(
            |(attempt, rank, by, command)| {
                let rank = attempt.rank(rank);
                Fact::TaskEntered { rank, by, command }
            }
        ),
        (attempt(), any::<u32>(), steps, causes, any::<i32>(), moment()).prop_map(
            |(attempt, rank, step, cause, signal, taken)| {
                let rank = attempt.rank(rank);
                Fact::StopStepTaken { rank, step, cause, signal, taken }
            }
        ),
    ]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    let seen = (any::<i64>(), any::<i64>(), any::<u64>());
    (text(), any::<u32>(), 1..4_u8, text(), seen, text()).prop_map(
        |(rule, version, tier, mechanism, (first, last, times), detail)| Verdict {
            rule,
            version,
            tier,
            mechanism,
            first_seen: Timestamp::from_millis(first),
            last_seen: Timestamp::from_millis(last),
            times,
            detail,
        },
    )
}

fn evidence() -> impl Strategy<Value = Evidence> {
    (hash(), any::<u64>(), any::<bool>(), any::<bool>())
        .prop_map(|(digest, bytes, cut, kept)| Evidence { digest, bytes, cut, kept })
}

fn image() -> impl Strategy<Value = Image> {
    (hash(), text(), any::<bool>()).prop_map(|(digest, path, shared)| Image {
        digest,
        path,
        shared,
    })
}

fn finding_state() -> impl Strategy<Value = FindingState> {
    prop::sample::select(FindingState::ALL.to_vec())
}

fn finding() -> impl Strategy<Value = Finding> {
    let subject = option::of((any::<u32>(), any::<u32>(), any::<u32>(), 1..u32::MAX, text()));
    let words = (text(), text(), text(), text(), text());
    let parts = (vec(verdict(), 0..3), vec(evidence(), 0..3), vec(image(), 0..3));
    let review = (finding_state(), text(), text(), moment(), hash());
    let review = review.prop_map(|(state, by, reason, at, policy)| FindingReview {
        state,
        by,
        reason,
        at,
        policy,
    });
    let kinds = (
        prop::sample::select(FindingSource::ALL.to_vec()),
        finding_state(),
        prop::sample::select(Response::ALL.to_vec()),
        prop::sample::select(Response::ALL.to_vec()),
    );
    let whole = (any::<u64>(), moment(), 1..u64::MAX, hash(), vec(review, 0..3));
    (subject, words, parts, kinds, whole).prop_map(|(subject, words, parts, kinds, whole)| {
        let job = JobId(whole.2);
        let rank = subject.as_ref().map(|(index, number, rank, _, _)| {
            AttemptId { task: TaskId { job, index: *index }, number: *number }.rank(*rank)
        });
        Finding {
            id: FindingId(whole.0),
            source: kinds.0,
            state: kinds.1,
            opened: whole.1,
            job: Some(job),
            rank,
            node: subject.as_ref().map(|(_, _, _, node, _)| NodeId(*node)),
            node_name: subject.map(|(_, _, _, _, name)| name).unwrap_or_default(),
            site: words.0,
            meter: words.1,
            class: words.2,
            project: words.3,
            submitter: words.4,
            verdicts: parts.0,
            response: kinds.2,
            evidence: parts.1,
            images: parts.2,
            policy: whole.3,
            reviews: whole.4,
            hardest: kinds.3,
        }
    })
}

fn of_findings() -> impl Strategy<Value = Fact> {
    let seen = (any::<u64>(), vec(verdict(), 0..3), vec(image(), 0..3), option::of(evidence()));
    let known = option::of((1..u64::MAX).prop_map(FindingId));
    prop_oneof![
        finding().prop_map(|one| Fact::FindingOpened(Box::new(one))),
        seen.prop_map(|(finding, verdicts, images, evidence)| {
            let finding = FindingId(finding);
            Fact::FindingSeen(Box::new(FindingSeen { finding, verdicts, images, evidence }))
        }),
        (any::<u64>(), finding_state(), text(), text(), hash()).prop_map(
            |(finding, state, by, reason, policy)| {
                let finding = FindingId(finding);
                Fact::FindingReviewed { finding, state, by, reason, policy }
            }
        ),
        (hash(), known, text(), text()).prop_map(|(digest, finding, by, reason)| {
            Fact::DigestQuarantined { digest, finding, by, reason }
        }),
        (hash(), text(), text()).prop_map(|(digest, by, reason)| Fact::DigestReleased {
            digest,
            by,
            reason
        }),
    ]
}

fn of_jobs() -> impl Strategy<Value = Fact> {
    let ends = vec![JobState::Succeeded, JobState::Failed, JobState::Cancelled];
    prop_oneof![
        (job(), any::<bool>(), text(), text(), hash(), option::of(1..u64::MAX)).prop_map(
            |(job, approved, by, reason, policy, approval)| {
                let approval = approval.map(ApprovalId);
                Fact::JobReviewed { job, approved, by, reason, policy, approval }
            }
        ),
        approval().prop_map(|one| Fact::ApprovalGiven(Box::new(one))),
        (any::<u64>(), text(), text(), hash()).prop_map(|(id, by, reason, policy)| {
            Fact::ApprovalEnded { id: ApprovalId(id), by, reason, policy }
        }),
        (job(), job(), any::<bool>()).prop_map(|(job, on, met)| Fact::DependencySettled {
            job,
            on,
            met
        }),
        (job(), vec(range(), 0..4), text(), text())
            .prop_map(|(job, tasks, by, reason)| Fact::TasksCancelled { job, tasks, by, reason }),
        (job(), prop::sample::select(ends), any::<[u64; 3]>(), any::<i32>()).prop_map(
            |(job, state, [succeeded, failed, cancelled], exit_code)| Fact::JobEnded {
                job,
                state,
                succeeded,
                failed,
                cancelled,
                exit_code
            }
        ),
    ]
}

fn of_attempts() -> impl Strategy<Value = Fact> {
    let stops = vec![
        StopReason::Cancelled,
        StopReason::Recalled,
        StopReason::Stale,
        StopReason::Preempted,
        StopReason::Drained,
        StopReason::Checkpointed,
        StopReason::Finding,
    ];
    prop_oneof![
        (attempt(), node(), any::<bool>(), 0..9_u32, vec(part(), 0..3)).prop_map(
            |(attempt, node, runway, alternative, parts)| Fact::AttemptPlaced {
                attempt,
                node,
                runway,
                alternative,
                parts
            }
        ),
        (attempt(), moment())
            .prop_map(|(attempt, started)| Fact::AttemptStarted { attempt, started }),
        (attempt(), prop::sample::select(stops), text(), text()).prop_map(
            |(attempt, why, by, reason)| Fact::AttemptStopping { attempt, why, by, reason }
        ),
        (job(), any::<u32>(), vec(part(), 1..3), moment()).prop_map(
            |(job, index, parts, until)| {
                Fact::PlacePromised { task: TaskId { job, index }, parts, until }
            }
        ),
        (job(), any::<u32>(), node()).prop_map(|(job, index, node)| Fact::TaskReturned {
            task: TaskId { job, index },
            node
        }),
    ]
}

fn of_nodes() -> impl Strategy<Value = Fact> {
    prop_oneof![
        (node(), text(), hash(), any::<u64>()).prop_map(|(node, name, fingerprint, token)| {
            Fact::NodeEnrolled { node, name, fingerprint, token: TokenId(token) }
        }),
        (node(), any::<[u8; 16]>(), inventory()).prop_map(|(node, bytes, inventory)| {
            Fact::NodeConnected { node, instance: Instance(bytes), inventory: Box::new(inventory) }
        }),
        (node(), text()).prop_map(|(node, reason)| Fact::NodeLost { node, reason }),
        (node(), text()).prop_map(|(node, reason)| Fact::NodeLeft { node, reason }),
        (node(), text(), text()).prop_map(|(node, by, reason)| Fact::NodeDrained {
            node,
            by,
            reason
        }),
        (node(), text()).prop_map(|(node, by)| Fact::NodeResumed { node, by }),
        (node(), text()).prop_map(|(node, reason)| Fact::NodeHeldBack { node, reason }),
    ]
}

fn of_the_cell() -> impl Strategy<Value = Fact> {
    let kinds = vec![
        (TokenKind::Join, None),
        (TokenKind::Person, None),
        (TokenKind::Person, Some(Role::Submitter)),
        (TokenKind::Person, Some(Role::Operator)),
    ];
    let issue =
        (any::<u64>(), prop::sample::select(kinds), text(), hash(), option::of(moment()), text());
    prop_oneof![
        (text(), text()).prop_map(|(cell, version)| Fact::CellFounded { cell, version }),
        (text(), hash(), text(), text()).prop_map(|(version, hash, text, by)| {
            Fact::PolicyAdopted { version, hash, text, by }
        }),
        issue.prop_map(|(id, (kind, role), name, hash, expires, by)| {
            Fact::TokenIssued { id: TokenId(id), kind, role, name, hash, expires, by }
        }),
        reservation().prop_map(|one| Fact::ReservationMade(Box::new(one))),
        (any::<u64>(), text(), text()).prop_map(|(id, by, reason)| Fact::ReservationEnded {
            id: ReservationId(id),
            by,
            reason
        }),
        any::<u64>().prop_map(|id| Fact::TokenUsed { id: TokenId(id) }),
        (any::<u64>(), text()).prop_map(|(id, by)| Fact::TokenRevoked { id: TokenId(id), by }),
    ]
}

fn reservation() -> impl Strategy<Value = Reservation> {
    let times = (any::<i64>(), any::<i64>());
    (any::<u64>(), vec(any::<u32>(), 0..4), times, option::of("[a-z]{1,9}"), text(), text())
        .prop_map(|(id, nodes, (from, until), project, by, reason)| Reservation {
            id: ReservationId(id),
            nodes: nodes.into_iter().map(NodeId).collect(),
            from: Timestamp::from_millis(from),
            until: Timestamp::from_millis(until),
            project,
            by,
            reason,
        })
}

/// Any fact.
pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    let fact = prop_oneof![
        submitted(),
        refused(),
        ended(),
        of_jobs(),
        of_attempts(),
        of_ranks(),
        of_stops_and_outputs(),
        of_nodes(),
        of_the_cell(),
        of_findings()
    ];
    (any::<u64>(), any::<i64>(), fact).prop_map(|(seq, at, fact)| Entry {
        seq,
        at: Timestamp::from_millis(at),
        fact,
    })
}
