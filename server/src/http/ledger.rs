//! `/v1/admin/ledger`: the trial balance.

use actix_web::web::{Data, Json};

use super::callers::Admin;
use super::problem::Problem;
use super::run;
use crate::flow::Context;
use crate::flow::ledger::{self, TrialBalance};
use crate::roles::acts::ShowLedger;

/// `GET /v1/admin/ledger`
pub async fn trial_balance(
    admin: Admin<ShowLedger>,
    ctx: Data<Context>,
) -> Result<Json<TrialBalance>, Problem> {
    run(ctx, move |ctx| ledger::trial_balance(ctx, admin.0)).await.map(Json)
}
