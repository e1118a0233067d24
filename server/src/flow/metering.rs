//! What became of attempts, for /metrics. The ledger alone says what is owed; this is for watching.

use super::Context;
use super::answers::Answer;
use super::callers::RelyingParty;
use super::settlement::SERVICE;

/// Counts an attempt that was decided now, outside of the sandbox. Not for an answer that was given before and is only repeated.
pub(super) fn counted(ctx: &Context, rp: &RelyingParty, answer: Answer) -> Answer {
    if rp.sandbox {
        return answer;
    }
    match &answer {
        Answer::Judged(judged) => {
            ctx.metrics.redeemed(&judged.outcome);
            ctx.metrics.charged(SERVICE.as_str(), judged.charge.amount.micros.get());
        }
        Answer::Unusable(_) => ctx.metrics.redeemed("unusable"),
    }
    answer
}
