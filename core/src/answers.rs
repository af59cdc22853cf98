//! Long answers that were given lately, kept in memory to be given again.
//!
//! An answer holds as long as the journal has no new entry of its project: every mutation writes one
//! in its own transaction. Where the entries since tell which rows changed, these rows alone are read
//! again and take their places. So an answer is as fresh as the rows themselves, and losing all of
//! them costs time only. The oldest go first.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use crate::database::Tx;
use crate::error::Result;
use crate::journal;
use crate::query::{Batch, Batches};

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
    batches: Arc<[Batch]>,
    bytes: usize,
    used: u64,
}

/// What is there for a question.
pub enum Found {
    /// No answer.
    Nothing,
    /// The answer.
    Whole(Arc<[Batch]>),
    /// An answer that was right once.
    Old(Old),
}

/// An answer of some time ago.
pub struct Old {
    /// The newest entry of the journal when it was right.
    pub seq: i64,
    head: i64,
    batches: Arc<[Batch]>,
}

/// An answer that was brought up to the newest entry of a snapshot.
pub struct Renewed {
    head: i64,
    batches: Vec<Batch>,
}

impl Old {
    /// The answer, its rows by id, without those that changed, and with how these stand now.
    pub fn with(&self, changed: &BTreeSet<i64>, fresh: &[Batch]) -> Renewed {
        let mut fresh = fresh.iter().flat_map(Batch::each).peekable();
        let mut batches = Vec::with_capacity(self.batches.len());
        // Rows of short batches, and of those that changed, go together.
        let mut made = Batches::default();
        let mut from = i64::MIN;
        for (number, batch) in self.batches.iter().enumerate() {
            let last = batch.rows.last().map_or(from, |(id, _)| *id);
            let upto = match number + 1 == self.batches.len() {
                true => i64::MAX,
                false => last,
            };
            // Rows that do not come by id have no places of their own.
            let touched = from > upto || changed.range(from..=upto).next().is_some();
            if !touched && !batch.is_short() {
                batches.extend(std::mem::take(&mut made).rest());
                batches.push(batch.clone());
            } else {
                for (id, row) in batch.each() {
                    while let Some((new, text)) = fresh.next_if(|(new, _)| *new < id) {
                        batches.extend(made.push(new, text));
                    }
                    if !changed.contains(&id) {
                        batches.extend(made.push(id, row));
                    }
                }
                while let Some((new, text)) = fresh.next_if(|(new, _)| *new <= upto) {
                    batches.extend(made.push(new, text));
                }
            }
            from = upto.saturating_add(1);
        }
        batches.extend(made.rest());
        Renewed {
            head: self.head,
            batches,
        }
    }
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

    /// What is there for a question about a project, in this snapshot.
    pub async fn find(&self, tx: &mut Tx, project: i64, key: &Key) -> Result<Found> {
        let Some((seq, batches)) = self.take(key) else {
            return Ok(Found::Nothing);
        };
        let Some(head) = journal::unchanged(tx, project, seq).await? else {
            let (head, _) = journal::newest(tx).await?;
            return Ok(Found::Old(Old { seq, head, batches }));
        };
        if let Some(answer) = self.kept().answers.get_mut(key) {
            answer.seq = answer.seq.max(head);
        }
        Ok(Found::Whole(batches))
    }

    /// Keeps an answer that was brought up to date, unless there is a newer one.
    pub fn renewed(&self, key: Key, renewed: Renewed) -> Arc<[Batch]> {
        let batches: Arc<[Batch]> = renewed.batches.into();
        let known = self.kept().answers.get(&key).map(|answer| answer.seq);
        if known.is_some_and(|seq| seq < renewed.head) {
            let bytes = batches.iter().map(Batch::size).sum();
            self.put(key, renewed.head, Arc::clone(&batches), bytes);
        }
        batches
    }

    /// Forgets an answer that is to be made again.
    pub fn forget(&self, key: &Key) {
        self.kept().forget(key);
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
        self.put(
            key,
            gathering.seq,
            gathering.batches.into(),
            gathering.bytes,
        );
    }

