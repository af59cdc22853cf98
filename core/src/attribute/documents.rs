//! Changes to the documents of every instance of a type at once, deleted instances too: one
//! statement each, whatever the number of rows.

use serde_json::{Map, Value as Json};

use super::definition::{Definition, Kind};
use super::store::{Indexing, Typed, index, split_text, typed};
use crate::database::{Dialect, Tx};
use crate::error::Result;
use crate::journal::Stamp;
use crate::values;

/// The column of an instance that names what declares its attributes.
fn owner(kind: Kind) -> &'static str {
    if kind == Kind::Section {
        "project"
    } else {
        "type"
    }
}

/// Keeps deleted instances out of the typed tables; sections have no such mark.
fn kept(kind: Kind) -> &'static str {
    if kind == Kind::Section {
        ""
    } else {
        " and not deleted"
    }
}

/// The condition, behind others, for an instance that lists show.
pub fn shown(kind: Kind) -> &'static str {
    match kind {
        Kind::Section => "",
        Kind::Localization | Kind::State => " and not deleted and latest and not variant_deleted",
        _ => " and not deleted",
    }
}

/// How a statement names a key: a path for SQLite, the bare text for PostgreSQL.
fn key(dialect: Dialect, name: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("$.{}", Json::from(name)),
        Dialect::Postgres => name.to_owned(),
    }
}

/// The condition that a document has the key `$2`.
fn has_key(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "json_type(attributes, $2) is not null",
        Dialect::Postgres => "jsonb_exists(attributes::jsonb, $2)",
    }
}

/// Writes a value of a newly declared attribute into every instance.
pub async fn set_all(tx: &mut Tx, definition: &Definition, value: &Json) -> Result<()> {
    let (table, owner) = (definition.kind.table(), owner(definition.kind));
    let after = match tx.dialect() {
        Dialect::Sqlite => "json_set(attributes, $2, json($3))",
        Dialect::Postgres => {
            "(attributes::jsonb \
             || jsonb_build_object(cast($2 as text), cast(cast($3 as text) as jsonb)))::text"
        }
    };
    let sql = format!("update {table} set attributes = {after} where {owner} = $1");
    let key = key(tx.dialect(), &definition.name);
    tx.execute(&sql, &values![definition.type_id, key, value.to_string()])
        .await?;
    insert_all(
        tx,
        definition,
        &typed(definition.dtype, Some(value)).unwrap_or(Typed::Absent),
    )
    .await
}

async fn insert_all(tx: &mut Tx, definition: &Definition, value: &Typed) -> Result<()> {
    if !definition.dtype.is_indexed() {
        return Ok(());
    }
    let kind = definition.kind;
    let from = format!(
        "id from {} where {} = $1{} order by id",
        kind.table(),
        owner(kind),
        kept(kind)
    );
    let (attribute, type_id) = (definition.id, definition.type_id);
    match value {
        Typed::Number(number) => {
            let sql = format!(
                "insert into attribute_number (attribute, value, entity) \
                 select cast($2 as bigint), cast($3 as double precision), {from}"
            );
            tx.execute(&sql, &values![type_id, attribute, *number])
                .await?
        }
        Typed::Text(text) => {
            let (value, rest) = split_text(text);
            let sql = format!(
                "insert into attribute_text (attribute, value, rest, entity) \
                 select cast($2 as bigint), cast($3 as text), cast($4 as text), {from}"
            );
            tx.execute(&sql, &values![type_id, attribute, value, rest])
                .await?
        }
        Typed::Place(latitude, longitude) => {
            let sql = format!(
                "insert into attribute_place (attribute, latitude, longitude, entity) \
                 select cast($2 as bigint), cast($3 as double precision), \
                 cast($4 as double precision), {from}"
            );
            tx.execute(&sql, &values![type_id, attribute, *latitude, *longitude])
                .await?
        }
        Typed::Absent => {
            let sql = format!(
                "insert into attribute_absent (attribute, entity) select cast($2 as bigint), {from}"
            );
            tx.execute(&sql, &values![type_id, attribute]).await?
        }
    };
    Ok(())
}

