//! What is metered and what it costs.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use wallet_core::money::Micros;

/// What is metered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// A code redeemed and judged.
    EcertRedeem,
    /// Document and live face judged together.
    PersonVerify,
    /// A live face judged.
    FaceLiveness,
    /// Two faces compared.
    FaceCompare,
    /// Attributes of a face.
    FaceAttributes,
    /// One face among many.
    FaceSearch,
    /// An offline device for a year.
    SdkDevice,
}

impl Service {
    /// Every service.
    pub const ALL: [Service; 7] = [
        Service::EcertRedeem,
        Service::PersonVerify,
        Service::FaceLiveness,
        Service::FaceCompare,
        Service::FaceAttributes,
        Service::FaceSearch,
        Service::SdkDevice,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Service::EcertRedeem => "ecert.redeem",
            Service::PersonVerify => "person.verify",
            Service::FaceLiveness => "face.liveness",
            Service::FaceCompare => "face.compare",
            Service::FaceAttributes => "face.attributes",
            Service::FaceSearch => "face.search",
            Service::SdkDevice => "sdk.device",
        }
    }

    /// The service of a name on the wire.
    pub fn parse(text: &str) -> Option<Service> {
        Service::ALL.into_iter().find(|service| service.as_str() == text)
    }
}

/// What one use costs from a moment on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// The price list.
    pub version: String,
    /// Of what.
    pub service: Service,
    /// From when.
    pub valid_from: Timestamp,
    /// How much: micro-yuan a use.
    pub micros: Micros,
}

/// The list that an empty installation begins with: clause P1 of the published prices; a redemption is priced as a
/// person verification and a search as a comparison, until a list says otherwise.
pub fn first_list() -> Vec<Price> {
    Service::ALL
        .into_iter()
        .map(|service| {
            let micros = match service {
                Service::EcertRedeem | Service::PersonVerify => 1_000_000,
                Service::FaceLiveness => 182_000,
                Service::FaceCompare | Service::FaceAttributes | Service::FaceSearch => 6_000,
                Service::SdkDevice => 399_000_000,
            };
            let micros = Micros::new(micros);
            Price { version: "list-1".to_owned(), service, valid_from: Timestamp::UNIX_EPOCH, micros }
        })
        .collect()
}

/// The price in force at `at`: the latest that had begun. A use is rated by the moment at which it was submitted.
pub fn price_at(prices: &[Price], at: Timestamp) -> Option<&Price> {
    prices.iter().filter(|price| price.valid_from <= at).max_by_key(|price| price.valid_from)
}

/// The natural day of a use in the zone of the product.
pub fn usage_date(at: Timestamp, zone: &TimeZone) -> Date {
    zone.to_datetime(at).date()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn price(valid_from: i64) -> Price {
        let valid_from = Timestamp::from_second(valid_from).unwrap();
        Price { version: "t".into(), service: Service::FaceCompare, valid_from, micros: Micros::new(1) }
    }

    proptest! {
        #[test]
        fn the_price_in_force_began_before_and_no_later_one_did(starts in prop::collection::vec(0i64..100, 1..8), at in 0i64..100) {
            let prices: Vec<Price> = starts.iter().copied().map(price).collect();
            let now = Timestamp::from_second(at).unwrap();
            match price_at(&prices, now) {
                Some(found) => prop_assert!(
                    found.valid_from <= now
                        && prices.iter().all(|other| other.valid_from > now || other.valid_from <= found.valid_from)
                ),
                None => prop_assert!(starts.iter().all(|start| *start > at)),
            }
        }
    }

    #[test]
    fn the_day_of_a_use_is_that_of_shanghai() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let before: Timestamp = "2026-11-21T15:59:59Z".parse().unwrap();
        let after: Timestamp = "2026-11-21T16:00:00Z".parse().unwrap();
        assert_eq!(usage_date(before, &zone).to_string(), "2026-11-21");
        assert_eq!(usage_date(after, &zone).to_string(), "2026-11-22");
    }

    #[test]
    fn every_service_has_a_first_price_and_a_name_that_reads_back() {
        assert_eq!(first_list().len(), Service::ALL.len());
        for service in Service::ALL {
            assert_eq!(Service::parse(service.as_str()), Some(service));
        }
    }
}
