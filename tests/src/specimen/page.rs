//! Pages with a machine-readable zone, of invented people of the state Utopia (`UTO`, which Doc 9303 uses for specimens).

use ab_glyph::FontRef;
use anyhow::Result;
use image::{RgbImage, imageops};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use wallet_core::document::mrz::check_digit;

use super::scene::Scene;
use super::{Card, INK, LABEL, MASTHEAD, PORTRAIT, PRINT, Style};
use crate::samples::{self, Samples};

/// A page of a passport as printed, in pixels: 125 × 88 mm.
const PASSPORT: (u32, u32) = (1420, 1000);
/// Pixels to a millimetre of it, and of a card.
const PER_MM: f32 = 11.36;
const CARD_PER_MM: f32 = 1280.0 / 85.6;
/// Of OCR-B as zones are printed: 2.54 mm from character to character, 4 points less than 11 high.
const PITCH_MM: f32 = 2.54;

const SURNAMES: [&str; 10] = [
    "ERIKSSON",
    "VAN<DER<BERG",
    "ZHANG",
    "OUYANG",
    "MAIMAITI",
    "O<CONNOR",
    "SMITH<JONES",
    "LIN",
    "GARCIA",
    "BOIS",
];
const GIVEN: [&str; 10] = [
    "ANNA<MARIA",
    "WEI",
    "ZHIYUAN",
    "TUERXUN",
    "JOHN<ZACHARY",
    "QIQI",
    "SIOBHAN",
    "IO",
    "BO<BOB",
    "ISABELLA",
];
const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The man in the franck frames, on a passport of Utopia that ends in June 2036.
pub const FRANCK: [&str; 2] =
    ["P<UTOLIN<<ZHIYUAN<<<<<<<<<<<<<<<<<<<<<<<<<<<", "E990000174UTO9003071M3606012<<<<<<<<<<<<<<06"];
/// The same on one that ended in June 2020.
pub const FRANCK_EXPIRED: [&str; 2] = [FRANCK[0], "E990000174UTO9003071M2006017<<<<<<<<<<<<<<08"];

/// The page of the passport with these lines and the man's picture, as it is photographed on a desk: JPEG.
///
/// # Errors
/// When a sample can't be used.
pub fn photographed(lines: &[&str; 2], samples: &Samples) -> Result<Vec<u8>> {
    let font = super::font(samples.font())?;
    let portrait = super::portrait_from(samples.franck(samples::NEUTRAL)?, samples::FRANCK_FACE)?;
    let print = print(&lines.map(str::to_owned), &portrait, &font, &font);
    let scene = Scene { turn: -6.0, pitch: 6.0, yaw: 5.0, ..Scene::plain(3) };
    Ok(scene.photograph(&print, |_, _| 1.0)?.jpeg)
}

/// Lines of 44 of the `seq`-th invented passport, its check digits right.
pub fn passport(seq: u32) -> Vec<String> {
    let (mut rng, names) = start(seq);
    let (number, birth, expiry, sex) =
        (number(&mut rng), date(&mut rng, 40..100), date(&mut rng, 27..36), sex(&mut rng));
    let personal =
        if rng.random() { format!("{:<<14}", "") } else { format!("{:<<14}", number_of(&mut rng, 8)) };
    let checked = [&number, &birth, &expiry, &personal].map(|part| with_digit(part));
    let [number, birth, expiry, personal] = &checked;
    let digit = digit(&checked.concat());
    vec![
        format!("{:<<44}", format!("P<UTO{names}")),
        format!("{number}UTO{birth}{sex}{expiry}{personal}{digit}"),
    ]
}

