//! Routes of localizations and states.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::create;
use super::delete::{self, Manner};
use super::filter::{Filter, IdQuery, PARAMETERS};
use super::graphic::routes::operations as graphics;
use super::localization::{Localization, NewLocalization};
use super::patch::{self, LocalizationPatch, RevisionPatch, StatePatch};
use super::read::{self, Place};
use super::state::{NewState, State};
use super::track::{self, End};
use super::types::{Annotation, Shown};
use crate::error::Result;
use crate::export;
use crate::http::{Answer, Call, Operation};
use crate::query::{ATTRIBUTE_PARAMETERS, PAGE_PARAMETERS, RELATED_PARAMETERS};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    [localizations(), states(), tracks(), graphics()].concat()
}

/// Adds the filters of a list.
pub(crate) fn filtered(operation: Operation) -> Operation {
    operation
        .query(PARAMETERS)
        .query(ATTRIBUTE_PARAMETERS)
        .query(PAGE_PARAMETERS)
        .query(RELATED_PARAMETERS)
}

fn localizations() -> Vec<Operation> {
    let filtered = |operation| filtered(operation).query("frame: int");
    let list = "/rest/Localizations/{project}";
    let count = "/rest/LocalizationCount/{project}";
    let one = "/rest/Localization/{id}";
    let identity = "/rest/Localization/{version}/{elemental_id}";
    vec![
        filtered(Operation::get(
            list,
            "GetLocalizationList",
            list_of::<Localization>,
        ))
        .about("List localizations.")
        .query("fields: string")
        .answers("[Localization]"),
        Operation::post(list, "CreateLocalizationList", create_localizations)
            .about("Create one or many localizations.")
            .body("(LocalizationSpec | [LocalizationSpec]{0..500})")
            .answers("CreateListResponse"),
        filtered(Operation::put(
            list,
            "GetLocalizationListById",
            list_of::<Localization>,
        ))
        .about("List localizations; the body holds ids, similarity or a search object.")
        .query("fields: string")
        .body("LocalizationIdQuery")
        .answers("[Localization]"),
        filtered(Operation::patch(
            list,
            "UpdateLocalizationList",
            update_list::<Localization>,
        ))
        .about("Change every matching localization.")
        .query("count: int<0..>")
        .body("LocalizationBulkUpdate")
        .answers("MessageResponse"),
        filtered(Operation::delete(
            list,
            "DeleteLocalizationList",
            delete_list::<Localization>,
        ))
        .about("Delete every matching localization.")
        .query("count: int<0..>")
        .body_optional("LocalizationBulkDelete")
        .answers("MessageResponse"),
        filtered(Operation::get(
            count,
            "GetLocalizationCount",
            count_of::<Localization>,
        ))
        .about("Count matching localizations.")
        .answers("int"),
        filtered(Operation::put(
            count,
            "GetLocalizationCountById",
            count_of::<Localization>,
        ))
        .about("Count localizations; the body holds ids, similarity or a search object.")
        .body("LocalizationIdQuery")
        .answers("int"),
        Operation::get(one, "GetLocalization", get::<Localization>)
            .about("Read one revision of a localization.")
            .answers("Localization"),
        Operation::patch(one, "UpdateLocalization", update_localization)
            .about("Change a localization; its next revision gets a new id.")
            .body("LocalizationUpdate")
            .answers("CreateResponse"),
        Operation::delete(one, "DeleteLocalization", remove::<Localization>)
            .about("Delete a localization.")
            .body_optional("LocalizationDelete")
            .answers("CreateResponse"),
        Operation::get(
            identity,
            "GetLocalizationByElementalId",
            get::<Localization>,
        )
        .about("Read the latest (or the given) mark of a localization.")
        .query("mark: int")
        .answers("Localization"),
        Operation::patch(
            identity,
            "UpdateLocalizationByElementalId",
            update_localization,
        )
        .about("Change the latest mark of a localization.")
        .body("LocalizationUpdate")
        .answers("CreateResponse"),
        Operation::delete(
            identity,
            "DeleteLocalizationByElementalId",
            remove::<Localization>,
        )
        .about("Delete a localization by its identity.")
        .body_optional("LocalizationDelete")
        .answers("CreateResponse"),
    ]
}

