//! The text of SQL dumps: rows of a few tables, as `pg_dump` writes them.

use std::{
    fmt::Write as _,
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use super::{Extent, seed::Seed, words::WORDS};
use crate::Failure;

/// Dumps that the bytes are spread over.
const FILES: u64 = 3;

/// Writes the dumps below `folder`.
pub fn build(folder: &Path, extent: &Extent) -> Result<(), Failure> {
    for number in 0..FILES {
        let path = folder.join(format!("dump_{number}.sql"));
        let file = File::create(&path).map_err(Failure::io(format!("create {}", path.display())))?;
        dump(BufWriter::new(file), &mut Seed::new(10 + number), extent.sql_bytes / FILES)
            .map_err(Failure::io(format!("write {}", path.display())))?;
    }
    Ok(())
}

fn dump(mut file: BufWriter<File>, seed: &mut Seed, bytes: u64) -> std::io::Result<()> {
    let mut written = 0;
    let mut line = String::new();
    for id in 0_u64.. {
        if written >= bytes {
            break;
        }
        line.clear();
        if id.is_multiple_of(200_000) {
            let table = seed.pick(WORDS);
            let _ = write!(
                line,
                "\\.\n\nCOPY public.{table}_{id} (id, key, mail, made, amount, state, note) FROM stdin;\n"
            );
        }
        row(&mut line, id, seed);
        file.write_all(line.as_bytes())?;
        written += line.len() as u64;
    }
    file.flush()
}

fn row(line: &mut String, id: u64, seed: &mut Seed) {
    let (first, second) = (seed.pick(WORDS), seed.pick(WORDS));
    let (day, second_of_day) = (id / 5000 % 28 + 1, id % 5000 * 17);
    let (hour, minute, rest) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    // Writing to a string cannot fail.
    let _ = write!(
        line,
        "{id}\t{:016x}\t{first}.{second}{}@example.org\t2026-{:02}-{day:02} {hour:02}:{minute:02}:{rest:02}+00\t{}.{:02}\t{}\t",
        seed.next(),
        seed.below(1000),
        id / 140_000 % 12 + 1,
        seed.below(10_000),
        seed.below(100),
        seed.pick(&["paid", "open", "sent", "cancelled", "lost"]),
    );
    for _ in 0..seed.below(12) {
        line.push_str(seed.pick(WORDS));
        line.push(' ');
    }
    line.push('\n');
}
