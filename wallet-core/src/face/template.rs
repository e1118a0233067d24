//! What is kept of a face: the feature vectors of one or two models.

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The widths of a feature vector that are taken, in numbers.
const WIDTHS: std::ops::RangeInclusive<usize> = 64..=1024;
/// Bytes of version 1: SFace's 128 numbers and nothing else.
const VERSION_1_BYTES: usize = 128 * 4;
/// The first byte of a plain template of version 2.
const VERSION_2: u8 = 2;
/// Stored numbers are multiples of this: as exact as `f32` at a vector's usual size, in three bytes. With four a usual certificate's
/// row would pass the 2 kB above which PostgreSQL puts columns aside, and every redemption would read twice.
const UNIT: f32 = 1.0 / 8_388_608.0;

/// Which of the two embedders a feature vector is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// The small model that is asked first; a deployment may do without it.
    Quick,
    /// The model that is asked when the first is not sure, or is not there.
    Main,
}

impl Tier {
    /// Both, the cheaper first.
    pub const ALL: [Tier; 2] = [Tier::Quick, Tier::Main];

    /// As it stands in stored templates.
    pub(super) fn code(self) -> u8 {
        match self {
            Tier::Main => 0,
            Tier::Quick => 1,
        }
    }
}

/// The model whose vectors can be compared with each other: the first four bytes of the SHA-256 of its file as published, or
/// zeros where that is not known (version 1), which is taken to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space(pub [u8; 4]);

impl Space {
    /// Of a template that does not say.
    pub const UNKNOWN: Space = Space([0; 4]);

    /// Whether vectors of both can be compared.
    pub fn fits(self, other: Space) -> bool {
        self == other || self == Space::UNKNOWN || other == Space::UNKNOWN
    }
}

/// A feature vector of length one, so that the dot product of two is their cosine.
#[derive(Clone, PartialEq, Zeroize, ZeroizeOnDrop)]
pub struct Embedding {
    #[zeroize(skip)]
    space: Space,
    values: Vec<f32>,
}

/// Why bytes or numbers are not a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("a feature vector has {low} to {high} numbers, not {0}", low = WIDTHS.start(), high = WIDTHS.end())]
    Width(usize),
    #[error("a feature vector's numbers must be finite and its length one")]
    NotNormalised,
    #[error("these bytes are not laid out as a template")]
    Layout,
}

impl Embedding {
    /// Scales a raw model output to length one. Errors when a number is not finite, all are zero, or there are too few or many.
    pub fn normalise(space: Space, raw: &[f32]) -> Result<Embedding, TemplateError> {
        if !WIDTHS.contains(&raw.len()) {
            return Err(TemplateError::Width(raw.len()));
        }
        let norm = raw.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        if !norm.is_finite() || norm < 1e-6 {
            return Err(TemplateError::NotNormalised);
        }
        #[allow(clippy::cast_possible_truncation, reason = "f64 to f32 loses digits, not range, for a norm")]
        let scale = norm.recip() as f32;
        Ok(Embedding { space, values: raw.iter().map(|v| v * scale).collect() })
    }

    /// From stored numbers. Errors when their length is not one.
    pub(super) fn stored(space: Space, values: Vec<f32>) -> Result<Embedding, TemplateError> {
        let embedding = Embedding { space, values };
        if !WIDTHS.contains(&embedding.values.len()) {
            return Err(TemplateError::Width(embedding.values.len()));
        }
        let norm = embedding.values.iter().map(|v| v * v).sum::<f32>().sqrt();
        // 1e-3: far above f32 rounding over the terms (1e-6), far below anything that would move a score.
        if (norm - 1.0).abs() < 1e-3 { Ok(embedding) } else { Err(TemplateError::NotNormalised) }
    }

    /// Other numbers of the same model, as a rotation makes them.
    pub(super) fn with_values(&self, values: Vec<f32>) -> Embedding {
        Embedding { space: self.space, values }
    }

    /// Which model's it is.
    pub fn space(&self) -> Space {
        self.space
    }

    /// The numbers, of length one.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

impl std::fmt::Debug for Embedding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Embedding(redacted)")
    }
}

/// A face as one or both embedders describe it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Template {
    quick: Option<Embedding>,
    main: Option<Embedding>,
}

impl Template {
    /// With one vector.
    pub fn of(tier: Tier, embedding: Embedding) -> Template {
        let mut template = Template::default();
        template.put(tier, embedding);
        template
    }

    /// Adds a vector, or takes the place of the earlier one.
    pub fn put(&mut self, tier: Tier, embedding: Embedding) {
        match tier {
            Tier::Quick => self.quick = Some(embedding),
            Tier::Main => self.main = Some(embedding),
        }
    }

    /// The vector of an embedder, if it has run.
    pub fn get(&self, tier: Tier) -> Option<&Embedding> {
        match tier {
            Tier::Quick => self.quick.as_ref(),
            Tier::Main => self.main.as_ref(),
        }
    }

