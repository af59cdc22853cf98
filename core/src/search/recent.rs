//! Changes that the index does not have yet, in few pieces.

use std::collections::HashSet;
use std::sync::Arc;

use super::document::{Batch, Document, Removal};
use super::index::Recent;

/// Adds changes to those before them. A piece joins the one before it unless that one is more than
/// twice as large: there are few pieces, and a document is joined seldom.
pub(super) fn add(pieces: &mut Vec<Arc<Recent>>, fresh: Recent) {
    let mut last = fresh;
    while let Some(before) = pieces.last()
        && size(&before.batch) <= 2 * size(&last.batch)
    {
        let before = pieces.pop().expect("it was just seen");
        last = Recent::new(
            before.after,
            last.upto,
            joined(before.batch.clone(), last.batch),
        );
    }
    pieces.push(Arc::new(last));
}

fn size(batch: &Batch) -> usize {
    batch.documents.len() + batch.removed.len()
}

/// Two batches as one.
fn joined(mut first: Batch, second: Batch) -> Batch {
    let (mut identities, mut types, mut projects) =
        (HashSet::new(), HashSet::new(), HashSet::new());
    for removal in &second.removed {
        match removal {
            Removal::Identity(identity) => identities.insert(*identity),
            Removal::Type(kind, id) => types.insert((*kind, *id)),
            Removal::Project(id) => projects.insert(*id),
        };
    }
    let stays = |one: &Document| {
        !identities.contains(&one.identity)
            && !types.contains(&(one.kind, one.type_id))
            && !projects.contains(&one.project)
    };
    first.documents.retain(stays);
    first.documents.extend(second.documents);
    let known: HashSet<u64> = identities_of(&first.removed).collect();
    let new = second.removed.into_iter().filter(|removal| match removal {
        Removal::Identity(identity) => !known.contains(identity),
        other => !first.removed.contains(other),
    });
    let new: Vec<Removal> = new.collect();
    first.removed.extend(new);
    first
}

fn identities_of(removed: &[Removal]) -> impl Iterator<Item = u64> + '_ {
    removed.iter().filter_map(|removal| match removal {
        Removal::Identity(identity) => Some(*identity),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::Kind;
    use crate::search::document::key;

    fn document(id: i64, name: &str) -> Document {
        Document {
            kind: Kind::Media,
            id,
            identity: key(Kind::Media, id),
            project: 1,
            type_id: 5,
            name: name.into(),
            description: String::new(),
            path: String::new(),
            section: None,
            version: None,
            media: vec![id],
            created_by: None,
            created_at: 0,
            modified_at: 0,
            attributes: "{}".into(),
            declared: Arc::default(),
        }
    }

    fn change(seq: i64, id: i64, name: &str) -> Recent {
        let batch = Batch {
            removed: vec![Removal::Identity(key(Kind::Media, id))],
            documents: vec![document(id, name)],
        };
        Recent::new(seq - 1, seq, batch)
    }

    #[test]
    fn pieces_stay_few_and_the_last_word_counts() {
        let mut pieces = Vec::new();
        for seq in 1..=100 {
            add(&mut pieces, change(seq, seq % 10, &seq.to_string()));
        }
        assert!(pieces.len() <= 7, "{}", pieces.len());
        assert_eq!((pieces[0].after, pieces[pieces.len() - 1].upto), (0, 100));
        for pair in pieces.windows(2) {
            assert_eq!(pair[0].upto, pair[1].after);
        }
        let names = pieces.iter().flat_map(|piece| &piece.batch.documents);
        assert!(names.clone().any(|one| one.name == "100"));
        let first: Vec<&String> = names
            .filter(|one| one.id == 5)
            .map(|one| &one.name)
            .collect();
        assert_eq!(*first.last().unwrap(), "95");
    }

    #[test]
    fn what_goes_as_a_whole_goes_from_earlier_pieces_too() {
        let first = change(1, 1, "a").batch;
        let gone = Batch {
            removed: vec![Removal::Type(Kind::Media, 5)],
            documents: vec![document(2, "b")],
        };
        let both = joined(first, gone);
        assert_eq!(both.documents.len(), 1);
        assert_eq!(both.removed.len(), 2);
    }
}
