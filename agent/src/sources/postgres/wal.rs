//! Where the log (WAL) of a data folder ends, whether its server was shut down or killed.

use super::control::{Control, position, words};
use super::owner::{Owner, any_end};
use crate::jobs::{Context, End, child};
use model::nouns::PostgresSpec;
use std::path::Path;
use std::process::Stdio;

/// Where the log of a data folder ends. None when that cannot be told.
pub async fn end_of_log(
    spec: &PostgresSpec,
    owner: &Owner,
    control: &Control,
    data: &Path,
    context: &Context,
) -> Result<Option<u64>, End> {
    let Ok(program) = child::find("pg_waldump", spec.programs.as_deref()) else { return Ok(None) };
    let args = [
        "-p".to_string(),
        data.join("pg_wal").display().to_string(),
        "-t".to_string(),
        control.timeline.to_string(),
        "-s".to_string(),
        words(control.checkpoint),
    ];
    // It reads from the last checkpoint until a record is not whole, and says where that is.
    let exit = any_end(context, owner, &program, &args, Vec::new(), Some(Stdio::null())).await?;
    Ok(exit.tail.iter().rev().find_map(|line| named_end(line, control.segment_bytes)))
}

/// The place that a message of pg_waldump means, `… invalid record length at 0/3000180: wanted 24, got 0`.
fn named_end(line: &str, segment_bytes: u64) -> Option<u64> {
    // A recycled file, or none: the log ends where its page or the file begins.
    if let Some(at) = line.find("segment ").or_else(|| line.find("file \"")) {
        let digits: String = line[at..].chars().skip_while(|c| *c != ' ').skip(1).collect();
        let digits: String = digits.trim_start_matches('"').chars().take(24).collect();
        if let Some(begin) = begin_of(&digits, segment_bytes) {
            let offset = line.split("offset ").nth(1).and_then(|rest| rest.trim().parse::<u64>().ok());
            return Some(begin + offset.unwrap_or(0));
        }
    }
    let at = line.rfind(" at ")?;
    let text: String = line[at + 4..].chars().take_while(|c| c.is_ascii_hexdigit() || *c == '/').collect();
    position(&text)
}

/// Where a file of the log begins, from its name.
pub fn begin_of(name: &str, segment_bytes: u64) -> Option<u64> {
    if name.len() != 24 || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let (high, low) =
        (u64::from_str_radix(&name[8..16], 16).ok()?, u64::from_str_radix(&name[16..], 16).ok()?);
    (high << 32).checked_add(low.checked_mul(segment_bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_end_of_a_log_is_read_from_every_way_in_which_it_is_told() {
        let end = |line| named_end(line, MIB);
        let far = "pg_waldump: error: error in WAL record at 0/3000148: invalid record length at 0/3000180: wanted 24, got 0";
        assert_eq!(end(far), Some(0x300_0180));
        let magic = "pg_waldump: error: error in WAL record at 0/14FFF90: invalid magic number 0000 in log segment 000000010000000000000015, offset 0";
        assert_eq!(end(magic), Some(0x150_0000));
        let old = "pg_waldump: error: error in WAL record at 0/14FFF90: unexpected pageaddr 0/1200000 in log segment 000000010000000000000014, offset 8192";
        assert_eq!(end(old), Some(0x140_2000));
        let none =
            "pg_waldump: error: could not find file \"000000010000000000000015\": No such file or directory";
        assert_eq!(end(none), Some(0x150_0000));
        assert_eq!(end("pg_waldump: something else"), None);
    }
}
