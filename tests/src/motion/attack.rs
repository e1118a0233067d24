//! Pictures as an attacker shows them: on paper, on a screen, turned by hand, with the eyes cut out.

#![allow(clippy::cast_precision_loss, reason = "sides of a picture are below 2^24")]

use image::{Rgb, RgbImage};
use wallet_core::face::challenge::Colour;

use super::Face;
use super::pixels::{each, mix, noise, pixel, sample, step};

/// The face on paper: the paper is off-white, its blacks are grey, it has the grain of a halftone and no sharp edges.
pub fn printed(face: &Face) -> Face {
    let image = each(&blurred(&face.image), |x, y, colour| {
        let grey = colour.iter().sum::<f32>() / 3.0;
        let [r, g, b] = mix(colour, [grey; 3], 0.25).map(|value| 42.0 + value * 0.72);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "places in a picture")]
        let grain = noise(x as u32 / 2, y as u32 / 2, 7) * 5.0;
        [r + 6.0 + grain, g + 2.0 + grain, b - 6.0 + grain]
    });
    framed(&face.with(image), [205.0, 200.0, 190.0])
}

/// The face on a screen: bluish, with the moiré of two grids, the glare of a lamp, and a dark bezel around it.
pub fn replayed(face: &Face, number: u32) -> Face {
    let (width, height) = (face.image.width() as f32, face.image.height() as f32);
    let phase = number as f32 * 1.7;
    let image = each(&face.image, |x, y, [r, g, b]| {
        let moire = (x * 0.61 + y * 0.13 + phase).sin() * (y * 0.47 - x * 0.09 + phase).sin() * 7.0;
        let lamp = ((x / width - 0.78) / 0.16).powi(2) + ((y / height - 0.2) / 0.1).powi(2);
        let glare = 70.0 * (-lamp).exp();
        [r * 0.9 + moire + glare, g * 0.95 + moire + glare, b * 1.04 + 8.0 + moire + glare]
    });
    framed(&face.with(image), [18.0, 18.0, 20.0])
}

/// What shows of it at the edge: paper or bezel.
fn framed(face: &Face, edge: [f32; 3]) -> Face {
    let (width, height) = (face.image.width() as f32, face.image.height() as f32);
    let border = width.min(height) * 0.035;
    face.with(each(&face.image, |x, y, colour| {
        let inside = x.min(y).min(width - x).min(height - y) > border;
        if inside { colour } else { edge }
    }))
}

/// A flat picture turned by hand about its upright or its level axis by so many degrees, two and a half face heights before
/// the camera.
pub fn tilted(face: &Face, degrees: f32, upright_axis: bool) -> RgbImage {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let distance = face.face_box.height * 2.5;
    let centre = [face.face_box.x + face.face_box.width / 2.0, face.face_box.y + face.face_box.height / 2.0];
    let (width, height) = face.image.dimensions();
    RgbImage::from_fn(width, height, |x, y| {
        let (dx, dy) = (x as f32 - centre[0], y as f32 - centre[1]);
        let (along, beside) = if upright_axis { (dx, dy) } else { (dy, dx) };
        // The ray through this pixel meets the turned plane here.
        let on_plane = along * distance / (distance * cos - along * sin);
        let beside = beside * (distance + on_plane * sin) / distance;
        let (u, v) = if upright_axis { (on_plane, beside) } else { (beside, on_plane) };
        let (u, v) = (u + centre[0], v + centre[1]);
        let inside = u >= 0.0 && v >= 0.0 && u < width as f32 && v < height as f32;
        if inside { pixel(sample(&face.image, u, v)) } else { Rgb([96, 98, 100]) }
    })
}

/// A flat picture with holes for eyes and mouth, behind which a living face moves: that of `behind`, whose points are the same.
pub fn cut_out(print: &Face, behind: &RgbImage) -> RgbImage {
    let holes: Vec<([f32; 2], [f32; 2])> = [(36, 42, 1.0, 1.3), (42, 48, 1.0, 1.3), (48, 60, 1.15, 2.2)]
        .into_iter()
        .map(|(from, to, wide, high)| {
            let middle = print.middle(from..to);
            let half = (from..to).map(|index| (print.point(index)[0] - middle[0]).abs()).fold(1.0, f32::max);
            (middle, [half * wide * 1.15, half * high * 0.55])
        })
        .collect();
    each(&print.image, |x, y, colour| {
        let nearest = holes.iter().map(|(at, half)| ((x - at[0]) / half[0]).hypot((y - at[1]) / half[1]));
        let share = 1.0 - step(0.95, 1.05, nearest.fold(f32::INFINITY, f32::min));
        mix(colour, sample(behind, x, y), share)
    })
}

/// A flat picture before a screen: all of it, face and background, reflects alike.
pub fn lit_flat(image: &RgbImage, colour: Colour, strength: f32) -> RgbImage {
    let light = colour.0.map(|full| if full { 1.0 + strength } else { 1.0 });
    each(image, |_, _, [r, g, b]| {
        let [red, green, blue] = light;
        [r * red, g * green, b * blue]
    })
}

/// Each pixel mixed with its four neighbours.
fn blurred(image: &RgbImage) -> RgbImage {
    each(image, |x, y, colour| {
        let around =
            [(-1.2, 0.0), (1.2, 0.0), (0.0, -1.2), (0.0, 1.2)].map(|(dx, dy)| sample(image, x + dx, y + dy));
        around.into_iter().fold(colour, |sum, one| mix(sum, one, 0.2))
    })
}
