//! Every parser of what comes from outside, as a function that takes any bytes.
//!
//! The targets in `fuzz/` and `tests/parsers.rs` share these. None may panic, and each checks what
//! must hold of whatever it understood: said again and read again, it is the same.

use std::io::Cursor;
use std::path::Path;
use std::sync::LazyLock;

use prost::Message as _;
use repower::client::Profile;
use repower::jobfile::array::{Array, Indices};
use repower::jobfile::dependency::After;
use repower::jobfile::duration::Duration;
use repower::jobfile::extra::Extra;
use repower::jobfile::moment::Moment;
use repower::jobfile::number::Cpus;
use repower::jobfile::reference::{Reference, Selection};
use repower::jobfile::size::Size;
use repower::jobfile::variable::Variable;
use repower::jobfile::{directive, document};
use repower_agent::JoinFile;
use repower_core::policy::Policy;
use repower_model::JobSpec;
use repower_proto::{convert, v1};
use repower_sim::trace::{Machine, ProjectBy, TraceError, Wide, jobs, nodes, swf};
use repower_store::checkpoint::Checkpoint;
use repower_store::note::{SignerKey, VerifierKey};
use repower_store::verify::Verifier;

/// The `#REPOWER` lines of a script.
pub(crate) fn directives(bytes: &[u8]) {
    drop(directive::read("script", bytes));
}

/// A TOML job file.
pub(crate) fn job_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(error) = document::read("job.toml", &text) {
        // Also what it says about it must be sayable.
        assert!(!error.to_string().is_empty() && !error.hint().is_empty());
    }
}

/// The indices of an array, and what names tasks and jobs.
pub(crate) fn arrays(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(indices) = text.parse::<Indices>() {
        let again: Indices = indices.to_string().parse().expect("what it writes itself");
        assert_eq!(again, indices);
        assert!(indices.count() > 0);
    }
    if let Ok(array) = text.parse::<Array>() {
        let (count, wire) = (array.count(), array.into_wire());
        // The model may refuse one that is too large, but never understands another one.
        if let Ok(model) = repower_model::Array::try_from(wire) {
            assert_eq!(model.count(), count);
        }
    }
    drop(text.parse::<Reference>());
    drop(text.parse::<Selection>());
    drop(text.parse::<After>());
}

/// Sizes, spans of time, processors, moments, extras, variables.
pub(crate) fn quantities(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(size) = text.parse::<Size>() {
        assert!(size.as_bytes() > 0);
    }
    if let Ok(span) = text.parse::<Duration>() {
        assert!(span.as_millis() > 0);
    }
    if let Ok(cpus) = text.parse::<Cpus>() {
        assert!(cpus.as_milli() > 0);
    }
    if let Ok(moment) = text.parse::<Moment>() {
        let now = "2026-05-01T18:00:00+08:00[Asia/Shanghai]".parse();
        drop(moment.as_millis(&now.expect("a good moment")));
    }
    drop(text.parse::<Extra>());
    drop(text.parse::<Variable>());
}

