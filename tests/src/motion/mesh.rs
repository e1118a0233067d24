//! A picture moved as a net of triangles, far ones painted first.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    reason = "places are clamped to the picture"
)]

use image::RgbImage;

use super::pixels::{pixel, sample};

/// Where a corner of the net goes, and how near it is to the camera.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) near: f32,
}

/// Pixels between two corners of the net.
const MESH: usize = 6;

/// Moves what lies between two corners of the picture (`from` and `to`, in pixels): `place` says where each point goes. It must
/// leave the edge where it is.
pub(super) fn moved(
    image: &RgbImage,
    from: [f32; 2],
    to: [f32; 2],
    place: impl Fn(f32, f32) -> Place,
) -> RgbImage {
    let clamp = |value: f32, most: u32| value.clamp(0.0, (most - 1) as f32);
    let (left, top) = (clamp(from[0], image.width()), clamp(from[1], image.height()));
    let (right, bottom) = (clamp(to[0], image.width()), clamp(to[1], image.height()));
    let columns = ((right - left) as usize / MESH).max(1);
    let rows = ((bottom - top) as usize / MESH).max(1);
    let corner = |column: usize, row: usize| {
        let x = left + (right - left) * column as f32 / columns as f32;
        let y = top + (bottom - top) * row as f32 / rows as f32;
        ([x, y], place(x, y))
    };
    let mut triangles = Vec::new();
    for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
        let [a, b] = [corner(column, row), corner(column + 1, row)];
        let [c, d] = [corner(column, row + 1), corner(column + 1, row + 1)];
        triangles.extend([[a, b, c], [b, d, c]]);
    }
    let near = |triangle: &[([f32; 2], Place); 3]| triangle.iter().map(|(_, place)| place.near).sum::<f32>();
    triangles.sort_by(|a, b| near(a).total_cmp(&near(b)));
    let mut moved = image.clone();
    for triangle in &triangles {
        paint(image, &mut moved, triangle);
    }
    moved
}

fn paint(image: &RgbImage, onto: &mut RgbImage, triangle: &[([f32; 2], Place); 3]) {
    let [(p, a), (q, b), (r, c)] = triangle;
    let area = (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y);
    // Turned away from the camera, or seen from its edge.
    if area < 1e-3 {
        return;
    }
    let span = |values: [f32; 3], most: u32| {
        let low = values.iter().copied().fold(f32::INFINITY, f32::min).floor().max(0.0);
        let high = values.iter().copied().fold(0.0, f32::max).ceil().min((most - 1) as f32);
        (low as u32)..(high.max(0.0) as u32 + 1)
    };
    for y in span([a.y, b.y, c.y], onto.height()) {
        for x in span([a.x, b.x, c.x], onto.width()) {
            let (dx, dy) = (x as f32 - a.x, y as f32 - a.y);
            let to_b = (dx * (c.y - a.y) - (c.x - a.x) * dy) / area;
            let to_c = ((b.x - a.x) * dy - dx * (b.y - a.y)) / area;
            // A hair's breadth more than the triangle, so that no seam stays open.
            if to_b < -1e-3 || to_c < -1e-3 || to_b + to_c > 1.002 {
                continue;
            }
            let of = |axis: usize| p[axis] + (q[axis] - p[axis]) * to_b + (r[axis] - p[axis]) * to_c;
            onto.put_pixel(x, y, pixel(sample(image, of(0), of(1))));
        }
    }
}
