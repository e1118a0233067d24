//! A flat thing seen by a camera: quadrangles, and the homography that takes one to another.

/// Corners: top left, top right, bottom right, bottom left, in pixels.
pub type Quad = [[f32; 2]; 4];

/// A projective transform of the plane: a 3 × 3 matrix, row by row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Homography([f64; 9]);

impl Homography {
    /// The one that takes each corner of `from` to the same corner of `to`; `None` when three corners of either lie on
    /// a line, or a coordinate is not finite.
    pub fn between(from: &Quad, to: &Quad) -> Option<Homography> {
        let found = Homography::from_unit(to)?.after(&Homography::from_unit(from)?.inverse()?);
        found.0.iter().all(|v| v.is_finite()).then_some(found)
    }

    /// The one that takes a rectangle of this size, its corner at 0, to `to`.
    pub fn of_rectangle(width: f32, height: f32, to: &Quad) -> Option<Homography> {
        Homography::between(&[[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]], to)
    }

    /// The unit square to a quadrangle (Heckbert 1989, section 2.2.3).
    fn from_unit(quad: &Quad) -> Option<Homography> {
        let [[x0, y0], [x1, y1], [x2, y2], [x3, y3]] = quad.map(|p| p.map(f64::from));
        let (dx1, dx2, dx3) = (x1 - x2, x3 - x2, x0 - x1 + x2 - x3);
        let (dy1, dy2, dy3) = (y1 - y2, y3 - y2, y0 - y1 + y2 - y3);
        let area = dx1 * dy2 - dx2 * dy1;
        if area.abs() < 1e-9 {
            return None;
        }
        let g = (dx3 * dy2 - dx2 * dy3) / area;
        let h = (dx1 * dy3 - dx3 * dy1) / area;
        Some(Homography([
            x1 - x0 + g * x1,
            x3 - x0 + h * x3,
            x0,
            y1 - y0 + g * y1,
            y3 - y0 + h * y3,
            y0,
            g,
            h,
            1.0,
        ]))
    }

    /// This one done after `first`.
    fn after(&self, first: &Homography) -> Homography {
        let ([a, b, c, d, e, f, g, h, i], [j, k, l, m, n, o, p, q, r]) = (self.0, first.0);
        Homography([
            a * j + b * m + c * p,
            a * k + b * n + c * q,
            a * l + b * o + c * r,
            d * j + e * m + f * p,
            d * k + e * n + f * q,
            d * l + e * o + f * r,
            g * j + h * m + i * p,
            g * k + h * n + i * q,
            g * l + h * o + i * r,
        ])
    }

    /// The way back; `None` for a transform onto a line.
    pub fn inverse(&self) -> Option<Homography> {
        let [a, b, c, d, e, f, g, h, i] = self.0;
        let determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
        // The adjugate: scale does not matter.
        (determinant.abs() > 1e-12).then_some(Homography([
            e * i - f * h,
            c * h - b * i,
            b * f - c * e,
            f * g - d * i,
            a * i - c * g,
            c * d - a * f,
            d * h - e * g,
            b * g - a * h,
            a * e - b * d,
        ]))
    }

    /// Where a point goes. Not finite on the horizon.
    #[must_use]
    pub fn apply(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let [a, b, c, d, e, f, g, h, i] = self.0;
        let (x, y) = (f64::from(x), f64::from(y));
        let w = g * x + h * y + i;
        #[allow(clippy::cast_possible_truncation, reason = "pixels: far below 2^24")]
        let point = [((a * x + b * y + c) / w) as f32, ((d * x + e * y + f) / w) as f32];
        point
    }

    /// Width over height of the flat thing whose unit square is seen by this transform, by a camera whose focal length is
    /// `focal` pixels and whose axis meets the picture at `centre` (Zhang's calibration, read backwards).
    fn aspect(&self, focal: f64, [cx, cy]: [f64; 2]) -> f64 {
        let [a, b, _, d, e, _, g, h, _] = self.0;
        let length = |x: f64, y: f64, w: f64| {
            let (u, v) = ((x - cx * w) / focal, (y - cy * w) / focal);
            (u * u + v * v + w * w).sqrt()
        };
        length(a, d, g) / length(b, e, h)
    }
}

