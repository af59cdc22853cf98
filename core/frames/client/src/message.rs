//! What client and worker say to each other over the worker's stdin and stdout.
//!
//! A message is the header's size (`u32`) and the body's (`u32`), both little-endian, then a JSON header and a binary body.

use std::io::{self, Read};
use std::ops::Range;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::{
    ComposeRequest, ConfigurationChange, Image, ImageRequest, Inspection, PictureRequest, Probe,
    Produced, Proof, TranscodeRequest, WorkerError,
};

const HEADER_LIMIT_BYTES: u32 = 64 << 20;
const BODY_LIMIT_BYTES: u32 = 2 << 30;

/// Client to worker.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client, never reused; answers carry it.
    pub id: u64,
    /// What to do.
    pub task: Task,
}

/// What a worker can do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Make or check the index file.
    Index {
        /// The media file.
        source: PathBuf,
        /// Where the index goes.
        index_file: PathBuf,
    },
    /// Encode one frame.
    Picture(PictureRequest),
    /// Encode several frames as one picture.
    Compose(ComposeRequest),
    /// Read coded packets.
    Packets {
        /// The media file.
        source: PathBuf,
        /// Its index file.
        index_file: PathBuf,
        /// First display ordinal.
        first: u64,
        /// Last display ordinal, included.
        last: u64,
    },
    /// Make files from a source; for a process of its own.
    Transcode(TranscodeRequest),
    /// Look at a file's headers; for a process of its own.
    Probe {
        /// The media file.
        source: PathBuf,
    },
    /// Make a picture file that browsers show; for a process of its own.
    ConvertImage(ImageRequest),
    /// Compare an index with all that a source shows; for a process of its own.
    Prove {
        /// The media file.
        source: PathBuf,
        /// Its index file.
        index_file: PathBuf,
    },
    /// Look at the random access points that only the container vouches for; for a process of its own.
    Inspect {
        /// The media file.
        source: PathBuf,
        /// Its index file, which is written anew.
        index_file: PathBuf,
        /// For so long; what remains is for the next time.
        budget_ms: u64,
    },
    /// Withdraw the request of this `id` if it has not begun; it is then answered with `Withdrawn`.
    Cancel,
    /// What came of what the worker wanted; belongs to no request, and is not answered.
    Supplied(Supplied),
}

/// What came of the bytes that a worker wanted.
#[derive(Debug, Serialize, Deserialize)]
pub struct Supplied {
    /// The number that the worker gave.
    pub number: u64,
    /// Ranges of the file that are there now.
    pub there: Vec<Range<u64>>,
    /// Why what was wanted does not come.
    pub failure: Option<String>,
}

/// Bytes that a worker needs before it can go on.
#[derive(Debug, Serialize, Deserialize)]
pub struct Wants {
    /// Chosen by the worker; the answer carries it.
    pub number: u64,
    /// A file of the folder of those that are not whole.
    pub file: PathBuf,
    /// The bytes.
    pub ranges: Vec<Range<u64>>,
}

/// Requests of one lane are done in order; lanes run side by side, so that a long scan does not hold up pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Index building, and what has the process for itself.
    Index,
    /// Everything else.
    Picture,
}

impl Task {
    /// The lane this task runs in.
    pub fn lane(&self) -> Lane {
        match self {
            Task::Index { .. }
            | Task::Transcode(_)
            | Task::Probe { .. }
            | Task::Prove { .. }
            | Task::Inspect { .. }
            | Task::ConvertImage(_) => Lane::Index,
            Task::Picture(_)
            | Task::Compose(_)
            | Task::Packets { .. }
            | Task::Cancel
            | Task::Supplied(_) => Lane::Picture,
        }
    }
}

