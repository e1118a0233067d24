//! Proving that the databases are consistent: what must hold between rows, that receipts say what the rows say, and that
//! what is sealed opens. Findings name rows by their ids, never people.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::json;
use wallet_core::receipt::{Receipt, ReceiptRefused};

use super::{answers, devices, face_groups, idempotency, issuance, proofing, templates, tokens, webhooks};
use crate::edge::data_keys::Vaults;
use crate::progress::Progress;
use crate::store::consistency::{self as rows, Across, Attempted, Check, Sample, Sealed, SealedRow, Since};
use crate::store::{Conn, Store, jws_headers};

/// Findings that are kept of each check; the others are counted.
const KEPT: u64 = 100;

/// What is looked at, and with what.
pub struct Inspected<'a> {
    /// The tables of relying parties.
    pub rps: &'a Store,
    /// The tables of holders.
    pub holders: &'a Store,
    /// The issuer's root (DER), which receipts are verified against.
    pub root: &'a [u8],
    /// What opens sealed values.
    pub vaults: Vaults<'a>,
    /// Days after which partitions are detached, if they ever are.
    pub keep_days: Option<u32>,
    /// Now.
    pub now: Timestamp,
}

/// How many rows to look at where each costs a signature or a decryption.
#[derive(Debug, Clone, Copy)]
pub struct Samples {
    /// Receipts.
    pub receipts: Sample,
    /// Sealed values, of each column that has any.
    pub sealed: Sample,
}

/// A row that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which rule.
    pub check: &'static str,
    /// Which row.
    pub id: String,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The first of each kind.
    pub findings: Vec<Finding>,
    /// All of them, the ones that are not listed too.
    pub found: u64,
    /// Rules that were looked at.
    pub checks: u64,
    /// Receipts that were verified.
    pub receipts: u64,
    /// Sealed values that were opened.
    pub sealed: u64,
    /// Codes used up for a request that was not repeated after a crash: no fault.
    pub codes_without_redemption: u64,
}

/// Looks at everything.
///
/// # Errors
/// When a database can't be read. That something is found is no error.
pub fn check(inspected: &Inspected<'_>, samples: Samples, progress: &Progress) -> anyhow::Result<Report> {
    let since = Since {
        partitions: inspected.keep_days.map_or(Timestamp::UNIX_EPOCH, |days| first_kept(inspected.now, days)),
        codes: inspected.now.saturating_sub(rows::CODES_ARE_KEPT).unwrap_or(Timestamp::UNIX_EPOCH),
    };
    let are_one = inspected.rps.is_same_as(inspected.holders);
    rows::with_snapshots(inspected.rps, inspected.holders, |rps, holders| {
        let mut report = Report::default();
        damages(rps, &mut report, progress)?;
        if !are_one {
            damages(holders, &mut report, progress)?;
        }
        run(rps, &rows::of_rps(since), "charges and ledger", &mut report, progress)?;
        run(holders, &rows::of_holders(since), "holders and codes", &mut report, progress)?;
        across(rps, holders, since, &mut report, progress)?;
        receipts(rps, inspected, samples.receipts, &mut report, progress)?;
        for column in Sealed::OF_RPS {
            sealed(rps, inspected.vaults, column, samples.sealed, &mut report, progress)?;
        }
        for column in Sealed::OF_HOLDERS {
            sealed(holders, inspected.vaults, column, samples.sealed, &mut report, progress)?;
        }
        Ok(report)
    })
}

/// The beginning of the first day whose partitions are still attached.
pub fn first_kept(now: Timestamp, keep_days: u32) -> Timestamp {
    let then = now.saturating_sub(SignedDuration::from_hours(24 * i64::from(keep_days))).unwrap_or(now);
    let day: Date = TimeZone::UTC.to_datetime(then).date();
    TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).unwrap_or(then)
}

impl Report {
    /// Notes findings of one kind, as far as they are worth listing.
    fn note(&mut self, check: &'static str, count: &mut u64, id: String) {
        *count += 1;
        self.found += 1;
        if *count <= KEPT {
            self.findings.push(Finding { check, id });
        }
    }
}

