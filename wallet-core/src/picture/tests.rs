use std::time::{Duration, Instant};

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, GrayImage, ImageBuffer, ImageFormat, Luma, Rgba, RgbaImage};

use super::*;

/// A smooth picture whose corners differ: top left red, the rest of the top green, the rest blue-ish.
fn scene(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let (right, low) = (x > width / 2, y > height / 2);
        image::Rgb(match (right, low) {
            (false, false) => [230, 20, 20],
            (true, false) => [20, 230, 20],
            (false, true) => [20, 20, 230],
            (true, true) => [200, 200, 20],
        })
    })
}

fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn jpeg() -> Vec<u8> {
    encode(&scene(64, 48).into(), ImageFormat::Jpeg)
}

fn png() -> Vec<u8> {
    encode(&scene(64, 48).into(), ImageFormat::Png)
}

fn webp() -> Vec<u8> {
    encode(&scene(64, 48).into(), ImageFormat::WebP)
}

/// Sets the size in a JPEG's frame header without touching its data.
fn with_size(mut jpeg: Vec<u8>, width: u16, height: u16) -> Vec<u8> {
    let at = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    jpeg[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
    jpeg[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
    jpeg
}

fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    [&jpeg[..2], &exif, &jpeg[2..]].concat()
}

#[test]
fn the_three_kinds_are_read_alike() {
    for bytes in [jpeg(), png(), webp()] {
        let picture = Picture::decode(&bytes).unwrap();
        assert_eq!((picture.width(), picture.height()), (64, 48));
        let drawn = scene(64, 48);
        let far = picture.rgb().iter().zip(drawn.as_raw()).filter(|(a, b)| a.abs_diff(**b) > 24);
        assert!(far.count() < 64 * 48 / 4);
    }
    let grey = GrayImage::from_pixel(20, 10, Luma([77]));
    let picture = Picture::decode(&encode(&grey.into(), ImageFormat::Jpeg)).unwrap();
    assert!(picture.rgb().iter().all(|v| v.abs_diff(77) < 3));
}

#[test]
fn orientation_is_applied() {
    let upright = Picture::decode(&jpeg()).unwrap();
    let turned = Picture::decode(&with_orientation(&jpeg(), 6)).unwrap();
    assert_eq!((turned.width(), turned.height()), (48, 64));
    assert_eq!(turned, upright.turned(1).unwrap());
    assert_eq!(upright.turned(3).unwrap().turned(1).unwrap(), upright);
}

#[test]
fn what_is_transparent_is_white() {
    let mut clear = RgbaImage::from_pixel(8, 8, Rgba([10, 20, 30, 255]));
    clear.put_pixel(0, 0, Rgba([10, 20, 30, 0]));
    let picture = Picture::decode(&encode(&clear.into(), ImageFormat::Png)).unwrap();
    assert_eq!(picture.rgb()[..6], [255, 255, 255, 10, 20, 30]);
}

#[test]
fn what_is_no_picture() {
    for bytes in [&b""[..], b"GIF89a", b"%PDF-1.7", b"\xff\xd8", b"RIFF\0\0\0\0WAVE", b"<svg/>"] {
        assert_eq!(Picture::decode(bytes), Err(PictureError::NotAPicture));
    }
    assert_eq!(Picture::decode(&vec![0xff; MAX_BYTES + 1]), Err(PictureError::TooManyBytes));
}

/// Cut anywhere, a picture is broken and never grey.
#[test]
fn what_is_cut_short_is_broken() {
    for whole in [jpeg(), png(), webp()] {
        for keep in (12..whole.len()).step_by(7) {
            let cut = Picture::decode(&whole[..keep]);
            assert_eq!(cut, Err(PictureError::Broken), "{keep} of {}", whole.len());
        }
    }
}

#[test]
fn too_many_pixels_are_refused_from_the_header_at_once() {
    let started = Instant::now();
    assert_eq!(Picture::decode(&with_size(jpeg(), 65_535, 65_535)), Err(PictureError::TooManyPixels));
    let mut bomb = png();
    bomb[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
    bomb[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
    assert_eq!(Picture::decode(&bomb), Err(PictureError::TooManyPixels));
    let mut wide = webp();
    wide[21..25].copy_from_slice(&0x0fff_ffff_u32.to_le_bytes());
    assert_eq!(Picture::decode(&wide), Err(PictureError::TooManyPixels));
    assert!(started.elapsed() < Duration::from_millis(100));
}

#[test]
fn a_picture_of_no_height_is_broken() {
    assert_eq!(Picture::decode(&with_size(jpeg(), 0, 48)), Err(PictureError::Broken));
}

#[test]
fn unusual_kinds_are_named() {
    let unsupported = |bytes: &[u8]| match Picture::decode(bytes) {
        Err(PictureError::Unsupported(what)) => what,
        other => panic!("{other:?}"),
    };
    let deep: ImageBuffer<Luma<u16>, Vec<u16>> = ImageBuffer::from_pixel(8, 8, Luma([4000]));
    assert!(unsupported(&encode(&deep.into(), ImageFormat::Png)).contains("8 bits"));

    let at = jpeg().windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    let mut cmyk = jpeg();
    cmyk[at + 9] = 4;
    assert!(unsupported(&cmyk).contains("CMYK"));
    let mut lossless = jpeg();
    lossless[at + 1] = 0xc3;
    assert!(unsupported(&lossless).contains("lossless"));

    let mut moving = png();
    let chunk = b"\0\0\0\x08acTL\0\0\0\x02\0\0\0\0\0\0\0\0";
    moving.splice(33..33, chunk.iter().copied());
    assert!(unsupported(&moving).contains("animation"));
    let film = b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\x07\0\0\x07\0\0";
    assert!(unsupported(film).contains("animation"));
}

#[test]
fn nothing_may_hide_behind_a_picture() {
    for mut bytes in [jpeg(), png(), webp()] {
        bytes.extend(b"PK\x03\x04 an archive");
        assert!(matches!(Picture::decode(&bytes), Err(PictureError::Unsupported(_))));
    }
    let padded = [jpeg(), vec![0; 512]].concat();
    assert!(Picture::decode(&padded).is_ok());
}

/// A few dozen bytes a scan would otherwise buy minutes of decoding.
#[test]
fn a_jpeg_of_very_many_scans_is_refused() {
    let whole = jpeg();
    let scan = whole.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
    let mut bytes = whole[..scan].to_vec();
    for _ in 0..100 {
        bytes.extend(&whole[scan..whole.len() - 2]);
    }
    bytes.extend([0xff, 0xd9]);
    assert!(matches!(Picture::decode(&bytes), Err(PictureError::Unsupported(_))));
}

#[test]
fn a_camera_frame_decodes_in_time() {
    let mut bytes = Vec::new();
    let frame = scene(1280, 720);
    JpegEncoder::new_with_quality(&mut bytes, 90)
        .encode(frame.as_raw(), 1280, 720, ExtendedColorType::Rgb8)
        .unwrap();
    let started = Instant::now();
    Picture::decode(&bytes).unwrap();
    assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
}
