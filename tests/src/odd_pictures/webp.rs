//! WebP files whose boxes lie.

use super::{BROKEN, Fate, Odd, TOO_LARGE, UNSUPPORTED, odd, patched};

/// A file of one box.
fn riff(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let padded = data.len() + data.len() % 2;
    let padding = vec![0; padded - data.len()];
    [b"RIFF".as_slice(), &length(12 + padded), b"WEBP", kind, &length(data.len()), data, &padding].concat()
}

/// The header box of an extended file.
fn extended(flags: u8, width: u32, height: u32) -> Vec<u8> {
    let side = |v: u32| v.to_le_bytes().into_iter().take(3).collect::<Vec<u8>>();
    [vec![flags, 0, 0, 0], side(width.wrapping_sub(1)), side(height.wrapping_sub(1))].concat()
}

pub(super) fn all(webp: &[u8]) -> Vec<Odd> {
    let stated = u32::try_from(webp.len() - 8).unwrap_or(0);
    let short = |by: u32| stated.wrapping_sub(by).to_le_bytes();
    let lossy = |size: [u8; 4]| [b"\x30\x01\0\x9d\x01\x2a".as_slice(), &size].concat();
    vec![
        odd("a WebP whose length is short by two", patched(webp, 4, &short(2)), UNSUPPORTED),
        odd("a WebP whose length is 0", patched(webp, 4, &[0; 4]), UNSUPPORTED),
        odd("a WebP whose length is long by two", patched(webp, 4, &short(0_u32.wrapping_sub(2))), BROKEN),
        odd("a WebP whose length is 4 GB", patched(webp, 4, &[255; 4]), BROKEN),
        odd("a WebP of no box", b"RIFF\x04\0\0\0WEBP".as_slice(), BROKEN),
        odd("a WebP of an unknown box", riff(b"ABCD", b"xxxx"), BROKEN),
        odd("a WebP that is animated", riff(b"VP8X", &extended(0x02, 8, 8)), UNSUPPORTED),
        odd("a WebP of 16,777,216 × 16,777,216", riff(b"VP8X", &extended(0, 1 << 24, 1 << 24)), TOO_LARGE),
        odd("a WebP of 6,400 × 6,300", riff(b"VP8X", &extended(0, 6_400, 6_300)), TOO_LARGE),
        odd("a WebP of a header alone", riff(b"VP8X", &extended(0, 64, 48)), BROKEN),
        odd("a WebP of every flag", riff(b"VP8X", &extended(0xfd, 64, 48)), BROKEN),
        odd("a lossless WebP of 16,384 × 16,384", riff(b"VP8L", b"\x2f\xff\xff\xff\x0f"), TOO_LARGE),
        odd("a lossless WebP of nothing", riff(b"VP8L", b"\x2f\0\0\0\0"), BROKEN),
        odd("a lossless WebP of another magic", riff(b"VP8L", b"\0\0\0\0\0\0"), BROKEN),
        odd("a lossy WebP of 0 × 0", riff(b"VP8 ", &lossy([0; 4])), BROKEN),
        odd("a lossy WebP of 16,383 × 16,383", riff(b"VP8 ", &lossy([255, 63, 255, 63])), TOO_LARGE),
        odd("a lossy WebP without its data", riff(b"VP8 ", &lossy([64, 0, 48, 0])), BROKEN),
        odd("a lossy WebP that says it is scaled", riff(b"VP8 ", &lossy([64, 192, 48, 192])), BROKEN),
        odd("a WebP with an odd box before its end", riff(b"VP8L", b"\x2f\0\0\0\0x"), Fate::Either),
    ]
}