fn words(found: u64) -> String {
    if found == 0 { "as it must be".to_owned() } else { format!("{found} FINDINGS") }
}

fn damages(conn: &mut Conn, report: &mut Report, progress: &Progress) -> anyhow::Result<()> {
    let (piece, mut count) = (progress.begin("the file itself", None), 0);
    report.checks += 1;
    for damage in rows::damages(conn)? {
        report.note("damaged", &mut count, damage);
    }
    piece.end(&words(count));
    Ok(())
}

fn run(
    conn: &mut Conn,
    checks: &[Check],
    what: &str,
    report: &mut Report,
    progress: &Progress,
) -> anyhow::Result<()> {
    let piece = progress.begin(what, Some(checks.len() as u64));
    let before = report.found;
    for check in checks {
        let mut count = 0;
        for id in check.findings(conn)? {
            report.note(check.name, &mut count, id?);
        }
        report.checks += 1;
        piece.step();
    }
    piece.end(&words(report.found - before));
    Ok(())
}

fn across(
    rps: &mut Conn,
    holders: &mut Conn,
    since: Since,
    report: &mut Report,
    progress: &Progress,
) -> anyhow::Result<()> {
    let piece = progress.begin("codes and redemptions", None);
    let mut counts = [0; 3];
    let [without, another, unknown] = &mut counts;
    rows::across(rps, holders, since, |across| match across {
        Across::WithoutCode(id) => report.note("redemption-without-code", without, id),
        Across::CodeOfAnother(id) => report.note("redemption-by-a-code-of-another", another, id),
        Across::UnknownCertificate(id) => report.note("redemption-of-unknown-certificate", unknown, id),
        Across::NotOpened(_) => report.codes_without_redemption += 1,
    })?;
    report.checks += 3;
    piece.end(&words(counts.iter().sum()));
    Ok(())
}

fn receipts(
    conn: &mut Conn,
    inspected: &Inspected<'_>,
    sample: Sample,
    report: &mut Report,
    progress: &Progress,
) -> anyhow::Result<()> {
    let (piece, mut count) = (progress.begin("receipts", None), 0);
    let headers = jws_headers::all(conn)?;
    for attempted in rows::attempts(conn, sample)? {
        let attempted = attempted?;
        let whole = tokens::expand_with(&attempted.receipt.0, |id| headers.get(id).map(String::as_str));
        if !whole.is_some_and(|receipt| receipt_holds(&attempted, &receipt, inspected)) {
            report.note("receipt-does-not-hold", &mut count, attempted.ids.0);
        }
        report.receipts += 1;
        piece.step();
    }
    report.checks += 1;
    piece.end(&format!("{} verified, {}", report.receipts, words(count)));
    Ok(())
}

/// What a token of the sandbox says. Its time is that of a test clock, which may show a moment when its signer was not there yet: then the
/// signer must hold now.
pub(super) fn in_the_sandbox<T>(
    [shown, now]: [Timestamp; 2],
    verify: impl Fn(Timestamp) -> Result<T, ReceiptRefused>,
) -> Result<T, ReceiptRefused> {
    verify(shown).or_else(|_| verify(now))
}

/// Whether the receipt is signed, by a signer who could sign then, and says what the row says.
fn receipt_holds(attempted: &Attempted, receipt: &str, inspected: &Inspected<'_>) -> bool {
    let ((attempt, redemption, rp), (service, outcome, reason)) = (&attempted.ids, &attempted.said);
    let Ok(signed_at) = Timestamp::from_microsecond(attempted.receipt.1) else { return false };
    let (root, moments) = (inspected.root, [signed_at, inspected.now]);
    let receipt = match attempted.sandbox {
        true => in_the_sandbox(moments, |at| Receipt::verify_sandbox(receipt, root, at)),
        false => Receipt::verify(receipt, root, signed_at),
    };
    let Ok(receipt) = receipt else { return false };
    let charge = attempted.charge.as_ref().map(|charge| {
        let mut said = json!({ "id": charge.id, "price_version": charge.price_version, "transaction": charge.transaction,
                "amount": { "currency": charge.currency, "micros": charge.micros } });
        // A receipt leaves out what it has not.
        let beside = [("pack", &charge.pack), ("period", &charge.period)].into_iter();
        if let Some(said) = said.as_object_mut() {
            said.extend(beside.filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?)))));
        }
        said
    });
    let not_charged = if charge.is_none() { reason.as_deref() } else { None };
    receipt.attempt.to_string() == *attempt
        && receipt.occasion.to_string() == *redemption
        && receipt.relying_party.to_string() == *rp
        && (&receipt.service, &receipt.outcome) == (service, outcome)
        && receipt.iat == signed_at.as_second()
        && receipt.not_charged.as_deref() == not_charged
        && json!(receipt.charge) == json!(charge)
}

