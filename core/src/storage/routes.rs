//! Routes of uploads and downloads. The bytes themselves go through [`super::serve`].

use serde::Deserialize;

use super::generic::{self, Rule};
use super::upload;
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/rest/UploadInfo/{project}", "GetUploadInfo", upload_info)
            .about("Get links for an upload: temporary, of a media, or of a file.")
            .query(
                "expiration: int<1..604800>=86400, num_parts: int<1..10000>=1, media_id: int, \
                 file_id: int, filename: string, bucket_id: int",
            )
            .answers("UploadInfo"),
        Operation::post(
            "/rest/UploadCompletion/{project}",
            "CompleteUpload",
            complete,
        )
        .about("Finish an upload in parts.")
        .body("UploadCompletionSpec")
        .answers("MessageResponse"),
        Operation::post(
            "/rest/DownloadInfo/{project}",
            "GetDownloadInfo",
            download_info,
        )
        .about("Get links that read objects.")
        .query("expiration: int<1..604800>=86400")
        .body("DownloadInfoSpec")
        .answers("[DownloadInfo]"),
        Operation::post(
            "/rest/SaveGenericFile/{project}",
            "SaveGenericFile",
            save_file,
        )
        .about("Keep an uploaded file, such as the page of an applet, below /media/{project}/.")
        .body("GenericFileSpec")
        .answers("GenericFile"),
        Operation::post(
            "/rest/SaveAlgorithmManifest/{project}",
            "SaveAlgorithmManifest",
            save_manifest,
        )
        .about("Keep an uploaded workflow manifest, a YAML mapping.")
        .body("AlgorithmManifestSpec")
        .answers("AlgorithmManifest"),
    ]
}

async fn upload_info(call: Call) -> Result<Answer> {
    let project = call.id("project");
    let query = call.query()?;
    let info = upload::upload_info(&call.cx, call.actor()?, &call.origin, project, query).await?;
    Answer::json(&info)
}

async fn complete(mut call: Call) -> Result<Answer> {
    let completion = call.body()?;
    let project = call.id("project");
    let key = upload::complete(&call.cx, call.actor()?, project, completion).await?;
    Answer::message(format!("Upload completion for {key} successful!"))
}

#[derive(Deserialize)]
struct Expiration {
    expiration: i64,
}

async fn download_info(mut call: Call) -> Result<Answer> {
    let request = call.body()?;
    let Expiration { expiration } = call.query()?;
    let project = call.id("project");
    let actor = call.actor()?;
    let links =
        upload::download_info(&call.cx, actor, &call.origin, project, expiration, request).await?;
    Answer::list(links)
}

async fn save_file(mut call: Call) -> Result<Answer> {
    let (project, new) = (call.id("project"), call.body()?);
    Answer::json(&generic::save(&call.cx, call.actor()?, project, new, Rule::Any).await?)
}

async fn save_manifest(mut call: Call) -> Result<Answer> {
    let (project, new) = (call.id("project"), call.body()?);
    let saved = generic::save(&call.cx, call.actor()?, project, new, Rule::Manifest).await?;
    Answer::json(&serde_json::json!({"url": saved.url}))
}
