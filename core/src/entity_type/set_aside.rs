//! The table of what changes of types took from instances: with an empty name the instance itself,
//! otherwise its value of an attribute. Rows are known by the clock of the change that wrote them.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::attribute::{self, Kind};
use crate::database::Tx;
use crate::error::Result;
use crate::journal::Stamp;
use crate::values;

/// Documents that are read at once.
const PAGE: i64 = 5_000;

/// What is deleted with media of a type: localizations on them, and states none of whose media are left.
pub(super) const ON_MEDIA_OF_TYPE: [(Kind, &str); 2] = [
    (
        Kind::Localization,
        "media in (select id from media where type = $1)",
    ),
    (
        Kind::State,
        "id in (select state from state_media where media in (select id from media where type = $1)) \
         and not exists (select 1 from state_media s join media m on m.id = s.media \
         where s.state = state.id and not m.deleted)",
    ),
];

/// Instances that a change set aside.
const SET_ASIDE: &str = "select entity from set_aside where clock = $1 and noun = $2 and name = ''";

/// What an instance lies on must be there, or it would come back to nowhere.
fn stands(kind: Kind) -> String {
    let table = kind.table();
    let of_type = format!(
        "exists (select 1 from entity_type e where e.kind = '{}' and e.id = {table}.type)",
        kind.name()
    );
    let version = format!("exists (select 1 from version v where v.id = {table}.version)");
    match kind {
        Kind::Localization => format!(
            "{of_type} and {version} and exists (select 1 from media m where m.id = localization.media and not m.deleted)"
        ),
        Kind::State => format!(
            "{of_type} and {version} and exists (select 1 from state_media s join media m on m.id = s.media \
             where s.state = state.id and not m.deleted)"
        ),
        _ => of_type,
    }
}

/// Marks instances as deleted and sets them aside under a change; returns how many.
pub(super) async fn take(
    tx: &mut Tx,
    stamp: &Stamp,
    kind: Kind,
    which: &str,
    id: i64,
) -> Result<u64> {
    let table = kind.table();
    let sql = format!(
        "insert into set_aside (clock, noun, name, entity) \
         select cast($2 as text), '{table}', '', id from {table} where {which} and not deleted \
         on conflict (clock, noun, name, entity) do nothing"
    );
    tx.execute(&sql, &values![id, &stamp.clock]).await?;
    let sql = format!(
        "update {table} set deleted = true, modified_at = $2, modified_by = $3 where {which} and not deleted"
    );
    tx.execute(&sql, &values![id, stamp.at_ms, stamp.account])
        .await
}

/// Removes the typed values of instances that a change set aside, where their types stay.
pub(super) async fn forget_values(tx: &mut Tx, stamp: &Stamp, kind: Kind) -> Result<()> {
    let of = kind.table();
    for table in attribute::TABLES {
        let sql = format!(
            "delete from {table} where entity in ({SET_ASIDE}) and attribute in (select id from attribute_type \
             where kind = $3 and type in (select type from {of} where id in ({SET_ASIDE})))"
        );
        tx.execute(&sql, &values![&stamp.clock, of, kind.name()])
            .await?;
    }
    Ok(())
}

/// The next documents of instances that a change set aside and that can come back, by type; the last
/// id. None when there are no more.
pub(super) async fn documents(
    tx: &mut Tx,
    clock: &str,
    kind: Kind,
    after: i64,
) -> Result<Option<(i64, BTreeMap<i64, Vec<(i64, Map<String, Json>)>>)>> {
    let table = kind.table();
    let sql = format!(
        "select type, id, attributes from {table} where id in ({SET_ASIDE}) and id > $3 and {} order by id limit {PAGE}",
        stands(kind)
    );
    let (mut last, mut found) = (None, BTreeMap::new());
    for mut row in tx.rows(&sql, &values![clock, table, after]).await? {
        let (type_id, id): (i64, i64) = (row.take()?, row.take()?);
        last = Some(id);
        if let Json::Object(document) = row.take()? {
            let of_type: &mut Vec<_> = found.entry(type_id).or_default();
            of_type.push((id, document));
        }
    }
    Ok(last.map(|last| (last, found)))
}

/// Takes the mark from instances that a change set aside and that can come back, of one type if given.
pub(super) async fn give_back(
    tx: &mut Tx,
    stamp: &Stamp,
    clock: &str,
    kind: Kind,
    type_id: Option<i64>,
) -> Result<()> {
    let table = kind.table();
    let sql = format!(
        "update {table} set deleted = false, modified_at = $3, modified_by = $4 \
         where id in ({SET_ASIDE}) and (cast($5 as bigint) is null or type = $5) and {}",
        stands(kind)
    );
    let given = values![clock, table, stamp.at_ms, stamp.account, type_id];
    tx.execute(&sql, &given).await?;
    let sql = format!(
        "delete from set_aside where clock = $1 and noun = $2 and name = '' \
         and entity in (select id from {table} where not deleted)"
    );
    tx.execute(&sql, &values![clock, table]).await?;
    Ok(())
}

/// Makes what a change set aside known by another change, too.
pub async fn also_under(tx: &mut Tx, clock: &str, other: &str) -> Result<()> {
    let sql = "insert into set_aside (clock, noun, name, entity, value) \
               select cast($2 as text), noun, name, entity, value from set_aside where clock = $1 \
               on conflict do nothing";
    tx.execute(sql, &values![clock, other]).await?;
    Ok(())
}

/// Forgets what changes before a time set aside.
pub async fn purge(tx: &mut Tx, before_ms: i64) -> Result<()> {
    let sql = "delete from set_aside where clock < $1";
    tx.execute(sql, &values![format!("{:013}", before_ms.max(0))])
        .await?;
    Ok(())
}
