//! The frame worker: the only program that links FFmpeg. It reads requests from stdin and writes answers to stdout, as
//! `transect_frame_client::message` lays down; started by that package, never by hand.
//!
//! Options: `--cache-bytes N` for decoded pictures, `--memory-bytes N` as a cap on address space, `--nice N` to yield to other
//! programs, `--read PATH` for what may be read and `--write FOLDER` for where files may be made, both as often as needed;
//! `--partial FOLDER` for files whose bytes have to be asked for.
//! `--report` says as JSON what keeps the process to that, and ends it.

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
mod inspect;
mod libav;
mod limits;
mod order;
mod packets;
mod picture;
mod planes;
mod probe;
mod proof;
mod reader;
mod sandbox;
mod scan;
mod service;
mod session;
mod source;
mod supply;
mod sync;
mod tables;
mod transcode;
mod turn;
mod verify;

use std::fs::File;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use sandbox::{Files, Held};

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
    let paths = |name: &str| {
        let pairs = arguments.windows(2);
        let named = pairs.filter(|pair| pair[0] == name);
        named
            .map(|pair| PathBuf::from(&pair[1]))
            .collect::<Vec<_>>()
    };
    let held = sandbox::enter(&Files {
        read: paths("--read"),
        write: paths("--write"),
    });
    if arguments.iter().any(|argument| argument == "--report") {
        println!("{}", report(&held));
        return ExitCode::SUCCESS;
    }
    libav::quiet();
    if let Some(folder) = paths("--partial").pop() {
        supply::from(folder);
    }
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

/// Tries what must not work.
fn report(held: &Held) -> serde_json::Value {
    let own = std::env::current_exe().unwrap_or_default();
    serde_json::json!({
        "landlock": held.landlock,
        "seccomp": held.seccomp,
        "reads_other_files": File::open(&own).is_ok(),
        "opens_sockets": UdpSocket::bind("127.0.0.1:0").is_ok(),
        "starts_programs": Command::new(&own).arg("--report").spawn().is_ok(),
    })
}
