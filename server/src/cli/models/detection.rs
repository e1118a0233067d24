//! What looking at a small picture first costs in faces; pure.

use serde::Serialize;
use wallet_core::onnx::engine::{CLOSE_SIDE, SIDES};

use super::acquire::Look;
use super::statistics::Count;

/// The largest faces that are found at the full size, and those of them that the product does not find.
#[derive(Debug, Serialize)]
pub(super) struct Detection {
    /// Long sides in pixels that the product looks at, as far as it needs.
    pub(super) sides: [usize; 3],
    /// The long side of the full size; a smaller picture is looked at as it is.
    pub(super) full_side: usize,
    pub(super) faces: usize,
    pub(super) lost: usize,
    pub(super) lost_share: Option<f64>,
    pub(super) lost_interval: Option<[f64; 2]>,
    /// Faces of any size, also behind the one that is judged.
    pub(super) all_faces: usize,
    pub(super) all_lost: usize,
}

impl Detection {
    pub(super) fn of(looks: &[Look]) -> Detection {
        let largest = looks.iter().filter_map(|look| look.largest_found);
        let found = largest.clone().count();
        let lost = Count { errors: largest.filter(|found| !found).count(), of: found };
        Detection {
            sides: SIDES,
            full_side: CLOSE_SIDE,
            faces: lost.of,
            lost: lost.errors,
            lost_share: lost.rate(),
            lost_interval: lost.interval(),
            all_faces: looks.iter().map(|look| look.faces).sum(),
            all_lost: looks.iter().map(|look| look.lost).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_faces_are_counted_apart_from_those_behind_them() {
        let look = |largest_found, faces, lost| Look { largest_found, faces, lost };
        let looks =
            [look(Some(true), 2, 1), look(Some(true), 1, 0), look(Some(false), 1, 1), look(None, 0, 0)];
        let detection = Detection::of(&looks);
        assert_eq!((detection.faces, detection.lost), (3, 1));
        assert_eq!((detection.all_faces, detection.all_lost), (4, 2));
        assert_eq!(Detection::of(&[]).lost_share, None);
    }
}
