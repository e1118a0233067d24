//! Pictures from outside: untrusted bytes in, an upright 8-bit RGB [`Picture`] out.
//!
//! What is checked, in this order: the number of bytes; the container, walked from its first marker to its end
//! ([`container`]), which finds the kind, the size and everything that is refused **before** a pixel is decoded; then
//! the decoder, with its own limits. Memory is bounded by 40 megapixels: 120 MB of pixels and as much again while they
//! are turned upright.
//!
//! Deliberately absent: colour management (ICC profiles are ignored) and any kind that a phone's camera or a browser's
//! canvas does not write (CMYK, 16 bits, animations).

mod container;

use std::io::Cursor;

use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, RgbImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use container::Kind;

/// The most bytes a picture may have, 8 MiB: a 12-megapixel JPEG at good quality has 3 to 6.
pub const MAX_BYTES: usize = 8 << 20;
/// The most pixels, 40 million: above every phone's usual output, and 120 MB decoded.
pub const MAX_PIXELS: u64 = 40_000_000;

/// An upright picture: 8-bit RGB, row by row, no padding. `Debug` shows its size only.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

/// Why bytes are not a usable picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    #[error("not a JPEG, PNG or WebP picture")]
    NotAPicture,
    #[error("this kind of picture is not supported: {0}")]
    Unsupported(&'static str),
    #[error("the picture is over 8 MiB")]
    TooManyBytes,
    #[error("the picture is over 40 megapixels")]
    TooManyPixels,
    #[error("the picture is broken or cut short")]
    Broken,
}

impl PictureError {
    /// The stable code in the API.
    pub fn code(self) -> &'static str {
        match self {
            PictureError::NotAPicture => "not-a-picture",
            PictureError::Unsupported(_) => "picture-unsupported",
            PictureError::TooManyBytes => "picture-too-many-bytes",
            PictureError::TooManyPixels => "picture-too-many-pixels",
            PictureError::Broken => "picture-broken",
        }
    }
}

impl Picture {
    /// Decodes bytes from outside: JPEG, PNG or WebP by their magic, never by a name or a content type.
    ///
    /// EXIF orientation is applied; transparency is laid on white.
    pub fn decode(bytes: &[u8]) -> Result<Picture, PictureError> {
        if bytes.len() > MAX_BYTES {
            return Err(PictureError::TooManyBytes);
        }
        let (mut picture, orientation) = match container::inspect(bytes)? {
            Kind::Jpeg => decode_jpeg(bytes)?,
            Kind::Png => {
                decode_with(PngDecoder::with_limits(Cursor::new(bytes), limits()).map_err(refusal)?)?
            }
            Kind::WebP => decode_with(WebPDecoder::new(Cursor::new(bytes)).map_err(refusal)?)?,
        };
        picture.apply_orientation(orientation);
        Picture::from_image(picture.into_rgb8())
    }

    /// From pixels at hand; `None` unless there are `width × height × 3` bytes, and at least one pixel.
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Option<Picture> {
        let bytes = u64::from(width) * u64::from(height) * 3;
        (bytes > 0 && u64::try_from(rgb.len()) == Ok(bytes)).then_some(Picture { width, height, rgb })
    }

    /// Width in pixels, upright; at least 1.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, upright; at least 1.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// `width × height × 3` bytes.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The picture turned clockwise by this many quarter turns.
    pub fn turned(&self, quarters: u8) -> Result<Picture, PictureError> {
        let image =
            RgbImage::from_raw(self.width, self.height, self.rgb.clone()).ok_or(PictureError::Broken)?;
        Picture::from_image(match quarters % 4 {
            0 => image,
            1 => image::imageops::rotate90(&image),
            2 => image::imageops::rotate180(&image),
            _ => image::imageops::rotate270(&image),
        })
    }

    fn from_image(image: RgbImage) -> Result<Picture, PictureError> {
        let (width, height) = image.dimensions();
        Picture::from_rgb(width, height, image.into_raw()).ok_or(PictureError::Broken)
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} × {})", self.width, self.height)
    }
}

/// The decoders' own ceiling, for what the container check does not see: 40 megapixels of RGBA and room to work.
fn limits() -> image::Limits {
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(MAX_PIXELS * 4 + (32 << 20));
    limits
}

/// JPEG by the decoder inside `image`, asked to be strict: `image` itself decodes damaged data into grey without a word.
/// (A file whose writer stopped early but closed it properly is still read, with a grey remainder.)
fn decode_jpeg(bytes: &[u8]) -> Result<(DynamicImage, Orientation), PictureError> {
    let side = usize::from(u16::MAX);
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(side)
        .set_max_height(side)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let rgb = decoder.decode().map_err(|_| PictureError::Broken)?;
    let (width, height) = decoder.dimensions().ok_or(PictureError::Broken)?;
    let size = u32::try_from(width).ok().zip(u32::try_from(height).ok());
    let (width, height) = size.ok_or(PictureError::Broken)?;
    let image = RgbImage::from_raw(width, height, rgb).ok_or(PictureError::Broken)?;
    let exif = decoder.exif().and_then(|chunk| Orientation::from_exif_chunk(chunk));
    Ok((DynamicImage::ImageRgb8(image), exif.unwrap_or(Orientation::NoTransforms)))
}

fn decode_with(mut decoder: impl ImageDecoder) -> Result<(DynamicImage, Orientation), PictureError> {
    decoder.set_limits(limits()).map_err(refusal)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(refusal)?;
    Ok((if image.color().has_alpha() { on_white(&image) } else { image }, orientation))
}

/// What a person sees of a picture with transparency, so that hidden colours are not what the models see.
fn on_white(image: &DynamicImage) -> DynamicImage {
    let rgba = image.to_rgba8();
    let mut flat = RgbImage::new(rgba.width(), rgba.height());
    for (out, pixel) in flat.pixels_mut().zip(rgba.pixels()) {
        let [red, green, blue, alpha] = pixel.0;
        let blend = |v: u8| {
            let mixed = u32::from(v) * u32::from(alpha) + 255 * (255 - u32::from(alpha));
            u8::try_from((mixed + 127) / 255).unwrap_or(u8::MAX)
        };
        out.0 = [blend(red), blend(green), blend(blue)];
    }
    DynamicImage::ImageRgb8(flat)
}

fn refusal(error: ImageError) -> PictureError {
    match error {
        ImageError::Limits(_) => PictureError::TooManyPixels,
        ImageError::Unsupported(_) => PictureError::Unsupported("an unusual encoding"),
        ImageError::Decoding(_)
        | ImageError::Encoding(_)
        | ImageError::Parameter(_)
        | ImageError::IoError(_) => PictureError::Broken,
    }
}

#[cfg(test)]
mod tests;
