//! From a question as it was asked to what the index is asked.

use std::collections::{HashMap, HashSet};
use std::ops::Bound;

use chrono::{DateTime, Datelike, Months};

use super::document::{KINDS, Scalar, key, number};
use super::index::{Column, Condition, Reference, TextField};
use super::syntax::{Expression, Operand};
use super::words::words;
use crate::error::{Error, Result};
use crate::time;

/// What a question may name, in the projects that it is about.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Attributes, in lower case.
    pub attributes: HashSet<String>,
    /// What the names of types, sections and so on stand for, by name in lower case.
    pub references: HashMap<(Reference, String), Vec<u64>>,
}

/// Fields that every document may have.
#[derive(Debug, Clone, Copy, PartialEq)]
enum BuiltIn {
    Text(&'static str),
    Time(&'static str),
    Reference(Reference),
}

impl BuiltIn {
    /// The built-in field of a name without its `$`.
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_lowercase().as_str() {
            "name" => Self::Text("name"),
            "path" => Self::Text("path"),
            "description" => Self::Text("description"),
            "created" | "created_datetime" => Self::Time("created"),
            "modified" | "modified_datetime" => Self::Time("modified"),
            "id" => Self::Reference(Reference::Key),
            "noun" => Self::Reference(Reference::Kind),
            "project" => Self::Reference(Reference::Project),
            "type" => Self::Reference(Reference::Type),
            "section" => Self::Reference(Reference::Section),
            "version" => Self::Reference(Reference::Version),
            "media" => Self::Reference(Reference::Media),
            "user" | "created_by" => Self::Reference(Reference::User),
            _ => return None,
        })
    }
}

/// What a field of a question turned out to be.
enum Meaning {
    Attribute(String),
    BuiltIn(BuiltIn),
    Both(String, BuiltIn),
    Nothing,
}

impl Names {
    fn meaning(&self, field: &str) -> Meaning {
        if let Some(name) = field.strip_prefix('$') {
            return BuiltIn::named(name).map_or(Meaning::Nothing, Meaning::BuiltIn);
        }
        let name = field.to_lowercase();
        let built_in = BuiltIn::named(&name);
        match (self.attributes.contains(&name), built_in) {
            (true, Some(text @ BuiltIn::Text(_))) => Meaning::Both(name, text),
            (true, _) => Meaning::Attribute(name),
            (false, Some(built_in)) => Meaning::BuiltIn(built_in),
            (false, None) => Meaning::Nothing,
        }
    }
}

/// What has to be looked up before a question can be planned.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Needs {
    /// Whether it names a field at all.
    pub fields: bool,
    /// Names of types, sections and so on, in lower case.
    pub references: Vec<(Reference, String)>,
}

/// Says what has to be looked up.
pub(super) fn needs(expression: &Expression) -> Needs {
    let mut needs = Needs::default();
    gather(expression, &mut needs);
    needs
}

fn gather(expression: &Expression, needs: &mut Needs) {
    match expression {
        Expression::All => {}
        Expression::And(parts) | Expression::Or(parts) => {
            parts.iter().for_each(|part| gather(part, needs));
        }
        Expression::Not(inner) => gather(inner, needs),
        Expression::Find(None, _) => {}
        Expression::Find(Some(field), operand) => {
            needs.fields = true;
            let name = field.strip_prefix('$').unwrap_or(field);
            if let (
                Some(BuiltIn::Reference(reference)),
                Operand::Words(text) | Operand::Exact(text),
            ) = (BuiltIn::named(name), operand)
            {
                needs.references.push((reference, text.to_lowercase()));
            }
        }
    }
}

/// Plans a question. Notes the fields that nothing has in `warnings`.
///
/// Errors: `Invalid` for a value that its field cannot have.
pub(super) fn plan(
    expression: &Expression,
    names: &Names,
    warnings: &mut Vec<String>,
) -> Result<Condition> {
    // Signs without letters ask for nothing that could be found.
    Ok(part(expression, names, warnings)?.unwrap_or(Condition::None))
}

