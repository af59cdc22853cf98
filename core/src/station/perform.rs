//! Performing a command, whether or not a station runs on the folder.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::command::{self, Command, Progress};
use super::lock::{self, Lock, Taken};
use super::{control, folder};
use crate::config::Settings;
use crate::context::Context;
use crate::error::{Error, Result};

/// How long a command waits for another one, or for a station that starts or stops.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// Performs a command on a data folder; hands its lines of progress to `tell`.
///
/// The station that runs there does it, with its own settings. If none runs, this process opens
/// the folder with `settings`. Errors: those of the command; `Busy` if somebody else keeps the
/// folder; `NotFound` if there is no such folder and the command does not begin one.
pub async fn perform(
    data: &Path,
    settings: Settings,
    command: Command,
    mut tell: impl FnMut(Value),
) -> Result<Value> {
    if !command.may_begin_a_folder() && !data.is_dir() {
        return Err(Error::NotFound(format!(
            "there is no data folder; `transect serve` makes it, and --data names another: {}",
            data.display()
        )));
    }
    let data = folder::prepare(data)?;
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(stream) = control::connect(&data).await {
            return control::ask(stream, &command, tell).await;
        }
        match Lock::take(&data, command.name())? {
            Taken::Ours(_lock) => {
                let cx = Context::open(settings, data).await?;
                let (progress, mut lines) = Progress::channel();
                let told = async {
                    while let Some(line) = lines.recv().await {
                        tell(line);
                    }
                };
                let (answer, ()) = tokio::join!(command::run(&cx, command, progress), told);
                cx.search.stop();
                cx.database.close().await;
                return answer;
            }
            Taken::Held(holder) if Instant::now() > until => {
                return Err(lock::held(&data, &holder));
            }
            Taken::Held(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
