//! What a second look at a source says of its index.

use serde::{Deserialize, Serialize};

/// How far the random access points of an index were looked at in the coded bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// Looked at this time.
    pub looked_at: u64,
    /// Of these, packets where decoding cannot start although the container says so.
    pub refuted: u64,
    /// Still the container's word.
    pub left: u64,
}

/// What came of reading and decoding a whole source again, and comparing it with its index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Fingerprint of the index.
    pub fingerprint: String,
    /// Container as libav names it.
    pub container: String,
    /// Codec as libav names it.
    pub codec: String,
    /// Coded packets.
    pub packets: u64,
    /// Shown pictures.
    pub frames: u64,
    /// Packets where decoding can start.
    pub key_frames: u64,
    /// Of these, how many only the container vouches for; they are looked at in idle time, or when decoding starts there.
    #[serde(default)]
    pub unverified: u64,
    /// Packets that an edit list hides, or that show nothing by themselves.
    pub hidden: u64,
    /// Packets that should show something but do not.
    pub damaged: u64,
    /// Frames whose time stamp was made up.
    pub synthetic: u64,
    /// Packets where decoding can start although the index does not say so.
    pub unlisted: u64,
    /// Pictures that came out the same, to the bit, when decoding began right there and when it came from the beginning.
    pub random_access: u64,
    /// Check hashes of the index that were found again.
    pub hashes: u64,
    /// Lower-case hex BLAKE3 over the hashes of all random access pictures: equal wherever the same pictures are seen.
    pub digest: String,
    /// What does not fit, in words; the first of many.
    pub mismatches: Vec<String>,
    /// How much does not fit.
    pub mismatch_count: u64,
}

impl Proof {
    /// Mismatches that are put into words.
    const TOLD: usize = 50;

    /// Notes what does not fit.
    pub fn mismatch(&mut self, what: impl FnOnce() -> String) {
        self.mismatch_count += 1;
        if self.mismatches.len() < Self::TOLD {
            self.mismatches.push(what());
        }
    }
}
