//! The forms of answers: `format=json`, `jsonl`, `csv` and `pprint`, whole or as rows come, and
//! gzip for callers that accept it. Over loopback compression only costs time.

use std::io::Write;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::StreamExt;
use serde_json::Value;

use crate::database::Streamed;
use crate::error::{Chain, Error, Result};
use crate::export::csv;
use crate::query::{Column, rows_of};

/// Answers below this many bytes are not compressed.
const WORTH_PACKING: usize = 1400;

pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(',').any(is_gzip))
}

/// Whether one item of `Accept-Encoding` is gzip, and wanted at all.
fn is_gzip(item: &str) -> bool {
    let mut parts = item.split(';').map(str::trim);
    let quality = |part: &str| part.strip_prefix("q=")?.trim().parse::<f64>().ok();
    parts.next() == Some("gzip") && !parts.any(|part| quality(part) == Some(0.0))
}

fn media_type(format: Option<&str>) -> &'static str {
    match format {
        Some("jsonl") => "text/plain; charset=utf-8",
        Some("csv") => "text/csv; charset=utf-8",
        _ => "application/json",
    }
}

/// One JSON document in the form asked for, and its media type.
pub(super) fn document(
    mut bytes: Vec<u8>,
    format: Option<&str>,
) -> Result<(&'static str, Vec<u8>)> {
    let bytes = match format {
        Some("jsonl") => {
            bytes.push(b'\n');
            bytes
        }
        Some("csv") => csv::table(&[serde_json::from_slice(&bytes)?])?,
        Some("pprint") => serde_json::to_vec_pretty(&serde_json::from_slice::<Value>(&bytes)?)?,
        _ => bytes,
    };
    Ok((media_type(format), bytes))
}

/// Lines of JSON in the form asked for, and its media type.
pub(super) fn items(lines: Vec<u8>, format: Option<&str>) -> Result<(&'static str, Vec<u8>)> {
    let bytes = match format {
        Some("csv") => {
            let rows: Result<Vec<Value>> = ended(&lines).map(parse).collect();
            csv::table(&rows?)?
        }
        _ => {
            let mut rows = Vec::with_capacity(lines.len() + lines.len() / 16);
            for line in ended(&lines) {
                rows.extend_from_slice(b",\n");
                rows.extend_from_slice(line);
            }
            let mut form = Form::new(format, Vec::new());
            let mut bytes = Vec::from(form.piece(rows.into())?);
            bytes.extend(form.end());
            bytes
        }
    };
    Ok((media_type(format), bytes))
}

/// A whole body.
pub(super) fn respond(
    status: StatusCode,
    kind: &'static str,
    bytes: Vec<u8>,
    gzip: bool,
) -> Response {
    if !gzip || bytes.len() < WORTH_PACKING {
        return (status, [(header::CONTENT_TYPE, kind)], bytes).into_response();
    }
    let mut packing = Packing::new();
    let mut packed = packing.piece(&bytes);
    packed.extend(packing.end());
    labelled(status, kind, true, Body::from(packed))
}

/// Rows in the form asked for, as they come. An error after the first of them breaks the
/// connection off: no caller takes half a list for a whole one.
pub(super) fn rows(
    status: StatusCode,
    rows: Streamed<Bytes>,
    columns: Vec<Column>,
    format: Option<&str>,
    gzip: bool,
) -> Result<Response> {
    let kind = media_type(format);
    let mut form = Form::new(format, columns);
    let batches = match rows {
        Streamed::Whole(batches) => {
            let size: usize = batches.iter().map(Bytes::len).sum();
            let mut bytes = Vec::with_capacity(size + 1);
            for batch in batches {
                bytes.extend_from_slice(&form.piece(batch)?);
            }
            bytes.extend(form.end());
            return Ok(respond(status, kind, bytes, gzip));
        }
        Streamed::Flowing(batches) => batches,
    };
    let mut packing = gzip.then(Packing::new);
    let pieces = batches
        .map(Some)
        .chain(futures::stream::iter([None]))
        .map(move |batch| {
            let piece = match batch {
                Some(batch) => batch.and_then(|lines| form.piece(lines)),
                None => {
                    let mut end = form.end();
                    if let Some(packing) = &mut packing {
                        end = packing.piece(&end);
                        end.extend(packing.end());
                    }
                    return Ok(Bytes::from(end));
                }
            };
            piece
                .map(|piece| match &mut packing {
                    Some(packing) => Bytes::from(packing.piece(&piece)),
                    None => piece,
                })
                .inspect_err(broken_off)
        });
    // Nothing follows an error: the end would make the list look whole.
    let pieces = pieces.scan(false, |failed, piece| {
        let next = (!*failed).then_some(piece);
        *failed |= matches!(next, Some(Err(_)));
        futures::future::ready(next)
    });
    Ok(labelled(status, kind, gzip, Body::from_stream(pieces)))
}

fn broken_off(error: &Error) {
    match error {
        Error::Busy(reason) => tracing::info!(reason, "a list was broken off"),
        error => tracing::error!(error = %Chain(error), "a list was broken off"),
    }
}

