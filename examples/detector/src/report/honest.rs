//! Honest workloads of different kinds, as commands that go on for ever.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

/// An honest workload.
#[derive(Debug, Clone)]
pub struct Workload {
    /// What people call it.
    pub name: &'static str,
    /// Whether the thresholds were chosen without having seen one of its kind.
    pub is_held_out: bool,
    /// What it needs; not there: it is left out, and the report says so.
    pub needs: &'static str,
    /// A script for the shell; `$1` is the program `load`, `$2` a Python with numpy and scikit-learn.
    pub script: &'static str,
}

const fn own(name: &'static str, is_held_out: bool, script: &'static str) -> Workload {
    Workload { name, is_held_out, needs: "", script }
}

const fn tool(name: &'static str, needs: &'static str, script: &'static str) -> Workload {
    Workload { name, is_held_out: true, needs, script }
}

/// All of them.
pub const ALL: &[Workload] = &[
    own("matrix product (f64)", false, "\"$1\" work matrix-product & wait"),
    own("FFT", false, "\"$1\" work fourier & wait"),
    own("SGD of a network (f32)", false, "\"$1\" work descent & wait"),
    own("molecular dynamics", true, "\"$1\" work molecules & wait"),
    own("Monte-Carlo", false, "\"$1\" work monte-carlo & wait"),
    own("SHA-256 of blocks", false, "\"$1\" work sha256 & wait"),
    own("Argon2id key derivation", true, "\"$1\" work argon2 & wait"),
    own("integer generator", false, "\"$1\" work integers & wait"),
    own("intervals by fesetround", false, "\"$1\" work intervals & wait"),
    own("floor by rounding mode", false, "\"$1\" work floor-by-mode & wait"),
    own("four modes by fesetround", true, "\"$1\" work four-modes & wait"),
    tool("zstd -19", "zstd", "while :; do zstd -19 -q -f -o out.zst data; done"),
    tool("xz -6", "xz", "while :; do xz -6 -k -c data >/dev/null; done"),
    tool(
        "sha256sum over files",
        "sha256sum",
        "while :; do sha256sum /usr/lib/x86_64-linux-gnu/*.so* >/dev/null 2>&1; sha256sum data data data >/dev/null; done",
    ),
    tool(
        "scrypt key derivation",
        "openssl",
        "while :; do openssl kdf -keylen 32 -kdfopt pass:secret -kdfopt salt:nacl -kdfopt n:65536 -kdfopt r:8 -kdfopt p:4 -kdfopt maxmem_bytes:200000000 SCRYPT >/dev/null; done",
    ),
    tool(
        "SQLite",
        "sqlite3",
        "while :; do sqlite3 :memory: 'with recursive n(x) as (select 1 union all select x+1 from n where x<400000) select sum(x*1.5), count(distinct x%977), avg(sqrt(x)) from n;' >/dev/null; done",
    ),
    tool("C++ compiler", "g++", "while :; do g++ -O2 -c -o unit.o unit.cpp; done"),
    tool(
        "video encode (x264)",
        "ffmpeg",
        "while :; do ffmpeg -loglevel error -y -f lavfi -i testsrc2=size=640x360:rate=30 -t 20 -c:v libx264 -preset medium -threads 1 -f null -; done",
    ),
    tool(
        "audio encode (FLAC)",
        "flac",
        "while :; do flac -8 --totally-silent -f --force-raw-format --endian=little --channels=2 --bps=16 --sample-rate=44100 --sign=signed -o out.flac data; done",
    ),
    tool(
        "numpy (product, FFT, SVD)",
        "python:numpy",
        "OPENBLAS_NUM_THREADS=1 \"$2\" numpy_work.py & wait",
    ),
    tool(
        "scikit-learn training",
        "python:sklearn",
        "OPENBLAS_NUM_THREADS=1 \"$2\" sklearn_work.py & wait",
    ),
    tool("Python interpreter", "python3", "python3 -c 'x=0.1\nwhile True: x=(x*3.7*(1-x))' & wait"),
    tool(
        "JavaScript (generated code)",
        "node",
        "node -e 'let x=0.1;for(;;){for(let i=0;i<1e6;i++)x=3.7*x*(1-x);}' & wait",
    ),
    tool(
        "sort and gzip of text",
        "gzip",
        "while :; do od -An -x data | head -n 400000 | sort | gzip -9 >/dev/null; done",
    ),
];

