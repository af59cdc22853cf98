//! Comma-separated values (RFC 4180).

use serde_json::Value as Json;

use crate::error::Result;
use crate::query::Column;

/// The line of the columns' names.
pub fn header(columns: &[Column]) -> String {
    line(columns.iter().map(|column| match column {
        Column::Key(name) | Column::Attribute(name) => name.clone(),
    }))
}

/// The line of a JSON object.
pub fn row(columns: &[Column], row: &Json) -> String {
    line(columns.iter().map(|column| {
        cell(match column {
            Column::Key(name) => &row[name],
            Column::Attribute(name) => &row["attributes"][name],
        })
    }))
}

/// A table of JSON objects: one column per key, `attributes` flattened to one column per name.
pub fn table(rows: &[Json]) -> Result<Vec<u8>> {
    let mut columns: Vec<Column> = Vec::new();
    for row in rows.iter().filter_map(Json::as_object) {
        for (key, value) in row {
            let flattened = (key == "attributes").then(|| value.as_object()).flatten();
            let found: Vec<Column> = match flattened {
                Some(attributes) => attributes.keys().cloned().map(Column::Attribute).collect(),
                None => vec![Column::Key(key.clone())],
            };
            for column in found {
                if !columns.contains(&column) {
                    columns.push(column);
                }
            }
        }
    }
    let mut text = header(&columns);
    for one in rows {
        text.push_str(&row(&columns, one));
    }
    Ok(text.into_bytes())
}

fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells
        .map(|cell| {
            if cell.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell
            }
        })
        .collect();
    cells.join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn attributes_become_columns_and_commas_are_quoted() {
        let rows = [
            json!({"id": 1, "attributes": {"A": "x,y"}}),
            json!({"id": 2, "attributes": {"B": null}}),
        ];
        let text = String::from_utf8(super::table(&rows).unwrap()).unwrap();
        assert_eq!(text, "id,A,B\r\n1,\"x,y\",\r\n2,,\r\n");
    }
}
