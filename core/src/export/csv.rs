//! Comma-separated values (RFC 4180).

use serde_json::Value as Json;

use crate::error::Result;

/// A table of JSON objects: one column per key, `attributes` flattened to one column per name.
pub fn table(rows: &[Json]) -> Result<Vec<u8>> {
    let mut columns: Vec<(bool, &str)> = Vec::new();
    for row in rows.iter().filter_map(Json::as_object) {
        for (key, value) in row {
            let flattened = (key == "attributes").then(|| value.as_object()).flatten();
            let found: Vec<(bool, &str)> = match flattened {
                Some(attributes) => attributes
                    .keys()
                    .map(|name| (true, name.as_str()))
                    .collect(),
                None => vec![(false, key.as_str())],
            };
            for column in found {
                if !columns.contains(&column) {
                    columns.push(column);
                }
            }
        }
    }
    let mut text = line(columns.iter().map(|(_, name)| (*name).to_owned()));
    for row in rows {
        text.push_str(&line(columns.iter().map(|(attribute, name)| {
            let holder = if *attribute { &row["attributes"] } else { row };
            cell(&holder[*name])
        })));
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
