//! Who is asking, and the rules of accounts.

use axum::http::{HeaderMap, Method, header};

use super::registration::check_person;
pub use super::registration::{create, register};
pub use super::removal::{delete, disable, enable};
pub use super::reset::{confirm as confirm_address, request as request_reset};
use super::session::{COOKIE, CSRF_COOKIE, cookie};
use super::types::{Actor, Status, User, UserPatch};
use super::{avatar, password, reset, store};
use crate::context::Context;
use crate::database::{Database, Tx};
use crate::error::{Error, Result};
use crate::http::not_signed_in;
use crate::journal::{self, Change};
use crate::{id, storage};

/// The account that strangers share, if there is one.
pub const ANONYMOUS: &str = "anonymous";
/// Minutes that a one-time sign-in link works.
const CODE_MINUTES: i64 = 60;

/// The account behind a request: by API token, or by session (unsafe methods then need the CSRF token).
///
/// Returns none when the request carries no credentials. Errors: `Unauthenticated` for wrong ones.
pub async fn identify(cx: &Context, headers: &HeaderMap, method: &Method) -> Result<Option<Actor>> {
    if let Some(key) = token_of(headers) {
        let key = key.to_owned();
        let user = cx
            .database
            .read(move |tx| Box::pin(async move { store::find_by_token(tx, &key).await }))
            .await?;
        let user = user.ok_or_else(|| Error::Unauthenticated("Invalid token.".into()))?;
        if user.status != Status::Active {
            return Err(Error::Unauthenticated("User inactive or deleted.".into()));
        }
        return Ok(Some(Actor::from(&user)));
    }
    let session =
        cookie(headers, COOKIE).and_then(|text| Some((text, cx.session_key.open(text, cx.now())?)));
    let Some((text, (account, epoch))) = session else {
        return Ok(None);
    };
    let cookie_hash = code_hash(text);
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe && !csrf_fits(headers) {
        return Err(Error::Forbidden(
            "CSRF Failed: send the csrftoken cookie as the header X-CSRFToken, from a page of this site.".into(),
        ));
    }
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let current = store::secrets(tx, account)
                    .await?
                    .is_some_and(|(_, now)| now == epoch)
                    && !store::has_ended(tx, &cookie_hash).await?;
                let user = if current {
                    store::find(tx, account).await?
                } else {
                    None
                };
                let user = user.filter(|user| user.status == Status::Active);
                Ok(user.as_ref().map(Actor::from))
            })
        })
        .await
}

fn token_of(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .trim()
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("token").then(|| key.trim())
}

/// Whether a page of this site sent a request, or no page did.
///
/// Browsers say where a request was made in `Sec-Fetch-Site`, older ones in `Origin`.
pub fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && [text("host"), text("x-forwarded-host")].contains(&host)
        }
        (None, None) => true,
    }
}

/// Whether the CSRF header repeats the CSRF cookie, and no other site sent them.
pub fn csrf_fits(headers: &HeaderMap) -> bool {
    if !is_from_here(headers) {
        return false;
    }
    let sent = headers
        .get("x-csrftoken")
        .and_then(|value| value.to_str().ok());
    sent.is_some_and(|sent| !sent.is_empty() && cookie(headers, CSRF_COOKIE) == Some(sent))
}

/// Checks a name and password; counts failures and locks the name after too many.
///
/// One check runs at a time: failures are counted exactly, and the memory that hashing takes is bounded.
pub async fn authenticate(cx: &Context, username: &str, password: String) -> Result<User> {
    let wrong =
        || Error::Unauthenticated("Could not authenticate with provided credentials!".into());
    let _turn = cx.lockout.turn().await;
    if cx.lockout.is_locked(username) {
        return Err(Error::Unauthenticated(format!(
            "Could not authenticate with provided credentials! This account is locked after too many failed \
             attempts; try again in {} minutes.",
            cx.settings.account.lockout_minutes
        )));
    }
    let name = username.to_owned();
    let found = cx
        .database
        .read(move |tx| {
            Box::pin(async move {
                let Some(user) = store::find_by_name(tx, &name).await? else {
                    return Ok(None);
                };
                let secrets = store::secrets(tx, user.id).await?;
                Ok(secrets.map(|(hash, _)| (user, hash)))
            })
        })
        .await?;
    let (user, hash) = match found {
        Some((user, hash)) => (Some(user), hash),
        // An unknown name takes as long as a known one.
        None => (None, password::of_nobody().await?),
    };
    let fits = password::fits(password, hash).await?;
    match user.filter(|_| fits) {
        Some(user) => {
            cx.lockout.succeeded(username);
            check_status(&user)?;
            Ok(user)
        }
        None => {
            cx.lockout.failed(username);
            Err(wrong())
        }
    }
}

