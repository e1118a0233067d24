//! Reads FlatBuffers without generated code: just what [`crate::tflite`] needs of the format, every offset checked.
//!
//! A table begins with the distance back to its vtable, which has the place of each field in the table; a field that is not there has
//! its default. Lists and tables are reached by distances forward.

use anyhow::{Context, Result, ensure};

/// A table somewhere in a file.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    file: &'a [u8],
    at: usize,
}

/// A list somewhere in a file.
#[derive(Clone, Copy)]
pub(crate) struct List<'a> {
    file: &'a [u8],
    /// Of the first element.
    at: usize,
    pub(crate) len: usize,
}

fn bytes<const N: usize>(file: &[u8], at: usize) -> Result<[u8; N]> {
    let found = file.get(at..).and_then(<[u8]>::first_chunk).copied();
    found.context("an offset leads out of the file")
}

/// Where the distance at `at` leads.
fn follow(file: &[u8], at: usize) -> Result<usize> {
    let distance = u32::from_le_bytes(bytes(file, at)?);
    let end = at.checked_add(usize::try_from(distance)?).filter(|end| *end < file.len());
    end.context("an offset leads out of the file")
}

impl<'a> Table<'a> {
    /// The table that a file begins with.
    pub(crate) fn root(file: &'a [u8]) -> Result<Self> {
        Ok(Self { file, at: follow(file, 0)? })
    }

    /// Where a field stands; `None` when it is left out.
    fn place(self, field: usize) -> Result<Option<usize>> {
        let back = i64::from(i32::from_le_bytes(bytes(self.file, self.at)?));
        let vtable = usize::try_from(i64::try_from(self.at)? - back)?;
        let size = usize::from(u16::from_le_bytes(bytes(self.file, vtable)?));
        let entry = 4 + 2 * field;
        if entry + 2 > size {
            return Ok(None);
        }
        let offset = usize::from(u16::from_le_bytes(bytes(self.file, vtable + entry)?));
        Ok((offset > 0).then_some(self.at + offset))
    }

    /// A byte, or 0.
    pub(crate) fn byte(self, field: usize) -> Result<u8> {
        Ok(match self.place(field)? {
            Some(at) => bytes::<1>(self.file, at)?[0],
            None => 0,
        })
    }

    /// An integer, or `absent`.
    pub(crate) fn int(self, field: usize, absent: i32) -> Result<i32> {
        self.place(field)?.map_or(Ok(absent), |at| Ok(i32::from_le_bytes(bytes(self.file, at)?)))
    }

    /// A table; `None` when it is left out.
    pub(crate) fn table(self, field: usize) -> Result<Option<Self>> {
        let Some(at) = self.place(field)? else { return Ok(None) };
        Ok(Some(Self { file: self.file, at: follow(self.file, at)? }))
    }

    /// A list, or an empty one.
    pub(crate) fn list(self, field: usize) -> Result<List<'a>> {
        let Some(at) = self.place(field)? else { return Ok(List { file: self.file, at: 0, len: 0 }) };
        let at = follow(self.file, at)?;
        let len = usize::try_from(u32::from_le_bytes(bytes(self.file, at)?))?;
        ensure!(len <= self.file.len(), "a list is longer than the file");
        Ok(List { file: self.file, at: at + 4, len })
    }
}

impl<'a> List<'a> {
    /// A table of the list.
    pub(crate) fn table(self, index: usize) -> Result<Table<'a>> {
        ensure!(index < self.len, "there is no element {index} of {}", self.len);
        Ok(Table { file: self.file, at: follow(self.file, self.at + 4 * index)? })
    }

    /// All integers of the list.
    pub(crate) fn ints(self) -> Result<Vec<i32>> {
        let int = |index| Ok(i32::from_le_bytes(bytes(self.file, self.at + 4 * index)?));
        (0..self.len).map(int).collect()
    }

    /// The bytes of the list.
    pub(crate) fn bytes(self) -> Result<&'a [u8]> {
        self.file.get(self.at..self.at + self.len).context("a list leads out of the file")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table with a list of two integers and a byte; its third field is left out.
    const FILE: [u8; 40] = [
        16, 0, 0, 0, // the root is at 16
        10, 0, 12, 0, 4, 0, 8, 0, 0, 0, 0, 0, // the vtable: its size, the table's, three fields
        12, 0, 0, 0, // the table: its vtable is 12 before it
        8, 0, 0, 0, // the list is 8 further
        7, 0, 0, 0, // the byte
        2, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, // the list
    ];

    #[test]
    fn fields_are_found_and_absent_ones_have_their_defaults() {
        let table = Table::root(&FILE).unwrap();
        assert_eq!(table.list(0).unwrap().ints().unwrap(), [1, -1]);
        assert_eq!((table.byte(1).unwrap(), table.byte(2).unwrap(), table.int(9, 5).unwrap()), (7, 0, 5));
        assert!(table.table(2).unwrap().is_none() && table.list(2).unwrap().bytes().unwrap().is_empty());
    }

    #[test]
    fn no_damage_reads_outside_of_the_file() {
        for at in 0..FILE.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut file = FILE;
                file[at] = value;
                let read = |file: &[u8]| {
                    let table = Table::root(file)?;
                    table.byte(1)?;
                    table.list(0)?.bytes()?;
                    table.list(0)?.ints()
                };
                let _ = read(&file);
                let _ = read(&file[..at]);
            }
        }
    }
}
