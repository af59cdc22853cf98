//! Rules of taking back, and reading the journal.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::net::{self, Net, changed, disturbed, set};
use super::rows::{self, Now, Writing};
use super::shape::{self, Shape};
use super::store;
use super::types::{JournalEntry, JournalQuery, UndoSpec, Undone};
use crate::account::Actor;
use crate::attribute::Kind;
use crate::context::Context;
use crate::database::Tx;
use crate::entity_type::{self, set_aside};
use crate::error::{Error, Result};
use crate::jobs;
use crate::journal::{self, Action, Entry, Ledger, Page, Stamp};
use crate::project::{self, Level};

/// Conflicts that an answer names.
const NAMED: usize = 20;
/// Changes that one call takes back.
const MOST: usize = 100;
/// Entries looked at in one go while searching for the caller's last changes.
const PAGE: i64 = 200;

/// A page of the journal of a project, oldest first unless asked otherwise. With `wait`, an empty
/// page is held back until there is an entry, or the time is over.
pub(super) async fn journal(
    cx: &Context,
    actor: &Actor,
    project: i64,
    query: JournalQuery,
) -> Result<Vec<JournalEntry>> {
    if query.entity_id.is_some() && query.noun.is_none() {
        return Err(Error::invalid(
            "entity_id needs the noun that it is an id of",
        ));
    }
    let wait = Duration::from_secs(query.wait.unsigned_abs());
    let until = tokio::time::Instant::now() + wait;
    let mut committed = cx.database.committed();
    loop {
        committed.borrow_and_update();
        let found = entries(cx, actor, project, query.clone()).await?;
        if !found.is_empty() || tokio::time::Instant::now() >= until {
            return Ok(found);
        }
        // Another station on the same database rings no bell here, hence the pause.
        tokio::select! {
            _ = committed.changed() => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }
}

async fn entries(
    cx: &Context,
    actor: &Actor,
    project: i64,
    query: JournalQuery,
) -> Result<Vec<JournalEntry>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::level_also_deleted(tx, &actor, project, Level::View).await?;
                let page = Page {
                    after: query.after,
                    before: None,
                    noun: query.noun,
                    entity: query.entity_id,
                    account: query.user_id,
                    by_job: None,
                    newest: query.newest,
                    limit: query.limit,
                    detail: query.detail,
                };
                let mut found = Vec::new();
                for entry in journal::page(tx, project, &page).await? {
                    let change = journal::seq_of(tx, &entry.clock, entry.seq).await?;
                    found.push(JournalEntry {
                        id: entry.seq,
                        change: change.unwrap_or(entry.seq),
                        project,
                        user: entry.account,
                        created_datetime: entry.at_ms,
                        noun: entry.noun,
                        action: entry.action,
                        count: entry.count,
                        first_id: entry.first_id,
                        last_id: entry.last_id,
                        undone_by: store::undone_by(tx, &entry.clock).await?,
                        rows: entry.rows,
                    });
                }
                Ok(found)
            })
        })
        .await
}

/// Takes changes back, the newest first, all or none.
///
/// Errors: `Invalid` for a change that can not be taken back, that was already, or whose fields
/// somebody changed since; `Forbidden` for somebody else's without full control; `NotFound`.
pub(super) async fn undo(
    cx: &Context,
    actor: &Actor,
    project: i64,
    spec: UndoSpec,
) -> Result<Undone> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    let kept_since = cx.settings.database.kept_since(cx.now());
    let undone = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                let level =
                    project::level_also_deleted(tx, &actor, project, Level::Edit).await?;
                let wanted = match (&spec.entries, spec.last) {
                    (Some(entries), None) if !entries.is_empty() => {
                        changes(tx, project, entries).await?
                    }
                    (None, Some(last)) if last > 0 => {
                        last_of(tx, project, actor.id, last, spec.jobs).await?
                    },
                    _ => {
                        return Err(Error::invalid(
                            "say what to take back: entries of the journal, or last (how many of your changes)",
                        ));
                    }
                };
                if wanted.len() > MOST {
                    return Err(Error::invalid(format!(
                        "at most {MOST} changes can be taken back at a time"
                    )));
                }
                if project::is_deleted(tx, project).await? && !wanted.iter().any(Change::is_of_project) {
                    return Err(Error::invalid(
                        "the project is deleted: only its deletion can be taken back; do that first",
                    ));
                }
                for change in &wanted {
                    change.check(level, actor.id, kept_since)?;
                    // Entries of each: several changes may be of the same row.
                    let mut ledger = Ledger::default();
                    take_back(tx, &stamp, project, change, spec.force, &mut ledger).await?;
                    ledger.write(tx, &stamp, project).await?;
                }
                finish(tx, &stamp, project, &wanted).await
            })
        })
        .await?;
    jobs::heed(cx).await?;
    Ok(undone)
}

