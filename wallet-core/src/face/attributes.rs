//! What a face looks like: estimates of models that are often wrong, of no use as evidence of who somebody is or how old.

use serde::{Deserialize, Serialize};

/// What can be told of one face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Appearance {
    /// How old the face looks.
    pub age: ApparentAge,
    /// Which of two words a model chose.
    pub gender: ApparentGender,
    /// How far the eyes are open: height over width of the lids' outline, the smaller of the two eyes. Around 0.3 open, below 0.15
    /// shut (Soukupová and Čech, *Real-Time Eye Blink Detection using Facial Landmarks*, 2016).
    pub eyes_open: f32,
    /// How far the mouth is open: height over width of the inner lips. Around 0 shut, above 0.3 wide open.
    pub mouth_open: f32,
}

/// An age, as a model guesses it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApparentAge {
    /// Years: the mean of the model's distribution over 0 to 80.
    pub years: f32,
    /// Standard deviation of that distribution, in years.
    pub deviation: f32,
}

/// A word with the model's probability for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApparentGender {
    /// `female` or `male`: the model knows no other.
    pub label: String,
    /// 0.5 to 1.
    pub probability: f32,
}

impl ApparentAge {
    /// From the probabilities of the ages 0 to 80, the first of which stands for a quarter of a year (the model's own weight).
    pub fn of_distribution(probabilities: &[f32]) -> ApparentAge {
        let ages = || std::iter::once(0.25).chain((1_u16..).map(f32::from)).zip(probabilities);
        let sum = probabilities.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        let mean = ages().map(|(age, p)| age * p).sum::<f32>() / sum;
        let variance = ages().map(|(age, p)| (age - mean).powi(2) * p).sum::<f32>() / sum;
        ApparentAge { years: mean, deviation: variance.sqrt() }
    }
}

impl ApparentGender {
    /// From the model's two probabilities.
    pub fn of_probabilities(female: f32, male: f32) -> ApparentGender {
        let (label, probability) = if female >= male { ("female", female) } else { ("male", male) };
        ApparentGender { label: label.to_owned(), probability }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_the_mean_and_spread_of_its_distribution() {
        let mut probabilities = [0.0; 81];
        (probabilities[30], probabilities[40]) = (0.5, 0.5);
        let age = ApparentAge::of_distribution(&probabilities);
        assert!((age.years - 35.0).abs() < 1e-4 && (age.deviation - 5.0).abs() < 1e-4);
        probabilities = [0.0; 81];
        probabilities[0] = 1.0;
        assert_eq!(ApparentAge::of_distribution(&probabilities).years, 0.25);
    }

    #[test]
    fn the_likelier_word_is_told_with_its_probability() {
        assert_eq!(ApparentGender::of_probabilities(0.2, 0.8).label, "male");
        assert_eq!(ApparentGender::of_probabilities(0.7, 0.3).probability, 0.7);
    }
}
