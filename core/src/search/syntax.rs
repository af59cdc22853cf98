//! The language of questions: words, `"phrases"`, `prefix*`, `field:value`, bounds, AND, OR, NOT and
//! parentheses.
//!
//! ```text
//! question = part (OR part)*
//! part     = piece ([AND] piece)*
//! piece    = (NOT | -) piece | "(" question ")" | [field:] operand
//! operand  = word | prefix* | "phrase" | =value | <value | <=value | >value | >=value | low..high
//!          | [low TO high] | {low TO high} | * | "(" question ")" after a field
//! field    = name | "name with spaces"
//! ```

use std::ops::Bound;

use crate::error::{Error, Result};

/// Levels of nesting beyond which a question is refused.
const DEEPEST: usize = 32;
/// Operands beyond which it is refused.
const MOST_OPERANDS: usize = 256;
/// Characters beyond which it is refused.
const LONGEST: usize = 10_000;

/// A question, as it was asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// Everything.
    All,
    /// All must hold.
    And(Vec<Expression>),
    /// One must hold.
    Or(Vec<Expression>),
    /// Must not hold.
    Not(Box<Expression>),
    /// One thing to look for, in a field or anywhere.
    Find(Option<String>, Operand),
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// These words, next to each other if there are several.
    Words(String),
    /// These words, the last of which may go on.
    Prefix(String),
    /// A whole value.
    Exact(String),
    /// Values between bounds.
    Range(Bound<String>, Bound<String>),
    /// Any value.
    Present,
}

/// Reads a question; an empty one asks for everything.
///
/// Errors: `Invalid`, pointing at the place that is wrong.
pub fn parse(text: &str) -> Result<Expression> {
    if text.chars().count() > LONGEST {
        return Err(Error::invalid(format!(
            "a query has at most {LONGEST} characters"
        )));
    }
    let mut parser = Parser {
        text: text.chars().collect(),
        at: 0,
        operands: 0,
    };
    parser.space();
    if parser.peek().is_none() {
        return Ok(Expression::All);
    }
    let question = parser.question(None, 0)?;
    match parser.peek() {
        None => Ok(question),
        Some(')') => Err(parser.wrong("this parenthesis closes nothing")),
        Some(_) => Err(parser.wrong("this is not understood here")),
    }
}

struct Parser {
    text: Vec<char>,
    at: usize,
    operands: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn starts_with(&self, text: &str) -> bool {
        let end = self.at + text.chars().count();
        self.text
            .get(self.at..end)
            .is_some_and(|next| next.iter().copied().eq(text.chars()))
    }

