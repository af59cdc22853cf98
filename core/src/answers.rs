//! Long answers that were given lately, kept in memory to be given again.
//!
//! An answer holds as long as the journal has no new entry of its project: every mutation writes one
//! in its own transaction. So it is as fresh as the rows themselves, and losing all of them costs
//! time only. The oldest go first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::database::Tx;
use crate::error::Result;
use crate::journal;

/// Answers below this size are made again as fast.
const LEAST_BYTES: usize = 256 << 10;
/// No answer takes more than this part of the memory.
const LARGEST_PART: usize = 4;

/// What a question is known by.
pub type Key = [u8; 32];

/// Answers by their questions.
pub struct Answers {
    memory_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    bytes: usize,
    uses: u64,
    answers: HashMap<Key, Answer>,
}

struct Answer {
    /// The newest entry of the journal when it was right.
    seq: i64,
    batches: Arc<[Bytes]>,
    bytes: usize,
    used: u64,
}

/// The key of a question, from everything that makes its answer.
pub fn key(question: &impl std::fmt::Debug) -> Key {
    *blake3::hash(format!("{question:?}").as_bytes()).as_bytes()
}

impl Answers {
    /// Keeps at most so many bytes.
    pub fn new(memory_bytes: usize) -> Self {
        Self {
            memory_bytes,
            kept: Mutex::default(),
        }
    }

    /// Whether there may be an answer.
    pub fn knows(&self, key: &Key) -> bool {
        self.kept().answers.contains_key(key)
    }

    /// The answer to a question about a project, if it still holds in this snapshot.
    pub async fn find(&self, tx: &mut Tx, project: i64, key: &Key) -> Result<Option<Arc<[Bytes]>>> {
        let Some((seq, batches)) = self.take(key) else {
            return Ok(None);
        };
        let head = journal::unchanged(tx, project, seq).await?;
        let mut kept = self.kept();
        match (head, kept.answers.get_mut(key)) {
            (Some(head), Some(answer)) if answer.seq <= head => answer.seq = head,
            (Some(_), _) => {}
            (None, _) => {
                kept.forget(key);
                return Ok(None);
            }
        }
        Ok(Some(batches))
    }

    /// Gathers an answer that is being made from a snapshot whose newest entry is `seq`.
    pub fn gather(&self, seq: i64) -> Gathering {
        Gathering {
            seq,
            most: self.memory_bytes / LARGEST_PART,
            bytes: 0,
            batches: Vec::new(),
        }
    }

    /// Keeps what was gathered.
    pub fn keep(&self, key: Key, gathering: Gathering) {
        let bytes = gathering.bytes;
        if !(LEAST_BYTES..=gathering.most).contains(&bytes) {
            return;
        }
        let mut kept = self.kept();
        kept.forget(&key);
        while kept.bytes + bytes > self.memory_bytes {
            let oldest = kept.answers.iter().min_by_key(|(_, answer)| answer.used);
            let Some(oldest) = oldest.map(|(key, _)| *key) else {
                return;
            };
            kept.forget(&oldest);
        }
        kept.bytes += bytes;
        kept.uses += 1;
        let answer = Answer {
            seq: gathering.seq,
            batches: gathering.batches.into(),
            bytes,
            used: kept.uses,
        };
        kept.answers.insert(key, answer);
    }

    fn take(&self, key: &Key) -> Option<(i64, Arc<[Bytes]>)> {
        let mut kept = self.kept();
        kept.uses += 1;
        let used = kept.uses;
        let answer = kept.answers.get_mut(key)?;
        answer.used = used;
        Some((answer.seq, Arc::clone(&answer.batches)))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().expect("no holder panics")
    }
}

impl Kept {
    fn forget(&mut self, key: &Key) {
        if let Some(answer) = self.answers.remove(key) {
            self.bytes -= answer.bytes;
        }
    }
}

/// An answer as it is made; one that grows too long is let go.
pub struct Gathering {
    seq: i64,
    most: usize,
    bytes: usize,
    batches: Vec<Bytes>,
}

impl Gathering {
    /// Notes a batch.
    pub fn push(&mut self, batch: &Bytes) {
        self.bytes += batch.len();
        if self.bytes <= self.most {
            self.batches.push(batch.clone());
        } else {
            self.batches.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(answers: &Answers, bytes: usize) -> Gathering {
        let mut gathering = answers.gather(1);
        gathering.push(&Bytes::from(vec![0; bytes]));
        gathering
    }

    #[test]
    fn what_was_used_last_stays() {
        let answers = Answers::new(4 * LEAST_BYTES);
        let keys: Vec<Key> = (0..5).map(|number| key(&number)).collect();
        for one in &keys[..4] {
            answers.keep(*one, gathered(&answers, LEAST_BYTES));
        }
        assert!(answers.take(&keys[0]).is_some());
        answers.keep(keys[4], gathered(&answers, LEAST_BYTES));
        let there: Vec<bool> = keys.iter().map(|one| answers.knows(one)).collect();
        assert_eq!(there, [true, false, true, true, true]);
        assert_eq!(answers.kept().bytes, 4 * LEAST_BYTES);
    }

    #[test]
    fn what_is_short_or_too_long_is_not_kept() {
        let answers = Answers::new(8 * LEAST_BYTES);
        let one = key(&"q");
        answers.keep(one, gathered(&answers, LEAST_BYTES - 1));
        let mut long = gathered(&answers, 2 * LEAST_BYTES);
        long.push(&Bytes::from_static(b"x"));
        assert!(long.batches.is_empty());
        answers.keep(one, long);
        assert!(!answers.knows(&one));
    }
}
