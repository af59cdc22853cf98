//! The fields of a document, and how rows fill them.

use std::collections::BTreeMap;

use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, JsonObjectOptions, OwnedValue, Schema,
    TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::TokenizerManager;
use tantivy::{DateTime, TantivyDocument};

use crate::error::Result;
use crate::search::document::{Document, Scalar, key, number};
use crate::search::index::Reference;
use crate::search::words::WordTokenizer;

/// The name of our tokenizer.
const WORDS: &str = "words";
/// Characters of a value that is compared as a whole.
const LONGEST_VALUE: usize = 256;

pub(super) struct Fields {
    pub schema: Schema,
    pub identity: Field,
    pub key: Field,
    pub kind: Field,
    pub project: Field,
    pub type_key: Field,
    pub section: Field,
    pub version: Field,
    pub media: Field,
    pub user: Field,
    pub created: Field,
    pub modified: Field,
    /// The name as a whole, for ordering.
    pub label: Field,
    pub name: Field,
    pub path: Field,
    pub description: Field,
    /// Every text at once.
    pub text: Field,
    /// Words of text attributes, by name.
    pub words: Field,
    /// Values of attributes, by name.
    pub values: Field,
}

impl Fields {
    pub fn new() -> Self {
        let mut schema = Schema::builder();
        let words = TextFieldIndexing::default()
            .set_tokenizer(WORDS)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let text = TextOptions::default().set_indexing_options(words.clone());
        let reference = INDEXED | FAST;
        Self {
            identity: schema.add_u64_field("identity", INDEXED),
            key: schema.add_u64_field("key", FAST),
            kind: schema.add_u64_field("kind", reference.clone()),
            project: schema.add_u64_field("project", reference.clone()),
            type_key: schema.add_u64_field("type", reference.clone()),
            section: schema.add_u64_field("section", reference.clone()),
            version: schema.add_u64_field("version", reference.clone()),
            media: schema.add_u64_field("media", reference.clone()),
            user: schema.add_u64_field("user", reference),
            created: schema.add_i64_field("created", FAST),
            modified: schema.add_i64_field("modified", FAST),
            label: schema.add_text_field("label", TextOptions::default().set_fast("raw")),
            name: schema.add_text_field("name", text.clone()),
            path: schema.add_text_field("path", text.clone()),
            description: schema.add_text_field("description", text.clone()),
            text: schema.add_text_field("text", text),
            words: schema.add_json_field(
                "words",
                JsonObjectOptions::default().set_indexing_options(words),
            ),
            values: schema.add_json_field("values", JsonObjectOptions::default().set_fast("raw")),
            schema: schema.build(),
        }
    }

    pub fn reference(&self, reference: Reference) -> Field {
        match reference {
            Reference::Key => self.key,
            Reference::Kind => self.kind,
            Reference::Project => self.project,
            Reference::Type => self.type_key,
            Reference::Section => self.section,
            Reference::Version => self.version,
            Reference::Media => self.media,
            Reference::User => self.user,
        }
    }

    /// What the index holds of a row.
    pub fn document(&self, row: &Document) -> Result<TantivyDocument> {
        let mut document = TantivyDocument::default();
        document.add_u64(self.identity, row.identity);
        document.add_u64(self.key, key(row.kind, row.id));
        document.add_u64(self.kind, number(row.kind));
        document.add_u64(self.project, row.project as u64);
        document.add_u64(self.type_key, key(row.kind, row.type_id));
        for (field, id) in [
            (self.section, row.section),
            (self.version, row.version),
            (self.user, row.created_by),
        ] {
            if let Some(id) = id {
                document.add_u64(field, id as u64);
            }
        }
        for media in &row.media {
            document.add_u64(self.media, *media as u64);
        }
        document.add_i64(self.created, row.created_at);
        document.add_i64(self.modified, row.modified_at);
        if !row.name.is_empty() {
            document.add_text(self.label, short(&row.name));
        }
        for (field, text) in [
            (self.name, &row.name),
            (self.path, &row.path),
            (self.description, &row.description),
        ] {
            if !text.is_empty() {
                document.add_text(field, text);
                document.add_text(self.text, text);
            }
        }
        self.attributes(row, &mut document)?;
        Ok(document)
    }

    fn attributes(&self, row: &Document, document: &mut TantivyDocument) -> Result<()> {
        let (mut words, mut values) = (BTreeMap::new(), BTreeMap::new());
        for (name, scalar) in row.scalars()? {
            let place = path(&name.to_lowercase());
            let value = match scalar {
                Scalar::Text(text) => {
                    document.add_text(self.text, &text);
                    let value = OwnedValue::Str(short(&text).to_owned());
                    words.insert(place.clone(), OwnedValue::Str(text));
                    value
                }
                Scalar::Flag(flag) => OwnedValue::Str(flag.to_string()),
                Scalar::Number(number) => OwnedValue::F64(number),
                Scalar::Time(at_ms) => OwnedValue::Date(instant(at_ms)),
            };
            values.insert(place, value);
        }
        if !words.is_empty() {
            document.add_object(self.words, words);
        }
        if !values.is_empty() {
            document.add_object(self.values, values);
        }
        Ok(())
    }
}

/// The beginning of a value that is compared as a whole.
pub(super) fn short(text: &str) -> &str {
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// A time as far as tantivy's reach: from 1678 to 2262. What lies beyond stands at the end.
pub(super) fn instant(at_ms: i64) -> DateTime {
    const FARTHEST: i64 = i64::MAX / 1_000_000 - 1;
    DateTime::from_timestamp_millis(at_ms.clamp(-FARTHEST, FARTHEST))
}

/// The place of an attribute in a JSON field: a name in which nothing means more than itself.
pub(super) fn path(name: &str) -> String {
    let plain = |c| match c {
        '.' => '\u{e000}',
        '\\' => '\u{e001}',
        '\0' | '\u{1}' => '\u{e002}',
        other => other,
    };
    name.chars().map(plain).collect()
}

pub(super) fn tokenizers() -> TokenizerManager {
    let manager = TokenizerManager::default();
    manager.register(WORDS, WordTokenizer::default());
    manager
}
