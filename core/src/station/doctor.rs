//! The doctor: looks at everything a station needs, and says what is wrong and what to do.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command as Program};

use super::command::Command;
use super::lock::{Lock, Taken};
use super::{folder, perform};
use crate::config::Settings;
use crate::context::Context;
use crate::database::Dialect;
use crate::error::{Chain, Error, Result};
use crate::frames;
use crate::search::{self, Comparison};
use crate::storage::objects::remote::TELLS;
use crate::storage::{self, quota};
use crate::{bucket, media, workflow};

/// How long the worker may take to start.
const STARTING: Duration = Duration::from_secs(10);

/// How good or bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, but someone should look.
    Warning,
    /// Does not work.
    Failed,
}

/// What one check found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at: `settings`, `folder`, `lock`, `disk`, `database`, `integrity`, `quotas`, `copies`, `in place`, `search`,
    /// `bucket`, `backups`, `objects`, `certificate`, `worker`, `ffmpeg`, `confined` or `sandbox`.
    pub check: String,
    /// How it is.
    pub level: Level,
    /// What was found and, unless it is fine, what to do.
    pub message: String,
}

impl Finding {
    fn new(check: &str, level: Level, message: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            level,
            message: message.into(),
        }
    }

    fn ok(check: &str, message: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, message)
    }

    fn failed(check: &str, error: &Error) -> Self {
        Self::new(check, Level::Failed, Chain(error).to_string())
    }
}

/// Looks at a data folder and at what its station needs. Makes nothing where nothing is.
///
/// `file` is the settings file that was read, if any. A running station checks its own database. To
/// `repair` builds the search index again; to `scrub` reads everything that is stored.
pub async fn examine(
    data: &Path,
    file: Option<&Path>,
    settings: Result<Settings>,
    repair: bool,
    scrub: bool,
) -> Vec<Finding> {
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => return vec![Finding::failed("settings", &error)],
    };
    let read = match file {
        Some(file) => format!("read from {}", file.display()),
        None => "the defaults: no settings file is there".into(),
    };
    let mut findings = vec![Finding::ok("settings", read)];
    if data.is_dir() {
        findings.push(folder_finding(data));
        findings.push(lock_finding(data));
        findings.push(disk_finding(data, settings.objects.reserve_bytes));
        findings.extend(database_findings(data, &settings, repair, scrub).await);
    } else {
        let message = format!(
            "not there yet; `transect serve` makes it: {}",
            data.display()
        );
        findings.push(Finding::ok("folder", message));
    }
    findings.extend(certificate_finding(&settings));
    let worker = worker_path(&settings.frames.worker);
    findings.extend(worker_findings(&worker).await);
    findings.extend(confinement_finding(&worker).await);
    findings.push(sandbox_finding(&settings).await);
    findings
}

/// Whether S3 clients can be spoken to in private, where the settings want that.
fn certificate_finding(settings: &Settings) -> Option<Finding> {
    match storage::s3::check_certificate(&settings.storage) {
        Ok(None) => None,
        Ok(Some(path)) => Some(Finding::ok("certificate", format!("can be used: {path}"))),
        Err(error) => Some(Finding::failed("certificate", &error)),
    }
}

/// Whether steps of workflows could run; a station without workflows is fine without.
async fn sandbox_finding(settings: &Settings) -> Finding {
    match workflow::try_sandbox(&settings.workflows).await {
        Ok(message) => Finding::ok("sandbox", message),
        Err(message) => Finding::new("sandbox", Level::Warning, message),
    }
}

/// Whether a hostile file that takes over a frame worker is locked in; none if no worker starts, which is found elsewhere.
async fn confinement_finding(worker: &Path) -> Option<Finding> {
    let sandbox = frames::try_sandbox(worker).await.ok()?;
    let nets = format!(
        "landlock: {}, seccomp: {}",
        sandbox.landlock, sandbox.seccomp
    );
    if sandbox.holds() {
        let message =
            format!("frame workers reach no other files, no network and no programs ({nets})");
        return Some(Finding::ok("confined", message));
    }
    let can = [
        (sandbox.reads_other_files, "read other files"),
        (sandbox.opens_sockets, "open connections"),
        (sandbox.starts_programs, "start programs"),
    ];
    let can: Vec<&str> = can
        .iter()
        .filter(|(can, _)| *can)
        .map(|(_, what)| *what)
        .collect();
    let message = format!(
        "a media file that takes over a frame worker could {}; a kernel with Landlock (5.13 or later, switched on) and \
         seccomp prevents that ({nets})",
        can.join(", ")
    );
    Some(Finding::new("confined", Level::Warning, message))
}

