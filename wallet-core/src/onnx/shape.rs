//! Shapes of text regions: convex hull and the rectangle of least area around it.

#![allow(clippy::indexing_slicing, reason = "indices run over the slices' own lengths")]

/// A turned rectangle: centre, unit vector of the reading direction, and both sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub centre: [f32; 2],
    /// Along the side nearest to the picture's x axis.
    pub along: [f32; 2],
    pub width: f32,
    pub height: f32,
}

impl Rect {
    /// The rectangle of least area around points; `None` for fewer than three that span an area.
    pub(super) fn around(points: Vec<[f32; 2]>) -> Option<Rect> {
        let hull = convex_hull(points);
        (0..hull.len())
            .filter_map(|i| Rect::on_edge(&hull, hull[i], hull[(i + 1) % hull.len()]))
            .min_by(|a, b| (a.width * a.height).total_cmp(&(b.width * b.height)))
            .map(Rect::levelled)
    }

    /// The rectangle around a hull whose side lies on the edge from `p` to `q`.
    fn on_edge(hull: &[[f32; 2]], p: [f32; 2], q: [f32; 2]) -> Option<Rect> {
        let (dx, dy) = (q[0] - p[0], q[1] - p[1]);
        let length = dx.hypot(dy);
        if length < 1e-6 {
            return None;
        }
        let along = [dx / length, dy / length];
        let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
        for point in hull {
            let local = [dot(*point, along), dot(*point, across(along))];
            for axis in 0..2 {
                low[axis] = low[axis].min(local[axis]);
                high[axis] = high[axis].max(local[axis]);
            }
        }
        let middle = [(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0];
        let side = across(along);
        let centre = [middle[0] * along[0] + middle[1] * side[0], middle[0] * along[1] + middle[1] * side[1]];
        Some(Rect { centre, along, width: high[0] - low[0], height: high[1] - low[1] })
    }

    /// The same rectangle, with `along` within 45° of the x axis.
    fn levelled(self) -> Rect {
        let [x, y] = self.along;
        let turned = if x.abs() >= y.abs() {
            self
        } else {
            Rect { along: [-y, x], width: self.height, height: self.width, ..self }
        };
        let [x, y] = turned.along;
        if x < 0.0 { Rect { along: [-x, -y], ..turned } } else { turned }
    }

    /// Where two rectangles of one row overlap, moves the ends that meet to the middle of the overlap.
    pub(super) fn part(left: &mut Rect, right: &mut Rect) {
        let (du, dv) = (right.centre[0] - left.centre[0], right.centre[1] - left.centre[1]);
        let along = dot([du, dv], left.along);
        let aside = dot([du, dv], across(left.along)).abs();
        let overlap = (left.width + right.width) / 2.0 - along;
        let one_row = aside < left.height.min(right.height) / 2.0;
        if !(one_row && along > 0.0 && overlap > 0.0 && overlap < left.width.min(right.width)) {
            return;
        }
        for (rect, way) in [(left, -1.0), (right, 1.0)] {
            rect.width -= overlap / 2.0;
            for (centre, along) in rect.centre.iter_mut().zip(rect.along) {
                *centre += way * along * overlap / 4.0;
            }
        }
    }

    /// Moved outwards by `distance` on all sides.
    pub(super) fn grown(self, distance: f32) -> Rect {
        Rect { width: self.width + 2.0 * distance, height: self.height + 2.0 * distance, ..self }
    }

    /// Top left, top right, bottom right, bottom left.
    pub(super) fn quad(&self) -> [[f32; 2]; 4] {
        let side = across(self.along);
        let corner = |u: f32, v: f32| {
            let (u, v) = (u * self.width / 2.0, v * self.height / 2.0);
            [
                self.centre[0] + u * self.along[0] + v * side[0],
                self.centre[1] + u * self.along[1] + v * side[1],
            ]
        };
        [corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)]
    }
}

fn dot(a: [f32; 2], b: [f32; 2]) -> f32 {
    a[0] * b[0] + a[1] * b[1]
}

/// A quarter turn clockwise as seen: from the reading direction to the one below.
fn across(along: [f32; 2]) -> [f32; 2] {
    [-along[1], along[0]]
}

/// Andrew's monotone chain; fewer than three points when they lie on a line.
fn convex_hull(mut points: Vec<[f32; 2]>) -> Vec<[f32; 2]> {
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    points.dedup();
    let chain = |points: &mut dyn Iterator<Item = [f32; 2]>| {
        let mut hull: Vec<[f32; 2]> = Vec::new();
        for p in points {
            while let [.., a, b] = hull[..] {
                if (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]) > 0.0 {
                    break;
                }
                hull.pop();
            }
            hull.push(p);
        }
        hull.pop();
        hull
    };
    let mut hull = chain(&mut points.iter().copied());
    hull.extend(chain(&mut points.iter().rev().copied()));
    if hull.len() < 3 { Vec::new() } else { hull }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_rectangle_is_found() {
        let along = [0.3_f32.cos(), 0.3_f32.sin()];
        let truth = Rect { centre: [50.0, 40.0], along, width: 60.0, height: 10.0 };
        let mut points = truth.quad().to_vec();
        points.extend([[50.0, 40.0], [52.0, 41.0]]);
        let found = Rect::around(points).unwrap();
        assert!((found.width - 60.0).abs() < 1e-2 && (found.height - 10.0).abs() < 1e-2);
        assert!((found.along[0] - along[0]).abs() < 1e-3 && (found.centre[0] - 50.0).abs() < 1e-2);
        assert!((found.grown(2.0).height - 14.0).abs() < 1e-2);
    }

    #[test]
    fn a_standing_rectangle_reads_to_the_right() {
        let found = Rect::around(vec![[0.0, 0.0], [4.0, 0.0], [4.0, 20.0], [0.0, 20.0]]).unwrap();
        assert_eq!((found.width, found.height), (4.0, 20.0));
        assert_eq!(found.quad()[0], [0.0, 0.0]);
    }

    #[test]
    fn neighbours_that_overlap_meet_in_the_middle() {
        let rect = |x: f32| Rect { centre: [x, 5.0], along: [1.0, 0.0], width: 20.0, height: 10.0 };
        let (mut a, mut b) = (rect(10.0), rect(26.0));
        Rect::part(&mut a, &mut b);
        assert_eq!((a.quad()[1][0], b.quad()[0][0]), (18.0, 18.0));
        assert_eq!((a.quad()[0][0], b.quad()[1][0]), (0.0, 36.0));
        let (mut a, mut b) = (rect(10.0), Rect { centre: [12.0, 30.0], ..rect(0.0) });
        Rect::part(&mut a, &mut b);
        assert_eq!(a, rect(10.0));
    }

    #[test]
    fn points_on_a_line_have_no_area() {
        assert_eq!(Rect::around(vec![[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]), None);
        assert_eq!(Rect::around(vec![]), None);
    }
}
