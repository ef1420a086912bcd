//! What the control file of a data folder says, as `pg_controldata` prints it.

use super::owner::{Owner, run};
use crate::jobs::{Context, End, child};
use model::Problem;
use model::nouns::PostgresSpec;
use std::path::Path;

/// How a data folder was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Its server was shut down in good order.
    pub clean: bool,
    /// Where its last checkpoint begins, as a byte number.
    pub checkpoint: u64,
    /// The timeline of that checkpoint.
    pub timeline: u32,
    /// Which cluster it is: the same on all members of a source.
    pub system: String,
    /// Whether a changed page can be told from the log: checksums or `wal_log_hints`, and full page writes.
    pub can_rewind: bool,
    /// Bytes of one file of the log.
    pub segment_bytes: u64,
}

/// Reads it.
pub async fn read(spec: &PostgresSpec, data: &Path, context: &Context) -> Result<Control, End> {
    let program = child::find("pg_controldata", spec.programs.as_deref())?;
    let exit = run(context, &Owner::Ourselves, &program, &[data.display().to_string()], Vec::new()).await?;
    parse(&exit.tail).ok_or_else(|| {
        End::Failed(
            Problem::new(
                "LB2373",
                format!("{} does not look like the data folder of a PostgreSQL server", data.display()),
                "See `data` of the source in the agent's policy, and what pg_controldata says of that folder.",
            )
            .with_log(exit.tail),
        )
    })
}

fn parse(lines: &[String]) -> Option<Control> {
    let value = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let logged = value("wal_log_hints setting:")? == "on" || value("Data page checksum version:")? != "0";
    Some(Control {
        clean: value("Database cluster state:")?.starts_with("shut down"),
        checkpoint: position(value("Latest checkpoint location:")?)?,
        timeline: value("Latest checkpoint's TimeLineID:")?.parse().ok()?,
        system: value("Database system identifier:")?.to_string(),
        can_rewind: logged && value("Latest checkpoint's full_page_writes:")? == "on",
        segment_bytes: value("Bytes per WAL segment:")?.parse().ok()?,
    })
}

/// A position in the log, `2/10`, as a byte number.
pub fn position(text: &str) -> Option<u64> {
    let (high, low) = text.trim().split_once('/')?;
    Some((u64::from_str_radix(high, 16).ok()? << 32) | u64::from(u32::from_str_radix(low, 16).ok()?))
}

/// A byte number as PostgreSQL writes it.
pub fn words(position: u64) -> String {
    format!("{:X}/{:X}", position >> 32, position & 0xFFFF_FFFF)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn lines(state: &str, sums: &str, hints: &str) -> Vec<String> {
        let text = format!(
            "Database system identifier:           7301234567890123456\n\
             Database cluster state:               {state}\n\
             Latest checkpoint location:           2/10\n\
             Latest checkpoint's TimeLineID:       3\n\
             Latest checkpoint's full_page_writes: on\n\
             wal_log_hints setting:                {hints}\n\
             Bytes per WAL segment:                1048576\n\
             Data page checksum version:           {sums}"
        );
        text.lines().map(str::to_string).collect()
    }

    #[test]
    fn the_control_file_is_read_and_says_whether_a_rewind_is_possible() {
        let control = parse(&lines("shut down", "0", "on")).unwrap();
        assert_eq!((control.clean, control.checkpoint, control.timeline), (true, (2 << 32) | 16, 3));
        assert_eq!((control.segment_bytes, control.can_rewind), (1 << 20, true));
        assert!(!parse(&lines("in production", "1", "off")).unwrap().clean);
        assert!(parse(&lines("shut down in recovery", "1", "off")).unwrap().clean);
        assert!(!parse(&lines("shut down", "0", "off")).unwrap().can_rewind);
        assert_eq!(parse(&["no such thing".to_string()]), None);
    }

    #[test]
    fn positions_are_read_as_they_are_written() {
        assert_eq!(words(position("A/FF00").unwrap()), "A/FF00");
        assert_eq!(position("1/100000000"), None);
    }
}
