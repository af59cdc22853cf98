//! Answering aggregates.

use std::sync::Arc;

use super::asked::Asked;
use super::histogram;
use super::request::Request;
use super::types::{Group, GroupQuery, Histogram, HistogramQuery, Moment, TimelineQuery};
use crate::account::Actor;
use crate::context::Context;
use crate::error::{Error, Result};

/// Counts rows by some keys.
///
/// Errors: `Invalid` for a key that nothing has, or that is named twice.
pub(super) async fn groups(
    cx: &Context,
    actor: &Actor,
    request: Request,
    query: GroupQuery,
) -> Result<Vec<Group>> {
    let (actor, tables) = (actor.clone(), Arc::clone(&cx.tables));
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let mut asked = Asked::open(tx, &actor, &tables, request).await?;
                let keys = asked.keys(&query.group_by)?;
                asked.read(tx, &keys).await?;
                asked.groups(tx, &keys, &query).await
            })
        })
        .await
}

/// Counts numbers by bins.
///
/// Errors: `Invalid` for a key whose values are no numbers, and for bins that make no sense.
pub(super) async fn histogram(
    cx: &Context,
    actor: &Actor,
    request: Request,
    query: HistogramQuery,
) -> Result<Histogram> {
    let (actor, tables) = (actor.clone(), Arc::clone(&cx.tables));
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let mut asked = Asked::open(tx, &actor, &tables, request).await?;
                let keys = asked.keys(std::slice::from_ref(&query.key))?;
                if !keys[0].is_numeric() {
                    return Err(Error::invalid(format!(
                        "'{}' has no numbers that a histogram could be made of",
                        query.key
                    )));
                }
                asked.read(tx, &keys).await?;
                histogram::histogram(asked.column(&keys[0]), &asked.chosen(), &query)
            })
        })
        .await
}

/// Counts rows by bins of frames or of time.
///
/// Errors: `Invalid` for a key that is no time, for frames of several media, and for too many bins.
pub(super) async fn timeline(
    cx: &Context,
    actor: &Actor,
    request: Request,
    query: TimelineQuery,
) -> Result<Vec<Moment>> {
    let (actor, tables) = (actor.clone(), Arc::clone(&cx.tables));
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let mut asked = Asked::open(tx, &actor, &tables, request).await?;
                let over = asked.keys(std::slice::from_ref(&query.over))?.remove(0);
                let split = asked.keys(&query.split_by)?;
                asked.check_timeline(&over)?;
                let keys = [vec![over.clone()], split.clone()].concat();
                asked.read(tx, &keys).await?;
                asked.timeline(tx, &over, &split, &query).await
            })
        })
        .await
}
