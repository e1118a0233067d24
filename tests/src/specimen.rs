//! Draws a fictitious resident ID card, front and back, lying on a desk as photographed, for the document reader to
//! really read. Every fault that the reader must notice can be drawn on purpose.
//!
//! Invariant: the layout is our own (no emblem, no state name, no guilloche), both sides say SPECIMEN 样本, and the
//! number begins with 99, a region code that was never assigned.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixel arithmetic on a canvas of fixed size; what falls outside is clipped by `Card::blend`"
)]

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use anyhow::{Context, Result, ensure};
use image::imageops::{self, FilterType};
use image::{DynamicImage, Rgb, RgbImage};

use crate::samples::{self, FaceBox, Samples};

pub mod page;
pub mod people;
pub mod scene;

/// Year, month, day.
pub type Date = (u16, u8, u8);

/// The portrait on the card, in pixels.
pub const PORTRAIT: (u32, u32) = (360, 450);
/// Quality of the "photograph", as a phone saves it.
pub const JPEG_QUALITY: u8 = 90;

/// The share of the portrait's height that the face takes: 279 of 450 px, well over the 96 px that the reader asks for.
const FACE_SHARE: f64 = 0.62;

const DESK: (u32, u32) = (1440, 966);
/// A card as printed, in pixels.
pub const CARD: (u32, u32) = (1280, 806);
/// The card's top left corner on the desk, and the portrait's on the card.
const CARD_AT: (u32, u32) = (80, 80);
const PORTRAIT_AT: (u32, u32) = (850, 132);
const CORNER_RADIUS: f32 = 36.0;
const BAND_HEIGHT: u32 = 76;

const LABEL_X: f32 = 70.0;
const VALUE_X: f32 = 182.0;
/// The address wraps before it comes near the portrait.
const VALUE_END: f32 = 800.0;
const ADDRESS_LINE: f32 = 60.0;
/// Wide enough that the text detector does not cut a caption in two.
const BACK_GAP: f32 = 64.0;
/// Size of the printed text: the side of a Chinese character.
const EM: f32 = 42.0;

const DESK_COLOUR: Rgb<u8> = Rgb([122, 108, 94]);
const PAPER: Rgb<u8> = Rgb([243, 246, 243]);
const BAND: Rgb<u8> = Rgb([46, 118, 128]);
const INK: Rgb<u8> = Rgb([24, 24, 28]);
const LABEL: Rgb<u8> = Rgb([28, 84, 128]);
const MARK: Rgb<u8> = Rgb([214, 150, 140]);
const WHITE: Rgb<u8> = Rgb([255, 255, 255]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sex {
    Male,
    Female,
}

impl Sex {
    /// As it is printed on the card.
    pub fn printed(self) -> &'static str {
        match self {
            Self::Male => "男",
            Self::Female => "女",
        }
    }
}

/// What is printed on the card; nothing forces the fields to agree with each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Specimen {
    pub name: String,
    pub sex: Sex,
    pub ethnicity: String,
    pub birth: Date,
    pub address: String,
    pub number: String,
    pub issuer: String,
    pub valid_from: Date,
    /// None is 长期, without an end.
    pub valid_until: Option<Date>,
}

/// Both sides as JPEG.
pub struct CardPhotos {
    pub front: Vec<u8>,
    pub back: Vec<u8>,
}

impl Specimen {
    /// A card without fault for the man in the franck frames; the person is invented.
    pub fn franck() -> Self {
        let (birth, sex) = ((1990, 3, 7), Sex::Male);
        Self {
            name: "林知远".to_owned(),
            sex,
            ethnicity: "汉".to_owned(),
            birth,
            address: "样本省示例市测试区虚构路88号9栋1单元302室".to_owned(),
            number: number_of(birth, sex, 0),
            issuer: "示例市公安局测试分局".to_owned(),
            valid_from: (2021, 6, 1),
            valid_until: Some((2041, 6, 1)),
        }
    }

    /// Another consistent person: birth and sex are printed as the number says. A different `seq` below five million
    /// gives a different number.
    #[must_use]
    pub fn number_for(self, birth: Date, sex: Sex, seq: u32) -> Self {
        Self { birth, sex, number: number_of(birth, sex, seq), ..self }
    }

