//! Routes of records: five operations for each of the four kinds.

use serde_json::{Map, Value as Json};

use super::service;
use super::types::{InsertQuery, PlaceQuery, RoleQuery};
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

const INDEX: &str = "*index: int<0..>";
const INSERT: &str = "index: int<0..>, bucket_id: int";

/// Paths and names of one kind: many, one, get many, create, get, update, remove.
struct Kind {
    paths: [&'static str; 2],
    ids: [&'static str; 5],
    role: &'static str,
    record: &'static str,
    list: &'static str,
}

const KINDS: [Kind; 4] = [
    Kind {
        paths: ["/rest/VideoFiles/{id}", "/rest/VideoFile/{id}"],
        ids: [
            "GetVideoFileList",
            "CreateVideoFile",
            "GetVideoFile",
            "UpdateVideoFile",
            "DeleteVideoFile",
        ],
        role: "*role: enum(streaming|archival)",
        record: "VideoDefinition",
        list: "[VideoDefinition]",
    },
    Kind {
        paths: ["/rest/ImageFiles/{id}", "/rest/ImageFile/{id}"],
        ids: [
            "GetImageFileList",
            "CreateImageFile",
            "GetImageFile",
            "UpdateImageFile",
            "DeleteImageFile",
        ],
        role: "*role: enum(image|thumbnail|thumbnail_gif)",
        record: "ImageDefinition",
        list: "[ImageDefinition]",
    },
    Kind {
        paths: ["/rest/AudioFiles/{id}", "/rest/AudioFile/{id}"],
        ids: [
            "GetAudioFileList",
            "CreateAudioFile",
            "GetAudioFile",
            "UpdateAudioFile",
            "DeleteAudioFile",
        ],
        role: "role: enum(audio)=\"audio\"",
        record: "AudioDefinition",
        list: "[AudioDefinition]",
    },
    Kind {
        paths: ["/rest/AuxiliaryFiles/{id}", "/rest/AuxiliaryFile/{id}"],
        ids: [
            "GetAuxiliaryFileList",
            "CreateAuxiliaryFile",
            "GetAuxiliaryFile",
            "UpdateAuxiliaryFile",
            "DeleteAuxiliaryFile",
        ],
        role: "role: enum(attachment)=\"attachment\"",
        record: "AuxiliaryFileDefinition",
        list: "[AuxiliaryFileDefinition]",
    },
];

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    KINDS.iter().flat_map(operations_of).collect()
}

fn operations_of(kind: &Kind) -> [Operation; 5] {
    let ([many, one], role) = (kind.paths, kind.role);
    let [list_id, create_id, get_id, update_id, remove_id] = kind.ids;
    [
        Operation::get(many, list_id, list)
            .about("List the files of a media in a role.")
            .query(role)
            .answers(kind.list),
        Operation::post(many, create_id, create)
            .about("Record a file of a media, at the end or at an index.")
            .query(role)
            .query(INSERT)
            .body(kind.record)
            .answers("MessageResponse"),
        Operation::get(one, get_id, get)
            .about("Read the record of one file.")
            .query(role)
            .query(INDEX)
            .answers(kind.record),
        Operation::patch(one, update_id, update)
            .about("Replace the record of one file; an object that nothing names any more goes.")
            .query(role)
            .query(INDEX)
            .body(kind.record)
            .answers("MessageResponse"),
        Operation::delete(one, remove_id, remove)
            .about("Delete the record of one file, and its object if nothing else names it.")
            .query(role)
            .query(INDEX)
            .answers("MessageResponse"),
    ]
}

async fn list(call: Call) -> Result<Answer> {
    let RoleQuery { role } = call.query()?;
    Answer::list(service::list(&call.cx, call.actor()?, call.id("id"), role).await?)
}

async fn create(mut call: Call) -> Result<Answer> {
    let record: Map<String, Json> = call.body()?;
    let (id, query): (_, InsertQuery) = (call.id("id"), call.query()?);
    service::create(&call.cx, call.actor()?, id, query, record).await?;
    Answer::message(format!("Media file in media object {id} created!"))
}

async fn get(call: Call) -> Result<Answer> {
    let place: PlaceQuery = call.query()?;
    Answer::json(&service::get(&call.cx, call.actor()?, call.id("id"), place).await?)
}

async fn update(mut call: Call) -> Result<Answer> {
    let record: Map<String, Json> = call.body()?;
    let (id, place): (_, PlaceQuery) = (call.id("id"), call.query()?);
    service::update(&call.cx, call.actor()?, id, place, record).await?;
    Answer::message(format!(
        "Media file in media object {id} successfully updated!"
    ))
}

async fn remove(call: Call) -> Result<Answer> {
    let (id, place): (_, PlaceQuery) = (call.id("id"), call.query()?);
    service::remove(&call.cx, call.actor()?, id, place).await?;
    Answer::message(format!(
        "Media file in media object {id} successfully deleted!"
    ))
}