/// A policy file.
pub(crate) fn policy(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Policy::parse(&text) {
        Ok(policy) => assert!(!policy.runnable().is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A fact as the journal keeps it.
pub(crate) fn fact(bytes: &[u8]) {
    let seq = convert::seq_of(bytes);
    if let Ok(entry) = convert::decode(bytes) {
        assert_eq!(seq, Some(entry.seq));
        let again = convert::decode(&convert::encode(&entry)).expect("what it wrote itself");
        assert_eq!(again, entry);
    }
}

/// What a client submits.
pub(crate) fn job_spec(bytes: &[u8]) {
    let Ok(wire) = v1::JobSpec::decode(bytes) else {
        return;
    };
    if let Ok(spec) = JobSpec::try_from(wire) {
        let again = JobSpec::try_from(v1::JobSpec::from(&spec)).expect("what it wrote itself");
        assert_eq!(again, spec);
    }
}

/// The key that this file signs with.
static KEY: LazyLock<SignerKey> =
    LazyLock::new(|| SignerKey::from_seed("cell.example", [7; 32]).expect("a good name"));

/// A signed note, the checkpoint in it, and a key.
pub(crate) fn note(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let key = &*KEY;
    if let Ok(checkpoint) = Checkpoint::parse(&text) {
        let again = Checkpoint::parse_text(&checkpoint.text());
        assert_eq!(again.expect("what it writes itself"), checkpoint);
    }
    drop(Checkpoint::open(&text, key.verifier()));
    if let Ok(other) = text.parse::<VerifierKey>() {
        let again: VerifierKey = other.to_string().parse().expect("what it writes itself");
        assert_eq!(again, other);
    }
}

/// An exported ledger.
pub(crate) fn export(bytes: &[u8]) {
    let key = &*KEY;
    let verifier = Verifier::new(key.verifier(), &convert::seq_of);
    let report = repower_store::export::verify(&mut Cursor::new(bytes), verifier, |_| ());
    let lines = bytes.split(|byte| *byte == b'\n').count();
    assert!(report.facts <= lines as u64);
}

/// A client profile, and a join file.
pub(crate) fn profile(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(profile) = Profile::read(Path::new("client.toml"), &text) {
        let again = Profile::read(Path::new("client.toml"), &profile.to_toml());
        assert_eq!(again.expect("what it wrote itself"), profile);
    }
    drop(toml::from_str::<JoinFile>(&text));
}

/// A recorded workload or a list of nodes: SWF, CSV, gzipped or not.
pub(crate) fn trace(bytes: &[u8]) {
    let told = |error: TraceError| assert!(!error.to_string().is_empty());
    for workload in
        [swf::read_bytes(bytes, ProjectBy::User), jobs::read_bytes(bytes, ProjectBy::Project)]
    {
        match workload {
            Ok(mut workload) => {
                let skipped: u64 = workload.tally.skipped.values().sum();
                assert_eq!(workload.jobs.len() as u64 + skipped, workload.tally.records);
                assert!(workload.jobs.is_sorted_by_key(|job| job.submit));
                workload.fit(&Machine::uniform(1, 64), Wide::Pack);
                workload.window(1, Some(2));
                assert!(workload.jobs.len() <= 2);
            }
            Err(error) => told(error),
        }
    }
    match nodes::read_bytes(bytes) {
        Ok(list) => assert!(list.machine.cpus().as_milli() > 0),
        Err(error) => told(error),
    }
}

/// An input that each parser understands, for those who change it here and there.
pub(crate) mod seeds {
    use super::{Checkpoint, JobSpec, KEY, convert, v1};
    use prost::Message as _;
    use repower_core::fact::{Entry, Fact};
    use repower_model::{Timestamp, TokenId};
    use repower_store::export;
    use repower_store::journal::{Entry as Bytes, Journal as _};
    use repower_store::memory::Journal;

    pub(crate) const DIRECTIVES: &[&str] = &[
        "#!/bin/bash\n#REPOWER --name sweep --class ai-training --cpus 2 --memory 4GiB\n#REPOWER --array 0-99%10 --time-limit 2h --retries 1\n./train\n",
        "#!/bin/sh\n#REPOWER --name 'two words' # a remark\n#REPOWER --env K=V --env \"L=a b\" --priority -5 --after any:12,13\n",
        "#!/usr/bin/env python3\n# nothing to say\n#REPOWER --workdir /tmp --grace 3s --start-after +2h --extra licence=2\nprint(1)\n",
    ];
    pub(crate) const JOB_FILES: &[&str] = &[
        "name = \"sweep\"\nclass = \"ai-training\"\ncommand = [\"./train\", \"--lr\", \"0.1\"]\ncpus = 2\nmemory = \"4GiB\"\narray = \"0-99%10\"\n",
        "script = \"run.sh\"\nclass = 'data-processing'\nretries = 3\npriority = -5\nafter = [12, \"not-ok:13\"]\n[env]\nK = \"V\"\n[extra]\nlicence = 2\n",
        "command = [\"a\"]\ncpus = 0.5\ntime-limit = \"2h\"\ngrace = \"30s\"\nstart-after = \"+1h\"\nworkdir = \"fresh\"\n",
    ];
    pub(crate) const ARRAYS: &[&str] =
        &["0-999", "1-9:2", "0,3,7-9%10", "0-4294967295", "12.3#2", "12.0-9", "not-ok:12"];
    pub(crate) const QUANTITIES: &[&str] = &[
        "512MiB",
        "4.5G",
        "1h30m",
        "1:30:00",
        "90s",
        "0.125",
        "+2h",
        "18:30",
        "2026-05-01T18:30:00+08:00",
        "licence=2",
        "NAME=a value",
    ];
    pub(crate) const POLICIES: &[&str] = &[
        repower_core::policy::DEFAULT,
        "policy-version = \"1\"\n[class.a]\ntier = \"permitted\"\nabout = \"x\"\n[class.b]\ntier = \"prohibited\"\nentry = \"y\"\n",
    ];
    pub(crate) const PROFILES: &[&str] = &[
        "scheduler = \"https://127.0.0.1:7070\"\nauthority = \"\"\"\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n\"\"\"\ntoken = \"rp_secret\"\n",
        "scheduler = \"https://[::1]:7070\"\nauthority = \"x\"\nsecret = \"s\"\n",
    ];

    pub(crate) const TRACES: &[&str] = &[
        "; MaxProcs: 64\n1 5 -1 60 4 -1 -1 8 90 -1 1 7 2 -1 -1 -1 -1 -1\n2 9 -1 12 3 552.21 -1 -1 -1 -1 1 7 2 -1 -1 -1 -1 -1\n",
        "arrival,length,cpus,gpus,memory_mib,estimate,priority,project\n3,10.5,0.5,2,1024,20,5,vision\n1,7,4,,,,,\n",
        "sn,cpu_milli,memory_mib,gpu,model\nopenb-node-0000,64000,262144,2,P100\n",
        "name,cpus,memory,gpus\na,8,16GiB,0\nb,0.5,512 MiB,\n",
    ];

    /// The golden facts: one of every variant.
    pub(crate) fn facts() -> Vec<Vec<u8>> {
        let golden = include_str!("../../proto/tests/golden/facts.txt");
        let lines = golden.lines().filter(|line| !line.starts_with('#'));
        let digits = lines.filter_map(|line| line.split(' ').nth(1));
        digits.map(unhex).collect()
    }

    fn unhex(digits: &str) -> Vec<u8> {
        let pairs = digits.as_bytes().chunks(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        pairs.map(|pair| byte(pair).expect("hexadecimal")).collect()
    }

    /// Specifications as they are in the golden facts.
    pub(crate) fn specs() -> Vec<Vec<u8>> {
        let entries = facts();
        let entries = entries.iter().filter_map(|bytes| v1::Entry::decode(&**bytes).ok());
        let specs = entries.filter_map(|entry| {
            let v1::entry::Fact::JobSubmitted(submitted) = entry.fact? else { return None };
            submitted.spec
        });
        let mut specs: Vec<_> = specs.map(|spec| spec.encode_to_vec()).collect();
        let small = v1::JobSpec { command: vec!["true".into()], ..v1::JobSpec::default() };
        let known = JobSpec::try_from(small.clone()).expect("a small job");
        specs.extend([small.encode_to_vec(), v1::JobSpec::from(&known).encode_to_vec()]);
        specs
    }

    /// A head, and a key.
    pub(crate) fn notes() -> Vec<Vec<u8>> {
        let key = &*KEY;
        let checkpoint = Checkpoint {
            origin: "cell.example".into(),
            size: 9,
            root: [3; 32],
            extensions: vec!["more".into()],
        };
        let note = checkpoint.sign(key).expect("signed");
        vec![note.into_bytes(), key.verifier().to_string().into_bytes()]
    }

    /// A small ledger.
    pub(crate) fn exports() -> Vec<Vec<u8>> {
        let mut journal = Journal::new("cell.example", [7; 32]).expect("a good name");
        let entries: Vec<Bytes> = (0..5)
            .map(|seq| {
                let fact = Fact::TokenUsed { id: TokenId(seq) };
                let entry = Entry { seq, at: Timestamp::from_millis(1000), fact };
                Bytes { seq, body: convert::encode(&entry) }
            })
            .collect();
        let appended = journal.append(&entries, &[], Timestamp::from_millis(1000));
        appended.expect("appended");
        let mut text = Vec::new();
        export::write(&journal, &mut text, |_| ()).expect("written");
        vec![text]
    }
}
