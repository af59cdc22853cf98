//! Reading objects of a manifest key by key: what nobody asked for is refused by its name.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

/// Everything that is wrong with a manifest, in the order it was found.
pub type Problems = RefCell<Vec<String>>;

/// One object of the document.
pub struct Reader<'p> {
    path: String,
    fields: Map<String, Json>,
    problems: &'p Problems,
}

impl<'p> Reader<'p> {
    /// Begins with an object; a value that is none is a problem.
    pub fn new(path: &str, value: Json, problems: &'p Problems) -> Self {
        let mut fields = match value {
            Json::Object(fields) => fields,
            _ => {
                let text = format!("{} must be a mapping", shown(path));
                problems.borrow_mut().push(text);
                Map::new()
            }
        };
        fields.retain(|_, value| !value.is_null());
        Self {
            path: path.to_owned(),
            fields,
            problems,
        }
    }

    /// Where a key of this object is in the document.
    pub fn place(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Notes a problem of a key.
    pub fn problem(&self, key: &str, what: &str) {
        let text = format!("{} {what}", self.place(key));
        self.problems.borrow_mut().push(text);
    }

    /// Whether there is such a key.
    pub fn has(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    /// Any value.
    pub fn value(&mut self, key: &str) -> Option<Json> {
        self.fields.shift_remove(key)
    }

    /// A text; numbers and booleans are taken as their text.
    pub fn text(&mut self, key: &str) -> Option<String> {
        let value = self.value(key)?;
        let text = scalar(&value);
        if text.is_none() {
            self.problem(key, "must be a text");
        }
        text
    }

    /// A text that must be there and not empty.
    pub fn needed(&mut self, key: &str) -> String {
        let text = if self.has(key) {
            self.text(key)
        } else {
            self.problem(key, "is missing");
            return String::new();
        };
        let text = text.unwrap_or_default();
        if text.is_empty() {
            self.problem(key, "must not be empty");
        }
        text
    }

    /// A boolean.
    pub fn flag(&mut self, key: &str) -> Option<bool> {
        let value = self.value(key)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.problem(key, "must be true or false");
        }
        flag
    }

    /// A whole number of at least 1.
    pub fn count(&mut self, key: &str) -> Option<usize> {
        let value = self.value(key)?;
        let count = value.as_u64().filter(|count| *count > 0);
        if count.is_none() {
            self.problem(key, "must be a whole number of at least 1");
        }
        count.and_then(|count| usize::try_from(count).ok())
    }

    /// An object, if the key is there.
    pub fn object(&mut self, key: &str) -> Option<Reader<'p>> {
        let value = self.value(key)?;
        Some(Reader::new(&self.place(key), value, self.problems))
    }

    /// A list of any values.
    pub fn list(&mut self, key: &str) -> Vec<Json> {
        match self.value(key) {
            None => Vec::new(),
            Some(Json::Array(items)) => items,
            Some(_) => {
                self.problem(key, "must be a list");
                Vec::new()
            }
        }
    }

    /// A list of objects.
    pub fn objects(&mut self, key: &str) -> Vec<Reader<'p>> {
        let items = self.list(key);
        self.nested(key, Json::Array(items))
    }

    /// A list of objects that was taken out before.
    pub fn nested(&self, key: &str, list: Json) -> Vec<Reader<'p>> {
        let place = self.place(key);
        let items = match list {
            Json::Array(items) => items,
            _ => Vec::new(),
        };
        let read = |(index, item)| Reader::new(&format!("{place}[{index}]"), item, self.problems);
        items.into_iter().enumerate().map(read).collect()
    }

    /// A list of texts.
    pub fn texts(&mut self, key: &str) -> Vec<String> {
        let texts = self.list(key).iter().map(scalar).collect();
        let texts: Option<Vec<String>> = texts;
        texts.unwrap_or_else(|| {
            self.problem(key, "must be a list of texts");
            Vec::new()
        })
    }

    /// A mapping of texts.
    pub fn pairs(&mut self, key: &str) -> BTreeMap<String, String> {
        let Some(mut object) = self.object(key) else {
            return BTreeMap::new();
        };
        let names: Vec<String> = object.fields.keys().cloned().collect();
        let pairs = names.into_iter().map(|name| {
            let text = object.text(&name).unwrap_or_default();
            (name, text)
        });
        pairs.collect()
    }

    /// Passes over keys that mean nothing on this station, or only say how a cluster keeps house.
    pub fn ignore(&mut self, keys: &[&str]) {
        for key in keys {
            self.value(key);
        }
    }

    /// Refuses a key, saying what to do instead.
    pub fn refuse(&mut self, key: &str, why: &str) {
        if self.value(key).is_some() {
            self.problem(key, &format!("is not supported: {why}"));
        }
    }

    /// Refuses whatever nobody asked for.
    pub fn done(self) {
        for key in self.fields.keys() {
            self.problem(key, "is not supported by this station");
        }
    }
}

fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn shown(path: &str) -> &str {
    if path.is_empty() {
        "the document"
    } else {
        path
    }
}