fn sealed(
    conn: &mut Conn,
    vaults: Vaults<'_>,
    column: Sealed,
    sample: Sample,
    report: &mut Report,
    progress: &Progress,
) -> anyhow::Result<()> {
    let (what, check) = match column {
        Sealed::Attributes => ("sealed attributes", "attributes-do-not-open"),
        Sealed::Portrait => ("sealed portraits", "portrait-does-not-open"),
        Sealed::Template => ("sealed templates", "template-does-not-open"),
        Sealed::Document => ("sealed documents", "document-does-not-open"),
        Sealed::Issued => ("answers to enrolments", "answer-to-an-enrolment-does-not-open"),
        Sealed::Signals => ("device signals", "device-signals-do-not-open"),
        Sealed::Answer => ("sealed answers", "answer-does-not-open"),
        Sealed::KeyAnswer => ("answers under keys", "answer-under-a-key-does-not-open"),
        Sealed::GroupFace => ("faces of groups", "face-of-a-group-does-not-open"),
        Sealed::Target => ("webhooks and contacts", "endpoint-does-not-open"),
    };
    let (piece, mut count, mut opened) = (progress.begin(what, None), 0, 0_u64);
    for row in rows::sealed(conn, column, sample)? {
        let row = row?;
        if !opens(vaults, column, &row) {
            // A key is the relying party's own words.
            report.note(check, &mut count, if column == Sealed::KeyAnswer { row.rp } else { row.id });
        }
        opened += 1;
        piece.step();
    }
    report.sealed += opened;
    report.checks += 1;
    piece.end(&format!("{opened} opened, {}", words(count)));
    Ok(())
}

/// Whether a sealed value opens: under its holder's key where it has a holder, else under the service's.
fn opens(vaults: Vaults<'_>, column: Sealed, row: &SealedRow) -> bool {
    let Some(context) = context(column, row) else { return false };
    match &row.owner {
        Some((holder, key)) => {
            vaults.of(*holder, key.as_ref()).is_ok_and(|vault| vault.open(&context, &row.sealed).is_ok())
        }
        None => vaults.service.open(&context, &row.sealed).is_ok(),
    }
}

/// What a sealed value must be bound to.
fn context(column: Sealed, SealedRow { rp, id, .. }: &SealedRow) -> Option<String> {
    Some(match column {
        Sealed::Attributes => issuance::attributes_context(id.parse().ok()?),
        Sealed::Portrait => issuance::portrait_context(id.parse().ok()?),
        Sealed::Template => templates::template_context(id.parse().ok()?),
        Sealed::Document => proofing::seal_context(id.parse().ok()?),
        Sealed::Issued => issuance::answer_context(id.parse().ok()?),
        Sealed::Signals => devices::signals_context(id),
        Sealed::Answer => answers::answer_context(id.parse().ok()?),
        Sealed::KeyAnswer => idempotency::answer_context(rp, id),
        Sealed::GroupFace => face_groups::template_context(id.parse().ok()?),
        Sealed::Target => webhooks::target_context(rp, id),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_detached_is_not_missed() {
        let now: Timestamp = "2026-11-22T13:00:00Z".parse().unwrap();
        assert_eq!(first_kept(now, 2), "2026-11-20T00:00:00Z".parse().unwrap());
    }
}
