//! Secrets are references until a job needs them; here the reference becomes a value.

use model::{Problem, SecretRef};
use runtime::Explained as _;
use runtime::secret::SecretBytes;

/// The secret's bytes. They never enter an argv, a log or an error.
pub fn resolve(secret: &SecretRef) -> Result<SecretBytes, Problem> {
    runtime::secret::resolve(secret).map_err(|error| {
        let text = error.to_string();
        let (code, message) = text.split_once(": ").unwrap_or(("LB5101", &text));
        let mut advice = error.advice().to_string();
        if let Some(first) = advice.get(..1) {
            let first = first.to_uppercase();
            advice.replace_range(..1, &first);
        }
        let problem = Problem::new(code, message, advice + ".");
        match std::error::Error::source(&error) {
            Some(cause) => problem.caused_by(cause),
            None => problem,
        }
    })
}

/// The secret as text, for what takes text only.
pub fn resolve_text(secret: &SecretRef) -> Result<String, Problem> {
    let bytes = resolve(secret)?;
    bytes.expose_text().map(str::to_string).map_err(|error| {
        Problem::new(
            "LB5105",
            format!("the secret in {secret} is not text in UTF-8"),
            "Store it as text in UTF-8.",
        )
        .caused_by(&error)
    })
}