    /// Version 2: a 2, then the vectors as [`write_vectors`] has them. The caller seals the bytes before they are stored.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(vec![VERSION_2]);
        self.write_vectors(&mut bytes);
        bytes
    }

    /// Reads [`Template::to_bytes`] back, and version 1: 128 little-endian `f32` of the main model.
    pub fn from_bytes(bytes: &[u8]) -> Result<Template, TemplateError> {
        match bytes {
            [VERSION_2, rest @ ..] => Template::read_vectors(rest).or_else(|_| Template::version_1(bytes)),
            _ => Template::version_1(bytes),
        }
    }

    /// Has no version byte, so any byte may come first; but it never happens to be laid out as a later version.
    fn version_1(bytes: &[u8]) -> Result<Template, TemplateError> {
        if bytes.len() != VERSION_1_BYTES {
            return Err(TemplateError::Layout);
        }
        let values = bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
        Ok(Template::of(Tier::Main, Embedding::stored(Space::UNKNOWN, values)?))
    }

    /// The count of vectors (a byte), then each as the embedder (a byte), the space (4), the count of numbers (2, little-endian), the numbers (3 each, little-
    /// endian two's complement, in units of 2⁻²³).
    pub(super) fn write_vectors(&self, bytes: &mut Vec<u8>) {
        let vectors = Tier::ALL.into_iter().filter_map(|tier| Some((tier, self.get(tier)?)));
        bytes.push(u8::from(self.quick.is_some()) + u8::from(self.main.is_some()));
        for (tier, embedding) in vectors {
            bytes.push(tier.code());
            bytes.extend(embedding.space.0);
            bytes.extend(u16::try_from(embedding.values.len()).unwrap_or(0).to_le_bytes());
            bytes.extend(embedding.values.iter().flat_map(|value| {
                #[allow(clippy::cast_possible_truncation, reason = "at most 2²³ − 1")]
                let units = (value / UNIT).round().clamp(-8_388_608.0, 8_388_607.0) as i32;
                let [low, middle, high, _] = units.to_le_bytes();
                [low, middle, high]
            }));
        }
    }

    /// Reads [`Template::write_vectors`] back; there must be one.
    pub(super) fn read_vectors(bytes: &[u8]) -> Result<Template, TemplateError> {
        let (count_of_vectors, mut bytes) = bytes.split_first().ok_or(TemplateError::Layout)?;
        let (mut template, mut read) = (Template::default(), 0);
        while let Some(([tier, a, b, c, d, low, high], rest)) = bytes.split_first_chunk() {
            let count = usize::from(u16::from_le_bytes([*low, *high]));
            let (numbers, rest) = rest.split_at_checked(count * 3).ok_or(TemplateError::Layout)?;
            let number = |[low, middle, high]: &[u8; 3]| {
                // As the upper three bytes, so that the sign comes along.
                #[allow(clippy::cast_precision_loss, reason = "24 bits")]
                let units = (i32::from_le_bytes([0, *low, *middle, *high]) >> 8) as f32;
                units * UNIT
            };
            let values = numbers.as_chunks::<3>().0.iter().map(number).collect();
            let tier = Tier::ALL.into_iter().find(|known| known.code() == *tier);
            let tier = tier.ok_or(TemplateError::Layout)?;
            template.put(tier, Embedding::stored(Space([*a, *b, *c, *d]), values)?);
            bytes = rest;
            read += 1;
        }
        let is_whole = bytes.is_empty() && read > 0 && read == *count_of_vectors;
        if is_whole { Ok(template) } else { Err(TemplateError::Layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: usize) -> Embedding {
        let raw: Vec<f32> = (0..width).map(|i| i as f32 - 60.0).collect();
        Embedding::normalise(Space([1, 2, 3, 4]), &raw).unwrap()
    }

    #[test]
    fn templates_survive_bytes_and_hide_in_debug() {
        let mut template = Template::of(Tier::Main, ramp(128));
        let again = |template: &Template| Template::from_bytes(&template.to_bytes()).unwrap();
        assert!(again(&template).get(Tier::Quick).is_none());
        template.put(Tier::Quick, ramp(192));
        for tier in Tier::ALL {
            let (before, after) =
                (template.get(tier).unwrap().clone(), again(&template).get(tier).unwrap().clone());
            assert_eq!(before.space(), after.space());
            let pairs = before.values().iter().zip(after.values());
            assert!(pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) <= UNIT);
        }
        assert_eq!(
            format!("{template:?}"),
            "Template { quick: Some(Embedding(redacted)), main: Some(Embedding(redacted)) }"
        );
    }

    #[test]
    fn version_1_is_the_main_model_s() {
        let bytes: Vec<u8> = ramp(128).values().iter().flat_map(|v| v.to_le_bytes()).collect();
        let template = Template::from_bytes(&bytes).unwrap();
        let main = template.get(Tier::Main).unwrap();
        assert_eq!((main.values(), main.space()), (ramp(128).values(), Space::UNKNOWN));
        assert!(template.get(Tier::Quick).is_none() && main.space().fits(ramp(128).space()));
        assert!(!Space([1; 4]).fits(Space([2; 4])));
    }

    #[test]
    fn what_is_not_of_length_one_or_cut_short_is_not_a_template() {
        let zeros = Embedding::normalise(Space::UNKNOWN, &[0.0; 128]);
        assert_eq!(zeros, Err(TemplateError::NotNormalised));
        let no_numbers = Embedding::normalise(Space::UNKNOWN, &[f32::NAN; 128]);
        assert_eq!(no_numbers, Err(TemplateError::NotNormalised));
        assert_eq!(Embedding::normalise(Space::UNKNOWN, &[1.0; 63]), Err(TemplateError::Width(63)));
        assert_eq!(Template::from_bytes(&[0; 512]), Err(TemplateError::NotNormalised));
        assert_eq!(Template::from_bytes(&[0xff; 512]), Err(TemplateError::NotNormalised));
        let whole = Template::of(Tier::Main, ramp(128)).to_bytes();
        for length in [0, 1, 5, 200, whole.len() - 1] {
            assert_eq!(Template::from_bytes(&whole[..length]), Err(TemplateError::Layout), "{length}");
        }
    }
}