fn states() -> Vec<Operation> {
    let list = "/rest/States/{project}";
    let count = "/rest/StateCount/{project}";
    let one = "/rest/State/{id}";
    let identity = "/rest/State/{version}/{elemental_id}";
    vec![
        filtered(Operation::get(list, "GetStateList", list_of::<State>))
            .about("List states.")
            .query("fields: string")
            .answers("[State]"),
        Operation::post(list, "CreateStateList", create_states)
            .about("Create one or many states.")
            .body("(StateSpec | [StateSpec]{0..500})")
            .answers("CreateListResponse"),
        filtered(Operation::put(list, "GetStateListById", list_of::<State>))
            .about("List states; the body holds ids, similarity or a search object.")
            .query("fields: string")
            .body("StateIdQuery")
            .answers("[State]"),
        filtered(Operation::patch(
            list,
            "UpdateStateList",
            update_list::<State>,
        ))
        .about("Change every matching state.")
        .query("count: int<0..>")
        .body("StateBulkUpdate")
        .answers("MessageResponse"),
        filtered(Operation::delete(
            list,
            "DeleteStateList",
            delete_list::<State>,
        ))
        .about("Delete every matching state.")
        .query("count: int<0..>")
        .body_optional("StateBulkDelete")
        .answers("MessageResponse"),
        filtered(Operation::get(count, "GetStateCount", count_of::<State>))
            .about("Count matching states.")
            .answers("int"),
        filtered(Operation::put(
            count,
            "GetStateCountById",
            count_of::<State>,
        ))
        .about("Count states; the body holds ids, similarity or a search object.")
        .body("StateIdQuery")
        .answers("int"),
        Operation::get(one, "GetState", get::<State>)
            .about("Read one revision of a state.")
            .answers("State"),
        Operation::patch(one, "UpdateState", update_state)
            .about("Change a state; its next revision gets a new id.")
            .body("StateUpdate")
            .answers("CreateResponse"),
        Operation::delete(one, "DeleteState", remove::<State>)
            .about("Delete a state.")
            .body_optional("StateDelete")
            .answers("MessageResponse"),
        Operation::get(identity, "GetStateByElementalId", get::<State>)
            .about("Read the latest (or the given) mark of a state.")
            .query("mark: int")
            .answers("State"),
        Operation::patch(identity, "UpdateStateByElementalId", update_state)
            .about("Change the latest mark of a state.")
            .body("StateUpdate")
            .answers("CreateResponse"),
        Operation::delete(identity, "DeleteStateByElementalId", remove::<State>)
            .about("Delete a state by its identity.")
            .body_optional("StateDelete")
            .answers("MessageResponse"),
    ]
}

fn tracks() -> Vec<Operation> {
    vec![
        Operation::patch("/rest/MergeStates/{id}", "MergeStates", merge)
            .about("Absorb another track into this one.")
            .body("StateMergeUpdate")
            .answers("MessageResponse"),
        Operation::patch("/rest/TrimStateEnd/{id}", "TrimStateEnd", trim)
            .about("Cut the start or the end of a track at a frame.")
            .body("StateTrimUpdate")
            .answers("MessageResponse"),
    ]
}

/// The selecting part of a body that may be absent.
fn id_query(body: &Json) -> Result<IdQuery> {
    if body.is_null() {
        return Ok(IdQuery::default());
    }
    Ok(serde_json::from_value(body.clone())?)
}

fn place(call: &Call, mark: Option<i64>) -> Place {
    match call.has("version") {
        true => Place::Identity(
            call.id("version"),
            call.text("elemental_id").to_owned(),
            mark,
        ),
        false => Place::Id(call.id("id")),
    }
}

/// One item or a list of them.
fn one_or_many<T: serde::de::DeserializeOwned>(call: &mut Call) -> Result<Vec<T>> {
    match call.json() {
        Json::Array(_) => call.body(),
        _ => Ok(vec![call.body()?]),
    }
}

