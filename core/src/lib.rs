//! Transect as a library: the product's nouns, and the engines behind small traits.
//!
//! Data flows route → service → store. A noun's `routes` read a request and shape its answer, its
//! `service` holds permission, rule and transaction, its `store` holds the SQL.

pub mod account;
pub mod aggregate;
pub mod algorithm;
pub mod annotation;
pub mod announcement;
pub mod answers;
pub mod applet;
pub mod attribute;
pub mod bookmark;
pub mod bucket;
pub mod client;
pub mod config;
pub mod context;
pub mod database;
mod durable;
pub mod entity_type;
pub mod error;
pub mod export;
pub mod file;
pub mod frames;
pub mod group;
pub mod health;
pub mod hosted_template;
pub mod http;
pub mod id;
pub mod invitation;
pub mod job;
pub mod job_cluster;
pub mod jobs;
pub mod journal;
pub mod leaf;
pub mod mail;
pub mod media;
pub mod organization;
pub mod project;
pub mod query;
pub mod recording;
pub mod row_protection;
pub mod search;
pub mod secret;
pub mod section;
pub mod station;
pub mod storage;
pub mod temporary_file;
#[cfg(test)]
mod testing;
pub mod time;
pub mod transcode;
pub mod undo;
pub mod version;
pub mod workflow;
