//! MP4 in fragments that each stand for themselves.

use transect_frame_client::Fraction;

use super::container::{Container, Track};
use super::{Packet, Result};
use crate::boxes::with_edit_list;

/// Fragments end where the caller says.
const FLAGS: &str = "frag_custom+empty_moov+default_base_moof+skip_trailer+frag_discont";

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
    lead: i64,
}

impl Fragments {
    /// Returns what writes fragments from number `first` (the first one is 1), and the file's beginning.
    ///
    /// No picture is decoded before zero, so all are shown later than they should be, by `lead` ticks. The beginning of the
    /// file tells players to leave that out.
    ///
    /// Errors: MP4 does not take the codec.
    pub fn open(track: Track, lead: i64, comment: &str, first: u64) -> Result<(Self, Vec<u8>)> {
        let mut container = Container::in_memory("mp4")?;
        container.add_stream(track)?;
        container.keep_times();
        container.set_comment(comment)?;
        let number = first.to_string();
        container.begin(&[
            ("movflags", FLAGS),
            // The first packet's presentation time is where the file goes on.
            ("use_editlist", "1"),
            ("fragment_index", &number),
        ])?;
        let beginning = container.take()?;
        let scale = track.ticks.as_f64() / container.time_base(0).as_f64();
        let beginning = with_edit_list(beginning, (lead as f64 * scale).round() as i64);
        Ok((
            Fragments {
                container,
                ticks: track.ticks,
                lead,
            },
            beginning,
        ))
    }

    /// Returns a `moof` and `mdat` of packets in decode order. Their decoding times rise, over all fragments, and come before
    /// the presentation times or at most the lead after them.
    pub fn fragment(
        &mut self,
        packets: impl IntoIterator<Item = (Packet, Times)>,
    ) -> Result<Vec<u8>> {
        for (mut packet, times) in packets {
            packet.set_times(Times {
                dts: times.dts - self.lead,
                ..times
            });
            self.container.write(&mut packet, 0, self.ticks)?;
        }
        self.container.flush()?;
        self.container.take()
    }
}