/// None for what asks for nothing.
fn part(
    expression: &Expression,
    names: &Names,
    warnings: &mut Vec<String>,
) -> Result<Option<Condition>> {
    let mut parts = |expressions: &[Expression]| {
        let parts = expressions.iter().map(|one| part(one, names, warnings));
        parts
            .filter_map(Result::transpose)
            .collect::<Result<Vec<_>>>()
    };
    Ok(match expression {
        Expression::All => Some(Condition::All),
        Expression::And(list) => some(parts(list)?).map(Condition::And),
        Expression::Or(list) => some(parts(list)?).map(Condition::Or),
        Expression::Not(inner) => {
            part(inner, names, warnings)?.map(|inner| Condition::Not(Box::new(inner)))
        }
        Expression::Find(None, operand) => match operand {
            Operand::Present => Some(Condition::All),
            operand => text(TextField::Any, operand)?,
        },
        Expression::Find(Some(field), operand) => match names.meaning(field) {
            Meaning::Attribute(name) => attribute(&name, operand),
            Meaning::BuiltIn(built_in) => self::built_in(field, built_in, operand, names)?,
            Meaning::Both(name, built_in) => {
                let both = [
                    attribute(&name, operand),
                    self::built_in(field, built_in, operand, names).unwrap_or_default(),
                ];
                some(both.into_iter().flatten().collect()).map(Condition::Or)
            }
            Meaning::Nothing => {
                warnings.push(format!(
                    "No type has an attribute named '{field}': this part of the query finds nothing."
                ));
                Some(Condition::None)
            }
        },
    })
}

fn some(parts: Vec<Condition>) -> Option<Vec<Condition>> {
    (!parts.is_empty()).then_some(parts)
}

/// Words in a text; none if there are none.
fn text(field: TextField, operand: &Operand) -> Result<Option<Condition>> {
    let (text, prefix) = match operand {
        Operand::Words(text) | Operand::Exact(text) => (text, false),
        Operand::Prefix(text) => (text, true),
        Operand::Present => return Ok(Some(Condition::All)),
        Operand::Range(..) => {
            return Err(Error::invalid(
                "Invalid query: bounds go with numbers and times, not with names, paths and descriptions",
            ));
        }
    };
    let words: Vec<String> = words(text).into_iter().map(|word| word.text).collect();
    Ok((!words.is_empty()).then_some(Condition::Words {
        field,
        words,
        prefix,
    }))
}

fn attribute(name: &str, operand: &Operand) -> Option<Condition> {
    let column = Column::Attribute(name.to_owned());
    let alternatives = match operand {
        Operand::Present => return Some(Condition::Present(column)),
        Operand::Prefix(_) => {
            return text(TextField::Attribute(name.to_owned()), operand).unwrap_or_default();
        }
        Operand::Words(value) => {
            let mut found = values(&column, value);
            found.extend(text(TextField::Attribute(name.to_owned()), operand).unwrap_or_default());
            found
        }
        Operand::Exact(value) => {
            let mut found = values(&column, value);
            found.push(same(&column, Scalar::Text(value.clone())));
            found
        }
        Operand::Range(low, high) => ranges(&column, low, high),
    };
    some(alternatives).map(Condition::Or)
}

fn same(column: &Column, scalar: Scalar) -> Condition {
    Condition::Between(
        column.clone(),
        Bound::Included(scalar.clone()),
        Bound::Included(scalar),
    )
}

