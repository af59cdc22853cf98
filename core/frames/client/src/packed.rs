//! Columns of integers in memory: a few bits a value where neighbours are alike, and any value by its place.
//!
//! A column is cut into runs. A run is a straight line, and for each value how far it lies above it, in as many bits as the
//! farthest needs and in units of what all distances are multiples of. Where values lie on the line, they take none, and the run
//! goes on for as long as they do: time stamps of a constant rate are one run of any length.

use std::ops::Range;

/// Values of a run that is no straight line. Each run takes 32 bytes beside its bits.
const CHUNK: usize = 256;

/// Integers that do not change any more.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Column {
    runs: Vec<Run>,
    words: Vec<u64>,
    len: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Run {
    /// Value of the line at the first place.
    base: i64,
    /// What the line rises from place to place.
    step: i64,
    /// First place in the column.
    first: u32,
    /// Where its bits begin in `words`.
    word: u32,
    /// Distances are stored as multiples of this.
    unit: u32,
    /// Bits of a distance.
    width: u8,
}

impl Run {
    /// Every operation wraps, so that any integers survive.
    fn line(&self, place: usize) -> i64 {
        let steps = (place - self.first as usize) as i64;
        self.base.wrapping_add(self.step.wrapping_mul(steps))
    }

    fn value(&self, place: usize, words: &[u64]) -> i64 {
        let line = self.line(place);
        if self.width == 0 {
            return line;
        }
        let width = usize::from(self.width);
        let bit = (place - self.first as usize) * width;
        let (word, shift) = (self.word as usize + bit / 64, bit % 64);
        let mut distance = words[word] >> shift;
        if shift + width > 64 {
            distance |= words[word + 1] << (64 - shift);
        }
        distance &= u64::MAX >> (64 - width);
        line.wrapping_add(distance.wrapping_mul(u64::from(self.unit)) as i64)
    }
}

impl Column {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The value at a place that exists.
    pub(crate) fn get(&self, place: usize) -> i64 {
        assert!(place < self.len, "place {place} of {}", self.len);
        self.runs[self.run_of(place)].value(place, &self.words)
    }

    /// As [`Column::get`], for places that are near one another: `near` remembers the last run.
    pub(crate) fn get_near(&self, place: usize, near: &mut usize) -> i64 {
        assert!(place < self.len, "place {place} of {}", self.len);
        if !self.covers(*near, place) {
            *near = self.run_of(place);
        }
        self.runs[*near].value(place, &self.words)
    }

    /// The values of a range, which is cut to the column.
    pub(crate) fn iter(&self, range: Range<usize>) -> impl Iterator<Item = i64> + '_ {
        let mut near = 0;
        (range.start..range.end.min(self.len)).map(move |place| self.get_near(place, &mut near))
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.runs.capacity() * size_of::<Run>() + self.words.capacity() * size_of::<u64>()
    }

    fn run_of(&self, place: usize) -> usize {
        self.runs.partition_point(|run| run.first as usize <= place) - 1
    }

    fn covers(&self, run: usize, place: usize) -> bool {
        let first = |run: usize| self.runs.get(run).map(|run| run.first as usize);
        first(run).is_some_and(|first| first <= place)
            && first(run + 1).is_none_or(|next| place < next)
    }
}

impl FromIterator<i64> for Column {
    fn from_iter<I: IntoIterator<Item = i64>>(values: I) -> Self {
        let mut builder = Builder::default();
        for value in values {
            builder.push(value);
        }
        builder.finish()
    }
}

/// Makes a column value by value, without holding more than one chunk of them.
#[derive(Default)]
pub(crate) struct Builder {
    column: Column,
    chunk: Vec<i64>,
}

impl Builder {
    pub(crate) fn push(&mut self, value: i64) {
        self.chunk.push(value);
        if self.chunk.len() == CHUNK {
            self.flush();
        }
    }

    pub(crate) fn finish(mut self) -> Column {
        self.flush();
        self.column.runs.shrink_to_fit();
        self.column.words.shrink_to_fit();
        self.column
    }

    fn flush(&mut self) {
        let column = &mut self.column;
        let first = column.len;
        column.len += self.chunk.len();
        let places = first..column.len;
        let goes_on = column.runs.last().is_some_and(|run| {
            let values = places.clone().zip(&self.chunk);
            run.width == 0 && { values }.all(|(place, &value)| run.line(place) == value)
        });
        if !goes_on && let Some((&head, &tail)) = self.chunk.first().zip(self.chunk.last()) {
            let steps = (self.chunk.len() as i64 - 1).max(1);
            let slope = tail.wrapping_sub(head) / steps;
            let sloped = Fit::of(&self.chunk, slope);
            // On a line there is nothing to gain, and a level line is one that has been tried.
            let level = (sloped.width > 0 && slope != 0).then(|| Fit::of(&self.chunk, 0));
            let fit = level
                .filter(|level| level.width <= sloped.width)
                .unwrap_or(sloped);
            fit.write(&self.chunk, first, column);
        }
        self.chunk.clear();
    }
}

