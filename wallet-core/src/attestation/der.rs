//! A reader of DER (X.690 §8 and §10) for the few types that a key description is made of. `asn1-rs` takes lengths and tags that are
//! longer than they must be, so that one description had many forms.

/// The bytes are no DER, or not of the type that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotDer;

type Read<T> = Result<T, NotDer>;

const BOOLEAN: Tag = Tag::universal(1, false);
const INTEGER: Tag = Tag::universal(2, false);
const OCTETS: Tag = Tag::universal(4, false);
const ENUMERATED: Tag = Tag::universal(10, false);
const SEQUENCE: Tag = Tag::universal(16, true);
const SET: Tag = Tag::universal(17, true);

/// The first byte's upper three bits, and the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tag {
    class: u8,
    is_constructed: bool,
    number: u32,
}

impl Tag {
    const fn universal(number: u32, is_constructed: bool) -> Tag {
        Tag { class: 0, is_constructed, number }
    }
}

/// What is left to read of an element's content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing is left.
    pub(super) fn end(self) -> Read<()> {
        if self.is_at_end() { Ok(()) } else { Err(NotDer) }
    }

    pub(super) fn sequence(&mut self) -> Read<Reader<'a>> {
        self.expect(SEQUENCE).map(Reader)
    }

    pub(super) fn set(&mut self) -> Read<Reader<'a>> {
        self.expect(SET).map(Reader)
    }

    pub(super) fn octets(&mut self) -> Read<&'a [u8]> {
        self.expect(OCTETS)
    }

    pub(super) fn integer(&mut self) -> Read<u64> {
        self.expect(INTEGER).and_then(number)
    }

    pub(super) fn enumerated(&mut self) -> Read<u64> {
        self.expect(ENUMERATED).and_then(number)
    }

    pub(super) fn boolean(&mut self) -> Read<bool> {
        match self.expect(BOOLEAN)? {
            [0] => Ok(false),
            [0xff] => Ok(true),
            _ => Err(NotDer),
        }
    }

    /// An element under an explicit context tag: its number and what is inside.
    pub(super) fn tagged(&mut self) -> Read<(u32, Reader<'a>)> {
        match self.element()? {
            (Tag { class: 2, is_constructed: true, number }, content) => Ok((number, Reader(content))),
            _ => Err(NotDer),
        }
    }

    fn expect(&mut self, tag: Tag) -> Read<&'a [u8]> {
        match self.element()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(NotDer),
        }
    }

    fn element(&mut self) -> Read<(Tag, &'a [u8])> {
        let tag = self.tag()?;
        let length = self.length()?;
        let (content, rest) = self.0.split_at_checked(length).ok_or(NotDer)?;
        self.0 = rest;
        Ok((tag, content))
    }

    fn byte(&mut self) -> Read<u8> {
        let (first, rest) = self.0.split_first().ok_or(NotDer)?;
        self.0 = rest;
        Ok(*first)
    }

    /// Numbers from 31 on stand in as few bytes of seven bits as they need (X.690 §8.1.2.4); none here needs more than two.
    fn tag(&mut self) -> Read<Tag> {
        let first = self.byte()?;
        let (class, is_constructed) = (first >> 6, first & 0x20 != 0);
        let number = match first & 0x1f {
            0x1f => match self.byte()? {
                0x80 => return Err(NotDer),
                low @ 0..0x80 if low >= 31 => low.into(),
                0..0x80 => return Err(NotDer),
                high => match self.byte()? {
                    low @ 0..0x80 => u32::from(high & 0x7f) << 7 | u32::from(low),
                    _ => return Err(NotDer),
                },
            },
            low => low.into(),
        };
        Ok(Tag { class, is_constructed, number })
    }

    /// In as few bytes as it needs (X.690 §10.1); what is longer than 64 KiB was refused before.
    fn length(&mut self) -> Read<usize> {
        match self.byte()? {
            short @ 0..=0x7f => Ok(short.into()),
            0x81 => self.byte().and_then(|low| if low < 0x80 { Err(NotDer) } else { Ok(low.into()) }),
            0x82 => match (self.byte()?, self.byte()?) {
                (0, _) => Err(NotDer),
                (high, low) => Ok(u16::from_be_bytes([high, low]).into()),
            },
            _ => Err(NotDer),
        }
    }
}

/// Not negative, and in as few bytes as it needs (X.690 §8.3.2).
fn number(content: &[u8]) -> Read<u64> {
    let digits = match content {
        [] | [0x80..=0xff, ..] | [0, 0..0x80, ..] => return Err(NotDer),
        [0, rest @ ..] => rest,
        all => all,
    };
    if digits.len() > 8 {
        return Err(NotDer);
    }
    Ok(digits.iter().fold(0, |sum, digit| sum << 8 | u64::from(*digit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_form() {
        let integer = |bytes: &[u8]| Reader::new(bytes).integer();
        assert_eq!(integer(&[2, 1, 0]), Ok(0));
        assert_eq!(integer(&[2, 2, 0, 0x80]), Ok(128));
        assert_eq!(integer(&[2, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255]), Ok(u64::MAX));
        for bad in [
            &[2, 0][..],
            &[2, 1, 0x80],
            &[2, 2, 0, 1],
            &[2, 0x81, 1, 5],
            &[2, 0x82, 0, 1, 5],
            &[2, 0x80, 5, 0, 0],
            &[2, 2, 5],
            &[10, 1, 5],
            &[2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0],
            &[],
        ] {
            assert_eq!(integer(bad), Err(NotDer), "{bad:?}");
        }
    }

    #[test]
    fn tags_stand_in_as_few_bytes_as_they_need() {
        let tag = |bytes: &[u8]| Reader::new(bytes).tagged().map(|(number, _)| number);
        assert_eq!(tag(&[0xa1, 0]), Ok(1));
        assert_eq!(tag(&[0xbf, 0x1f, 0]), Ok(31));
        assert_eq!(tag(&[0xbf, 0x85, 0x45, 0]), Ok(709));
        for bad in [
            &[0xbf, 0x80, 0x1f, 0][..],
            &[0xbf, 0x1e, 0],
            &[0xbf, 0x85, 0x80, 0x01, 0],
            &[0x81, 0],
            &[0x30, 0],
            &[0xbf],
        ] {
            assert_eq!(tag(bad), Err(NotDer), "{bad:?}");
        }
    }
}
