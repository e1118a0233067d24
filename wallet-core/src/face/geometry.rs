//! Where a face is aligned to: the similarity transform that takes its five points to SFace's template points.

use super::{Landmarks, Point};

/// Side of the aligned picture in pixels: SFace's input.
pub const ALIGNED_SIDE: usize = 112;

/// SFace's template points in the aligned picture, in the order of [`Landmarks::points`] (OpenCV's `FaceRecognizerSF`).
pub const TEMPLATE_POINTS: [Point; 5] =
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]];

/// A similarity transform of the plane: rotation, one scale, a shift; never a reflection.
/// `x' = a·x − b·y + tx`, `y' = b·x + a·y + ty`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    pub a: f64,
    pub b: f64,
    pub tx: f64,
    pub ty: f64,
}

impl Similarity {
    /// The least-squares transform from `from` to `to` (Umeyama 1991, without reflection, which in the plane has
    /// this closed form). `None` when the points of `from` coincide or a coordinate is not finite.
    pub fn estimate(from: &[Point; 5], to: &[Point; 5]) -> Option<Similarity> {
        let (mean_from, mean_to) = (mean(from), mean(to));
        let (mut dot, mut cross, mut spread) = (0.0, 0.0, 0.0);
        for (p, q) in from.iter().zip(to) {
            let (px, py) = (f64::from(p[0]) - mean_from.0, f64::from(p[1]) - mean_from.1);
            let (qx, qy) = (f64::from(q[0]) - mean_to.0, f64::from(q[1]) - mean_to.1);
            dot += px * qx + py * qy;
            cross += px * qy - py * qx;
            spread += px * px + py * py;
        }
        let (a, b) = (dot / spread, cross / spread);
        let tx = mean_to.0 - a * mean_from.0 + b * mean_from.1;
        let ty = mean_to.1 - b * mean_from.0 - a * mean_from.1;
        let usable = spread > 1e-9 && a.hypot(b) > 1e-9 && tx.is_finite() && ty.is_finite();
        usable.then_some(Similarity { a, b, tx, ty })
    }

    /// The transform that aligns a face for SFace.
    pub fn aligning(landmarks: &Landmarks) -> Option<Similarity> {
        Similarity::estimate(&landmarks.points(), &TEMPLATE_POINTS)
    }

    /// The transform of a point.
    pub fn apply(&self, x: f64, y: f64) -> (f64, f64) {
        (self.a * x - self.b * y + self.tx, self.b * x + self.a * y + self.ty)
    }

    /// The way back.
    pub fn inverse(&self) -> Similarity {
        let square = self.a * self.a + self.b * self.b;
        let (a, b) = (self.a / square, -self.b / square);
        Similarity { a, b, tx: -a * self.tx + b * self.ty, ty: -b * self.tx - a * self.ty }
    }

    /// Pixels of the target per pixel of the source.
    pub fn scale(&self) -> f64 {
        self.a.hypot(self.b)
    }
}

fn mean(points: &[Point; 5]) -> (f64, f64) {
    let sum = points.iter().fold((0.0, 0.0), |(x, y), p| (x + f64::from(p[0]), y + f64::from(p[1])));
    (sum.0 / 5.0, sum.1 / 5.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near((x, y): (f64, f64), (u, v): (f64, f64)) -> bool {
        (x - u).abs() < 1e-3 && (y - v).abs() < 1e-3
    }

    #[test]
    #[allow(clippy::cast_possible_truncation, reason = "points of a test, below 2^24")]
    fn a_turned_scaled_shifted_face_is_brought_back() {
        let (sin, cos) = 0.4_f64.sin_cos();
        let truth = Similarity { a: 2.5 * cos, b: 2.5 * sin, tx: 31.0, ty: -12.0 };
        let moved = TEMPLATE_POINTS.map(|p| {
            let (x, y) = truth.apply(f64::from(p[0]), f64::from(p[1]));
            [x as f32, y as f32]
        });
        let back = Similarity::estimate(&moved, &TEMPLATE_POINTS).unwrap();
        for (p, q) in moved.iter().zip(TEMPLATE_POINTS) {
            let aligned = back.apply(f64::from(p[0]), f64::from(p[1]));
            assert!(near(aligned, (f64::from(q[0]), f64::from(q[1]))));
        }
        assert!((back.scale() - 1.0 / 2.5).abs() < 1e-6);
        assert!(near(back.inverse().apply(10.0, 20.0), truth.apply(10.0, 20.0)));
    }

    #[test]
    fn points_that_coincide_have_no_transform() {
        assert_eq!(Similarity::estimate(&[[3.0, 4.0]; 5], &TEMPLATE_POINTS), None);
        assert_eq!(Similarity::estimate(&[[f32::NAN, 4.0]; 5], &TEMPLATE_POINTS), None);
    }
}
