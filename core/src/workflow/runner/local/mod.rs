//! Running workflows on this machine: every step is a local process in a sandbox.

mod bubblewrap;
mod log;
mod network;
mod place;
mod process;
mod sandbox;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Semaphore, mpsc};

use super::inside::NOT_STARTED_WORDS;
use super::{Launch, Memory, Runner};
use crate::account;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::jobs::Run;
use crate::station;
use crate::workflow::engine::{
    Engine, Given, Order, Outcome, Outputs, Phase, State, Values, Wanted,
};
use crate::workflow::manifest::Manifest;
use crate::workflow::{Network, Sandbox, Workflows};
use log::Log;
use place::Place;
use process::{End, Starter};

pub(crate) use place::{forget, read_log, uids};
pub(crate) use sandbox::try_sandbox;

/// How often the space that steps take is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Runs workflows on this machine.
pub struct Local {
    starter: Starter,
    /// How many steps run at a time, over all workflows.
    room: Semaphore,
}

impl Local {
    /// A runner within the settings.
    pub fn new(settings: &Workflows) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let most = Some(settings.steps).filter(|steps| *steps > 0);
        Self {
            starter: Starter::new(),
            room: Semaphore::new(most.unwrap_or_else(cores)),
        }
    }
}

impl Runner for Local {
    fn run<'r>(&'r self, run: &'r Run, launch: &'r Launch) -> BoxFuture<'r, Result<State>> {
        Box::pin(async move {
            let place = Place::of(&run.cx, &run.job.uid);
            let state = drive(self, run, launch, &place).await?;
            let cleared = tokio::task::spawn_blocking(move || place.clear()).await;
            if let Ok(Err(error)) = cleared {
                tracing::warn!(%error, job.uid = run.job.uid, "folders of a workflow could not be removed");
            }
            Ok(state)
        })
    }
}

