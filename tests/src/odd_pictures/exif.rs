//! JPEGs with EXIF that turns the picture, or tries to turn the reader's head.

use super::{Fate, GOOD, Odd, odd};

pub(super) fn all(jpeg: &[u8]) -> Vec<Odd> {
    let with = |tiff: &[u8]| {
        let length = u16::try_from(tiff.len() + 8).unwrap_or(u16::MAX).to_be_bytes();
        let (start, rest) = jpeg.split_at(2);
        [start, b"\xff\xe1", &length, b"Exif\0\0", tiff, rest].concat()
    };
    let entry = |tag: u16, value: u8| {
        let [high, low] = tag.to_be_bytes();
        [b"MM\0*\0\0\0\x08\0\x01".as_slice(), &[high, low, 0, 3, 0, 0, 0, 1, 0, value, 0, 0], &[0; 4]]
            .concat()
    };
    let mut all = Vec::new();
    for orientation in 0..=9 {
        let fate = if (5..=8).contains(&orientation) { Fate::Read(48, 64) } else { GOOD };
        all.push(odd(format!("EXIF orientation {orientation}"), with(&entry(0x112, orientation)), fate));
    }
    all.push(odd("EXIF orientation 255", with(&entry(0x112, 255)), GOOD));
    let tricks: [(&str, &[u8]); 12] = [
        ("that is empty", b""),
        ("of another byte order", b"XX\0*\0\0\0\x08"),
        ("without its 42", b"MM\0\0\0\0\0\x08"),
        ("whose directory is itself", b"MM\0*\0\0\0\x08\0\0\0\0\0\x08"),
        ("whose directories go in a circle", b"MM\0*\0\0\0\x08\0\0\0\0\0\x0e\0\0\0\0\0\x08"),
        ("whose directory is behind the end", b"MM\0*\xff\xff\xff\xf0"),
        ("whose directory is before the start", b"MM\0*\0\0\0\0"),
        ("of 65,535 entries", b"MM\0*\0\0\0\x08\xff\xff"),
        ("whose sub-directory is itself", b"MM\0*\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x08\0\0\0\0"),
        (
            "whose value has four thousand million parts",
            b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\xff\xff\xff\xff\0\x06\0\0\0\0\0\0",
        ),
        ("whose orientation is text", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x01\x36\0\0\0\0\0\0\0"),
        ("little-endian, cut", b"II*\0\x08\0\0\0\x01"),
    ];
    // A value of four thousand million parts is read by its first, as cameras' own readers do: either way up is right.
    all.extend(tricks.map(|(what, tiff)| {
        let fate = if what.starts_with("whose value") { Fate::Either } else { GOOD };
        odd(format!("EXIF {what}"), with(tiff), fate)
    }));
    all
}
