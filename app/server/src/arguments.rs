//! The command line.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand};

/// Transect: annotate video and images where they are.
///
/// Every command works whether or not a station runs on the data folder: if one does, it does the
/// work; if not, the command opens the folder itself.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "transect", version, max_term_width = 100)]
pub struct Arguments {
    /// The data folder: database, stored files and settings of one station [default: the user's data
    /// folder, such as ~/.local/share/transect].
    #[arg(long, global = true, value_name = "DIR", env = "TRANSECT_DATA")]
    pub data: Option<PathBuf>,

    /// The settings file [default: transect.toml in the data folder, if it is there].
    ///
    /// Environment variables named TRANSECT_SECTION_KEY (such as TRANSECT_DATABASE_URL) override it,
    /// flags override those. A running station keeps the settings that it was started with.
    #[arg(long, global = true, value_name = "FILE", env = "TRANSECT_CONFIG")]
    pub config: Option<PathBuf>,

    /// What goes to the log on stderr: error, warn, info, debug or trace, or a filter such as
    /// transect=debug [default: info for serve, warn for other commands].
    #[arg(long, global = true, value_name = "LEVEL", env = "TRANSECT_LOG")]
    pub log: Option<String>,

    #[command(subcommand)]
    pub task: Task,
}

#[derive(Debug, Subcommand)]
pub enum Task {
    /// Run the station in the foreground.
    ///
    /// Prints one line, `ready http://ADDRESS`, on stdout once it answers; the log goes to stderr.
    /// The first start makes the data folder, for its owner only. SIGTERM or SIGINT lets running
    /// requests finish (server.drain_secs), closes the database and exits 0. Only one process at a
    /// time opens a data folder: a second one exits 1 and says who holds it.
    Serve(Serve),
    /// Add videos and images to a project, in place: nothing is copied, and the files stay as they are.
    ///
    /// Folders are searched through for media files. A project of that name is made if there is none.
    /// A file that cannot be read becomes a media with the state `failed` and a message; a file that is
    /// in the project already is skipped. Exits 1 if a file failed.
    Import(Import),
    /// Write the annotations of a project in another program's format.
    ///
    /// Says first what the format cannot hold. The file is written whole or not at all.
    Export(Export),
    /// Make and look after accounts.
    #[command(subcommand)]
    User(UserTask),
    /// Let S3 clients in.
    #[command(subcommand)]
    S3(S3Task),
    /// Say how much of the station's disk each bucket, project and organization holds, and limit it.
    ///
    /// Quotas are there for the disk of the station. What takes none of it is not counted: files in place, and what a
    /// project keeps in a bucket of another store (limit that there).
    #[command(subcommand)]
    Quota(QuotaTask),
    /// Tell everybody who uses the station something, until it expires or they have put it away.
    Announce(Announce),
    /// Print every setting as it is in effect, as TOML: what is not a default says whether a file or the environment set it.
    ///
    /// Secrets and passwords in URLs are not shown. A running station keeps the settings that it was started with.
    Settings {
        /// Print one JSON object a line: key, value, source.
        #[arg(long)]
        json: bool,
    },
    /// Become a step of a workflow, within limits; the station calls this inside a sandbox.
    #[command(hide = true)]
    Step(Step),
    /// Print the description of the API (OpenAPI 3, JSON), as GET /schema serves it.
    Openapi,
    /// Check what a station needs, and say what is wrong and what to do.
    ///
    /// Looks at settings, data folder, lock, free disk space, database (SQLite: every page, which takes a
    /// while for large ones), search index (the same rows as the database), frame worker, its FFmpeg
    /// libraries, and what keeps it to its task. Makes nothing where nothing is; an existing database is opened as by any other command,
    /// which brings its schema up to date.
    /// Exits 1 if something does not work; warnings alone exit 0.
    Doctor {
        /// Print one JSON object a line: check, level (ok, warning, failed), message.
        #[arg(long, global = true)]
        json: bool,
        /// Build the search index again from the database before it is compared; with --scrub, also mend what is
        /// damaged from its second copy (objects.copy), and the other way round.
        #[arg(long)]
        repair: bool,
        /// Read everything that is stored and compare it with its fingerprints; damaged objects are named.
        #[arg(long)]
        scrub: bool,
        #[command(subcommand)]
        task: Option<DoctorTask>,
    },
}

