//! `transect step`: what the station calls inside a sandbox.

use std::process::ExitCode;

use transect::workflow::runner::inside::{
    Limits, NOT_STARTED, NOT_STARTED_WORDS, become_step, beside_port,
};

use crate::arguments::Step;

/// Becomes the step, or stands beside it as the way to the station.
pub fn perform(step: &Step) -> ExitCode {
    let limits = Limits {
        memory_bytes: step.memory_bytes,
        file_bytes: step.file_bytes,
        cpu_secs: step.cpu_secs,
        processes: step.processes,
        open_files: step.open_files,
    };
    let (why, code) = match (step.port, &step.socket) {
        (Some(port), Some(socket)) => {
            match beside_port(port, socket, &step.itself, limits, &step.command) {
                Ok(code) => (None, code),
                Err(error) => {
                    let why = format!(
                        "{NOT_STARTED_WORDS} the way to the station cannot be opened: {error}"
                    );
                    (Some(why), NOT_STARTED)
                }
            }
        }
        _ => (Some(become_step(limits, &step.command)), NOT_STARTED),
    };
    if let Some(why) = why {
        eprintln!("{why}");
    }
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