/// Tells who knows the password why it does not let them in.
fn check_status(user: &User) -> Result<()> {
    let why = match user.status {
        Status::Active => return Ok(()),
        Status::Disabled => "This account is disabled; ask whoever runs the station.",
        Status::Unconfirmed => {
            "Open the link in the letter that confirms your e-mail address first."
        }
    };
    Err(Error::Unauthenticated(format!(
        "Could not authenticate with provided credentials! {why}"
    )))
}

/// The API token of an account: the same every time, until `refresh` replaces it.
pub async fn token(cx: &Context, account: i64, refresh: bool) -> Result<String> {
    let existing = cx
        .database
        .read(move |tx| Box::pin(store::token(tx, account)))
        .await?;
    if let (Some(key), false) = (existing, refresh) {
        return Ok(key);
    }
    let now = cx.now();
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                if let (Some(key), false) = (store::token(tx, account).await?, refresh) {
                    return Ok(key);
                }
                let key = id::token();
                store::set_token(tx, account, &key, now).await?;
                Ok(key)
            })
        })
        .await
}

/// Seals the tokens that an older version left as they were.
pub async fn seal_tokens(database: &Database) -> Result<()> {
    database
        .write(|tx| Box::pin(async move { store::seal_tokens(tx).await }))
        .await
}

/// A session cookie's text for an account.
pub async fn session(cx: &Context, account: i64) -> Result<String> {
    let secrets = cx
        .database
        .read(move |tx| Box::pin(store::secrets(tx, account)))
        .await?;
    let (_, epoch) = secrets.ok_or_else(|| Error::no_reference("User"))?;
    Ok(cx.session_key.sign(account, epoch, cx.now()))
}

/// Ends the session of a request, if it carries one that still works, in every copy of its cookie.
pub async fn end_session(cx: &Context, headers: &HeaderMap) -> Result<()> {
    let now = cx.now();
    let session = cookie(headers, COOKIE)
        .and_then(|text| Some((code_hash(text), cx.session_key.expires_at(text, now)?)));
    let Some((hash, expires_at)) = session else {
        return Ok(());
    };
    cx.database
        .write(move |tx| {
            Box::pin(async move { store::end_session(tx, &hash, expires_at, now).await })
        })
        .await
}

/// Ends every session of the account.
pub async fn end_sessions(cx: &Context, account: i64) -> Result<()> {
    cx.database
        .write(move |tx| Box::pin(store::end_sessions(tx, account)))
        .await
}

/// A code that signs its account in once, within an hour.
pub async fn sign_in_code(cx: &Context, username: &str) -> Result<String> {
    let user = by_name(cx, username).await?;
    if user.status != Status::Active {
        return Err(Error::invalid(format!(
            "the account {username} is {}; let it in first: transect user enable {username}",
            user.status.name()
        )));
    }
    let code = id::token();
    let (hash, expires) = (code_hash(&code), cx.now() + CODE_MINUTES * 60_000);
    cx.database
        .write(move |tx| {
            Box::pin(async move { store::insert_code(tx, &hash, user.id, expires).await })
        })
        .await?;
    Ok(code)
}

/// Uses a sign-in code up; returns its account.
pub async fn use_code(cx: &Context, code: &str) -> Result<Option<i64>> {
    let (hash, now) = (code_hash(code), cx.now());
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let Some(account) = store::take_code(tx, &hash, now).await? else {
                    return Ok(None);
                };
                let user = store::find(tx, account).await?;
                Ok(user
                    .filter(|user| user.status == Status::Active)
                    .map(|user| user.id))
            })
        })
        .await
}

/// What is kept of a text that signs somebody in or proves who they are.
pub(super) fn code_hash(code: &str) -> String {
    blake3::hash(code.as_bytes()).to_hex().to_string()
}

/// The account of that name. Errors: `NotFound`.
pub async fn by_name(cx: &Context, username: &str) -> Result<User> {
    let name = username.to_owned();
    let found = cx
        .database
        .read(move |tx| Box::pin(async move { store::find_by_name(tx, &name).await }))
        .await?;
    found.ok_or_else(|| Error::NotFound(format!("there is no user named {username}")))
}

/// Every account, in the order of ids; for the command line.
pub async fn list(cx: &Context) -> Result<Vec<User>> {
    cx.database.read(|tx| Box::pin(store::list(tx))).await
}

