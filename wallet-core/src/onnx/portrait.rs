//! The picture on a document: its face to compare with; and the head alone as it is given on, small and encoded anew, so that nothing of
//! the photograph's own file is left.

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{ExtendedColorType, RgbImage};

use super::engine::{CLOSE_SIDE, Engine, Located, the_one_face};
use super::runtime::ModelError;
use crate::document::DocumentProblem;
use crate::face::{FaceBox, Landmarks, Quality, Template};
use crate::picture::Picture;

/// A smaller portrait does not separate people well enough: TPR at FMR 1e-3 is .994 at 96 px, .981 at 64
/// (2,850 pairs of 19 people, scaled down).
const MIN_PORTRAIT_PX: f32 = 96.0;

/// Bytes of the JPEG. A citizen's chip has room for a picture of 14 KiB; a relying party gets it in an answer.
pub const MAX_PORTRAIT: usize = 16 * 1024;
/// Pixels at most, four to five as on the card.
const SIZE: [u32; 2] = [240, 300];
/// The picture's height to the face's, and the part of it above the face.
const HEIGHTS: f32 = 2.0;
const ABOVE: f32 = 0.4;
/// Tried from the best on.
const QUALITIES: [u8; 5] = [85, 75, 60, 40, 20];

/// The face on a document.
#[derive(Debug, Clone)]
pub struct Portrait {
    pub template: Template,
    pub face_box: FaceBox,
    pub landmarks: Landmarks,
    pub quality: Quality,
    /// The head as a JPEG of [`MAX_PORTRAIT`] bytes at most; `None` where none could be made.
    pub jpeg: Option<Vec<u8>>,
}

impl Engine {
    /// The one face on a document that is upright in its picture, large enough in the photograph to compare with; `scale` pixels of the
    /// photograph make one of the picture.
    pub(super) fn portrait(
        &mut self,
        upright: &Picture,
        scale: f32,
    ) -> Result<Result<Portrait, DocumentProblem>, ModelError> {
        let Ok(face) = the_one_face(&self.detect_at(upright, CLOSE_SIDE)?) else {
            return Ok(Err(DocumentProblem::PortraitMissing));
        };
        if face.face_box.height * scale < MIN_PORTRAIT_PX {
            return Ok(Err(DocumentProblem::PortraitTooSmall));
        }
        let located = self.locate_in(upright, face.face_box)?;
        let Some(Located { face_box, landmarks, aligned, quality, .. }) = located else {
            return Ok(Err(DocumentProblem::PortraitMissing));
        };
        let jpeg = cut_out(upright, &face_box);
        Ok(Ok(Portrait { template: self.embed_all(&aligned)?, quality, face_box, landmarks, jpeg }))
    }
}

/// Cuts out the head around a face and encodes it; `None` where the face lies outside the picture, or no quality is small enough.
pub(super) fn cut_out(picture: &Picture, face: &FaceBox) -> Option<Vec<u8>> {
    let height = face.height * HEIGHTS;
    let width = height * 4.0 / 5.0;
    let (left, top) = (face.x + (face.width - width) / 2.0, face.y - face.height * ABOVE);
    let [left, right] = within([left, left + width], picture.width());
    let [top, bottom] = within([top, top + height], picture.height());
    if right <= left || bottom <= top {
        return None;
    }
    let whole = RgbImage::from_raw(picture.width(), picture.height(), picture.rgb().to_vec())?;
    let head = imageops::crop_imm(&whole, left, top, right - left, bottom - top).to_image();
    let head = smaller(head);
    QUALITIES.into_iter().find_map(|quality| encode(&head, quality).filter(|jpeg| jpeg.len() <= MAX_PORTRAIT))
}

/// Whole pixels, as far as the picture reaches.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it was brought between 0 and the side"
)]
fn within(ends: [f32; 2], side: u32) -> [u32; 2] {
    #[allow(clippy::cast_precision_loss, reason = "a picture's side has less than 24 bits")]
    let most = side as f32;
    ends.map(|end| end.clamp(0.0, most).round() as u32)
}

/// No larger than [`SIZE`], in the proportions that it has.
fn smaller(head: RgbImage) -> RgbImage {
    let (width, height) = head.dimensions();
    let [most_wide, most_high] = SIZE;
    if width <= most_wide && height <= most_high {
        return head;
    }
    // As wide as is allowed, unless that is too high.
    let by_width = [most_wide, (height * most_wide).div_ceil(width)];
    let by_height = [(width * most_high).div_ceil(height), most_high];
    let [width, height] = if by_width[1] <= most_high { by_width } else { by_height };
    imageops::resize(&head, width.max(1), height.max(1), FilterType::CatmullRom)
}

fn encode(head: &RgbImage, quality: u8) -> Option<Vec<u8>> {
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, quality);
    encoder.encode(head.as_raw(), head.width(), head.height(), ExtendedColorType::Rgb8).ok()?;
    Some(jpeg)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise, which no encoder makes small.
    fn noise(width: u32, height: u32) -> Picture {
        let bytes =
            (0..width * height * 3).map(|place| (place.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]);
        Picture::from_rgb(width, height, bytes.collect()).unwrap()
    }

    #[test]
    fn a_head_is_small_whatever_the_photograph_is() {
        let face = FaceBox { x: 400.0, y: 500.0, width: 300.0, height: 400.0 };
        let jpeg = cut_out(&noise(1200, 1600), &face).unwrap();
        assert!(jpeg.len() <= MAX_PORTRAIT, "{}", jpeg.len());
        let cut = Picture::decode(&jpeg).unwrap();
        assert_eq!((cut.width(), cut.height()), (240, 300));
    }

    #[test]
    fn a_face_at_the_edge_is_cut_where_the_picture_ends() {
        let face = FaceBox { x: -20.0, y: -10.0, width: 100.0, height: 120.0 };
        let cut = Picture::decode(&cut_out(&noise(90, 90), &face).unwrap()).unwrap();
        assert!(cut.width() <= 90 && cut.height() <= 90);
        let outside = FaceBox { x: 500.0, y: 500.0, width: 50.0, height: 50.0 };
        assert_eq!(cut_out(&noise(90, 90), &outside), None);
    }
}