fn labelled(status: StatusCode, kind: &'static str, gzip: bool, body: Body) -> Response {
    let mut response = (status, [(header::CONTENT_TYPE, kind)], body).into_response();
    if gzip {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    response
}

/// Bytes packed piece by piece.
struct Packing(GzEncoder<Vec<u8>>);

impl Packing {
    fn new() -> Self {
        Self(GzEncoder::new(Vec::new(), Compression::fast()))
    }

    fn piece(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.0.write_all(bytes).expect("memory takes everything");
        std::mem::take(self.0.get_mut())
    }

    fn end(&mut self) -> Vec<u8> {
        self.0.try_finish().expect("memory takes everything");
        std::mem::take(self.0.get_mut())
    }
}

/// Puts batches of rows into a form, piece by piece.
enum Form {
    Lines,
    Array { begun: bool },
    Pretty { begun: bool },
    Table { begun: bool, columns: Vec<Column> },
}

impl Form {
    fn new(format: Option<&str>, columns: Vec<Column>) -> Self {
        let begun = false;
        match format {
            Some("jsonl") => Self::Lines,
            Some("csv") => Self::Table { begun, columns },
            Some("pprint") => Self::Pretty { begun },
            _ => Self::Array { begun },
        }
    }

    /// The next rows.
    fn piece(&mut self, batch: Bytes) -> Result<Bytes> {
        if batch.is_empty() {
            return Ok(batch);
        }
        let mut piece = Vec::new();
        match self {
            Self::Array { begun: true } => return Ok(batch),
            Self::Array { begun } => {
                // In the place of the first comma.
                piece.extend_from_slice(&batch);
                piece[0] = b'[';
                *begun = true;
            }
            Self::Lines => {
                for row in rows_of(&batch) {
                    piece.extend_from_slice(row);
                    piece.push(b'\n');
                }
            }
            Self::Pretty { begun } => {
                for row in rows_of(&batch) {
                    let text = serde_json::to_string_pretty(&parse(row)?)?;
                    let start = if *begun { ",\n  " } else { "[\n  " };
                    piece.extend_from_slice(start.as_bytes());
                    piece.extend_from_slice(text.replace('\n', "\n  ").as_bytes());
                    *begun = true;
                }
            }
            Self::Table { begun, columns } => {
                if !std::mem::replace(begun, true) {
                    piece.extend_from_slice(csv::header(columns).as_bytes());
                }
                for row in rows_of(&batch) {
                    piece.extend_from_slice(csv::row(columns, &parse(row)?).as_bytes());
                }
            }
        }
        Ok(piece.into())
    }

    /// What comes after the last line.
    fn end(&mut self) -> Vec<u8> {
        match self {
            Self::Lines => Vec::new(),
            Self::Array { begun: true } => b"]".to_vec(),
            Self::Pretty { begun: true } => b"\n]".to_vec(),
            Self::Array { .. } | Self::Pretty { .. } => b"[]".to_vec(),
            Self::Table { begun, columns } => match begun {
                true => Vec::new(),
                false => csv::header(columns).into_bytes(),
            },
        }
    }
}

fn ended(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
}

fn parse(line: &[u8]) -> Result<Value> {
    Ok(serde_json::from_slice(line)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer in a form, of lines that come in these pieces.
    fn formed(format: &str, pieces: &[&str]) -> String {
        let columns = vec![Column::Key("id".into()), Column::Attribute("A".into())];
        let mut form = Form::new(Some(format), columns);
        let mut all = Vec::new();
        for piece in pieces {
            all.extend(form.piece(Bytes::from((*piece).to_owned())).unwrap());
        }
        all.extend(form.end());
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn a_list_is_the_same_in_however_many_pieces_it_comes() {
        let line = |id: u32| format!(",\n{{\"id\":{id},\"attributes\":{{\"A\":\"x,{id}\"}}}}");
        let whole = (1..=4).map(line).collect::<String>();
        let pieces = [line(1), line(2) + &line(3), String::new(), line(4)];
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        for format in ["json", "jsonl", "csv", "pprint"] {
            assert_eq!(formed(format, &pieces), formed(format, &[&whole]));
        }
        let rows: Vec<Value> = serde_json::from_str(&formed("json", &pieces)).unwrap();
        assert_eq!(rows.len(), 4);
        let pretty = formed("pprint", &pieces);
        assert_eq!(serde_json::from_str::<Vec<Value>>(&pretty).unwrap(), rows);
        assert_eq!(pretty, serde_json::to_string_pretty(&rows).unwrap());
        let table = formed("csv", &pieces);
        assert!(table.starts_with("id,A\r\n1,\"x,1\"\r\n"), "{table}");
    }

    #[test]
    fn gzip_is_for_those_who_want_it() {
        for (accepted, expected) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("gzip; q=0, deflate", false),
            ("gzip;q=0.0", false),
            ("identity", false),
        ] {
            let value = HeaderValue::from_static(accepted);
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)]);
            assert_eq!(accepts_gzip(&headers), expected, "{accepted}");
        }
    }

    #[test]
    fn an_empty_list_is_whole_in_every_form() {
        assert_eq!(formed("json", &[]), "[]");
        assert_eq!(formed("json", &[""]), "[]");
        assert_eq!(formed("pprint", &[]), "[]");
        assert_eq!(formed("jsonl", &[]), "");
        assert_eq!(formed("csv", &[]), "id,A\r\n");
    }

    #[test]
    fn what_is_packed_in_pieces_unpacks_as_one() {
        let mut packing = Packing::new();
        let mut packed = packing.piece(b"one ");
        packed.extend(packing.piece(b"two"));
        packed.extend(packing.end());
        let mut unpacked = String::new();
        let mut reader = flate2::read::GzDecoder::new(packed.as_slice());
        std::io::Read::read_to_string(&mut reader, &mut unpacked).unwrap();
        assert_eq!(unpacked, "one two");
    }
}
