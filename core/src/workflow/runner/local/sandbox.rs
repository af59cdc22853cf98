//! What a step sees of the machine: the arguments of bubblewrap.
//!
//! A step has namespaces of its own for processes, users, communication, host name, mounts and
//! network. It can read the programs of the machine (or of the folder that its image stands for), and
//! write its own `/tmp` and `/work`, its volumes, and nothing else; of the data folder it sees nothing.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::super::inside::Limits;
use super::place::Place;
use crate::workflow::engine::Order;
use crate::workflow::{Network, Sandbox, Workflows};

/// Where the helper, the socket and the script are inside.
const OWN: &str = "/run/transect";
/// What is shared of `/etc`: how programs find their libraries, certificates, fonts and time zones.
const ETC: &[&str] = &[
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "fonts",
    "java",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "magic",
    "mime.types",
    "pki",
    "python3",
    "ssl",
    "terminfo",
    "timezone",
];
/// What is needed of it beside that to find other machines.
const ETC_NETWORK: &[&str] = &[
    "hosts",
    "nsswitch.conf",
    "resolv.conf",
    "services",
    "protocols",
];
/// Folders that come from the programs' root.
const SYSTEM: &[&str] = &[
    "usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix",
];
/// Folders that never come from the root of an image.
const NOT_OF_IMAGES: &[&str] = &["dev", "etc", "proc", "run", "sys", "tmp", "work"];
/// Places that nothing may be mounted at.
const KEPT: &[&str] = &[
    "/", "/proc", "/dev", "/run", OWN, "/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc",
];
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

fn itself() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("the program cannot find itself: {error}"))
}

fn environment(path: String) -> [(&'static str, String); 5] {
    [
        ("PATH", path),
        ("LANG", "C.UTF-8".into()),
        ("USER", "step".into()),
        ("LOGNAME", "step".into()),
        ("PYTHONDONTWRITEBYTECODE", "1".into()),
    ]
}

fn script(step: &Step, source: &str) -> Result<PathBuf, String> {
    use std::os::unix::fs::PermissionsExt;
    let path = step.folder.join("script");
    let write = || {
        std::fs::write(&path, source)?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o500))
    };
    write().map_err(|error: io::Error| format!("the script cannot be written: {error}"))?;
    Ok(path)
}

fn limits(settings: &Workflows, step: &Step) -> Limits {
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
fn environments(settings: &Workflows, image: &str) -> Result<Vec<PathBuf>, String> {
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

fn path_of(environments: &[PathBuf]) -> String {
    let mut path = String::new();
    for folder in environments {
        let bin = folder.join("bin");
        let folder = if bin.is_dir() { &bin } else { folder };
        path += &format!("{}:", folder.display());
    }
    path + SYSTEM_PATH
}

/// The folder that a Python environment was made from, which holds its interpreter.
fn base_of(environment: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(environment.join("pyvenv.cfg")).ok()?;
    let home = text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "home").then(|| PathBuf::from(value.trim()))
    })?;
    let base = home.parent()?.to_owned();
    (base.components().count() > 2 && base.is_dir()).then_some(base)
}

/// A call of bubblewrap, being put together.
struct Shell<'s> {
    settings: &'s Workflows,
    step: &'s Step<'s>,
    arguments: Vec<OsString>,
    folders: Vec<(PathBuf, PathBuf)>,
}

impl<'s> Shell<'s> {
    fn new(settings: &'s Workflows, step: &'s Step) -> Result<Self, String> {
        for mount in &step.order.program.mounts {
            let path = mount.path.trim_end_matches('/');
            let strange = path
                .split('/')
                .skip(1)
                .any(|part| matches!(part, "" | "." | ".."));
            if strange || path.is_empty() || !path.starts_with('/') || KEPT.contains(&path) {
                return Err(format!("nothing can be mounted at {:?}", mount.path));
            }
        }
        Ok(Self {
            settings,
            step,
            arguments: Vec::new(),
            folders: Vec::new(),
        })
    }

    fn add<A: Into<OsString>>(&mut self, arguments: impl IntoIterator<Item = A>) {
        self.arguments.extend(arguments.into_iter().map(Into::into));
    }

    fn bind(&mut self, how: &str, from: &Path, to: &Path) {
        self.add([OsString::from(how), from.into(), to.into()]);
    }