    fn put(&self, key: Key, seq: i64, batches: Arc<[Batch]>, bytes: usize) {
        let mut kept = self.kept();
        kept.forget(&key);
        if !(LEAST_BYTES..=self.memory_bytes / LARGEST_PART).contains(&bytes) {
            return;
        }
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
            seq,
            batches,
            bytes,
            used: kept.uses,
        };
        kept.answers.insert(key, answer);
    }

    fn take(&self, key: &Key) -> Option<(i64, Arc<[Batch]>)> {
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
    batches: Vec<Batch>,
}

impl Gathering {
    /// Notes a batch.
    pub fn push(&mut self, batch: &Batch) {
        self.bytes += batch.size();
        if self.bytes <= self.most {
            self.batches.push(batch.clone());
        } else {
            self.batches.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn gathered(answers: &Answers, bytes: usize) -> Gathering {
        let mut gathering = answers.gather(1);
        gathering.push(&Batch {
            bytes: Bytes::from(vec![0; bytes]),
            rows: [(1, 0)].into(),
        });
        gathering
    }

    fn batches(parts: &[&[(i64, &str)]]) -> Vec<Batch> {
        let one = |rows: &&[(i64, &str)]| {
            let mut made = Batches::default();
            for (id, row) in *rows {
                made.push(*id, row.as_bytes());
            }
            made.rest().expect("a batch of some rows")
        };
        parts.iter().map(one).collect()
    }

    #[test]
    fn what_was_used_last_stays() {
        let size = gathered(&Answers::new(0), LEAST_BYTES).bytes;
        let answers = Answers::new(4 * size);
        let keys: Vec<Key> = (0..5).map(|number| key(&number)).collect();
        for one in &keys[..4] {
            answers.keep(*one, gathered(&answers, LEAST_BYTES));
        }
        assert!(answers.take(&keys[0]).is_some());
        answers.keep(keys[4], gathered(&answers, LEAST_BYTES));
        let there: Vec<bool> = keys.iter().map(|one| answers.knows(one)).collect();
        assert_eq!(there, [true, false, true, true, true]);
        assert_eq!(answers.kept().bytes, 4 * size);
    }

    #[test]
    fn what_is_short_or_too_long_is_not_kept() {
        let answers = Answers::new(8 * LEAST_BYTES);
        let one = key(&"q");
        answers.keep(one, gathered(&answers, LEAST_BYTES / 2));
        answers.keep(one, gathered(&answers, 2 * LEAST_BYTES + 1));
        assert!(!answers.knows(&one));
    }

    #[test]
    fn changed_rows_take_their_places() {
        let old = Old {
            seq: 1,
            head: 2,
            batches: batches(&[&[(2, "b"), (4, "d")], &[(6, "f"), (8, "h")]]).into(),
        };
        let told = |changed: &[i64], fresh: &[(i64, &str)]| {
            let fresh = match fresh {
                [] => Vec::new(),
                fresh => batches(&[fresh]),
            };
            let renewed = old.with(&changed.iter().copied().collect(), &fresh);
            let rows = renewed.batches.iter().flat_map(Batch::each);
            rows.map(|(id, row)| format!("{id}{}", String::from_utf8_lossy(row)))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(told(&[], &[]), "2b 4d 6f 8h");
        assert_eq!(told(&[4], &[(4, "x")]), "2b 4x 6f 8h");
        assert_eq!(told(&[6, 8], &[]), "2b 4d");
        assert_eq!(told(&[2, 4], &[]), "6f 8h");
        let (all, new) = ([1, 3, 5, 7, 9], [(1, "a"), (3, "c"), (5, "e"), (9, "i")]);
        assert_eq!(told(&all, &new), "1a 2b 3c 4d 5e 6f 8h 9i");
        assert_eq!(told(&[2, 4, 6, 8], &[(3, "c")]), "3c");
    }

    #[test]
    fn batches_without_changes_are_shared_and_short_ones_joined() {
        let long = "x".repeat(100_000);
        let parts: [&[(i64, &str)]; 4] = [&[(1, &long)], &[(2, "b")], &[(3, "c")], &[(4, &long)]];
        let old = Old {
            seq: 1,
            head: 2,
            batches: batches(&parts).into(),
        };
        let made = old.with(&[3].into(), &batches(&[&[(3, "d")]])).batches;
        assert_eq!(made.len(), 3);
        assert_eq!(&made[1].bytes[..], b"bd");
        for (one, other) in [(0, 0), (2, 3)] {
            assert_eq!(made[one].bytes.as_ptr(), old.batches[other].bytes.as_ptr());
        }
    }
}
