//! The program `transect`: serves a station, and asks one to do things.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.

mod announce;
mod arguments;
mod doctor;
mod exchange;
mod place;
mod quota;
mod s3;
mod settings;
mod step;
mod user;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tracing_subscriber::EnvFilter;
use transect::error::{Chain, Error};
use transect::{http, station};

use arguments::{Arguments, DoctorTask, Task};
use place::Place;

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Task::Step(step) = &arguments.task {
        return step::perform(step); // It knows no data folder, and has a runtime of its own.
    }
    let serves = matches!(arguments.task, Task::Serve(_));
    if let Err(error) = log(arguments.log.as_deref(), serves) {
        eprintln!("transect: {error:#}");
        return ExitCode::from(WRONG_USAGE);
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("transect: cannot start: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let code = runtime.block_on(async {
        let work = perform(arguments);
        if serves {
            return report(work.await); // It has its own way to end on signals.
        }
        tokio::select! {
            done = work => report(done),
            _ = tokio::signal::ctrl_c() => {
                eprintln!("transect: interrupted");
                INTERRUPTED
            }
        }
    });
    // A thread that is stuck in the system must not keep the program from ending.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ExitCode::from(code)
}

async fn perform(arguments: Arguments) -> anyhow::Result<u8> {
    let place = Place::new(arguments.data, arguments.config)?;
    match arguments.task {
        Task::Serve(serve) => {
            let settings = place.settings(&serve.flags())?;
            station::serve(&place.data, settings, |url| {
                let mut out = std::io::stdout();
                // Who started the station may not be listening.
                let _ = writeln!(out, "ready {url}").and_then(|()| out.flush());
            })
            .await?;
            Ok(0)
        }
        Task::Import(import) => exchange::import(&place, import).await,
        Task::Export(export) => exchange::export(&place, export).await,
        Task::User(task) => user::perform(&place, task).await,
        Task::S3(task) => s3::perform(&place, task).await,
        Task::Quota(task) => quota::perform(&place, task).await,
        Task::Announce(task) => announce::perform(&place, task).await,
        Task::Doctor {
            json,
            task: Some(DoctorTask::Frames { media }),
            ..
        } => doctor::frames(&place, json, media).await,
        Task::Doctor {
            json,
            repair,
            scrub,
            ..
        } => doctor::perform(&place, json, repair, scrub).await,
        Task::Settings { json } => settings::perform(&place, json),
        Task::Step(_) => unreachable!("it is performed before anything is opened"),
        Task::Openapi => {
            let document = http::openapi::document(&http::operations());
            print(&serde_json::to_string_pretty(&document)?)
        }
    }
}

/// Prints what was asked for; a reader that has gone away is no failure of ours to tell.
fn print(text: &str) -> anyhow::Result<u8> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(0),
    }
}

fn report(done: anyhow::Result<u8>) -> u8 {
    let error = match done {
        Ok(code) => return code,
        Err(error) => error,
    };
    match error.downcast_ref::<Error>() {
        Some(Error::Invalid { message, details }) if details != "None" => {
            eprintln!("transect: {message}: {details}");
        }
        Some(error) => eprintln!("transect: {}", Chain(error)),
        None => eprintln!("transect: {error:#}"),
    }
    FAILED
}

/// Logs to stderr; commands are quiet unless something is wrong.
fn log(level: Option<&str>, serves: bool) -> anyhow::Result<()> {
    let level = level.unwrap_or(if serves { "info" } else { "warn" });
    let filter = EnvFilter::try_new(level).map_err(|error| {
        anyhow::anyhow!("--log cannot be {level:?}: {error}; use error, warn, info, debug or trace")
    })?;
    // The protocol's library calls every refused request an error; what is one, we say ourselves.
    let filter = match "s3s=off".parse() {
        Ok(quiet) if !level.contains("s3s") => filter.add_directive(quiet),
        _ => filter,
    };
    // Every try of a request to a bucket that does not answer is none of anybody's business.
    let filter = match "object_store=warn".parse() {
        Ok(quiet) if level == "info" => filter.add_directive(quiet),
        _ => filter,
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .init();
    Ok(())
}
