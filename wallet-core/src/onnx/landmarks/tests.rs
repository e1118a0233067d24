//! Geometry without the model: what the crop shows, and where its points lie in the picture.

use proptest::prelude::*;

use super::*;

/// A black picture with a round spot of light about a point, its deviation in pixels.
fn spot(width: u32, height: u32, (x, y): (f64, f64), deviation: f64) -> Picture {
    let light = |px: u32, py: u32| {
        let square = (f64::from(px) - x).powi(2) + (f64::from(py) - y).powi(2);
        (250.0 * (-square / (2.0 * deviation * deviation)).exp()).round() as u8
    };
    let rgb = (0..height).flat_map(|py| (0..width).flat_map(move |px| [light(px, py); 3]));
    Picture::from_rgb(width, height, rgb.collect()).unwrap()
}

fn shrink(picture: &Picture, square: &Square) -> Vec<f32> {
    let mut input = vec![0.0; SIDE * SIDE];
    square.shrink(picture, &mut Scratch::default(), &mut input);
    input
}

/// Where the light is in the model's input, as shares of the side.
fn centroid(input: &[f32], square: &Square) -> Point {
    let total: f32 = input.iter().sum();
    let mean = |place: fn(usize) -> usize| {
        input.iter().enumerate().map(|(i, v)| place(i) as f32 * v).sum::<f32>() / total
    };
    // The samples of a cell begin at its edge: their mean lies half a sample before its middle.
    let middle = (0.5 - 0.5 / square.samples()) as f32;
    [mean(|i| i % SIDE), mean(|i| i / SIDE)].map(|cell| (cell + middle) / SIDE as f32)
}

proptest! {
    #[test]
    fn a_point_of_the_crop_lies_where_it_lies_in_the_picture(
        (width, height) in (40.0_f32..300.0, 40.0_f32..300.0),
        (left, top) in (-60.0_f32..140.0, -60.0_f32..100.0),
        (across, down) in (0.3_f64..0.7, 0.3_f64..0.7),
    ) {
        let square = Square::around(&FaceBox { x: left, y: top, width, height }).unwrap();
        let light = (square.x + across * square.side, square.y + down * square.side);
        // Wide enough to be seen between samples, and all of it in crop and picture.
        let deviation = (square.side / 40.0).max(1.0);
        let reach = 4.0 * deviation;
        prop_assume!(light.0 > reach && light.1 > reach && light.0 < 399.0 - reach && light.1 < 299.0 - reach);
        let picture = spot(400, 300, light, deviation);
        let found = square.place(centroid(&shrink(&picture, &square), &square));
        let error = (f64::from(found[0]) - light.0).hypot(f64::from(found[1]) - light.1);
        prop_assert!(error < 0.1, "{error} px for {square:?} and {light:?}");
    }
}

#[test]
fn the_square_is_as_high_as_the_box_and_has_its_centre() {
    let square = Square::around(&FaceBox { x: 10.0, y: 20.0, width: 30.0, height: 50.0 }).unwrap();
    assert_eq!(square.place([0.0, 0.0]), [0.0, 20.0]);
    assert_eq!(square.place([0.5, 1.0]), [25.0, 70.0]);
}

#[test]
fn outside_the_picture_all_is_black_and_inside_it_grey_is_grey() {
    let picture = Picture::from_rgb(100, 100, vec![128; 30_000]).unwrap();
    let whole = shrink(&picture, &Square { x: 10.0, y: 10.0, side: 70.0 });
    assert!(whole.iter().all(|v| (v - 0.5).abs() < 1e-4));
    // The left half lies before the picture; each axis loses what it has outside.
    let half = shrink(&picture, &Square { x: -64.0, y: 0.0, side: 128.0 });
    assert!(half.iter().enumerate().all(|(i, v)| if i % SIDE < 32 {
        *v == 0.0
    } else {
        i / SIDE >= 49 || *v > 0.49
    }));
    assert!(half[63 * SIDE..].iter().all(|v| *v == 0.0), "below the picture");
    for (x, side) in [(1e9, 50.0), (-1e9, 50.0), (-1e12, 1e6), (0.0, 1e30)] {
        let far = shrink(&picture, &Square { x, y: 0.0, side });
        assert!(far.iter().skip(SIDE).all(|v| v.is_finite() && *v < 0.02), "{x} {side}");
    }
}

#[test]
fn colours_weigh_as_in_bt_601() {
    let picture = Picture::from_rgb(64, 64, [200, 100, 50].repeat(64 * 64)).unwrap();
    let luma = shrink(&picture, &Square { x: 0.0, y: 0.0, side: 60.0 })[0] * 256.0;
    assert!((luma - (0.299 * 200.0 + 58.7 + 5.7)).abs() < 0.01, "{luma}");
}

#[test]
fn a_box_without_an_extent_is_refused() {
    let face = FaceBox { x: 0.0, y: 0.0, width: 10.0, height: 10.0 };
    assert!(Square::around(&face).is_some());
    for face in [
        FaceBox { height: 0.0, ..face },
        FaceBox { width: -1.0, ..face },
        FaceBox { x: f32::NAN, ..face },
        FaceBox { height: f32::INFINITY, ..face },
    ] {
        assert!(Square::around(&face).is_none(), "{face:?}");
    }
}

#[test]
fn five_points_of_68() {
    let points = Points68(std::array::from_fn(|i| [i as f32, 100.0 - i as f32]));
    let x = [39.0, 45.0, 30.0, 54.0, 59.0];
    assert_eq!(points.five().points(), x.map(|x| [x, 100.0 - x]));
}
