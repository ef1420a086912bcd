//! How PostgreSQL's client programs are told where to go: by environment, never by argv.

use crate::sources::secret;
use model::Problem;
use model::nouns::PostgresSpec;

/// The environment of a client program for one database. The password stands in the environment, which
/// only the agent's own user and root can read.
pub fn environment(spec: &PostgresSpec, database: &str) -> Result<Vec<(String, String)>, Problem> {
    let mut environment = vec![
        ("PGHOST".to_string(), spec.address.clone()),
        ("PGPORT".to_string(), spec.port.to_string()),
        ("PGUSER".to_string(), spec.user.clone()),
        ("PGDATABASE".to_string(), database.to_string()),
        ("PGAPPNAME".to_string(), "lifeboat".to_string()),
        ("PGCONNECT_TIMEOUT".to_string(), "10".to_string()),
        ("PGPASSFILE".to_string(), "/dev/null".to_string()),
    ];
    if let Some(password) = &spec.password {
        environment.push(("PGPASSWORD".to_string(), secret::resolve_text(password)?));
    }
    Ok(environment)
}
