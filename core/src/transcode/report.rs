//! Letters about transcodes that are over.

use super::types::Spec;
use crate::error::{Chain, Error, Result};
use crate::jobs::Run;
use crate::mail::{self, EmailSpec};

/// Sends the letter that was asked for; one about a failure says so, and why. That no letter could be
/// sent changes nothing about the transcode.
pub(super) async fn send(run: &Run, spec: &Spec, failure: Option<&Error>) {
    if let Err(error) = try_send(run, spec, failure).await {
        tracing::warn!(job.uid = run.job.uid, error = %Chain(&error), "the letter about a transcode could not be sent");
    }
}

async fn try_send(run: &Run, spec: &Spec, failure: Option<&Error>) -> Result<()> {
    let (Some(letter), Some(project)) = (&spec.email_spec, run.job.project) else {
        return Ok(());
    };
    let letter: EmailSpec = serde_json::from_value(letter.clone())?;
    let letter = match failure {
        None => letter,
        Some(error) => about_failure(letter, &spec.name, error),
    };
    mail::deliver(&run.cx, project, letter).await
}

fn about_failure(letter: EmailSpec, name: &str, error: &Error) -> EmailSpec {
    EmailSpec {
        subject: format!("Failed: {}", letter.subject),
        text: format!("The transcode of {name} failed: {}", error.explained()),
        attachments: Vec::new(),
        ..letter
    }
}
