/** One coded packet. `frame` is the ordinal of the picture in order of display, -1 when it is not shown. */
export interface Packet {
  frame: number;
  key: boolean;
  data: Uint8Array;
}

export interface CodecConfig {
  codec: string;
  codedWidth: number;
  codedHeight: number;
  description?: Uint8Array;
  /** How colours are coded, where the file does not say it within the packets. */
  colorSpace?: VideoColorSpaceInit;
}

/** Packets in the order of decoding, beginning with one that can be decoded on its own. */
export interface PacketRun {
  config: CodecConfig;
  packets: Packet[];
}

interface Header {
  config: { codec: string; codedWidth: number; codedHeight: number; description: string | null; colorSpace?: VideoColorSpaceInit };
  packets: { frame: number; key: boolean; size: number }[];
}

/**
 * Reads an answer of the frame service: a little-endian u32 with the length of the header, the header as JSON,
 * then the bytes of the packets one after another. Errors: when the lengths do not add up.
 */
export function parsePackets(buffer: ArrayBuffer): PacketRun {
  if (buffer.byteLength < 4) throw new Error('the packets are cut short');
  const length = new DataView(buffer).getUint32(0, true);
  if (4 + length > buffer.byteLength) throw new Error('the table of packets is cut short');
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))) as Header;

  let offset = 4 + length;
  const packets = header.packets.map(({ frame, key, size }) => {
    if (offset + size > buffer.byteLength) throw new Error('the packets are cut short');
    const data = new Uint8Array(buffer, offset, size);
    offset += size;
    return { frame, key, data };
  });
  const { codec, codedWidth, codedHeight, description, colorSpace } = header.config;
  const config: CodecConfig = { codec, codedWidth, codedHeight };
  if (colorSpace) config.colorSpace = colorSpace;
  if (description) config.description = Uint8Array.from(atob(description), (letter) => letter.charCodeAt(0));
  return { config, packets };
}
