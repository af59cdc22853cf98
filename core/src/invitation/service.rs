//! Rules of invitations: Admins of the organization look after them.

use super::store;
use super::types::{Invitation, InvitationPatch, NewInvitation, Status};
use crate::account::{self, Actor, User};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Chain, Error, Result};
use crate::id;
use crate::journal::{self, Change, Stamp};
use crate::mail::{self, Letter};
use crate::organization::{self, Affiliation, Role};

const DAY_MS: i64 = 24 * 3_600_000;

pub(super) async fn list(
    cx: &Context,
    actor: &Actor,
    organization: i64,
) -> Result<Vec<Invitation>> {
    let (actor, now) = (actor.clone(), cx.now());
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                organization::access(tx, &actor, organization, Role::Admin).await?;
                store::list(tx, organization, now).await
            })
        })
        .await
}

pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<Invitation> {
    let (actor, now) = (actor.clone(), cx.now());
    cx.database
        .read(move |tx| Box::pin(async move { administered(tx, &actor, id, now).await }))
        .await
}

async fn administered(tx: &mut Tx, actor: &Actor, id: i64, now: i64) -> Result<Invitation> {
    let found = store::find(tx, id, now)
        .await?
        .ok_or_else(|| Error::no_match("Invitation"))?;
    organization::access(tx, actor, found.organization, Role::Admin).await?;
    Ok(found)
}

/// An invitation that was just made, and how to tell whoever is invited.
struct Made {
    invitation: Invitation,
    organization: String,
    /// Whether the e-mail address is that of an account.
    registered: bool,
}

/// Invites an e-mail address; returns the invitation and a sentence that says what comes next: a
/// letter was sent, or else the link to hand over.
///
/// Errors: `Invalid` for a pending invitation of the same address, somebody who is in already, and
/// an address of several accounts.
pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    origin: &str,
    organization: i64,
    new: NewInvitation,
) -> Result<(Invitation, String)> {
    let email = new.email.trim().to_owned();
    if !mail::is_address(&email) {
        return Err(Error::invalid(format!("{email:?} is no e-mail address")));
    }
    let lifetime = i64::from(cx.settings.account.invitation_days) * DAY_MS;
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    let made = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                organization::access(tx, &actor, organization, Role::Admin).await?;
                let registered = check_invited(tx, organization, &email, stamp.at_ms).await?;
                let invitation = Invitation {
                    id: tx.allocate("invitation", 1).await?,
                    organization,
                    organization_id: organization,
                    created_by: actor.id,
                    created_by_id: actor.id,
                    created_username: actor.username,
                    created_datetime: stamp.at_ms,
                    status: Status::Pending,
                    registration_token: id::random_uuid(),
                    email,
                    permission: new.permission,
                    expires_at: stamp.at_ms + lifetime,
                };
                store::insert(tx, &invitation).await?;
                let changes = Change::created(invitation.id, &invitation.without_token())?;
                journal::record(tx, &stamp, None, "invitation", changes).await?;
                Ok(Made {
                    invitation,
                    organization: organization::service::name_of(tx, organization).await?,
                    registered,
                })
            })
        })
        .await?;
    let message = tell(cx, origin, &made).await;
    Ok((made.invitation, message))
}

/// Checks that an address can be invited; says whether it is that of an account.
async fn check_invited(tx: &mut Tx, organization: i64, email: &str, now: i64) -> Result<bool> {
    let same = |invitation: &Invitation| invitation.email.to_lowercase() == email.to_lowercase();
    let pending = store::list(tx, organization, now).await?;
    if pending
        .iter()
        .any(|one| one.status == Status::Pending && same(one))
    {
        return Err(Error::invalid(format!(
            "Invitation already exists for email {email}!"
        )));
    }
    match account::service::by_email(tx, email).await?.as_slice() {
        [] => Ok(false),
        [user] if organization::service::has_member(tx, organization, user.id).await? => {
            Err(Error::invalid(format!(
                "User with email {email} is already affiliated with organization {organization}!"
            )))
        }
        [_] => Ok(true),
        _ => Err(Error::invalid(format!(
            "Several users have the email {email}! Add the right one as an affiliation."
        ))),
    }
}

