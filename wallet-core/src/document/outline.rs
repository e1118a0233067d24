//! Where a card lies in a picture: the four straight edges around it.
//!
//! Gradients → thin edges → lines (a Hough transform in which an edge votes only near its own direction) → quadrangles of two
//! lines and two lines, of which that is taken whose sides are most fully edges and whose proportions are a card's. A card
//! without four visible edges (it fills the picture, or lies on its like) is not found; then the text alone has to do.

#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "pixel kernel: indices are bounded by the map's size; sides are below 2^12"
)]

use std::f32::consts::{PI, TAU};

use super::plane::{self, Quad};

/// A colour picture, small, for finding lines in: RGB, 0 to 255, row by row.
pub struct Small<'a> {
    pub rgb: &'a [[f32; 3]],
    pub width: usize,
    pub height: usize,
}

/// An outline, and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outline {
    /// Clockwise as seen, in pixels of the small picture; the first side is a long one. Which of the long sides is the top
    /// is not known.
    pub corners: Quad,
    /// Mean share of the sides that is edge, times how well the proportions fit: 0 to 1.
    pub score: f32,
}

/// The least score of an outline.
const MIN_SCORE: f32 = 0.55;
/// A side must be an edge over this share of its length at least: a finger may hold it, a corner be round.
const MIN_SIDE: f32 = 0.45;
/// The least share of the picture that a card takes.
const MIN_AREA: f32 = 0.08;
/// How far the proportions may be off, as the standard deviation of their logarithm.
const ASPECT_SPREAD: f32 = 0.16;
/// Directions that are told apart, over half a turn.
const ANGLES: usize = 180;
/// An edge votes for directions up to this many steps beside its own.
const VOTE_SPREAD: usize = 6;
/// Lines that are tried.
const LINES: usize = 36;
/// Gradients under this (levels a pixel) are no edges.
const MIN_GRADIENT: f32 = 4.0;
/// Share of the pixels that may be edges.
const EDGE_SHARE: f32 = 0.18;
/// How far an edge may lie from its line, in pixels.
const NEAR: f32 = 1.6;

/// A thin edge.
#[derive(Debug, Clone, Copy)]
struct Edge {
    x: f32,
    y: f32,
    /// Direction of the gradient, −π to π.
    angle: f32,
}

/// `x·cos + y·sin = rho`, with which stretches of it are edges.
#[derive(Debug, Clone)]
struct Line {
    cos: f32,
    sin: f32,
    rho: f32,
    /// How many of the first `i` pixels along the line are edges; it begins at `−reach` from its foot.
    passed: Vec<u32>,
    reach: f32,
}

/// The outline of the card-shaped thing with the clearest edges; `aspect` is its width over its height, above 1.
pub fn find(picture: &Small<'_>, aspect: f32) -> Option<Outline> {
    let map = EdgeMap::of(picture)?;
    let lines = map.lines();
    let mut best: Option<(f32, Outline)> = None;
    let pairs: Vec<(usize, usize)> = (0..lines.len())
        .flat_map(|i| (i + 1..lines.len()).map(move |j| (i, j)))
        .filter(|(i, j)| lines[*i].faces(&lines[*j], picture))
        .collect();
    for (n, (a, b)) in pairs.iter().enumerate() {
        for (c, d) in &pairs[n + 1..] {
            let sides = [&lines[*a], &lines[*c], &lines[*b], &lines[*d]];
            if let Some((rank, outline)) = judged(sides, picture, aspect)
                && best.as_ref().is_none_or(|(most, _)| rank > *most)
            {
                best = Some((rank, outline));
            }
        }
    }
    best.map(|(_, outline)| outline)
}

