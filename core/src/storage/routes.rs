//! Routes of uploads and downloads. The bytes themselves go through [`super::serve`].

use serde::Deserialize;

use super::generic::{self, Rule};
use super::quota::{self, Whose};
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
        Operation::get(PROJECT_QUOTA, "GetProjectQuota", project_quota)
            .about("Read how many bytes of the station's disk a project holds, and how many it may.")
            .answers("Quota"),
        Operation::patch(PROJECT_QUOTA, "UpdateProjectQuota", set_project_quota)
            .about("Set how many bytes of the station's disk a project may hold; null lifts the quota. For administrators.")
            .body("QuotaUpdate")
            .answers("MessageResponse"),
        Operation::get(ORGANIZATION_QUOTA, "GetOrganizationQuota", organization_quota)
            .about("Read how many bytes of the station's disk the projects of an organization hold together, and how many they may.")
            .answers("Quota"),
        Operation::patch(ORGANIZATION_QUOTA, "UpdateOrganizationQuota", set_organization_quota)
            .about("Set how many bytes the projects of an organization may hold together; null lifts the quota. For administrators.")
            .body("QuotaUpdate")
            .answers("MessageResponse"),
        Operation::get(BUCKET_QUOTA, "GetStoreBucketQuota", bucket_quota)
            .about("Read how many bytes a bucket of S3 clients holds on this station, by its name, and how many it may.")
            .answers("Quota"),
        Operation::patch(BUCKET_QUOTA, "UpdateStoreBucketQuota", set_bucket_quota)
            .about("Set how many bytes a bucket of S3 clients may hold on this station; null lifts the quota. For administrators.")
            .body("QuotaUpdate")
            .answers("MessageResponse"),
    ]
}

const PROJECT_QUOTA: &str = "/rest/ProjectQuota/{id}";
const ORGANIZATION_QUOTA: &str = "/rest/OrganizationQuota/{id}";
const BUCKET_QUOTA: &str = "/rest/StoreBucketQuota/{name}";

async fn project_quota(call: Call) -> Result<Answer> {
    let whose = Whose::Project(call.id("id"));
    read_quota(call, whose).await
}

async fn set_project_quota(call: Call) -> Result<Answer> {
    let whose = Whose::Project(call.id("id"));
    set_quota(call, whose).await
}

async fn organization_quota(call: Call) -> Result<Answer> {
    let whose = Whose::Organization(call.id("id"));
    read_quota(call, whose).await
}

async fn set_organization_quota(call: Call) -> Result<Answer> {
    let whose = Whose::Organization(call.id("id"));
    set_quota(call, whose).await
}

async fn bucket_quota(call: Call) -> Result<Answer> {
    let whose = Whose::Bucket(call.text("name").to_owned());
    read_quota(call, whose).await
}

async fn set_bucket_quota(call: Call) -> Result<Answer> {
    let whose = Whose::Bucket(call.text("name").to_owned());
    set_quota(call, whose).await
}

async fn read_quota(call: Call, whose: Whose) -> Result<Answer> {
    Answer::json(&quota::read(&call.cx, call.actor()?, whose).await?)
}

#[derive(Deserialize)]
struct QuotaUpdate {
    quota_bytes: Option<i64>,
}

async fn set_quota(mut call: Call, whose: Whose) -> Result<Answer> {
    let QuotaUpdate { quota_bytes } = call.body()?;
    let set = quota::update(&call.cx, call.actor()?, whose, quota_bytes).await?;
    Answer::json(&serde_json::json!({
        "message": format!("The quota of {} {} was set successfully!", set.kind, set.name),
        "object": set,
    }))
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