/// Width over height of what a quadrangle shows, in a picture of this size taken with an ordinary telephone: a focal length
/// of 0.8 long sides, its middle in the middle. `None` when it is no quadrangle.
pub fn true_aspect(quad: &Quad, width: f32, height: f32) -> Option<f32> {
    const FOCAL: f64 = 0.8;
    let seen = Homography::from_unit(quad)?;
    let centre = [f64::from(width) / 2.0, f64::from(height) / 2.0];
    let aspect = seen.aspect(f64::from(width.max(height)) * FOCAL, centre);
    #[allow(clippy::cast_possible_truncation, reason = "a ratio near 1")]
    let aspect = aspect as f32;
    aspect.is_finite().then_some(aspect)
}

/// Signed area in square pixels: positive when the corners run clockwise as seen.
pub fn area(quad: &Quad) -> f32 {
    let [a, b, c, d] = *quad;
    let cross = |p: [f32; 2], q: [f32; 2]| p[0] * q[1] - q[0] * p[1];
    (cross(a, b) + cross(b, c) + cross(c, d) + cross(d, a)) / 2.0
}

/// Whether every corner turns clockwise.
pub fn is_convex(quad: &Quad) -> bool {
    let [a, b, c, d] = *quad;
    let turns = |p: [f32; 2], q: [f32; 2], r: [f32; 2]| {
        (q[0] - p[0]) * (r[1] - q[1]) - (q[1] - p[1]) * (r[0] - q[0]) > 0.0
    };
    turns(a, b, c) && turns(b, c, d) && turns(c, d, a) && turns(d, a, b)
}

/// The distance of two points.
pub fn distance(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: Quad = [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]];
    const TILTED: Quad = [[3.0, 1.0], [20.0, 4.0], [22.0, 15.0], [1.0, 12.0]];

    fn near(a: [f32; 2], b: [f32; 2]) -> bool {
        distance(a, b) < 1e-3
    }

    #[test]
    fn corners_go_to_corners_and_back() {
        let there = Homography::between(&SQUARE, &TILTED).unwrap();
        let back = there.inverse().unwrap();
        for (from, to) in SQUARE.into_iter().zip(TILTED) {
            assert!(near(there.apply(from), to) && near(back.apply(to), from));
        }
        // Straight lines stay straight: the diagonals meet in the diagonals' meeting point.
        let [a, b, c, d] = TILTED;
        let middle = there.apply([5.0, 5.0]);
        let on = |p: [f32; 2], q: [f32; 2]| {
            ((q[0] - p[0]) * (middle[1] - p[1]) - (q[1] - p[1]) * (middle[0] - p[0])).abs() < 1e-2
        };
        assert!(on(a, c) && on(b, d));
    }

    #[test]
    fn corners_on_a_line_have_no_transform() {
        let flat = [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]];
        assert_eq!(Homography::between(&SQUARE, &flat), None);
        assert_eq!(Homography::between(&flat, &SQUARE), None);
        assert_eq!(Homography::between(&SQUARE, &[[f32::NAN; 2]; 4]), None);
    }

    #[test]
    fn a_tilted_card_keeps_its_proportions() {
        // A card of 1.6 × 1 at a distance of 3, turned by 25° about its upright axis, through a lens of 800 px.
        let (sin, cos) = 25.0_f32.to_radians().sin_cos();
        let project = |[x, y]: [f32; 2]| {
            let (x, z) = (x * cos, 3.0 + x * sin);
            [500.0 + 800.0 * x / z, 400.0 + 800.0 * y / z]
        };
        let quad = [[-0.8, -0.5], [0.8, -0.5], [0.8, 0.5], [-0.8, 0.5]].map(project);
        let aspect = true_aspect(&quad, 1000.0, 800.0).unwrap();
        assert!((aspect - 1.6).abs() < 0.01, "{aspect}");
        assert!(is_convex(&quad) && area(&quad) > 0.0);
        let [a, b, c, d] = quad;
        assert!(!is_convex(&[a, c, b, d]) && area(&[d, c, b, a]) < 0.0);
    }
}
