//! Mailed links: a new password, a confirmed e-mail address. Each works for a day.

use super::service::{ANONYMOUS, code_hash};
use super::store;
use super::types::{Status, User};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::id;
use crate::mail::{self, Letter};

/// How long a mailed link works.
const LIFETIME_MS: i64 = 24 * 3_600_000;
/// How soon after a letter another one goes to the same account.
const PAUSE_MS: i64 = 60_000;
const PASSWORD: &str = "password";
const ADDRESS: &str = "address";

/// Mails a link that sets a new password to everybody with this e-mail address.
///
/// Whether there is anybody, the answer does not tell. Errors: `Invalid` where no letters can be
/// sent, `Busy` when the mail server does not take one.
pub async fn request(cx: &Context, email: &str) -> Result<()> {
    mail::check(cx)?;
    let base = mail::base_url(cx)?;
    let (email, now) = (email.trim().to_owned(), cx.now());
    if email.is_empty() {
        return Err(Error::invalid("name the e-mail address of the account"));
    }
    let links: Vec<(User, String)> = cx
        .database
        .write(move |tx| Box::pin(async move { issue(tx, &email, now).await }))
        .await?;
    for (user, token) in links {
        let text = format!(
            "Somebody, probably you, asked for a new password of the account {} at {base}.\n\n\
             This link sets one. It works once, within a day:\n\n\
             {base}/password-reset?reset_token={token}&user={}\n\n\
             If it was not you, do nothing: the password stays as it is.\n",
            user.username, user.id
        );
        mail::send(cx, Letter::to(&user.email, "A new password", text)).await?;
    }
    Ok(())
}

async fn issue(tx: &mut Tx, email: &str, now: i64) -> Result<Vec<(User, String)>> {
    let mut links = Vec::new();
    for user in store::list_by_email(tx, email).await? {
        let recent = now + LIFETIME_MS - PAUSE_MS;
        if user.status == Status::Disabled
            || user.username == ANONYMOUS
            || store::has_link_after(tx, PASSWORD, user.id, recent).await?
        {
            continue;
        }
        let token = id::token();
        let hash = code_hash(&token);
        store::insert_link(tx, &hash, PASSWORD, user.id, now + LIFETIME_MS, now).await?;
        links.push((user, token));
    }
    Ok(links)
}

/// Checks that a mailed link sets the password of this account. Errors: `Invalid`.
pub async fn check(tx: &mut Tx, token: &str, account: i64, now: i64) -> Result<()> {
    let found = store::link(tx, &code_hash(token), PASSWORD, now).await?;
    if found == Some(account) {
        return Ok(());
    }
    Err(Error::invalid_because(
        "Invalid reset token!",
        "it works once, within a day, for the account that it was mailed to; POST /rest/PasswordReset mails another",
    ))
}

/// Sets a password by a mailed link, uses the link up, and ends the account's sessions. Whoever got
/// the letter has confirmed the address, too.
pub async fn set_password(tx: &mut Tx, user: &User, password_hash: &str) -> Result<()> {
    store::remove_links(tx, PASSWORD, user.id).await?;
    store::set_password(tx, user.id, password_hash).await?;
    if user.status == Status::Unconfirmed {
        store::set_status(tx, user.id, Status::Active).await?;
    }
    Ok(())
}

/// Makes a link that confirms the address of a new account; returns what the link carries.
pub async fn issue_confirmation(tx: &mut Tx, account: i64, now: i64) -> Result<String> {
    let token = id::token();
    let hash = code_hash(&token);
    store::insert_link(tx, &hash, ADDRESS, account, now + LIFETIME_MS, now).await?;
    Ok(token)
}

/// Mails the link that confirms an address.
pub async fn send_confirmation(cx: &Context, user: &User, token: &str) -> Result<()> {
    let base = mail::base_url(cx)?;
    let text = format!(
        "Somebody, probably you, registered as {} at {base}.\n\n\
         This link confirms the e-mail address, within a day; then you can sign in:\n\n\
         {base}/confirm-email?token={token}\n",
        user.username
    );
    mail::send(
        cx,
        Letter::to(&user.email, "Confirm your e-mail address", text),
    )
    .await
}

/// Confirms the address that a link was mailed to; says whether the link still worked.
pub async fn confirm(cx: &Context, token: &str) -> Result<bool> {
    let (hash, now) = (code_hash(token), cx.now());
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let Some(account) = store::link(tx, &hash, ADDRESS, now).await? else {
                    return Ok(false);
                };
                store::remove_links(tx, ADDRESS, account).await?;
                let user = store::find(tx, account).await?;
                if user.is_some_and(|user| user.status == Status::Unconfirmed) {
                    store::set_status(tx, account, Status::Active).await?;
                }
                Ok(true)
            })
        })
        .await
}
