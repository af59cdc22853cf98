//! Rows of accounts, tokens and sign-in codes.

use serde_json::{Map, Value as Json};

use super::service::code_hash;
use super::types::{Status, User};
use crate::database::{Row, Tx};
use crate::error::Result;
use crate::secret;
use crate::values;

/// What the secret seals tokens for.
const SEAL: &str = "token";

const COLUMNS: &str = "a.id, a.is_staff, a.username, a.first_name, a.last_name, a.email, a.elemental_id, a.profile, a.status";

fn user(mut row: Row) -> Result<User> {
    Ok(User {
        id: row.take()?,
        is_staff: row.take()?,
        username: row.take()?,
        first_name: row.take()?,
        last_name: row.take()?,
        email: row.take()?,
        elemental_id: row.take()?,
        profile: match row.take::<Json>()? {
            Json::Object(profile) => profile,
            _ => Map::new(),
        },
        status: Status::from_name(&row.take::<String>()?),
    })
}

pub async fn find(tx: &mut Tx, id: i64) -> Result<Option<User>> {
    let sql = format!("select {COLUMNS} from account a where a.id = $1");
    tx.row(&sql, &values![id]).await?.map(user).transpose()
}

pub async fn find_by_name(tx: &mut Tx, username: &str) -> Result<Option<User>> {
    let sql = format!("select {COLUMNS} from account a where a.username_folded = $1");
    tx.row(&sql, &values![username.to_lowercase()])
        .await?
        .map(user)
        .transpose()
}

pub async fn find_by_token(tx: &mut Tx, key: &str) -> Result<Option<User>> {
    let sql = format!(
        "select {COLUMNS} from token t join account a on a.id = t.account where t.key_hash = $1 and t.key_hash <> ''"
    );
    tx.row(&sql, &values![code_hash(key)])
        .await?
        .map(user)
        .transpose()
}

/// Users whose `column` (email or elemental_id) is exactly `text`.
pub async fn list_by(tx: &mut Tx, column: &'static str, text: &str) -> Result<Vec<User>> {
    let sql = format!("select {COLUMNS} from account a where a.{column} = $1 order by a.id");
    tx.rows(&sql, &values![text])
        .await?
        .into_iter()
        .map(user)
        .collect()
}

/// Users with this e-mail address, in any case of letters.
pub async fn list_by_email(tx: &mut Tx, email: &str) -> Result<Vec<User>> {
    let folded = tx.dialect().lower("a.email");
    let sql = format!("select {COLUMNS} from account a where {folded} = $1 order by a.id");
    tx.rows(&sql, &values![email.to_lowercase()])
        .await?
        .into_iter()
        .map(user)
        .collect()
}

pub async fn list(tx: &mut Tx) -> Result<Vec<User>> {
    let sql = format!("select {COLUMNS} from account a order by a.id");
    tx.rows(&sql, &[]).await?.into_iter().map(user).collect()
}

/// The password hash and the session epoch.
pub async fn secrets(tx: &mut Tx, id: i64) -> Result<Option<(String, i64)>> {
    let row = tx
        .row(
            "select password_hash, session_epoch from account where id = $1",
            &values![id],
        )
        .await?;
    row.map(|mut row| Ok((row.take()?, row.take()?)))
        .transpose()
}

pub async fn insert(tx: &mut Tx, user: &User, password_hash: &str, now_ms: i64) -> Result<()> {
    tx.execute(
        "insert into account (id, username, username_folded, first_name, last_name, email, is_staff, \
         elemental_id, profile, password_hash, session_epoch, created_at, status) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $12)",
        &values![
            user.id,
            &user.username,
            user.username.to_lowercase(),
            &user.first_name,
            &user.last_name,
            &user.email,
            user.is_staff,
            &user.elemental_id,
            &Json::Object(user.profile.clone()),
            password_hash,
            now_ms,
            user.status.name()
        ],
    )
    .await?;
    Ok(())
}

pub async fn update(tx: &mut Tx, user: &User) -> Result<()> {
    tx.execute(
        "update account set first_name = $2, last_name = $3, email = $4, elemental_id = $5, profile = $6 where id = $1",
        &values![
            user.id,
            &user.first_name,
            &user.last_name,
            &user.email,
            &user.elemental_id,
            &Json::Object(user.profile.clone())
        ],
    )
    .await?;
    Ok(())
}

/// Opens or closes an account; ends its sessions.
pub async fn set_status(tx: &mut Tx, id: i64, status: Status) -> Result<()> {
    let sql = "update account set status = $2, session_epoch = session_epoch + 1 where id = $1";
    tx.execute(sql, &values![id, status.name()]).await?;
    Ok(())
}

/// Removes an account with its token and the links that were mailed to it.
pub async fn remove(tx: &mut Tx, id: i64) -> Result<()> {
    for table in ["token", "sign_in_code", "account_link"] {
        let sql = format!("delete from {table} where account = $1");
        tx.execute(&sql, &values![id]).await?;
    }
    tx.execute("delete from account where id = $1", &values![id])
        .await?;
    Ok(())
}

/// Sets the password and ends every session of the account.
pub async fn set_password(tx: &mut Tx, id: i64, password_hash: &str) -> Result<()> {
    let sql =
        "update account set password_hash = $2, session_epoch = session_epoch + 1 where id = $1";
    tx.execute(sql, &values![id, password_hash]).await?;
    Ok(())
}

