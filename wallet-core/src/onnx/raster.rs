//! Resampling, bilinear: straight from 8-bit RGB into a model's `f32` planes, and a face to where the embedder wants it.

#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixel kernel: every index is clamped to the picture, every number is far below 2^24"
)]

use crate::document::plane::{self, Homography, Quad};
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

/// Warps a face to 112² as `cv2.warpAffine(…, INTER_LINEAR)` does on 8-bit pictures: places in 1024ths of a pixel, rounded to
/// 32nds, the weights' products in 1024ths. What lies outside the picture is black.
pub fn warp_face(picture: &Picture, to_aligned: &Similarity) -> Box<[u8; ALIGNED_LEN]> {
    let mut aligned = Box::new([0; ALIGNED_LEN]);
    let back = to_aligned.inverse();
    // The cast saturates, far outside any picture; two of them cannot overflow an i64.
    let fixed = |v: f64| i64::from((v * PLACE).round_ties_even() as i32);
    let steps: [_; ALIGNED_SIDE] =
        std::array::from_fn(|x| (fixed(back.a * x as f64), fixed(back.b * x as f64)));
    let source = Source::of(picture);
    for (y, row) in aligned.as_chunks_mut::<{ ALIGNED_SIDE * 3 }>().0.iter_mut().enumerate() {
        let start =
            (fixed(back.tx - back.b * y as f64) + HALF_32ND, fixed(back.ty + back.a * y as f64) + HALF_32ND);
        let places = steps.iter().map(|(dx, dy)| Place::of(start.0 + dx, start.1 + dy));
        // A row is a straight line: where both of its ends have their four pixels, all of it has.
        let ends = [steps[0], steps[ALIGNED_SIDE - 1]];
        let inside = ends.iter().all(|(dx, dy)| source.holds(&Place::of(start.0 + dx, start.1 + dy)));
        let pixels = row.as_chunks_mut::<3>().0.iter_mut().zip(places);
        if inside {
            pixels.for_each(|(pixel, place)| *pixel = place.blend(source.four(&place)));
        } else {
            pixels.for_each(|(pixel, place)| *pixel = place.blend(source.four_or_black(&place)));
        }
    }
    aligned
}

/// Units of a place in a pixel, as `warpAffine` has them.
const PLACE: f64 = 1024.0;
/// Half of a 32nd of a pixel, in these units.
const HALF_32ND: i64 = 16;

/// A point between pixels: the pixel above and to the left of it, and how many 32nds it lies beyond.
struct Place {
    x: i64,
    y: i64,
    right: u32,
    down: u32,
}

impl Place {
    /// From 1024ths of a pixel.
    fn of(x: i64, y: i64) -> Place {
        let (x, y) = (x >> 5, y >> 5);
        Place { x: x >> 5, y: y >> 5, right: (x & 31) as u32, down: (y & 31) as u32 }
    }

    /// The colour here, of the pixels top left, top right, bottom left and bottom right.
    fn blend(&self, [tl, tr, bl, br]: [[u8; 3]; 4]) -> [u8; 3] {
        let (left, up) = (32 - self.right, 32 - self.down);
        let weights = [up * left, up * self.right, self.down * left, self.down * self.right];
        std::array::from_fn(|c| {
            let corners = [tl[c], tr[c], bl[c], br[c]].map(u32::from);
            let sum = corners[0] * weights[0]
                + corners[1] * weights[1]
                + corners[2] * weights[2]
                + corners[3] * weights[3];
            ((sum + 512) >> 10) as u8
        })
    }
}

/// A picture as rows of pixels.
struct Source<'a> {
    pixels: &'a [[u8; 3]],
    width: i64,
    height: i64,
}

impl Source<'_> {
    fn of(picture: &Picture) -> Source<'_> {
        let (width, height) = (picture.width().into(), picture.height().into());
        Source { pixels: picture.rgb().as_chunks().0, width, height }
    }

    /// Whether all four pixels around the place are in the picture.
    fn holds(&self, place: &Place) -> bool {
        (0..self.width - 1).contains(&place.x) && (0..self.height - 1).contains(&place.y)
    }

    /// The pixels around a place that the picture [`holds`](Source::holds).
    fn four(&self, place: &Place) -> [[u8; 3]; 4] {
        let (top, bottom) = (place.y * self.width + place.x, (place.y + 1) * self.width + place.x);
        let [top, bottom] = [top, bottom].map(|at| &self.pixels[at as usize..at as usize + 2]);
        [top[0], top[1], bottom[0], bottom[1]]
    }

    /// The pixels around any place.
    fn four_or_black(&self, place: &Place) -> [[u8; 3]; 4] {
        let pixel = |x: i64, y: i64| {
            let inside = (0..self.width).contains(&x) && (0..self.height).contains(&y);
            if inside { self.pixels[(y * self.width + x) as usize] } else { [0; 3] }
        };
        let Place { x, y, .. } = *place;
        [pixel(x, y), pixel(x + 1, y), pixel(x, y + 1), pixel(x + 1, y + 1)]
    }
}

