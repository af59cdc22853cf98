//! The work of importing an archive: its members become media, one by one.

use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::archive::{self, Contents, Member};
use super::jobs::{concluded, remember};
use super::progress::{Memory, Node};
use super::service::enqueue;
use super::types::{ARCHIVE, Payload, Spec, TRANSCODE};
use super::{folder, report};
use crate::account::{self, Actor};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Chain, Error, Result};
use crate::jobs::registry::Work;
use crate::jobs::{self, Pool, Run};
use crate::journal::Stamp;
use crate::media::service::dtype_of_file;
use crate::media::{self, Origin, Upload};
use crate::project::{self, Level};
use crate::storage::objects::Stored;
use crate::{client, id, storage};

const ATTEMPTS: i64 = 5;
/// The step that reads what there is.
const READ: &str = "read";
/// The step that makes media.
const IMPORT: &str = "import";

/// The registry's entry.
pub const WORK: Work = Work {
    kind: ARCHIVE,
    pool: Pool::Transcode,
    attempts: ATTEMPTS,
    body: |run| Box::pin(body(run)),
};

/// Links an uploaded archive into the folder of its job, so that the upload may expire meanwhile. Where
/// that does not work, the job copies it when its turn comes.
pub(super) async fn keep(cx: &Context, job: i64, key: &str) {
    let to = file_of(cx, job);
    let linking = async {
        let from = storage::path(cx, key).await?;
        let from = from.ok_or_else(|| expired(key))?;
        std::fs::create_dir_all(folder::of(cx, job))?;
        std::fs::hard_link(from, &to)?;
        Ok(())
    };
    let linked: Result<()> = linking.await;
    if let Err(error) = linked {
        tracing::info!(error = %Chain(&error), key, "an archive is copied when its turn comes");
    }
}

fn file_of(cx: &Context, job: i64) -> PathBuf {
    folder::of(cx, job).join("archive")
}

fn expired(key: &str) -> Error {
    Error::invalid(format!(
        "the uploaded archive is gone; upload it again: {key}"
    ))
}

async fn body(run: Run) -> Result<()> {
    let mut memory = Memory::of(&run.job.memory)?;
    let outcome = perform(&run, &mut memory).await;
    if concluded(&run, &mut memory, &outcome, ATTEMPTS).await? {
        let payload: Payload = serde_json::from_value(run.job.payload.clone())?;
        report::send(&run, &payload.spec, outcome.as_ref().err()).await;
    }
    outcome
}

async fn perform(run: &Run, memory: &mut Memory) -> Result<()> {
    let cx = run.cx.as_ref();
    let payload: Payload = serde_json::from_value(run.job.payload.clone())?;
    memory.expect([
        Node::new(READ, "read the archive"),
        Node::new(IMPORT, "import its media"),
    ]);
    memory.begin(READ, cx.now());
    remember(run, memory).await?;
    let path = fetched(run, &payload).await?;
    let found = look(cx, &path).await?;
    if found.members.is_empty() {
        let about = found.message();
        return Err(Error::invalid(format!(
            "there is no video or image in the archive; {about}"
        )));
    }
    memory.end(READ, cx.now(), found.message());
    memory.begin(IMPORT, cx.now());
    remember(run, memory).await?;
    import(run, memory, &payload.spec, &path, found.members).await?;
    let count = run_count(memory);
    memory.end(IMPORT, cx.now(), count);
    remember(run, memory).await
}

fn run_count(memory: &Memory) -> String {
    format!("{} members", memory.members_done)
}

/// The archive as a file.
async fn fetched(run: &Run, payload: &Payload) -> Result<PathBuf> {
    let cx = run.cx.as_ref();
    let path = file_of(cx, run.job.id);
    if path.exists() {
        return Ok(path);
    }
    let expected = payload.spec.size.and_then(|size| u64::try_from(size).ok());
    folder::prepare(
        cx,
        &folder::of(cx, run.job.id),
        expected.unwrap_or_default(),
    )?;
    let partial = path.with_extension("part");
    match (&payload.key, &payload.web) {
        (Some(key), _) => {
            let from = storage::path(cx, key).await?.ok_or_else(|| expired(key))?;
            tokio::fs::copy(from, &partial).await?;
        }
        (None, Some(url)) => {
            client::to_file(cx, url, &partial).await?;
        }
        (None, None) => return Err(Error::invalid("the job names no archive")),
    }
    tokio::fs::rename(&partial, &path).await?;
    Ok(path)
}

async fn look(cx: &Context, path: &Path) -> Result<Contents> {
    let (path, limits) = (path.to_owned(), cx.settings.transcode.clone());
    let looking =
        tokio::task::spawn_blocking(move || archive::contents(&path, &limits, dtype_of_file));
    looking
        .await
        .map_err(|error| Error::internal("read an archive", error))?
}

