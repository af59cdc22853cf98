//! Commands: what the command line asks of a station, whoever performs it.
//!
//! A command is one variant of [`Command`] and one arm of [`run`]. It travels as JSON when a
//! running station performs it, so it holds plain values, and paths in it are absolute.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::{doctor, serve};
use crate::account::service as accounts;
use crate::account::{Account, NewUser};
use crate::announcement;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::export::{self, Export};
use crate::frames;
use crate::media::import::{self, Import};
use crate::project::Level;
use crate::project::service as projects;
use crate::storage::quota;
use crate::storage::s3::keys;

/// What can be asked of a station.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Makes an account. Answers with the user as the API shows it.
    UserCreate {
        /// Its name.
        name: String,
        /// Its e-mail address, or an empty text.
        email: String,
        /// Its password.
        password: String,
        /// Whether it administers the station.
        admin: bool,
    },
    /// Answers with the API token of an account, as text.
    UserToken {
        /// Its name.
        name: String,
    },
    /// Gives an account a level in a project. Answers null.
    UserGrant {
        /// The account's name.
        name: String,
        /// The project's name.
        project: String,
        /// The level, as the API names it.
        level: Level,
    },
    /// Answers with every account, in the order of ids.
    UserList,
    /// Replaces a password and ends the account's sessions. Answers null.
    UserPassword {
        /// Its name.
        name: String,
        /// The new password.
        password: String,
    },
    /// Answers with a link that signs the account in once, within an hour, as text.
    UserSignInLink {
        /// Its name.
        name: String,
    },
    /// Keeps an account out until it is enabled. Answers null.
    UserDisable {
        /// Its name.
        name: String,
    },
    /// Lets an account in again. Answers null.
    UserEnable {
        /// Its name.
        name: String,
    },
    /// Deletes an account; what it annotated stays. Answers null.
    UserDelete {
        /// Its name.
        name: String,
    },
    /// Tells everybody something for some days. Answers with the announcement as the API shows it.
    Announce {
        /// What is told, in Markdown.
        text: String,
        /// For how many days.
        days: i64,
    },
    /// Takes an announcement back. Answers null.
    Withdraw {
        /// Its id.
        announcement: i64,
    },
    /// Imports media. Tells an [`Imported`](crate::media::import::Imported) for each file. Answers null.
    Import(Import),
    /// Exports annotations. Answers with a [`Report`](crate::export::Report).
    Export(Export),
    /// Makes a key for an S3 client. Answers with a [`Made`](crate::storage::s3::keys::Made).
    S3KeyCreate {
        /// The account's name; the first administrator's without one.
        user: Option<String>,
        /// The only bucket that it reaches.
        bucket: Option<String>,
        /// Whether it changes nothing.
        read_only: bool,
    },
    /// Answers with every key of S3 clients, oldest first, as [`Listed`](crate::storage::s3::keys::Listed).
    S3KeyList,
    /// Removes a key of S3 clients. Answers null.
    S3KeyRemove {
        /// Its name.
        access_key: String,
    },
    /// Answers with every bucket, project and organization that holds something or has a quota, as [`Use`](quota::Use)s.
    QuotaList,
    /// Sets a quota, or lifts it. Answers with a [`Use`](quota::Use).
    QuotaSet {
        /// Whose it is.
        target: quota::Target,
        /// Bytes; none for as many as the disk takes.
        quota_bytes: Option<u64>,
    },
    /// Checks the database from end to end, and the search index against it. Answers with [`doctor::Finding`]s.
    CheckDatabase {
        /// Whether the search index is built again before.
        #[serde(default)]
        repair: bool,
        /// Whether everything that is stored is read and compared with what was written.
        #[serde(default)]
        scrub: bool,
    },
    /// Reads and decodes the source of a media once more, and compares it with its index. Answers with a
    /// [`Proof`](frames::Proof).
    CheckFrames {
        /// Its id.
        media: i64,
    },
}

impl Command {
    /// Its name, as it is told to whoever finds the data folder in use.
    pub fn name(&self) -> &'static str {
        match self {
            Self::UserCreate { .. } => "user create",
            Self::UserToken { .. } => "user token",
            Self::UserGrant { .. } => "user grant",
            Self::UserList => "user list",
            Self::UserPassword { .. } => "user password",
            Self::UserSignInLink { .. } => "user sign-in-link",
            Self::UserDisable { .. } => "user disable",
            Self::UserEnable { .. } => "user enable",
            Self::UserDelete { .. } => "user delete",
            Self::Announce { .. } | Self::Withdraw { .. } => "announce",
            Self::Import(_) => "import",
            Self::Export(_) => "export",
            Self::S3KeyCreate { .. } => "s3 key create",
            Self::S3KeyList => "s3 key list",
            Self::S3KeyRemove { .. } => "s3 key remove",
            Self::QuotaList => "quota list",
            Self::QuotaSet { .. } => "quota set",
            Self::CheckDatabase { .. } | Self::CheckFrames { .. } => "doctor",
        }
    }

    /// Whether it makes sense on a data folder that does not exist yet.
    pub(super) fn may_begin_a_folder(&self) -> bool {
        matches!(self, Self::UserCreate { .. })
    }
}