#[derive(Debug, Subcommand)]
pub enum DoctorTask {
    /// Prove that the frames of a media are what its frame numbers say.
    ///
    /// Reads its file from end to end and decodes everything, which takes as long as playing it as fast as this machine can:
    /// compares every packet and frame with the index, the order of pictures, every picture where decoding can start when it
    /// does start there, some pictures as they are served, and the hashes that the index remembers.
    /// Exits 1 if something does not fit.
    Frames {
        /// Id of the media.
        media: i64,
    },
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Where people and scripts reach the station; port 0 means any free port [default: the setting
    /// server.listen, which is 127.0.0.1:8080 unless it was changed].
    ///
    /// On a loopback address the station answers to the names of this machine only.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,

    /// Where S3 clients reach the station; port 0 means any free port, `off` no S3 service [default: the
    /// setting storage.s3_listen, which is 127.0.0.1:9000 unless it was changed].
    #[arg(long, value_name = "ADDRESS:PORT")]
    s3_listen: Option<String>,
}

impl Serve {
    /// The settings that the flags override.
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        let listen = self.listen.iter();
        let listen = listen.map(|address| ("server.listen", address.clone()));
        let s3_listen = self.s3_listen.iter();
        let s3_listen = s3_listen.map(|address| ("storage.s3_listen", address.clone()));
        listen.chain(s3_listen).collect()
    }
}

#[derive(Debug, Args)]
pub struct Import {
    /// Files and folders.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The project's name.
    #[arg(long, value_name = "NAME")]
    pub project: String,
    /// A folder of the project; made if there is none of that name.
    #[arg(long, value_name = "NAME")]
    pub section: Option<String>,
    /// Copy the files into the station's own store, so that the originals may go.
    #[arg(long)]
    pub copy: bool,
    /// Leave the chapters of one recording (GX010123.MP4, GX020123.MP4, …) apart, instead of making one media
    /// that shows them one after another.
    #[arg(long)]
    pub no_join: bool,
    /// Where another file has taken the place of one that is annotated: show the new one under those annotations. Without
    /// this, such a file is told of, and what was annotated stays.
    #[arg(long)]
    pub replace: bool,
    /// Print one JSON object a file: path, media (its id), state (ready, failed, skipped, joined), message,
    /// num_frames, done, total.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Export {
    /// The project's name.
    #[arg(long, value_name = "NAME")]
    pub project: String,
    /// The format: coco (instances: boxes and polygons).
    #[arg(long, value_name = "FORMAT", value_parser = ["coco"])]
    pub format: String,
    /// The file to write.
    #[arg(long, value_name = "PATH")]
    pub out: PathBuf,
    /// The attribute whose value is the category of an annotation [default: the name of its type].
    #[arg(long, value_name = "ATTRIBUTE")]
    pub category: Option<String>,
    /// Print the report as one JSON object: path, annotations, images, categories, losses.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Announce {
    /// What to tell, in Markdown: 1 to 2048 characters.
    #[arg(required_unless_present = "withdraw", conflicts_with = "withdraw")]
    pub text: Option<String>,
    /// For how many days.
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub days: i64,
    /// Take back the announcement with this id instead.
    #[arg(long, value_name = "ID")]
    pub withdraw: Option<i64>,
    /// Print the announcement as one line of JSON, as the API shows it.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum UserTask {
    /// Make an account. Makes the data folder too, if it is not there yet.
    ///
    /// The first administrator of a station without organizations gets one of the same name, so that
    /// projects can be made at once.
    Create {
        /// The name to sign in with: 1 to 150 characters; case does not matter when signing in.
        name: String,
        /// The account administers the station.
        #[arg(long)]
        admin: bool,
        /// E-mail address.
        #[arg(long, default_value = "", hide_default_value = true)]
        email: String,
        #[command(flatten)]
        password: PasswordSource,
        /// Print the account as one line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the API token of an account, alone on stdout.
    Token {
        /// The account's name.
        name: String,
    },
    /// Let an account into a project, or change what it may do there.
    Grant {
        /// The account's name.
        name: String,
        /// The project's name.
        #[arg(long, value_name = "NAME")]
        project: String,
        /// What it may do: each level holds those before it. `none` lets it see nothing.
        #[arg(long, value_enum, value_name = "LEVEL")]
        level: Level,
    },
    /// List the accounts: id, name, whether they administer the station, e-mail address, and whether
    /// they may sign in.
    List {
        /// Print one JSON object a line, as the API shows an account, with its status.
        #[arg(long)]
        json: bool,
    },
    /// Set a new password. Signs the account out of every browser; its API token stays.
    Password {
        /// The account's name.
        name: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Keep an account out: its sessions end, its API token does not work. What it made and belongs
    /// to stays.
    Disable {
        /// The account's name.
        name: String,
    },
    /// Let an account in again that was disabled or is locked.
    Enable {
        /// The account's name.
        name: String,
    },
    /// Delete an account for good. What it annotated stays.
    ///
    /// It leaves its projects, organizations and groups; its bookmarks, favorites and picture go.
    /// Refused where it is the only one with Full Control of a project, or the only Admin of an
    /// organization that others use.
    Delete {
        /// The account's name.
        name: String,
    },
    /// Print a link that signs the account in once, within an hour.
    ///
    /// The link leads to the running station. If none runs, it leads to the address in the settings,
    /// and works once a station listens there.
    SignInLink {
        /// The account's name.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum S3Task {
    /// Make, list and remove the keys that S3 clients sign with.
    #[command(subcommand)]
    Key(S3KeyTask),
}

#[derive(Debug, Subcommand)]
pub enum QuotaTask {
    /// List buckets of S3 clients, organizations and projects: what they hold, and how much they may.
    ///
    /// A bucket holds every version and the parts of uploads that are under way; a project, what its media and files
    /// have on the station's disk; an organization, what its projects hold together. Files in place, and what is in buckets of other stores, are not counted.
    List {
        /// Print one JSON object a line: kind (bucket, organization, project), name, used_bytes, quota_bytes.
        #[arg(long)]
        json: bool,
    },
    /// Set how much a bucket, a project or an organization may hold. What would be more is refused with status 507, QuotaExceeded.
    #[command(group = clap::ArgGroup::new("whose").required(true))]
    Set {
        /// A bucket of S3 clients, by name.
        #[arg(long, value_name = "NAME", group = "whose")]
        bucket: Option<String>,
        /// A project, by name.
        #[arg(long, value_name = "NAME", group = "whose")]
        project: Option<String>,
        /// An organization, by name: what its projects may hold together.
        #[arg(long, value_name = "NAME", group = "whose")]
        organization: Option<String>,
        /// Bytes, or with a unit: 500MB, 10GiB, 1.5TiB; `none` lifts the quota.
        #[arg(value_name = "SIZE", value_parser = size)]
        size: Size,
    },
}

/// A length in bytes, or no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub Option<u64>);

fn size(text: &str) -> Result<Size, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Size(None));
    }
    let read = text.parse::<ByteSize>();
    let size =
        read.map_err(|_| "write a number, such as 500MB, 10GiB or 1.5TiB, or none".to_owned());
    Ok(Size(Some(size?.as_u64())))
}

