//! Files of other kinds, and files that are hardly any.

use super::{NO_PICTURE, Odd, odd};

pub(super) fn all() -> Vec<Odd> {
    let kinds: [(&str, &[u8]); 30] = [
        ("nothing", b""),
        ("one byte", b"\xff"),
        ("two bytes of JPEG", b"\xff\xd8"),
        ("half of PNG's magic", b"\x89PNG"),
        ("RIFF alone", b"RIFF"),
        ("a wave", b"RIFF\x24\0\0\0WAVEfmt "),
        ("an AVI film", b"RIFF\x24\0\0\0AVI LIST"),
        ("GIF", b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0;"),
        ("BMP", b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0"),
        ("TIFF, little-endian", b"II*\0\x08\0\0\0"),
        ("TIFF, big-endian", b"MM\0*\0\0\0\x08"),
        ("HEIC", b"\0\0\0\x18ftypheic\0\0\0\0heicmif1"),
        ("AVIF", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf"),
        ("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n"),
        ("JPEG XL", b"\xff\x0a\xfa\x1f"),
        ("JPEG XL in a box", b"\0\0\0\x0cJXL \r\n\x87\n"),
        ("an icon", b"\0\0\x01\0\x01\0\x10\x10"),
        ("Photoshop", b"8BPS\0\x01\0\0\0\0\0\0"),
        ("SVG", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
        ("SVG with entities", b"<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><svg>&b;</svg>"),
        ("a page", b"<!doctype html><title>x</title>"),
        ("PDF", b"%PDF-1.7"),
        ("PostScript", b"%!PS-Adobe-3.0 EPSF-3.0"),
        ("an archive", b"PK\x03\x04\x14\0\0\0\x08\0"),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0"),
        ("a program", b"\x7fELF\x02\x01\x01\0"),
        ("a program for Windows", b"MZ\x90\0\x03\0\0\0"),
        ("a film", b"\0\0\0\x18ftypmp42\0\0\0\0"),
        ("WebM", b"\x1a\x45\xdf\xa3\x01\0\0\0"),
        ("text", b"a picture of a face"),
    ];
    let mut all: Vec<Odd> = kinds.map(|(name, bytes)| odd(name, bytes, NO_PICTURE)).into();
    all.push(odd("a megabyte of zeros", vec![0; 1 << 20], NO_PICTURE));
    all.push(odd("a megabyte of ones", vec![0xff; 1 << 20], NO_PICTURE));
    all
}
