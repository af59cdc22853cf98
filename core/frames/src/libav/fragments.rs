//! MP4 in fragments that each stand for themselves.

use transect_frame_client::Fraction;

use super::container::Container;
use super::{Packet, Parameters, Result};

/// Fragments end where the caller says; decoding times need no edit list, because they may come after the presentation.
const FLAGS: &str =
    "frag_custom+empty_moov+default_base_moof+negative_cts_offsets+skip_trailer+frag_discont";

/// When a packet is decoded and shown, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    pub pts: i64,
    pub dts: i64,
    pub duration: i64,
}

/// Writes a video stream as MP4 fragments. What a fragment holds depends on nothing but its packets and its number, so that
/// a file can be continued.
pub struct Fragments {
    container: Container,
    ticks: Fraction,
}

impl Fragments {
    /// Returns what writes fragments from number `first` (the first one is 1), and the file's beginning. Time stamps will be
    /// in ticks of `ticks` seconds.
    ///
    /// Errors: MP4 does not take the codec.
    pub fn open(
        parameters: &Parameters,
        ticks: Fraction,
        comment: &str,
        first: u64,
    ) -> Result<(Self, Vec<u8>)> {
        let mut container = Container::in_memory("mp4")?;
        container.add_stream(parameters, ticks, parameters.mp4_tag())?;
        container.keep_times();
        container.set_comment(comment)?;
        let number = first.to_string();
        container.begin(&[
            ("movflags", FLAGS),
            ("use_editlist", "0"),
            ("fragment_index", &number),
        ])?;
        let beginning = container.take()?;
        Ok((Fragments { container, ticks }, beginning))
    }

    /// Returns a `moof` and `mdat` of packets in decode order. Their decoding times rise, over all fragments, and are the
    /// same distance from the presentation time at the beginning of each.
    pub fn fragment(
        &mut self,
        packets: impl IntoIterator<Item = (Packet, Times)>,
    ) -> Result<Vec<u8>> {
        for (mut packet, times) in packets {
            packet.set_times(times);
            self.container.write(&mut packet, 0, self.ticks)?;
        }
        self.container.flush()?;
        self.container.take()
    }
}