#[derive(Debug, Subcommand)]
pub enum S3KeyTask {
    /// Make a key, and print it as one line of JSON: access_key, secret_key, endpoint.
    ///
    /// The secret is shown this once. Buckets that the key makes belong to its account.
    Create {
        /// The account's name [default: the first administrator].
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// The only bucket that the key reaches, by name.
        #[arg(long, value_name = "NAME")]
        bucket: Option<String>,
        /// The key changes nothing.
        #[arg(long)]
        read_only: bool,
    },
    /// List the keys: name, account, bucket, and whether they change nothing.
    List {
        /// Print one JSON object a line: access_key, user, user_id, bucket, read_only, created_datetime.
        #[arg(long)]
        json: bool,
    },
    /// Remove a key: what it signs is refused from now on.
    Remove {
        /// The key's name.
        access_key: String,
    },
}

/// Levels of membership, lowest first.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Level {
    None,
    View,
    Edit,
    Transfer,
    Execute,
    Full,
}

impl From<Level> for transect::project::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::None => Self::None,
            Level::View => Self::View,
            Level::Edit => Self::Edit,
            Level::Transfer => Self::Transfer,
            Level::Execute => Self::Execute,
            Level::Full => Self::Full,
        }
    }
}

#[derive(Debug, Args)]
pub struct PasswordSource {
    /// Read the password from the first line of standard input; on a terminal it asks, and shows nothing. Required: a password on the command
    /// line could be read by other users of this machine.
    #[arg(long, required = true)]
    password_stdin: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("0", 0),
            ("1500", 1500),
            ("1.5KiB", 1536),
            ("2 GB", 2_000_000_000),
        ] {
            assert_eq!(size(text), Ok(Size(Some(bytes))));
        }
        assert_eq!(size("none"), Ok(Size(None)));
        for text in ["", "ten", "1 XB", "1.2.3", "-1"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}

/// How a step is run: the command comes after `--`.
#[derive(Debug, Args)]
pub struct Step {
    /// Open this port on loopback and pass it on to the socket.
    #[arg(long, requires = "socket")]
    pub port: Option<u16>,
    /// Where the station listens.
    #[arg(long)]
    pub socket: Option<PathBuf>,
    /// How to call this program again, word by word.
    #[arg(long)]
    pub itself: Vec<String>,
    /// Memory of each process, in bytes.
    #[arg(long)]
    pub memory_bytes: Option<u64>,
    /// The largest file, in bytes.
    #[arg(long)]
    pub file_bytes: Option<u64>,
    /// Processor time of each process, in seconds.
    #[arg(long)]
    pub cpu_secs: Option<u64>,
    /// Processes and threads.
    #[arg(long)]
    pub processes: Option<u64>,
    /// Open files of each process.
    #[arg(long)]
    pub open_files: Option<u64>,
    /// What to run.
    #[arg(last = true)]
    pub command: Vec<String>,
}