/// What a value means if it is no text.
fn values(column: &Column, value: &str) -> Vec<Condition> {
    let mut found = Vec::new();
    if let Some(number) = finite(value) {
        found.push(same(column, Scalar::Number(number)));
    }
    if let Some((from, to)) = period(value) {
        found.push(within(column, from, to));
    }
    if let Ok(flag) = value.to_lowercase().parse() {
        found.push(same(column, Scalar::Flag(flag)));
    }
    found
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn within(column: &Column, from: i64, to: i64) -> Condition {
    Condition::Between(
        column.clone(),
        Bound::Included(Scalar::Time(from)),
        Bound::Excluded(Scalar::Time(to)),
    )
}

/// Bounds as numbers, as times, or else as texts.
fn ranges(column: &Column, low: &Bound<String>, high: &Bound<String>) -> Vec<Condition> {
    let mut found = Vec::new();
    let number = |bound: &Bound<String>| as_kind(bound, |text| finite(text).map(Scalar::Number));
    if let (Some(low), Some(high)) = (number(low), number(high)) {
        found.push(Condition::Between(column.clone(), low, high));
    }
    found.extend(times(column, low, high));
    if found.is_empty() {
        let text = |bound: &Bound<String>| bound.clone().map(Scalar::Text);
        found.push(Condition::Between(column.clone(), text(low), text(high)));
    }
    found
}

/// A bound of one kind; none if its value is of another.
fn as_kind(bound: &Bound<String>, read: impl Fn(&str) -> Option<Scalar>) -> Option<Bound<Scalar>> {
    Some(match bound {
        Bound::Included(text) => Bound::Included(read(text)?),
        Bound::Excluded(text) => Bound::Excluded(read(text)?),
        Bound::Unbounded => Bound::Unbounded,
    })
}

/// Bounds in time; a month or a day as a bound means all of it.
fn times(column: &Column, low: &Bound<String>, high: &Bound<String>) -> Option<Condition> {
    let low = match low {
        Bound::Included(text) => Bound::Included(Scalar::Time(period(text)?.0)),
        Bound::Excluded(text) => Bound::Included(Scalar::Time(period(text)?.1)),
        Bound::Unbounded => Bound::Unbounded,
    };
    let high = match high {
        Bound::Included(text) => Bound::Excluded(Scalar::Time(period(text)?.1)),
        Bound::Excluded(text) => Bound::Excluded(Scalar::Time(period(text)?.0)),
        Bound::Unbounded => Bound::Unbounded,
    };
    Some(Condition::Between(column.clone(), low, high))
}

/// The first millisecond of a year, month, day, minute or second, and the one after its last.
fn period(text: &str) -> Option<(i64, i64)> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    // A small number alone is no year.
    let from = time::parse(text).filter(|_| digits >= 4)?;
    let start = DateTime::from_timestamp_millis(from)?;
    let dashed = text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains([':', 'T', ' ']);
    let to = match (dashed, digits) {
        (true, 4) => start.with_year(start.year() + 1)?.timestamp_millis(),
        (true, 5 | 6) => start.checked_add_months(Months::new(1))?.timestamp_millis(),
        (true, _) => from + 86_400_000,
        (false, 10..=12) => from + 60_000,
        (false, 13 | 14) => from + 1_000,
        _ => from + 1,
    };
    Some((from, to))
}

fn built_in(
    field: &str,
    built_in: BuiltIn,
    operand: &Operand,
    names: &Names,
) -> Result<Option<Condition>> {
    let wrong = |what: &str| Err(Error::invalid(format!("Invalid query: {what}")));
    match built_in {
        BuiltIn::Text(name) => text(
            match name {
                "path" => TextField::Path,
                "description" => TextField::Description,
                _ => TextField::Name,
            },
            operand,
        ),
        BuiltIn::Time(name) => {
            let column = if name == "created" {
                Column::Created
            } else {
                Column::Modified
            };
            let found = match operand {
                Operand::Words(text) | Operand::Exact(text) => {
                    period(text).map(|(from, to)| within(&column, from, to))
                }
                Operand::Range(low, high) => times(&column, low, high),
                Operand::Present => Some(Condition::All),
                Operand::Prefix(_) => None,
            };
            match found {
                Some(found) => Ok(Some(found)),
                None => wrong(&format!(
                    "{field} is a time; compare it with a date such as 2026-11 or 2026-11-20T14:56"
                )),
            }
        }
        BuiltIn::Reference(reference) => match operand {
            Operand::Words(text) | Operand::Exact(text) => Ok(Some(Condition::Among(
                reference,
                numbers(reference, text, names),
            ))),
            Operand::Present => Ok(Some(Condition::All)),
            _ => wrong(&format!("{field} is compared with one id or name")),
        },
    }
}

