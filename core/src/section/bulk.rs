//! Rules of many sections at once.

use std::collections::HashSet;

use super::filter::SectionFilter;
use super::service::path_exists;
use super::types::Section;
use super::{path, store};
use crate::account::Actor;
use crate::attribute::{self, Indexing, Kind};
use crate::context::Context;
use crate::database::Tx;
use crate::error::Result;
use crate::journal::{self, Action, Changes, Stamp};
use crate::media;
use crate::project::{self, Level};

/// The sections of a project that pass a filter, by name.
pub async fn selected(tx: &mut Tx, project: i64, filter: &SectionFilter) -> Result<Vec<Section>> {
    let definitions = attribute::definitions_of_type(tx, Kind::Section, project).await?;
    filter.apply(store::list(tx, project).await?, &definitions)
}

/// Replaces a prefix of the paths of sections that pass a filter; returns how many it changed.
///
/// Errors: `Invalid` when two sections would end up with one path.
pub async fn substitute(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: SectionFilter,
    old: String,
    new: String,
) -> Result<usize> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::Edit).await?;
                path::check(&new)?;
                let mut changed = Vec::new();
                for before in selected(tx, project, &filter).await? {
                    let own = before.path.as_deref().unwrap_or_default();
                    if let Some(path) = path::substitute(own, &old, &new) {
                        let mut after = before.clone();
                        after.path = Some(path);
                        store::update(tx, &after).await?;
                        changed.push((after.id, Some(before), Some(after)));
                    }
                }
                check_paths_differ(&store::list(tx, project).await?)?;
                let count = changed.len();
                let changes = Changes::new(Action::Update, changed)?;
                journal::record(tx, &stamp, Some(project), "section", changes).await?;
                Ok(count)
            })
        })
        .await
}

fn check_paths_differ(sections: &[Section]) -> Result<()> {
    let mut seen = HashSet::new();
    for section in sections {
        if let Some(path) = &section.path
            && !seen.insert(path)
        {
            return Err(path_exists());
        }
    }
    Ok(())
}

/// Removes the sections that pass a filter; returns how many they were.
pub async fn remove_matching(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: SectionFilter,
) -> Result<usize> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::Edit).await?;
                let sections = selected(tx, project, &filter).await?;
                let count = sections.len();
                remove_all(tx, &stamp, project, sections).await?;
                Ok(count)
            })
        })
        .await
}

pub async fn remove_all(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    sections: Vec<Section>,
) -> Result<()> {
    let definitions = attribute::definitions_of_type(tx, Kind::Section, project).await?;
    for section in &sections {
        media::service::leave_section(tx, stamp, project, section.id).await?;
        store::remove(tx, section.id).await?;
    }
    let indexing = sections.iter().map(|section| Indexing {
        entity: section.id,
        definitions: &definitions,
        before: Some(&section.attributes),
        after: None,
    });
    attribute::index(tx, indexing).await?;
    let removed = sections
        .iter()
        .map(|section| (section.id, Some(section), None::<&()>));
    let changes = Changes::new(Action::Delete, removed)?;
    journal::record(tx, stamp, Some(project), "section", changes).await
}
