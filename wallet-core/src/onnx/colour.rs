//! The colour of a face and of what is behind it: means over a few thousand pixels, some 10 µs.

#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixel kernel: places are clamped to the picture, whose sides are below 2^24"
)]

use crate::face::FaceBox;
use crate::face::geometry::ALIGNED_SIDE;
use crate::face::measures::Rgb;
use crate::face::quality::ALIGNED_LEN;
use crate::picture::Picture;

/// Of an aligned face, from brow to chin and from cheek to cheek: first and last column, first and last row.
const SKIN: ([usize; 2], [usize; 2]) = ([22, 90], [30, 100]);
/// Places a side at which a picture is looked at for its background.
const GRID: u32 = 64;
/// Of these 4,096 places, so many at least make a background.
const FEWEST: f32 = 80.0;

/// Mean colour of the middle of an aligned face.
pub(super) fn of_face(aligned: &[u8; ALIGNED_LEN]) -> Rgb {
    let ([left, right], [top, bottom]) = SKIN;
    let mut mean = Mean::default();
    for y in top..bottom {
        let row = &aligned[(y * ALIGNED_SIDE + left) * 3..(y * ALIGNED_SIDE + right) * 3];
        row.as_chunks::<3>().0.iter().for_each(|pixel| mean.add(*pixel));
    }
    mean.value().unwrap_or_default()
}

/// Mean colour beside and above the head: away from the face by a third of its width (there is hair), and not below its middle
/// (there are shoulders). `None` when that is hardly any of the picture.
pub(super) fn of_background(picture: &Picture, face: &FaceBox) -> Option<Rgb> {
    let head = [face.x - face.width * 0.35, face.x + face.width * 1.35];
    let (crown, middle) = (face.y - face.height * 0.4, face.y + face.height * 0.5);
    let mut mean = Mean::default();
    for row in 0..GRID {
        let y = place(row, picture.height());
        if y as f32 > middle {
            break;
        }
        for column in 0..GRID {
            let x = place(column, picture.width());
            let behind = (x as f32) < head[0] || x as f32 > head[1] || (y as f32) < crown;
            let at = (y as usize * picture.width() as usize + x as usize) * 3;
            if behind && let Some([r, g, b]) = picture.rgb().get(at..at + 3) {
                mean.add([*r, *g, *b]);
            }
        }
    }
    mean.value().filter(|_| mean.count >= FEWEST)
}

/// The pixel in the middle of one of [`GRID`] parts of a side.
fn place(part: u32, side: u32) -> u32 {
    ((u64::from(part) * 2 + 1) * u64::from(side) / u64::from(GRID * 2)) as u32
}

#[derive(Default)]
struct Mean {
    sum: Rgb,
    count: f32,
}

impl Mean {
    fn add(&mut self, pixel: [u8; 3]) {
        self.sum.iter_mut().zip(pixel).for_each(|(sum, byte)| *sum += f32::from(byte));
        self.count += 1.0;
    }

    fn value(&self) -> Option<Rgb> {
        (self.count > 0.0).then(|| self.sum.map(|sum| sum / self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grey face on blue.
    fn picture() -> (Picture, FaceBox) {
        let face = FaceBox { x: 70.0, y: 60.0, width: 60.0, height: 80.0 };
        let mut rgb = Vec::new();
        for (y, x) in (0..200).flat_map(|y| (0..200).map(move |x| (y, x))) {
            let in_face = (60..140).contains(&x) && y > 50;
            rgb.extend(if in_face { [128, 128, 128] } else { [10, 20, 200] });
        }
        (Picture::from_rgb(200, 200, rgb).unwrap(), face)
    }

    #[test]
    fn face_and_background_are_told_apart() {
        let (picture, face) = picture();
        let background = of_background(&picture, &face).unwrap();
        assert!(
            (background[0] - 10.0).abs() < 1e-3 && (background[2] - 200.0).abs() < 1e-3,
            "{background:?}"
        );
        assert!((of_face(&[77; ALIGNED_LEN])[1] - 77.0).abs() < 1e-3);
    }

    #[test]
    fn a_face_that_fills_the_picture_has_no_background() {
        let (picture, _) = picture();
        let all = FaceBox { x: 0.0, y: 0.0, width: 200.0, height: 200.0 };
        assert_eq!(of_background(&picture, &all), None);
        let nowhere = FaceBox { x: f32::NAN, y: f32::NAN, width: 1.0, height: 1.0 };
        assert_eq!(of_background(&picture, &nowhere), None);
    }
}
