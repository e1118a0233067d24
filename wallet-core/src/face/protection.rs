//! Templates as they are stored: turned by a rotation that depends on a secret of the installation and on a salt of the template
//! (cancellable biometrics in the sense of ISO/IEC 24745: renewable, unlinkable, hard to turn back).
//!
//! A rotation keeps every cosine, so the probe is turned too and compared as it is; the stored one is never turned back to be
//! compared. Under two salts the templates of one face are as far apart as those of strangers. Whoever has the stored bytes without the
//! secret has a vector that any face could have given; with the secret too, it is plain again, which is why it is also sealed.
//!
//! The rotation is four rounds of signs, a permutation and a Walsh-Hadamard transform (Yu et al. 2016, "Orthogonal Random
//! Features"), with signs and permutations drawn by HKDF-SHA-256. It takes microseconds, where a dense random matrix would take
//! milliseconds to draw.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::comparison::Reference;
use super::matching::cosine;
use super::{Embedding, Template, TemplateError, Tier};

/// The first byte of a protected template.
const VERSION_3: u8 = 3;
/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;
/// Rounds of a rotation: two would mix one block well, and widths that are no power of two take two more.
const ROUNDS: usize = 4;

/// The installation's secret that all rotations are derived from.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ProtectionKey([u8; 32]);

impl ProtectionKey {
    /// Takes 32 secret bytes over.
    pub fn new(secret: [u8; 32]) -> ProtectionKey {
        ProtectionKey(secret)
    }
}

impl std::fmt::Debug for ProtectionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProtectionKey(redacted)")
    }
}

/// A stored template: protected, or plain as it was stored before there was protection.
#[derive(Clone)]
pub struct Stored(Kind);

#[derive(Clone)]
enum Kind {
    Plain(Template),
    Protected { salt: [u8; SALT_BYTES], turned: Template },
}

impl Stored {
    /// Protects a template under a salt, which must be random and used once.
    pub fn protect(template: &Template, key: &ProtectionKey, salt: [u8; SALT_BYTES]) -> Stored {
        Stored(Kind::Protected { salt, turned: each(template, key, &salt, Rotation::turn) })
    }

    /// The same face under another salt, without a new capture; also what makes a plain template a protected one. The plain vectors
    /// exist in memory while it is made, and are wiped.
    pub fn rekey(&self, key: &ProtectionKey, salt: [u8; SALT_BYTES]) -> Stored {
        match &self.0 {
            Kind::Plain(template) => Stored::protect(template, key, salt),
            Kind::Protected { salt: old, turned } => {
                Stored::protect(&each(turned, key, old, Rotation::turn_back), key, salt)
            }
        }
    }

    /// The vectors as they are stored: of two templates protected under one salt they can be compared with each other.
    pub fn vectors(&self) -> &Template {
        match &self.0 {
            Kind::Plain(template) => template,
            Kind::Protected { turned, .. } => turned,
        }
    }

    /// Whether it is turned.
    pub fn is_protected(&self) -> bool {
        matches!(self.0, Kind::Protected { .. })
    }

    /// Version 3: a 3, the salt, the turned vectors as a plain template has them. A plain one is as [`Template::to_bytes`] has it. The
    /// caller seals the bytes.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        match &self.0 {
            Kind::Plain(template) => template.to_bytes(),
            Kind::Protected { salt, turned } => {
                let mut bytes = Zeroizing::new(vec![VERSION_3]);
                bytes.extend(salt);
                turned.write_vectors(&mut bytes);
                bytes
            }
        }
    }

    /// Reads [`Stored::to_bytes`] back, and plain templates of versions 1 and 2.
    pub fn from_bytes(bytes: &[u8]) -> Result<Stored, TemplateError> {
        let protected = |rest: &[u8]| {
            let (salt, vectors) = rest.split_first_chunk::<SALT_BYTES>()?;
            let turned = Template::read_vectors(vectors).ok()?;
            Some(Stored(Kind::Protected { salt: *salt, turned }))
        };
        let protected = bytes.strip_prefix(&[VERSION_3]).and_then(protected);
        // Version 1 has no version byte, so any byte may come first.
        protected.map_or_else(|| Ok(Stored(Kind::Plain(Template::from_bytes(bytes)?))), Ok)
    }

    /// Ready to be compared with. A rotation is derived only when a vector of its embedder is asked for.
    pub fn unlock(self, key: &ProtectionKey) -> Unlocked {
        Unlocked { stored: self, key: key.clone() }
    }
}

/// The template with each vector turned this way or that.
fn each(
    template: &Template,
    key: &ProtectionKey,
    salt: &[u8; SALT_BYTES],
    turn: fn(&Rotation, &[f32]) -> Vec<f32>,
) -> Template {
    let mut made = Template::default();
    for tier in Tier::ALL {
        if let Some(embedding) = template.get(tier) {
            let rotation = Rotation::derive(key, salt, tier, embedding.values().len());
            made.put(tier, embedding.with_values(turn(&rotation, embedding.values())));
        }
    }
    made
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stored(redacted)")
    }
}

