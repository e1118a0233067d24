//! What can be measured on a face from frame to frame: how wide eyes and mouth are open, its colour and that of what is behind
//! it, and whether it has depth.

#![allow(clippy::indexing_slicing, reason = "every index is of an array whose length is in its type")]

use super::Point;

/// Points of a face, in the order of iBUG 300-W: jaw 0–16, brows 17–26, nose 27–35, eyes 36–47, mouth 48–67.
pub const POINTS: usize = 68;

/// Mean red, green and blue, 0 to 255.
pub type Rgb = [f32; 3];

/// The measures of one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    /// In pixels of the upright picture.
    pub points: [Point; POINTS],
    /// Height of the eyes' openings over their width, mean of both: about 0.2 to 0.35 open, half of it and less closed.
    pub eyes_open: f32,
    /// Gap between the lips over the distance of the eyes: under 0.05 closed (0.1 between full lips), 0.25 in a laugh.
    pub mouth_open: f32,
    /// Of the face's middle.
    pub face_colour: Rgb,
    /// Of what is beside and above the head; `None` when the face fills the picture.
    pub background: Option<Rgb>,
}

impl Measures {
    /// From points and colours.
    pub fn of(points: [Point; POINTS], face_colour: Rgb, background: Option<Rgb>) -> Measures {
        let eyes_open = (eye_open(&points, LEFT_EYE) + eye_open(&points, RIGHT_EYE)) / 2.0;
        let gap = [(61, 67), (62, 66), (63, 65)].map(|(up, low)| distance(points[up], points[low]));
        let mouth_open = gap.iter().sum::<f32>() / 3.0 / eye_distance(&points);
        Measures { points, eyes_open, mouth_open, face_colour, background }
    }

    /// How far the points moved since an earlier frame: root mean square over the distance of the eyes. A camera in a hand and
    /// a living face move by 0.01 and more, a picture that was only encoded anew by 0.004 at most.
    pub fn moved_since(&self, earlier: &Measures) -> f32 {
        let squares = self.points.iter().zip(&earlier.points).map(|(p, q)| distance(*p, *q).powi(2));
        (squares.sum::<f32>() / 68.0).sqrt() / eye_distance(&earlier.points)
    }

    /// How badly these points fit a flat picture of the earlier face: the root mean square of what the best homography from one
    /// to the other leaves, over the distance of the eyes.
    ///
    /// A print that is turned moves all its points by one homography, whatever the angle; on a head the nose moves against ears
    /// and jaw. Measured: 0.20 to 0.28 on three people who turned their heads by 40° to 55°, 0.07 to 0.08 at 22°; up to 0.066 on
    /// prints turned by 50°.
    pub fn depth_since(&self, earlier: &Measures) -> f32 {
        let (from, to) = (rigid(&earlier.points), rigid(&self.points));
        let Some(map) = homography(&from, &to) else { return 0.0 };
        let squares = from.iter().zip(&to).map(|(p, q)| {
            let [x, y] = apply(&map, *p);
            (x - q[0]).powi(2) + (y - q[1]).powi(2)
        });
        let residual = (squares.sum::<f64>() / RIGID as f64).sqrt();
        // Far below the range of an f32; what is not a number stays none.
        #[allow(clippy::cast_possible_truncation, reason = "a score keeps six digits")]
        {
            residual as f32
        }
    }
}

fn distance(p: Point, q: Point) -> f32 {
    (p[0] - q[0]).hypot(p[1] - q[1])
}

/// The first of an eye's six points; left and right as seen.
pub(crate) const LEFT_EYE: usize = 36;
pub(crate) const RIGHT_EYE: usize = 42;

/// How far the eye that begins at point `first` is open: height over width of the lids' outline (Soukupová and Čech's eye aspect ratio).
pub(crate) fn eye_open(points: &[Point; POINTS], first: usize) -> f32 {
    let between = |a: usize, b: usize| distance(points[first + a], points[first + b]);
    (between(1, 5) + between(2, 4)) / (2.0 * between(0, 3)).max(1e-3)
}

fn eye_distance(points: &[Point; POINTS]) -> f32 {
    let middle = |from: usize| {
        [0, 1].map(|axis| points[from..from + 6].iter().map(|point| point[axis]).sum::<f32>() / 6.0)
    };
    distance(middle(36), middle(42)).max(1e-3)
}

/// Points that lids and lips do not move: jaw, brows, nose, corners of the eyes.
const RIGID: usize = 40;

/// About their mean, in units of the distance of the eyes.
fn rigid(points: &[Point; POINTS]) -> [[f64; 2]; RIGID] {
    let unit = f64::from(eye_distance(points));
    let mut chosen = [[0.0; 2]; RIGID];
    for (place, index) in (0..36).chain([36, 39, 42, 45]).enumerate() {
        chosen[place] = points[index].map(f64::from);
    }
    for axis in 0..2 {
        let mean = chosen.iter().map(|point| point[axis]).sum::<f64>() / RIGID as f64;
        chosen.iter_mut().for_each(|point| point[axis] = (point[axis] - mean) / unit);
    }
    chosen
}

/// `[a b c; d e f; g h 1]`, row by row without the one.
type Homography = [f64; 8];