fn folder_finding(data: &Path) -> Finding {
    let place = data.display();
    if rustix::fs::access(data, rustix::fs::Access::WRITE_OK).is_err() {
        let message = format!("this user may not write in it; run as its owner: {place}");
        return Finding::new("folder", Level::Failed, message);
    }
    match folder::open_to_others(data) {
        Some(mode) => {
            let message = format!(
                "other users may enter it (mode {mode:o}); close it with: chmod 700 {place}"
            );
            Finding::new("folder", Level::Warning, message)
        }
        None => Finding::ok("folder", format!("private to its owner: {place}")),
    }
}

fn lock_finding(data: &Path) -> Finding {
    match Lock::take(data, "doctor") {
        Ok(Taken::Ours(_)) => Finding::ok("lock", "free: no station runs on the folder"),
        Ok(Taken::Held(holder)) => Finding::ok("lock", format!("held by {holder}")),
        Err(error) => Finding::failed("lock", &error),
    }
}

fn disk_finding(data: &Path, reserve: u64) -> Finding {
    let free = match rustix::fs::statvfs(data) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => {
            let message = format!("cannot ask for free space: {error}: {}", data.display());
            return Finding::new("disk", Level::Failed, message);
        }
    };
    let mib = free >> 20;
    if free < reserve {
        let message = format!(
            "{mib} MiB are free, less than the reserve of {} MiB (objects.reserve_bytes): writes are refused; free some space",
            reserve >> 20
        );
        return Finding::new("disk", Level::Failed, message);
    }
    let level = if free / 16 < reserve {
        Level::Warning
    } else {
        Level::Ok
    };
    Finding::new("disk", level, format!("{mib} MiB are free"))
}

async fn database_findings(
    data: &Path,
    settings: &Settings,
    repair: bool,
    scrub: bool,
) -> Vec<Finding> {
    let path = settings.database.url.strip_prefix("sqlite:").map(|path| {
        data.join(if path.is_empty() {
            "transect.sqlite"
        } else {
            path
        })
    });
    if let Some(path) = path.filter(|path| !path.exists()) {
        let message = format!(
            "not there yet; `transect serve` makes it: {}",
            path.display()
        );
        return vec![Finding::ok("database", message)];
    }
    let command = Command::CheckDatabase { repair, scrub };
    let answer = perform(data, settings.clone(), command, |_| {}).await;
    match answer.and_then(|findings| Ok(serde_json::from_value(findings)?)) {
        Ok(findings) => findings,
        Err(error) => vec![Finding::failed("database", &error)],
    }
}

/// Asks the database who it is, and SQLite also whether its file is whole.
pub(super) async fn check_database(cx: &Context) -> Vec<Finding> {
    let dialect = cx.database.dialect();
    let version = match dialect {
        Dialect::Sqlite => "select 'SQLite ' || sqlite_version()",
        Dialect::Postgres => "select 'PostgreSQL ' || current_setting('server_version')",
    };
    let asked = cx.database.read(move |tx| {
        Box::pin(async move {
            let version: Option<String> = tx.scalar(version, &[]).await?;
            let schema: Option<i64> = tx.scalar("select max(number) from migration", &[]).await?;
            Ok((version.unwrap_or_default(), schema.unwrap_or_default()))
        })
    });
    let answers = match asked.await {
        Ok((version, schema)) => {
            Finding::ok("database", format!("{version} answers; schema {schema}"))
        }
        Err(error) => return vec![Finding::failed("database", &error)],
    };
    if dialect == Dialect::Postgres {
        return vec![answers]; // Its server looks after its own pages.
    }
    let whole = cx.database.read(|tx| {
        Box::pin(async move {
            let rows = tx.rows("pragma integrity_check", &[]).await?;
            rows.into_iter()
                .map(|mut row| row.take::<String>())
                .collect::<Result<Vec<_>>>()
        })
    });
    let integrity = match whole.await {
        Ok(lines) if lines == ["ok"] => {
            Finding::ok("integrity", "every page was read and is whole")
        }
        Ok(lines) => Finding::new(
            "integrity",
            Level::Failed,
            format!(
                "the database file is damaged; restore a backup: {}",
                lines.join("; ")
            ),
        ),
        Err(error) => Finding::failed("integrity", &error),
    };
    vec![answers, integrity]
}