    /// Ran out in 2021.
    #[must_use]
    pub fn expired(self) -> Self {
        Self { valid_from: (2011, 6, 1), valid_until: Some((2021, 6, 1)), ..self }
    }

    /// 长期.
    #[must_use]
    pub fn long_term(self) -> Self {
        Self { valid_until: None, ..self }
    }

    /// The last character of the number is not the one that its other 17 demand.
    #[must_use]
    pub fn wrong_check_digit(self) -> Self {
        let body: String = self.number.chars().take(17).collect();
        let wrong = match check_digit(&body) {
            'X' | '9' => '0',
            digit => char::from_digit(digit.to_digit(10).unwrap_or(0) + 1, 10).unwrap_or('0'),
        };
        Self { number: format!("{body}{wrong}"), ..self }
    }

    /// Prints a sex that the number may contradict.
    #[must_use]
    pub fn printed_sex(self, sex: Sex) -> Self {
        Self { sex, ..self }
    }

    /// Prints a date of birth that the number may contradict.
    #[must_use]
    pub fn printed_birth(self, birth: Date) -> Self {
        Self { birth, ..self }
    }

    /// 有效期限 as printed.
    pub fn printed_validity(&self) -> String {
        let until = self.valid_until.map_or_else(|| "长期".to_owned(), dotted);
        format!("{}-{until}", dotted(self.valid_from))
    }

    /// The side with the portrait, on its desk. The portrait is what [`portrait_from`] gives.
    pub fn draw_front(&self, portrait: &RgbImage, font: &FontRef<'_>) -> RgbImage {
        on_desk(&self.print_front(portrait, font))
    }

    /// The side with the portrait, flat and with square corners.
    pub fn print_front(&self, portrait: &RgbImage, font: &FontRef<'_>) -> RgbImage {
        let mut card = Card::blank(font);
        card.write(LABEL_X, 52.0, MASTHEAD, "SPECIMEN 样本 · E-Cert");
        card.field(158.0, "姓名", &self.name);
        let end = card.field(246.0, "性别", self.sex.printed());
        let end = card.write(end + 100.0, 246.0, CAPTION, "民族");
        card.write(end + 28.0, 246.0, PRINT, &self.ethnicity);
        let (year, month, day) = self.birth;
        card.field(334.0, "出生", &format!("{year} 年 {month} 月 {day} 日"));
        card.write(LABEL_X, 422.0, CAPTION, "住址");
        let mut y = 422.0;
        for line in card.wrapped(&self.address) {
            card.write(VALUE_X, y, PRINT, &line);
            y += ADDRESS_LINE;
        }
        card.write(LABEL_X, 732.0, CAPTION, "公民身份号码");
        card.write(400.0, 732.0, NUMBER, &self.number);

        let (x, y) = PORTRAIT_AT;
        imageops::overlay(&mut card.pixels, portrait, i64::from(x), i64::from(y));
        card.write(x as f32, (y + PORTRAIT.1) as f32 + 62.0, WATERMARK, "SPECIMEN 样本");
        card.pixels
    }

    /// The side with the issuer and the validity, on its desk.
    pub fn draw_back(&self, font: &FontRef<'_>) -> RgbImage {
        on_desk(&self.print_back(font))
    }

    /// The side with the issuer and the validity, flat and with square corners.
    pub fn print_back(&self, font: &FontRef<'_>) -> RgbImage {
        let mut card = Card::blank(font);
        card.write(LABEL_X, 52.0, MASTHEAD, "SPECIMEN 样本 · E-Cert");
        card.write(330.0, 260.0, TITLE, "居民身份证 (样本)");
        card.write(464.0, 400.0, WATERMARK, "SPECIMEN 样本");
        let end = card.write(220.0, 570.0, CAPTION, "签发机关");
        card.write(end + BACK_GAP, 570.0, PRINT, &self.issuer);
        let end = card.write(220.0, 680.0, CAPTION, "有效期限");
        card.write(end + BACK_GAP, 680.0, PRINT, &self.printed_validity());
        card.pixels
    }

    /// Both sides as JPEG, the front around the neutral franck frame.
    pub fn photographed(&self, samples: &Samples) -> Result<CardPhotos> {
        let portrait = portrait_from(samples.franck(samples::NEUTRAL)?, samples::FRANCK_FACE)?;
        self.photographed_with(&portrait, samples)
    }

