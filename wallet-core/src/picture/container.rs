//! Walks a picture file from its first byte to its last without decoding it: kind, size, and what is refused.

use super::{MAX_PIXELS, PictureError};

/// The kinds that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Jpeg,
    Png,
    WebP,
}

/// Scans a JPEG may have. Usual progressive files have 10; each scan costs a pass over all coefficients, and a few
/// dozen bytes can ask for one, so that an unbounded file of 8 MiB would take minutes.
const MAX_SCANS: usize = 32;
/// A progressive JPEG keeps all its coefficients (6 bytes a pixel) until its end: 16 megapixels are 100 MB.
const MAX_PROGRESSIVE_PIXELS: u64 = 16_000_000;

/// Pixels that one byte of a scan can stand for at most: a block of 64 takes a code for its mean and one for its end, of a bit each
/// at least; in a progressive file the first scan has the former only. Without this a few bytes would buy the decoding of 40
/// megapixels of grey.
const MAX_PIXELS_A_BYTE: u64 = 64 * 8 / 2;

const TRAILING: PictureError = PictureError::Unsupported("there is other data after the picture");
const ANIMATED: PictureError = PictureError::Unsupported("an animation");
const DEEP: PictureError = PictureError::Unsupported("more than 8 bits a channel");

/// Names the kind by magic, and refuses what is too large, unsupported, cut short or followed by something else.
pub(super) fn inspect(bytes: &[u8]) -> Result<Kind, PictureError> {
    let mut reader = Reader { bytes, at: 0 };
    if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        reader.jpeg().map(|()| Kind::Jpeg)
    } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        reader.png().map(|()| Kind::Png)
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        reader.webp().map(|()| Kind::WebP)
    } else {
        Err(PictureError::NotAPicture)
    }
}