/// Lets the engine say what may begin and tells it what ended, until all is over.
async fn drive(local: &Local, run: &Run, launch: &Launch, place: &Place) -> Result<State> {
    let cx = &run.cx;
    let manifest = Arc::new(Manifest::read(launch.manifest.clone())?);
    place.prepare(&manifest.volumes)?;
    let way = Way::open(cx, place)?;
    let known = Memory::of(&run.job.memory).map(|memory| memory.state);
    let given = given(run, launch, &manifest, &way).await?;
    let mut engine = Engine::new(manifest, given, known, cx.now());
    let (beginning, mut begun) = mpsc::channel(64);
    let mut steps = FuturesUnordered::new();
    loop {
        let orders = engine.advance(cx.now());
        remember(run, engine.state()).await?;
        if engine.state().phase.is_over() {
            return Ok(engine.state().clone());
        }
        for order in orders {
            let step = Running {
                local,
                cx,
                place,
                way: &way,
                order,
            };
            steps.push(step.perform(beginning.clone()));
        }
        let wake = engine
            .wake_at()
            .map(|at| at.saturating_sub(cx.now()).max(1));
        if steps.is_empty() && wake.is_none() {
            let why = "nothing runs and nothing may begin";
            return Err(Error::internal("go on with a workflow", why));
        }
        let pause = Duration::from_millis(wake.unwrap_or(i64::MAX).unsigned_abs().min(86_400_000));
        tokio::select! {
            biased;
            Some(node) = begun.recv() => engine.began(&node, cx.now()),
            Some((node, outcome)) = steps.next() => engine.ended(&node, outcome, cx.now()),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn remember(run: &Run, state: &State) -> Result<()> {
    let memory = Memory {
        state: state.clone(),
        mailed: false,
    };
    run.remember(&serde_json::to_value(memory)?).await
}

/// How steps reach the station.
struct Way {
    /// The station's address as steps name it.
    host: String,
    /// The port that is opened inside, where a step has a network of its own.
    port: Option<u16>,
    _bridge: Option<network::Bridge>,
}

impl Way {
    fn open(cx: &Context, place: &Place) -> Result<Self> {
        let listen = &cx.settings.server.listen;
        let host = match listen.parse::<SocketAddr>() {
            Ok(address) => station::url_of(address),
            Err(_) => format!("http://{listen}"),
        };
        let settings = &cx.settings.workflows;
        let own = settings.sandbox == Sandbox::Bwrap && settings.network == Network::Station;
        if !own {
            return Ok(Self {
                host,
                port: None,
                _bridge: None,
            });
        }
        let address = host.trim_start_matches("http://").to_owned();
        let port = address
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok());
        // Inside, nobody else has a port: the station's own is free unless it is a privileged one.
        let port = port.filter(|port| *port > 1023).unwrap_or(8080);
        Ok(Self {
            host: format!("http://127.0.0.1:{port}"),
            port: Some(port),
            _bridge: Some(network::open(&place.socket(), address)?),
        })
    }
}

/// The parameters and labels of a workflow: the manifest's own, what every workflow gets, and what
/// the algorithm and the caller add; the last of a name counts.
async fn given(run: &Run, launch: &Launch, manifest: &Manifest, way: &Way) -> Result<Given> {
    let job = &run.job;
    let media: Vec<String> = launch.media_ids.iter().map(i64::to_string).collect();
    let media = media.join(",");
    let text = |id: Option<i64>| id.map_or_else(String::new, |id| id.to_string());
    let mut parameters = Values::new();
    let mut add = |name: &str, value: String| parameters.insert(name.to_owned(), value);
    for parameter in &manifest.parameters {
        if let Some(value) = &parameter.value {
            add(&parameter.name, value.clone());
        }
    }
    add("name", launch.algorithm_name.clone());
    add("media_ids", media.clone());
    add("gid", job.gid.clone());
    add("uid", job.uid.clone());
    add("host", way.host.clone());
    add("rest_url", format!("{}/rest", way.host));
    add("tus_url", format!("{}/files/", way.host));
    add("project_id", text(job.project));
    if let Some(account) = job.account {
        check_account(&run.cx, account).await?;
        add(
            "rest_token",
            account::service::token(&run.cx, account, false).await?,
        );
    }
    for (name, value) in &launch.parameters {
        add(name, value.clone());
    }
    let pairs = |pairs: &[(&str, String)]| -> BTreeMap<String, String> {
        let own = |(name, value): &(&str, String)| ((*name).to_owned(), value.clone());
        pairs.iter().map(own).collect()
    };
    Ok(Given {
        name: launch.name.clone(),
        uid: job.uid.clone(),
        parameters,
        labels: pairs(&[
            ("job_type", "algorithm".into()),
            ("project", text(job.project)),
            ("gid", job.gid.clone()),
            ("uid", job.uid.clone()),
            ("user", text(job.account)),
        ]),
        annotations: pairs(&[
            ("media_ids", media),
            ("name", launch.algorithm_name.clone()),
            ("alg_id", launch.algorithm.to_string()),
        ]),
    })
}

/// Checks that whoever launched a workflow still has an account.
async fn check_account(cx: &Context, account: i64) -> Result<()> {
    let exists = cx
        .database
        .read(move |tx| Box::pin(async move { account::service::exists(tx, account).await }));
    if exists.await? {
        Ok(())
    } else {
        Err(Error::invalid(
            "whoever launched the workflow has no account any more",
        ))
    }
}

/// One step that was ordered.
struct Running<'r> {
    local: &'r Local,
    cx: &'r Context,
    place: &'r Place,
    way: &'r Way,
    order: Order,
}

impl Running<'_> {
    async fn perform(self, beginning: mpsc::Sender<String>) -> (String, Outcome) {
        let node = self.order.node.clone();
        let _room = self.local.room.acquire().await.expect("it is never closed");
        // The other end is gone only when this future is about to be.
        let _ = beginning.send(node.clone()).await;
        let outcome = self.outcome().await.unwrap_or_else(Outcome::error);
        let folder = self.place.node_path(self.order.ordinal);
        let removed = tokio::task::spawn_blocking(move || place::remove(&folder)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(%error, node, "the folder of a step could not be removed");
        }
        (node, outcome)
    }

    /// How the step ended. Errors: a sentence saying why it could not be run.
    async fn outcome(&self) -> Result<Outcome, String> {
        let said = |error: io::Error| format!("the step could not be prepared: {error}");
        let folder = self.place.node(self.order.ordinal).map_err(said)?;
        let log = Log::create(&self.place.log(self.order.ordinal)).map_err(said)?;
        let step = sandbox::Step {
            order: &self.order,
            place: self.place,
            folder: &folder,
            port: self.way.port,
        };
        let prepared = sandbox::prepare(&self.cx.settings.workflows, &step)?;
        let ended = process::run(&self.local.starter, prepared.command, log);
        let end = tokio::select! {
            end = ended => end.map_err(|error| self.not_started(&error))?,
            why = self.too_much() => return Ok(Outcome::failed(why)),
        };
        Ok(self.judge(end, &prepared.folders))
    }

    fn not_started(&self, error: &io::Error) -> String {
        let settings = &self.cx.settings.workflows;
        if settings.sandbox == Sandbox::Bwrap && error.kind() == io::ErrorKind::NotFound {
            return sandbox::not_there(settings);
        }
        format!("the step could not be started: {error}")
    }

    /// Waits until the step has taken too long or too much space, and says so.
    async fn too_much(&self) -> String {
        let began = self.cx.now();
        let most = self.cx.settings.workflows.disk_bytes;
        let mut look = tokio::time::interval(LOOK.min(self.soon()));
        loop {
            look.tick().await;
            let now = self.cx.now();
            if let Some(most) = self.order.most_ms.filter(|most| now - began >= *most) {
                return format!("the step took longer than its {} s", most as f64 / 1000.0);
            }
            if self.order.until_ms.is_some_and(|until| now >= until) {
                return "the workflow took longer than its activeDeadlineSeconds".into();
            }
            let place = self.place.clone();
            let used = tokio::task::spawn_blocking(move || place.used_bytes()).await;
            if most > 0 && used.is_ok_and(|used| used > most) {
                return format!(
                    "the steps of the workflow took more than {most} bytes of the disk (workflows.disk_bytes)"
                );
            }
        }
    }

    /// How long a step may take, where that is less than between two looks.
    fn soon(&self) -> Duration {
        let most = self.order.most_ms.unwrap_or(i64::MAX).clamp(50, i64::MAX);
        Duration::from_millis(most.unsigned_abs())
    }

    fn judge(&self, end: End, folders: &[(PathBuf, PathBuf)]) -> Outcome {
        let mut outputs = Outputs {
            result: end.stdout.and_then(place::text_of),
            exit_code: code(end.status),
            ..Outputs::default()
        };
        if !end.status.success() {
            let message = self.complaint(end.status, &end.last_words);
            let failed = Outcome::failed(message);
            return Outcome { outputs, ..failed };
        }
        for wanted in &self.order.outputs {
            match result(wanted, folders) {
                Ok(value) => outputs.parameters.insert(wanted.name.clone(), value),
                Err(why) => return Outcome::error(why),
            };
        }
        Outcome {
            phase: Phase::Succeeded,
            message: String::new(),
            outputs,
        }
    }

    fn complaint(&self, status: ExitStatus, last_words: &str) -> String {
        if let Some(why) = last_words.strip_prefix(NOT_STARTED_WORDS) {
            return why.trim().to_owned();
        }
        let sandboxed = self.cx.settings.workflows.sandbox == Sandbox::Bwrap;
        if sandboxed && status.code() == Some(1) && last_words.starts_with("bwrap: ") {
            return sandbox::refused(last_words);
        }
        match code(status) {
            Some(153) => "a file grew larger than workflows.disk_bytes".into(),
            Some(152) => "it used more processor time than workflows.cpu_secs".into(),
            Some(code) if code > 128 => {
                format!("exit code {code} (killed by signal {})", code - 128)
            }
            Some(code) => format!("exit code {code}"),
            None => "it was killed".into(),
        }
    }
}

/// The exit code as shells show it.
fn code(status: ExitStatus) -> Option<i32> {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
}

/// Reads a file that a step left. Errors: a sentence.
fn result(wanted: &Wanted, folders: &[(PathBuf, PathBuf)]) -> Result<String, String> {
    let path = Path::new(&wanted.path);
    let inside = folders
        .iter()
        .filter_map(|(inside, outside)| Some((inside, outside, path.strip_prefix(inside).ok()?)))
        .max_by_key(|(inside, ..)| inside.as_os_str().len());
    let said = |why: &str| format!("output {:?}: {why}: {}", wanted.name, wanted.path);
    let Some((_, outside, rest)) = inside else {
        return Err(said("it must be in /tmp, /work or a volume"));
    };
    match place::read_result(outside, rest) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let default = wanted.default.clone();
            default.ok_or_else(|| said("the step left no such file"))
        }
        Err(error) => Err(said(&error.to_string())),
    }
}