/// Mails the link, or says where it leads.
async fn tell(cx: &Context, origin: &str, made: &Made) -> String {
    let site = cx.settings.site.url.trim_end_matches('/');
    let base = if site.is_empty() { origin } else { site };
    let token = &made.invitation.registration_token;
    let (link, what) = if made.registered {
        (
            format!("{base}/accept?registration_token={token}"),
            "User can accept the invitation",
        )
    } else {
        (
            format!("{base}/registration?registration_token={token}"),
            "User can register for an account",
        )
    };
    let by_hand = format!("{what} at this link: {link}");
    if mail::check(cx).is_err() {
        return by_hand;
    }
    let text = format!(
        "{} invites you to the organization {} at {base}.\n\n\
         This link accepts the invitation:\n\n{link}\n",
        made.invitation.created_username, made.organization
    );
    let subject = format!(
        "Invitation to {}",
        made.organization.replace(char::is_control, " ")
    );
    let letter = Letter::to(&made.invitation.email, subject, text);
    match mail::send(cx, letter).await {
        Ok(()) => format!("Invitation sent to {}!", made.invitation.email),
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "an invitation could not be mailed");
            format!("The invitation could not be mailed ({error}). {by_hand}")
        }
    }
}

/// Changes an invitation; marking it as accepted affiliates nobody.
pub(super) async fn update(
    cx: &Context,
    actor: &Actor,
    id: i64,
    patch: InvitationPatch,
) -> Result<Invitation> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = administered(tx, &actor, id, stamp.at_ms).await?;
                let after = Invitation {
                    status: patch.status.unwrap_or(before.status),
                    permission: patch.permission.unwrap_or(before.permission),
                    ..before.clone()
                };
                change(tx, &stamp, &before, &after).await?;
                Ok(after)
            })
        })
        .await
}

async fn change(tx: &mut Tx, stamp: &Stamp, before: &Invitation, after: &Invitation) -> Result<()> {
    store::update(tx, after).await?;
    let changes = Change::updated(after.id, &before.without_token(), &after.without_token())?;
    journal::record(tx, stamp, None, "invitation", changes).await
}

pub(super) async fn remove(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = administered(tx, &actor, id, stamp.at_ms).await?;
                erase(tx, &stamp, &before).await
            })
        })
        .await
}

async fn erase(tx: &mut Tx, stamp: &Stamp, invitation: &Invitation) -> Result<()> {
    store::remove(tx, invitation.id).await?;
    let changes = Change::deleted(invitation.id, &invitation.without_token())?;
    journal::record(tx, stamp, None, "invitation", changes).await
}

/// Removes the invitations of an organization that goes away.
pub async fn remove_of(tx: &mut Tx, stamp: &Stamp, organization: i64) -> Result<()> {
    for invitation in store::list(tx, organization, stamp.at_ms).await? {
        erase(tx, stamp, &invitation).await?;
    }
    Ok(())
}

/// What a link is good for: the invitation and the name of its organization.
///
/// Errors: `Invalid` when there is no such invitation, or it is used or expired.
pub async fn of_token(cx: &Context, token: &str) -> Result<(Invitation, String)> {
    let (token, now) = (token.to_owned(), cx.now());
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let invitation = pending(tx, &token, now).await?;
                let name = organization::service::name_of(tx, invitation.organization).await?;
                Ok((invitation, name))
            })
        })
        .await
}

async fn pending(tx: &mut Tx, token: &str, now: i64) -> Result<Invitation> {
    let found = store::find_by_token(tx, token, now).await?;
    match found {
        Some(invitation) if invitation.status == Status::Pending => Ok(invitation),
        Some(invitation) if invitation.status == Status::Accepted => Err(Error::invalid(
            "The invitation with this registration token was accepted before!",
        )),
        Some(_) => Err(Error::invalid(
            "The invitation with this registration token has expired! Ask for another one.",
        )),
        None => Err(Error::invalid("No invitation has this registration token!")),
    }
}

/// Uses an invitation up for an account, which becomes affiliated.
///
/// Errors: `Invalid` when it cannot be used (any more), is for another e-mail address, or the
/// account is affiliated already.
pub async fn accept(tx: &mut Tx, stamp: &Stamp, token: &str, user: &User) -> Result<Affiliation> {
    let before = pending(tx, token, stamp.at_ms).await?;
    if before.email.to_lowercase() != user.email.to_lowercase() {
        return Err(Error::invalid(
            "The invitation with this registration token is for another email!",
        ));
    }
    let (organization, role) = (before.organization, before.permission);
    let made = organization::service::join(tx, stamp, organization, user.id, role).await?;
    let after = Invitation {
        status: Status::Accepted,
        ..before.clone()
    };
    change(tx, stamp, &before, &after).await?;
    Ok(made)
}

/// Accepts an invitation on behalf of the actor. Errors: as [`accept`].
pub async fn accept_as(cx: &Context, actor: &Actor, token: &str) -> Result<Affiliation> {
    let (account, token) = (actor.id, token.to_owned());
    let stamp = cx.clock.stamp(Some(account), cx.now());
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let user = account::service::reference(tx, account).await?;
                accept(tx, &stamp, &token, &user).await
            })
        })
        .await
}
