//! How a text falls into words: the same for documents, questions and highlights.
//!
//! A word is a run of letters, digits and their marks, in lower case and without accents (`Plötze`
//! is `plotze`, `Straße` is `strasse`). Where a script does not put spaces between words (Chinese,
//! Japanese, Thai and their neighbours, and Korean syllables) every character is a word of its own,
//! so that a run of them is found as a phrase.

use std::str::CharIndices;

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Bytes of a word beyond which it is cut.
const LONGEST: usize = 200;

/// One word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Folded.
    pub text: String,
    /// The first byte in the original.
    pub from: usize,
    /// The byte after the last in the original.
    pub to: usize,
}

/// The words of a text, in their order.
///
/// ```
/// use transect::search::words;
/// let found: Vec<String> = words("Plötze_07 鮪の").into_iter().map(|word| word.text).collect();
/// assert_eq!(found, ["plotze", "07", "鮪", "の"]);
/// ```
pub fn words(text: &str) -> Vec<Word> {
    let mut splitter = Splitter::new(text);
    let (mut found, mut folded) = (Vec::new(), String::new());
    while let Some((from, to)) = splitter.next_word(&mut folded) {
        found.push(Word {
            text: std::mem::take(&mut folded),
            from,
            to,
        });
    }
    found
}

/// Finds one word after another.
struct Splitter<'t> {
    text: &'t str,
    rest: CharIndices<'t>,
    /// A character that ended a run and begins the next word.
    held: Option<(usize, char)>,
}

impl<'t> Splitter<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            rest: text.char_indices(),
            held: None,
        }
    }

    /// Writes the next word into `folded` and returns where it stands.
    fn next_word(&mut self, folded: &mut String) -> Option<(usize, usize)> {
        folded.clear();
        loop {
            let (from, first) = self.held.take().or_else(|| self.rest.next())?;
            if stands_alone(first) {
                folded.extend(std::iter::once(first).nfkc());
                return Some((from, from + first.len_utf8()));
            }
            if !in_word(first) {
                continue;
            }
            fold(first, folded);
            let mut to = self.text.len();
            for (at, next) in self.rest.by_ref() {
                if stands_alone(next) {
                    (to, self.held) = (at, Some((at, next)));
                    break;
                }
                if !in_word(next) {
                    to = at;
                    break;
                }
                if folded.len() < LONGEST {
                    fold(next, folded);
                }
            }
            // Marks alone leave nothing.
            if !folded.is_empty() {
                return Some((from, to));
            }
        }
    }
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || (!c.is_ascii() && is_combining_mark(c))
}

/// Characters of scripts without spaces between words.
fn stands_alone(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}'   // Thai, Lao
        | '\u{1000}'..='\u{109f}' // Myanmar
        | '\u{1780}'..='\u{17ff}' // Khmer
        | '\u{3040}'..='\u{30ff}' // Hiragana, Katakana
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' // Han
        | '\u{ac00}'..='\u{d7af}' // Hangul syllables
        | '\u{ff66}'..='\u{ff9f}' // half-width Katakana
        | '\u{20000}'..='\u{323af}')
        && c.is_alphanumeric()
}

fn fold(c: char, folded: &mut String) {
    if c.is_ascii() {
        folded.push(c.to_ascii_lowercase());
        return;
    }
    for part in std::iter::once(c).nfkd().filter(|part| !is_accent(*part)) {
        for lower in part.to_lowercase() {
            match unaccented(lower) {
                Some(letters) => folded.push_str(letters),
                None if is_accent(lower) => {}
                None => folded.push(lower),
            }
        }
    }
}

/// Marks above and below letters; the vowel signs of other scripts are no accents.
fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036f}' | '\u{0591}'..='\u{05c7}' | '\u{064b}'..='\u{065f}'
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}')
}

/// Letters whose accent is part of them.
fn unaccented(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ı' => "i",
        'ł' => "l",
        'ŋ' => "n",
        'þ' => "th",
        'ς' => "σ",
        _ => return None,
    })
}

/// The same words for the index.
#[derive(Clone, Default)]
pub(super) struct WordTokenizer {
    token: Token,
}

pub(super) struct WordStream<'a> {
    splitter: Splitter<'a>,
    token: &'a mut Token,
}

impl Tokenizer for WordTokenizer {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        self.token.reset();
        WordStream {
            splitter: Splitter::new(text),
            token: &mut self.token,
        }
    }
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        let Some((from, to)) = self.splitter.next_word(&mut self.token.text) else {
            return false;
        };
        self.token.position = self.token.position.wrapping_add(1);
        (self.token.offset_from, self.token.offset_to) = (from, to);
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_lose_case_and_accents_in_every_alphabet() {
        assert_eq!(
            texts("Straße ÅL, naïve Ёрш"),
            ["strasse", "al", "naive", "ерш"]
        );
        assert_eq!(texts("Tromsø Łódź Ægir"), ["tromso", "lodz", "aegir"]);
        assert_eq!(texts("ΟΔΥΣΣΕΥΣ"), texts("Οδυσσεύς"));
        // Composed or not: the same word.
        assert_eq!(texts("e\u{301}te\u{301}"), texts("été"));
        assert_eq!(texts("ﬁsh Ａ１"), ["fish", "a1"]);
    }

    #[test]
    fn file_names_and_dates_fall_apart_where_people_read_them() {
        assert_eq!(texts("dive_07-cam2.MP4"), ["dive", "07", "cam2", "mp4"]);
        assert_eq!(texts("--- ... !"), Vec::<String>::new());
    }

    #[test]
    fn scripts_without_spaces_give_characters() {
        assert_eq!(
            texts("黒鮪1匹 tuna鮪"),
            ["黒", "鮪", "1", "匹", "tuna", "鮪"]
        );
        assert_eq!(texts("참치 까나리"), ["참", "치", "까", "나", "리"]);
        assert_eq!(texts("हिन्दी").len(), 1);
    }

    #[test]
    fn words_know_their_place_in_the_original() {
        let text = "Ein Plötzen-Schwarm";
        let found = words(text);
        assert_eq!(&text[found[1].from..found[1].to], "Plötzen");
        assert_eq!(&text[found[2].from..found[2].to], "Schwarm");
    }

    #[test]
    fn endless_words_are_cut() {
        assert!(texts(&"x".repeat(5_000))[0].len() <= LONGEST);
    }
}