async fn list_of<T: Annotation>(call: Call) -> Result<Answer> {
    let (filter, ids): (Filter, _) = (call.query()?, id_query(call.json())?);
    let (project, type_id) = (call.id("project"), filter.r#type);
    let listing = read::listing::<T>(&filter)?;
    let table = call.format() == Some("csv");
    let lines = read::list::<T>(
        &call.cx,
        call.actor()?,
        project,
        filter,
        ids,
        listing.clone(),
    );
    let lines = lines.await?;
    if !table {
        return Ok(Answer::rows(lines, Vec::new()));
    }
    let columns = read::table::<T>(&call.cx, project, type_id, &listing).await?;
    Ok(Answer::rows(export::named(&call.cx, lines).await?, columns))
}

async fn count_of<T: Annotation>(call: Call) -> Result<Answer> {
    let (filter, ids): (Filter, _) = (call.query()?, id_query(call.json())?);
    Answer::json(&read::count::<T>(&call.cx, call.actor()?, call.id("project"), filter, ids).await?)
}

async fn get<T: Annotation>(call: Call) -> Result<Answer> {
    #[derive(Deserialize)]
    struct Mark {
        mark: Option<i64>,
    }
    let Mark { mark } = call.query()?;
    Answer::json(&read::get::<T>(&call.cx, call.actor()?, place(&call, mark)).await?)
}

fn created<T: Annotation>(ids: &[i64]) -> Result<Answer> {
    Answer::json(
        &json!({"message": format!("Successfully created {} {}!", ids.len(), T::PLURAL), "id": ids}),
    )
}

async fn create_localizations(mut call: Call) -> Result<Answer> {
    let news: Vec<NewLocalization> = one_or_many(&mut call)?;
    let project = call.id("project");
    created::<Localization>(&create::localizations(&call.cx, call.actor()?, project, news).await?)
}

async fn create_states(mut call: Call) -> Result<Answer> {
    let news: Vec<NewState> = one_or_many(&mut call)?;
    let project = call.id("project");
    created::<State>(&create::states(&call.cx, call.actor()?, project, news).await?)
}

async fn update_list<T: Annotation>(mut call: Call) -> Result<Answer> {
    let (filter, ids): (Filter, _) = (call.query()?, id_query(call.json())?);
    let patch: RevisionPatch = call.body()?;
    let project = call.id("project");
    let count =
        patch::update_all::<T>(&call.cx, call.actor()?, project, filter, ids, patch).await?;
    Answer::message(format!("Successfully updated {count} {}!", T::PLURAL))
}

async fn delete_list<T: Annotation>(mut call: Call) -> Result<Answer> {
    let (filter, ids): (Filter, _) = (call.query()?, id_query(call.json())?);
    let manner: Option<Manner> = call.body()?;
    let (project, manner) = (call.id("project"), manner.unwrap_or_default());
    let count =
        delete::remove_all::<T>(&call.cx, call.actor()?, project, filter, ids, manner).await?;
    Answer::message(format!("Successfully deleted {count} {}!", T::PLURAL))
}

async fn update_localization(mut call: Call) -> Result<Answer> {
    let rest: LocalizationPatch = serde_json::from_value(call.json().clone())?;
    let patch: RevisionPatch = call.body()?;
    let place = place(&call, None);
    let (row, mark) = patch::update(
        &call.cx,
        call.actor()?,
        place,
        patch,
        |row: &mut Localization| rest.apply(row),
    )
    .await?;
    updated(&row, mark)
}

async fn update_state(mut call: Call) -> Result<Answer> {
    let rest: StatePatch = serde_json::from_value(call.json().clone())?;
    let patch: RevisionPatch = call.body()?;
    let place = place(&call, None);
    let (row, mark) = patch::update(&call.cx, call.actor()?, place, patch, |row: &mut State| {
        rest.apply(row)
    })
    .await?;
    updated(&row, mark)
}

fn updated<T: Annotation>(shown: &Shown<T>, mark: i64) -> Result<Answer> {
    let revision = shown.row.revision();
    Answer::json(&json!({
        "message": format!("{} {}@{}/{mark} successfully updated!", T::NAME, revision.elemental_id, revision.version),
        "id": revision.id,
        "object": serde_json::to_value(shown)?,
    }))
}

async fn remove<T: Annotation>(mut call: Call) -> Result<Answer> {
    let manner: Option<Manner> = call.body()?;
    let place = place(&call, None);
    let (row, tombstone): (T, _) =
        delete::remove(&call.cx, call.actor()?, place, manner.unwrap_or_default()).await?;
    let revision = row.revision();
    let message = format!(
        "{} {}/{}@@{} successfully deleted!",
        T::NAME,
        revision.version,
        revision.elemental_id,
        revision.mark
    );
    match tombstone {
        Some(id) => Answer::json(&json!({"message": message, "id": id})),
        None => Answer::message(message),
    }
}

async fn merge(mut call: Call) -> Result<Answer> {
    #[derive(Deserialize)]
    struct Merge {
        merge_state_id: i64,
    }
    let Merge {
        merge_state_id: other,
    } = call.body()?;
    let id = call.id("id");
    track::merge(&call.cx, call.actor()?, id, other).await?;
    Answer::message(format!(
        "Localizations from state {other} has been merged into {id}. State {other} has been deleted."
    ))
}

async fn trim(mut call: Call) -> Result<Answer> {
    #[derive(Deserialize)]
    struct Trim {
        frame: i64,
        endpoint: End,
    }
    let Trim { frame, endpoint } = call.body()?;
    let id = call.id("id");
    let count = track::trim(&call.cx, call.actor()?, id, frame, endpoint).await?;
    Answer::message(format!(
        "State {id} has been updated. Deleted {count} localizations."
    ))
}