/// Compares the search index with the database, after building it again where that is wanted.
pub(super) async fn check_search(cx: &Arc<Context>, repair: bool) -> Finding {
    let compared = async {
        if repair {
            search::rebuild(cx).await?;
        }
        search::compare(cx).await
    };
    match compared.await {
        Ok(comparisons) => search_finding(&comparisons),
        Err(error @ Error::Busy(_)) => {
            Finding::new("search", Level::Warning, Chain(&error).to_string())
        }
        Err(error) => Finding::failed("search", &error),
    }
}

/// How the second copies of stored files are; nothing where none are kept.
pub(super) fn check_copies(cx: &Context) -> Option<Finding> {
    let copies = cx.objects.copies()?;
    let (behind, place) = (copies.behind, copies.folder.display());
    Some(match copies.problem {
        Some(problem) => Finding::new(
            "copies",
            Level::Warning,
            format!("stored files get no second copy at the moment, and are kept once: {problem}"),
        ),
        None if !copies.compared => Finding::new(
            "copies",
            Level::Warning,
            format!("both copies are still being compared, {behind} files wait at least: {place}"),
        ),
        None => {
            let but = match behind {
                0 => String::new(),
                1 => ", but for 1 that is on its way".into(),
                some => format!(", but for {some} that are on their way"),
            };
            Finding::ok(
                "copies",
                format!("every stored file is kept twice{but}: {place}"),
            )
        }
    })
}

/// Whether the files that were imported in place are there; nothing where there are none.
pub(super) async fn check_sources(cx: &Context) -> Option<Finding> {
    let found = match media::present::check(cx).await {
        Ok(found) if found.files == 0 => return None,
        Ok(found) => found,
        Err(error) => return Some(Finding::failed("in place", &error)),
    };
    if found.missing + found.changed == 0 {
        let message = format!("{} files are where they were imported", found.files);
        return Some(Finding::ok("in place", message));
    }
    let message = format!(
        "of {} files {} are missing and {} have changed since they were imported; plug in their disk or put them back, \
         and import again what is meant to be another file now ({})",
        found.files,
        found.missing,
        found.changed,
        found.named.join("; ")
    );
    Some(Finding::new("in place", Level::Warning, message))
}

/// How much of the quotas is in use; nothing where there are none.
pub(super) async fn check_quotas(cx: &Context) -> Option<Finding> {
    let mut uses = match quota::list(cx).await {
        Ok(uses) => uses,
        Err(error) => return Some(Finding::failed("quotas", &error)),
    };
    uses.retain(|one| one.quota_bytes.is_some());
    let nearly = uses.iter().any(quota::Use::is_nearly_full);
    let told = uses.iter().map(|one| {
        let (used, quota) = (one.used_bytes, one.quota_bytes.unwrap_or_default());
        let (used, quota) = (ByteSize(used), ByteSize(quota));
        format!("{} {}: {used} of {quota}", one.kind, one.name)
    });
    let told: Vec<String> = told.collect();
    let told = told.join("; ");
    match (uses.is_empty(), nearly) {
        (true, _) => None,
        (false, false) => Some(Finding::ok("quotas", told)),
        (false, true) => Some(Finding::new(
            "quotas",
            Level::Warning,
            format!(
                "little is left: delete something, or raise a quota with transect quota set ({told})"
            ),
        )),
    }
}

/// Asks every bucket whether it lets the station in, all at once.
pub(super) async fn check_buckets(cx: &Context) -> Vec<Finding> {
    let reading = cx.database.read(|tx| {
        Box::pin(async move {
            let mut known = Vec::new();
            for (bucket, is_used) in bucket::service::all(tx).await? {
                let waiting = storage::waiting(tx, bucket.id).await?;
                known.push((bucket, is_used, waiting));
            }
            Ok(known)
        })
    });
    let known = match reading.await {
        Ok(known) => known,
        Err(error) => return vec![Finding::failed("bucket", &error)],
    };
    let asked = known
        .into_iter()
        .map(|(bucket, is_used, (waiting, why))| async move {
            let (named, place) = (
                format!("bucket {} ({})", bucket.id, bucket.name),
                &bucket.endpoint_url,
            );
            let left = match (waiting, is_used) {
                (0, true) => String::new(),
                (0, false) => "; no project uses it".into(),
                (1, _) => "; 1 object waits to move there".into(),
                (some, _) => format!("; {some} objects wait to move there"),
            };
            let (level, told) = match cx.places.check(bucket.connection()).await {
                Err(trouble) if is_used => (Level::Failed, trouble.message().to_owned()),
                Err(trouble) => (Level::Warning, trouble.message().to_owned()),
                Ok(()) if waiting > 0 && !why.is_empty() => {
                    (Level::Warning, one_sentence(&named, &why))
                }
                Ok(()) => (Level::Ok, format!("{named} answers")),
            };
            Finding::new("bucket", level, format!("{told}{left}: {place}"))
        });
    futures::future::join_all(asked).await
}

