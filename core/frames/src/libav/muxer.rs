//! MP4 in memory.
#![expect(unsafe_code, reason = "calls into libavformat")]

use std::ptr;

use ffmpeg_next::ffi;

use super::{Encoder, Frame, Packet, Result, check, no_memory};

/// Owns the container being written and its buffer.
struct Output(*mut ffi::AVFormatContext);

impl Output {
    fn finish(&mut self) -> Vec<u8> {
        unsafe {
            let mut buffer = ptr::null_mut();
            let size = ffi::avio_close_dyn_buf((*self.0).pb, &mut buffer);
            (*self.0).pb = ptr::null_mut();
            let bytes = std::slice::from_raw_parts(buffer, size.max(0) as usize).to_vec();
            ffi::av_free(buffer.cast());
            bytes
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        unsafe {
            if !(*self.0).pb.is_null() {
                self.finish();
            }
            ffi::avformat_free_context(self.0);
        }
    }
}

/// Encodes pictures one after the other and returns the MP4 file. `next` gives the pictures, all of one size and format.
pub fn mux_mp4<E: From<super::Error>>(
    mut encoder: Encoder,
    mut next: impl FnMut() -> std::result::Result<Option<Frame>, E>,
) -> std::result::Result<Vec<u8>, E> {
    let mut output = open(&encoder)?;
    let mut packet = Packet::new()?;
    let mut ordinal = 0;
    while let Some(mut frame) = next()? {
        frame.set_label(ordinal);
        ordinal += 1;
        encoder.send(Some(&frame))?;
        write(&mut encoder, &mut output, &mut packet)?;
    }
    encoder.send(None)?;
    write(&mut encoder, &mut output, &mut packet)?;
    check("end the MP4 file", unsafe {
        ffi::av_write_trailer(output.0)
    })?;
    Ok(output.finish())
}

fn open(encoder: &Encoder) -> Result<Output> {
    unsafe {
        let mut context = ptr::null_mut();
        let name = c"mp4".as_ptr();
        check(
            "open an MP4 file",
            ffi::avformat_alloc_output_context2(&mut context, ptr::null(), name, ptr::null()),
        )?;
        let output = Output(context);
        let stream = ffi::avformat_new_stream(context, ptr::null());
        if stream.is_null() {
            return Err(no_memory("open an MP4 file"));
        }
        check(
            "open an MP4 file",
            ffi::avcodec_parameters_from_context((*stream).codecpar, encoder.context),
        )?;
        (*stream).time_base = (*encoder.context).time_base;
        (*stream).avg_frame_rate = (*encoder.context).framerate;
        check(
            "open an MP4 file",
            ffi::avio_open_dyn_buf(&mut (*context).pb),
        )?;
        check(
            "begin the MP4 file",
            ffi::avformat_write_header(context, ptr::null_mut()),
        )?;
        Ok(output)
    }
}

fn write(encoder: &mut Encoder, output: &mut Output, packet: &mut Packet) -> Result<()> {
    while encoder.receive(packet)? {
        unsafe {
            let stream = *(*output.0).streams;
            (*packet.0).stream_index = 0;
            (*packet.0).duration = 1;
            ffi::av_packet_rescale_ts(packet.0, (*encoder.context).time_base, (*stream).time_base);
            check(
                "write the MP4 file",
                ffi::av_interleaved_write_frame(output.0, packet.0),
            )?;
        }
    }
    Ok(())
}