/// One account, as far as the caller may see it: oneself, as staff, or sharing a project.
pub async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<User> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let user = store::find(tx, id)
                    .await?
                    .ok_or_else(|| Error::no_match("User"))?;
                let visible = actor.id == id
                    || actor.is_staff
                    || store::share_a_project(tx, actor.id, id).await?;
                if visible {
                    Ok(user)
                } else {
                    Err(Error::forbidden())
                }
            })
        })
        .await
}

/// Accounts found by exactly one of elemental id, name (any case) or e-mail (exact), in this precedence.
pub async fn find(
    cx: &Context,
    elemental_id: Option<String>,
    username: Option<String>,
    email: Option<String>,
) -> Result<Vec<User>> {
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                if let Some(uuid) = elemental_id {
                    return store::list_by(tx, "elemental_id", &id::parse_uuid(&uuid)?).await;
                }
                if let Some(name) = username {
                    return Ok(store::find_by_name(tx, &name).await?.into_iter().collect());
                }
                match email {
                    Some(email) => store::list_by(tx, "email", &email).await,
                    None => Err(Error::invalid(
                        "Must specify one of username, email, or elemental_id!",
                    )),
                }
            })
        })
        .await
}

/// An elemental id that no other account has: it names the author in overrides.
pub(super) async fn free_elemental_id(tx: &mut Tx, uuid: &str, but: Option<i64>) -> Result<String> {
    let uuid = id::parse_uuid(uuid)?;
    let others = store::list_by(tx, "elemental_id", &uuid).await?;
    if others.iter().any(|other| Some(other.id) != but) {
        return Err(Error::invalid("Elemental ID is already in use!"));
    }
    Ok(uuid)
}

/// Changes an account: one's own, any as staff, or the one that a mailed link is for.
///
/// Errors: `Invalid` for a password without such a link, or one that is too short; `Forbidden` for the account that everybody
/// shares.
pub(super) async fn update(
    cx: &Context,
    actor: Option<&Actor>,
    id: i64,
    patch: UserPatch,
) -> Result<User> {
    let stamp = cx.clock.stamp(actor.map(|actor| actor.id), cx.now());
    let hash = new_password(cx, actor, id, &patch).await?;
    let uploader = actor.map_or(id, |actor| actor.id);
    let token = patch.reset_token.clone();
    let by_link = token.is_some();
    let (user, replaced) = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                let before = store::find(tx, id)
                    .await?
                    .ok_or_else(|| Error::no_match("User"))?;
                if let Some(token) = &token {
                    reset::check(tx, token, id, stamp.at_ms).await?;
                }
                let user = change(tx, uploader, &before, patch).await?;
                store::update(tx, &user).await?;
                if let Some(hash) = &hash {
                    reset::set_password(tx, &before, hash).await?;
                }
                let changes = Change::updated(id, &before, &user)?;
                journal::record(tx, &stamp, None, "account", changes).await?;
                let replaced = before.profile.get("avatar") != user.profile.get("avatar");
                Ok((user, replaced))
            })
        })
        .await?;
    if by_link {
        cx.lockout.succeeded(&user.username);
    }
    if replaced {
        storage::collect(cx).await?;
    }
    Ok(user)
}

/// Sets a password by a mailed link. Errors: `Invalid` when the link does not work (any more).
pub async fn reset_password(cx: &Context, id: i64, token: String, new: String) -> Result<()> {
    let patch = UserPatch {
        password: Some(new),
        reset_token: Some(token),
        ..UserPatch::default()
    };
    update(cx, None, id, patch).await.map(drop)
}

/// Checks who may change an account; returns the hash of its new password, if it gets one.
async fn new_password(
    cx: &Context,
    actor: Option<&Actor>,
    id: i64,
    patch: &UserPatch,
) -> Result<Option<String>> {
    let shared = cx.database.read(move |tx| {
        Box::pin(async move { Ok(store::find(tx, id).await?.map(|user| user.username)) })
    });
    if shared.await?.as_deref() == Some(ANONYMOUS) {
        return Err(Error::forbidden());
    }
    let Some(token) = patch.reset_token.clone() else {
        let actor = actor.ok_or_else(not_signed_in)?;
        if actor.id != id && !actor.is_staff {
            return Err(Error::forbidden());
        }
        return match patch.password {
            None => Ok(None),
            Some(_) => Err(Error::invalid_because(
                "Invalid reset token!",
                "a password is changed with a link that POST /rest/PasswordReset mails, or by whoever runs the station",
            )),
        };
    };
    // Hashing takes long: nobody without a link starts it.
    let now = cx.now();
    cx.database
        .read(move |tx| Box::pin(async move { reset::check(tx, &token, id, now).await }))
        .await?;
    match &patch.password {
        Some(new) => {
            password::check(&cx.settings.account, new)?;
            Ok(Some(password::hash(new.clone()).await?))
        }
        None => Ok(None),
    }
}

