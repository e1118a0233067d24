//! The two ways in which a use case ends early, kept apart on every floor.

use wallet_core::es256::SigningFailed;
use wallet_core::refusal::Refusal;

use crate::billing::arrears::ArrearsError;
use crate::billing::caps::CapError;
use crate::billing::liability::LiabilityError;
use crate::billing::packs::PackError;
use crate::billing::periods::EndOfCalendar;
use crate::billing::posting::PostingError;
use crate::billing::statement::StatementError;

/// Seconds after which a key that is away may be back.
const SIGNER_AWAY: u32 = 5;

/// A refusal is an answer (somebody asked for what can't be given); a malfunction is ours.
#[derive(Debug)]
pub enum Stop {
    /// A clear no, told to the caller in full.
    Refused(Refusal),
    /// Something is broken here: logged in full, told to the caller as "internal" only.
    Broken(anyhow::Error),
}

/// What a use case gives back.
pub type Flow<T> = Result<T, Stop>;

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Stop::Refused(refusal)
    }
}

macro_rules! malfunctions {
    ($($error:ty),*) => {$(
        impl From<$error> for Stop {
            fn from(error: $error) -> Self {
                Stop::Broken(error.into())
            }
        }
    )*};
}

malfunctions!(
    anyhow::Error,
    diesel::result::Error,
    serde_json::Error,
    std::num::TryFromIntError,
    ArrearsError,
    CapError,
    EndOfCalendar,
    LiabilityError,
    PackError,
    PostingError,
    StatementError,
    wallet_core::face::TemplateError,
    wallet_core::money::MoneyOverflow,
    wallet_core::onnx::ModelError,
    wallet_core::receipt::ReceiptRefused
);

/// The issuing key is away: nothing was signed, so nothing is decided or charged, and it makes sense to come again.
impl From<SigningFailed> for Stop {
    fn from(error: SigningFailed) -> Self {
        tracing::error!(%error, "nothing can be signed");
        Stop::Refused(Refusal::Overloaded { retry_after: SIGNER_AWAY })
    }
}

/// Where there is nobody to refuse, at the start and on the command line, both are reasons not to go on.
impl From<Stop> for anyhow::Error {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Broken(error) => error,
            Stop::Refused(refusal) => anyhow::anyhow!("{}: {}", refusal.code(), refusal.detail()),
        }
    }
}