/// Indexes what instances already hold under the name of a newly declared attribute: only
/// names that need no declaration, or that another type declared before, leave such values.
pub async fn adopt(tx: &mut Tx, definition: &Definition) -> Result<()> {
    let kind = definition.kind;
    insert_all(tx, definition, &Typed::Absent).await?;
    let sql = format!(
        "select id, attributes from {} where {} = $1 and {}{}",
        kind.table(),
        owner(kind),
        has_key(tx.dialect()),
        kept(kind)
    );
    let key = key(tx.dialect(), &definition.name);
    let mut found: Vec<(i64, Map<String, Json>)> = Vec::new();
    tx.each(&sql, &values![definition.type_id, key], |mut row| {
        let id = row.take()?;
        if let Json::Object(document) = row.take()? {
            found.push((id, document));
        }
        Ok(())
    })
    .await?;
    let nothing = Map::new();
    let entities = found.iter().map(|(entity, document)| Indexing {
        entity: *entity,
        definitions: std::slice::from_ref(definition),
        before: Some(&nothing),
        after: Some(document),
    });
    index(tx, entities).await
}

/// Moves the values of an attribute to another name. The typed values stay: they know its id.
pub async fn rename_all(tx: &mut Tx, definition: &Definition, name: &str) -> Result<()> {
    let (table, owner) = (definition.kind.table(), owner(definition.kind));
    let after = match tx.dialect() {
        Dialect::Sqlite => "json_remove(json_set(attributes, $3, attributes -> $2), $2)",
        Dialect::Postgres => {
            "(attributes::jsonb - cast($2 as text) \
             || jsonb_build_object(cast($3 as text), attributes::jsonb -> cast($2 as text)))::text"
        }
    };
    let has_key = has_key(tx.dialect());
    let sql = format!("update {table} set attributes = {after} where {owner} = $1 and {has_key}");
    let (from, to) = (key(tx.dialect(), &definition.name), key(tx.dialect(), name));
    tx.execute(&sql, &values![definition.type_id, from, to])
        .await?;
    Ok(())
}

/// What a document has under the key `$2`, as JSON text.
fn value(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "(attributes -> $2)",
        Dialect::Postgres => "(attributes::jsonb -> cast($2 as text))::text",
    }
}

/// Removes the values of an attribute from every document, and sets them aside under a change; the
/// typed ones go with its definition.
pub async fn set_aside_all(tx: &mut Tx, stamp: &Stamp, definition: &Definition) -> Result<()> {
    let (table, owner) = (definition.kind.table(), owner(definition.kind));
    let (has_key, value) = (has_key(tx.dialect()), value(tx.dialect()));
    let key = key(tx.dialect(), &definition.name);
    let sql = format!(
        "insert into set_aside (clock, noun, name, entity, value) \
         select cast($3 as text), '{table}', cast($4 as text), id, {value} from {table} \
         where {owner} = $1 and {has_key} \
         on conflict (clock, noun, name, entity) do update set value = excluded.value"
    );
    let given = values![
        definition.type_id,
        &key,
        &stamp.clock,
        set_aside_name(definition)
    ];
    tx.execute(&sql, &given).await?;
    let after = match tx.dialect() {
        Dialect::Sqlite => "json_remove(attributes, $2)",
        Dialect::Postgres => "(attributes::jsonb - cast($2 as text))::text",
    };
    let sql = format!("update {table} set attributes = {after} where {owner} = $1 and {has_key}");
    tx.execute(&sql, &values![definition.type_id, key]).await?;
    Ok(())
}