/// Ends every session of the account.
pub async fn end_sessions(tx: &mut Tx, id: i64) -> Result<()> {
    tx.execute(
        "update account set session_epoch = session_epoch + 1 where id = $1",
        &values![id],
    )
    .await?;
    Ok(())
}

/// Remembers a session as ended until its cookie would have expired; forgets older ones.
pub async fn end_session(
    tx: &mut Tx,
    cookie_hash: &str,
    expires_at: i64,
    now_ms: i64,
) -> Result<()> {
    tx.execute(
        "delete from ended_session where expires_at <= $1",
        &values![now_ms],
    )
    .await?;
    tx.execute(
        "insert into ended_session (cookie_hash, expires_at) values ($1, $2) on conflict do nothing",
        &values![cookie_hash, expires_at],
    )
    .await?;
    Ok(())
}

pub async fn has_ended(tx: &mut Tx, cookie_hash: &str) -> Result<bool> {
    Ok(tx
        .row(
            "select expires_at from ended_session where cookie_hash = $1",
            &values![cookie_hash],
        )
        .await?
        .is_some())
}

/// The token of an account, as text.
pub async fn token(tx: &mut Tx, account: i64) -> Result<Option<String>> {
    let sealed: Option<String> = tx
        .scalar(
            "select key_sealed from token where account = $1",
            &values![account],
        )
        .await?;
    let secret = secret::at_hand(tx)?;
    sealed.map(|sealed| secret.open(SEAL, &sealed)).transpose()
}

pub async fn set_token(tx: &mut Tx, account: i64, key: &str, now_ms: i64) -> Result<()> {
    let sealed = secret::at_hand(tx)?.seal(SEAL, key);
    tx.execute(
        "insert into token (account, key_hash, key_sealed, created_at) values ($1, $2, $3, $4) \
         on conflict (account) do update set key_hash = $2, key_sealed = $3, created_at = $4",
        &values![account, code_hash(key), sealed, now_ms],
    )
    .await?;
    Ok(())
}

/// Seals the tokens that an older version left as they were.
pub async fn seal_tokens(tx: &mut Tx) -> Result<()> {
    let sql = "select account, key_sealed, created_at from token where key_hash = ''";
    for mut row in tx.rows(sql, &[]).await? {
        let (account, key, created_at): (i64, String, i64) =
            (row.take()?, row.take()?, row.take()?);
        set_token(tx, account, &key, created_at).await?;
    }
    Ok(())
}

pub async fn insert_code(
    tx: &mut Tx,
    code_hash: &str,
    account: i64,
    expires_at: i64,
) -> Result<()> {
    let sql = "insert into sign_in_code (code_hash, account, expires_at) values ($1, $2, $3)";
    tx.execute(sql, &values![code_hash, account, expires_at])
        .await?;
    Ok(())
}

/// Uses a sign-in code up; returns its account if it had not expired.
pub async fn take_code(tx: &mut Tx, code_hash: &str, now_ms: i64) -> Result<Option<i64>> {
    tx.execute(
        "delete from sign_in_code where expires_at <= $1",
        &values![now_ms],
    )
    .await?;
    tx.scalar(
        "delete from sign_in_code where code_hash = $1 returning account",
        &values![code_hash],
    )
    .await
}

/// Remembers a mailed link; forgets those that have expired.
pub async fn insert_link(
    tx: &mut Tx,
    token_hash: &str,
    purpose: &str,
    account: i64,
    expires_at: i64,
    now_ms: i64,
) -> Result<()> {
    tx.execute(
        "delete from account_link where expires_at <= $1",
        &values![now_ms],
    )
    .await?;
    tx.execute(
        "insert into account_link (token_hash, purpose, account, expires_at) values ($1, $2, $3, $4)",
        &values![token_hash, purpose, account, expires_at],
    )
    .await?;
    Ok(())
}

/// The account of a mailed link that still works.
pub async fn link(
    tx: &mut Tx,
    token_hash: &str,
    purpose: &str,
    now_ms: i64,
) -> Result<Option<i64>> {
    tx.scalar(
        "select account from account_link where token_hash = $1 and purpose = $2 and expires_at > $3",
        &values![token_hash, purpose, now_ms],
    )
    .await
}

/// Whether an account has a mailed link that expires after this moment.
pub async fn has_link_after(
    tx: &mut Tx,
    purpose: &str,
    account: i64,
    expires_at: i64,
) -> Result<bool> {
    let sql = "select 1 from account_link where purpose = $1 and account = $2 and expires_at > $3";
    let found: Option<i64> = tx
        .scalar(sql, &values![purpose, account, expires_at])
        .await?;
    Ok(found.is_some())
}

/// Uses up the mailed links of an account that have this purpose.
pub async fn remove_links(tx: &mut Tx, purpose: &str, account: i64) -> Result<()> {
    let sql = "delete from account_link where purpose = $1 and account = $2";
    tx.execute(sql, &values![purpose, account]).await?;
    Ok(())
}

/// Whether two accounts are members of one project, or affiliated with one organization.
pub async fn share_a_project(tx: &mut Tx, one: i64, other: i64) -> Result<bool> {
    let found: Option<i64> = tx
        .scalar(
            "select 1 where exists (select 1 from membership m join membership n on n.project = m.project \
             join project p on p.id = m.project where m.account = $1 and n.account = $2 and not p.deleted) or exists (select 1 from affiliation m join affiliation n \
             on n.organization = m.organization where m.account = $1 and n.account = $2)",
            &values![one, other],
        )
        .await?;
    Ok(found.is_some())
}
