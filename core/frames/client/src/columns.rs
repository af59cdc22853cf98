//! Columns of integers: LEB128 of zigzag values, small when neighbours are alike.

use crate::IndexError;

/// Writes columns one after the other.
#[derive(Default)]
pub(crate) struct ColumnWriter {
    pub(crate) bytes: Vec<u8>,
}

impl ColumnWriter {
    pub(crate) fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub(crate) fn signed(&mut self, value: i64) {
        self.unsigned(((value << 1) ^ (value >> 63)) as u64);
    }

    /// Writes the differences of neighbours; wrapping, so that any `i64` survives.
    pub(crate) fn deltas(&mut self, values: impl Iterator<Item = i64>) {
        let mut previous = 0_i64;
        for value in values {
            self.signed(value.wrapping_sub(previous));
            previous = value;
        }
    }

    /// Writes the differences of the differences, for evenly spaced values.
    pub(crate) fn second_deltas(&mut self, values: impl Iterator<Item = i64>) {
        let mut previous = 0_i64;
        self.deltas(values.map(|value| {
            let delta = value.wrapping_sub(previous);
            previous = value;
            delta
        }));
    }
}

/// Reads columns in the order they were written.
pub(crate) struct ColumnReader<'a> {
    pub(crate) bytes: &'a [u8],
}

impl ColumnReader<'_> {
    pub(crate) fn unsigned(&mut self) -> Result<u64, IndexError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self
                .bytes
                .split_first()
                .ok_or_else(|| IndexError::Format("ends early".into()))?;
            self.bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(IndexError::Format("number too long".into()))
    }

    pub(crate) fn signed(&mut self) -> Result<i64, IndexError> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Reads `count` values whose differences were written.
    pub(crate) fn deltas<C: FromIterator<i64>>(&mut self, count: usize) -> Result<C, IndexError> {
        let mut previous = 0_i64;
        (0..count)
            .map(|_| {
                previous = previous.wrapping_add(self.signed()?);
                Ok(previous)
            })
            .collect()
    }

    /// Reads `count` values of whose differences the differences were written.
    pub(crate) fn second_deltas<C: FromIterator<i64>>(
        &mut self,
        count: usize,
    ) -> Result<C, IndexError> {
        let (mut previous, mut delta) = (0_i64, 0_i64);
        (0..count)
            .map(|_| {
                delta = delta.wrapping_add(self.signed()?);
                previous = previous.wrapping_add(delta);
                Ok(previous)
            })
            .collect()
    }
}
