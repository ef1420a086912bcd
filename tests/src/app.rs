//! The app of the story: an HTTP service that writes to the PostgreSQL of its region.
//!
//! `POST /write` with `{"client": …, "id": n}` inserts one row and answers 200 only after the
//! commit; `GET /health` answers 200 with region and role while its database takes writes, else
//! 503; `GET /count` answers the number of rows.
//!
//! Why it never cancels a statement: PostgreSQL treats a cancelled wait for the synchronous standby
//! as done, with a warning, and reports the commit as a success. So there is no statement time-out.
//! When the app loses patience it throws the connection away and answers 503, which acknowledges
//! nothing. The row may or may not be there: that is what "not acknowledged" means.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{
    PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::Failure;

/// The table that the app writes to; made once, on the primary.
pub const SCHEMA: &str = "create table if not exists writes (
  client text not null, id bigint not null, region text not null,
  written timestamptz not null default now(), primary key (client, id))";

/// Connections to the database at most.
const CONNECTIONS: u32 = 8;
/// How long a request waits for a free or a new connection.
const CONNECT: Duration = Duration::from_millis(800);
/// How long a request waits for its answer, after which it gives up without acknowledging.
const ANSWER: Duration = Duration::from_secs(2);

/// What the app is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it serves HTTP.
    pub listen: SocketAddr,
    /// The database of its region.
    pub database: String,
    /// The name of its region.
    pub region: String,
}

/// One write.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Write {
    /// Who writes.
    pub client: String,
    /// The writer's own number of this write; repeats are recognised by it.
    pub id: i64,
}

struct App {
    pool: PgPool,
    region: String,
}

type Answer = (StatusCode, Json<Value>);

/// Serves until the process is killed.
///
/// # Errors
/// [`Failure`] when the URL is wrong or the address is taken.
pub async fn serve(settings: Settings) -> Result<(), Failure> {
    let options: PgConnectOptions = settings
        .database
        .parse()
        .map_err(|error| Failure::Unexpected(format!("the database URL cannot be read: {error}")))?;
    // Lazy: the app may start before its database does, and outlives its restarts.
    let pool =
        PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(CONNECT).connect_lazy_with(options);
    let app = Arc::new(App { pool, region: settings.region });
    let routes = Router::new()
        .route("/write", post(write))
        .route("/health", get(health))
        .route("/count", get(count))
        .with_state(app);
    let at = settings.listen;
    let listener = tokio::net::TcpListener::bind(at).await.map_err(Failure::io(format!("listen on {at}")))?;
    axum::serve(listener, routes).await.map_err(Failure::io(format!("serve on {at}")))
}

async fn write(State(app): State<Arc<App>>, Json(write): Json<Write>) -> Answer {
    let region = app.region.clone();
    let done = app
        .patiently(async |connection| {
            sqlx::query("insert into writes (client, id, region) values ($1, $2, $3) on conflict do nothing")
                .bind(&write.client)
                .bind(write.id)
                .bind(&region)
                .execute(&mut **connection)
                .await
        })
        .await;
    match done {
        Ok(_) => (StatusCode::OK, Json(json!({ "region": app.region, "id": write.id }))),
        Err(why) => app.refuse(&why),
    }
}

async fn health(State(app): State<Arc<App>>) -> Answer {
    let asked = "select pg_is_in_recovery() or current_setting('transaction_read_only')::bool";
    let read_only = app
        .patiently(async |connection| sqlx::query_scalar::<_, bool>(asked).fetch_one(&mut **connection).await)
        .await;
    match read_only {
        Ok(false) => (StatusCode::OK, Json(json!({ "region": app.region, "role": "primary" }))),
        Ok(true) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "region": app.region, "role": "standby" })))
        }
        Err(why) => app.refuse(&why),
    }
}

async fn count(State(app): State<Arc<App>>) -> Answer {
    let asked = "select count(*) from writes";
    let rows = app
        .patiently(async |connection| sqlx::query_scalar::<_, i64>(asked).fetch_one(&mut **connection).await)
        .await;
    match rows {
        Ok(rows) => (StatusCode::OK, Json(json!({ "region": app.region, "count": rows }))),
        Err(why) => app.refuse(&why),
    }
}

impl App {
    /// Runs one statement; after [`ANSWER`] its connection is thrown away, not given back with a
    /// statement still under way.
    async fn patiently<T>(
        &self,
        work: impl AsyncFnOnce(&mut PoolConnection<Postgres>) -> Result<T, sqlx::Error>,
    ) -> Result<T, String> {
        let mut connection = self.pool.acquire().await.map_err(|error| error.to_string())?;
        let answer = tokio::time::timeout(ANSWER, work(&mut connection)).await;
        match answer {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => {
                drop(connection.detach());
                Err(format!("the database did not answer within {ANSWER:?}"))
            }
        }
    }

    fn refuse(&self, why: &str) -> Answer {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "region": self.region, "why": why })))
    }
}
