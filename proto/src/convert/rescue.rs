//! Copies of journals.

use super::Malformed;
use crate::v1;
use model::{CopiedRow, Digest, Micros};

impl From<&CopiedRow> for v1::CopiedRow {
    fn from(row: &CopiedRow) -> Self {
        let CopiedRow { sequence, at, epoch, text, hash } = row;
        v1::CopiedRow {
            sequence: *sequence,
            at_us: at.0,
            epoch: *epoch,
            event: text.clone(),
            hash: hash.to_string(),
        }
    }
}

impl TryFrom<v1::CopiedRow> for CopiedRow {
    type Error = Malformed;
    fn try_from(row: v1::CopiedRow) -> Result<Self, Malformed> {
        let v1::CopiedRow { sequence, at_us, epoch, event, hash } = row;
        let hash = Digest::new(hash).map_err(|error| Malformed::invalid("copied_row.hash", error))?;
        Ok(CopiedRow { sequence, at: Micros(at_us), epoch, text: event, hash })
    }
}
