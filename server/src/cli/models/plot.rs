//! The ROC curve as an SVG file: FMR to the right on a logarithmic scale, the share of genuine comparisons that match
//! upwards. Written by hand: two axes and two lines are shorter than a plotting library's set-up.

use std::fmt::Write as _;

use super::figures::Verification;
use super::statistics::RocPoint;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
/// Room for the labels, in pixels.
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 350.0;
const TOP: f64 = 20.0;
const RIGHT: f64 = 620.0;
/// Where the upward scale may begin; the highest below which no curve goes is taken.
const FLOORS: [f64; 4] = [0.95, 0.9, 0.5, 0.0];

/// The whole as a line, the same with quality gates dashed, the product's threshold as a ring on the line.
pub(super) fn roc(whole: &Verification, with_gates: &Verification) -> String {
    // The first decade that this many comparisons can't tell from nothing, but for no more than 1e-6.
    let decades = (1_u8..6).find(|decade| 10_usize.pow(u32::from(*decade)) > whole.impostor).unwrap_or(6);
    let lowest = [whole, with_gates].into_iter().flat_map(|set| &set.roc);
    let lowest = lowest.filter(|point| point.fmr > 0.0).map(|point| 1.0 - point.fnmr).fold(1.0, f64::min);
    let floor = FLOORS.into_iter().find(|floor| *floor <= lowest).unwrap_or(0.0);
    let x = |fmr: f64| {
        let decade = -fmr.max(10_f64.powf(-f64::from(decades))).log10();
        RIGHT - decade / f64::from(decades) * (RIGHT - LEFT)
    };
    let y = |share: f64| BOTTOM - (share.max(floor) - floor) / (1.0 - floor) * (BOTTOM - TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    // Writing to a String does not fail.
    for decade in 0..=decades {
        let name = if decade == 0 { "1".to_owned() } else { format!("1e-{decade}") };
        let at = x(10_f64.powf(-f64::from(decade)));
        let _ = writeln!(svg, "<path d=\"M{at:.1} {TOP}V{BOTTOM}\" stroke=\"#ddd\"/>");
        let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"368\" text-anchor=\"middle\">{name}</text>");
    }
    for fifth in 0..=5_u8 {
        let share = floor + (1.0 - floor) * f64::from(fifth) / 5.0;
        let (at, label) = (y(share), y(share) + 4.0);
        let _ = writeln!(svg, "<path d=\"M{LEFT} {at:.1}H{RIGHT}\" stroke=\"#ddd\"/>");
        let _ = writeln!(svg, "<text x=\"54\" y=\"{label:.1}\" text-anchor=\"end\">{share:.2}</text>");
    }
    for (set, style) in [(with_gates, "stroke=\"#888\" stroke-dasharray=\"5 3\""), (whole, "stroke=\"#06c\"")]
    {
        let point = |point: &RocPoint| format!("{:.1},{:.1}", x(point.fmr), y(1.0 - point.fnmr));
        let points: Vec<String> = set.roc.iter().map(point).collect();
        let _ = writeln!(svg, "<polyline fill=\"none\" {style} points=\"{}\"/>", points.join(" "));
    }
    let at = whole.at_threshold;
    if let (Some(fmr), Some(fnmr)) = (at.rates.fmr, at.rates.fnmr) {
        let (cx, cy) = (x(fmr), y(1.0 - fnmr));
        let _ =
            writeln!(svg, "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"5\" fill=\"none\" stroke=\"#c30\"/>");
        let (cx, cy) = (cx + 9.0, cy + 16.0);
        let _ = writeln!(svg, "<text x=\"{cx:.1}\" y=\"{cy:.1}\" fill=\"#c30\">{}</text>", at.threshold);
    }
    let _ = writeln!(
        svg,
        "<text x=\"340\" y=\"390\" text-anchor=\"middle\">FMR; dashed: with quality gates</text>"
    );
    let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"14\">1 − FNMR</text>\n</svg>");
    svg
}
