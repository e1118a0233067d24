//! What a face does: turn, nod, open its mouth, close its eyes, reflect a light.

use image::RgbImage;
use wallet_core::face::Point;
use wallet_core::face::challenge::Colour;

use super::Face;
use super::mesh::{Place, moved};
use super::pixels::{each, mix, sample, step};

/// How far the tip of the nose stands before the cheeks, in half widths of the head.
const NOSE: f32 = 0.35;
/// How far the middle of the face stands before the ears, in half widths of the head.
const VAULT: f32 = 1.0;

/// A head as a vault with a nose on it, in a frame of its own: x along the line of the eyes, y down the face.
struct Head<'a> {
    face: &'a Face,
    centre: Point,
    /// Along x, in pixels of the picture.
    across: Point,
    half_width: f32,
    half_height: f32,
    tip: Point,
}

impl<'a> Head<'a> {
    fn of(face: &'a Face) -> Head<'a> {
        let (left, right) = (face.middle(36..42), face.middle(42..48));
        let apart = face.eyes_apart();
        let across = [(right[0] - left[0]) / apart, (right[1] - left[1]) / apart];
        let (ears, chin) = ([face.point(0), face.point(16)], face.point(8));
        let centre = [(left[0] + right[0] + chin[0]) / 3.0, (left[1] + right[1] + chin[1]) / 3.0];
        let half_width = (ears[0][0] - ears[1][0]).hypot(ears[0][1] - ears[1][1]) / 2.0;
        let mut head =
            Head { face, centre, across, half_width, half_height: half_width * 1.35, tip: [0.0; 2] };
        head.tip = head.own(face.point(30));
        head
    }

    fn own(&self, [x, y]: Point) -> Point {
        let (dx, dy) = (x - self.centre[0], y - self.centre[1]);
        [dx * self.across[0] + dy * self.across[1], dy * self.across[0] - dx * self.across[1]]
    }

    fn back(&self, [x, y]: Point) -> Point {
        let [cos, sin] = self.across;
        [self.centre[0] + x * cos - y * sin, self.centre[1] + y * cos + x * sin]
    }

    /// Distance from the middle: 1 at the edge of the face.
    fn radius(&self, [x, y]: Point) -> f32 {
        (x / self.half_width).hypot(y / self.half_height)
    }

    /// Towards the camera, in pixels.
    fn height(&self, own: Point) -> f32 {
        let vault = VAULT * (1.0 - self.radius(own).powi(2)).max(0.0);
        let (dx, dy) = ((own[0] - self.tip[0]) / self.half_width, (own[1] - self.tip[1]) / self.half_width);
        // The bridge rises slowly from above, and falls off quickly below the tip.
        let dy = if dy < 0.0 { dy / 0.38 } else { dy / 0.18 };
        let nose = NOSE * (-(dx / 0.2).powi(2) - dy.powi(2)).exp();
        (vault + nose) * self.half_width
    }

    /// The picture with the head turned: `turn` says where a point (x, y and height in its own frame) goes, and how near it is.
    fn turned(&self, turn: impl Fn(Point, f32) -> (Point, f32)) -> RgbImage {
        let reach = [self.half_width * 2.2, self.half_height * 2.0];
        let from = [self.centre[0] - reach[0], self.centre[1] - reach[1]];
        let to = [self.centre[0] + reach[0], self.centre[1] + reach[1]];
        moved(&self.face.image, from, to, |x, y| {
            let own = self.own([x, y]);
            let ([u, v], near) = turn(own, self.height(own));
            // Hair and neck follow less and less.
            let share = 1.0 - step(1.05, 1.7, self.radius(own));
            let [x, y] = self.back([own[0] + (u - own[0]) * share, own[1] + (v - own[1]) * share]);
            Place { x, y, near: near * share }
        })
    }
}

/// The face turned to the person's left (the right of the picture) by so many degrees, or to their right below zero.
pub fn turned(face: &Face, degrees: f32) -> RgbImage {
    let (sin, cos) = degrees.to_radians().sin_cos();
    Head::of(face).turned(|[x, y], z| ([x * cos + z * sin, y], z * cos - x * sin))
}

/// The face lowered by so many degrees.
pub fn nodding(face: &Face, degrees: f32) -> RgbImage {
    let (sin, cos) = degrees.to_radians().sin_cos();
    Head::of(face).turned(|[x, y], z| ([x, y * cos + z * sin], z * cos - y * sin))
}

/// The eyes closed by this share, 1 shut: the upper lid is drawn down over them.
pub fn blinking(face: &Face, closed: f32) -> RgbImage {
    let mut image = face.image.clone();
    let lash = face.eyes_apart() * 0.045;
    for (eye, brow) in [(36, 17), (42, 22)] {
        let corners = [face.point(eye), face.point(eye + 3)];
        let upper = Line(vec![corners[0], face.point(eye + 1), face.point(eye + 2), corners[1]]);
        let lower = Line(vec![corners[0], face.point(eye + 5), face.point(eye + 4), corners[1]]);
        let above = Line((brow..brow + 5).map(|index| face.point(index)).collect());
        image = columns(&image, corners[0][0], corners[1][0], |x| {
            let (brow, up, low) = (above.at(x), upper.at(x), lower.at(x));
            let shut = up + (low - up) * closed;
            // The skin from brow to lid is stretched down to where the lid is now, what is left of the eye is squeezed below.
            move |y: f32| {
                if y <= brow || y >= low.max(shut) || shut - brow < 1.0 {
                    y
                } else if y < shut {
                    brow + (y - brow) * (up - brow) / (shut - brow)
                } else {
                    up + (y - shut) * (low - up) / (low - shut).max(0.5)
                }
            }
        });
        // Where the lids meet there are lashes.
        image = each(&image, |x, y, colour| {
            let (up, low) = (upper.at(x), lower.at(x));
            let beside = (x - corners[0][0]).min(corners[1][0] - x) / lash;
            let from_line = (y - (up + (low - up) * closed)).abs() / lash;
            let share = closed * (1.0 - step(0.5, 1.2, from_line)) * step(0.0, 1.0, beside);
            mix(colour, [40.0, 28.0, 24.0], share)
        });
    }
    image
}

/// The mouth opened by so many distances of the eyes; what is below it goes down with the jaw.
pub fn mouth_open(face: &Face, gap: f32) -> RgbImage {
    let seam = Line([60, 67, 66, 65, 64].map(|index| face.point(index)).to_vec());
    let (left, right) = (face.point(48), face.point(54));
    let (centre, half) = ((left[0] + right[0]) / 2.0, (right[0] - left[0]).abs().max(2.0) / 2.0);
    let end = face.point(8)[1] + face.eyes_apart() * 0.8;
    let opening = gap * face.eyes_apart();
    // The cheeks beside the mouth are drawn along.
    let at = |x: f32| opening * (1.0 - ((x - centre) / half).powi(2)).max(0.0);
    let jaw = |x: f32| opening * (1.0 - step(1.0, 2.4, ((x - centre) / half).abs()));
    let lowered = columns(&face.image, centre - half * 2.4, centre + half * 2.4, |x| {
        let (seam, drop) = (seam.at(x), jaw(x));
        move |y: f32| {
            if y <= seam || y >= end {
                y
            } else {
                seam + (y - seam - drop).max(0.0) * (end - seam) / (end - seam - drop)
            }
        }
    });
    each(&lowered, |x, y, colour| {
        let (top, open) = (seam.at(x), at(x));
        let inside = step(-1.0, 1.0, y - top) * step(-1.0, 1.0, top + open - y);
        mix(colour, [48.0, 18.0, 20.0], if open > 1.0 { inside } else { 0.0 })
    })
}

/// The face before a screen of this colour, which adds `strength` of its own light to the middle of the face and a sixth of it to
/// what is behind.
pub fn lit(face: &Face, colour: Colour, strength: f32) -> RgbImage {
    let head = Head::of(face);
    each(&face.image, |x, y, [r, g, b]| {
        let before = 1.0 - step(0.7, 1.5, head.radius(head.own([x, y])));
        let [red, green, blue] =
            colour.0.map(|full| if full { strength * (before + (1.0 - before) / 6.0) } else { 0.0 });
        [r * (1.0 + red), g * (1.0 + green), b * (1.0 + blue)]
    })
}

/// A line through points, from left to right.
struct Line(Vec<Point>);

impl Line {
    /// Its height above `x`; beyond its ends, that of the nearer end.
    fn at(&self, x: f32) -> f32 {
        let after = self.0.iter().position(|point| point[0] >= x);
        let ends = match after {
            Some(0) => (self.0.first(), self.0.first()),
            Some(index) => (self.0.get(index - 1), self.0.get(index)),
            None => (self.0.last(), self.0.last()),
        };
        match ends {
            (Some(a), Some(b)) => {
                a[1] + (b[1] - a[1]) * ((x - a[0]) / (b[0] - a[0]).max(1e-3)).clamp(0.0, 1.0)
            }
            _ => 0.0,
        }
    }
}

/// Moves pixels up and down in the columns from `left` to `right`: `column` gives, for each of them, where a row comes from.
fn columns<F: Fn(f32) -> f32>(
    image: &RgbImage,
    left: f32,
    right: f32,
    column: impl Fn(f32) -> F,
) -> RgbImage {
    let mut out = image.clone();
    for x in 0..image.width() {
        let place = x as f32;
        if place < left || place > right {
            continue;
        }
        let from = column(place);
        for y in 0..image.height() {
            let source = from(y as f32);
            if (source - y as f32).abs() > 1e-3 {
                out.put_pixel(x, y, super::pixels::pixel(sample(image, place, source)));
            }
        }
    }
    out
}
