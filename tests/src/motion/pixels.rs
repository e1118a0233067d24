//! Pixels read between their places.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places are clamped to the picture, colours to a byte"
)]

use image::{Rgb, RgbImage};

/// Bilinear; beyond the edge, the edge.
pub(super) fn sample(image: &RgbImage, x: f32, y: f32) -> [f32; 3] {
    let (width, height) = (image.width(), image.height());
    let (x, y) = (x.clamp(0.0, (width - 1) as f32), y.clamp(0.0, (height - 1) as f32));
    let (left, top) = (x as u32, y as u32);
    let (right, bottom) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
    let (across, down) = (x - left as f32, y - top as f32);
    let of = |x, y| image.get_pixel(x, y).0.map(f32::from);
    let blend = |a: [f32; 3], b: [f32; 3], share: f32| mix(a, b, share);
    blend(
        blend(of(left, top), of(right, top), across),
        blend(of(left, bottom), of(right, bottom), across),
        down,
    )
}

/// `share` of `b`, the rest of `a`.
pub(super) fn mix([a0, a1, a2]: [f32; 3], [b0, b1, b2]: [f32; 3], share: f32) -> [f32; 3] {
    let one = |a: f32, b: f32| a + (b - a) * share;
    [one(a0, b0), one(a1, b1), one(a2, b2)]
}

pub(super) fn pixel(colour: [f32; 3]) -> Rgb<u8> {
    Rgb(colour.map(|value| value.round().clamp(0.0, 255.0) as u8))
}

/// Every pixel made anew from its place and colour.
pub(super) fn each(image: &RgbImage, mut change: impl FnMut(f32, f32, [f32; 3]) -> [f32; 3]) -> RgbImage {
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        pixel(change(x as f32, y as f32, image.get_pixel(x, y).0.map(f32::from)))
    })
}

/// 0 below `from`, 1 above `to`, smooth between them.
pub(super) fn step(from: f32, to: f32, value: f32) -> f32 {
    let share = ((value - from) / (to - from)).clamp(0.0, 1.0);
    share * share * (3.0 - 2.0 * share)
}

/// A number from −1 to 1 that follows from three others: noise that is the same each time.
pub(super) fn noise(x: u32, y: u32, seed: u32) -> f32 {
    let mut hash = x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77) ^ seed.wrapping_mul(0xc2b2_ae3d);
    hash = (hash ^ (hash >> 15)).wrapping_mul(0x2c1b_3c6d);
    hash = (hash ^ (hash >> 12)).wrapping_mul(0x297a_2d39);
    ((hash ^ (hash >> 15)) >> 8) as f32 / 8_388_608.0 - 1.0
}
