//! `lifeboat points`

use crate::args::Points;
use crate::failure::Failure;
use crate::screen;
use crate::session::{Session, at, traced};
use proto::v1::{self, backups_client::BackupsClient};
use runtime::lifecycle::Exit;

/// A point whose size is off the median by more than this factor is marked.
const SUSPICIOUS: u64 = 2;

/// Shows what can be restored, newest first.
pub async fn points(session: &Session, args: &Points) -> Result<Exit, Failure> {
    let request = traced(v1::PointsRequest { source: args.source.clone(), limit: args.limit });
    let points = BackupsClient::new(session.channel.clone()).points(request).await?.into_inner().points;
    let value: Vec<_> = points.iter().map(json).collect();
    let now = session.clock.now();
    screen::show(session.output, &value, || {
        if points.is_empty() {
            return format!(
                "{} has no restore point. Make one: lifeboat backup {} --to REPOSITORY",
                args.source, args.source
            );
        }
        let mut table = screen::table(&["snapshot", "shows", "lost now", "size", "rows", "proven"]);
        for point in &points {
            let id: String = point.snapshot.chars().take(8).collect();
            table.add_row(vec![
                id,
                screen::moment(at(point.at_us)),
                report::units::short(now.since(at(point.at_us))),
                size(point),
                point.rows.to_string(),
                report::units::ago(now, at(point.proven_us)),
            ]);
        }
        table.to_string()
    });
    Ok(if points.is_empty() { Exit::No } else { Exit::Done })
}

fn size(point: &v1::Point) -> String {
    let (read, median) = (point.read_bytes, point.median_read_bytes);
    let off =
        median > 0 && (read > median.saturating_mul(SUSPICIOUS) || read.saturating_mul(SUSPICIOUS) < median);
    match off {
        true => format!("{} (median {})", report::units::bytes(read), report::units::bytes(median)),
        false => report::units::bytes(read),
    }
}

fn json(point: &v1::Point) -> serde_json::Value {
    serde_json::json!({
        "source": point.source, "repository": point.repository, "snapshot": point.snapshot,
        "at": at(point.at_us), "read_bytes": point.read_bytes, "stored_bytes": point.stored_bytes,
        "median_read_bytes": point.median_read_bytes, "proven": at(point.proven_us), "rows": point.rows,
        "host": point.host, "origin": point.origin,
    })
}