/// A place in the bytes; reading past the end is [`PictureError::Broken`].
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What the frame header of a JPEG says.
struct Frame {
    pixels: u64,
    progressive: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], PictureError> {
        let end = self.at.checked_add(count).ok_or(PictureError::Broken)?;
        let taken = self.bytes.get(self.at..end).ok_or(PictureError::Broken)?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PictureError> {
        self.take(N)?.try_into().map_err(|_| PictureError::Broken)
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Marker by marker to EOI. Behind it only zeros may stand, or the further JPEGs (gain map, preview) that a
    /// multi-picture file has announced.
    fn jpeg(&mut self) -> Result<(), PictureError> {
        self.take(2)?;
        let (mut frame, mut scans, mut scanned, mut announced) = (None, 0, 0, false);
        loop {
            match self.marker()? {
                0xd9 => break,
                0xd0..=0xd7 | 0x01 => {}
                0xd8 => return Err(PictureError::Broken),
                0xda => {
                    scans += 1;
                    self.segment()?;
                    scanned += self.skip_scan();
                }
                0xc4 | 0xc8 | 0xcc => {
                    self.segment()?;
                }
                marker @ 0xc0..=0xcf => {
                    if frame.is_some() {
                        return Err(PictureError::Broken);
                    }
                    frame = Some(jpeg_frame(marker, self.segment()?)?);
                }
                0xe2 => announced |= self.segment()?.starts_with(b"MPF\0"),
                _ => {
                    self.segment()?;
                }
            }
            if scans > MAX_SCANS {
                return Err(PictureError::Unsupported("a JPEG of very many scans"));
            }
        }
        let frame = frame.ok_or(PictureError::Broken)?;
        if scans == 0 || (scans > 4 && !frame.progressive) {
            return Err(PictureError::Broken);
        }
        let most = if frame.progressive { 2 * MAX_PIXELS_A_BYTE } else { MAX_PIXELS_A_BYTE };
        if frame.pixels > most.saturating_mul(scanned) {
            return Err(PictureError::Broken);
        }
        if frame.progressive && frame.pixels > MAX_PROGRESSIVE_PIXELS {
            return Err(PictureError::TooManyPixels);
        }
        let rest = self.rest();
        let padding = rest.iter().all(|b| *b == 0);
        if padding || (announced && rest.starts_with(&[0xff, 0xd8, 0xff])) { Ok(()) } else { Err(TRAILING) }
    }

    /// The next marker, with any fill bytes before it.
    fn marker(&mut self) -> Result<u8, PictureError> {
        if self.array::<1>()? != [0xff] {
            return Err(PictureError::Broken);
        }
        loop {
            match self.array::<1>()? {
                [0xff] => {}
                [0] => return Err(PictureError::Broken),
                [marker] => return Ok(marker),
            }
        }
    }

    fn segment(&mut self) -> Result<&'a [u8], PictureError> {
        let length = usize::from(u16::from_be_bytes(self.array()?));
        self.take(length.checked_sub(2).ok_or(PictureError::Broken)?)
    }

    /// To the marker that ends the scan; stuffed zeros and restart markers belong to it. Its length in bytes.
    fn skip_scan(&mut self) -> u64 {
        let rest = self.rest();
        let ends = |pair: &[u8]| matches!(pair, [0xff, b] if !matches!(b, 0 | 0xd0..=0xd7));
        let length = rest.windows(2).position(ends).unwrap_or(rest.len());
        self.at += length;
        length as u64
    }

    /// Chunk by chunk to IEND, behind which nothing may stand.
    fn png(&mut self) -> Result<(), PictureError> {
        self.take(8)?;
        let mut first = true;
        loop {
            let length =
                usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| PictureError::Broken)?;
            let kind = self.array::<4>()?;
            let data = self.take(length)?;
            self.take(4)?;
            match &kind {
                b"IHDR" if first => png_header(data)?,
                _ if first => return Err(PictureError::Broken),
                b"acTL" => return Err(ANIMATED),
                b"IEND" => return if self.rest().is_empty() { Ok(()) } else { Err(TRAILING) },
                _ => {}
            }
            first = false;
        }
    }

    /// The RIFF length must be the file's, the first chunk gives size and flags.
    fn webp(&mut self) -> Result<(), PictureError> {
        self.take(4)?;
        let length = usize::try_from(u32::from_le_bytes(self.array()?)).map_err(|_| PictureError::Broken)?;
        let end = length.checked_add(8).ok_or(PictureError::Broken)?;
        self.take(4)?;
        if end > self.bytes.len() {
            return Err(PictureError::Broken);
        }
        if end < self.bytes.len() {
            return Err(TRAILING);
        }
        let kind = self.array::<4>()?;
        self.take(4)?;
        let (width, height) = match &kind {
            b"VP8X" => {
                let [flags, _, _, _, w0, w1, w2, h0, h1, h2] = self.array()?;
                if flags & 0x02 != 0 {
                    return Err(ANIMATED);
                }
                (u32::from_le_bytes([w0, w1, w2, 0]) + 1, u32::from_le_bytes([h0, h1, h2, 0]) + 1)
            }
            b"VP8L" => {
                let [_, a, b, c, d] = self.array()?;
                let bits = u32::from_le_bytes([a, b, c, d]);
                ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
            }
            b"VP8 " => {
                let [_, _, _, _, _, _, w0, w1, h0, h1] = self.array()?;
                let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
                (side(w0, w1), side(h0, h1))
            }
            _ => return Err(PictureError::Broken),
        };
        check_pixels(width, height).map(drop)
    }
}

/// Precision, size and channels of a start-of-frame segment.
fn jpeg_frame(marker: u8, segment: &[u8]) -> Result<Frame, PictureError> {
    let &[precision, h0, h1, w0, w1, channels, ..] = segment else {
        return Err(PictureError::Broken);
    };
    if !matches!(marker, 0xc0..=0xc2) {
        return Err(PictureError::Unsupported("a lossless or arithmetic JPEG"));
    }
    if precision != 8 {
        return Err(DEEP);
    }
    if channels == 4 {
        return Err(PictureError::Unsupported("CMYK colours"));
    }
    if !matches!(channels, 1 | 3) {
        return Err(PictureError::Unsupported("an unusual number of channels"));
    }
    let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
    let pixels = check_pixels(side(w0, w1), side(h0, h1))?;
    Ok(Frame { pixels, progressive: marker == 0xc2 })
}

fn png_header(data: &[u8]) -> Result<(), PictureError> {
    let &[w0, w1, w2, w3, h0, h1, h2, h3, depth, ..] = data else {
        return Err(PictureError::Broken);
    };
    check_pixels(u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3]))?;
    if depth > 8 { Err(DEEP) } else { Ok(()) }
}

fn check_pixels(width: u32, height: u32) -> Result<u64, PictureError> {
    match u64::from(width) * u64::from(height) {
        0 => Err(PictureError::Broken),
        pixels if pixels > MAX_PIXELS => Err(PictureError::TooManyPixels),
        pixels => Ok(pixels),
    }
}
