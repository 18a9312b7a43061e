//! `repower reserve`, `repower reservations` and `repower unreserve`.

use jiff::tz::TimeZone;
use repower_proto::v1::{
    ListReservationsReply, ListReservationsRequest, Reservation, ReserveRequest, UnreserveRequest,
};

use crate::arguments::{Reach, id};
use crate::clock;
use crate::failure::{Exit, Explain, Failure};
use crate::jobfile::moment::{Moment, MomentError};
use crate::render::quantity::count;
use crate::render::{Column, Screen, Table, json, time, words};

const EXAMPLES: &str = "\
Examples:
  repower reserve --nodes rig-07,rig-08 --from 22:00 --until +12h --reason fans
  repower reserve --nodes rig-07 --until 2026-05-01 --project vision -r deadline
Tasks that may still run when it begins do not start on these nodes before it,
so give jobs a --time-limit. What runs into it all the same is not killed.";

/// Options of `repower reserve`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Reserve {
    /// Names of the nodes
    #[arg(long, value_name = "NODE", value_delimiter = ',', required = true)]
    nodes: Vec<String>,
    /// From when on [default: now]
    #[arg(long, value_name = "WHEN")]
    from: Option<Moment>,
    /// Up to this: +2h, 18:30, 2026-05-01T18:30:00+08:00
    #[arg(long, value_name = "WHEN")]
    until: Moment,
    /// Whose tasks may run there meanwhile [default: nobody's, for maintenance]
    #[arg(long)]
    project: Option<String>,
    /// Why, for the ledger and whoever asks
    #[arg(long, short)]
    reason: String,
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// Options of `repower reservations`.
#[derive(Debug, clap::Args)]
pub struct Reservations {
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// Options of `repower unreserve`.
#[derive(Debug, clap::Args)]
pub struct Unreserve {
    /// Number of the reservation
    #[arg(value_name = "RESERVATION", value_parser = id)]
    id: u64,
    /// Why, for the ledger
    #[arg(long, short, default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// A moment of a reservation is beyond the calendar.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct BadMoment(#[from] MomentError);

impl Explain for BadMoment {
    fn hint(&self) -> Option<String> {
        Some("choose a moment sooner than that".to_owned())
    }

    fn exit(&self) -> Exit {
        Exit::USAGE
    }
}

impl Reserve {
    /// Keeps the nodes.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let now = clock::here();
        let from = self.from.map(|from| from.as_millis(&now)).transpose().map_err(BadMoment)?;
        let request = ReserveRequest {
            nodes: self.nodes,
            from_ms: from.unwrap_or(0),
            until_ms: self.until.as_millis(&now).map_err(BadMoment)?,
            project: self.project.unwrap_or_default(),
            reason: self.reason,
        };
        let client = self.reach.connect(screen).await?;
        let reply = client.nodes().reserve(request).await;
        let made = reply.map_err(|status| client.refused(&status))?.into_inner();
        if screen.is_json() {
            screen.json(&json::Reservation::from(&made))?;
        } else if screen.is_quiet() {
            screen.line(made.id)?;
        } else {
            let zone = TimeZone::system();
            screen.line(format_args!(
                "reservation {}: {} from {} until {} for {}",
                made.id,
                count(made.nodes.len() as u64, "node"),
                time::calendar(made.from_ms, &zone),
                time::calendar(made.until_ms, &zone),
                words::tame(holder(&made)),
            ))?;
        }
        Ok(Exit::OK)
    }
}

impl Reservations {
    /// Lists the reservations that have not ended.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        let reply = client.nodes().reservations(ListReservationsRequest {}).await;
        let reply = reply.map_err(|status| client.refused(&status))?.into_inner();
        show(screen, &reply, &TimeZone::system())?;
        Ok(Exit::OK)
    }
}

impl Unreserve {
    /// Ends the reservation.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        let request = UnreserveRequest { id: self.id, reason: self.reason };
        let reply = client.nodes().unreserve(request).await;
        let ended = reply.map_err(|status| client.refused(&status))?.into_inner();
        if screen.is_json() {
            screen.json(&json::Reservation::from(&ended))?;
        } else if !screen.is_quiet() {
            let nodes = count(ended.nodes.len() as u64, "node");
            screen.line(format_args!("reservation {} has ended; {nodes} free again", ended.id))?;
        }
        Ok(Exit::OK)
    }
}

/// Who may use the nodes.
fn holder(one: &Reservation) -> &str {
    if one.project.is_empty() { "maintenance" } else { &one.project }
}

fn show(
    screen: &mut Screen,
    reply: &ListReservationsReply,
    zone: &TimeZone,
) -> Result<(), Failure> {
    if screen.is_json() {
        return Ok(screen.json(&json::Reservations::from(reply))?);
    }
    if screen.is_quiet() {
        for one in &reply.reservations {
            screen.line(one.id)?;
        }
        return Ok(());
    }
    if reply.reservations.is_empty() {
        screen.note("no reservations");
        return Ok(());
    }
    let mut table = Table::new(&[
        Column::number("ID"),
        Column::cut("NODES", 8),
        Column::whole("FROM"),
        Column::whole("UNTIL"),
        Column::cut("FOR", 11),
        Column::cut("REASON", 8),
    ]);
    for one in &reply.reservations {
        table.row([
            one.id.to_string().into(),
            one.nodes.join(",").into(),
            time::calendar(one.from_ms, zone).into(),
            time::calendar(one.until_ms, zone).into(),
            holder(one).into(),
            format!("{}: {}", one.by, one.reason).into(),
        ]);
    }
    Ok(screen.table(&table)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::screen::Form;
    use crate::render::testing::page;

    #[test]
    fn a_list_fits_eighty_columns() {
        let one = Reservation {
            id: 3,
            nodes: vec!["rig-07".into(), "rig-08".into(), "rig-09".into()],
            from_ms: 1_777_633_200_000,
            until_ms: 1_777_676_400_000,
            by: "op".into(),
            reason: "new fans for the whole row".into(),
            ..Reservation::default()
        };
        let other = Reservation {
            id: 12,
            project: "vision".into(),
            nodes: vec!["n1".into()],
            ..one.clone()
        };
        let reply = ListReservationsReply { reservations: vec![one, other] };

        let shown = page(Form::Table, |screen| show(screen, &reply, &TimeZone::UTC));

        assert_eq!(
            shown,
            "\
ID  NODES       FROM                 UNTIL                FOR          REASON
 3  rig-07,ri…  2026-05-01 11:00:00  2026-05-01 23:00:00  maintenance  op: new …
12  n1          2026-05-01 11:00:00  2026-05-01 23:00:00  vision       op: new …
"
        );
    }
}