/// Why something waits for a bucket, as one sentence that begins with the bucket.
fn one_sentence(named: &str, why: &str) -> String {
    let why = why.replace(TELLS, "");
    match why.starts_with(named) {
        true => why,
        false => format!(
            "{named} answers, but the last try failed ({why}), and is made again in a moment"
        ),
    }
}

/// How the backups of projects are, one finding for each bucket that has any or is to have some.
pub(super) async fn check_backups(cx: &Context) -> Vec<Finding> {
    let reading = cx.database.read(|tx| {
        Box::pin(async move {
            let mut found = Vec::new();
            for one in storage::backups(tx).await? {
                let bucket = bucket::service::find(tx, one.bucket).await?;
                found.push((one, bucket.map_or(String::new(), |bucket| bucket.name)));
            }
            Ok(found)
        })
    });
    let found = match reading.await {
        Ok(found) => found,
        Err(error) => return vec![Finding::failed("backups", &error)],
    };
    let told = found.into_iter().map(|(one, name)| {
        let place = format!("bucket {} ({name})", one.bucket);
        let kept = match one.kept {
            1 => "1 stored file has a second copy".into(),
            some => format!("{some} stored files have a second copy"),
        };
        let waiting = match one.waiting {
            0 => {
                return Finding::ok(
                    "backups",
                    format!("{kept} in {place}, and none waits for one"),
                );
            }
            1 => "1 waits for one".into(),
            some => format!("{some} wait for one"),
        };
        let message = match one.message.is_empty() {
            true => format!("{kept} in {place}, {waiting}"),
            false => format!(
                "{}; {kept} there, {waiting} and is tried again every few seconds",
                one_sentence(&place, &one.message)
            ),
        };
        Finding::new("backups", Level::Warning, message)
    });
    told.collect()
}

/// Reads everything that is stored, and names what is not what was written.
pub(super) async fn check_objects(cx: &Context, repair: bool) -> Finding {
    let found = match storage::scrub(cx, repair).await {
        Ok(found) => found,
        Err(error) => return Finding::failed("objects", &error),
    };
    let mut told = Vec::new();
    if found.mended > 0 {
        told.push(format!(
            "{} were damaged or missing and were mended from their second copy",
            found.mended
        ));
    }
    if found.copied > 0 {
        told.push(format!("{} second copies were written anew", found.copied));
    }
    for (bucket, (why, unread)) in &found.unanswered {
        told.push(format!(
            "{unread} in bucket {bucket} could not be read: {}",
            why.replace(TELLS, "")
        ));
    }
    if found.unmarked > 0 {
        told.push(format!(
            "{} were stored by an earlier version, without a fingerprint",
            found.unmarked
        ));
    }
    let count = match found.blobs {
        1 => "1 stored file was read".into(),
        count => format!("{count} stored files were read"),
    };
    if found.damaged.is_empty() {
        let level = match found.unanswered.is_empty() {
            true => Level::Ok,
            false => Level::Failed,
        };
        let whole = if found.blobs == 1 { "is" } else { "are" };
        told.insert(0, format!("{count} and {whole} whole"));
        return Finding::new("objects", level, told.join("; "));
    }
    let has_copies = cx.objects.copies().is_some() || has_backups(cx).await;
    let remedy = match has_copies {
        true if !repair => {
            "mend what its second copy still has with: transect doctor --scrub --repair"
        }
        true => "its second copy is no better; restore it from a backup, or store it again",
        false => "restore it from a backup, or store it again",
    };
    told.insert(
        0,
        format!(
            "{count}, {} of them are not what was written; {remedy}: {}",
            found.damaged.len(),
            found.damaged.join("; ")
        ),
    );
    Finding::new("objects", Level::Failed, told.join("; "))
}

async fn has_backups(cx: &Context) -> bool {
    let reading = cx
        .database
        .read(|tx| Box::pin(async move { storage::backups(tx).await }));
    reading.await.is_ok_and(|found| !found.is_empty())
}

