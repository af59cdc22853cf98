//! What a step sees of the machine: the arguments of bubblewrap.
//!
//! A step has namespaces of its own for processes, users, communication, host name, mounts and
//! network. It can read the programs of the machine (or of the folder that its image stands for), and
//! write its own `/tmp` and `/work`, its volumes, and nothing else; of the data folder it sees nothing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::sandbox::{Prepared, Step, environment, environments, itself, limits, path_of, script};
use crate::workflow::{Network, Workflows};

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
    "pki/ca-trust",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "pki/tls/openssl.cnf",
    "python3",
    "ssl/certs",
    "ssl/openssl.cnf",
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
/// How a step is kept apart, beside its network.
pub(super) const NAMESPACES: &[&str] = &[
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
];

/// A call of bubblewrap, being put together.
pub(super) struct Shell<'s> {
    settings: &'s Workflows,
    step: &'s Step<'s>,
    arguments: Vec<OsString>,
    folders: Vec<(PathBuf, PathBuf)>,
}

impl<'s> Shell<'s> {
    pub fn new(settings: &'s Workflows, step: &'s Step) -> Result<Self, String> {
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

    pub fn build(mut self) -> Result<Prepared, String> {
        let program = &self.step.order.program;
        let itself = itself()?;
        self.add(NAMESPACES.iter().copied());
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
