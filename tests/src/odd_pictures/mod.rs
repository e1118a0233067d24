//! Pictures that nobody's camera takes: 300 and more, each with a name and what must become of it.
//!
//! All are made from three small good ones ([`good`]), so that a change of one byte is the whole difference.

mod exif;
mod jpeg;
mod kinds;
mod png;
mod webp;

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

/// What must become of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is read, and upright has this size.
    Read(u32, u32),
    /// Refused with this code.
    Refused(&'static str),
    /// Damaged where it may or may not show: read, or refused with any code. Only that, and soon.
    Either,
}

/// A picture with its name.
pub struct Odd {
    /// What is odd about it.
    pub name: String,
    /// The file.
    pub bytes: Vec<u8>,
    /// What must become of it.
    pub fate: Fate,
}

pub(crate) const BROKEN: Fate = Fate::Refused("picture-broken");
pub(crate) const UNSUPPORTED: Fate = Fate::Refused("picture-unsupported");
pub(crate) const TOO_LARGE: Fate = Fate::Refused("picture-too-many-pixels");
pub(crate) const NO_PICTURE: Fate = Fate::Refused("not-a-picture");
/// Size of the good ones.
pub(crate) const GOOD: Fate = Fate::Read(64, 48);

fn odd(name: impl Into<String>, bytes: impl Into<Vec<u8>>, fate: Fate) -> Odd {
    Odd { name: name.into(), bytes: bytes.into(), fate }
}

/// A good picture of a kind.
pub fn good(format: ImageFormat) -> anyhow::Result<Vec<u8>> {
    let pixels = RgbImage::from_fn(64, 48, |x, y| {
        let [x, y] = [x, y].map(|v| u8::try_from(v * 4).unwrap_or(u8::MAX));
        Rgb([x, y, x ^ y])
    });
    encode(&pixels.into(), format)
}

fn encode(picture: &DynamicImage, format: ImageFormat) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format)?;
    Ok(bytes.into_inner())
}

const KINDS: [(&str, ImageFormat); 3] =
    [("jpeg", ImageFormat::Jpeg), ("png", ImageFormat::Png), ("webp", ImageFormat::WebP)];

/// All of them.
///
/// # Errors
/// When the good ones can't be encoded.
pub fn all() -> anyhow::Result<Vec<Odd>> {
    let mut all = kinds::all();
    for (kind, format) in KINDS {
        let whole = good(format)?;
        all.extend(cut_short(kind, &whole));
        all.extend(followed(kind, &whole));
        all.extend(preceded(kind, &whole));
        all.extend(flipped(kind, &whole));
    }
    all.extend(exif::all(&good(ImageFormat::Jpeg)?));
    all.extend(jpeg::all(&good(ImageFormat::Jpeg)?)?);
    all.extend(png::all(&good(ImageFormat::Png)?)?);
    all.extend(webp::all(&good(ImageFormat::WebP)?));
    Ok(all)
}

/// Thirty places to stop at.
fn cut_short(kind: &str, whole: &[u8]) -> Vec<Odd> {
    let cut = |i: usize| {
        let keep = 12 + i * (whole.len() - 13) / 29;
        odd(format!("{kind} cut after {keep} bytes"), whole.get(..keep).unwrap_or_default(), BROKEN)
    };
    (0..30).map(cut).collect()
}

/// Something that another program would take the file for.
fn followed(kind: &str, whole: &[u8]) -> Vec<Odd> {
    let tails: [(&str, &[u8]); 8] = [
        ("an archive", b"PK\x03\x04\x14\0\0\0"),
        ("a page", b"<html><script>alert(1)</script>"),
        ("a document", b"%PDF-1.7\n1 0 obj"),
        ("a program", b"\x7fELF\x02\x01\x01"),
        ("a script", b"#!/bin/sh\nid\n"),
        ("a film", b"\0\0\0\x18ftypmp42"),
        ("one byte", b"x"),
        ("another picture", b"\xff\xd8\xff\xe0\0\x10JFIF"),
    ];
    tails
        .map(|(what, tail)| odd(format!("{kind} with {what} behind it"), [whole, tail].concat(), UNSUPPORTED))
        .into()
}

fn preceded(kind: &str, whole: &[u8]) -> Vec<Odd> {
    let heads: [(&str, &[u8]); 4] = [
        ("a mark of UTF-8", b"\xef\xbb\xbf"),
        ("a space", b" "),
        ("a line", b"\r\n"),
        ("a header", b"HTTP/1.1 200 OK\r\n\r\n"),
    ];
    heads
        .map(|(what, head)| odd(format!("{kind} with {what} before it"), [head, whole].concat(), NO_PICTURE))
        .into()
}

/// One bit turned, at 25 places behind the magic.
fn flipped(kind: &str, whole: &[u8]) -> Vec<Odd> {
    let flip = |i: usize| {
        let at = 12 + i * (whole.len() - 13) / 24;
        let mut bytes = whole.to_vec();
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << (i % 8);
        }
        odd(format!("{kind} with bit {} of byte {at} turned", i % 8), bytes, Fate::Either)
    };
    (0..25).map(flip).collect()
}

/// Where a sequence first stands.
fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|window| window == what).unwrap_or(0)
}

/// The same bytes with others written over them.
fn patched(bytes: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(place) = bytes.get_mut(at..at + with.len()) {
        place.copy_from_slice(with);
    }
    bytes
}

/// The same bytes with others put between them.
fn inserted(bytes: &[u8], at: usize, what: &[u8]) -> Vec<u8> {
    let (before, behind) = bytes.split_at(at.min(bytes.len()));
    [before, what, behind].concat()
}
