//! The rules on a real database: SQLite always, PostgreSQL where TRANSECT_TEST_DATABASE_URL names one.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::types::TypeFilter;
use super::{attributes, service};
use crate::account::Actor;
use crate::attribute::{self, Indexing, Kind};
use crate::context::Context;
use crate::database::Tx;
use crate::{config, id, values};

struct Bench {
    cx: Arc<Context>,
    actor: Actor,
    project: i64,
}

/// A station on each engine, with a project whose actor has Full Control.
async fn benches() -> Vec<Bench> {
    let mut urls = vec!["sqlite:".to_owned()];
    #[expect(clippy::disallowed_methods, reason = "no setting, but where to test")]
    urls.extend(std::env::var("TRANSECT_TEST_DATABASE_URL"));
    let mut benches = Vec::new();
    for url in urls {
        let data = std::env::temp_dir().join(format!("transect-{}", id::uuid()));
        std::fs::create_dir_all(&data).unwrap();
        // The tests' stations on PostgreSQL share a database, and so a secret.
        let secret = "what the stations of these tests share".to_owned();
        let flags = [("database.url", url), ("account.secret", secret)];
        let settings = config::read(None, [], &flags).unwrap();
        let cx = Context::open(settings, data).await.unwrap();
        let made = cx.database.write(|tx| Box::pin(member(tx))).await;
        let (account, project) = made.unwrap();
        let actor = Actor {
            id: account,
            username: "tester".into(),
            is_staff: false,
        };
        benches.push(Bench { cx, actor, project });
    }
    benches
}

async fn member(tx: &mut Tx) -> crate::error::Result<(i64, i64)> {
    let account = tx.allocate("account", 1).await?;
    let project = tx.allocate("project", 1).await?;
    tx.execute(
        "insert into project (id, name, summary, organization, enable_downloads, elemental_id, \
         extended_info, created_by, created_at) values ($1, 'P', '', 1, true, 'e', '{}', $2, 0)",
        &values![project, account],
    )
    .await?;
    let membership = tx.allocate("membership", 1).await?;
    tx.execute(
        "insert into membership (id, project, account, permission) \
         values ($1, $2, $3, 'Full Control')",
        &values![membership, project, account],
    )
    .await?;
    Ok((account, project))
}

fn object(value: Json) -> Map<String, Json> {
    match value {
        Json::Object(members) => members,
        other => panic!("{other} is no object"),
    }
}

impl Bench {
    async fn create(&self, kind: Kind, body: Json) -> crate::error::Result<Json> {
        let new = serde_json::from_value(body).unwrap();
        let made = service::create(&self.cx, &self.actor, kind, self.project, new).await?;
        Ok(made.1)
    }

    async fn read(&self, kind: Kind, id: i64) -> Json {
        service::read(&self.cx, &self.actor, kind, id)
            .await
            .unwrap()
    }

    async fn add(&self, kind: Kind, id: i64, addition: Json) -> crate::error::Result<String> {
        attributes::add(&self.cx, &self.actor, kind, id, object(addition)).await
    }

    async fn change(
        &self,
        how: attributes::Change,
        id: i64,
        name: &str,
        update: Json,
    ) -> crate::error::Result<String> {
        let (kind, update) = (Kind::Leaf, object(update));
        attributes::change(
            &self.cx,
            &self.actor,
            kind,
            id,
            name.to_owned(),
            update,
            how,
        )
        .await
    }

    /// Inserts leaves with these documents, indexed; the last one is deleted.
    async fn leaves(&self, type_id: i64, documents: Vec<Json>) {
        let project = self.project;
        let done = self.cx.database.write(move |tx| {
            Box::pin(async move {
                let definitions = attribute::definitions_of_type(tx, Kind::Leaf, type_id).await?;
                let count = documents.len();
                let first = tx.allocate("leaf", count).await?;
                for (id, document) in (first..).zip(documents) {
                    let deleted = id == first + count as i64 - 1;
                    tx.execute(
                        "insert into leaf (id, project, type, name, path, path_folded, depth, \
                         attributes, elemental_id, created_at, modified_at, deleted) \
                         values ($1, $2, $3, 'n', 'p', 'p', 2, $4, 'e', 0, 0, $5)",
                        &values![id, project, type_id, &document, deleted],
                    )
                    .await?;
                    let document = object(document);
                    let indexing = Indexing {
                        entity: id,
                        definitions: &definitions,
                        before: None,
                        after: (!deleted).then_some(&document),
                    };
                    attribute::index(tx, [indexing]).await?;
                }
                Ok(())
            })
        });
        done.await.unwrap();
    }

