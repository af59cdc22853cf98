//! Frame index and client of the frame workers.
//!
//! "Frame n" names the n-th picture of a source file that a normal decode shows, in display order, counted from zero.
//! A [`FrameIndex`] says which coded packet that is, so every part of the program agrees on it; the frame rate is never used
//! to find a picture.
//!
//! Decoding happens in child processes ([`Workers`] starts the `transect-frames` binary), because a hostile or broken file
//! may crash a decoder. A crash costs the requests that worker held, never the station. This package does not link FFmpeg.

mod columns;
mod error;
mod file;
mod index;
pub mod message;
mod packed;
mod process;
mod proof;
mod quarantine;
mod reach;
mod request;
mod sandbox;
mod segments;
mod solo;
mod stamp;
mod supply;
mod tables;
mod transcode;
mod workers;

pub use error::{IndexError, WorkerError};
pub use index::{
    Access, Change, Check, DecoderSetup, Flags, Fraction, Frame, FrameIndex, Kind, Packet,
};
pub use proof::{Inspection, Proof};
pub use request::{
    CodedPacket, ComposeRequest, ConfigurationChange, Format, Layout, Packets, Picture,
    PictureRequest, Roi, Size,
};
pub use sandbox::{Sandbox, sandbox};
pub use segments::{Segment, SegmentFile, SegmentIndex};
pub use stamp::{stamp, stamp_of, stamp_ranges};
pub use supply::{Supplied, Supply};
pub use tables::Tables;
pub use transcode::{
    AudioProbe, Image, ImageFormat, ImageRequest, Output, Probe, Produced, Progress, Sprite,
    Stretch, TranscodeRequest, VideoCodec, VideoProbe,
};
pub use workers::{Options, Workers};
