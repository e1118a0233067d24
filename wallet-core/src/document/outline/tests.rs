use super::*;
use crate::document::plane::Homography;

const ASPECT: f32 = 1.586;

/// A light card, with a band and lines of "print" on it, on a darker, uneven ground.
fn picture(card: &Quad, width: usize, height: usize) -> Vec<[f32; 3]> {
    let back = Homography::of_rectangle(ASPECT, 1.0, card).unwrap().inverse().unwrap();
    let pixel = |i: usize| {
        let (x, y) = ((i % width) as f32 + 0.5, (i / width) as f32 + 0.5);
        let [u, v] = back.apply([x, y]);
        let ground = 90.0 + 6.0 * (x / 7.0).sin() + 6.0 * (y / 5.0).cos();
        let card = (0.0..ASPECT).contains(&u) && (0.0..1.0).contains(&v);
        // Rows of letters of no regular width.
        let letter = ((u * 45.0) as u32 * 7919 + (v * 20.0) as u32 * 104_729) % 5 < 2;
        let print = v > 0.3 && ((v * 20.0) as u32).is_multiple_of(3) && letter && (0.1..0.9).contains(&u);
        match (card, print) {
            (true, _) if v < 0.1 => [60.0, 120.0, 130.0],
            (true, true) => [40.0; 3],
            (true, false) => [235.0, 238.0, 236.0],
            (false, _) => [ground, ground * 0.9, ground * 0.8],
        }
    };
    (0..width * height).map(pixel).collect()
}

/// The greatest distance of a corner to where it is, whichever corner is named first.
fn error(found: &Quad, truth: &Quad) -> f32 {
    let turned = (0..4)
        .map(|turn| (0..4).map(|i| plane::distance(found[(i + turn) % 4], truth[i])).fold(0.0, f32::max));
    turned.fold(f32::MAX, f32::min)
}

#[test]
fn a_card_is_found_however_it_lies() {
    for card in [
        [[80.0, 60.0], [400.0, 60.0], [400.0, 262.0], [80.0, 262.0]],
        [[110.0, 40.0], [410.0, 130.0], [350.0, 320.0], [55.0, 235.0]],
        // The right edge leans away.
        [[80.0, 50.0], [395.0, 85.0], [395.0, 260.0], [80.0, 300.0]],
        // A quarter turn.
        [[330.0, 30.0], [330.0, 330.0], [141.0, 330.0], [141.0, 30.0]],
    ] {
        let rgb = picture(&card, 480, 360);
        let found = find(&Small { rgb: &rgb, width: 480, height: 360 }, ASPECT);
        let found = found.unwrap_or_else(|| panic!("{card:?}"));
        assert!(error(&found.corners, &card) < 3.0 && found.score > 0.8, "{card:?}: {found:?}");
        let long = plane::distance(found.corners[0], found.corners[1]);
        assert!(long > plane::distance(found.corners[1], found.corners[2]), "{found:?}");
    }
}

#[test]
fn no_card_is_found_where_there_is_none() {
    let ground: Vec<[f32; 3]> =
        (0..480 * 360).map(|i| [90.0 + 6.0 * ((i % 480) as f32 / 7.0).sin(); 3]).collect();
    assert_eq!(find(&Small { rgb: &ground, width: 480, height: 360 }, ASPECT), None);
    let flat = vec![[128.0; 3]; 480 * 360];
    assert_eq!(find(&Small { rgb: &flat, width: 480, height: 360 }, ASPECT), None);
    // A square is no card.
    let square = [[100.0, 60.0], [300.0, 60.0], [300.0, 260.0], [100.0, 260.0]];
    let rgb = picture(&square, 480, 360);
    assert_eq!(find(&Small { rgb: &rgb, width: 480, height: 360 }, ASPECT), None);
    for (width, height) in [(0, 0), (1, 1), (480, 3), (15, 15)] {
        let rgb = vec![[0.0; 3]; width * height];
        assert_eq!(find(&Small { rgb: &rgb, width, height }, ASPECT), None, "{width} × {height}");
    }
    assert_eq!(find(&Small { rgb: &[], width: 480, height: 360 }, ASPECT), None);
    let nan = vec![[f32::NAN; 3]; 480 * 360];
    assert_eq!(find(&Small { rgb: &nan, width: 480, height: 360 }, ASPECT), None);
}
