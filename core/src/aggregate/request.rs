//! Which rows a request counts.

use serde_json::{Map, Value as Json};

use super::condition::{Comparison, Test};
use crate::attribute::Kind;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::query::{Schema, Selection};
use crate::{annotation, file, leaf, media};

/// Members of bodies that say what to count, and not which rows.
const SPECIFYING: [&str; 12] = [
    "group_by", "limit", "order", "key", "bins", "edges", "minimum", "maximum", "over", "interval",
    "frames", "split_by",
];

/// A request for an aggregate: the filters of the kind's list, in query and body.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub kind: Kind,
    pub project: i64,
    pub query: Map<String, Json>,
    pub body: Map<String, Json>,
}

/// The name of a column or attribute, and what its values must be.
pub(super) type Limit = (String, Test);

impl Request {
    /// The same without any filter.
    fn bare(&self) -> Self {
        Self {
            query: Map::new(),
            body: Map::new(),
            ..*self
        }
    }

    /// Every row that lists of the kind show at all, ordered by id.
    pub async fn everything(&self, tx: &mut Tx, schema: &Schema) -> Result<Selection> {
        let mut selection = self.bare().selection(tx, schema).await?;
        selection.order_by("t.id");
        Ok(selection)
    }

    /// The rows that the kind's list selects for these filters.
    pub async fn selection(&self, tx: &mut Tx, schema: &Schema) -> Result<Selection> {
        let project = self.project;
        match self.kind {
            Kind::Localization => {
                let (filter, ids) = (read(&self.query)?, read(&self.body)?);
                annotation::select::<annotation::Localization>(tx, schema, project, &filter, &ids)
                    .await
            }
            Kind::State => {
                let (filter, ids) = (read(&self.query)?, read(&self.body)?);
                annotation::select::<annotation::State>(tx, schema, project, &filter, &ids).await
            }
            Kind::Media => {
                let (filter, ids) = (read(&self.query)?, read(&self.body)?);
                media::select(tx, schema, project, &filter, &ids).await
            }
            Kind::Leaf => {
                let (filter, ids) = (read(&self.query)?, read(&self.body)?);
                leaf::select(tx, schema, project, &filter, &ids).await
            }
            Kind::File => file::select(tx, project, &read(&self.query)?).await,
            Kind::Section => Err(Error::invalid("sections are not aggregated")),
        }
    }

    /// The type that the query names.
    pub fn type_id(&self) -> Option<i64> {
        self.query.get("type").and_then(Json::as_i64)
    }

    /// Whether it also asks for rows that lists do not show unless told to.
    pub fn hidden_too(&self) -> bool {
        ["show_deleted", "show_all_marks"]
            .iter()
            .any(|name| self.query.get(*name).and_then(Json::as_i64).unwrap_or(0) != 0)
    }

    /// The filters as limits of columns, where they are no more than that; none where only SQL can
    /// tell which rows are meant.
    pub fn limits(&self) -> Option<Vec<Limit>> {
        let mut limits: Vec<Limit> = Vec::new();
        let mut among = |name: &str, ids: Vec<i64>| {
            let test = Test::Among(ids.into_iter().collect());
            limits.push((name.to_owned(), test));
        };
        let localization = self.kind == Kind::Localization;
        let mut media = Vec::new();
        for (name, value) in &self.query {
            match name.as_str() {
                "type" => among("$type", vec![value.as_i64()?]),
                "version" => {
                    let versions = ids(value)?;
                    let merged = self.query.get("merge").and_then(Json::as_i64) != Some(0);
                    if versions.len() > 1 && merged {
                        return None;
                    }
                    if !versions.is_empty() {
                        among("$version", versions);
                    }
                }
                "frame" => among("$frame", vec![value.as_i64()?]),
                "media_id" if localization => media.extend(ids(value)?),
                "merge" => {}
                "show_deleted" | "show_all_marks" if value.as_i64() == Some(0) => {}
                name if Comparison::of_parameter(name).is_some() => {}
                _ if value.as_array().is_some_and(Vec::is_empty) => {}
                _ => return None,
            }
        }
        for (name, value) in &self.body {
            match name.as_str() {
                name if SPECIFYING.contains(&name) => {}
                "media_ids" if localization => media.extend(ids(value)?),
                // An empty list of leaves means none of them.
                _ if self.kind != Kind::Leaf && value.as_array().is_some_and(Vec::is_empty) => {}
                _ => return None,
            }
        }
        if !media.is_empty() {
            among("$media", media);
        }
        for (name, value) in &self.query {
            if let Some(how) = Comparison::of_parameter(name) {
                limits.extend(compared(how, value)?);
            }
        }
        Some(limits)
    }
}