/// Everything that one request wrote.
struct Change {
    clock: String,
    first: i64,
    account: Option<i64>,
    entries: Vec<Entry>,
}

impl Change {
    fn of(entries: Vec<Entry>) -> Option<Self> {
        let first = entries.first()?;
        Some(Self {
            clock: first.clock.clone(),
            first: first.seq,
            account: first.account,
            entries,
        })
    }

    /// The nouns that it is about, in the order in which they are taken back. A project that it made
    /// goes as a whole, so that it can come back as a whole.
    fn shapes(&self) -> impl Iterator<Item = &'static Shape> {
        let whole = self.makes_project();
        shape::SHAPES
            .into_iter()
            .filter(move |shape| !whole || shape.noun == project::SHAPE.noun)
    }

    /// What it did, as people say it: `delete 3 localization`.
    fn words(&self) -> impl Iterator<Item = String> + '_ {
        let of = |entry: &Entry| {
            let (action, count) = (entry.action.name(), entry.changes.len());
            format!("{action} {count} {}", entry.noun)
        };
        self.entries.iter().map(of)
    }

    fn is_of_project(&self) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.noun == project::SHAPE.noun)
    }

    fn makes_project(&self) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.noun == project::SHAPE.noun && entry.action == Action::Create)
    }

    fn check(&self, level: Level, account: i64, kept_since: i64) -> Result<()> {
        for entry in &self.entries {
            if entry.at_ms < kept_since && took_from_instances(entry) {
                return Err(Error::invalid(format!(
                    "change {} can not be taken back: what it took from instances of a {} was removed for good, its time was over",
                    self.first, entry.noun
                )));
            }
            let shape = shape::find(&entry.noun).ok_or_else(|| {
                Error::invalid(format!(
                    "entry {} can not be taken back: {} of a {} has no undo; change it back by hand",
                    entry.seq,
                    entry.action.name(),
                    entry.noun
                ))
            })?;
            let own = self.account == Some(account);
            if level < shape.level || !(own || (level == Level::Full && !self.makes_project())) {
                return Err(Error::forbidden());
            }
        }
        Ok(())
    }
}

/// Whether a type, or an attribute of it, went away.
fn took_from_instances(entry: &Entry) -> bool {
    let count = |row: &Map<String, Json>| {
        let declared = row.get("attribute_types").and_then(Json::as_array);
        declared.map_or(0, Vec::len)
    };
    let declares = shape::find(&entry.noun).is_some_and(|shape| shape.declares.is_some());
    let went = |change: &journal::Recorded| {
        entry.action == Action::Delete || count(&change.before) > count(&change.after)
    };
    declares && entry.changes.iter().any(went)
}

async fn changes(tx: &mut Tx, project: i64, entries: &[i64]) -> Result<Vec<Change>> {
    let mut found: BTreeMap<i64, Change> = BTreeMap::new();
    for entry in entries {
        let missing = || Error::no_match("JournalEntry");
        let (of, entries) = journal::change(tx, *entry).await?.ok_or_else(missing)?;
        let change = Change::of(entries).filter(|_| of == Some(project));
        let change = change.ok_or_else(missing)?;
        if let Some(by) = store::undone_by(tx, &change.clock).await? {
            return Err(Error::invalid(format!(
                "change {} was taken back already, by {by}; undo that to have it again",
                change.first
            )));
        }
        found.insert(change.first, change);
    }
    Ok(found.into_values().rev().collect())
}