/// The quadrangle of four lines (opposite ones two apart), and its rank; `None` where they make no card.
fn judged([a, c, b, d]: [&Line; 4], picture: &Small<'_>, aspect: f32) -> Option<(f32, Outline)> {
    if (a.cos * c.cos + a.sin * c.sin).abs() > 0.64 {
        return None;
    }
    let [p, q, r, s] = [a.meets(d)?, a.meets(c)?, c.meets(b)?, b.meets(d)?];
    let (width, height) = (picture.width as f32, picture.height as f32);
    let room = 0.04 * width.max(height);
    let inside = |[x, y]: [f32; 2]| (-room..width + room).contains(&x) && (-room..height + room).contains(&y);
    if ![p, q, r, s].into_iter().all(inside) {
        return None;
    }
    let corners = clockwise([p, q, r, s]);
    let share = plane::area(&corners) / (width * height);
    if !plane::is_convex(&corners) || share < MIN_AREA {
        return None;
    }
    let sides = [a.support(p, q), c.support(q, r), b.support(r, s), d.support(s, p)];
    if sides.iter().any(|side| *side < MIN_SIDE) {
        return None;
    }
    let seen = plane::true_aspect(&corners, width, height)?;
    let (corners, seen) = if seen < 1.0 {
        ([corners[1], corners[2], corners[3], corners[0]], 1.0 / seen)
    } else {
        (corners, seen)
    };
    let off = (seen / aspect).ln() / ASPECT_SPREAD;
    let score = sides.iter().sum::<f32>() / 4.0 * (-off * off / 2.0).exp();
    // Of outlines that are as clear, the outer one: a card may have a band or a frame printed on it.
    (score >= MIN_SCORE).then_some((score * share.powf(0.2), Outline { corners, score }))
}

/// The corners in the order of the hands of a clock, beginning with the one nearest the upper left.
fn clockwise(corners: Quad) -> Quad {
    let corners =
        if plane::area(&corners) < 0.0 { [corners[0], corners[3], corners[2], corners[1]] } else { corners };
    let first = (0..4).min_by(|a, b| {
        let sum = |i: &usize| corners[*i][0] + corners[*i][1];
        sum(a).total_cmp(&sum(b))
    });
    let first = first.unwrap_or(0);
    [corners[first], corners[(first + 1) % 4], corners[(first + 2) % 4], corners[(first + 3) % 4]]
}

impl Line {
    /// Where two lines meet; `None` for nearly parallel ones.
    fn meets(&self, other: &Line) -> Option<[f32; 2]> {
        let determinant = self.cos * other.sin - self.sin * other.cos;
        (determinant.abs() > 0.3).then(|| {
            [
                (self.rho * other.sin - other.rho * self.sin) / determinant,
                (self.cos * other.rho - other.cos * self.rho) / determinant,
            ]
        })
    }

    /// Whether two lines may be opposite sides: roughly parallel, and apart.
    fn faces(&self, other: &Line, picture: &Small<'_>) -> bool {
        let along = self.cos * other.cos + self.sin * other.sin;
        let (x, y) = (picture.width as f32 / 2.0, picture.height as f32 / 2.0);
        let from_middle = |line: &Line| line.rho - x * line.cos - y * line.sin;
        let apart = (from_middle(self) - from_middle(other) * along.signum()).abs();
        along.abs() > 0.87 && apart > 0.15 * x.min(y) * 2.0
    }

    /// The share of the stretch between two points of the line that is edge.
    fn support(&self, p: [f32; 2], q: [f32; 2]) -> f32 {
        let place = |[x, y]: [f32; 2]| y * self.cos - x * self.sin + self.reach;
        let (from, to) = (place(p).min(place(q)), place(p).max(place(q)));
        let last = self.passed.len() - 1;
        let at = |v: f32| self.passed[(v.max(0.0) as usize).min(last)] as f32;
        (at(to) - at(from)) / (to - from).max(1.0)
    }
}

/// The edges of a picture.
struct EdgeMap {
    edges: Vec<Edge>,
    width: usize,
    height: usize,
}