    /// Both sides as JPEG, the front around a portrait of one's choice.
    pub fn photographed_with(&self, portrait: &RgbImage, samples: &Samples) -> Result<CardPhotos> {
        let font = font(samples.font())?;
        Ok(CardPhotos {
            front: samples::jpeg(&self.draw_front(portrait, &font), JPEG_QUALITY)?,
            back: samples::jpeg(&self.draw_back(&font), JPEG_QUALITY)?,
        })
    }
}

/// Reads the font of [`Samples::font`]; of a collection, its first.
pub fn font(bytes: &[u8]) -> Result<FontRef<'_>> {
    FontRef::try_from_slice_and_index(bytes, 0).context("the sample font is neither TrueType nor OpenType")
}

/// Cuts the portrait out of a photograph, centred on the face, in the size of the card's portrait.
pub fn portrait_from(photo: &[u8], face: FaceBox) -> Result<RgbImage> {
    let photo = samples::decode(photo)?;
    let (width, height) = photo.dimensions();
    let fits = |start: u32, size: u32, limit: u32| size > 0 && start.saturating_add(size) <= limit;
    ensure!(
        fits(face.x, face.width, width) && fits(face.y, face.height, height),
        "{face:?} is not inside the photograph of {width}×{height}"
    );

    let aspect = f64::from(PORTRAIT.0) / f64::from(PORTRAIT.1);
    let crop_height =
        (f64::from(face.height) / FACE_SHARE).min(f64::from(height)).min(f64::from(width) / aspect) as u32;
    let crop_width = (f64::from(crop_height) * aspect) as u32;
    let centred = |start: u32, size: u32, crop: u32, limit: u32| {
        (start + size / 2).saturating_sub(crop / 2).min(limit - crop)
    };
    let x = centred(face.x, face.width, crop_width, width);
    let y = centred(face.y, face.height, crop_height, height);
    let crop = DynamicImage::ImageRgb8(photo).crop_imm(x, y, crop_width, crop_height);
    Ok(crop.resize_exact(PORTRAIT.0, PORTRAIT.1, FilterType::CatmullRom).into_rgb8())
}

/// Out of focus. OCR still reads the card at sigma 2, errs in the name at 4 and reads nothing at 8.
pub fn blurred(image: &RgbImage, sigma: f32) -> RgbImage {
    DynamicImage::ImageRgb8(image.clone()).fast_blur(sigma).into_rgb8()
}

/// GB 11643: the character that belongs after the first 17 digits of a number; what is not a digit counts as 0.
pub fn check_digit(number: &str) -> char {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = number.chars().zip(WEIGHTS).map(|(c, weight)| c.to_digit(10).unwrap_or(0) * weight).sum();
    match (12 - sum % 11) % 11 {
        10 => 'X',
        digit => char::from_digit(digit, 10).unwrap_or('X'),
    }
}

/// A number under the unassigned prefix 99. The order code is odd for a man; after its 500 the region code moves on.
fn number_of((year, month, day): Date, sex: Sex, seq: u32) -> String {
    let region = 990_000 + (seq / 500) % 10_000;
    let order = (seq % 500) * 2 + u32::from(sex == Sex::Male);
    let body = format!("{region}{year:04}{month:02}{day:02}{order:03}");
    let check = check_digit(&body);
    format!("{body}{check}")
}

fn dotted((year, month, day): Date) -> String {
    format!("{year:04}.{month:02}.{day:02}")
}

#[derive(Clone, Copy)]
struct Style {
    em: f32,
    /// Extra pixels after every character.
    spacing: f32,
    colour: Rgb<u8>,
}

const MASTHEAD: Style = Style { em: 34.0, spacing: 2.0, colour: WHITE };
const CAPTION: Style = Style { em: EM, spacing: 2.0, colour: LABEL };
const PRINT: Style = Style { em: EM, spacing: 2.0, colour: INK };
const NUMBER: Style = Style { em: 54.0, spacing: 8.0, colour: INK };
const TITLE: Style = Style { em: 72.0, spacing: 6.0, colour: INK };
const WATERMARK: Style = Style { em: 45.0, spacing: 3.0, colour: MARK };