/// Programs and data that the workloads use.
#[derive(Debug)]
pub struct Bench {
    /// The program `load`.
    pub load: PathBuf,
    /// The program `proof-load`; none: it was not built.
    pub proof: Option<PathBuf>,
    /// A Python with numpy and scikit-learn; none: those workloads are left out.
    pub python: Option<PathBuf>,
    /// Where workloads run.
    pub folder: PathBuf,
}

impl Bench {
    /// Writes data and programs into `folder`.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    pub fn new(
        load: PathBuf,
        proof: Option<PathBuf>,
        python: Option<PathBuf>,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let mut data = File::create(folder.join("data")).context("cannot write test data")?;
        let mut left: u64 = 24 << 20;
        let mut libraries: Vec<PathBuf> = fs::read_dir("/usr/lib/x86_64-linux-gnu")
            .or_else(|_| fs::read_dir("/usr/lib"))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.is_file())
            .collect();
        libraries.sort();
        for library in libraries {
            let Ok(file) = File::open(library) else { continue };
            left -= std::io::copy(&mut file.take(left), &mut data)?;
        }
        data.flush()?;
        fs::write(folder.join("unit.cpp"), UNIT)?;
        fs::write(folder.join("numpy_work.py"), NUMPY)?;
        fs::write(folder.join("sklearn_work.py"), SKLEARN)?;
        Ok(Self { load, proof, python, folder: folder.to_owned() })
    }

    /// Whether what the workload needs is there.
    pub fn can_run(&self, workload: &Workload) -> bool {
        match workload.needs.split_once(':') {
            Some((_, module)) => self.python.as_ref().is_some_and(|python| {
                is_ok(Command::new(python).args(["-c", &format!("import {module}")]))
            }),
            None if workload.needs.is_empty() => true,
            None => is_ok(Command::new("sh").args(["-c", "command -v \"$0\"", workload.needs])),
        }
    }

    /// The arguments of a workload's script.
    pub fn arguments(&self) -> [PathBuf; 2] {
        [self.load.clone(), self.python.clone().unwrap_or_else(|| "python3".into())]
    }
}

fn is_ok(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

const UNIT: &str = "#include <algorithm>\n#include <map>\n#include <regex>\n#include <string>\n#include <vector>\n\
int main() { std::map<std::string, std::vector<int>> m; std::regex r(\"a+b*\"); \
for (int i = 0; i < 99; ++i) m[std::to_string(i)].push_back(i); \
return std::regex_match(m.begin()->first, r) ? 1 : 0; }\n";

const NUMPY: &str = "import numpy as n\nr = n.random.default_rng(1)\nwhile True:\n    a = r.standard_normal((300, 300))\n    b = a @ a.T\n    n.linalg.svd(b[:120, :120])\n    n.fft.fft2(a)\n    n.sort(a, axis=None)\n";

const SKLEARN: &str = "from sklearn.datasets import make_classification\nfrom sklearn.ensemble import RandomForestClassifier, GradientBoostingClassifier\nfrom sklearn.linear_model import LogisticRegression\nfrom sklearn.svm import SVC\nx, y = make_classification(2000, 30, random_state=1)\nwhile True:\n    for model in (LogisticRegression(max_iter=200), RandomForestClassifier(20), GradientBoostingClassifier(n_estimators=10), SVC()):\n        model.fit(x, y)\n";