impl EdgeMap {
    fn of(picture: &Small<'_>) -> Option<EdgeMap> {
        let (width, height) = (picture.width, picture.height);
        if width < 16 || height < 16 || picture.rgb.len() != width * height {
            return None;
        }
        let smooth = smoothed(picture);
        let mut gradients = vec![[0.0_f32; 3]; width * height];
        for y in 1..height - 1 {
            for x in 1..width - 1 {
                gradients[y * width + x] = gradient(&smooth, width, x, y);
            }
        }
        let mut strengths: Vec<f32> = gradients.iter().map(|g| g[2]).collect();
        let weak = (strengths.len() as f32 * (1.0 - EDGE_SHARE)) as usize;
        let (_, limit, _) = strengths.select_nth_unstable_by(weak.min(width * height - 1), f32::total_cmp);
        let limit = limit.max(MIN_GRADIENT);
        let mut edges = Vec::new();
        for y in 2..height - 2 {
            for x in 2..width - 2 {
                let [gx, gy, strength] = gradients[y * width + x];
                if strength < limit {
                    continue;
                }
                // Thin: no neighbour across the edge is stronger.
                let step = if gx.abs() > 2.4 * gy.abs() {
                    1
                } else if gy.abs() > 2.4 * gx.abs() {
                    width
                } else if gx * gy > 0.0 {
                    width + 1
                } else {
                    width - 1
                };
                let at = y * width + x;
                if strength >= gradients[at - step][2] && strength > gradients[at + step][2] {
                    edges.push(Edge { x: x as f32, y: y as f32, angle: gy.atan2(gx) });
                }
            }
        }
        Some(EdgeMap { edges, width, height })
    }

    /// The lines with the most edges on them.
    fn lines(&self) -> Vec<Line> {
        let reach = (self.width as f32).hypot(self.height as f32).ceil();
        let rows = 2 * reach as usize + 1;
        let mut votes = vec![0.0_f32; ANGLES * rows];
        let tables: Vec<(f32, f32)> =
            (0..ANGLES).map(|i| (PI * i as f32 / ANGLES as f32).sin_cos()).collect();
        for edge in &self.edges {
            let own = (edge.angle.rem_euclid(PI) / PI * ANGLES as f32) as usize;
            for step in 0..=2 * VOTE_SPREAD {
                let angle = (own + ANGLES + step - VOTE_SPREAD) % ANGLES;
                let (sin, cos) = tables[angle];
                let rho = edge.x * cos + edge.y * sin + reach;
                votes[angle * rows + rho.round() as usize] += 1.0;
            }
        }
        let mut lines: Vec<Line> = Vec::new();
        let least = 0.06 * self.width.max(self.height) as f32;
        while lines.len() < LINES {
            let best = (0..votes.len()).max_by(|a, b| votes[*a].total_cmp(&votes[*b]));
            let Some(best) = best.filter(|best| votes[*best] >= least) else { break };
            let (angle, row) = (best / rows, best % rows);
            let (sin, cos) = tables[angle];
            lines.push(self.refined(cos, sin, row as f32 - reach, reach));
            self.silence(&mut votes, rows, angle, row);
        }
        lines
    }

    /// Takes the votes around a line out, so that the next is another line.
    fn silence(&self, votes: &mut [f32], rows: usize, angle: usize, row: usize) {
        const TURN: usize = 4;
        const SHIFT: usize = 7;
        for step in 0..=2 * TURN {
            let turned = angle + step;
            // Past half a turn the same line has its foot on the other side.
            let (other, row) = if turned < TURN {
                (turned + ANGLES - TURN, rows - 1 - row)
            } else if turned - TURN >= ANGLES {
                (turned - TURN - ANGLES, rows - 1 - row)
            } else {
                (turned - TURN, row)
            };
            let from = row.saturating_sub(SHIFT);
            votes[other * rows + from..other * rows + (row + SHIFT + 1).min(rows)].fill(0.0);
        }
    }