/// Whether a change set values of an attribute aside.
pub async fn is_set_aside(tx: &mut Tx, clock: &str, definition: &Definition) -> Result<bool> {
    let sql = "select entity from set_aside where clock = $1 and noun = $2 and name = $3 limit 1";
    let name = set_aside_name(definition);
    let given = values![clock, definition.kind.table(), name];
    Ok(tx.row(sql, &given).await?.is_some())
}

/// Types of one kind may have attributes of the same name.
fn set_aside_name(definition: &Definition) -> String {
    format!("{} {}", definition.type_id, definition.name)
}

/// Writes the values of an attribute that a change set aside into the documents that have none.
pub async fn give_back_all(tx: &mut Tx, clock: &str, definition: &Definition) -> Result<()> {
    let (table, owner) = (definition.kind.table(), owner(definition.kind));
    let has_key = has_key(tx.dialect());
    let after = match tx.dialect() {
        Dialect::Sqlite => "json_set(attributes, $2, json(s.value))",
        Dialect::Postgres => {
            "(attributes::jsonb || jsonb_build_object(cast($2 as text), s.value::jsonb))::text"
        }
    };
    let sql = format!(
        "update {table} set attributes = {after} from set_aside s where s.clock = $3 and s.noun = '{table}' \
         and s.name = $4 and s.entity = {table}.id and {table}.{owner} = $1 and not ({has_key})"
    );
    let key = key(tx.dialect(), &definition.name);
    let name = set_aside_name(definition);
    tx.execute(&sql, &values![definition.type_id, key, clock, &name])
        .await?;
    if matches!(definition.kind, Kind::Localization | Kind::State) {
        give_to_newer(tx, clock, definition).await?;
    }
    let sql = "delete from set_aside where clock = $1 and noun = $2 and name = $3";
    tx.execute(sql, &values![clock, table, name]).await?;
    Ok(())
}

/// Revisions that came after the values went get those of the revision before them. The join says in
/// which order it is made: from the few revisions of one annotation.
async fn give_to_newer(tx: &mut Tx, clock: &str, definition: &Definition) -> Result<()> {
    let table = definition.kind.table();
    let value = format!(
        "(select s.value from {table} o cross join set_aside s where s.entity = o.id and s.clock = $3 \
         and s.noun = '{table}' and s.name = $4 and o.elemental_id = {table}.elemental_id and o.version = {table}.version \
         and o.id < {table}.id order by o.id desc limit 1)"
    );
    let after = match tx.dialect() {
        Dialect::Sqlite => format!("json_set(attributes, $2, json({value}))"),
        Dialect::Postgres => format!(
            "(attributes::jsonb || jsonb_build_object(cast($2 as text), {value}::jsonb))::text"
        ),
    };
    let sql = format!(
        "update {table} set attributes = {after} where type = $1 and not ({}) and {value} is not null",
        has_key(tx.dialect())
    );
    let key = key(tx.dialect(), &definition.name);
    let given = values![definition.type_id, key, clock, set_aside_name(definition)];
    tx.execute(&sql, &given).await?;
    Ok(())
}

/// How many instances have another value of an attribute than its default, and than none.
pub async fn count_given(tx: &mut Tx, definition: &Definition) -> Result<i64> {
    let (table, owner) = (definition.kind.table(), owner(definition.kind));
    let has_key = has_key(tx.dialect());
    let other = match tx.dialect() {
        Dialect::Sqlite => "(attributes -> $2) not in ($3, 'null')",
        Dialect::Postgres => {
            "(attributes::jsonb -> cast($2 as text)) not in (cast($3 as text)::jsonb, 'null'::jsonb)"
        }
    };
    let default = definition.default()?.unwrap_or(Json::Null).to_string();
    let sql = format!(
        "select count(*) from {table} where {owner} = $1 and {has_key} and {other}{}",
        shown(definition.kind)
    );
    let key = key(tx.dialect(), &definition.name);
    let count = tx
        .scalar(&sql, &values![definition.type_id, key, default])
        .await?;
    Ok(count.unwrap_or_default())
}
