//! Why something could not be judged or used, and what the person can do.

use serde::{Deserialize, Serialize};

use super::Refusal;
use crate::document::{DocumentProblem, Field};
use crate::face::Unusable;

/// A sentence for the person holding the phone, in both of the product's languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HolderMessage {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl<T: Into<String>> From<(T, T)> for HolderMessage {
    fn from((zh, en): (T, T)) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }
}

/// Why an input could not be judged or used: a stable word, and what the person can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Kebab-case, part of the API.
    pub code: &'static str,
    /// The field of the document that it is about, if it is about one.
    pub field: Option<&'static str>,
    /// What to do.
    pub hint: HolderMessage,
}

impl From<Unusable> for Refusal {
    fn from(unusable: Unusable) -> Self {
        let (code, hint) = (unusable.code(), unusable.hint().into());
        Refusal::CaptureUnusable(Reason { code, field: None, hint })
    }
}

impl From<DocumentProblem> for Refusal {
    fn from(problem: DocumentProblem) -> Self {
        let (code, hint) = (problem.code(), problem.hint().into());
        Refusal::DocumentUnusable(Reason { code, field: problem.field().map(Field::code), hint })
    }
}
