//! What every service gets first: engines, settings, clock.

use std::path::PathBuf;
use std::sync::Arc;

use crate::account::lockout::Lockout;
use crate::account::session::SessionKey;
use crate::aggregate::Tables;
use crate::client::Client;
use crate::config::Settings;
use crate::database::{Database, Tx};
use crate::error::Result;
use crate::frames::Frames;
use crate::jobs;
use crate::journal::Clock;
use crate::mail::Mail;
use crate::search::Search;
use crate::storage::LinkKey;
use crate::storage::objects::ObjectStore;
use crate::{health, id, media, values, workflow};

/// One running station: its data folder, its engines, its settings.
pub struct Context {
    /// The data folder.
    pub data: PathBuf,
    /// The settings it was started with.
    pub settings: Settings,
    /// The database.
    pub database: Database,
    /// Stored bytes.
    pub objects: Arc<dyn ObjectStore>,
    /// The frame service.
    pub frames: Frames,
    /// The hybrid logical clock of the journal.
    pub clock: Clock,
    /// Which station this is: a UUID made at its first start.
    pub station: String,
    /// Signs session cookies.
    pub session_key: SessionKey,
    /// Signs links to objects.
    pub link_key: LinkKey,
    /// Reads URLs of other servers.
    pub client: Client,
    /// Counts failed sign-ins.
    pub lockout: Lockout,
    /// The mail server, if there is one.
    pub mail: Mail,
    /// What the last full check of the station's parts found.
    pub health: health::Latest,
    /// Wakes the indexer when a media has a new source, and remembers what it tried.
    pub indexing: media::Queue,
    /// Columns of what is counted.
    pub tables: Arc<Tables>,
    /// Wakes the runners of jobs, and reaches those that run.
    pub jobs: jobs::Bell,
    /// Runs the steps of workflows.
    pub workflows: workflow::Local,
    /// Finds rows by their words.
    pub search: Arc<Search>,
}

impl Context {
    /// Opens the engines that the settings name. The caller holds the folder's lock.
    pub async fn open(settings: Settings, data: PathBuf) -> Result<Arc<Self>> {
        let database = Database::open(&settings.database.url, &data).await?;
        let (station, secret) = database
            .write(|tx| {
                Box::pin(async move {
                    let station = remembered(tx, "station", id::uuid()).await?;
                    let secret = remembered(tx, "secret", id::token()).await?;
                    Ok((station, secret))
                })
            })
            .await?;
        let objects = crate::storage::objects::open(&settings.objects, &data)?;
        let stored = crate::storage::objects::folder(&settings.objects, &data);
        let frames = Frames::new(&settings.frames, stored, &data)?;
        let mail = Mail::new(&settings.mail)?;
        let lockout = Lockout::new(
            settings.account.lockout_failures,
            settings.account.lockout_minutes,
        );
        let search = Search::new(&settings.search, data.clone(), &station);
        database.accompany(Arc::clone(&search));
        Ok(Arc::new(Self {
            data,
            search,
            database,
            objects,
            frames,
            clock: Clock::new(&station),
            session_key: SessionKey::new(&secret, settings.account.session_hours),
            link_key: LinkKey::new(&secret),
            client: Client::default(),
            lockout,
            mail,
            health: health::Latest::default(),
            indexing: media::Queue::default(),
            tables: Arc::new(Tables::new(settings.aggregate.memory_bytes)),
            jobs: jobs::Bell::default(),
            workflows: workflow::Local::new(&settings.workflows),
            station,
            settings,
        }))
    }

    /// Now, in UTC milliseconds.
    pub fn now(&self) -> i64 {
        crate::time::now_ms()
    }
}

/// A text of the station that is made once.
async fn remembered(tx: &mut Tx, name: &str, fresh: String) -> Result<String> {
    let sql = "insert into station (name, value) values ($1, $2) on conflict (name) do nothing";
    tx.execute(sql, &values![name, fresh]).await?;
    let value = tx
        .scalar("select value from station where name = $1", &values![name])
        .await?;
    Ok(value.expect("the row was just made"))
}