/// The last changes of an account that still stand and took nothing back themselves, newest first; those of jobs in its
/// name only if they are wanted.
async fn last_of(
    tx: &mut Tx,
    project: i64,
    account: i64,
    count: usize,
    jobs: bool,
) -> Result<Vec<Change>> {
    let mut found: Vec<Change> = Vec::new();
    let mut page = Page {
        account: Some(account),
        by_job: (!jobs).then_some(false),
        newest: true,
        limit: PAGE,
        ..Page::default()
    };
    while found.len() < count {
        let entries = journal::page(tx, project, &page).await?;
        let Some(last) = entries.last() else { break };
        page.before = Some(last.seq);
        for entry in entries {
            let seen = found.iter().any(|change| change.clock == entry.clock);
            if seen || found.len() == count || stands_not(tx, &entry.clock).await? {
                continue;
            }
            let change = journal::change(tx, entry.seq).await?;
            let change = change.and_then(|(_, entries)| Change::of(entries));
            // Nobody who counts changes means the project itself: its making has to be named.
            found.extend(change.filter(|change| !change.makes_project()));
        }
    }
    if found.is_empty() {
        return Err(Error::invalid("there is nothing of yours to take back"));
    }
    Ok(found)
}

async fn stands_not(tx: &mut Tx, clock: &str) -> Result<bool> {
    Ok(store::undone_by(tx, clock).await?.is_some() || !store::undid(tx, clock).await?.is_empty())
}

async fn take_back(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    change: &Change,
    force: bool,
    ledger: &mut Ledger,
) -> Result<()> {
    let mut nets = Vec::new();
    for shape in change.shapes() {
        let entries = change
            .entries
            .iter()
            .filter(|entry| entry.noun == shape.noun);
        let steps = entries.flat_map(|entry| {
            entry.changes.iter().map(|one| {
                let (before, after) = (one.before.clone(), one.after.clone());
                let there = |row: Map<_, _>| (!row.is_empty()).then(|| shape.recorded(row));
                match entry.action {
                    Action::Create | Action::Restore => (one.id, None, there(after)),
                    Action::Update => (one.id, there(before), there(after)),
                    Action::Delete => (one.id, there(before), None),
                }
            })
        });
        let nets_of = net::net(steps);
        let ids: Vec<i64> = nets_of.keys().copied().collect();
        let now = rows::read(tx, shape, &ids).await?;
        nets.push((shape, nets_of, now));
    }
    if !force {
        let mut conflicts: Vec<String> = nets
            .iter()
            .flat_map(|(shape, nets, now)| conflicts(shape, nets, now))
            .collect();
        // What an undo brought back may go again with everything that came with it.
        if store::undid(tx, &change.clock).await?.is_empty() {
            for (shape, nets, _) in &nets {
                conflicts.extend(in_use(tx, shape, nets).await?);
            }
        }
        if !conflicts.is_empty() {
            return Err(refused(change.first, &conflicts));
        }
    }
    for (shape, nets, now) in nets {
        let writing = Writing::new(shape, stamp, &change.clock, project);
        write(tx, stamp, shape, writing, nets, now, ledger).await?;
    }
    Ok(())
}

fn refused(change: i64, conflicts: &[String]) -> Error {
    let more = conflicts.len().saturating_sub(NAMED);
    let mut named = conflicts[..conflicts.len().min(NAMED)].join("\n");
    if more > 0 {
        named.push_str(&format!("\nand {more} more"));
    }
    Error::invalid_because(
        format!(
            "change {change} can not be taken back: {} rows were changed again since; take that back first, or use force",
            conflicts.len()
        ),
        named,
    )
}

/// Where rows are no longer as the change left them.
fn conflicts<'c>(
    shape: &'static Shape,
    nets: &'c BTreeMap<i64, Net>,
    now: &'c BTreeMap<i64, Now>,
) -> impl Iterator<Item = String> + 'c {
    nets.iter().filter_map(move |(id, net)| {
        let name = format!("{} {id}", shape.noun);
        let now = now.get(id).filter(|now| !now.deleted);
        match (&net.before, &net.after, now) {
            (_, Some(_), None) => Some(format!("{name} is gone")),
            (_, None, Some(_)) => Some(format!("{name} is there again")),
            (_, None, None) => None,
            (_, Some(_), Some(now)) if now.superseded => {
                Some(format!("{name} has a newer revision"))
            }
            (before, Some(after), Some(now)) => {
                let keys = match before {
                    Some(before) => changed(shape, before, after),
                    // What was made and then changed is not thrown away unasked; what the station
                    // itself found out about it since does not count.
                    None => changed(shape, &Map::new(), after)
                        .into_iter()
                        .filter(|key| !shape.found_out.contains(&key.as_str()))
                        .collect(),
                };
                let since = disturbed(shape, &keys, after, &now.row);
                (!since.is_empty()).then(|| format!("{name}: {}", since.join(", ")))
            }
        }
    })
}