/// A stored template with the key under which probes are turned like it.
#[derive(Debug, Clone)]
pub struct Unlocked {
    stored: Stored,
    key: ProtectionKey,
}

impl Reference for Unlocked {
    fn cosine(&self, tier: Tier, probe: &Embedding) -> Option<f32> {
        let (salt, turned) = match &self.stored.0 {
            Kind::Plain(template) => return template.cosine(tier, probe),
            Kind::Protected { salt, turned } => (salt, turned),
        };
        let rotation = || Rotation::derive(&self.key, salt, tier, probe.values().len());
        cosine(turned.get(tier)?, &probe.with_values(rotation().turn(probe.values())))
    }
}

/// An orthogonal matrix as its rounds.
struct Rotation([Round; ROUNDS]);

/// `next[i] = sign[i] · last[from[i]]`, then the transform.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Round {
    signs: Vec<f32>,
    from: Vec<u16>,
}

impl Rotation {
    fn derive(key: &ProtectionKey, salt: &[u8; SALT_BYTES], tier: Tier, width: usize) -> Rotation {
        let stream = Hkdf::<Sha256>::new(Some(salt), &key.0);
        Rotation(std::array::from_fn(|number| {
            // A bit a sign and 16 a step of the shuffle: 2,176 bytes for the widest vector, of 8,160 that HKDF gives at most.
            let mut drawn = Zeroizing::new(vec![0; width.div_ceil(8) + width * 2]);
            let number = u8::try_from(number).unwrap_or(u8::MAX);
            let info = [b"ecert template rotation".as_slice(), &[tier.code(), number]];
            let filled = stream.expand_multi_info(&info, &mut drawn);
            debug_assert!(filled.is_ok(), "HKDF gives 8,160 bytes");
            Round::drawn(&drawn, width)
        }))
    }

    fn turn(&self, values: &[f32]) -> Vec<f32> {
        let mut last = values.to_vec();
        for round in &self.0 {
            let places = round.signs.iter().zip(&round.from);
            let moved = |(sign, from): (&f32, &u16)| sign * last.get(usize::from(*from)).unwrap_or(&0.0);
            let mut next: Vec<f32> = places.map(moved).collect();
            transform(&mut next);
            last.zeroize();
            last = next;
        }
        last
    }

    /// The inverse of [`Rotation::turn`].
    fn turn_back(&self, values: &[f32]) -> Vec<f32> {
        let mut last = values.to_vec();
        for round in self.0.iter().rev() {
            // The transform is its own inverse.
            transform(&mut last);
            let mut before = vec![0.0; last.len()];
            for ((sign, from), value) in round.signs.iter().zip(&round.from).zip(&last) {
                if let Some(place) = before.get_mut(usize::from(*from)) {
                    *place = sign * value;
                }
            }
            last.zeroize();
            last = before;
        }
        last
    }
}

impl Round {
    /// From a bit a sign, and 16 bits a step of a Fisher-Yates shuffle, whose choices are uneven by less than 1.6 %: that makes none
    /// of the permutations likely.
    fn drawn(bytes: &[u8], width: usize) -> Round {
        let (signs, steps) = bytes.split_at_checked(width.div_ceil(8)).unwrap_or_default();
        let bits = signs.iter().flat_map(|byte| (0..8).map(move |bit| (byte >> bit) & 1)).take(width);
        let mut from: Vec<u16> = (0..u16::try_from(width).unwrap_or(0)).collect();
        for (left, step) in (1..=width).rev().zip(steps.as_chunks::<2>().0) {
            let chosen = usize::from(u16::from_le_bytes(*step)) * left / 65_536;
            from.swap(left - 1, chosen);
        }
        Round { signs: bits.map(|bit| if bit == 0 { 1.0 } else { -1.0 }).collect(), from }
    }
}

/// The Walsh-Hadamard transform, scaled to keep lengths, of blocks as long as powers of two can be: 192 values are one of 128 and
/// one of 64. The permutations mix the blocks.
fn transform(values: &mut [f32]) {
    let Some(log) = values.len().checked_ilog2() else { return };
    let (block, rest) = values.split_at_mut(1 << log);
    let mut half = 1;
    while half < block.len() {
        for pair in block.chunks_exact_mut(half * 2) {
            let (low, high) = pair.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
    #[allow(clippy::cast_precision_loss, reason = "at most 1,024")]
    let scale = (block.len() as f32).sqrt().recip();
    block.iter_mut().for_each(|value| *value *= scale);
    transform(rest);
}

#[cfg(test)]
mod tests;