/// The homography that takes `from` to `to` with the least algebraic error (direct linear transform); `None` when the points
/// do not determine one.
fn homography(from: &[[f64; 2]; RIGID], to: &[[f64; 2]; RIGID]) -> Option<Homography> {
    // The normal equations, with their right side in the last column.
    let mut system = [[0.0; 9]; 8];
    for ([x, y], [u, v]) in from.iter().zip(to) {
        let rows = [
            [*x, *y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, *u],
            [0.0, 0.0, 0.0, *x, *y, 1.0, -v * x, -v * y, *v],
        ];
        for row in rows {
            for (i, line) in system.iter_mut().enumerate() {
                line.iter_mut().zip(row).for_each(|(sum, value)| *sum += row[i] * value);
            }
        }
    }
    solve(system)
}

/// Gauss with partial pivoting.
fn solve(mut system: [[f64; 9]; 8]) -> Option<Homography> {
    for column in 0..8 {
        let pivot =
            (column..8).max_by(|a, b| system[*a][column].abs().total_cmp(&system[*b][column].abs()))?;
        system.swap(column, pivot);
        let line = system[column];
        if !line[column].is_finite() || line[column].abs() < 1e-12 {
            return None;
        }
        for (_, other) in system.iter_mut().enumerate().filter(|(row, _)| *row != column) {
            let factor = other[column] / line[column];
            other.iter_mut().zip(line).for_each(|(value, pivot)| *value -= factor * pivot);
        }
    }
    Some(std::array::from_fn(|i| system[i][8] / system[i][i]))
}

fn apply(map: &Homography, [x, y]: [f64; 2]) -> [f64; 2] {
    let [a, b, c, d, e, f, g, h] = map;
    let scale = g * x + h * y + 1.0;
    [(a * x + b * y + c) / scale, (d * x + e * y + f) / scale]
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A head of 68 points in space: x to the right of the picture, y down, z towards the camera; eyes 60 apart.
    fn head() -> [[f32; 3]; POINTS] {
        let mut points = [[0.0; 3]; POINTS];
        for (i, point) in points.iter_mut().enumerate() {
            let k = i as f32;
            *point = match i {
                // The jaw runs from ear to ear around the chin, and the ears lie far behind.
                0..17 => {
                    let angle = std::f32::consts::PI * (k / 16.0);
                    [-75.0 * angle.cos(), 10.0 + 100.0 * angle.sin(), -70.0 + 50.0 * angle.sin()]
                }
                17..27 => [-50.0 + (k - 17.0) * 11.0, -25.0, 0.0],
                27..31 => [0.0, (k - 27.0) * 15.0, 5.0 + (k - 27.0) * 9.0],
                31..36 => [-12.0 + (k - 31.0) * 6.0, 50.0, 15.0],
                36..42 => eye(-30.0, i - 36),
                42..48 => eye(30.0, i - 42),
                _ => mouth(i - 48),
            };
        }
        points
    }

    fn eye(x: f32, i: usize) -> [f32; 3] {
        let [dx, dy] = [[-12.0, 0.0], [-5.0, -4.0], [5.0, -4.0], [12.0, 0.0], [5.0, 4.0], [-5.0, 4.0]][i];
        [x + dx, dy, -5.0]
    }

    fn mouth(i: usize) -> [f32; 3] {
        let angle = std::f32::consts::PI * (i as f32 / 6.0);
        if i < 12 { [-22.0 * angle.cos(), 75.0 - 8.0 * angle.sin(), 5.0] } else { inner(i - 12) }
    }

    fn inner(i: usize) -> [f32; 3] {
        let x = [-18.0, -9.0, 0.0, 9.0, 18.0, 9.0, 0.0, -9.0][i];
        [x, 75.0 + if (1..4).contains(&i) { -0.5 } else { 0.5 }, 5.0]
    }

    /// The head turned by `degrees` as a camera 500 away sees it; `flat` leaves it no depth.
    pub(crate) fn seen(degrees: f32, flat: bool) -> [Point; POINTS] {
        let (sin, cos) = degrees.to_radians().sin_cos();
        head().map(|[x, y, z]| {
            let z = if flat { 0.0 } else { z };
            let (x, z) = (x * cos + z * sin, z * cos - x * sin);
            let scale = 500.0 / (500.0 - z);
            [300.0 + x * scale, 200.0 + y * scale]
        })
    }

    fn measures(points: [Point; POINTS]) -> Measures {
        Measures::of(points, [120.0; 3], None)
    }

    #[test]
    fn a_head_has_depth_and_a_print_has_none() {
        let front = measures(seen(0.0, false));
        let print = measures(seen(0.0, true));
        for degrees in [-45.0, 30.0] {
            assert!(measures(seen(degrees, false)).depth_since(&front) > 0.1);
            assert!(measures(seen(degrees, true)).depth_since(&print) < 1e-4);
        }
        assert!(front.depth_since(&front) < 1e-4);
    }

    #[test]
    fn points_in_one_place_have_neither_depth_nor_openings_that_are_no_numbers() {
        let nothing = measures([[5.0; 2]; POINTS]);
        assert!(nothing.depth_since(&nothing).abs() < 1e-6);
        assert!(nothing.eyes_open.is_finite() && nothing.mouth_open.is_finite());
    }

    #[test]
    fn eyes_and_mouth() {
        let front = measures(seen(0.0, false));
        assert!((front.eyes_open - 1.0 / 3.0).abs() < 0.02 && front.mouth_open < 0.03);
        let mut points = seen(0.0, false);
        for i in [65, 66, 67] {
            points[i][1] += 20.0;
        }
        for i in [37, 38, 43, 44] {
            points[i][1] += 6.0;
        }
        let other = measures(points);
        assert!(other.eyes_open < 0.1 && other.mouth_open > 0.3);
        assert!(other.moved_since(&front) > 0.02 && front.moved_since(&front).abs() < 1e-9);
    }
}
