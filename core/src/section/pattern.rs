//! Patterns of paths, as PostgreSQL's `lquery` writes them.
//!
//! Source: the PostgreSQL manual, "ltree", whose notation the wire took over.

use crate::error::{Error, Result};

/// A pattern that whole paths match.
///
/// Items are joined by dots: `*` stands for any number of labels, `foo` for that label, `foo*` for
/// labels that start so, `foo@` for it in any case, `foo_bar%` for labels that start with these
/// words, `a|b` for either, `!a|b` for neither; `{n}`, `{n,}`, `{,m}` or `{n,m}` after an item says
/// how many labels in a row it takes.
///
/// ```
/// use transect::section::pattern::Pattern;
/// let pattern = Pattern::parse("Top.*{1,2}.!Draft*").unwrap();
/// assert!(pattern.matches("Top.2026.Fish"));
/// assert!(!pattern.matches("Top.Fish"));
/// assert!(!pattern.matches("Top.2026.Drafts"));
/// ```
#[derive(Debug)]
pub struct Pattern {
    items: Vec<Item>,
}

#[derive(Debug)]
struct Item {
    /// None stands for any label.
    labels: Option<Labels>,
    least: usize,
    most: usize,
}

#[derive(Debug)]
struct Labels {
    negated: bool,
    words: Vec<Word>,
}

#[derive(Debug)]
struct Word {
    text: String,
    prefix: bool,
    any_case: bool,
    by_words: bool,
}

impl Pattern {
    /// Reads a pattern. Errors: `Invalid`, naming the part that is none.
    pub fn parse(text: &str) -> Result<Self> {
        let items: Option<Vec<Item>> = text.split('.').map(item).collect();
        items.map(|items| Self { items }).ok_or_else(|| {
            Error::invalid_because(
                "Query parameter error: match",
                format!("{text:?} is no path pattern"),
            )
        })
    }

    /// Whether the whole of a path matches.
    pub fn matches(&self, path: &str) -> bool {
        let labels: Vec<&str> = path.split('.').collect();
        // Whether the items so far can have taken exactly the first n labels.
        let mut reached = vec![false; labels.len() + 1];
        reached[0] = true;
        for item in &self.items {
            let mut next = vec![false; labels.len() + 1];
            for start in (0..=labels.len()).filter(|start| reached[*start]) {
                let rest = &labels[start..];
                let run = rest
                    .iter()
                    .take(item.most)
                    .take_while(|label| item.fits(label))
                    .count();
                for taken in item.least..=run {
                    next[start + taken] = true;
                }
            }
            reached = next;
        }
        reached[labels.len()]
    }
}

fn item(text: &str) -> Option<Item> {
    let (name, range) = match text.split_once('{') {
        Some((name, range)) => (name, Some(range.strip_suffix('}')?)),
        None => (text, None),
    };
    let labels = if name == "*" {
        None
    } else {
        Some(labels(name)?)
    };
    let (least, most) = match (range, &labels) {
        (Some(range), _) => bounds(range)?,
        (None, None) => (0, usize::MAX),
        (None, Some(_)) => (1, 1),
    };
    Some(Item {
        labels,
        least,
        most,
    })
}

fn bounds(range: &str) -> Option<(usize, usize)> {
    let number = |text: &str, missing: usize| {
        if text.is_empty() {
            Some(missing)
        } else {
            text.parse().ok()
        }
    };
    let (least, most) = match range.split_once(',') {
        Some((least, most)) => (number(least, 0)?, number(most, usize::MAX)?),
        None => (range.parse().ok()?, range.parse().ok()?),
    };
    (least <= most).then_some((least, most))
}

fn labels(text: &str) -> Option<Labels> {
    let (negated, text) = match text.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let words: Option<Vec<Word>> = text.split('|').map(word).collect();
    Some(Labels {
        negated,
        words: words?,
    })
}

fn word(text: &str) -> Option<Word> {
    let name = text.trim_end_matches(['@', '*', '%']);
    let flags = &text[name.len()..];
    let allowed = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    (!name.is_empty() && name.chars().all(allowed)).then(|| Word {
        text: name.to_owned(),
        prefix: flags.contains('*'),
        any_case: flags.contains('@'),
        by_words: flags.contains('%'),
    })
}

impl Item {
    fn fits(&self, label: &str) -> bool {
        self.labels
            .as_ref()
            .is_none_or(|labels| labels.words.iter().any(|word| word.fits(label)) != labels.negated)
    }
}

impl Word {
    fn fits(&self, label: &str) -> bool {
        if self.any_case {
            return self.fits_exactly(&self.text.to_lowercase(), &label.to_lowercase());
        }
        self.fits_exactly(&self.text, label)
    }

    fn fits_exactly(&self, text: &str, label: &str) -> bool {
        let fits = |text: &str, label: &str| {
            if self.prefix {
                label.starts_with(text)
            } else {
                label == text
            }
        };
        if !self.by_words {
            return fits(text, label);
        }
        let mut labels = label.split('_');
        text.split('_')
            .all(|text| labels.next().is_some_and(|label| fits(text, label)))
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn patterns_match_as_the_manual_says() {
        let cases = [
            ("foo", "foo", true),
            ("foo", "foo.bar", false),
            ("foo", "Foo", false),
            ("*.foo.*", "foo", true),
            ("*.foo.*", "a.foo.b.c", true),
            ("*.foo.*", "a.food.b", false),
            ("*.foo", "a.b.foo", true),
            ("*", "a.b.c", true),
            ("A.*", "A", true),
            ("A.*", "A.B.C", true),
            ("A.*", "B.A", false),
            ("A.*{1}", "A.B", true),
            ("A.*{1}", "A", false),
            ("A.*{1}", "A.B.C", false),
            ("A.*{2,}", "A.B", false),
            ("A.*{2,}", "A.B.C.D", true),
            ("A.*{,1}", "A", true),
            ("A.*{,1}", "A.B.C", false),
            ("A.*{0,2}.Z", "A.b.c.Z", true),
            ("A.*{0,2}.Z", "A.b.c.d.Z", false),
            ("foo{2}", "foo.foo", true),
            ("foo{2}", "foo", false),
            ("foo{1,}.bar", "foo.foo.bar", true),
            ("foo*", "foobar", true),
            ("foo*", "barfoo", false),
            ("FOO@", "foo", true),
            ("Foo*@", "fOObar", true),
            ("a|b", "b", true),
            ("a|b", "c", false),
            ("a|b*", "bee", true),
            ("!a|b", "c", true),
            ("!a|b", "b", false),
            ("!a", "b.c", false),
            ("*.!a", "x.b", true),
            ("*.!a{1}.*", "a", false),
            ("foo_bar%", "foo_bar_baz", true),
            ("foo_bar%", "foo_barbaz", false),
            ("foo_bar%*", "foo1_bar2_baz", true),
            ("foo_bar%*", "foo1_br2_baz", false),
            (
                "Top.*{0,2}.sport*@.!football|tennis{1,}.Russ*|Spain",
                "Top.Hobbies.Sports.rugby.Spain",
                true,
            ),
            (
                "Top.*{0,2}.sport*@.!football|tennis{1,}.Russ*|Spain",
                "Top.Sports.tennis.Spain",
                false,
            ),
        ];
        for (pattern, path, expected) in cases {
            let parsed = Pattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "", "a..b", "a.", "a b", "a{", "a{2,1}", "a{x}", "*a", "!", "a||b", "a|",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
