//! The last chapter: what an outsider gets, and how it is checked.

use serde::Deserialize;

use super::DemoError;
use super::shell::Shell;
use super::tell::Teller;
use crate::failure::Failure;

/// What of the report is needed to check it.
#[derive(Debug, Deserialize)]
struct Report {
    ledger: Ledger,
    findings: Total,
    refusals: Refusals,
    reviews: Total,
}

#[derive(Debug, Deserialize)]
struct Ledger {
    size: u64,
    verified: bool,
    head: String,
    key: String,
}

#[derive(Debug, Deserialize)]
struct Total {
    total: u64,
}

#[derive(Debug, Deserialize)]
struct Refusals {
    list: Total,
}

/// Writes the report in three forms, and verifies the ledger against the tree head that it was made at.
pub(super) async fn verify(shell: &Shell, teller: &mut Teller<'_>) -> Result<(), Failure> {
    teller.chapter("The ledger, and the compliance report that is made from it")?;
    let json = shell.quietly(&["report", "compliance", "-o", "json"]).await?.good()?.out;
    let wrong = |source: serde_json::Error| DemoError::Ledger { said: source.to_string() };
    let report: Report = serde_json::from_str(&json).map_err(wrong)?;
    shell.write("report.json", &json)?;
    for (form, name) in [("csv", "report.csv"), ("html", "report.html")] {
        let made = shell.run(teller, &["report", "compliance", "-o", form]).await?.good()?;
        shell.write(name, &made.out)?;
    }
    teller.line(format_args!(
        "report.html, .csv and .json: {} refused, {} decided alone, {} findings, from {} facts",
        report.refusals.list.total, report.reviews.total, report.findings.total, report.ledger.size
    ))?;
    let findings = report.findings.total;
    if !report.ledger.verified || report.refusals.list.total < 2 || report.reviews.total < 1 {
        let said = format!("the report has {findings} findings, and says otherwise than it must");
        return Err(DemoError::Ledger { said }.into());
    }
    let head = shell.write("report.head", &report.ledger.head)?;
    let key = shell.write("report.key", &report.ledger.key)?;
    let verify = ["ledger", "verify", "--data", "scheduler", "--against", &head, "--key", &key];
    let said = shell.run(teller, &verify).await?.good()?.out;
    teller.quote(&said)
}
