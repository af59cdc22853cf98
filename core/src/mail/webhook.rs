//! Notices to administrators, through an incoming webhook.

use std::time::Duration;

use crate::error::{Error, Result};

/// How long the webhook may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Posts `{"text": …}` to a webhook.
///
/// Errors: `Busy` when it cannot be reached or does not take the message.
pub async fn post(url: &str, text: &str) -> Result<()> {
    // Whoever was first has set the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| Error::internal("make an HTTP client", error))?;
    let body = serde_json::json!({"text": text}).to_string();
    let sent = client
        .post(url)
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await;
    let why = match sent {
        Ok(answer) if answer.status().is_success() => return Ok(()),
        Ok(answer) => format!("it answered {}", answer.status()),
        // Whoever knows the URL may post to it.
        Err(error) => error.without_url().to_string(),
    };
    tracing::warn!(why, "the webhook did not take a notice");
    Err(Error::Busy(
        "the administrators' channel did not take the message; try again later".into(),
    ))
}