    /// The line through the edges near a first guess, by least squares, and its stretches.
    fn refined(&self, mut cos: f32, mut sin: f32, mut rho: f32, reach: f32) -> Line {
        for near in [3.0, NEAR] {
            let on: Vec<&Edge> = self.on(cos, sin, rho, near).collect();
            if on.len() < 8 {
                break;
            }
            let count = on.len() as f32;
            let (mx, my) =
                (on.iter().map(|e| e.x).sum::<f32>() / count, on.iter().map(|e| e.y).sum::<f32>() / count);
            let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
            for edge in &on {
                let (dx, dy) = (edge.x - mx, edge.y - my);
                (xx, xy, yy) = (xx + dx * dx, xy + dx * dy, yy + dy * dy);
            }
            // The direction across the spread.
            let normal = 0.5 * (2.0 * xy).atan2(xx - yy) + PI / 2.0;
            (sin, cos) = normal.sin_cos();
            rho = mx * cos + my * sin;
        }
        let mut seen = vec![0_u32; 2 * reach as usize + 2];
        for edge in self.on(cos, sin, rho, NEAR) {
            let place = edge.y * cos - edge.x * sin + reach;
            let place = (place.max(0.0) as usize).min(seen.len() - 1);
            // A thin slanted edge has gaps of a pixel.
            for at in place.saturating_sub(1)..(place + 2).min(seen.len()) {
                seen[at] = 1;
            }
        }
        let mut passed = vec![0; seen.len() + 1];
        for (i, seen) in seen.iter().enumerate() {
            passed[i + 1] = passed[i] + seen;
        }
        Line { cos, sin, rho, passed, reach }
    }

    /// The edges within `near` pixels of a line whose gradient runs across it.
    fn on(&self, cos: f32, sin: f32, rho: f32, near: f32) -> impl Iterator<Item = &Edge> {
        let normal = sin.atan2(cos);
        self.edges.iter().filter(move |edge| {
            let turn = (edge.angle - normal).rem_euclid(TAU);
            let turn = turn.min((turn - PI).abs()).min(TAU - turn);
            (edge.x * cos + edge.y * sin - rho).abs() <= near && turn < 0.25
        })
    }
}

/// A 3 × 3 binomial filter.
fn smoothed(picture: &Small<'_>) -> Vec<[f32; 3]> {
    let (width, height) = (picture.width, picture.height);
    let mut across = picture.rgb.to_vec();
    for (row, source) in across.chunks_exact_mut(width).zip(picture.rgb.chunks_exact(width)) {
        for x in 1..width - 1 {
            for c in 0..3 {
                row[x][c] = (source[x - 1][c] + 2.0 * source[x][c] + source[x + 1][c]) / 4.0;
            }
        }
    }
    let mut out = across.clone();
    for y in 1..height - 1 {
        for x in 0..width {
            let at = y * width + x;
            for c in 0..3 {
                out[at][c] = (across[at - width][c] + 2.0 * across[at][c] + across[at + width][c]) / 4.0;
            }
        }
    }
    out
}

/// The strongest of the three colours' gradients: x, y, length, in levels a pixel.
fn gradient(smooth: &[[f32; 3]], width: usize, x: usize, y: usize) -> [f32; 3] {
    let at = y * width + x;
    let mut best = [0.0; 3];
    let (up, down) = (at - width, at + width);
    let around = [up - 1, up, up + 1, at - 1, at + 1, down - 1, down, down + 1].map(|place| smooth[place]);
    for c in 0..3 {
        let [tl, t, tr, l, r, bl, b, br] = around.map(|pixel| pixel[c]);
        let gx = (tr + 2.0 * r + br - tl - 2.0 * l - bl) / 8.0;
        let gy = (bl + 2.0 * b + br - tl - 2.0 * t - tr) / 8.0;
        let length = gx.hypot(gy);
        if length > best[2] {
            best = [gx, gy, length];
        }
    }
    best
}

#[cfg(test)]
mod tests;
