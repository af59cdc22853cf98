//! Routes of aggregates.

use serde_json::{Map, Value as Json};

use super::request::Request;
use super::service;
use crate::attribute::Kind;
use crate::error::Result;
use crate::http::{Answer, Call, Operation};
use crate::{annotation, file, leaf, media};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    [media(), localizations(), states(), leaves(), files()].concat()
}

fn media() -> Vec<Operation> {
    let filtered = |operation: Operation| operation.query(&media::routes::filter_parameters());
    vec![
        filtered(Operation::put(
            "/rest/MediaAggregate/{project}",
            "GetMediaAggregate",
            |call| groups(call, Kind::Media),
        ))
        .about("Count matching media, grouped by columns and attributes.")
        .body("MediaAggregateQuery")
        .answers("[AggregateGroup]"),
        filtered(Operation::put(
            "/rest/MediaHistogram/{project}",
            "GetMediaHistogram",
            |call| histogram(call, Kind::Media),
        ))
        .about("Distribute the numbers of matching media over bins.")
        .body("MediaHistogramQuery")
        .answers("AggregateHistogram"),
        filtered(Operation::put(
            "/rest/MediaTimeline/{project}",
            "GetMediaTimeline",
            |call| timeline(call, Kind::Media),
        ))
        .about("Count matching media by intervals of time.")
        .body("MediaTimelineQuery")
        .answers("[AggregateMoment]"),
    ]
}

fn localizations() -> Vec<Operation> {
    let filtered = |operation| annotation::routes::filtered(operation).query("frame: int");
    vec![
        filtered(Operation::put(
            "/rest/LocalizationAggregate/{project}",
            "GetLocalizationAggregate",
            |call| groups(call, Kind::Localization),
        ))
        .about("Count matching localizations, grouped by columns and attributes.")
        .body("LocalizationAggregateQuery")
        .answers("[AggregateGroup]"),
        filtered(Operation::put(
            "/rest/LocalizationHistogram/{project}",
            "GetLocalizationHistogram",
            |call| histogram(call, Kind::Localization),
        ))
        .about("Distribute the numbers of matching localizations over bins.")
        .body("LocalizationHistogramQuery")
        .answers("AggregateHistogram"),
        filtered(Operation::put(
            "/rest/LocalizationTimeline/{project}",
            "GetLocalizationTimeline",
            |call| timeline(call, Kind::Localization),
        ))
        .about("Count matching localizations over the frames of a media, or by intervals of time.")
        .body("LocalizationTimelineQuery")
        .answers("[AggregateMoment]"),
    ]
}

fn states() -> Vec<Operation> {
    vec![
        annotation::routes::filtered(Operation::put(
            "/rest/StateAggregate/{project}",
            "GetStateAggregate",
            |call| groups(call, Kind::State),
        ))
        .about("Count matching states, grouped by columns and attributes.")
        .body("StateAggregateQuery")
        .answers("[AggregateGroup]"),
        annotation::routes::filtered(Operation::put(
            "/rest/StateHistogram/{project}",
            "GetStateHistogram",
            |call| histogram(call, Kind::State),
        ))
        .about("Distribute the numbers of matching states over bins.")
        .body("StateHistogramQuery")
        .answers("AggregateHistogram"),
        annotation::routes::filtered(Operation::put(
            "/rest/StateTimeline/{project}",
            "GetStateTimeline",
            |call| timeline(call, Kind::State),
        ))
        .about("Count matching states over the frames of a media, or by intervals of time.")
        .body("StateTimelineQuery")
        .answers("[AggregateMoment]"),
    ]
}

fn leaves() -> Vec<Operation> {
    let filtered = leaf::routes::filtered;
    vec![
        filtered(Operation::put(
            "/rest/LeafAggregate/{project}",
            "GetLeafAggregate",
            |call| groups(call, Kind::Leaf),
        ))
        .about("Count matching leaves, grouped by columns and attributes.")
        .body("LeafAggregateQuery")
        .answers("[AggregateGroup]"),
        filtered(Operation::put(
            "/rest/LeafHistogram/{project}",
            "GetLeafHistogram",
            |call| histogram(call, Kind::Leaf),
        ))
        .about("Distribute the numbers of matching leaves over bins.")
        .body("LeafHistogramQuery")
        .answers("AggregateHistogram"),
        filtered(Operation::put(
            "/rest/LeafTimeline/{project}",
            "GetLeafTimeline",
            |call| timeline(call, Kind::Leaf),
        ))
        .about("Count matching leaves by intervals of time.")
        .body("LeafTimelineQuery")
        .answers("[AggregateMoment]"),
    ]
}

fn files() -> Vec<Operation> {
    let filtered = file::routes::filtered;
    vec![
        filtered(Operation::put(
            "/rest/FileAggregate/{project}",
            "GetFileAggregate",
            |call| groups(call, Kind::File),
        ))
        .about("Count matching files, grouped by columns and attributes.")
        .body("FileAggregateQuery")
        .answers("[AggregateGroup]"),
        filtered(Operation::put(
            "/rest/FileHistogram/{project}",
            "GetFileHistogram",
            |call| histogram(call, Kind::File),
        ))
        .about("Distribute the numbers of matching files over bins.")
        .body("FileHistogramQuery")
        .answers("AggregateHistogram"),
        filtered(Operation::put(
            "/rest/FileTimeline/{project}",
            "GetFileTimeline",
            |call| timeline(call, Kind::File),
        ))
        .about("Count matching files by intervals of time.")
        .body("FileTimelineQuery")
        .answers("[AggregateMoment]"),
    ]
}

fn request(call: &Call, kind: Kind) -> Result<Request> {
    let query: Map<String, Json> = call.query()?;
    let body = match call.json() {
        Json::Object(members) => members.clone(),
        _ => Map::new(),
    };
    Ok(Request {
        kind,
        project: call.id("project"),
        query,
        body,
    })
}

async fn groups(mut call: Call, kind: Kind) -> Result<Answer> {
    let request = request(&call, kind)?;
    let query = call.body()?;
    Answer::list(service::groups(&call.cx, call.actor()?, request, query).await?)
}

async fn histogram(mut call: Call, kind: Kind) -> Result<Answer> {
    let request = request(&call, kind)?;
    let query = call.body()?;
    Answer::json(&service::histogram(&call.cx, call.actor()?, request, query).await?)
}

async fn timeline(mut call: Call, kind: Kind) -> Result<Answer> {
    let request = request(&call, kind)?;
    let query = call.body()?;
    Answer::list(service::timeline(&call.cx, call.actor()?, request, query).await?)
}
