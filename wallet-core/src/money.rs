//! Money is an exact whole number of millionths of a currency unit; floats never come near it.

use serde::{Deserialize, Serialize};

/// The only currency billed today; the field exists on the wire so that a second one is no breaking change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[serde(transparent)]
pub struct Micros(i64);

/// A sum left the range of `i64`: a malfunction, never silently wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an amount of money left the range of 64 bits")]
pub struct MoneyOverflow;

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

    /// The same amount on the other side of the ledger.
    pub fn negated(self) -> Result<Micros, MoneyOverflow> {
        self.0.checked_neg().map(Micros).ok_or(MoneyOverflow)
    }
}

/// An amount as it stands on the wire: `{"currency":"CNY","micros":182000}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// The currency of `micros`.
    pub currency: Currency,
    /// Millionths of the currency unit.
    pub micros: Micros,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_to_wrap() {
        assert_eq!(Micros::new(i64::MAX).plus(Micros::new(1)), Err(MoneyOverflow));
        assert_eq!(Micros::new(i64::MIN).negated(), Err(MoneyOverflow));
    }

    #[test]
    fn stands_on_the_wire_as_documented() {
        let amount = Amount { currency: Currency::Cny, micros: Micros::new(182_000) };
        assert_eq!(serde_json::to_string(&amount).unwrap(), r#"{"currency":"CNY","micros":182000}"#);
    }
}