/// Where a command puts the lines that it tells while it works.
#[derive(Debug, Clone)]
pub struct Progress(mpsc::Sender<Value>);

impl Progress {
    /// A channel whose sender waits when nobody reads.
    pub(super) fn channel() -> (Self, mpsc::Receiver<Value>) {
        let (sender, receiver) = mpsc::channel(16);
        (Self(sender), receiver)
    }

    /// Tells one line. Errors: `Busy` when the caller has gone away, so that the command ends.
    pub async fn line(&self, line: &impl Serialize) -> Result<()> {
        self.0
            .send(serde_json::to_value(line)?)
            .await
            .map_err(|_| Error::Busy("the caller of the command has gone away".into()))
    }
}

/// Performs a command on an open station.
pub(super) async fn run(cx: &Arc<Context>, command: Command, progress: Progress) -> Result<Value> {
    match command {
        Command::UserCreate {
            name,
            email,
            password,
            admin,
        } => {
            let new = NewUser {
                username: name,
                first_name: String::new(),
                last_name: String::new(),
                email,
                password,
                elemental_id: None,
                profile: Map::new(),
                registration_token: None,
                is_staff: admin,
            };
            Ok(serde_json::to_value(accounts::create(cx, new).await?)?)
        }
        Command::UserToken { name } => {
            let user = accounts::by_name(cx, &name).await?;
            Ok(json!(accounts::token(cx, user.id, false).await?))
        }
        Command::UserGrant {
            name,
            project,
            level,
        } => {
            projects::grant(cx, &project, &name, level).await?;
            Ok(Value::Null)
        }
        Command::UserList => {
            let users = accounts::list(cx).await?;
            let accounts: Vec<Account> = users.iter().map(Account::from).collect();
            Ok(serde_json::to_value(accounts)?)
        }
        Command::UserDisable { name } => {
            accounts::disable(cx, &name).await?;
            Ok(Value::Null)
        }
        Command::UserEnable { name } => {
            accounts::enable(cx, &name).await?;
            Ok(Value::Null)
        }
        Command::UserDelete { name } => {
            accounts::delete(cx, &name).await?;
            Ok(Value::Null)
        }
        Command::Announce { text, days } => {
            let made = announcement::service::announce(cx, text, days).await?;
            Ok(serde_json::to_value(made)?)
        }
        Command::Withdraw { announcement: id } => {
            announcement::service::withdraw(cx, id).await?;
            Ok(Value::Null)
        }
        Command::UserPassword { name, password } => {
            accounts::set_password(cx, &name, password).await?;
            Ok(Value::Null)
        }
        Command::UserSignInLink { name } => {
            let url = url(&cx.settings.server.listen)?;
            let code = accounts::sign_in_code(cx, &name).await?;
            Ok(json!(format!("{url}/sign-in?code={code}")))
        }
        Command::Import(what) => {
            let (report, mut files) = mpsc::channel(16);
            let told = async {
                while let Some(file) = files.recv().await {
                    progress.line(&file).await?;
                }
                Ok(())
            };
            tokio::try_join!(import::import(cx, what, report), told)?;
            Ok(Value::Null)
        }
        Command::Export(what) => Ok(serde_json::to_value(export::export(cx, what).await?)?),
        Command::CheckFrames { media } => {
            Ok(serde_json::to_value(frames::prove(cx, media).await?)?)
        }
        Command::S3KeyCreate {
            user,
            bucket,
            read_only,
        } => {
            let made = keys::create(cx, user, bucket, read_only).await?;
            Ok(serde_json::to_value(made)?)
        }
        Command::S3KeyList => Ok(serde_json::to_value(keys::list(cx).await?)?),
        Command::S3KeyRemove { access_key } => {
            keys::remove(cx, access_key).await?;
            Ok(Value::Null)
        }
        Command::QuotaList => Ok(serde_json::to_value(quota::list(cx).await?)?),
        Command::QuotaSet {
            target,
            quota_bytes,
        } => Ok(serde_json::to_value(
            quota::set(cx, target, quota_bytes).await?,
        )?),
        Command::CheckDatabase { repair, scrub } => {
            let mut findings = doctor::check_database(cx).await;
            findings.extend(doctor::check_quotas(cx).await);
            findings.extend(doctor::check_copies(cx));
            findings.extend(doctor::check_sources(cx).await);
            findings.push(doctor::check_search(cx, repair).await);
            findings.extend(doctor::check_buckets(cx).await);
            findings.extend(doctor::check_backups(cx).await);
            if scrub {
                findings.push(doctor::check_objects(cx, repair).await);
            }
            Ok(serde_json::to_value(findings)?)
        }
    }
}

/// The URL of the station. Errors: `Invalid` when its port is not known before it runs.
fn url(listen: &str) -> Result<String> {
    match listen.parse::<SocketAddr>() {
        Ok(address) if address.port() == 0 => Err(Error::invalid(
            "no station runs on the data folder, and its settings let it take any free port (server.listen): start it, \
             then ask for the link",
        )),
        Ok(address) => Ok(serve::url_of(address)),
        Err(_) => Ok(format!("http://{listen}")),
    }
}
