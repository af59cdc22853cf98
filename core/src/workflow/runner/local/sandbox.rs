//! How a step is started, and what to do where that cannot be.

use std::io;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::super::inside::Limits;
use super::bubblewrap::{NAMESPACES, Shell};
use super::place::Place;
use crate::workflow::engine::Order;
use crate::workflow::{Network, Sandbox, Workflows};

const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A step that is to be run.
pub(super) struct Step<'s> {
    pub order: &'s Order,
    pub place: &'s Place,
    /// Its own folder, with `tmp` and `work`.
    pub folder: &'s Path,
    /// The port at which it finds the station, where it has a network of its own.
    pub port: Option<u16>,
}

/// How a program is started, and where its results are.
pub(super) struct Prepared {
    pub command: Command,
    /// Folders inside, with where they are on the machine; the longest that fits is the right one.
    pub folders: Vec<(PathBuf, PathBuf)>,
}

/// The command that runs a step. Errors: a sentence saying what is wrong with the step or the machine.
pub(super) fn prepare(settings: &Workflows, step: &Step) -> Result<Prepared, String> {
    match settings.sandbox {
        Sandbox::Bwrap => Shell::new(settings, step)?.build(),
        Sandbox::None => plain(settings, step),
    }
}

/// What to do where bubblewrap is missing.
pub(super) fn not_there(settings: &Workflows) -> String {
    format!(
        "steps run in a sandbox, and bubblewrap is not there: install it (Debian and Ubuntu: apt install \
         bubblewrap), or say where it is (workflows.bwrap): {}",
        settings.bwrap
    )
}

/// What to do where the system does not let bubblewrap work.
pub(super) fn refused(words: &str) -> String {
    format!(
        "the sandbox could not be made: {words} (an administrator must let users make namespaces: sysctl \
         kernel.unprivileged_userns_clone=1, or an AppArmor profile for bwrap; a container must be allowed to make \
         namespaces and mount /proc)"
    )
}

/// Makes an empty sandbox, and says whether that worked.
pub(crate) async fn try_sandbox(settings: &Workflows) -> Result<String, String> {
    if settings.sandbox == Sandbox::None {
        return Err(
            "steps of workflows run without one (workflows.sandbox): only for machines where everybody who registers \
             algorithms is trusted"
                .into(),
        );
    }
    let mut command = Command::new(&settings.bwrap);
    command.args(NAMESPACES);
    if settings.network == Network::Station {
        command.arg("--unshare-net");
    }
    command.args(["--ro-bind", "/", "/", "--proc", "/proc", "true"]);
    match command.output().await {
        Ok(output) if output.status.success() => {
            Ok(format!("steps of workflows run in {}", settings.bwrap))
        }
        Ok(output) => Err(refused(String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(not_there(settings)),
        Err(error) => Err(refused(&error.to_string())),
    }
}

/// A step without a sandbox: limits only.
fn plain(settings: &Workflows, step: &Step) -> Result<Prepared, String> {
    let program = &step.order.program;
    if !program.mounts.is_empty() {
        return Err("volumes need a sandbox; set workflows.sandbox to \"bwrap\"".into());
    }
    let itself = itself()?;
    let work = step.folder.join("work");
    let mut command = Command::new(itself);
    command
        .arg("step")
        .args(limits(settings, step).arguments())
        .arg("--");
    command.args(program.command.iter());
    if let Some(source) = &program.source {
        command.arg(script(step, source)?);
    }
    command.args(program.args.iter());
    let path = path_of(&environments(settings, &program.image)?);
    command.current_dir(program.folder.as_ref().map_or(work.as_path(), Path::new));
    command.env_clear();
    command
        .env("TMPDIR", step.folder.join("tmp"))
        .env("HOME", &work);
    command
        .envs(environment(path))
        .envs(program.env.iter().cloned());
    Ok(Prepared {
        command,
        folders: vec![("/".into(), "/".into())],
    })
}

pub(super) fn itself() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("the program cannot find itself: {error}"))
}

pub(super) fn environment(path: String) -> [(&'static str, String); 5] {
    [
        ("PATH", path),
        ("LANG", "C.UTF-8".into()),
        ("USER", "step".into()),
        ("LOGNAME", "step".into()),
        ("PYTHONDONTWRITEBYTECODE", "1".into()),
    ]
}

pub(super) fn script(step: &Step, source: &str) -> Result<PathBuf, String> {
    use std::os::unix::fs::PermissionsExt;
    let path = step.folder.join("script");
    let write = || {
        std::fs::write(&path, source)?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o500))
    };
    write().map_err(|error: io::Error| format!("the script cannot be written: {error}"))?;
    Ok(path)
}

pub(super) fn limits(settings: &Workflows, step: &Step) -> Limits {
    let some = |limit: u64| (limit > 0).then_some(limit);
    let memory = [some(settings.memory_bytes), step.order.memory_bytes];
    Limits {
        memory_bytes: memory.into_iter().flatten().min(),
        file_bytes: some(settings.disk_bytes),
        cpu_secs: some(settings.cpu_secs),
        processes: some(settings.processes),
        open_files: some(settings.open_files),
    }
}

/// Folders with programs for an image: its own first, then those for all.
pub(super) fn environments(settings: &Workflows, image: &str) -> Result<Vec<PathBuf>, String> {
    let mut folders: Vec<PathBuf> = Vec::new();
    if let Some(folder) = settings.image(image) {
        folders.push(folder.into());
    }
    folders.extend(settings.programs.iter().map(PathBuf::from));
    for folder in &folders {
        if !folder.is_absolute() || !folder.is_dir() {
            return Err(format!(
                "the settings name a folder for programs that is not there (workflows.programs or \
                 workflows.images, as an absolute path): {}",
                folder.display()
            ));
        }
    }
    Ok(folders)
}

pub(super) fn path_of(environments: &[PathBuf]) -> String {
    let mut path = String::new();
    for folder in environments {
        let bin = folder.join("bin");
        let folder = if bin.is_dir() { &bin } else { folder };
        path += &format!("{}:", folder.display());
    }
    path + SYSTEM_PATH
}
