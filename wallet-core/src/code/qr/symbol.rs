//! The QR symbol of a code's text: alphanumeric mode, error correction M.

use qrcode::render::{svg, unicode};
use qrcode::types::QrError;
use qrcode::{Color, EcLevel, QrCode};

/// The light border that a reader needs, in modules (ISO/IEC 18004 §6.3.8).
const QUIET_ZONE: usize = 4;
/// The most pixels of a module: a symbol is drawn to be shown, not to be printed on a wall.
const MAX_SCALE: usize = 32;

/// A symbol.
pub struct Symbol(QrCode);

/// The picture could not be written. Memory is the only thing it needs.
#[derive(Debug, thiserror::Error)]
#[error("the symbol could not be written as a picture: {0}")]
pub struct NotDrawn(#[from] png::EncodingError);

impl Symbol {
    /// Encodes. Fails only on text longer than a QR can hold.
    pub fn of(text: &str) -> Result<Symbol, QrError> {
        QrCode::with_error_correction_level(text, EcLevel::M).map(Symbol)
    }

    /// The symbol's version: 7 has 45 × 45 modules.
    pub fn version(&self) -> i16 {
        match self.0.version() {
            qrcode::Version::Normal(version) | qrcode::Version::Micro(version) => version,
        }
    }

    /// For a terminal: two modules a character.
    pub fn to_terminal(&self) -> String {
        self.0
            .render::<unicode::Dense1x2>()
            .dark_color(unicode::Dense1x2::Light)
            .light_color(unicode::Dense1x2::Dark)
            .build()
    }

    /// As SVG, black on white with the quiet zone, at least `size` units wide.
    pub fn to_svg(&self, size: u32) -> String {
        self.0.render::<svg::Color<'_>>().min_dimensions(size, size).build()
    }

    /// As PNG of one bit a pixel, with the quiet zone; a module is `scale` pixels wide (1 to 32, else the nearest).
    ///
    /// # Errors
    /// Never in practice: when the encoder has no memory.
    pub fn to_png(&self, scale: usize) -> Result<Vec<u8>, NotDrawn> {
        let scale = scale.clamp(1, MAX_SCALE);
        let (modules, width) = (self.0.to_colors(), self.0.width());
        let side = (width + 2 * QUIET_ZONE) * scale;
        let row_bytes = side.div_ceil(8);
        let mut pixels = vec![0xFF_u8; row_bytes * side];
        for (y, row) in pixels.chunks_mut(row_bytes).enumerate() {
            let Some(y) = (y / scale).checked_sub(QUIET_ZONE).filter(|y| *y < width) else { continue };
            let dark = |x: usize| modules.get(y * width + x) == Some(&Color::Dark);
            for x in (0..width).filter(|x| dark(*x)) {
                for pixel in (x + QUIET_ZONE) * scale..(x + QUIET_ZONE + 1) * scale {
                    if let Some(byte) = row.get_mut(pixel / 8) {
                        *byte &= !(0x80 >> (pixel % 8));
                    }
                }
            }
        }
        let side = u32::try_from(side).unwrap_or(u32::MAX);
        let mut file = Vec::with_capacity(4096);
        let mut encoder = png::Encoder::new(&mut file, side, side);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        encoder.set_compression(png::Compression::Fast);
        encoder.write_header()?.write_image_data(&pixels)?;
        Ok(file)
    }

    /// As rows of modules, `true` where dark, without the quiet zone.
    pub fn modules(&self) -> Vec<Vec<bool>> {
        let colors = self.0.to_colors();
        colors
            .chunks(self.0.width())
            .map(|row| row.iter().map(|color| *color == Color::Dark).collect())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_holds_the_modules_and_a_quiet_zone() {
        let symbol = Symbol::of("EC1:A SYMBOL").unwrap();
        let mut reader =
            png::Decoder::new(std::io::Cursor::new(symbol.to_png(3).unwrap())).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let (width, line) = (reader.info().width as usize, reader.info().raw_row_length() - 1);
        reader.next_frame(&mut pixels).unwrap();
        let dark = |x: usize, y: usize| pixels[y * line + x / 8] & (0x80 >> (x % 8)) == 0;
        let modules = symbol.modules();
        assert_eq!(width, (modules.len() + 8) * 3);
        for (y, row) in modules.iter().enumerate() {
            for (x, module) in row.iter().enumerate() {
                assert_eq!(dark((x + 4) * 3 + 1, (y + 4) * 3 + 1), *module);
            }
        }
        assert!((0..width).all(|place| !dark(place, 11) && !dark(11, place)));
    }

    #[test]
    fn an_svg_is_as_wide_as_was_asked() {
        let svg = Symbol::of("EC1:A SYMBOL").unwrap().to_svg(200);
        assert!(svg.starts_with("<?xml") && svg.contains("<svg") && svg.trim_end().ends_with("</svg>"));
    }
}