/// What `name::value` items mean; none for one that is not written so, and for columns.
fn compared(how: Comparison, items: &Json) -> Option<Vec<Limit>> {
    let item = |item: &Json| {
        let (name, text) = item.as_str()?.split_once("::")?;
        let test = Test::Compared(how, text.to_owned());
        (!name.starts_with('$')).then(|| (name.to_owned(), test))
    };
    items.as_array()?.iter().map(item).collect()
}

fn ids(value: &Json) -> Option<Vec<i64>> {
    value.as_array()?.iter().map(Json::as_i64).collect()
}

fn read<T: serde::de::DeserializeOwned>(members: &Map<String, Json>) -> Result<T> {
    Ok(serde_json::from_value(Json::Object(members.clone()))?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn limits(kind: Kind, query: Json, body: Json) -> Option<Vec<Limit>> {
        let (Json::Object(query), Json::Object(body)) = (query, body) else {
            panic!("both are objects")
        };
        Request {
            kind,
            project: 1,
            query,
            body,
        }
        .limits()
    }

    #[test]
    fn plain_filters_are_limits_of_columns() {
        let kind = Kind::Localization;
        let defaults = json!({"merge": 1, "show_deleted": 0, "show_all_marks": 0});
        let group = json!({"group_by": ["$type"], "limit": 5});
        assert_eq!(limits(kind, defaults, group.clone()), Some(vec![]));
        let query = json!({"type": 3, "version": [4], "media_id": [5]});
        let body = json!({"media_ids": [6], "ids": []});
        let among =
            |name: &str, ids: &[i64]| (name.to_owned(), Test::Among(ids.iter().copied().collect()));
        let wanted = vec![
            among("$type", &[3]),
            among("$version", &[4]),
            among("$media", &[5, 6]),
        ];
        assert_eq!(limits(kind, query, body), Some(wanted));
        let layers = json!({"version": [4, 5], "merge": 0});
        assert_eq!(
            limits(kind, layers, json!({})),
            Some(vec![among("$version", &[4, 5])])
        );
        let query = json!({"frame": 3, "attribute_lt": ["Depth::5.5"]});
        let wanted = vec![
            among("$frame", &[3]),
            (
                "Depth".to_owned(),
                Test::Compared(Comparison::Less, "5.5".into()),
            ),
        ];
        assert_eq!(limits(kind, query, json!({})), Some(wanted));
    }

    #[test]
    fn everything_else_is_for_sql() {
        for query in [
            json!({"version": [4, 5], "merge": 1}),
            json!({"attribute_null": ["A::true"]}),
            json!({"attribute": ["$frame::3"]}),
            json!({"attribute": ["nonsense"]}),
            json!({"related_id": [3]}),
            json!({"start": 3}),
            json!({"show_all_marks": 1}),
            json!({"encoded_search": "x"}),
        ] {
            assert_eq!(
                limits(Kind::Localization, query.clone(), json!({})),
                None,
                "{query}"
            );
        }
        let ids = json!({"ids": [3]});
        assert_eq!(limits(Kind::Localization, json!({}), ids), None);
        assert_eq!(
            limits(Kind::Media, json!({"media_id": [3]}), json!({})),
            None
        );
        assert_eq!(limits(Kind::Leaf, json!({}), json!({"ids": []})), None);
        assert_eq!(
            limits(Kind::State, json!({}), json!({"ids": []})),
            Some(vec![])
        );
    }
}