    fn build(mut self) -> Result<Prepared, String> {
        let program = &self.step.order.program;
        let itself = itself()?;
        self.add([
            "--die-with-parent",
            "--new-session",
            "--unshare-user",
            "--unshare-pid",
            "--unshare-ipc",
            "--unshare-uts",
            "--unshare-cgroup-try",
            "--hostname",
            "step",
            "--uid",
            "1000",
            "--gid",
            "1000",
            "--cap-drop",
            "ALL",
        ]);
        if self.settings.network == Network::Station {
            self.add(["--unshare-net"]);
        }
        let root = self.settings.image(&program.image).map(PathBuf::from);
        let root = root
            .filter(|folder| folder.join("usr").is_dir() && !folder.join("conda-meta").exists());
        self.system(root.as_deref())?;
        let mut environments = environments(self.settings, &program.image)?;
        environments.retain(|folder| Some(folder) != root.as_ref());
        self.own_folders(&environments)?;
        let loader = match root {
            Some(_) => self.loader()?,
            None => Vec::new(),
        };
        let own = |name: &str| Path::new(OWN).join(name);
        self.bind("--ro-bind", &itself, &own("transect"));
        let mut call: Vec<OsString> = loader;
        call.push(own("transect").into());
        let again = call.clone();
        call.push("step".into());
        if let Some(port) = self.step.port {
            for word in again {
                let mut argument = OsString::from("--itself=");
                argument.push(word);
                call.push(argument);
            }
            self.bind("--bind", &self.step.place.socket(), &own("station.sock"));
            call.extend(["--port".into(), port.to_string().into()]);
            call.extend(["--socket".into(), own("station.sock").into()]);
        }
        call.extend(
            limits(self.settings, self.step)
                .arguments()
                .into_iter()
                .map(Into::into),
        );
        call.push("--".into());
        call.extend(program.command.iter().map(Into::into));
        if let Some(source) = &program.source {
            let path = script(self.step, source)?;
            self.bind("--ro-bind", &path, &own("script"));
            call.push(own("script").into());
        }
        call.extend(program.args.iter().map(Into::into));
        self.add(["--remount-ro", "/dev", "--remount-ro", "/"]);
        let folder = program.folder.clone().unwrap_or_else(|| "/work".into());
        self.add(["--chdir", folder.as_str(), "--"]);
        let mut command = Command::new(&self.settings.bwrap);
        command.args(&self.arguments).args(call).env_clear();
        command.env("HOME", "/work").env("TMPDIR", "/tmp");
        command.envs(environment(path_of(&environments)));
        command.envs(program.env.iter().cloned());
        Ok(Prepared {
            command,
            folders: self.folders,
        })
    }

    /// The programs of the machine, or of another root.
    fn system(&mut self, root: Option<&Path>) -> Result<(), String> {
        let from = root.unwrap_or(Path::new("/"));
        let names: Vec<OsString> = match root {
            Some(root) => std::fs::read_dir(root)
                .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
                .map_err(|error| format!("the folder of the image cannot be read: {error}"))?,
            None => SYSTEM.iter().map(OsString::from).collect(),
        };
        for name in names
            .iter()
            .filter(|name| !NOT_OF_IMAGES.iter().any(|known| name == known))
        {
            let (there, here) = (from.join(name), Path::new("/").join(name));
            match std::fs::read_link(&there) {
                Ok(target) => self.bind("--symlink", &target, &here),
                Err(_) if there.is_dir() => self.bind("--ro-bind", &there, &here),
                Err(_) => {}
            }
        }
        self.add(["--dir", "/etc"]);
        if root.is_some() {
            self.bind("--ro-bind-try", &from.join("etc"), Path::new("/etc"));
        } else {
            let known = ETC.iter().copied();
            let more = ETC_NETWORK.iter().copied();
            let full = self.settings.network == Network::Full;
            for name in known.chain(more.filter(|_| full)) {
                let path = Path::new("/etc").join(name);
                self.bind("--ro-bind-try", &path, &path);
            }
            let people = self.step.folder.join("passwd");
            std::fs::write(&people, "step:x:1000:1000:step:/work:/bin/sh\n")
                .map_err(|error| format!("the sandbox cannot be prepared: {error}"))?;
            self.bind("--ro-bind", &people, Path::new("/etc/passwd"));
        }
        self.add(["--proc", "/proc", "--dev", "/dev"]);
        self.add(["--size", "268435456", "--tmpfs", "/dev/shm", "--dir", OWN]);
        for device in self.settings.device_files() {
            self.bind("--dev-bind-try", &device, &device);
        }
        Ok(())
    }

    /// What the step may write, and the folders with further programs.
    fn own_folders(&mut self, environments: &[PathBuf]) -> Result<(), String> {
        let program = &self.step.order.program;
        let mut writable = vec![
            (PathBuf::from("/tmp"), self.step.folder.join("tmp"), false),
            (PathBuf::from("/work"), self.step.folder.join("work"), false),
        ];
        for mount in &program.mounts {
            let from = self.step.place.volume(&mount.volume);
            writable.push((PathBuf::from(&mount.path), from, mount.read_only));
        }
        for (inside, outside, read_only) in writable {
            let how = if read_only { "--ro-bind" } else { "--bind" };
            self.bind(how, &outside, &inside);
            self.folders.push((inside, outside));
        }
        for folder in environments {
            let base = base_of(folder);
            for folder in base.iter().chain([folder]) {
                if !folder.starts_with("/usr") {
                    self.bind("--ro-bind", folder, folder);
                }
            }
        }
        Ok(())
    }

    /// The machine's own loader and C library, for the helper where the root is another one.
    fn loader(&mut self) -> Result<Vec<OsString>, String> {
        let maps = std::fs::read_to_string("/proc/self/maps")
            .map_err(|error| format!("the program cannot find its libraries: {error}"))?;
        let paths = maps
            .lines()
            .filter_map(|line| line.find('/').map(|at| Path::new(&line[at..])));
        let is_loader = |path: &&Path| {
            let name = path.file_name().map(|name| name.to_string_lossy());
            name.is_some_and(|name| name.starts_with("ld-") || name.starts_with("ld.so"))
        };
        let found = paths.into_iter().find(is_loader);
        // A program without one needs none.
        let Some((loader, folder)) = found.and_then(|path| Some((path, path.parent()?))) else {
            return Ok(Vec::new());
        };
        let libraries = Path::new(OWN).join("lib");
        self.bind("--ro-bind", folder, &libraries);
        let loader = libraries.join(loader.file_name().unwrap_or_default());
        Ok(vec![
            loader.into(),
            "--library-path".into(),
            libraries.into(),
        ])
    }
}
