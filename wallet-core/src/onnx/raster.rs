//! The one resampler: bilinear, straight from 8-bit RGB into a model's `f32` planes.

#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixel kernel: every index is clamped to the picture, every number is far below 2^24"
)]

use crate::face::geometry::{ALIGNED_SIDE, Similarity};
use crate::face::quality::ALIGNED_LEN;
use crate::picture::Picture;

/// A rectangle of whole pixels inside a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crop {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

/// A model's input: three planes, row by row.
pub struct Planes<'a> {
    pub values: &'a mut [f32],
    pub width: usize,
    pub height: usize,
}

impl Crop {
    /// The whole picture.
    pub fn whole(picture: &Picture) -> Crop {
        Crop { x: 0, y: 0, width: picture.width() as usize, height: picture.height() as usize }
    }
}

impl Planes<'_> {
    /// Sets a pixel to its three channel values, in the order in which the model wants them.
    pub fn put(&mut self, x: usize, y: usize, channels: [f32; 3]) {
        let (plane, at) = (self.width * self.height, y * self.width + x);
        for (c, value) in channels.into_iter().enumerate() {
            self.values[c * plane + at] = value;
        }
    }
}

/// Scales a crop to `size` (width, height) exactly as `cv2.resize(…, INTER_LINEAR)` does on 8-bit pictures: pixel
/// centres at half coordinates, the crop's border repeated, weights in 2048ths, the same shifts. YuNet moves its points
/// by a quarter of a pixel when its input differs by rounding alone. `put` gets each pixel as RGB, 0 to 255.
pub fn resize(
    picture: &Picture,
    crop: Crop,
    size: (usize, usize),
    mut put: impl FnMut(usize, usize, [f32; 3]),
) {
    let stride = picture.width() as usize * 3;
    let rgb = picture.rgb();
    let columns = taps(crop.width, size.0);
    for (y, row) in taps(crop.height, size.1).into_iter().enumerate() {
        let (top, bottom) = ((crop.y + row.low) * stride, (crop.y + row.high) * stride);
        for (x, column) in columns.iter().enumerate() {
            let (left, right) = ((crop.x + column.low) * 3, (crop.x + column.high) * 3);
            let mut pixel = [0.0; 3];
            for (c, value) in pixel.iter_mut().enumerate() {
                let at = |offset: usize| i32::from(rgb[offset + c]);
                let across =
                    |line: usize| at(line + left) * (ONE - column.weight) + at(line + right) * column.weight;
                let high = ((ONE - row.weight) * (across(top) >> 4)) >> 16;
                let low = (row.weight * (across(bottom) >> 4)) >> 16;
                *value = ((high + low + 2) >> 2) as f32;
            }
            put(x, y, pixel);
        }
    }
}

/// Warps a face to 112² as `cv2.warpAffine(…, INTER_LINEAR)` does; what lies outside the picture is black.
pub fn warp_face(picture: &Picture, to_aligned: &Similarity) -> Box<[u8; ALIGNED_LEN]> {
    let mut aligned = Box::new([0; ALIGNED_LEN]);
    let back = to_aligned.inverse();
    for (i, pixel) in aligned.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        let (x, y) = back.apply((i % ALIGNED_SIDE) as f64, (i / ALIGNED_SIDE) as f64);
        let sample = sample_or_black(picture, x as f32, y as f32);
        *pixel = sample.map(|v| (v + 0.5) as u8);
    }
    aligned
}

/// The colour at a point between pixels (whole coordinates are pixel centres), its border repeated outwards.
pub fn sample_clamped(picture: &Picture, x: f32, y: f32) -> [f32; 3] {
    let clamp = |v: f32, side: u32| v.clamp(0.0, (side - 1) as f32);
    sample_or_black(picture, clamp(x, picture.width()), clamp(y, picture.height()))
}

fn sample_or_black(picture: &Picture, x: f32, y: f32) -> [f32; 3] {
    let (x0, y0) = (x.floor(), y.floor());
    let (wx, wy) = (x - x0, y - y0);
    let at = |px: f32, py: f32| {
        let inside = px >= 0.0 && py >= 0.0 && px < picture.width() as f32 && py < picture.height() as f32;
        let offset = if inside {
            (py as usize * picture.width() as usize + px as usize) * 3
        } else {
            return [0.0; 3];
        };
        let rgb = &picture.rgb()[offset..offset + 3];
        [f32::from(rgb[0]), f32::from(rgb[1]), f32::from(rgb[2])]
    };
    let corners = [at(x0, y0), at(x0 + 1.0, y0), at(x0, y0 + 1.0), at(x0 + 1.0, y0 + 1.0)];
    let blend =
        |c: usize| mix(mix(corners[0][c], corners[1][c], wx), mix(corners[2][c], corners[3][c], wx), wy);
    [blend(0), blend(1), blend(2)]
}

/// The unit of [`Tap::weight`].
const ONE: i32 = 2048;

/// The two source pixels of a target pixel along one axis, and the weight of the second.
struct Tap {
    low: usize,
    high: usize,
    weight: i32,
}

fn taps(from: usize, to: usize) -> Vec<Tap> {
    let scale = from as f64 / to as f64;
    let last = from.saturating_sub(1);
    (0..to)
        .map(|i| {
            let place = ((i as f64 + 0.5) * scale - 0.5).clamp(0.0, last as f64) as f32;
            let low = (place as usize).min(last);
            let weight = ((place - low as f32) * ONE as f32).round_ties_even() as i32;
            Tap { low, high: (low + 1).min(last), weight }
        })
        .collect()
}

fn mix(a: f32, b: f32, weight: f32) -> f32 {
    a + (b - a) * weight
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: u32, height: u32) -> Picture {
        let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 7]));
        Picture::from_rgb(width, height, rgb.collect()).unwrap()
    }

    #[test]
    fn the_same_size_is_the_same_picture() {
        let picture = ramp(20, 10);
        resize(&picture, Crop::whole(&picture), (20, 10), |x, y, rgb| {
            assert_eq!(rgb, [x as f32, y as f32, 7.0])
        });
    }

    #[test]
    fn half_the_size_is_the_mean_of_four_and_a_crop_keeps_to_itself() {
        let picture = ramp(20, 20);
        resize(&picture, Crop::whole(&picture), (10, 10), |x, _, rgb| {
            assert_eq!(rgb[0], 2.0 * x as f32 + 1.0)
        });
        let crop = Crop { x: 4, y: 4, width: 3, height: 3 };
        resize(&picture, crop, (9, 9), |_, _, rgb| assert!((4.0..=6.0).contains(&rgb[0])));
    }

    #[test]
    fn a_shift_by_whole_pixels_moves_the_face_and_the_outside_is_black() {
        let picture = ramp(40, 40);
        let aligned = warp_face(&picture, &Similarity { a: 1.0, b: 0.0, tx: 5.0, ty: 0.0 });
        assert_eq!(aligned[..3], [0, 0, 0]);
        assert_eq!(aligned[(3 * ALIGNED_SIDE + 9) * 3..][..3], [4, 3, 7]);
    }
}
