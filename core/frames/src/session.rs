//! A decoder that stays open, and where in the stream it is.

use transect_frame_client::{Flags, FrameIndex};

use crate::libav::{Decoder, Frame, Guard, Packet, Parameters, Threads};
use crate::reader::Reader;

/// How to get to a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Travel {
    /// Decode only what the picture needs, and stop.
    Jump,
    /// Decode every picture on the way and stay ready for the next one.
    Walk,
}

/// How decoding ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// The wanted picture came out.
    Wanted,
    /// It did not.
    Nothing,
    /// Told to stop before; the next walk goes on from here.
    Stopped,
}

/// The packet that a decoded picture comes from, and the frame that it is; none for what is not to be shown.
pub fn shown(picture: &Frame, index: &FrameIndex) -> Option<(usize, usize)> {
    let packet = picture.label().filter(|&at| at < index.packet_count())?;
    Some((packet, index.tables.shown_by(packet)?))
}

/// A decoder and its place in the stream.
pub struct Session {
    decoder: Decoder,
    packet: Packet,
    /// The packet to feed next, while everything since the last start was fed; none if the decoder has to start anew.
    next: Option<usize>,
    /// Where the decoder started.
    start: usize,
    /// The last frame that came out since.
    shown: Option<usize>,
}

impl Session {
    /// Errors: the decoder does not open.
    pub fn open(parameters: &Parameters) -> Result<Self, String> {
        // Every start is a random access point that precedes the wanted picture in both orders.
        let decoder = Decoder::open(parameters, Guard::Show, Threads::One)
            .map_err(|error| error.to_string())?;
        let packet = Packet::new().map_err(|error| error.to_string())?;
        Ok(Session {
            decoder,
            packet,
            next: None,
            start: 0,
            shown: None,
        })
    }

    /// Decodes until frame `wanted` comes out, and hands it and every other exact picture that comes out to `keep` with its
    /// ordinal. `start` is the random access point of the frame.
    ///
    /// `stop` is asked before each packet. Errors: the file cannot be read.
    pub fn decode(
        &mut self,
        index: &FrameIndex,
        reader: &mut Reader,
        (wanted, start): (usize, usize),
        travel: Travel,
        stop: &dyn Fn() -> bool,
        keep: &mut dyn FnMut(usize, Frame),
    ) -> Result<Reached, String> {
        let target = index.frame(wanted).packet as usize;
        let end = index.packets_end(wanted);
        let goes_on = self
            .next
            .is_some_and(|next| next > start && self.start <= start && travel == Travel::Walk)
            && self.shown.is_none_or(|shown| shown < wanted);
        if !goes_on {
            self.decoder.reset();
            self.next = Some(start);
            self.start = start;
            self.shown = None;
        }
        let mut found = false;
        let mut next = self.next.take().unwrap_or(start);
        // Walking, the decoder holds pictures back for as long as the stream asks for.
        let last = match travel {
            Travel::Jump => end,
            Travel::Walk => {
                (end + usize::from(index.decoder.reorder) + 2).min(index.packet_count())
            }
        };
        // A decoder that is set up anew may drop what it holds back.
        let last = last.min(index.change_after(target).max(end));
        // Without time stamps in the file, the packets say nothing about who refers to whom.
        let skips = travel == Travel::Jump && !index.frame(wanted).flags.contains(Flags::SYNTHETIC);
        while next < last && !(found && travel == Travel::Walk) {
            if stop() {
                self.next = Some(next).filter(|_| travel == Travel::Walk);
                return Ok(Reached::Stopped);
            }
            self.decoder.skip_unreferenced(skips && next < target);
            reader.read(next, &mut self.packet)?;
            // A packet that does not decode shows nothing; the wanted picture is missed below.
            let _ = self.decoder.send(&self.packet);
            next += 1;
            found |= self.collect(index, wanted, keep);
        }
        if travel == Travel::Walk && found {
            self.next = Some(next);
            return Ok(Reached::Wanted);
        }
        let _ = self.decoder.finish();
        found |= self.collect(index, wanted, keep);
        Ok(if found {
            Reached::Wanted
        } else {
            Reached::Nothing
        })
    }

    /// Takes out all pictures. Those that display before the start may lack references and are thrown away.
    fn collect(
        &mut self,
        index: &FrameIndex,
        wanted: usize,
        keep: &mut dyn FnMut(usize, Frame),
    ) -> bool {
        let mut found = false;
        loop {
            match self.decoder.receive() {
                Ok(Some(picture)) => {
                    let Some((at, frame)) = shown(&picture, index) else {
                        continue;
                    };
                    self.shown = self.shown.max(Some(frame));
                    if index.packet_pts(at) >= index.packet_pts(self.start) || self.start == 0 {
                        found |= frame == wanted;
                        keep(frame, picture);
                    }
                }
                Ok(None) => return found,
                Err(_) => {}
            }
        }
    }
}