/// A card being printed.
struct Card<'a> {
    pixels: RgbImage,
    font: &'a FontRef<'a>,
}

impl<'a> Card<'a> {
    fn blank(font: &'a FontRef<'a>) -> Self {
        let pixels = RgbImage::from_fn(CARD.0, CARD.1, |_, y| if y < BAND_HEIGHT { BAND } else { PAPER });
        Self { pixels, font }
    }

    /// A caption and its value on one line; gives the x where the value ends.
    fn field(&mut self, y: f32, caption: &str, value: &str) -> f32 {
        self.write(LABEL_X, y, CAPTION, caption);
        self.write(VALUE_X, y, PRINT, value)
    }

    /// Writes from `x` on the base line `y`; gives the x where the text ends.
    fn write(&mut self, x: f32, y: f32, style: Style, text: &str) -> f32 {
        let scale = self.scale(style);
        let mut pen = x;
        for c in text.chars() {
            let glyph = self.font.glyph_id(c).with_scale_and_position(scale, point(pen, y));
            if let Some(outline) = self.font.outline_glyph(glyph) {
                let bounds = outline.px_bounds();
                let (left, top) = (bounds.min.x as i64, bounds.min.y as i64);
                outline.draw(|dx, dy, cover| {
                    self.blend(left + i64::from(dx), top + i64::from(dy), cover, style.colour);
                });
            }
            pen += self.advance(c, style);
        }
        pen
    }

    /// The lines of an address, broken where the next character would pass the edge.
    fn wrapped(&self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let (mut line, mut x) = (String::new(), VALUE_X);
        for c in text.chars() {
            let advance = self.advance(c, PRINT);
            if x + advance > VALUE_END && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                x = VALUE_X;
            }
            line.push(c);
            x += advance;
        }
        lines.push(line);
        lines
    }

    fn advance(&self, c: char, style: Style) -> f32 {
        let scaled = self.font.as_scaled(self.scale(style));
        scaled.h_advance(scaled.glyph_id(c)) + style.spacing
    }

    /// `ab_glyph` scales by the line's height; we think in the side of a character.
    fn scale(&self, style: Style) -> PxScale {
        let em = self.font.units_per_em().unwrap_or(1000.0);
        PxScale::from(style.em * self.font.height_unscaled() / em)
    }

    fn blend(&mut self, x: i64, y: i64, cover: f32, colour: Rgb<u8>) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
        if let Some(pixel) = self.pixels.get_pixel_mut_checked(x, y) {
            *pixel = mixed(*pixel, colour, cover);
        }
    }
}

/// Lays the card, its corners rounded, on the desk.
fn on_desk(card: &RgbImage) -> RgbImage {
    let mut desk = RgbImage::from_pixel(DESK.0, DESK.1, DESK_COLOUR);
    for (x, y, pixel) in card.enumerate_pixels() {
        if let Some(under) = desk.get_pixel_mut_checked(CARD_AT.0 + x, CARD_AT.1 + y) {
            *under = mixed(DESK_COLOUR, *pixel, cover_of_card(x, y));
        }
    }
    desk
}

/// How much of a pixel of the card is inside its rounded corners: 0 to 1.
pub fn cover_of_card(x: u32, y: u32) -> f32 {
    let into_corner = |at: u32, size: u32| CORNER_RADIUS - at.min(size - 1 - at) as f32 - 0.5;
    let (dx, dy) = (into_corner(x, CARD.0), into_corner(y, CARD.1));
    if dx < 0.0 || dy < 0.0 { 1.0 } else { (CORNER_RADIUS - dx.hypot(dy) + 0.5).clamp(0.0, 1.0) }
}

fn mixed(Rgb([r, g, b]): Rgb<u8>, Rgb([to_r, to_g, to_b]): Rgb<u8>, share: f32) -> Rgb<u8> {
    if share >= 1.0 {
        return Rgb([to_r, to_g, to_b]);
    }
    let mix = |from: u8, to: u8| (f32::from(from) + (f32::from(to) - f32::from(from)) * share).round() as u8;
    Rgb([mix(r, to_r), mix(g, to_g), mix(b, to_b)])
}

#[cfg(test)]
mod tests;
