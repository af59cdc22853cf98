//! Rules of letters and notices.

use std::net::SocketAddr;

use bytes::BytesMut;
use futures::TryStreamExt;

use super::smtp::not_enabled;
use super::types::{Attachment, EmailSpec, Enclosure, Letter, Notice};
use super::webhook;
use crate::account::Actor;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::project::{self, Level};
use crate::storage;

/// What the attachments of one letter may add up to, in bytes; most mail servers take no more.
const MOST_BYTES: u64 = 25 << 20;

/// Checks that letters can be sent. Errors: `Invalid` with the wire's text where they cannot.
pub fn check(cx: &Context) -> Result<()> {
    if cx.mail.is_on() {
        Ok(())
    } else {
        Err(not_enabled())
    }
}

/// Sends a letter; returns once the mail server has taken it.
///
/// Errors: `Invalid` without a mail server, or for what it refuses for good; `Busy` when it is
/// worth another try.
pub async fn send(cx: &Context, letter: Letter) -> Result<()> {
    cx.mail.send(letter).await
}

/// The address that mailed links begin with, where nobody trustworthy is asking: `site.url`, or the
/// station's own address on loopback.
///
/// Errors: `Invalid` when neither is known. The name that a request uses will not do: its sender
/// chooses it, and the link goes to somebody else.
pub fn base_url(cx: &Context) -> Result<String> {
    let settings = &cx.settings;
    if !settings.site.url.is_empty() {
        return Ok(settings.site.url.trim_end_matches('/').to_owned());
    }
    match settings.server.listen.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(format!("http://{address}")),
        _ => Err(Error::invalid_because(
            not_enabled().to_string(),
            "the station does not know the address that people reach it at; its operator sets site.url",
        )),
    }
}

/// Sends a letter to members of a project on behalf of one who may execute there.
pub(super) async fn send_email(
    cx: &Context,
    actor: &Actor,
    project: i64,
    spec: EmailSpec,
) -> Result<()> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move { project::access(tx, &actor, project, Level::Execute).await })
        })
        .await?;
    deliver(cx, project, spec).await
}

/// Sends a letter to members of a project, for work that somebody was allowed to start.
///
/// Errors: those of [`send`]; `Invalid` for a recipient who is no member, or attachments that are
/// too large; `Forbidden` for an attachment of another project, `NotFound` for one that is gone.
pub async fn deliver(cx: &Context, project: i64, spec: EmailSpec) -> Result<()> {
    check(cx)?;
    if spec.recipients.is_empty() {
        return Err(Error::invalid("a letter needs at least one recipient"));
    }
    let (recipients, keys) = (spec.recipients.clone(), spec.attachments.clone());
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let members = project::service::member_emails(tx, project).await?;
                check_recipients(&recipients, &members)?;
                let owner = storage::owner(tx, project).await?;
                for Enclosure { key, .. } in &keys {
                    if !owner.holds(key) {
                        return Err(Error::Forbidden(format!(
                            "Key {key} does not belong to project {project}!"
                        )));
                    }
                }
                Ok(())
            })
        })
        .await?;
    let letter = Letter {
        to: spec.recipients,
        subject: spec.subject,
        text: spec.text,
        attachments: enclose(cx, spec.attachments).await?,
    };
    send(cx, letter).await
}

fn check_recipients(recipients: &[String], members: &[String]) -> Result<()> {
    for recipient in recipients {
        let known = members
            .iter()
            .any(|member| !member.is_empty() && member.eq_ignore_ascii_case(recipient));
        if !known {
            return Err(Error::invalid(format!(
                "Email recipient {recipient} is not a member of the project!"
            )));
        }
    }
    Ok(())
}

async fn enclose(cx: &Context, enclosures: Vec<Enclosure>) -> Result<Vec<Attachment>> {
    let mut left = MOST_BYTES;
    let mut attachments = Vec::with_capacity(enclosures.len());
    for Enclosure { key, name } in enclosures {
        let found = storage::open(cx, &key).await?;
        let (object, stream) =
            found.ok_or_else(|| Error::NotFound(format!("there is no object: {key}")))?;
        left = left.checked_sub(object.size_bytes).ok_or_else(|| {
            Error::invalid(format!(
                "the attachments are larger than {} MiB together; mail a link to them instead",
                MOST_BYTES >> 20
            ))
        })?;
        let bytes = stream
            .try_fold(BytesMut::new(), |mut all, chunk| async move {
                all.extend_from_slice(&chunk);
                Ok(all)
            })
            .await?;
        attachments.push(Attachment {
            name,
            bytes: bytes.freeze(),
        });
    }
    Ok(attachments)
}

/// Tells the administrators something. Errors: `Busy` where no channel is set.
pub(super) async fn notify(cx: &Context, actor: &Actor, notice: Notice) -> Result<()> {
    let url = &cx.settings.site.notify_webhook;
    if url.is_empty() {
        return Err(Error::Busy(
            "Notifications are not enabled: the setting site.notify_webhook names no channel."
                .into(),
        ));
    }
    let text = if notice.send_as_file == 0 {
        notice.message
    } else {
        // A webhook takes no files; a block of its own keeps lines and spaces.
        format!("```\n{}\n```", notice.message)
    };
    webhook::post(url, &format!("{}: {text}", actor.username)).await
}
