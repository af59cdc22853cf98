//! How accounts come to be: on the command line, by invitation, or by anybody where that is allowed.

use super::service::free_elemental_id;
use super::types::{Account, Actor, NewUser, Status, User};
use super::{avatar, password, reset, store};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Change, Stamp};
use crate::{id, invitation, mail, organization};

/// What comes with a registration over the API.
#[derive(Default)]
struct Extras {
    /// What the invitation's link carried.
    registration_token: Option<String>,
    /// An upload that becomes the picture, and who made it.
    avatar: Option<(i64, String)>,
    /// Whether the e-mail address is yet to be confirmed.
    confirm: bool,
}

/// Registers an account over the API: by invitation, or by anybody where the settings allow it.
///
/// Errors: `Invalid` for a name that is taken, and an invitation that does not work (any more) for
/// this e-mail address.
pub async fn register(
    cx: &Context,
    actor: Option<&Actor>,
    mut new: NewUser,
    new_avatar: Option<String>,
) -> Result<User> {
    let settings = &cx.settings.account;
    let token = new.registration_token.take();
    if !settings.anonymous_registration && token.is_none() {
        return Err(Error::invalid(
            "Registration token must be supplied in URL!",
        ));
    }
    let confirm = token.is_none() && settings.email_confirmation;
    if confirm {
        mail::check(cx)?;
        mail::base_url(cx)?;
    }
    let avatar = match (new_avatar, actor) {
        (Some(upload), Some(actor)) => Some((actor.id, upload)),
        (Some(_), None) => return Err(Error::forbidden()),
        (None, _) => None,
    };
    let extras = Extras {
        registration_token: token,
        avatar,
        confirm,
    };
    new.is_staff = false;
    let (user, confirmation) = make(cx, new, extras).await?;
    if let Some(token) = confirmation {
        reset::send_confirmation(cx, &user, &token).await?;
    }
    Ok(user)
}

/// Makes an account, and an organization for it where the settings say so, or where it administers
/// a station that has none.
///
/// Errors: `Invalid` when the name is taken, empty or too long, or the password too short.
pub async fn create(cx: &Context, new: NewUser) -> Result<User> {
    Ok(make(cx, new, Extras::default()).await?.0)
}

/// Makes an account; returns what its confirming link carries, if it needs one.
async fn make(cx: &Context, new: NewUser, extras: Extras) -> Result<(User, Option<String>)> {
    check_name(&new.username)?;
    password::check(&cx.settings.account, &new.password)?;
    avatar::check_given(&new.profile)?;
    let hash = password::hash(new.password.clone()).await?;
    let stamp = cx.clock.stamp(None, cx.now());
    let own_organization = cx.settings.account.autocreate_organization;
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let user = insert(tx, &stamp, new, &hash, &extras).await?;
                if let Some(token) = &extras.registration_token {
                    invitation::service::accept(tx, &stamp, token, &user).await?;
                }
                first_organization(tx, &stamp, &user, own_organization).await?;
                let confirmation = if extras.confirm {
                    Some(reset::issue_confirmation(tx, user.id, stamp.at_ms).await?)
                } else {
                    None
                };
                Ok((user, confirmation))
            })
        })
        .await
}

async fn insert(
    tx: &mut Tx,
    stamp: &Stamp,
    new: NewUser,
    password_hash: &str,
    extras: &Extras,
) -> Result<User> {
    if store::find_by_name(tx, &new.username).await?.is_some() {
        return Err(Error::invalid("Username is already taken!"));
    }
    let elemental_id = match &new.elemental_id {
        Some(uuid) => free_elemental_id(tx, uuid, None).await?,
        None => id::uuid(),
    };
    let mut user = User {
        id: tx.allocate("account", 1).await?,
        is_staff: new.is_staff,
        username: new.username,
        first_name: new.first_name,
        last_name: new.last_name,
        email: new.email,
        elemental_id,
        profile: new.profile,
        status: if extras.confirm {
            Status::Unconfirmed
        } else {
            Status::Active
        },
    };
    check_person(&user)?;
    if let Some((uploader, upload)) = &extras.avatar {
        avatar::keep(tx, *uploader, user.id, &mut user.profile, upload).await?;
    }
    store::insert(tx, &user, password_hash, stamp.at_ms).await?;
    store::set_token(tx, user.id, &id::token(), stamp.at_ms).await?;
    let changes = Change::created(user.id, &Account::from(&user))?;
    journal::record(tx, stamp, None, "account", changes).await?;
    Ok(user)
}

async fn first_organization(tx: &mut Tx, stamp: &Stamp, user: &User, own: bool) -> Result<()> {
    if own {
        let name = format!("{}'s Team", user.username);
        organization::service::create_for(tx, stamp, user.id, &name).await?;
    } else if user.is_staff && !organization::service::any(tx).await? {
        // So that the first administrator can make projects at once.
        let name: String = user.username.chars().take(128).collect();
        organization::service::create_for(tx, stamp, user.id, &name).await?;
    }
    Ok(())
}

/// Checks how long the names of a person are.
pub(super) fn check_person(user: &User) -> Result<()> {
    let names = [&user.first_name, &user.last_name];
    if names.iter().any(|name| name.chars().count() > 150) {
        return Err(Error::invalid(
            "a first and a last name have at most 150 characters each",
        ));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    if name.trim().is_empty() || name.chars().count() > 150 {
        return Err(Error::invalid("a user name has 1 to 150 characters"));
    }
    Ok(())
}
