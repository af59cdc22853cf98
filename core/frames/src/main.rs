//! The frame worker: the only program that links FFmpeg. It reads requests from stdin and writes answers to stdout, as
//! `transect_frame_client::message` lays down; started by that package, never by hand.
//!
//! Options: `--cache-bytes N` for decoded pictures, `--memory-bytes N` as a cap on address space, `--nice N` to yield to other
//! programs.

mod ahead;
mod animation;
mod bitstream;
mod boxes;
mod cache;
mod colour;
mod compose;
mod heif;
mod image;
mod indexer;
mod libav;
mod limits;
mod order;
mod packets;
mod picture;
mod probe;
mod reader;
mod scan;
mod service;
mod session;
mod source;
mod sync;
mod transcode;
mod turn;
mod verify;

use std::process::ExitCode;

const CACHE_BYTES: u64 = 256 << 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    if let Err(error) = limits::apply(number("--memory-bytes")) {
        eprintln!("cannot set limits: {error}");
        return ExitCode::FAILURE;
    }
    if let Some(step) = number("--nice").and_then(|step| i32::try_from(step).ok()) {
        // Without the right to, it is merely less considerate.
        let _ = rustix::process::nice(step);
    }
    libav::quiet();
    match service::serve(
        std::io::stdin().lock(),
        number("--cache-bytes").unwrap_or(CACHE_BYTES),
    ) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