    async fn documents(&self, type_id: i64) -> Vec<Json> {
        let sql = "select attributes from leaf where type = $1 order by id";
        let found = self.cx.database.read(move |tx| {
            Box::pin(async move {
                let rows = tx.rows(sql, &values![type_id]).await?;
                rows.into_iter().map(|mut row| row.take()).collect()
            })
        });
        found.await.unwrap()
    }

    /// (values in the typed tables of an attribute, its id); the table is the attribute's own.
    async fn typed(&self, type_id: i64, name: &'static str, table: &'static str) -> i64 {
        let sql = format!(
            "select count(*) from {table} where attribute in \
             (select id from attribute_type where kind = 'LeafType' and type = $1 and name = $2)"
        );
        let found = self.cx.database.read(move |tx| {
            Box::pin(async move { tx.scalar(&sql, &values![type_id, name]).await })
        });
        found.await.unwrap().unwrap()
    }
}

fn id_of(row: &Json) -> i64 {
    row["id"].as_i64().unwrap()
}

fn message<T>(answer: crate::error::Result<T>) -> String {
    match answer {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_row_has_every_key_and_lists_are_filtered() {
    for bench in benches().await {
        let media = bench
            .create(Kind::Media, json!({"name": "video", "dtype": "video"}))
            .await
            .unwrap();
        for key in [
            "file_format",
            "default_volume",
            "overlay_config",
            "default_box",
            "extended_info",
        ] {
            assert!(media.get(key).is_some(), "{key}");
        }
        assert_eq!(
            (&media["visible"], &media["default_volume"]),
            (&json!(true), &json!(0))
        );
        let body =
            |name: &str| json!({"name": name, "dtype": "box", "media_types": [id_of(&media)]});
        let (second, first) = (
            bench.create(Kind::Localization, body("b")).await.unwrap(),
            bench.create(Kind::Localization, body("a")).await.unwrap(),
        );
        assert_eq!(second["media"], json!([id_of(&media)]));
        let all = service::list(
            &bench.cx,
            &bench.actor,
            Kind::Localization,
            bench.project,
            TypeFilter::default(),
        )
        .await
        .unwrap();
        assert_eq!(all, [first, second.clone()]);
        let one = TypeFilter {
            type_id: Some(id_of(&second)),
            ..Default::default()
        };
        let found = service::list(
            &bench.cx,
            &bench.actor,
            Kind::Localization,
            bench.project,
            one,
        );
        assert_eq!(found.await.unwrap(), std::slice::from_ref(&second));
        let elsewhere = TypeFilter {
            media_id: vec![i64::MAX],
            ..Default::default()
        };
        let found = service::list(
            &bench.cx,
            &bench.actor,
            Kind::Localization,
            bench.project,
            elsewhere,
        );
        assert!(found.await.unwrap().is_empty());

        let reserved = json!({"name": "filename", "dtype": "image"});
        assert!(bench.create(Kind::Media, reserved).await.is_err());
        let unknown = json!({"name": "t", "association": "Frame", "media_types": [i64::MAX]});
        assert_eq!(
            message(bench.create(Kind::State, unknown).await),
            "MediaType matching query does not exist."
        );
        let patch = serde_json::from_value(json!({"default_box": id_of(&second)})).unwrap();
        let patched = service::update(&bench.cx, &bench.actor, Kind::Media, id_of(&media), patch);
        assert_eq!(patched.await.unwrap()["default_box"], json!(id_of(&second)));
        service::remove(&bench.cx, &bench.actor, Kind::Localization, id_of(&second))
            .await
            .unwrap();
        let after = bench.read(Kind::Media, id_of(&media)).await;
        assert_eq!(after["default_box"], Json::Null);
    }
}

#[tokio::test]
async fn instances_follow_the_definitions() {
    for bench in benches().await {
        let made = bench
            .create(
                Kind::Leaf,
                json!({"name": "taxon", "attribute_types": [{"name": "a\"b\\c\n\u{e9}", "dtype": "bool"}]}),
            )
            .await
            .unwrap();
        let taxon = id_of(&made);
        let odd = "a\"b\\c\n\u{e9}";
        let other = id_of(
            &bench
                .create(Kind::Leaf, json!({"name": "x"}))
                .await
                .unwrap(),
        );
        bench
            .leaves(
                taxon,
                vec![json!({}), json!({odd: true}), json!({odd: null})],
            )
            .await;
        bench.leaves(other, vec![json!({}), json!({})]).await;

        let rank = json!({"name": "Rank", "dtype": "enum", "choices": ["a", "b"], "default": "b"});
        bench.add(Kind::Leaf, taxon, rank.clone()).await.unwrap();
        assert_eq!(
            message(bench.add(Kind::Leaf, taxon, rank).await),
            "Rank is already an attribute."
        );
        let mass = json!({"name": "Mass", "dtype": "float", "default": 1});
        bench.add(Kind::Leaf, taxon, mass).await.unwrap();
        let place = json!({"name": "Place", "dtype": "geopos", "default": "40_-70"});
        bench.add(Kind::Leaf, taxon, place).await.unwrap();
        let document = |rest: Json| {
            let mut document = object(json!({"Rank": "b", "Mass": 1.0, "Place": [-70.0, 40.0]}));
            document.extend(object(rest));
            Json::Object(document)
        };
        assert_eq!(
            bench.documents(taxon).await,
            [
                document(json!({})),
                document(json!({odd: true})),
                document(json!({odd: null}))
            ]
        );
        assert_eq!(bench.documents(other).await, [json!({}), json!({})]);
        for (name, table) in [
            ("Rank", "attribute_text"),
            ("Mass", "attribute_number"),
            ("Place", "attribute_place"),
        ] {
            assert_eq!(bench.typed(taxon, name, table).await, 2, "{name}");
        }

        use attributes::Change::{Merge, Replace};
        // An odd name of a type's creation can be renamed; true and null stay what they are.
        let plain = json!({"name": "Plain"});
        assert_eq!(
            bench.change(Merge, taxon, odd, plain).await.unwrap(),
            format!("Attribute '{odd}' renamed to 'Plain'")
        );
        let documents = bench.documents(taxon).await;
        assert_eq!(documents[0].get("Plain"), None);
        assert_eq!(documents[1]["Plain"], json!(true));
        assert_eq!(documents[2]["Plain"], Json::Null);
        assert_eq!(bench.typed(taxon, "Plain", "attribute_number").await, 1);

        let refused = json!({"name": "Weight", "dtype": "string"});
        assert_eq!(
            message(bench.change(Merge, taxon, "Mass", refused).await),
            "Attempted mutation of Mass from float to string is not allowed!"
        );
        assert_eq!(bench.documents(taxon).await, documents);
        let partial = json!({"name": "Rank", "choices": ["b"]});
        assert_eq!(
            message(bench.change(Merge, taxon, "Rank", partial).await),
            "Attribute type definition missing 'dtype' field"
        );
        let whole = json!({"name": "Weight", "dtype": "int"});
        bench.change(Replace, taxon, "Mass", whole).await.unwrap();
        assert_eq!(bench.documents(taxon).await[1]["Weight"], json!(1.0));
        assert_eq!(bench.typed(taxon, "Weight", "attribute_number").await, 2);
        let row = bench.read(Kind::Leaf, taxon).await;
        assert_eq!(
            row["attribute_types"][2],
            json!({"name": "Weight", "dtype": "int"})
        );

        let remove = |name: &str| {
            attributes::remove(&bench.cx, &bench.actor, Kind::Leaf, taxon, name.to_owned())
        };
        remove("Place").await.unwrap();
        assert!(message(remove("Place").await).starts_with("Could not find attribute name Place"));
        let documents = bench.documents(taxon).await;
        assert!(documents.iter().all(|one| one.get("Place").is_none()));

        let gone = service::remove(&bench.cx, &bench.actor, Kind::Leaf, taxon);
        assert_eq!(gone.await.unwrap(), 2);
        assert_eq!(bench.typed(taxon, "Weight", "attribute_number").await, 0);
        let again = service::read(&bench.cx, &bench.actor, Kind::Leaf, taxon).await;
        assert_eq!(message(again), "No LeafType matches the given query.");
    }
}

#[tokio::test]
async fn sections_take_their_attributes_from_the_project() {
    for bench in benches().await {
        let project = bench.project;
        let depth = json!({"name": "Depth", "dtype": "int", "default": 3});
        bench.add(Kind::Section, project, depth).await.unwrap();
        let remove = |name: &str| {
            attributes::remove(
                &bench.cx,
                &bench.actor,
                Kind::Section,
                project,
                name.to_owned(),
            )
        };
        remove("Nothing").await.unwrap();
        remove("Depth").await.unwrap();
    }
}

/// Two media of a type with a localization and a state each, and a state on a third of another type.
async fn annotated(
    tx: &mut Tx,
    project: i64,
    [media_type, other, box_type, event]: [i64; 4],
) -> crate::error::Result<()> {
    let first = tx.allocate("media", 3).await?;
    for (id, type_id) in (first..).zip([media_type, media_type, other]) {
        tx.execute(
            "insert into media (id, project, type, name, md5, elemental_id, attributes, \
             archive_state, created_at, modified_at, deleted) \
             values ($1, $2, $3, 'm', '', 'e', '{}', 'live', 0, 0, false)",
            &values![id, project, type_id],
        )
        .await?;
        let localization = tx.allocate("localization", 1).await?;
        tx.execute(
            "insert into localization (id, project, type, media, version, frame, attributes, \
             elemental_id, mark, latest, variant_deleted, deleted, created_at, modified_at) \
             values ($1, $2, $3, $4, 1, 0, '{}', 'e', 0, true, false, false, 0, 0)",
            &values![localization, project, box_type, id],
        )
        .await?;
    }
    // The last state is also on the media that stays.
    for media in [
        vec![first],
        vec![first, first + 1],
        vec![first + 1, first + 2],
    ] {
        let state = tx.allocate("state", 1).await?;
        tx.execute(
            "insert into state (id, project, type, version, media, localizations, attributes, \
             elemental_id, mark, latest, variant_deleted, deleted, created_at, modified_at) \
             values ($1, $2, $3, 1, '[]', '[]', '{}', 'e', 0, true, false, false, 0, 0)",
            &values![state, project, event],
        )
        .await?;
        for media in media {
            let sql = "insert into state_media (media, state) values ($1, $2)";
            tx.execute(sql, &values![media, state]).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn with_a_media_type_go_the_annotations_of_its_media() {
    for bench in benches().await {
        let make = async |kind, body| id_of(&bench.create(kind, body).await.unwrap());
        let image = json!({"name": "i", "dtype": "image"});
        let gone = make(Kind::Media, image.clone()).await;
        let kept = make(Kind::Media, image).await;
        let on = json!([gone, kept]);
        let body = json!({"name": "b", "dtype": "box", "media_types": on});
        let box_type = make(Kind::Localization, body).await;
        let body = json!({"name": "s", "association": "Media", "media_types": on});
        let event = make(Kind::State, body).await;
        let (project, types) = (bench.project, [gone, kept, box_type, event]);
        let database = &bench.cx.database;
        let made = database.write(move |tx| Box::pin(annotated(tx, project, types)));
        made.await.unwrap();
        let flag = json!({"name": "F", "dtype": "bool", "default": false});
        bench
            .add(Kind::Localization, box_type, flag.clone())
            .await
            .unwrap();
        bench.add(Kind::State, event, flag).await.unwrap();

        let removed = service::remove(&bench.cx, &bench.actor, Kind::Media, gone);
        assert_eq!(removed.await.unwrap(), 2);
        let counts = database.read(move |tx| {
            Box::pin(async move {
                let mut counts: Vec<i64> = Vec::new();
                for (table, kind, type_id) in [
                    ("localization", "LocalizationType", box_type),
                    ("state", "StateType", event),
                ] {
                    let sql =
                        format!("select count(*) from {table} where type = $1 and not deleted");
                    counts.extend(tx.scalar::<i64>(&sql, &values![type_id]).await?);
                    let sql = "select count(*) from attribute_number where attribute in \
                               (select id from attribute_type where kind = $1 and type = $2)";
                    counts.extend(tx.scalar::<i64>(sql, &values![kind, type_id]).await?);
                }
                Ok(counts)
            })
        });
        assert_eq!(counts.await.unwrap(), [1, 1, 1, 1]);
        let left = bench.read(Kind::Localization, box_type).await;
        assert_eq!(left["media"], json!([kept]));
    }
}
