//! Pieces of texts around the words that were asked for.

use std::ops::Range;

use super::index::TextField;
use super::types::{Part, Snippet};
use super::words::{Word, words};

/// Words that a snippet shows before the first hit.
const BEFORE: usize = 8;
/// Words that a snippet shows altogether.
const LONGEST: usize = 40;
/// Snippets of one hit.
const MOST: usize = 4;

/// What was asked for: where, which words in a row, and whether the last may go on.
pub(super) type Asked<'a> = (&'a TextField, &'a [String], bool);

/// A text of a row.
pub(super) struct Text<'a> {
    /// As the index knows it.
    pub field: TextField,
    /// As people know it.
    pub label: &'a str,
    /// The letters.
    pub text: &'a str,
}

/// The pieces of some texts that show what was asked for, in the order of the texts.
pub(super) fn snippets(texts: &[Text<'_>], asked: &[Asked<'_>]) -> Vec<Snippet> {
    let found = texts.iter().filter_map(|one| snippet(one, asked));
    found.take(MOST).collect()
}

fn snippet(text: &Text<'_>, asked: &[Asked<'_>]) -> Option<Snippet> {
    let found = words(text.text);
    let mut marked = vec![false; found.len()];
    for (field, run, prefix) in asked {
        if **field != TextField::Any && **field != text.field {
            continue;
        }
        for start in 0..found.len() {
            if stands_at(&found[start..], run, *prefix) {
                marked[start..start + run.len()].fill(true);
            }
        }
    }
    let first = marked.iter().position(|hit| *hit)?;
    let from = first.saturating_sub(BEFORE);
    let shown = from..(from + LONGEST).min(found.len());
    Some(Snippet {
        field: text.label.to_owned(),
        parts: parts(text.text, &found, &marked, shown),
    })
}

fn stands_at(found: &[Word], run: &[String], prefix: bool) -> bool {
    if found.len() < run.len() {
        return false;
    }
    run.iter().enumerate().all(|(at, wanted)| {
        let word = &found[at].text;
        word == wanted || (prefix && at + 1 == run.len() && word.starts_with(wanted.as_str()))
    })
}

/// The shown words with what is between them, joined while they are alike.
fn parts(text: &str, found: &[Word], marked: &[bool], shown: Range<usize>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut add = |text: &str, hit: bool| match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(last) if last.hit == hit => last.text.push_str(text),
        _ => parts.push(Part {
            text: text.to_owned(),
            hit,
        }),
    };
    let mut at = 0;
    if shown.start > 0 {
        at = found[shown.start].from;
        add("… ", false);
    }
    for place in shown.clone() {
        let word = &found[place];
        add(&text[at..word.from], false);
        add(&text[word.from..word.to], marked[place]);
        at = word.to;
    }
    if shown.end < found.len() {
        add(" …", false);
    } else {
        add(&text[at..], false);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, run: &[&str], prefix: bool) -> Vec<(String, bool)> {
        let run: Vec<String> = run.iter().map(|word| (*word).to_owned()).collect();
        let text = Text {
            field: TextField::Name,
            label: "$name",
            text,
        };
        let found = snippets(&[text], &[(&TextField::Any, &run, prefix)]);
        let parts = found.into_iter().flat_map(|one| one.parts);
        parts.map(|part| (part.text, part.hit)).collect()
    }

    #[test]
    fn hits_are_marked_in_the_original_letters() {
        let part = |text: &str, hit| (text.to_owned(), hit);
        assert_eq!(
            shown("Große Plötze!", &["plotze"], false),
            [
                part("Große ", false),
                part("Plötze", true),
                part("!", false)
            ]
        );
        assert_eq!(shown("blue whale", &["blue", "whale"], false).len(), 3);
        assert_eq!(
            shown("clip_07.mp4", &["clip", "0"], true),
            [
                part("clip", true),
                part("_", false),
                part("07", true),
                part(".mp4", false)
            ]
        );
        assert!(shown("whale blue", &["blue", "whale"], false).is_empty());
    }

    #[test]
    fn long_texts_are_cut_around_the_first_hit() {
        let text = format!("{}cod {}", "x ".repeat(100), "y ".repeat(100));
        let whole: String = shown(&text, &["cod"], false)
            .into_iter()
            .map(|(text, _)| text)
            .collect();
        assert!(whole.starts_with("… x") && whole.ends_with(" …"), "{whole}");
        assert!(whole.len() < 120);
    }
}