/// A line below all values of a chunk.
struct Fit {
    base: i64,
    step: i64,
    unit: u32,
    width: u8,
}

impl Fit {
    fn of(values: &[i64], step: i64) -> Self {
        let above = |base: i64| distances(values, base, step);
        // Distances from a line through zero, as signed numbers: the smallest one lifts the line.
        let base = above(0).map(|distance| distance as i64).min().unwrap_or(0);
        let common = above(base).try_fold(0, |common, distance| match gcd(common, distance) {
            1 => Err(1),
            common => Ok(common),
        });
        let common = common.unwrap_or_else(|one| one);
        let unit = u32::try_from(common).unwrap_or(1).max(1);
        let most = above(base).max().unwrap_or(0) / u64::from(unit);
        Fit {
            base,
            step,
            unit,
            width: (u64::BITS - most.leading_zeros()) as u8,
        }
    }

    fn write(&self, values: &[i64], first: usize, column: &mut Column) {
        let start = column.words.len();
        column.runs.push(Run {
            base: self.base,
            step: self.step,
            first: first as u32,
            word: start as u32,
            unit: self.unit,
            width: self.width,
        });
        let width = usize::from(self.width);
        let bits = values.len() * width;
        column.words.resize(start + bits.div_ceil(64), 0);
        if width == 0 {
            return;
        }
        let words = &mut column.words[start..];
        for (at, distance) in distances(values, self.base, self.step).enumerate() {
            let distance = distance / u64::from(self.unit);
            let (word, shift) = (at * width / 64, at * width % 64);
            words[word] |= distance << shift;
            if shift + width > 64 {
                words[word + 1] |= distance >> (64 - shift);
            }
        }
    }
}

fn distances(values: &[i64], base: i64, step: i64) -> impl Iterator<Item = u64> + '_ {
    let line = move |at: usize| base.wrapping_add(step.wrapping_mul(at as i64));
    let values = values.iter().enumerate();
    values.map(move |(at, value)| value.wrapping_sub(line(at)) as u64)
}

fn gcd(mut one: u64, mut other: u64) -> u64 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The same numbers in every run.
    pub(crate) struct Dice(pub u64);

    impl Dice {
        pub(crate) fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        pub(crate) fn below(&mut self, limit: u64) -> u64 {
            self.next() % limit
        }
    }

    #[test]
    fn gives_back_what_went_in() {
        let mut dice = Dice(7);
        for round in 0..400 {
            let len = [0, 1, 2, 255, 256, 257, 511, 1000][round % 8];
            let (slope, bits) = (dice.next() as i64 >> dice.below(64), dice.below(65));
            let mask = u64::MAX.checked_shr(64 - bits as u32).unwrap_or(0);
            let unit = [1, 512, 1 << 33][round % 3];
            let values: Vec<i64> = (0..len)
                .map(|at| {
                    let noise = ((dice.next() & mask) as i64).wrapping_mul(unit);
                    slope.wrapping_mul(at).wrapping_add(noise)
                })
                .collect();
            let column: Column = values.iter().copied().collect();
            assert_eq!(column.len(), values.len());
            let all: Vec<i64> = column.iter(0..values.len()).collect();
            assert_eq!(all, values, "slope {slope}, {bits} bits");
            let mut near = 3;
            for _ in 0..values.len().min(50) {
                let place = dice.below(values.len() as u64) as usize;
                assert_eq!(column.get(place), values[place]);
                assert_eq!(column.get_near(place, &mut near), values[place]);
            }
        }
    }

    #[test]
    fn keeps_the_ends_of_the_range() {
        let ends = [i64::MIN, i64::MAX, 0, -1, i64::MIN, i64::MIN, i64::MAX, 1];
        let column: Column = ends.into_iter().collect();
        assert_eq!(column.iter(0..99).collect::<Vec<_>>(), ends);
        assert_eq!(column.iter(6..8).collect::<Vec<_>>(), [i64::MAX, 1]);
    }

    #[test]
    fn a_straight_line_takes_one_run() {
        let column: Column = (0..100_000).map(|at| at * 1001 - 5).collect();
        assert_eq!((column.runs.len(), column.words.len()), (1, 0));
        // One value beside it costs its chunk, and not the rest.
        let column: Column = (0..100_000)
            .map(|at| if at == 50_000 { 9 } else { at * 512 })
            .collect();
        assert!(column.runs.len() <= 3 && column.words.len() <= CHUNK);
    }
}
