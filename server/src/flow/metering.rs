//! What became of attempts, for /metrics. The ledger alone says what is owed; this is for watching.

use super::Context;
use super::answers::Answer;
use super::settlement::SERVICE;

/// Counts an attempt that was decided now. Not for an answer that was given before and is only repeated.
pub(super) fn counted(ctx: &Context, answer: Answer) -> Answer {
    match &answer {
        Answer::Judged(judged) => {
            ctx.metrics.redeemed(&judged.outcome);
            ctx.metrics.charged(SERVICE.as_str(), judged.charge.amount.micros.get());
        }
        Answer::Unusable(_) => ctx.metrics.redeemed("unusable"),
    }
    answer
}
