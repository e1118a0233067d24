//! Money is an exact whole number of millionths of a currency unit; floats never come near it.

use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

/// The only currency billed today; the field exists on the wire so that a second one is no breaking change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Currency {
    /// Renminbi yuan (ISO 4217).
    #[serde(rename = "CNY")]
    Cny,
}

impl Currency {
    /// The ISO 4217 code.
    pub fn code(self) -> &'static str {
        match self {
            Currency::Cny => "CNY",
        }
    }
}

/// Micro-yuan: 1 CNY = 1,000,000. An `i64` holds ± 9.2 × 10¹² CNY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Micros(i64);

/// A sum left the range of `i64`: a malfunction, never silently wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an amount of money left the range of 64 bits")]
pub struct MoneyOverflow;

/// What a division by whole numbers came to: exactly `micros + remainder / denominator`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounded {
    /// The nearest whole number of micro-yuan; of two as near, the even one.
    pub micros: Micros,
    /// What rounding left out, in parts of a micro-yuan of which the denominator makes one. Negative where it rounded up.
    pub remainder: i128,
}

impl Micros {
    /// Nothing.
    pub const ZERO: Micros = Micros(0);

    /// From a whole number of micro-yuan.
    pub const fn new(micros: i64) -> Self {
        Micros(micros)
    }

    /// The whole number of micro-yuan.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The exact sum, or [`MoneyOverflow`].
    pub fn plus(self, other: Micros) -> Result<Micros, MoneyOverflow> {
        self.0.checked_add(other.0).map(Micros).ok_or(MoneyOverflow)
    }

    /// The exact difference, or [`MoneyOverflow`].
    pub fn minus(self, other: Micros) -> Result<Micros, MoneyOverflow> {
        self.0.checked_sub(other.0).map(Micros).ok_or(MoneyOverflow)
    }

    /// The exact product, or [`MoneyOverflow`].
    pub fn times(self, count: u64) -> Result<Micros, MoneyOverflow> {
        Micros::from_i128(i128::from(self.0) * i128::from(count))
    }

    /// `self × numerator ÷ denominator`, rounded half to even once.
    ///
    /// # Errors
    /// [`MoneyOverflow`], by the outcome only: the product itself always fits in 128 bits.
    pub fn portion(self, numerator: u64, denominator: NonZeroU64) -> Result<Rounded, MoneyOverflow> {
        Micros::half_even(i128::from(self.0) * i128::from(numerator), denominator)
    }

    /// `numerator ÷ denominator` micro-yuan, rounded half to even (IEEE 754 §4.3.1, roundTiesToEven): over many amounts neither
    /// side gains by it.
    ///
    /// # Errors
    /// [`MoneyOverflow`].
    pub fn half_even(numerator: i128, denominator: NonZeroU64) -> Result<Rounded, MoneyOverflow> {
        let denominator = i128::from(denominator.get());
        let (below, rest) = (numerator.div_euclid(denominator), numerator.rem_euclid(denominator));
        let up = 2 * rest > denominator || (2 * rest == denominator && below % 2 != 0);
        let (whole, remainder) = if up { (below + 1, rest - denominator) } else { (below, rest) };
        Ok(Rounded { micros: Micros::from_i128(whole)?, remainder })
    }

    /// Whether it is less than nothing.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    fn from_i128(micros: i128) -> Result<Micros, MoneyOverflow> {
        i64::try_from(micros).map(Micros).map_err(|_| MoneyOverflow)
    }

    /// The same amount on the other side of the ledger.
    pub fn negated(self) -> Result<Micros, MoneyOverflow> {
        self.0.checked_neg().map(Micros).ok_or(MoneyOverflow)
    }
}

/// An amount as it stands on the wire: `{"currency":"CNY","micros":182000}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Amount {
    /// The currency of `micros`.
    pub currency: Currency,
    /// Millionths of the currency unit.
    pub micros: Micros,
}

/// In units of the currency, with all six decimals and without its name: `0.182000`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, micros) =
            (if self.micros.is_negative() { "-" } else { "" }, self.micros.get().unsigned_abs());
        write!(f, "{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

/// The same of any currency and size, as somebody sends it: to be refused by name where it does not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SentAmount {
    /// ISO 4217.
    pub currency: String,
    /// Millionths of the currency unit; whole ones only.
    pub micros: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_to_wrap() {
        assert_eq!(Micros::new(i64::MAX).plus(Micros::new(1)), Err(MoneyOverflow));
        assert_eq!(Micros::new(i64::MIN).minus(Micros::new(1)), Err(MoneyOverflow));
        assert_eq!(Micros::new(i64::MAX).times(2), Err(MoneyOverflow));
        assert_eq!(Micros::new(i64::MIN).portion(u64::MAX, NonZeroU64::MIN), Err(MoneyOverflow));
        assert_eq!(Micros::new(i64::MIN).negated(), Err(MoneyOverflow));
    }

    #[test]
    fn a_tie_goes_to_the_even_neighbour() {
        let two = NonZeroU64::new(2).unwrap();
        let halves = [(1, 0), (3, 2), (5, 2), (7, 4), (-1, 0), (-3, -2), (-5, -2)];
        for (numerator, expected) in halves {
            assert_eq!(Micros::half_even(numerator, two).unwrap().micros.get(), expected);
        }
    }

    proptest! {
        #[test]
        fn a_portion_is_the_nearest_and_tells_what_it_left(
            micros in any::<i64>(), numerator in any::<u64>(), denominator in 1..=u64::MAX,
        ) {
            let numerator = numerator % denominator;
            let product = i128::from(micros) * i128::from(numerator);
            let whole = i128::from(denominator);
            let denominator = NonZeroU64::new(denominator).unwrap();
            let Rounded { micros, remainder } = Micros::new(micros).portion(numerator, denominator).unwrap();
            prop_assert_eq!(i128::from(micros.get()) * whole + remainder, product);
            prop_assert!(2 * remainder.abs() <= whole);
            prop_assert!(2 * remainder.abs() < whole || micros.get() % 2 == 0);
        }
    }

    #[test]
    fn stands_on_the_wire_as_documented() {
        let amount = Amount { currency: Currency::Cny, micros: Micros::new(182_000) };
        assert_eq!(serde_json::to_string(&amount).unwrap(), r#"{"currency":"CNY","micros":182000}"#);
    }
}