/// Worker to client.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reply {
    /// The request.
    pub id: u64,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Still at work; not the last answer.
    Progress,
    /// Still at work, and this far; not the last answer.
    Advanced {
        /// Frames that have gone into all outputs.
        frames_done: u64,
        /// Frames asked for.
        frames_total: u64,
    },
    /// Waits for these bytes; belongs to no request.
    Wants(Wants),
    /// The index file is in place.
    Indexed,
    /// The body is the encoded picture.
    Picture {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The body holds the packets' payloads one after the other.
    Packets(PacketTable),
    /// The files are in place, in the order of the outputs.
    Transcoded(Vec<Produced>),
    /// What the headers say.
    Probed(Probe),
    /// The picture file is in place.
    Converted(Image),
    /// What a second look says.
    Proven(Proof),
    /// So many random access points were looked at, and stand in the index file.
    Inspected(Inspection),
    /// It was withdrawn before it began.
    Withdrawn,
    /// It did not work.
    Failed(WorkerError),
}

/// Header of a packets answer.
#[derive(Debug, Serialize, Deserialize)]
pub struct PacketTable {
    /// Codec for WebCodecs.
    pub codec_string: Option<String>,
    /// Codec as libav names it.
    pub codec: String,
    /// Width in pixels.
    pub coded_width: u32,
    /// Height in pixels.
    pub coded_height: u32,
    /// Decoder configuration record.
    pub description: Option<Vec<u8>>,
    /// Where among the packets another configuration begins.
    pub changes: Vec<ConfigurationChange>,
    /// Per packet: display ordinal or −1, random access, payload bytes.
    pub packets: Vec<(i64, bool, u32)>,
}

/// Puts a message into bytes.
///
/// Errors: `InvalidInput` if it is too large, or holds a path that is not UTF-8.
pub fn encode(header: &impl Serialize, body: &[u8]) -> io::Result<Vec<u8>> {
    let header = serde_json::to_vec(header)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let size = |length: usize, limit: u32| {
        u32::try_from(length)
            .ok()
            .filter(|&size| size <= limit)
            .ok_or(io::ErrorKind::InvalidInput)
    };
    let mut message = Vec::with_capacity(8 + header.len() + body.len());
    message.extend(size(header.len(), HEADER_LIMIT_BYTES)?.to_le_bytes());
    message.extend(size(body.len(), BODY_LIMIT_BYTES)?.to_le_bytes());
    message.extend(header);
    message.extend(body);
    Ok(message)
}

/// Reads a message; none at the end of the stream.
///
/// Errors: those of the stream, and `InvalidData`.
pub fn read<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<Option<(T, Vec<u8>)>> {
    let mut sizes = [0; 8];
    if let Err(error) = stream.read_exact(&mut sizes) {
        return if error.kind() == io::ErrorKind::UnexpectedEof {
            Ok(None)
        } else {
            Err(error)
        };
    }
    let (header_size, body_size) = split(sizes)?;
    let mut header = vec![0; header_size];
    stream.read_exact(&mut header)?;
    let mut body = vec![0; body_size];
    stream.read_exact(&mut body)?;
    Ok(Some((serde_json::from_slice(&header)?, body)))
}

/// Reads a message; none at the end of the stream. Not cancel-safe.
///
/// Errors: those of the stream, and `InvalidData`.
pub async fn read_async<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<(T, Vec<u8>)>> {
    let mut sizes = [0; 8];
    if let Err(error) = stream.read_exact(&mut sizes).await {
        return if error.kind() == io::ErrorKind::UnexpectedEof {
            Ok(None)
        } else {
            Err(error)
        };
    }
    let (header_size, body_size) = split(sizes)?;
    let mut header = vec![0; header_size];
    stream.read_exact(&mut header).await?;
    let mut body = vec![0; body_size];
    stream.read_exact(&mut body).await?;
    Ok(Some((serde_json::from_slice(&header)?, body)))
}

fn split(sizes: [u8; 8]) -> io::Result<(usize, usize)> {
    let [a, b, c, d, e, f, g, h] = sizes;
    let (header, body) = (
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    );
    if header > HEADER_LIMIT_BYTES || body > BODY_LIMIT_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "message too large",
        ));
    }
    Ok((header as usize, body as usize))
}