/// Unpacks what is not imported yet, and imports it as it comes.
async fn import(
    run: &Run,
    memory: &mut Memory,
    spec: &Spec,
    path: &Path,
    members: Vec<Member>,
) -> Result<()> {
    let cx = run.cx.as_ref();
    let total = members.len();
    let rest: Vec<Member> = members.into_iter().skip(memory.members_done).collect();
    let actor = actor_of(run).await?;
    // One member waits while the one before it is imported.
    let (tell, mut told) = mpsc::channel::<Member>(1);
    let (path, place) = (path.to_owned(), folder::of(cx, run.job.id));
    let room = place.clone();
    let unpacking = tokio::task::spawn_blocking(move || {
        let name = |member: &Member| file_of_member(&room, member);
        let listened = || !tell.is_closed();
        let done = |member: &Member| tell.blocking_send(member.clone()).is_ok();
        archive::unpack(&path, &rest, name, listened, done)
    });
    while let Some(member) = told.recv().await {
        let file = file_of_member(&place, &member);
        let stored = storage::put_file(cx, &file).await?;
        tokio::fs::remove_file(&file).await?;
        memory.members_done += 1;
        let share = memory.members_done * 100 / total;
        memory.advance(IMPORT, u8::try_from(share).unwrap_or(100));
        one(run, memory, &actor, spec, member, stored).await?;
    }
    unpacking
        .await
        .map_err(|error| Error::internal("unpack an archive", error))?
}

fn file_of_member(folder: &Path, member: &Member) -> PathBuf {
    folder.join(format!("member-{}", member.at))
}

async fn actor_of(run: &Run) -> Result<Actor> {
    let account = run.job.account.unwrap_or_default();
    let found = run
        .cx
        .database
        .read(move |tx| Box::pin(async move { account::service::reference(tx, account).await }));
    Ok(Actor::from(&found.await?))
}

/// Makes the media of one member, and remembers it in the same transaction. It runs to its end even
/// when the job is dropped in the middle.
async fn one(
    run: &Run,
    memory: &Memory,
    actor: &Actor,
    spec: &Spec,
    member: Member,
    stored: Stored,
) -> Result<()> {
    let cx = run.cx.clone();
    let (job, project) = (run.job.id, run.job.project.unwrap_or_default());
    let memory = serde_json::to_value(memory)?;
    let (actor, spec) = (actor.clone(), spec.clone());
    let task = tokio::spawn(async move {
        let blob = stored.blob.clone();
        let stamp = cx.clock.stamp_of_job(Some(actor.id), cx.now());
        let written = cx.database.write(move |tx| {
            Box::pin(async move {
                if !jobs::is_running(tx, job).await? {
                    return Err(Error::invalid("the job was called off"));
                }
                project::access(tx, &actor, project, Level::Transfer).await?;
                let media = add(tx, &stamp, &actor, project, &spec, member, stored).await?;
                jobs::add_media(tx, job, &[media]).await?;
                jobs::remember(tx, job, &memory).await
            })
        });
        let written = written.await;
        let undone = matches!(&written, Err(error) if !matches!(error, Error::Internal { .. } | Error::Busy(_)));
        if undone {
            cx.objects.delete(&blob).await?;
        }
        cx.indexing.notify_one();
        cx.jobs.ring();
        written
    });
    task.await
        .map_err(|error| Error::internal("import a member of an archive", error))?
}

async fn add(
    tx: &mut Tx,
    stamp: &Stamp,
    actor: &Actor,
    project: i64,
    spec: &Spec,
    member: Member,
    stored: Stored,
) -> Result<i64> {
    let type_id = media::service::first_type(tx, project, member.dtype).await?;
    let uid = id::uuid();
    let upload = Upload {
        type_id,
        name: member.name.clone(),
        md5: String::new(),
        gid: spec.gid.clone(),
        uid: uid.clone(),
        origin: Some(Origin::Blob(stored)),
        section: spec.section.clone(),
        section_id: spec.section_id.filter(|id| *id > 0),
        attributes: spec.attributes.clone(),
        media: None,
        workflow: Some(uid.clone()).filter(|_| member.dtype == "video"),
    };
    let media = media::service::add_upload(tx, stamp, actor, project, upload).await?;
    if member.dtype == "video" {
        let spec = Spec {
            r#type: type_id,
            uid,
            url: String::new(),
            size: i64::try_from(member.size_bytes).ok(),
            name: member.name,
            md5: None,
            email_spec: None,
            ..spec.clone()
        };
        let payload = Payload {
            spec,
            web: None,
            key: None,
        };
        enqueue(tx, stamp, project, TRANSCODE, vec![media.id], payload).await?;
    }
    Ok(media.id)
}