    fn space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.starts_with(text);
        if found {
            self.at += text.chars().count();
        }
        found
    }

    /// Takes a word that joins others, if it stands alone here.
    fn eat_joint(&mut self, joint: &str) -> bool {
        let after = self.text.get(self.at + joint.len());
        let alone = after.is_none_or(|next| next.is_whitespace() || *next == '(' || *next == '"');
        alone && self.eat(joint)
    }

    fn wrong(&self, what: &str) -> Error {
        self.wrong_at(self.at, what)
    }

    fn wrong_at(&self, at: usize, what: &str) -> Error {
        let text: String = self.text.iter().collect();
        let pointer = format!("{}^", " ".repeat(at));
        Error::invalid_because(
            format!(
                "Invalid query at character {}: {what}. Put a text that holds signs such as : ( ) \" between quotes.",
                at + 1
            ),
            format!("{text}\n{pointer}"),
        )
    }

    fn question(&mut self, field: Option<&str>, depth: usize) -> Result<Expression> {
        if depth > DEEPEST {
            return Err(self.wrong(&format!("a query nests at most {DEEPEST} levels deep")));
        }
        let mut parts = vec![self.part(field, depth)?];
        while self.eat_joint("OR") {
            parts.push(self.part(field, depth)?);
        }
        Ok(one_or(parts, Expression::Or))
    }

    fn part(&mut self, field: Option<&str>, depth: usize) -> Result<Expression> {
        let mut pieces = vec![self.piece(field, depth)?];
        loop {
            self.space();
            let ended = matches!(self.peek(), None | Some(')'));
            let or = {
                let here = self.at;
                let found = self.eat_joint("OR");
                self.at = here;
                found
            };
            if ended || or {
                return Ok(one_or(pieces, Expression::And));
            }
            self.eat_joint("AND");
            pieces.push(self.piece(field, depth)?);
        }
    }

    fn piece(&mut self, field: Option<&str>, depth: usize) -> Result<Expression> {
        self.space();
        let start = self.at;
        match self.peek() {
            None => return Err(self.wrong("something to look for is missing")),
            Some(')') => {
                return Err(self.wrong("something to look for is missing before the parenthesis"));
            }
            _ => {}
        }
        for joint in ["AND", "OR"] {
            if self.eat_joint(joint) {
                let what = format!("{joint} has nothing before it");
                return Err(self.wrong_at(start, &what));
            }
        }
        let not = self.eat_joint("NOT") || (self.next_is_not_space(1) && self.eat("-"));
        if not {
            if depth >= DEEPEST {
                return Err(self.wrong(&format!("a query nests at most {DEEPEST} levels deep")));
            }
            return Ok(Expression::Not(Box::new(self.piece(field, depth + 1)?)));
        }
        if self.peek() == Some('(') {
            return self.group(field, depth);
        }
        if field.is_none()
            && let Some(name) = self.field()?
        {
            return if self.peek() == Some('(') {
                self.group(Some(&name), depth)
            } else {
                Ok(Expression::Find(Some(name.clone()), self.value_of(&name)?))
            };
        }
        let operand = match field {
            Some(name) => self.value_of(name)?,
            None => self.words()?,
        };
        Ok(Expression::Find(field.map(str::to_owned), operand))
    }

    fn next_is_not_space(&self, ahead: usize) -> bool {
        self.text
            .get(self.at + ahead)
            .is_some_and(|next| !next.is_whitespace())
    }

    fn group(&mut self, field: Option<&str>, depth: usize) -> Result<Expression> {
        let start = self.at;
        self.at += 1;
        let inner = self.question(field, depth + 1)?;
        self.space();
        if self.eat(")") {
            return Ok(inner);
        }
        Err(self.wrong_at(start, "this parenthesis is not closed"))
    }

    /// The name before a colon, if there is one here; leaves everything in place otherwise.
    fn field(&mut self) -> Result<Option<String>> {
        let start = self.at;
        let name = if self.peek() == Some('"') {
            self.quoted()?
        } else {
            let mut name = String::new();
            while let Some(c) = self
                .peek()
                .filter(|c| !c.is_whitespace() && !":()\"".contains(*c))
            {
                name.push(c);
                self.at += 1;
            }
            name
        };
        let named = name
            .chars()
            .next()
            .is_some_and(|first| !first.is_ascii_digit());
        if named && self.eat(":") {
            if self
                .peek()
                .is_none_or(|next| next.is_whitespace() || next == ')')
            {
                let what = format!("a value is missing after {name}:");
                return Err(self.wrong(&what));
            }
            return Ok(Some(name));
        }
        self.at = start;
        Ok(None)
    }

    fn quoted(&mut self) -> Result<String> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek() {
                None => return Err(self.wrong_at(start, "this quote is not closed")),
                Some('"') => break,
                Some('\\') if matches!(self.text.get(self.at + 1), Some('"' | '\\')) => {
                    text.push(self.text[self.at + 1]);
                    self.at += 1;
                }
                Some(other) => text.push(other),
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(text)
    }

    fn count(&mut self) -> Result<()> {
        self.operands += 1;
        if self.operands <= MOST_OPERANDS {
            return Ok(());
        }
        Err(self.wrong(&format!("a query looks for at most {MOST_OPERANDS} things")))
    }

    /// A phrase, a word or the beginning of one.
    fn words(&mut self) -> Result<Operand> {
        self.count()?;
        if self.peek() == Some('"') {
            let text = self.quoted()?;
            return Ok(if self.eat("*") {
                Operand::Prefix(text)
            } else {
                Operand::Words(text)
            });
        }
        let text = self.bare("");
        if text.is_empty() {
            return Err(self.wrong("something to look for is missing"));
        }
        Ok(match text.strip_suffix('*') {
            Some("") => Operand::Present,
            Some(start) => Operand::Prefix(start.to_owned()),
            None => Operand::Words(text),
        })
    }

    /// Everything up to a space, a parenthesis, a quote or one of `stops`.
    fn bare(&mut self, stops: &str) -> String {
        let mut text = String::new();
        while let Some(c) = self
            .peek()
            .filter(|c| !c.is_whitespace() && !"()\"".contains(*c) && !stops.contains(*c))
        {
            text.push(c);
            self.at += 1;
        }
        text
    }

    fn value_of(&mut self, name: &str) -> Result<Operand> {
        for (sign, bounds) in [(">=", 0), ("<=", 1), (">", 2), ("<", 3), ("=", 4)] {
            if !self.eat(sign) {
                continue;
            }
            self.count()?;
            let value = self.bound(name, "")?;
            return Ok(match bounds {
                0 => Operand::Range(Bound::Included(value), Bound::Unbounded),
                1 => Operand::Range(Bound::Unbounded, Bound::Included(value)),
                2 => Operand::Range(Bound::Excluded(value), Bound::Unbounded),
                3 => Operand::Range(Bound::Unbounded, Bound::Excluded(value)),
                _ => Operand::Exact(value),
            });
        }
        if let Some(open @ ('[' | '{')) = self.peek() {
            return self.interval(name, open);
        }
        let operand = self.words()?;
        let Operand::Words(text) = &operand else {
            return Ok(operand);
        };
        // Times may hold colons, numbers dots: only two of them part the bounds.
        let Some((low, high)) = text.split_once("..").filter(|_| text != "..") else {
            return Ok(operand);
        };
        let bound = |text: &str| match text {
            "" | "*" => Bound::Unbounded,
            text => Bound::Included(text.to_owned()),
        };
        Ok(Operand::Range(bound(low), bound(high)))
    }

    fn bound(&mut self, name: &str, stops: &str) -> Result<String> {
        let value = if self.peek() == Some('"') {
            self.quoted()?
        } else {
            self.bare(stops)
        };
        if value.is_empty() {
            return Err(self.wrong(&format!("a value is missing after {name}:")));
        }
        Ok(value)
    }

    /// `[low TO high]` with its bounds, `{low TO high}` without.
    fn interval(&mut self, name: &str, open: char) -> Result<Operand> {
        let start = self.at;
        self.count()?;
        self.at += 1;
        self.space();
        let low = self.bound(name, "]}")?;
        self.space();
        if !self.eat_joint("TO") {
            return Err(self.wrong("an interval is written [low TO high]"));
        }
        self.space();
        let high = self.bound(name, "]}")?;
        self.space();
        let close = self.peek();
        if !matches!(close, Some(']' | '}')) {
            return Err(self.wrong_at(start, "this interval is not closed"));
        }
        self.at += 1;
        let bound = |text: String, included: bool| match text.as_str() {
            "*" => Bound::Unbounded,
            _ if included => Bound::Included(text),
            _ => Bound::Excluded(text),
        };
        Ok(Operand::Range(
            bound(low, open == '['),
            bound(high, close == Some(']')),
        ))
    }
}

