//! Aggregates: how many media, annotations, leaves and files there are, by what they are.
//!
//! Counts grouped by columns and attributes, histograms of numbers, timelines. Which rows count is
//! what lists select; what is counted by comes from *tables* in memory: for each project and kind
//! the visible rows as columns of small numbers, read once through SQL (attributes from their typed
//! tables, ordered by value), and brought up to date from the journal in the snapshot of each
//! request. A table may be dropped at any moment; the next request reads it again.

mod answer;
mod asked;
mod cache;
mod cell;
mod column;
mod condition;
mod count;
mod histogram;
mod key;
mod label;
mod load;
mod refresh;
mod request;
pub mod routes;
mod service;
mod table;
mod timeline;
mod types;

pub use cache::Tables;
