//! The accounts of the ledger, and their names.

use std::fmt;
use std::str::FromStr;

use wallet_core::ids::RelyingPartyId;

use super::price::Service;

/// What an account counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Micro-yuan.
    Cny,
    /// Units of a service.
    Units,
}

impl Unit {
    /// As it stands in the column `currency`.
    pub fn code(self) -> &'static str {
        match self {
            Unit::Cny => "CNY",
            Unit::Units => "UNIT",
        }
    }
}

/// Who moves money in and out: `bank`, or a gateway.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Provider(String);

/// The provider of money that there is not: a relying party of the sandbox pays itself in.
pub const SANDBOX: &str = "sandbox";

/// Letters of a provider's name.
const LONGEST_PROVIDER: usize = 32;

impl Provider {
    /// 1 to 32 of `a–z`, `0–9`, `_` and `-`; `None` for another text, so that no account's name can be read two ways.
    pub fn parse(text: &str) -> Option<Provider> {
        let plain =
            |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || b"_-".contains(&letter);
        let fits = (1..=LONGEST_PROVIDER).contains(&text.len()) && text.bytes().all(plain);
        fits.then(|| Provider(text.to_owned()))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where money or units stand. A debit is positive: what is ours or owed to us grows by it; what we owe or earned grows by a credit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// What a relying party paid beforehand, which we owe it: a credit.
    Balance(RelyingPartyId),
    /// What a relying party owes for use and for lateness.
    Receivable(RelyingPartyId),
    /// What a gateway took back and the balance did not cover: the next money that comes in does.
    Chargebacks(RelyingPartyId),
    /// The units that a relying party has. Units.
    Packs(RelyingPartyId, Service),
    /// Where units come from when they are granted: a credit. Units.
    Granted(Service),
    /// Where units go when they are used. Units.
    Used(Service),
    /// Where units go that expired or were given back. Units.
    Void(Service),
    /// What a service earned: a credit.
    Revenue(Service),
    /// What was paid for packs and is not earned yet: a credit.
    DeferredPacks,
    /// What lateness cost: a credit.
    LateFees,
    /// What was given away in promotions.
    Promotions,
    /// Money at a bank or a gateway.
    Cash(Provider),
    /// What rounding left.
    Rounding,
}

impl Account {
    /// What it counts.
    pub fn unit(&self) -> Unit {
        match self {
            Account::Packs(..) | Account::Granted(_) | Account::Used(_) | Account::Void(_) => Unit::Units,
            Account::Balance(_)
            | Account::Receivable(_)
            | Account::Chargebacks(_)
            | Account::Revenue(_)
            | Account::DeferredPacks
            | Account::LateFees
            | Account::Promotions
            | Account::Cash(_)
            | Account::Rounding => Unit::Cny,
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Account::Balance(rp) => write!(f, "rp:{rp}:balance"),
            Account::Receivable(rp) => write!(f, "rp:{rp}:receivable"),
            Account::Chargebacks(rp) => write!(f, "rp:{rp}:chargebacks"),
            Account::Packs(rp, service) => write!(f, "rp:{rp}:packs:{}", service.as_str()),
            Account::Granted(service) => write!(f, "granted:{}", service.as_str()),
            Account::Used(service) => write!(f, "used:{}", service.as_str()),
            Account::Void(service) => write!(f, "void:{}", service.as_str()),
            Account::Revenue(service) => write!(f, "revenue:{}", service.as_str()),
            Account::DeferredPacks => f.write_str("deferred:packs"),
            Account::LateFees => f.write_str("fees:late"),
            Account::Promotions => f.write_str("promotions"),
            Account::Cash(provider) => write!(f, "cash:{}", provider.as_str()),
            Account::Rounding => f.write_str("rounding"),
        }
    }
}

/// The text names no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no account of the ledger has this name")]
pub struct UnknownAccount;

impl FromStr for Account {
    type Err = UnknownAccount;

    fn from_str(text: &str) -> Result<Account, UnknownAccount> {
        let parts: Vec<&str> = text.split(':').collect();
        let account = match parts.as_slice() {
            ["rp", rp, "balance"] => rp.parse().ok().map(Account::Balance),
            ["rp", rp, "receivable"] => rp.parse().ok().map(Account::Receivable),
            ["rp", rp, "chargebacks"] => rp.parse().ok().map(Account::Chargebacks),
            ["rp", rp, "packs", service] => {
                rp.parse().ok().zip(Service::parse(service)).map(|(rp, service)| Account::Packs(rp, service))
            }
            ["granted", service] => Service::parse(service).map(Account::Granted),
            ["used", service] => Service::parse(service).map(Account::Used),
            ["void", service] => Service::parse(service).map(Account::Void),
            ["revenue", service] => Service::parse(service).map(Account::Revenue),
            ["deferred", "packs"] => Some(Account::DeferredPacks),
            ["fees", "late"] => Some(Account::LateFees),
            ["promotions"] => Some(Account::Promotions),
            ["cash", provider] => Provider::parse(provider).map(Account::Cash),
            ["rounding"] => Some(Account::Rounding),
            _ => None,
        };
        // A ULID has several spellings; an account has one.
        account.filter(|account| account.to_string() == text).ok_or(UnknownAccount)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn accounts() -> impl Strategy<Value = Account> {
        let rp = any::<[u8; 16]>().prop_map(RelyingPartyId::from_bytes);
        let service = prop::sample::select(&Service::ALL);
        (0..13, rp, service, "[a-z0-9_-]{1,32}").prop_map(|(kind, rp, service, provider)| match kind {
            0 => Account::Balance(rp),
            1 => Account::Receivable(rp),
            2 => Account::Packs(rp, service),
            3 => Account::Granted(service),
            4 => Account::Used(service),
            5 => Account::Void(service),
            6 => Account::Revenue(service),
            7 => Account::DeferredPacks,
            8 => Account::LateFees,
            9 => Account::Promotions,
            10 => Account::Cash(Provider::parse(&provider).unwrap()),
            11 => Account::Chargebacks(rp),
            _ => Account::Rounding,
        })
    }

    proptest! {
        #[test]
        fn an_account_reads_back_from_its_name_and_no_other_has_it(one in accounts(), other in accounts()) {
            prop_assert_eq!(one.to_string().parse(), Ok(one.clone()));
            prop_assert_eq!(one == other, one.to_string() == other.to_string());
        }

        #[test]
        fn no_other_text_names_an_account(text in "(rp|cash|used|fees)?(:[a-zA-Z0-9_.]{0,30}){0,4}") {
            if let Ok(account) = text.parse::<Account>() {
                prop_assert_eq!(account.to_string(), text);
            }
        }
    }

    #[test]
    fn names_are_as_documented_and_misspelt_ones_refused() {
        let rp = RelyingPartyId::from_bytes([7; 16]);
        let name = Account::Packs(rp, Service::PersonVerify).to_string();
        assert_eq!(name, "rp:rp_070W3GE1R70W3GE1R70W3GE1R7:packs:person.verify");
        for text in
            ["", "cash:", "cash:Bank", "cash:a:b", "used:person.look", "rp::balance", " rounding", "fees"]
        {
            assert_eq!(text.parse::<Account>(), Err(UnknownAccount), "{text}");
        }
        assert_eq!(name.to_lowercase().parse::<Account>(), Err(UnknownAccount));
        assert!(Provider::parse(&"a".repeat(33)).is_none());
    }
}