fn one_or(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    if parts.len() == 1 {
        parts.remove(0)
    } else {
        join(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Expression {
        Expression::Find(None, Operand::Words(text.into()))
    }

    fn of(field: &str, operand: Operand) -> Expression {
        Expression::Find(Some(field.into()), operand)
    }

    #[test]
    fn words_join_and_bind_as_people_expect() {
        assert_eq!(parse("  ").unwrap(), Expression::All);
        assert_eq!(
            parse("cod AND eel OR \"blue whale\"").unwrap(),
            Expression::Or(vec![
                Expression::And(vec![word("cod"), word("eel")]),
                word("blue whale"),
            ])
        );
        assert_eq!(
            parse("(cod OR eel) -juvenile NOT dead").unwrap(),
            Expression::And(vec![
                Expression::Or(vec![word("cod"), word("eel")]),
                Expression::Not(Box::new(word("juvenile"))),
                Expression::Not(Box::new(word("dead"))),
            ])
        );
        // Small letters and parts of words join nothing.
        assert_eq!(
            parse("or ANDROID x-ray").unwrap(),
            Expression::And(vec![word("or"), word("ANDROID"), word("x-ray")])
        );
    }

    #[test]
    fn fields_take_words_prefixes_bounds_and_groups() {
        let included = |text: &str| Bound::Included(text.to_owned());
        let cases = [
            ("Species:cod", of("Species", Operand::Words("cod".into()))),
            (
                "\"Dive site\":\"north reef\"",
                of("Dive site", Operand::Words("north reef".into())),
            ),
            ("Species:gad*", of("Species", Operand::Prefix("gad".into()))),
            ("Species:*", of("Species", Operand::Present)),
            (
                "Species:=\"Gadus morhua\"",
                of("Species", Operand::Exact("Gadus morhua".into())),
            ),
            (
                "Count:>=5",
                of("Count", Operand::Range(included("5"), Bound::Unbounded)),
            ),
            (
                "Count:<2.5",
                of(
                    "Count",
                    Operand::Range(Bound::Unbounded, Bound::Excluded("2.5".into())),
                ),
            ),
            (
                "Count:1..5.5",
                of("Count", Operand::Range(included("1"), included("5.5"))),
            ),
            (
                "Count:..5",
                of("Count", Operand::Range(Bound::Unbounded, included("5"))),
            ),
            (
                "Seen:[2026-01-01T10:00 TO *}",
                of(
                    "Seen",
                    Operand::Range(included("2026-01-01T10:00"), Bound::Unbounded),
                ),
            ),
            (
                "Species:(cod OR eel)",
                Expression::Or(vec![
                    of("Species", Operand::Words("cod".into())),
                    of("Species", Operand::Words("eel".into())),
                ]),
            ),
            ("12:30", word("12:30")),
            ("\"a \\\"b\\\" c\"", word("a \"b\" c")),
            (
                "clip_0*",
                Expression::Find(None, Operand::Prefix("clip_0".into())),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_are_pointed_at() {
        for (text, place) in [
            ("cod (eel", 5),
            ("cod )", 5),
            ("\"open", 1),
            ("AND cod", 1),
            ("cod OR", 7),
            ("Species:", 9),
            ("Count:[1 5]", 10),
            ("Count:[1 TO 5", 7),
            ("()", 2),
            ("cod NOT", 8),
            ("Count:>", 8),
        ] {
            let Error::Invalid { message, details } = parse(text).unwrap_err() else {
                panic!("{text}");
            };
            assert!(
                message.contains(&format!("at character {place}:")),
                "{text}: {message}"
            );
            assert_eq!(details, format!("{text}\n{}^", " ".repeat(place - 1)));
        }
        assert!(parse(&"(".repeat(100)).is_err());
        assert!(parse(&"-".repeat(100)).is_err());
        assert!(parse(&"a ".repeat(1_000)).is_err());
    }
}