async fn change(tx: &mut Tx, uploader: i64, before: &User, patch: UserPatch) -> Result<User> {
    let (id, mut user) = (before.id, before.clone());
    if let Some(email) = patch.email {
        let others = store::list_by(tx, "email", &email).await?;
        if others.iter().any(|other| other.id != id) {
            return Err(Error::invalid("Email is already in use!"));
        }
        user.email = email;
    }
    user.first_name = patch.first_name.unwrap_or(user.first_name);
    user.last_name = patch.last_name.unwrap_or(user.last_name);
    check_person(&user)?;
    if let Some(uuid) = patch.elemental_id {
        user.elemental_id = free_elemental_id(tx, &uuid, Some(id)).await?;
    }
    avatar::check_given(&patch.set_profile_keys)?;
    user.profile.extend(patch.set_profile_keys);
    for key in &patch.clear_profile_keys {
        if key == "avatar" {
            avatar::clear(tx, id, &mut user.profile).await?;
        }
        user.profile.shift_remove(key);
    }
    if patch.clear_avatar != 0 {
        avatar::clear(tx, id, &mut user.profile).await?;
    }
    if let Some(upload) = patch.new_avatar {
        avatar::keep(tx, uploader, id, &mut user.profile, &upload).await?;
    }
    Ok(user)
}

/// Sets a password from the command line, and ends the account's sessions.
pub async fn set_password(cx: &Context, username: &str, new: String) -> Result<()> {
    let user = by_name(cx, username).await?;
    password::check(&cx.settings.account, &new)?;
    let hash = password::hash(new).await?;
    cx.lockout.succeeded(username);
    cx.database
        .write(move |tx| Box::pin(async move { store::set_password(tx, user.id, &hash).await }))
        .await
}

/// Whether there is such an account.
pub async fn exists(tx: &mut Tx, id: i64) -> Result<bool> {
    Ok(store::find(tx, id).await?.is_some())
}

/// The accounts with this e-mail address, in any case of letters, by id.
pub async fn by_email(tx: &mut Tx, email: &str) -> Result<Vec<User>> {
    store::list_by_email(tx, email).await
}

/// The account that strangers share, where the settings let them in and there is one.
///
/// Errors: `Forbidden` where they do not, `NotFound` when there is none.
pub async fn anonymous(cx: &Context) -> Result<i64> {
    if !cx.settings.account.anonymous_gateway {
        return Err(Error::Forbidden(
            "The anonymous gateway is not enabled on this station (account.anonymous_gateway)."
                .into(),
        ));
    }
    let found = cx
        .database
        .read(move |tx| Box::pin(store::find_by_name(tx, ANONYMOUS)))
        .await?;
    found
        .filter(|user| user.status == Status::Active)
        .map(|user| user.id)
        .ok_or_else(|| Error::no_reference("User"))
}

/// The account with this elemental id, as an author override names it. Errors: `NotFound`.
pub async fn author(tx: &mut Tx, elemental_id: &str) -> Result<i64> {
    let uuid = id::parse_uuid(elemental_id)?;
    let found = store::list_by(tx, "elemental_id", &uuid).await?;
    found
        .first()
        .map(|user| user.id)
        .ok_or_else(|| Error::no_reference("User"))
}

/// An account by id, for other nouns. Errors: `NotFound` in the wire's words for references.
pub async fn reference(tx: &mut Tx, id: i64) -> Result<User> {
    store::find(tx, id)
        .await?
        .ok_or_else(|| Error::no_reference("User"))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_pages_of_this_site_repeat_the_csrf_cookie() {
        let fits = |more: &[(&'static str, &'static str)]| {
            let basic = [
                ("cookie", "csrftoken=abc"),
                ("x-csrftoken", "abc"),
                ("host", "a.example"),
            ];
            let headers = basic.iter().chain(more).map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            });
            csrf_fits(&headers.collect())
        };
        assert!(fits(&[]) && fits(&[("origin", "https://a.example")]));
        assert!(fits(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "null")
        ]));
        assert!(
            !fits(&[("sec-fetch-site", "cross-site")]) && !fits(&[("sec-fetch-site", "same-site")])
        );
        assert!(!fits(&[("origin", "https://b.example")]) && !fits(&[("origin", "null")]));
        assert!(fits(&[
            ("origin", "https://c.example"),
            ("x-forwarded-host", "c.example")
        ]));
    }
}