/// The colour at a point between pixels (whole coordinates are pixel centres), its border repeated outwards.
pub fn sample_clamped(picture: &Picture, x: f32, y: f32) -> [f32; 3] {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let axis = |v: f32, side: usize| {
        let place = v.clamp(0.0, (side - 1) as f32);
        let low = place as usize;
        (low, (low + 1).min(side - 1), place - low as f32)
    };
    let ((left, right, wx), (top, bottom, wy)) = (axis(x, width), axis(y, height));
    let pixel = |x: usize, y: usize| {
        let at = (y * width + x) * 3;
        &picture.rgb()[at..at + 3]
    };
    let [tl, tr, bl, br] = [pixel(left, top), pixel(right, top), pixel(left, bottom), pixel(right, bottom)];
    std::array::from_fn(|c| {
        let [tl, tr, bl, br] = [tl, tr, bl, br].map(|corner| f32::from(corner[c]));
        mix(mix(tl, tr, wx), mix(bl, br, wx), wy)
    })
}

/// A picture made small: each pixel the mean of all that it covers, RGB, 0 to 255, row by row.
pub struct Shrunk {
    pub rgb: Vec<[f32; 3]>,
    pub width: usize,
    pub height: usize,
}

/// Scales down to a long side of at most `side` pixels; a smaller picture keeps its size.
pub fn shrunk(picture: &Picture, side: usize) -> Shrunk {
    let (from_width, from_height) = (picture.width() as usize, picture.height() as usize);
    let scale = (side as f64 / from_width.max(from_height) as f64).min(1.0);
    let length = |from: usize| ((from as f64 * scale).round() as usize).clamp(1, from);
    let (width, height) = (length(from_width), length(from_height));
    let mut rgb = vec![[0.0_f32; 3]; width * height];
    let mut counts = vec![0.0_f32; width * height];
    let columns: Vec<usize> = (0..from_width).map(|x| x * width / from_width).collect();
    for (y, line) in picture.rgb().as_chunks::<3>().0.chunks_exact(from_width).enumerate() {
        let row = y * height / from_height * width;
        for (pixel, column) in line.iter().zip(&columns) {
            counts[row + column] += 1.0;
            for (sum, value) in rgb[row + column].iter_mut().zip(pixel) {
                *sum += f32::from(*value);
            }
        }
    }
    for (pixel, count) in rgb.iter_mut().zip(counts) {
        *pixel = pixel.map(|sum| sum / count);
    }
    Shrunk { rgb, width, height }
}

/// What lies in a quadrangle, laid flat: top left, top right, bottom right and bottom left become the corners of a picture of
/// this size. Several samples a pixel where the picture is finer. `None` when it is no quadrangle.
pub fn laid_flat(picture: &Picture, corners: &Quad, width: u32, height: u32) -> Option<Picture> {
    let to_source = Homography::of_rectangle(width as f32, height as f32, corners)?;
    let finer = plane::area(corners).abs() / (width * height) as f32;
    let samples = (finer.sqrt().round() as usize).clamp(1, 4);
    let share = |i: usize| (i as f32 + 0.5) / samples as f32;
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        for x in 0..width {
            let mut sum = [0.0_f32; 3];
            for i in 0..samples * samples {
                let at = [x as f32 + share(i % samples), y as f32 + share(i / samples)];
                let [u, v] = to_source.apply(at);
                for (sum, value) in sum.iter_mut().zip(sample_clamped(picture, u - 0.5, v - 0.5)) {
                    *sum += value;
                }
            }
            rgb.extend(sum.map(|sum| (sum / (samples * samples) as f32).round() as u8));
        }
    }
    Picture::from_rgb(width, height, rgb)
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

    #[test]
    fn a_turned_face_is_sampled_where_the_transform_says() {
        // A slope of 3 levels a pixel and less: rounding to 32nds of a pixel moves a colour by less than one level.
        let rgb = (0..70).flat_map(|y| (0..80).flat_map(move |x| [3 * x, 2 * y + x, 200 - y]));
        let picture = Picture::from_rgb(80, 70, rgb.collect()).unwrap();
        let similarity = Similarity { a: 1.7, b: 0.6, tx: 3.3, ty: -21.8 };
        let (aligned, back) = (warp_face(&picture, &similarity), similarity.inverse());
        let (mut inside, mut outside) = (0, 0);
        for (i, pixel) in aligned.as_chunks::<3>().0.iter().enumerate() {
            let (x, y) = back.apply((i % ALIGNED_SIDE) as f64, (i / ALIGNED_SIDE) as f64);
            if x > 0.1 && y > 0.1 && x < 78.9 && y < 68.9 {
                let expected = sample_clamped(&picture, x as f32, y as f32);
                let near = pixel.iter().zip(expected).all(|(a, b)| (f32::from(*a) - b).abs() < 1.0);
                assert!(near, "{pixel:?} for {expected:?} at {x} {y}");
                inside += 1;
            } else if x < -1.1 || y < -1.1 || x > 80.1 || y > 70.1 {
                assert_eq!(*pixel, [0; 3], "at {x} {y}");
                outside += 1;
            }
        }
        assert!(inside > 1000 && outside > 100, "{inside} {outside}");
    }

    #[test]
    fn a_transform_that_leads_far_away_gives_black() {
        let picture = ramp(40, 40);
        for similarity in [
            Similarity { a: 1.0, b: 0.0, tx: 1e12, ty: 0.0 },
            Similarity { a: 1.0, b: 0.0, tx: 0.0, ty: -1e12 },
        ] {
            assert!(warp_face(&picture, &similarity).iter().all(|v| *v == 0), "{similarity:?}");
        }
    }
}
