//! What every service gets first: engines, settings, clock.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::account::session::SessionKey;
use crate::account::{self, lockout::Lockout};
use crate::aggregate::Tables;
use crate::answers::Answers;
use crate::client::Client;
use crate::config::Settings;
use crate::database::Database;
use crate::error::Result;
use crate::frames::Frames;
use crate::jobs;
use crate::journal::Clock;
use crate::mail::Mail;
use crate::search::Search;
use crate::secret::{self, Secret};
use crate::storage::objects::ObjectStore;
use crate::storage::objects::places::{self, Places};
use crate::storage::{self, Known, LinkKey};
use crate::{health, id, media, workflow};

/// One running station: its data folder, its engines, its settings.
pub struct Context {
    /// The data folder.
    pub data: PathBuf,
    /// The settings it was started with.
    pub settings: Settings,
    /// The database.
    pub database: Database,
    /// Stored bytes, wherever they are.
    pub objects: Arc<dyn ObjectStore>,
    /// The same, for whoever chooses where bytes go.
    pub places: Arc<Places>,
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
    /// Seals what the database keeps.
    pub secret: Arc<Secret>,
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
    /// Long answers that were given lately.
    pub answers: Arc<Answers>,
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
        let secret = secret::of(&database, &data, &settings.account.secret.0).await?;
        let secret = Arc::new(secret);
        let station = database
            .write(|tx| {
                Box::pin(async move { secret::remembered(tx, "station", id::uuid()).await })
            })
            .await?;
        let own = crate::storage::objects::open(&settings.objects, &data)?;
        let places = Places::open(
            own,
            Box::new(Known::new(database.clone())),
            &settings.objects,
            settings.server.request_origins.clone(),
            &data,
        )?;
        let in_use = database.read(|tx| Box::pin(async move { storage::is_any_in_use(tx).await }));
        if in_use.await? {
            places.now_in_use();
        }
        let mut stored = vec![places::folder(&data)];
        stored.extend(storage::objects::folder(&settings.objects, &data));
        let frames = Frames::new(&settings.frames, stored, places.supplier(), &data)?;
        let mail = Mail::new(&settings.mail)?;
        let lockout = Lockout::new(
            settings.account.lockout_failures,
            Duration::from_secs(u64::from(settings.account.lockout_minutes) * 60),
        );
        let search = Search::new(&settings.search, data.clone(), &station);
        database.accompany(vec![search.clone(), secret.clone()]);
        account::service::seal_tokens(&database).await?;
        Ok(Arc::new(Self {
            data,
            search,
            database,
            objects: places.clone(),
            places,
            frames,
            clock: Clock::new(&station),
            session_key: SessionKey::new(secret.text(), settings.account.session_hours),
            link_key: LinkKey::new(secret.text()),
            secret,
            client: Client::default(),
            lockout,
            mail,
            health: health::Latest::default(),
            indexing: media::Queue::default(),
            tables: Arc::new(Tables::new(settings.aggregate.memory_bytes)),
            answers: Arc::new(Answers::new(settings.lists.memory_bytes)),
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