/// Lines of 30 of the `seq`-th invented card.
pub fn card(seq: u32) -> Vec<String> {
    let (mut rng, names) = start(seq);
    let (number, birth, expiry) = (number(&mut rng), date(&mut rng, 40..100), date(&mut rng, 27..36));
    let first = format!("{:<<30}", format!("I<UTO{}{}", with_digit(&number), number_of(&mut rng, 6)));
    let (birth, expiry, sex) = (with_digit(&birth), with_digit(&expiry), sex(&mut rng));
    let optional = "<".repeat(11);
    let covered = first.get(5..).unwrap_or_default();
    let digit = digit(&format!("{covered}{birth}{expiry}{optional}"));
    let mut names = format!("{names:<<30}");
    names.truncate(30);
    vec![first, format!("{birth}{sex}{expiry}UTO{optional}{digit}"), names]
}

fn start(seq: u32) -> (StdRng, String) {
    let mut rng = StdRng::seed_from_u64(u64::from(seq) ^ 0x0dd_c0de);
    let surname = SURNAMES.choose(&mut rng).copied().unwrap_or_default();
    let names = format!("{surname}<<{}", GIVEN.choose(&mut rng).copied().unwrap_or_default());
    (rng, names)
}

fn number(rng: &mut StdRng) -> String {
    number_of(rng, 9)
}

fn number_of(rng: &mut StdRng, length: usize) -> String {
    (0..length).map(|_| char::from(ALPHABET.choose(rng).copied().unwrap_or(b'0'))).collect()
}

fn date(rng: &mut StdRng, years: std::ops::Range<u32>) -> String {
    format!("{:02}{:02}{:02}", rng.random_range(years), rng.random_range(1..=12), rng.random_range(1..=28))
}

fn sex(rng: &mut StdRng) -> char {
    ['M', 'F', '<'].choose(rng).copied().unwrap_or('<')
}

fn digit(of: &str) -> char {
    check_digit(of.as_bytes()).map_or('<', char::from)
}

fn with_digit(of: &str) -> String {
    format!("{of}{}", digit(of))
}

/// A page of our own layout with the zone at its foot, in OCR-B.
pub fn print(lines: &[String], portrait: &RgbImage, font: &FontRef<'_>, ocr_b: &FontRef<'_>) -> RgbImage {
    let passport = lines.len() == 2;
    let ((width, height), per_mm) = if passport { (PASSPORT, PER_MM) } else { (super::CARD, CARD_PER_MM) };
    let mut page = Card::blank(font);
    page.pixels = RgbImage::from_fn(width, height, |x, y| {
        if y < super::BAND_HEIGHT { super::BAND } else { *page.pixels.get_pixel(x % 1280, 400 + y % 100) }
    });
    page.write(70.0, 52.0, MASTHEAD, "SPECIMEN 样本 · UTOPIA");
    if passport {
        let names = lines.first().and_then(|line| line.get(5..)).unwrap_or_default();
        imageops::overlay(&mut page.pixels, portrait, 70, 150);
        page.write(
            PORTRAIT.0 as f32 + 130.0,
            220.0,
            Style { colour: LABEL, ..PRINT },
            "Surname / Given names",
        );
        page.write(
            PORTRAIT.0 as f32 + 130.0,
            280.0,
            PRINT,
            &names.trim_end_matches('<').replace("<<", ", ").replace('<', " "),
        );
    }
    page.font = ocr_b;
    let (pitch, line) = (PITCH_MM * per_mm, 6.35 * per_mm);
    let style = Style { em: 3.9 * per_mm, spacing: 0.0, colour: INK };
    let left = (width as f32 - pitch * lines.first().map_or(0, String::len) as f32) / 2.0;
    for (i, text) in lines.iter().enumerate() {
        let y = height as f32 - 5.5 * per_mm - line * (lines.len() - 1 - i) as f32;
        for (at, character) in text.chars().enumerate() {
            // In the middle of its cell, so that another font than OCR-B has one pitch as well.
            let room = pitch - page.advance(character, style);
            page.write(left + pitch * at as f32 + room / 2.0, y, style, &character.to_string());
        }
    }
    page.pixels
}
