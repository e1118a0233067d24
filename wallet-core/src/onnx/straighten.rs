//! A card in a photograph → the card alone, seen straight from above.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sides of pictures, bounded below 2^12 here"
)]

use super::raster;
use crate::document::outline::{self, Small};
use crate::document::plane::{self, Quad};
use crate::picture::Picture;

/// Width over height of an ID-1 card: 85.60 × 53.98 mm (ISO/IEC 7810).
pub const ID1_ASPECT: f32 = 85.60 / 53.98;
/// Width over height of a passport's data page, ID-3: 125 × 88 mm.
pub const ID3_ASPECT: f32 = 125.0 / 88.0;
/// Long side in pixels at which edges are looked for: a card's edge is one pixel wide, its print is not.
const OUTLINE_SIDE: usize = 480;
/// Widths of the straightened card: never less than the text detector sees, never more than the reader needs.
const WIDTHS: std::ops::RangeInclusive<f32> = 640.0..=1440.0;

/// A card laid flat. Upright or upside down: edges do not tell.
pub struct Straight {
    pub picture: Picture,
    /// Its corners in the photograph, in pixels: those that became top left, top right, bottom right, bottom left.
    pub corners: Quad,
    /// Pixels of the photograph to a pixel of the straightened card.
    pub scale: f32,
    /// How sure the outline is, 0 to 1.
    pub score: f32,
}

/// Finds a card of these proportions and lays it flat; `None` where four edges cannot be seen.
pub fn straighten(picture: &Picture, aspect: f32) -> Option<Straight> {
    let small = raster::shrunk(picture, OUTLINE_SIDE);
    let found = outline::find(&Small { rgb: &small.rgb, width: small.width, height: small.height }, aspect)?;
    let (sx, sy) =
        (picture.width() as f32 / small.width as f32, picture.height() as f32 / small.height as f32);
    // An edge between two pixels was found at the centre of one of them.
    let corners = found.corners.map(|[x, y]| [(x + 0.5) * sx, (y + 0.5) * sy]);
    let [a, b, c, d] = corners;
    let across = plane::distance(a, b).max(plane::distance(c, d));
    let width = across.clamp(*WIDTHS.start(), *WIDTHS.end()).round();
    let picture = raster::laid_flat(picture, &corners, width as u32, (width / aspect).round() as u32)?;
    Some(Straight { picture, corners, scale: across / width, score: found.score })
}
