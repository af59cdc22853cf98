//! A coded packet.
#![expect(unsafe_code, reason = "calls into libavcodec")]

use ffmpeg_next::ffi;

use super::{Result, Times, check, no_memory};

/// A coded packet; reused from read to read.
pub struct Packet(pub(super) *mut ffi::AVPacket);

// libav ties a packet to no thread, and counts the owners of its payload atomically.
unsafe impl Send for Packet {}

impl Packet {
    pub fn new() -> Result<Self> {
        let packet = unsafe { ffi::av_packet_alloc() };
        if packet.is_null() {
            Err(no_memory("make a packet"))
        } else {
            Ok(Packet(packet))
        }
    }

    /// Replaces the payload with `size` bytes, written by `fill`.
    pub fn fill<E: From<super::Error>>(
        &mut self,
        size: u32,
        fill: impl FnOnce(&mut [u8]) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        unsafe {
            ffi::av_packet_unref(self.0);
            check(
                "make a packet",
                ffi::av_new_packet(self.0, i32::try_from(size).unwrap_or(i32::MAX)),
            )?;
            fill(std::slice::from_raw_parts_mut(
                (*self.0).data,
                size as usize,
            ))
        }
    }

    pub fn bytes(&self) -> &[u8] {
        unsafe {
            if (*self.0).data.is_null() || (*self.0).size <= 0 {
                return &[];
            }
            std::slice::from_raw_parts((*self.0).data, (*self.0).size as usize)
        }
    }

    /// Lets the packet carry an ordinal through the decoder in place of its time stamp, and marks random access.
    pub fn label(&mut self, ordinal: usize, key: bool) {
        unsafe {
            (*self.0).pts = ordinal as i64;
            (*self.0).dts = ffi::AV_NOPTS_VALUE;
            (*self.0).flags = if key { ffi::AV_PKT_FLAG_KEY } else { 0 };
        }
    }

    /// The picture's label, in a packet that an encoder has made.
    pub fn labelled(&self) -> Option<usize> {
        usize::try_from(unsafe { (*self.0).pts }).ok()
    }

    /// Takes the payload and everything else out, and leaves an empty packet.
    pub fn take(&mut self) -> Result<Packet> {
        let taken = Packet::new()?;
        unsafe { ffi::av_packet_move_ref(taken.0, self.0) };
        Ok(taken)
    }

    pub fn set_times(&mut self, times: Times) {
        unsafe {
            (*self.0).pts = times.pts;
            (*self.0).dts = times.dts;
            (*self.0).duration = times.duration;
        }
    }

    pub fn set_duration(&mut self, ticks: i64) {
        unsafe { (*self.0).duration = ticks }
    }

    /// Moves the packet on in time.
    pub fn shift(&mut self, ticks: i64) {
        unsafe {
            for stamp in [&mut (*self.0).pts, &mut (*self.0).dts] {
                if *stamp != ffi::AV_NOPTS_VALUE {
                    *stamp += ticks;
                }
            }
        }
    }

    /// The stream of the file that it comes from.
    pub fn stream(&self) -> usize {
        unsafe { (*self.0).stream_index.max(0) as usize }
    }

    pub fn position(&self) -> Option<u64> {
        u64::try_from(unsafe { (*self.0).pos }).ok()
    }

    pub fn pts(&self) -> Option<i64> {
        Some(unsafe { (*self.0).pts }).filter(|&pts| pts != ffi::AV_NOPTS_VALUE)
    }

    pub fn dts(&self) -> Option<i64> {
        Some(unsafe { (*self.0).dts }).filter(|&dts| dts != ffi::AV_NOPTS_VALUE)
    }

    pub fn duration(&self) -> i64 {
        unsafe { (*self.0).duration }
    }

    pub fn key(&self) -> bool {
        unsafe { (*self.0).flags & ffi::AV_PKT_FLAG_KEY != 0 }
    }

    pub fn corrupt(&self) -> bool {
        unsafe { (*self.0).flags & ffi::AV_PKT_FLAG_CORRUPT != 0 }
    }

    /// True if an edit list hides the picture.
    pub fn edited_out(&self) -> bool {
        unsafe { (*self.0).flags & ffi::AV_PKT_FLAG_DISCARD != 0 }
    }

    /// The codec headers that the container states anew with this packet.
    pub fn headers(&self) -> Option<&[u8]> {
        let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_NEW_EXTRADATA;
        let mut size = 0;
        unsafe {
            let data = ffi::av_packet_get_side_data(self.0, kind, &mut size);
            (!data.is_null() && size > 0).then(|| std::slice::from_raw_parts(data, size))
        }
    }

    /// Lets a decoder read these codec headers before the packet, in the place of those that came with it.
    pub fn set_headers(&mut self, headers: Option<&[u8]>) -> Result<()> {
        let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_NEW_EXTRADATA;
        unsafe {
            ffi::av_packet_free_side_data(self.0);
            if let Some(headers) = headers {
                let data = ffi::av_packet_new_side_data(self.0, kind, headers.len() as _);
                if data.is_null() {
                    return Err(no_memory("copy codec headers"));
                }
                std::ptr::copy_nonoverlapping(headers.as_ptr(), data, headers.len());
            }
        }
        Ok(())
    }

    /// True if the container changes with this packet what a decoder needs beside headers.
    pub fn reconfigures(&self) -> bool {
        use ffi::AVPacketSideDataType::{AV_PKT_DATA_PALETTE, AV_PKT_DATA_PARAM_CHANGE};
        let kinds = [AV_PKT_DATA_PALETTE, AV_PKT_DATA_PARAM_CHANGE];
        kinds.into_iter().any(|kind| unsafe {
            !ffi::av_packet_get_side_data(self.0, kind, std::ptr::null_mut()).is_null()
        })
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        unsafe { ffi::av_packet_free(&mut self.0) }
    }
}