fn search_finding(comparisons: &[Comparison]) -> Finding {
    let mut wrong = Vec::new();
    for one in comparisons {
        for (ids, what) in [
            (&one.missing, "not in the index"),
            (&one.surplus, "only in the index"),
        ] {
            if let Some(first) = ids.first() {
                let table = one.kind.table();
                let more = match ids.len() - 1 {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                wrong.push(format!("{table} {first}{more}: {what}"));
            }
        }
    }
    if wrong.is_empty() {
        let counts = comparisons.iter().map(|one| {
            let (count, table) = (one.rows, one.kind.table());
            match table {
                "media" => format!("{count} media"),
                "leaf" if count != 1 => format!("{count} leaves"),
                table if count != 1 => format!("{count} {table}s"),
                table => format!("1 {table}"),
            }
        });
        let counts: Vec<String> = counts.collect();
        let message = format!("every row can be found: {}", counts.join(", "));
        return Finding::ok("search", message);
    }
    let message = format!(
        "the index differs from the database; build it again with: transect doctor --repair ({})",
        wrong.join("; ")
    );
    Finding::new("search", Level::Failed, message)
}

/// The worker that the settings name: a path, or the program beside this one.
fn worker_path(setting: &str) -> PathBuf {
    if !setting.is_empty() {
        return setting.into();
    }
    let name = Path::new("transect-frames");
    match std::env::current_exe() {
        Ok(program) => program.with_file_name(name),
        Err(_) => name.into(),
    }
}

async fn worker_findings(worker: &Path) -> Vec<Finding> {
    let failed = |message: String| vec![Finding::new("worker", Level::Failed, message)];
    let place = worker.display();
    let started = Program::new(worker)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            return failed(format!(
                "cannot start ({error}): no pictures can be shown; install transect-frames beside this \
                 program, or name it with the setting frames.worker: {place}"
            ));
        }
    };
    let libraries = libraries(&mut child).await;
    drop(child.stdin.take());
    let mut said = String::new();
    let mut errors = child.stderr.take().expect("it was asked for");
    let ended = tokio::time::timeout(STARTING, async {
        let _ = errors.read_to_string(&mut said).await;
        child.wait().await
    });
    match ended.await {
        Ok(Ok(status)) if status.success() => {}
        Ok(Ok(status)) => {
            return failed(format!(
                "starts but fails ({status}): {}: {place}",
                said.trim()
            ));
        }
        Ok(Err(error)) => return failed(format!("cannot be waited for ({error}): {place}")),
        Err(_) => {
            return failed(format!(
                "did not end within {} s: {place}",
                STARTING.as_secs()
            ));
        }
    }
    let mut findings = vec![Finding::ok("worker", format!("starts: {place}"))];
    if !libraries.is_empty() {
        findings.push(Finding::ok("ffmpeg", libraries.join(", ")));
    }
    findings
}

/// The FFmpeg libraries that a starting worker has mapped; none where the system does not tell.
async fn libraries(child: &mut Child) -> Vec<String> {
    let Some(id) = child.id().filter(|_| cfg!(target_os = "linux")) else {
        return Vec::new();
    };
    for _ in 0..100 {
        let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).unwrap_or_default();
        let found = mapped(&maps);
        // The loader maps them all before the program begins; the heap comes after that.
        if maps.contains("[heap]") && !found.is_empty() {
            return found;
        }
        if child.try_wait().is_ok_and(|status| status.is_some()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Vec::new()
}

fn mapped(maps: &str) -> Vec<String> {
    let wanted = [
        "libavcodec.",
        "libavformat.",
        "libavutil.",
        "libswresample.",
        "libswscale.",
    ];
    let mut found: Vec<String> = maps
        .lines()
        .filter_map(|line| line.rsplit_once('/').map(|(_, file)| file.to_owned()))
        .filter(|file| wanted.iter().any(|name| file.starts_with(name)))
        .collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_the_map_of_a_process() {
        let maps = "7f0 r-xp 00 08:01 1 /usr/lib/x/libavutil.so.57.28.100\n\
                    7f1 r-xp 00 08:01 2 /usr/lib/x/libc.so.6\n\
                    7f2 r--p 00 08:01 1 /usr/lib/x/libavutil.so.57.28.100\n\
                    7f3 rw-p 00 00:00 0 [heap]\n";
        assert_eq!(mapped(maps), ["libavutil.so.57.28.100"]);
    }

    #[tokio::test]
    async fn a_missing_worker_is_named_with_the_remedy() {
        let findings = worker_findings(Path::new("/nowhere/transect-frames")).await;
        assert_eq!(findings[0].level, Level::Failed);
        assert!(findings[0].message.contains("frames.worker"));
    }
}
