//! Pictures from outside, decoded within bounds.

use wallet_core::picture::{Picture, PictureError};
use wallet_core::refusal::{Reason, Refusal};

/// Decodes, or says in the API's words why not. CPU work: call it on a model worker.
pub(super) fn decode(bytes: &[u8]) -> Result<Picture, Refusal> {
    Picture::decode(bytes).map_err(|error| match error {
        PictureError::NotAPicture | PictureError::Unsupported(_) => Refusal::MediaUnsupported,
        PictureError::TooManyBytes | PictureError::TooManyPixels => Refusal::CaptureTooLarge,
        PictureError::Broken => Refusal::CaptureUnusable(Reason {
            code: "picture-broken",
            field: None,
            hint: ("照片文件已损坏，请重新拍摄", "The picture is damaged; please take another").into(),
        }),
    })
}
