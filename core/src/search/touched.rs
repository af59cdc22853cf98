//! What entries of the journal are about: which documents may have changed.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::document::{KINDS, number};
use crate::attribute::Kind;
use crate::error::Result;
use crate::journal::{Action, Outline};

/// Rows whose documents are to be read again.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// Ids from first to last, which were created together, by the number of their kind.
    pub created: [Vec<(i64, i64)>; 5],
    /// Single rows.
    pub changed: [Vec<i64>; 5],
    /// Annotations that left an identity: their kind, elemental id and version.
    pub left: Vec<(Kind, String, i64)>,
    /// Rows that are read again as a whole.
    pub wholes: Vec<Whole>,
    /// Types and projects of which nothing is left.
    pub gone: Vec<Whole>,
    /// Types of media that went or came back, and with them the annotations on their instances.
    pub media_types: Vec<i64>,
}

/// Many rows at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Whole {
    /// The instances of a type.
    Type(Kind, i64),
    /// Everything in a project.
    Project(i64),
}

impl Whole {
    /// The kinds of its rows.
    pub fn kinds(self) -> Vec<Kind> {
        match self {
            Self::Type(kind, _) => vec![kind],
            Self::Project(_) => KINDS.to_vec(),
        }
    }
}

/// What identifies an annotation, in a journal's document.
#[derive(Debug, Default, PartialEq, Deserialize)]
struct Identity {
    elemental_id: Option<String>,
    version: Option<i64>,
}

#[derive(Deserialize)]
struct Row {
    id: i64,
    before: Option<Identity>,
    after: Option<Identity>,
}

#[derive(Deserialize)]
struct Declaring {
    id: i64,
    #[serde(default)]
    before: Attributes,
    #[serde(default)]
    after: Attributes,
}

#[derive(Default, Deserialize)]
struct Attributes {
    attribute_types: Option<Box<RawValue>>,
}

impl Attributes {
    fn text(&self) -> &str {
        self.attribute_types.as_deref().map_or("", RawValue::get)
    }
}

impl Touched {
    /// Adds what an entry is about.
    pub fn add(&mut self, entry: &Outline) -> Result<()> {
        for kind in KINDS {
            if entry.noun == kind.table() {
                return self.add_rows(kind, entry);
            }
            if entry.noun == type_noun(kind) {
                return self.add_types(kind, entry);
            }
        }
        if entry.noun == "project"
            && let Some(project) = entry.project
        {
            match entry.action {
                Action::Delete => self.gone.push(Whole::Project(project)),
                Action::Restore => self.wholes.push(Whole::Project(project)),
                Action::Create | Action::Update => {}
            }
        }
        Ok(())
    }

    fn add_rows(&mut self, kind: Kind, entry: &Outline) -> Result<()> {
        let at = number(kind) as usize;
        if entry.action == Action::Create {
            match self.created[at].last_mut() {
                Some((_, last)) if *last + 1 == entry.first_id => *last = entry.last_id,
                _ => self.created[at].push((entry.first_id, entry.last_id)),
            }
            return Ok(());
        }
        for row in entry.changes::<Row>()? {
            self.changed[at].push(row.id);
            if let (Some(before), Some(after)) = (row.before, row.after)
                && before != after
                && let (Some(uuid), Some(version)) = (before.elemental_id, before.version)
            {
                self.left.push((kind, uuid, version));
            }
        }
        Ok(())
    }

    fn add_types(&mut self, kind: Kind, entry: &Outline) -> Result<()> {
        for change in entry.changes::<Declaring>()? {
            let whole = Whole::Type(kind, change.id);
            match entry.action {
                Action::Create => {}
                Action::Restore => self.wholes.push(whole),
                Action::Delete => self.gone.push(whole),
                Action::Update if change.before.text() != change.after.text() => {
                    self.wholes.push(whole);
                }
                Action::Update => {}
            }
            if matches!(entry.action, Action::Delete | Action::Restore) && kind == Kind::Media {
                self.media_types.push(change.id);
            }
        }
        Ok(())
    }

    /// Takes out what is about some rows at most, and with the first of it what is about wholes. None when nothing is left.
    pub fn take(&mut self, most: usize) -> Option<Self> {
        let mut some = Self {
            left: std::mem::take(&mut self.left),
            wholes: std::mem::take(&mut self.wholes),
            gone: std::mem::take(&mut self.gone),
            media_types: std::mem::take(&mut self.media_types),
            ..Self::default()
        };
        let mut room = most;
        for at in 0..KINDS.len() {
            let changed = &mut self.changed[at];
            let taken = changed.split_off(changed.len().saturating_sub(room));
            room -= taken.len();
            some.changed[at] = taken;
            while room > 0
                && let Some((first, last)) = self.created[at].pop()
            {
                let end = last.min(first + room as i64 - 1);
                if end < last {
                    self.created[at].push((end + 1, last));
                }
                room -= (end - first + 1) as usize;
                some.created[at].push((first, end));
            }
        }
        let nothing = room == most && some.left.is_empty() && !some.has_wholes();
        (!nothing).then_some(some)
    }

    /// Whether it is about more than single rows.
    pub fn has_wholes(&self) -> bool {
        !(self.wholes.is_empty() && self.gone.is_empty() && self.media_types.is_empty())
    }

    /// How many rows it is about, those of wholes apart.
    pub fn len(&self) -> usize {
        let created = self.created.iter().flatten();
        let created: i64 = created.map(|(first, last)| last - first + 1).sum();
        let changed: usize = self.changed.iter().map(Vec::len).sum();
        created as usize + changed + self.left.len()
    }

    /// Sorts and forgets what was mentioned twice.
    pub fn settle(&mut self) {
        for ids in &mut self.changed {
            ids.sort_unstable();
            ids.dedup();
        }
        let mut seen = HashSet::new();
        self.wholes.retain(|whole| seen.insert(*whole));
    }
}

/// How the journal calls the types of a kind.
fn type_noun(kind: Kind) -> String {
    format!("{}_type", kind.table())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_at_a_time_takes_everything_once() {
        let mut touched = Touched {
            wholes: vec![Whole::Type(Kind::Leaf, 3)],
            ..Touched::default()
        };
        touched.created[1] = vec![(1, 10), (21, 30)];
        touched.changed[4] = vec![7, 8, 9];
        assert_eq!(touched.len(), 23);
        let (mut rows, mut types, mut pieces) = (Vec::new(), 0, 0);
        while let Some(some) = touched.take(6) {
            assert!(some.len() <= 6);
            rows.extend(
                some.created[1]
                    .iter()
                    .flat_map(|(first, last)| *first..=*last),
            );
            rows.extend(&some.changed[4]);
            types += some.wholes.len();
            pieces += 1;
        }
        rows.sort_unstable();
        let all: Vec<i64> = (1..=10).chain(21..=30).chain(7..=9).collect();
        let mut all = all;
        all.sort_unstable();
        assert_eq!((rows, types, pieces), (all, 1, 4));
    }

    #[test]
    fn types_are_called_as_the_journal_calls_them() {
        assert_eq!(type_noun(Kind::Localization), "localization_type");
        assert_eq!(type_noun(Kind::Media), "media_type");
    }
}
