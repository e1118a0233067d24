//! What was agreed to is done, and that it was. What lies in the tables of relying parties is done in the transaction that notes it, so once;
//! what lies in those of holders may be done again after a crash, and changes nothing the second time.

use jiff::Timestamp;
use wallet_core::ids::AdminId;

use super::{DONE, Decided, Kind, Shown, find, finish, sealed_for};
use crate::flow::{Context, admins, prices, revocations, sponsorships};
use crate::stop::Flow;
use crate::store::Conn;
use crate::store::admin_actions::{self, Action};

/// Does what was agreed to.
pub(super) fn carry_out(ctx: &Context, action: &Action, now: Timestamp) -> Flow<Decided> {
    let (subject, parameters) = (&action.subject, &action.parameters);
    match Kind::of(action)? {
        Kind::AnnouncePrices => {
            let work = |conn: &mut Conn| prices::carry_out(conn, action.requested_by, parameters, now);
            let (services, decided) = at_once(ctx, action, now, work)?;
            prices::forget_known(ctx, &services);
            Ok(decided)
        }
        Kind::InviteAdmin => {
            let work = |conn: &mut Conn| admins::carry_out_invitation(ctx, conn, parameters, now);
            let (invitation, decided) = at_once(ctx, action, now, work)?;
            Ok(decided.with(invitation))
        }
        Kind::ChangeRoles => {
            let work = |conn: &mut Conn| admins::carry_out_roles(conn, subject, parameters);
            Ok(at_once(ctx, action, now, work)?.1)
        }
        Kind::EndAdmin => Ok(at_once(ctx, action, now, |conn| admins::carry_out_end(conn, subject, now))?.1),
        Kind::RevokeSponsored => {
            let all = sponsorships::carry_out(ctx, action.requested_by, subject, parameters)?;
            let decided = afterwards(ctx, action, &format!("{} revoked", all.revoked), now)?;
            Ok(Decided { revoked: Some(all.revoked), ..decided })
        }
        Kind::RevokeCertificates => {
            let sealed = ctx.rp_store.read(|conn| Ok(admin_actions::payload(conn, action.id)?))?;
            let sealed = sealed.ok_or_else(|| anyhow::anyhow!("the file of an action is missing"))?;
            let file = ctx.vault.open(&sealed_for(action.id), &sealed)?;
            let report = revocations::carry_out(ctx, action.requested_by, &file)?;
            let outcome = format!("{} of {} revoked", report.revoked, report.lines);
            let decided = afterwards(ctx, action, &outcome, now)?;
            Ok(Decided { report: Some(report), ..decided })
        }
    }
}

/// Who agreed.
fn decider(action: &Action) -> AdminId {
    action.decided_by.unwrap_or(action.requested_by)
}

fn at_once<T>(
    ctx: &Context,
    action: &Action,
    now: Timestamp,
    work: impl Fn(&mut Conn) -> Flow<T>,
) -> Flow<(T, Decided)> {
    ctx.rp_store.write(|conn| {
        let done = work(conn)?;
        finish(conn, decider(action), action, (DONE, DONE), now)?;
        Ok((done, Decided::of(Shown::of(find(conn, action.id)?, now)?)))
    })
}

fn afterwards(ctx: &Context, action: &Action, outcome: &str, now: Timestamp) -> Flow<Decided> {
    ctx.rp_store.write(|conn| {
        finish(conn, decider(action), action, (DONE, outcome), now)?;
        Ok(Decided::of(Shown::of(find(conn, action.id)?, now)?))
    })
}
