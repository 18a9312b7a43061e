//! The tables of `ledger.db`, made to be read by people with `sqlite3` too.

use crate::database::Kind;

/// `ledger.db`; its application id reads `RPWL`.
pub(super) const LEDGER: Kind = Kind {
    name: "ledger.db",
    application_id: 0x5250_574C,
    version: 8,
    schema: concat!(
        include_str!("schema.sql"),
        include_str!("ranks.sql"),
        include_str!("execution.sql"),
        include_str!("files.sql"),
        include_str!("steps.sql"),
        include_str!("checkpoints.sql"),
        include_str!("findings.sql"),
        include_str!("claims.sql"),
        include_str!("decisions.sql")
    ),
    upgrades: &[
        include_str!("ranks.sql"),
        include_str!("execution.sql"),
        include_str!("files.sql"),
        concat!(include_str!("steps.sql"), include_str!("checkpoints.sql")),
        include_str!("findings.sql"),
        include_str!("claims.sql"),
        include_str!("decisions.sql"),
    ],
};
