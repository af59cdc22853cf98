//! Conditions as tantivy's queries.

use std::ops::Bound;

use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, ExistsQuery, Occur,
    PhrasePrefixQuery, PhraseQuery, Query, RangeQuery, TermQuery, TermSetQuery,
};
use tantivy::schema::{Field, IndexRecordOption};

use super::fields::{Fields, instant, path, short};
use crate::search::document::Scalar;
use crate::search::index::{Column, Condition, Reference, TextField};

/// How much more a word counts in a name.
const NAME_BOOST: f32 = 1.5;
/// Words that a beginning may stand for.
const MOST_EXPANSIONS: u32 = 100_000;

type Boxed = Box<dyn Query>;

pub(super) fn compile(fields: &Fields, condition: &Condition) -> Boxed {
    match condition {
        Condition::All => Box::new(AllQuery),
        Condition::None => Box::new(EmptyQuery),
        Condition::And(parts) => all_of(fields, parts),
        Condition::Or(parts) => {
            let parts = parts
                .iter()
                .map(|part| (Occur::Should, compile(fields, part)));
            Box::new(BooleanQuery::new(parts.collect()))
        }
        Condition::Not(_) => all_of(fields, std::slice::from_ref(condition)),
        Condition::Words {
            field,
            words,
            prefix,
        } => texts(fields, field, words, *prefix),
        Condition::Between(column, low, high) => between(fields, column, low, high),
        Condition::Present(column) => Box::new(ExistsQuery::new(column_name(column), false)),
        Condition::Among(reference, numbers) => among(fields, *reference, numbers),
    }
}

/// A condition that does not change how well a document fits.
pub(super) fn filter(fields: &Fields, condition: &Condition) -> Boxed {
    Box::new(ConstScoreQuery::new(compile(fields, condition), 0.0))
}

fn all_of(fields: &Fields, parts: &[Condition]) -> Boxed {
    let mut clauses: Vec<(Occur, Boxed)> = Vec::with_capacity(parts.len() + 1);
    for part in parts {
        clauses.push(match part {
            Condition::Not(inner) => (Occur::MustNot, compile(fields, inner)),
            part => (Occur::Must, compile(fields, part)),
        });
    }
    // What only says what is not wanted starts from everything.
    if !clauses.iter().any(|(occur, _)| *occur == Occur::Must) {
        clauses.push((Occur::Must, Box::new(AllQuery)));
    }
    Box::new(BooleanQuery::new(clauses))
}

fn texts(fields: &Fields, field: &TextField, words: &[String], prefix: bool) -> Boxed {
    let plain = |field: Field| {
        let terms = words.iter().map(|word| Term::from_field_text(field, word));
        run(terms.collect(), prefix)
    };
    match field {
        TextField::Name => plain(fields.name),
        TextField::Path => plain(fields.path),
        TextField::Description => plain(fields.description),
        TextField::Any => {
            let named = BoostQuery::new(plain(fields.name), NAME_BOOST);
            Box::new(BooleanQuery::new(vec![
                (Occur::Must, plain(fields.text)),
                (Occur::Should, Box::new(named)),
            ]))
        }
        TextField::Attribute(name) => {
            let terms = words.iter().map(|word| {
                let mut term = place(fields.words, name);
                term.append_type_and_str(word);
                term
            });
            run(terms.collect(), prefix)
        }
    }
}

/// Terms next to each other; the last may go on.
fn run(mut terms: Vec<Term>, prefix: bool) -> Boxed {
    if prefix {
        let mut query = PhrasePrefixQuery::new(terms);
        query.set_max_expansions(MOST_EXPANSIONS);
        return Box::new(query);
    }
    match terms.pop() {
        None => Box::new(EmptyQuery),
        Some(only) if terms.is_empty() => {
            Box::new(TermQuery::new(only, IndexRecordOption::WithFreqs))
        }
        Some(last) => {
            terms.push(last);
            Box::new(PhraseQuery::new(terms))
        }
    }
}

/// An attribute in a JSON field.
fn place(field: Field, name: &str) -> Term {
    Term::from_field_json_path(field, &path(name), false)
}

/// How fast columns are named.
pub(super) fn column_name(column: &Column) -> String {
    match column {
        Column::Attribute(name) => format!("values.{}", path(name)),
        Column::Created => "created".into(),
        Column::Modified => "modified".into(),
    }
}

fn between(fields: &Fields, column: &Column, low: &Bound<Scalar>, high: &Bound<Scalar>) -> Boxed {
    let unbounded = matches!((low, high), (Bound::Unbounded, Bound::Unbounded));
    if unbounded {
        return Box::new(ExistsQuery::new(column_name(column), false));
    }
    let term = |scalar: &Scalar| match (column, scalar) {
        (Column::Attribute(name), scalar) => {
            let mut term = place(fields.values, name);
            match scalar {
                Scalar::Text(text) => term.append_type_and_str(short(text)),
                Scalar::Flag(flag) => term.append_type_and_str(&flag.to_string()),
                Scalar::Number(number) => term.append_type_and_fast_value(*number),
                Scalar::Time(at_ms) => term.append_type_and_fast_value(instant(*at_ms)),
            }
            term
        }
        (Column::Created, Scalar::Time(at_ms)) => Term::from_field_i64(fields.created, *at_ms),
        (_, Scalar::Time(at_ms)) => Term::from_field_i64(fields.modified, *at_ms),
        // Only times are asked of the times of a row.
        (_, _) => Term::from_field_i64(fields.modified, i64::MIN),
    };
    let bound = |bound: &Bound<Scalar>| bound.as_ref().map(term);
    Box::new(RangeQuery::new(bound(low), bound(high)))
}

fn among(fields: &Fields, reference: Reference, numbers: &[u64]) -> Boxed {
    let field = fields.reference(reference);
    let terms = numbers
        .iter()
        .map(|number| Term::from_field_u64(field, *number));
    if reference == Reference::Key {
        // Keys are columns only.
        let ranges = terms.map(|term| {
            let range = RangeQuery::new(Bound::Included(term.clone()), Bound::Included(term));
            (Occur::Should, Box::new(range) as Boxed)
        });
        return Box::new(BooleanQuery::new(ranges.collect()));
    }
    match numbers {
        [] => Box::new(EmptyQuery),
        [only] => Box::new(TermQuery::new(
            Term::from_field_u64(field, *only),
            IndexRecordOption::Basic,
        )),
        _ => Box::new(TermSetQuery::new(terms)),
    }
}