/// What instances would lose if types or attributes that a change made went.
async fn in_use(
    tx: &mut Tx,
    shape: &'static Shape,
    nets: &BTreeMap<i64, Net>,
) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let Some(kind) = shape.declares else {
        return Ok(found);
    };
    for (id, net) in nets {
        let (Some(after), name) = (&net.after, format!("{} {id}", shape.noun)) else {
            continue;
        };
        let Some(before) = &net.before else {
            let (count, what) = match kind {
                Kind::Section => (project::count_media(tx, *id).await?, "media".to_owned()),
                _ => {
                    let count = entity_type::count_instances(tx, kind, *id).await?;
                    (count, format!("{}s", kind.table()))
                }
            };
            if count > 0 {
                found.push(format!("{name} has {count} {what}"));
            }
            continue;
        };
        let (old, new) = (net::attributes(before), net::attributes(after));
        if old.len() >= new.len() {
            continue; // A rename takes nothing away.
        }
        for attribute in new.keys().filter(|attribute| !old.contains_key(*attribute)) {
            let count = entity_type::count_values(tx, kind, *id, attribute).await?;
            if count > 0 {
                let of = kind.table();
                found.push(format!("{name}: {count} {of}s have a value of {attribute}"));
            }
        }
    }
    Ok(found)
}

async fn write(
    tx: &mut Tx,
    stamp: &Stamp,
    shape: &'static Shape,
    mut writing: Writing<'_>,
    nets: BTreeMap<i64, Net>,
    mut now: BTreeMap<i64, Now>,
    ledger: &mut Ledger,
) -> Result<()> {
    let mut touched = Vec::new();
    for (id, net) in nets {
        let current = now.remove(&id);
        let there = current.as_ref().is_some_and(|now| !now.deleted);
        let current = current.map(|now| now.row);
        match (net.before, net.after, current) {
            (Some(before), Some(after), Some(current)) if there => {
                let mut row = current.clone();
                set(&mut row, &changed(shape, &before, &after), &before);
                writing.update(id, &current, &row);
                let (was, is) = (shape.for_journal(&current), shape.for_journal(&row));
                ledger.updated(shape.noun, id, &was, &is)?;
                touched.extend([current, row]);
            }
            (None, Some(_), Some(current)) if there => {
                writing.remove(id, &current);
                ledger.deleted(shape.noun, id, &shape.for_journal(&current))?;
                touched.push(current);
            }
            (Some(before), None, current) if !there && (current.is_some() || !shape.kept) => {
                writing.bring_back(id, current.as_ref(), &before);
                let row = current.unwrap_or(before);
                ledger.restored(shape.noun, id, &shape.for_journal(&row))?;
                touched.push(row);
            }
            (Some(_), None, None) if shape.kept => {
                return Err(Error::invalid(format!(
                    "{} {id} was removed for good: its time was over",
                    shape.noun
                )));
            }
            // Forced, and somebody else did the rest already.
            _ => {}
        }
    }
    writing.finish(tx).await?;
    (shape.settle)(tx, stamp, touched).await
}

async fn finish(tx: &mut Tx, stamp: &Stamp, project: i64, undone: &[Change]) -> Result<Undone> {
    let page = Page {
        newest: true,
        limit: PAGE,
        ..Page::default()
    };
    let written = journal::page(tx, project, &page).await?;
    let mut entries: Vec<i64> = written
        .iter()
        .filter(|entry| entry.clock == stamp.clock)
        .map(|entry| entry.seq)
        .collect();
    entries.reverse();
    let by = *entries
        .first()
        .ok_or_else(|| Error::invalid("nothing of it is left to take back"))?;
    for change in undone {
        for again in store::undid(tx, &change.clock).await? {
            store::forget(tx, &again).await?;
            // It stands again, and can be taken back again: what went with it is known by its name, too.
            set_aside::also_under(tx, &stamp.clock, &again).await?;
        }
        store::note(tx, &change.clock, &stamp.clock, by).await?;
    }
    let rows: i64 = written
        .iter()
        .filter(|entry| entry.clock == stamp.clock)
        .map(|entry| entry.count)
        .sum();
    Ok(Undone {
        message: format!(
            "Successfully undid {} ({})!",
            counted(undone.len() as i64, "change"),
            counted(rows, "row")
        ),
        undone: undone.iter().map(|change| change.first).collect(),
        changes: undone.iter().flat_map(Change::words).collect(),
        entries,
    })
}

fn counted(count: i64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}
