//! What can be restored.

use super::{Services, status};
use crate::store::points::PointRow;
use model::Name;
use proto::v1;
use proto::v1::backups_server::Backups as Service;
use tonic::{Request, Response, Status};

/// Points that are given when nobody says, and at most.
const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 500;

fn of_row(row: PointRow, median_read_bytes: u64) -> v1::Point {
    v1::Point {
        source: row.source,
        repository: row.repository,
        snapshot: row.snapshot,
        at_us: row.at.0,
        read_bytes: row.read_bytes,
        stored_bytes: row.stored_bytes,
        median_read_bytes,
        proven_us: row.proven_at.0,
        rows: row.rows,
        host: row.host,
        origin: row.origin,
    }
}

fn median(rows: &[PointRow]) -> u64 {
    let mut sizes: Vec<u64> = rows.iter().map(|row| row.read_bytes).filter(|bytes| *bytes > 0).collect();
    sizes.sort_unstable();
    sizes.get(sizes.len() / 2).copied().unwrap_or(0)
}

#[tonic::async_trait]
impl Service for Services {
    async fn points(
        &self,
        request: Request<v1::PointsRequest>,
    ) -> Result<Response<v1::PointsResponse>, Status> {
        let v1::PointsRequest { source, limit } = request.into_inner();
        let source = Name::new(source).map_err(|error| {
            status::invalid("LB1377", error.to_string(), "`lifeboat status` names the sources.")
        })?;
        let limit = if limit == 0 { DEFAULT_LIMIT } else { limit.min(MAX_LIMIT) };
        let rows = self.app.store.points(&source, MAX_LIMIT).await.map_err(status::of_store)?;
        let median = median(&rows);
        let shown = rows.into_iter().take(limit as usize);
        Ok(Response::new(v1::PointsResponse { points: shown.map(|row| of_row(row, median)).collect() }))
    }
}
