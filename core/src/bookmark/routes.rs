//! Routes of bookmarks and favorites.

use serde::Deserialize;

use super::{favorites, service};
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/rest/Bookmarks/{project}", "GetBookmarkList", list)
            .about("List the caller's bookmarks.")
            .query("name: string")
            .answers("[Bookmark]"),
        Operation::post("/rest/Bookmarks/{project}", "CreateBookmark", create)
            .about("Create a bookmark.")
            .query("name: string")
            .body("BookmarkSpec")
            .answers("CreateResponse"),
        Operation::get("/rest/Bookmark/{id}", "GetBookmark", get)
            .about("Read one of the caller's bookmarks.")
            .answers("Bookmark"),
        Operation::patch("/rest/Bookmark/{id}", "UpdateBookmark", update)
            .about("Edit one of the caller's bookmarks.")
            .body("BookmarkUpdate")
            .answers("MessageResponse"),
        Operation::delete("/rest/Bookmark/{id}", "DeleteBookmark", remove)
            .about("Delete one of the caller's bookmarks.")
            .answers("MessageResponse"),
        Operation::get(
            "/rest/Favorites/{project}",
            "GetFavoriteList",
            favorites_list,
        )
        .about("List the caller's attribute presets.")
        .answers("[Favorite]"),
        Operation::post(
            "/rest/Favorites/{project}",
            "CreateFavorite",
            create_favorite,
        )
        .about("Save an attribute preset.")
        .body("FavoriteSpec")
        .answers("CreateResponse"),
        Operation::get("/rest/Favorite/{id}", "GetFavorite", favorite)
            .about("Read one of the caller's attribute presets.")
            .answers("Favorite"),
        Operation::patch("/rest/Favorite/{id}", "UpdateFavorite", update_favorite)
            .about("Edit one of the caller's attribute presets.")
            .body("FavoriteUpdate")
            .answers("MessageResponse"),
        Operation::delete("/rest/Favorite/{id}", "DeleteFavorite", remove_favorite)
            .about("Delete one of the caller's attribute presets.")
            .answers("MessageResponse"),
    ]
}

#[derive(Deserialize)]
struct ByName {
    name: Option<String>,
}

async fn list(call: Call) -> Result<Answer> {
    let ByName { name } = call.query()?;
    Answer::list(service::list(&call.cx, call.actor()?, call.id("project"), name).await?)
}

async fn create(mut call: Call) -> Result<Answer> {
    let new = call.body()?;
    let made = service::create(&call.cx, call.actor()?, call.id("project"), new).await?;
    let message = format!("Bookmark {} created successfully!", made.name);
    Answer::created(message, made.id, &made)
}

async fn get(call: Call) -> Result<Answer> {
    Answer::json(&service::get(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn update(mut call: Call) -> Result<Answer> {
    let patch = call.body()?;
    let id = call.id("id");
    let changed = service::update(&call.cx, call.actor()?, id, patch).await?;
    Answer::json(&serde_json::json!({
        "message": format!("Bookmark {id} successfully updated!"),
        "object": changed,
    }))
}

async fn remove(call: Call) -> Result<Answer> {
    let id = call.id("id");
    service::remove(&call.cx, call.actor()?, id).await?;
    Answer::message(format!("Bookmark {id} successfully deleted!"))
}

async fn favorites_list(call: Call) -> Result<Answer> {
    Answer::list(favorites::list(&call.cx, call.actor()?, call.id("project")).await?)
}

async fn create_favorite(mut call: Call) -> Result<Answer> {
    let new = call.body()?;
    let made = favorites::create(&call.cx, call.actor()?, call.id("project"), new).await?;
    let message = format!("Favorite {} created successfully!", made.name);
    Answer::created(message, made.id, &made)
}

async fn favorite(call: Call) -> Result<Answer> {
    Answer::json(&favorites::get(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn update_favorite(mut call: Call) -> Result<Answer> {
    let patch = call.body()?;
    let id = call.id("id");
    let changed = favorites::update(&call.cx, call.actor()?, id, patch).await?;
    Answer::json(&serde_json::json!({
        "message": format!("Favorite {id} successfully updated!"),
        "object": changed,
    }))
}

async fn remove_favorite(call: Call) -> Result<Answer> {
    let id = call.id("id");
    favorites::remove(&call.cx, call.actor()?, id).await?;
    Answer::message(format!("Favorite {id} successfully deleted!"))
}
