//! Routes of media.

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use super::clone::{self, Destination};
use super::filter::{Filter, IdQuery, PARAMETERS};
use super::read::{self, Presigning};
use super::types::{MediaPatch, NewMedia};
use super::{by_name, change, create, permalink};

use crate::error::{Error, Result};
use crate::export;
use crate::http::{Answer, Call, Operation};
use crate::query::{ATTRIBUTE_PARAMETERS, PAGE_PARAMETERS, RELATED_PARAMETERS};

/// Query parameters that shape the rows of a list.
const SHAPING: &str = "fields: string, presigned: int<1..604800>, no_cache: bool, \
     presign_only: [enum(thumbnail|thumbnail_gif|streaming|archival|audio|image|attachment)]";

/// The query parameters that select media, in the compact notation.
pub(crate) fn filter_parameters() -> String {
    [
        PARAMETERS,
        ATTRIBUTE_PARAMETERS,
        PAGE_PARAMETERS,
        RELATED_PARAMETERS,
    ]
    .join(", ")
}

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    let list = "/rest/Medias/{project}";
    let count = "/rest/MediaCount/{project}";
    let one = "/rest/Media/{id}";
    let filtered = |operation: Operation| operation.query(&filter_parameters());
    vec![
        filtered(Operation::get(list, "GetMediaList", list_media))
            .about("List media.")
            .query(SHAPING)
            .answers("[Media]"),
        by_name::operation(),
        Operation::post(list, "CreateMediaList", create_media)
            .about("Create one media, or a list of images.")
            .body("(MediaSpec | [MediaSpec]{0..500})")
            .answers("(CreateListResponse | CreateResponse)"),
        filtered(Operation::put(list, "GetMediaListById", list_media))
            .about("List media; the body holds ids, similarity or a search object.")
            .query(SHAPING)
            .body("MediaIdQuery")
            .answers("[Media]"),
        filtered(Operation::patch(list, "UpdateMediaList", update_list))
            .about("Change every matching media.")
            .query("count: int<0..>")
            .body("MediaBulkUpdate")
            .answers("MessageResponse"),
        filtered(Operation::delete(list, "DeleteMediaList", delete_list))
            .about("Delete every matching media; files in place are never touched.")
            .query("count: int<0..>")
            .body_optional("MediaIdQuery")
            .answers("MessageResponse"),
        Operation::get(one, "GetMedia", get)
            .about("Read one media.")
            .query("presigned: int<1..604800>, no_cache: bool")
            .answers("Media"),
        Operation::patch(one, "UpdateMedia", update)
            .about("Change a media.")
            .body("MediaUpdate")
            .answers("MessageResponse"),
        Operation::delete(one, "DeleteMedia", remove)
            .about("Delete a media; a file in place is never touched.")
            .answers("MessageResponse"),
        filtered(Operation::get(count, "GetMediaCount", count_media))
            .about("Count matching media.")
            .answers("int"),
        filtered(Operation::put(count, "GetMediaCountById", count_media))
            .about("Count media; the body holds ids, similarity or a search object.")
            .body("MediaIdQuery")
            .answers("int"),
        filtered(Operation::get(
            "/rest/MediaStats/{project}",
            "GetMediaStats",
            stats,
        ))
        .about("Count, bytes and duration of matching media.")
        .answers("MediaStats"),
        filtered(Operation::get("/rest/MediaNext/{id}", "GetMediaNext", next))
            .about("The media after this one in the filtered order of names; -1 at the end.")
            .answers("MediaNext"),
        filtered(Operation::get(
            "/rest/MediaPrev/{id}",
            "GetMediaPrev",
            previous,
        ))
        .about("The media before this one in the filtered order of names; -1 at the start.")
        .answers("MediaPrev"),
        filtered(Operation::post(
            "/rest/CloneMedia/{project}",
            "CloneMediaList",
            clone_media,
        ))
        .about("Clone matching media into a project; their files are shared, not copied.")
        .body("CloneMediaSpec")
        .answers("CreateListResponse"),
        Operation::get("/rest/GetClonedMedia/{id}", "GetClonedMedia", cloned)
            .about("The media that share stored files with this one.")
            .answers("GetClonedMediaResponse"),
        Operation::get("/rest/Permalink/{id}", "GetPermalink", permalink)
            .about("A link that stays, to the rendition of a media whose height comes closest.")
            .query(
                "element: enum(auto|streaming|archival|audio|image|thumbnail|thumbnail_gif)=\"auto\", \
                 quality: int<0..>=720",
            )
            .status(301)
            .open(),
    ]
}

fn id_query(body: &Json) -> Result<IdQuery> {
    if body.is_null() {
        return Ok(IdQuery::default());
    }
    Ok(serde_json::from_value(body.clone())?)
}

fn presigning(call: &Call, filter: &Filter) -> Option<Presigning> {
    filter.presigned.map(|seconds| Presigning {
        origin: call.origin.clone(),
        seconds,
        no_cache: filter.no_cache,
        only: filter.presign_only.clone(),
    })
}

