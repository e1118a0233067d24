//! PNGs whose chunks lie.

use image::{DynamicImage, ImageFormat};

use super::{BROKEN, Fate, GOOD, Odd, TOO_LARGE, UNSUPPORTED, encode, find, inserted, odd, patched};

pub(super) fn all(png: &[u8]) -> anyhow::Result<Vec<Odd>> {
    let mut all = sizes(png);
    all.extend(headers(png));
    all.extend(chunks(png));
    all.extend(depths()?);
    Ok(all)
}

/// A chunk with its sum.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes();
    let named = [kind.as_slice(), data].concat();
    [length.as_slice(), &named, &crc32(&named).to_be_bytes()].concat()
}

/// ISO 3309, as PNG wants it.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    };
    !bytes.iter().fold(u32::MAX, step)
}

/// The header's data, behind the magic, its length and its name.
const HEADER: usize = 16;
/// Where the chunks behind the header begin.
const BEHIND_HEADER: usize = 33;

/// With another header, and the right sum.
fn with_header(png: &[u8], header: &[u8; 13]) -> Vec<u8> {
    let rest = png.get(BEHIND_HEADER..).unwrap_or_default();
    [png.get(..8).unwrap_or_default(), &chunk(b"IHDR", header), rest].concat()
}

fn header(width: u32, height: u32, rest: [u8; 5]) -> [u8; 13] {
    let [a, b, c, d] = width.to_be_bytes();
    let [e, f, g, h] = height.to_be_bytes();
    let [i, j, k, l, m] = rest;
    [a, b, c, d, e, f, g, h, i, j, k, l, m]
}

fn sizes(png: &[u8]) -> Vec<Odd> {
    let cases: [(u32, u32, Fate); 8] = [
        (0, 48, BROKEN),
        (64, 0, BROKEN),
        (u32::MAX, u32::MAX, TOO_LARGE),
        (1 << 31, 1, TOO_LARGE),
        (60_000, 60_000, TOO_LARGE),
        (40_000_001, 1, TOO_LARGE),
        (6_000, 6_000, BROKEN),
        (64, 49, BROKEN),
    ];
    let sized = |(width, height, fate)| {
        let bytes = with_header(png, &header(width, height, [8, 2, 0, 0, 0]));
        odd(format!("a PNG that says {width} × {height}"), bytes, fate)
    };
    cases.into_iter().map(sized).collect()
}

/// Depth, colour type, compression, filter, interlacing: what is not in the standard, or not read.
fn headers(png: &[u8]) -> Vec<Odd> {
    let cases: [(&str, [u8; 5], Fate); 9] = [
        ("of 16 bits", [16, 2, 0, 0, 0], UNSUPPORTED),
        ("of 32 bits", [32, 2, 0, 0, 0], UNSUPPORTED),
        ("of no bits", [0, 2, 0, 0, 0], BROKEN),
        ("of 3 bits", [3, 2, 0, 0, 0], BROKEN),
        ("of colour type 1", [8, 1, 0, 0, 0], BROKEN),
        ("of colour type 255", [8, 255, 0, 0, 0], BROKEN),
        ("with a palette that is not there", [8, 3, 0, 0, 0], BROKEN),
        ("of another compression", [8, 2, 9, 0, 0], BROKEN),
        ("of another filter", [8, 2, 0, 9, 0], BROKEN),
    ];
    let made =
        |(what, rest, fate)| odd(format!("a PNG {what}"), with_header(png, &header(64, 48, rest)), fate);
    cases.into_iter().map(made).collect()
}

fn chunks(png: &[u8]) -> Vec<Odd> {
    let data = find(png, b"IDAT") - 4;
    let end = find(png, b"IEND") - 4;
    let (head, tail) = (png.get(..data).unwrap_or_default(), png.get(end..).unwrap_or_default());
    let text = chunk(b"tEXt", &[b"Comment\0".as_slice(), &vec![b'x'; 1 << 20]].concat());
    // 4 GB of spaces in 4 MB would be too large to carry; a stored block that claims more than there is does as well.
    let bomb = chunk(b"zTXt", b"Comment\0\0\x78\x01\x01\xff\xff\0\0xxxx");
    let profile = chunk(b"iCCP", b"icc\0\0\x78\x01\x01\xff\xff\0\0xxxx");
    vec![
        odd("a PNG of 1 MB of text", inserted(png, BEHIND_HEADER, &text), GOOD),
        odd("a PNG with packed text that does not unpack", inserted(png, BEHIND_HEADER, &bomb), Fate::Either),
        odd(
            "a PNG with a colour profile that does not unpack",
            inserted(png, BEHIND_HEADER, &profile),
            Fate::Either,
        ),
        odd(
            "a PNG that is animated",
            inserted(png, BEHIND_HEADER, &chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0])),
            UNSUPPORTED,
        ),
        odd("a PNG without data", [head, tail].concat(), BROKEN),
        odd(
            "a PNG whose data is no zlib",
            [head, &chunk(b"IDAT", b"not zlib at all"), tail].concat(),
            BROKEN,
        ),
        odd("a PNG whose data is empty", [head, &chunk(b"IDAT", b""), tail].concat(), BROKEN),
        odd(
            "a PNG of two headers",
            inserted(png, BEHIND_HEADER, png.get(8..BEHIND_HEADER).unwrap_or_default()),
            BROKEN,
        ),
        odd(
            "a PNG that begins with its data",
            [png.get(..8).unwrap_or_default(), png.get(data..).unwrap_or_default()].concat(),
            BROKEN,
        ),
        odd("a PNG with a chunk of 4 GB", patched(png, data, &[255; 4]), BROKEN),
        odd("a PNG with a chunk of 2 GB", patched(png, data, &[127, 255, 255, 255]), BROKEN),
        odd("a PNG whose header's sum is wrong", patched(png, HEADER + 13, &[0; 4]), BROKEN),
        odd("a PNG of its magic alone", png.get(..8).unwrap_or_default(), BROKEN),
        odd(
            "a PNG with a chunk that must be known and is not",
            inserted(png, BEHIND_HEADER, &chunk(b"QUIT", b"")),
            Fate::Either,
        ),
    ]
}

/// Every depth and number of channels that the encoder has.
fn depths() -> anyhow::Result<Vec<Odd>> {
    let read = Fate::Read(9, 7);
    let pictures: [(&str, DynamicImage, Fate); 8] = [
        ("grey", DynamicImage::new_luma8(9, 7), read),
        ("grey and clear", DynamicImage::new_luma_a8(9, 7), read),
        ("coloured", DynamicImage::new_rgb8(9, 7), read),
        ("coloured and clear", DynamicImage::new_rgba8(9, 7), read),
        ("grey, 16 bits", DynamicImage::new_luma16(9, 7), UNSUPPORTED),
        ("grey and clear, 16 bits", DynamicImage::new_luma_a16(9, 7), UNSUPPORTED),
        ("coloured, 16 bits", DynamicImage::new_rgb16(9, 7), UNSUPPORTED),
        ("coloured and clear, 16 bits", DynamicImage::new_rgba16(9, 7), UNSUPPORTED),
    ];
    let made = |(what, picture, fate): (&str, DynamicImage, Fate)| {
        Ok(odd(format!("a PNG, {what}"), encode(&picture, ImageFormat::Png)?, fate))
    };
    pictures.into_iter().map(made).collect()
}
