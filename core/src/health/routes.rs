//! Routes of health checks; anybody may ask.

use axum::http::StatusCode;
use serde_json::json;

use super::checks::{self, Check};
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/rest/HealthCheck", "HealthCheck", alive)
            .about("Whether the station answers.")
            .answers("[map<any>]")
            .open(),
        Operation::get("/rest/HealthCheckFull", "HealthCheckFull", full)
            .about("Whether database, stored objects, disk and worker work; 503 if one does not.")
            .answers("[map<any>]")
            .open(),
    ]
}

async fn alive(_call: Call) -> Result<Answer> {
    let station = json!({"name": "station", "status": "ok", "message": "answers"});
    Answer::list([station])
}

async fn full(call: Call) -> Result<Answer> {
    let checks = checks::all(&call.cx).await;
    let answer = Answer::list(&checks)?;
    Ok(if checks.iter().all(Check::is_ok) {
        answer
    } else {
        answer.status(StatusCode::SERVICE_UNAVAILABLE)
    })
}