async fn list_media(call: Call) -> Result<Answer> {
    let (filter, ids): (Filter, _) = (call.query()?, id_query(call.json())?);
    let presigning = presigning(&call, &filter);
    let (project, type_id) = (call.id("project"), filter.r#type);
    let listing = read::listing(&filter)?;
    let question = (filter, ids);
    let lines = read::list(
        &call.cx,
        call.actor()?,
        project,
        question,
        listing.clone(),
        presigning,
    );
    let lines = lines.await?;
    if call.format() != Some("csv") {
        return Ok(Answer::rows(lines, Vec::new()));
    }
    let columns = read::table(&call.cx, project, type_id, &listing).await?;
    Ok(Answer::rows(export::named(&call.cx, lines).await?, columns))
}

async fn get(call: Call) -> Result<Answer> {
    let filter: Filter = call.query()?;
    let mut media = read::get(&call.cx, call.actor()?, call.id("id")).await?;
    if let Some(how) = presigning(&call, &filter) {
        let rows = std::slice::from_mut(&mut media);
        read::presign(&call.cx, call.actor()?, rows, &how).await?;
    }
    Answer::json(&media)
}

async fn create_media(mut call: Call) -> Result<Answer> {
    let project = call.id("project");
    if !call.json().is_array() {
        let new: NewMedia = call.body()?;
        let made = create::create(&call.cx, call.actor()?, project, vec![new]).await?;
        let (media, dtype) = &made.media[0];
        return Answer::created(
            message(media.id, dtype, &media.name, project),
            media.id,
            media,
        );
    }
    let news: Vec<NewMedia> = call.body()?;
    if news.is_empty() {
        return Err(Error::invalid("An empty list makes no media!"));
    }
    let made = create::create(&call.cx, call.actor()?, project, news)
        .await?
        .media;
    let message = match &made[..] {
        [(media, dtype)] => message(media.id, dtype, &media.name, project),
        many => format!("Started import of {} images!", many.len()),
    };
    let ids: Vec<i64> = made.iter().map(|(media, _)| media.id).collect();
    let objects: Vec<_> = made.into_iter().map(|(media, _)| media).collect();
    Answer::json(&json!({"message": message, "id": ids, "object": serde_json::to_value(objects)?}))
}

fn message(id: i64, dtype: &str, name: &str, project: i64) -> String {
    format!("Media object {id} created for {dtype} {name} on project {project}")
}

async fn update_list(mut call: Call) -> Result<Answer> {
    let (filter, ids): (Filter, _) = (call.query()?, id_query(call.json())?);
    let patch: MediaPatch = call.body()?;
    let count = change::update_all(
        &call.cx,
        call.actor()?,
        call.id("project"),
        filter,
        ids,
        patch,
    )
    .await?;
    Answer::message(format!("Successfully patched {count} medias!"))
}

async fn delete_list(call: Call) -> Result<Answer> {
    let (filter, ids): (Filter, _) = (call.query()?, id_query(call.json())?);
    let count =
        change::remove_all(&call.cx, call.actor()?, call.id("project"), filter, ids).await?;
    Answer::message(format!("Successfully deleted {count} medias!"))
}

async fn update(mut call: Call) -> Result<Answer> {
    let patch: MediaPatch = call.body()?;
    let id = call.id("id");
    change::update(&call.cx, call.actor()?, id, patch).await?;
    Answer::message(format!("Media {id} successfully updated!"))
}

async fn remove(call: Call) -> Result<Answer> {
    let id = call.id("id");
    change::remove(&call.cx, call.actor()?, id).await?;
    Answer::message(format!("Media {id} successfully deleted!"))
}

async fn count_media(call: Call) -> Result<Answer> {
    let (filter, ids): (Filter, _) = (call.query()?, id_query(call.json())?);
    Answer::json(&read::count(&call.cx, call.actor()?, call.id("project"), filter, ids).await?)
}

async fn stats(call: Call) -> Result<Answer> {
    Answer::json(&read::stats(&call.cx, call.actor()?, call.id("project"), call.query()?).await?)
}

async fn clone_media(mut call: Call) -> Result<Answer> {
    let (filter, to): (Filter, Destination) = (call.query()?, call.body()?);
    let ids = clone::clone(&call.cx, call.actor()?, call.id("project"), filter, to).await?;
    Answer::json(&json!({
        "message": format!("Successfully cloned {} medias!", ids.len()),
        "id": ids,
    }))
}

async fn cloned(call: Call) -> Result<Answer> {
    let id = call.id("id");
    let ids = clone::family_of(&call.cx, call.actor()?, id).await?;
    let message = format!(
        "Found {} medias that share files with media {id}.",
        ids.len()
    );
    Answer::json(&json!({"message": message, "ids": ids}))
}

async fn permalink(call: Call) -> Result<Answer> {
    let actor = match call.maybe_actor() {
        Some(actor) => actor.clone(),
        None => permalink::anybody(&call.cx).await?,
    };
    let (id, wanted) = (call.id("id"), call.query()?);
    match permalink::find(&call.cx, &actor, &call.origin, id, wanted).await? {
        // The link behind it works for a day; whoever kept it would be left with a dead one.
        Some(url) => Ok(Answer::redirect(StatusCode::MOVED_PERMANENTLY, url)
            .header("cache-control", "no-store")),
        // Clients know this text, capital letter and all.
        None => Ok(Answer::json(&json!({"Message": "Bad Request"}))?.status(StatusCode::NOT_FOUND)),
    }
}

async fn next(call: Call) -> Result<Answer> {
    let found =
        read::neighbour(&call.cx, call.actor()?, call.id("id"), call.query()?, true).await?;
    Answer::json(&json!({"next": found.unwrap_or(-1)}))
}

async fn previous(call: Call) -> Result<Answer> {
    let found =
        read::neighbour(&call.cx, call.actor()?, call.id("id"), call.query()?, false).await?;
    Answer::json(&json!({"prev": found.unwrap_or(-1)}))
}
