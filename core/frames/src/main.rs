//! The frame worker: the only program that links FFmpeg. It reads requests from stdin and writes answers to stdout, as
//! `transect_frame_client::message` lays down; started by that package, never by hand.
//!
//! Options: `--cache-bytes N` for decoded pictures, `--memory-bytes N` as a cap on address space.

mod ahead;
mod animation;
mod bitstream;
mod cache;
mod colour;
mod compose;
mod indexer;
mod libav;
mod limits;
mod order;
mod packets;
mod picture;
mod reader;
mod scan;
mod service;
mod session;
mod source;
mod sync;
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
