//! JPEGs that are not what their markers say.

use image::ImageFormat;

use super::{
    BROKEN, Fate, GOOD, NO_PICTURE, Odd, TOO_LARGE, UNSUPPORTED, encode, find, inserted, odd, patched,
};

pub(super) fn all(jpeg: &[u8]) -> anyhow::Result<Vec<Odd>> {
    let mut all = sizes(jpeg);
    all.extend(frames(jpeg));
    all.extend(segments(jpeg));
    all.extend(scans(jpeg));
    let grey = image::GrayImage::from_pixel(20, 10, image::Luma([77]));
    all.push(odd("a grey JPEG", encode(&grey.into(), ImageFormat::Jpeg)?, Fate::Read(20, 10)));
    Ok(all)
}

/// The size in the frame header, over the data of 64 × 48.
fn sizes(jpeg: &[u8]) -> Vec<Odd> {
    let at = find(jpeg, b"\xff\xc0") + 5;
    let cases: [(u16, u16, Fate); 10] = [
        (0, 48, BROKEN),
        (64, 0, BROKEN),
        (0, 0, BROKEN),
        (65_535, 65_535, TOO_LARGE),
        (65_535, 1_000, TOO_LARGE),
        (6_400, 6_300, TOO_LARGE),
        (65_535, 48, BROKEN),
        (64, 65_535, BROKEN),
        (4_000, 3_000, BROKEN),
        (6_300, 6_300, BROKEN),
    ];
    let sized = |(width, height, fate): (u16, u16, Fate)| {
        let size = [height.to_be_bytes(), width.to_be_bytes()].concat();
        odd(format!("a JPEG that says {width} × {height}"), patched(jpeg, at, &size), fate)
    };
    cases.into_iter().map(sized).collect()
}

/// Kinds of JPEG that no camera writes, and channels.
fn frames(jpeg: &[u8]) -> Vec<Odd> {
    let at = find(jpeg, b"\xff\xc0");
    let kinds: [u8; 10] = [0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf];
    let kind = |marker: u8| {
        odd(format!("a JPEG of frame kind {marker:02x}"), patched(jpeg, at + 1, &[marker]), UNSUPPORTED)
    };
    let mut all: Vec<Odd> = kinds.into_iter().map(kind).collect();
    for bits in [1, 12, 16] {
        all.push(odd(format!("a JPEG of {bits} bits"), patched(jpeg, at + 4, &[bits]), UNSUPPORTED));
    }
    for (channels, what) in
        [(0, "no channel"), (2, "two channels"), (4, "CMYK"), (5, "five channels"), (255, "255 channels")]
    {
        all.push(odd(format!("a JPEG of {what}"), patched(jpeg, at + 9, &[channels]), UNSUPPORTED));
    }
    all.push(odd(
        "a sequential JPEG that says it is progressive",
        patched(jpeg, at + 1, &[0xc2]),
        Fate::Either,
    ));
    let frame = jpeg.get(at..at + 19).unwrap_or_default();
    all.push(odd("a JPEG of two frames", inserted(jpeg, at, frame), BROKEN));
    all
}

fn segments(jpeg: &[u8]) -> Vec<Odd> {
    let comment = [b"\xff\xfe\xff\xff".as_slice(), &[b'x'; 65_533]].concat();
    let comments = comment.repeat(40);
    let table = find(jpeg, b"\xff\xc4");
    let quantisers = find(jpeg, b"\xff\xdb");
    vec![
        odd("a JPEG of 2.6 MB of comments", inserted(jpeg, 2, &comments), GOOD),
        odd("a JPEG with fill bytes", inserted(jpeg, 2, &[0xff; 64]), GOOD),
        odd("a JPEG with a segment of length 0", inserted(jpeg, 2, b"\xff\xfe\0\0"), BROKEN),
        odd("a JPEG with a segment of length 1", inserted(jpeg, 2, b"\xff\xfe\0\x01"), BROKEN),
        odd(
            "a JPEG with a segment beyond its end",
            inserted(jpeg, jpeg.len() - 2, b"\xff\xfe\xff\xff"),
            BROKEN,
        ),
        odd("a JPEG in a JPEG", inserted(jpeg, 2, b"\xff\xd8"), BROKEN),
        odd("a JPEG that ends at once", b"\xff\xd8\xff\xd9".as_slice(), BROKEN),
        odd("a JPEG of its magic alone", b"\xff\xd8\xff".as_slice(), BROKEN),
        odd("a JPEG without its first byte", jpeg.get(1..).unwrap_or_default(), NO_PICTURE),
        odd("a JPEG with a marker of zero", inserted(jpeg, 2, b"\xff\0"), BROKEN),
        odd("a JPEG with a Huffman table of too many codes", patched(jpeg, table + 5, &[255; 16]), BROKEN),
        odd("a JPEG with Huffman table 15", patched(jpeg, table + 4, &[0x0f]), BROKEN),
        odd("a JPEG of quantisers 15", patched(jpeg, quantisers + 4, &[0x0f]), BROKEN),
        odd(
            "a JPEG with restarts that it does not have",
            inserted(jpeg, 2, b"\xff\xdd\0\x04\0\x01"),
            Fate::Either,
        ),
        odd(
            "a JPEG with Adobe's mark of YCCK",
            inserted(jpeg, 2, b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\x02"),
            Fate::Either,
        ),
        odd("a JPEG padded with zeros", [jpeg, &[0; 512]].concat(), GOOD),
    ]
}

fn scans(jpeg: &[u8]) -> Vec<Odd> {
    let at = find(jpeg, b"\xff\xda");
    let (head, scan) = jpeg.split_at(at);
    let scan = scan.get(..scan.len() - 2).unwrap_or_default();
    let many = |count: usize| [head, &scan.repeat(count), b"\xff\xd9"].concat();
    let frame = find(jpeg, b"\xff\xc0");
    vec![
        odd("a JPEG without a scan", [head, b"\xff\xd9"].concat(), BROKEN),
        odd("a sequential JPEG of five scans", many(5), BROKEN),
        odd("a JPEG of 33 scans", many(33), UNSUPPORTED),
        odd("a JPEG of 1,000 scans", many(1_000), UNSUPPORTED),
        odd("a progressive JPEG of 1,000 scans", patched(&many(1_000), frame + 1, &[0xc2]), UNSUPPORTED),
        odd(
            "a JPEG whose scan is empty",
            [head, scan.get(..14).unwrap_or_default(), b"\xff\xd9"].concat(),
            BROKEN,
        ),
        odd("a JPEG whose scan names no channel", patched(jpeg, at + 4, &[0]), BROKEN),
        odd("a JPEG whose scan names channel 9", patched(jpeg, at + 5, &[9]), BROKEN),
    ]
}
