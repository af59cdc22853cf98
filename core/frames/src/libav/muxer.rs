//! MP4 in memory.

use super::container::{Container, Track};
use super::{Encoder, Frame, Packet, Result};

/// Encodes pictures one after the other and returns the MP4 file. `next` gives the pictures, all of one size and format.
pub fn mux_mp4<E: From<super::Error>>(
    mut encoder: Encoder,
    mut next: impl FnMut() -> std::result::Result<Option<Frame>, E>,
) -> std::result::Result<Vec<u8>, E> {
    let mut output = Container::in_memory("mp4")?;
    output.add_stream(Track::new(&encoder.parameters()?, encoder.time_base()))?;
    output.begin(&[])?;
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
    output.end()?;
    Ok(output.take()?)
}

fn write(encoder: &mut Encoder, output: &mut Container, packet: &mut Packet) -> Result<()> {
    while encoder.receive(packet)? {
        packet.set_duration(1);
        output.interleave(packet, 0, encoder.time_base())?;
    }
    Ok(())
}