/// What an id or a name stands for.
fn numbers(reference: Reference, text: &str, names: &Names) -> Vec<u64> {
    let name = text.to_lowercase();
    if reference == Reference::Kind {
        let kinds = KINDS.iter().filter(|kind| {
            let table = kind.table();
            name == table || name == format!("{table}s") || (table == "leaf" && name == "leaves")
        });
        return kinds.map(|kind| number(*kind)).collect();
    }
    let mut found = names
        .references
        .get(&(reference, name))
        .cloned()
        .unwrap_or_default();
    if let Ok(id) = text.parse::<i64>()
        && (1..1 << 60).contains(&id)
    {
        match reference {
            Reference::Key | Reference::Type => {
                found.extend(KINDS.iter().map(|kind| key(*kind, id)));
            }
            _ => found.push(id as u64),
        }
    }
    found
}

/// The words that a hit may show, with the field they were asked for in.
pub(super) fn shown(condition: &Condition) -> Vec<(&TextField, &[String], bool)> {
    match condition {
        Condition::And(parts) | Condition::Or(parts) => parts.iter().flat_map(shown).collect(),
        Condition::Words {
            field,
            words,
            prefix,
        } => vec![(field, words, *prefix)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::syntax::parse;
    use super::*;

    fn planned(text: &str) -> (Condition, Vec<String>) {
        let names = Names {
            attributes: ["species", "count", "name"].map(String::from).into(),
            references: [((Reference::Type, "fish".to_owned()), vec![77])].into(),
        };
        let mut warnings = Vec::new();
        let found = plan(&parse(text).unwrap(), &names, &mut warnings).unwrap();
        (found, warnings)
    }

    fn day(text: &str) -> i64 {
        time::parse(text).unwrap()
    }

    #[test]
    fn periods_are_as_long_as_they_are_written() {
        for (text, from, to) in [
            ("2024", "2024-01-01", "2025-01-01"),
            ("2024-02", "2024-02-01", "2024-03-01"),
            ("2024-02-28", "2024-02-28", "2024-02-29"),
            ("2024-02-29T23:59", "2024-02-29T23:59", "2024-03-01"),
        ] {
            assert_eq!(period(text), Some((day(from), day(to))), "{text}");
        }
        assert_eq!((period("cod"), period("5")), (None, None));
    }

    #[test]
    fn values_are_whatever_they_can_be() {
        let Condition::Or(found) = planned("Count:5").0 else {
            panic!("alternatives");
        };
        assert!(found.contains(&same(
            &Column::Attribute("count".into()),
            Scalar::Number(5.0)
        )));
        assert!(
            found
                .iter()
                .any(|one| matches!(one, Condition::Words { words, .. } if words == &["5"]))
        );
        let Condition::Or(found) = planned("Count:>=2026-02").0 else {
            panic!("alternatives");
        };
        assert_eq!(
            found,
            [Condition::Between(
                Column::Attribute("count".into()),
                Bound::Included(Scalar::Time(day("2026-02"))),
                Bound::Unbounded
            )]
        );
    }

    #[test]
    fn names_mean_built_in_fields_unless_an_attribute_has_them() {
        assert_eq!(
            planned("type:Fish").0,
            Condition::Among(Reference::Type, vec![77])
        );
        assert_eq!(
            planned("$noun:media").0,
            Condition::Among(Reference::Kind, vec![0])
        );
        assert!(matches!(planned("name:x").0, Condition::Or(both) if both.len() == 2));
        assert!(matches!(
            planned("$name:x").0,
            Condition::Words {
                field: TextField::Name,
                ..
            }
        ));
        let (found, warnings) = planned("Speces:cod");
        assert_eq!(found, Condition::None);
        assert!(warnings[0].contains("'Speces'"));
    }

    #[test]
    fn signs_alone_find_nothing_and_do_not_disturb() {
        assert_eq!(planned("&").0, Condition::None);
        assert!(matches!(planned("cod &").0, Condition::And(parts) if parts.len() == 1));
        assert!(
            plan(
                &parse("$name:>5").unwrap(),
                &Names::default(),
                &mut Vec::new()
            )
            .is_err()
        );
        assert!(
            plan(
                &parse("$created:cod").unwrap(),
                &Names::default(),
                &mut Vec::new()
            )
            .is_err()
        );
    }
}
