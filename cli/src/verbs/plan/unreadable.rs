//! What the check says of a text before anything of it is understood.

use super::check::print;
use crate::failure::Failure;
use plan::{Diagnostic, SourceFile, codes};

/// No YAML, too much of it, or several documents.
const CODES: [&codes::Code; 3] = [&codes::SYNTAX, &codes::TOO_LARGE, &codes::SEVERAL_DOCUMENTS];

/// What stands in the way of reading these files, whatever they say.
pub fn found(files: &[SourceFile]) -> Vec<Diagnostic> {
    let mut found = plan::check(files).diagnostics;
    found.retain(|one| CODES.iter().any(|code| code.code == one.code));
    found
}

/// Shows what stands in the way, and refuses.
pub fn refuse(found: &[Diagnostic], consequence: &str) -> Result<(), Failure> {
    if found.is_empty() {
        return Ok(());
    }
    print(found);
    let mut files: Vec<&str> = found.iter().map(|one| one.path.as_str()).collect();
    files.sort_unstable();
    files.dedup();
    let count = report::units::count(files.len() as u64, "file was", "files were");
    let message = format!("{count} not read, so {consequence}");
    Err(Failure::usage("LB4060", message, "Mend what is named above and try again."))
}
