//! Each charge by itself: price, day, period, pack, postings, attempt, receipt.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use wallet_core::ids::PackId;
use wallet_core::money::{Amount, Currency, Micros};
use wallet_core::receipt::{Receipt, ReceiptCharge, ReceiptRefused, statement_leaf};

use super::stock::Book;
use super::{Desk, add, shown};
use crate::billing::cycles::in_force;
use crate::billing::periods::{Cycle, Period};
use crate::billing::posting::Balanced;
use crate::billing::price::{Price, Service, price_at, usage_date};
use crate::billing::replay::lines;
use crate::billing::statement::{self, Statement as Figures, Tally};
use crate::flow::consistency::in_the_sandbox;
use crate::flow::tokens;
use crate::store::Conn;
use crate::store::replay::{self as rows, Charge, Days};

/// A judgement takes seconds, and an hour is more than any lease lasts.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// Looks at the charges one after another; the statements that they make, by period.
pub(super) fn look(
    conn: &mut Conn,
    desk: &mut Desk<'_>,
    book: &Book,
) -> anyhow::Result<BTreeMap<String, Figures>> {
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    // The ids of the sandbox do not tell on which of its days they were made.
    let by_ids = if desk.clock.is_some() { Days::default() } else { desk.days };
    for charge in rows::charges(conn, desk.rp, by_ids, desk.audit.zone)? {
        let charge = charge?;
        if !desk.days.have(charge.stated_in()) {
            continue;
        }
        desk.report.charges += 1;
        add(&mut desk.report.charged, charge.micros)?;
        let Some(service) = Service::parse(&charge.service) else {
            desk.find("charge-price", &charge.id, "a service", &charge.service);
            continue;
        };
        price(desk, &charge, service)?;
        dates(desk, &charge, service)?;
        pack(desk, book, &charge)?;
        postings(desk, &charge, service)?;
        let receipt = attempt(desk, &charge)?;
        let tally = tallies.entry(charge.stated_in().to_owned()).or_default();
        state(desk, tally, &charge, service, receipt.as_deref())?;
    }
    let finish = |(period, tally): (String, Tally)| Ok((period, tally.finish()?));
    tallies.into_iter().map(finish).collect()
}

fn state(
    desk: &mut Desk<'_>,
    tally: &mut Tally,
    charge: &Charge,
    service: Service,
    receipt: Option<&str>,
) -> anyhow::Result<()> {
    let added = tally.add(&statement::Charge {
        id: charge.id.parse()?,
        service,
        price_version: &charge.price_version,
        pack: charge.pack.as_deref().map(str::parse).transpose()?,
        micros: Micros::new(charge.micros),
        leaf: statement_leaf(receipt.unwrap_or_default()),
    });
    if let Err(error) = added {
        desk.find("charge-doubled", &charge.id, "a charge once, at a price it can have", error);
    }
    Ok(())
}

fn at(micros: i64) -> anyhow::Result<Timestamp> {
    Ok(Timestamp::from_microsecond(micros)?)
}

/// When the use was submitted; in rows from before that was noted, when it was charged.
fn submitted(charge: &Charge) -> anyhow::Result<Timestamp> {
    at(charge.submitted_at.unwrap_or(charge.charged_at))
}

fn price(desk: &mut Desk<'_>, charge: &Charge, service: Service) -> anyhow::Result<()> {
    let prices = desk.rules.prices.get(&service).map(Vec::as_slice).unwrap_or_default();
    let submitted = submitted(charge)?;
    // A test clock may be ahead of what is announced after: it knew one of the lists that had begun by then.
    let known = |price: &&Price| price.version == charge.price_version && price.valid_from <= submitted;
    let known = prices.iter().find(|price| desk.clock.is_some() && known(price));
    let price = known.or_else(|| price_at(prices, submitted));
    let expected = price.map(|price| {
        let micros = if charge.pack.is_some() { 0 } else { price.micros.get() };
        format!("{micros} CNY micros by {}", price.version)
    });
    let found = format!("{} {} micros by {}", charge.micros, charge.currency, charge.price_version);
    desk.compare("charge-price", &charge.id, shown(expected), found);
    Ok(())
}

fn dates(desk: &mut Desk<'_>, charge: &Charge, service: Service) -> anyhow::Result<()> {
    let (submitted, charged) = (submitted(charge)?, at(charge.charged_at)?);
    let zone = desk.audit.zone;
    let took = charged.duration_since(submitted);
    if took.is_negative() || took > LONGEST {
        desk.find("charge-date", &charge.id, format!("submitted shortly before {charged}"), submitted);
    }
    desk.compare(
        "charge-date",
        &charge.id,
        usage_date(submitted, zone).to_string(),
        charge.usage_date.clone(),
    );
    // Before there were periods, a use was of its day.
    let Some(period) = &charge.period else { return Ok(()) };
    let changes = desk.rules.cycles.get(&service).map(Vec::as_slice).unwrap_or_default();
    let expected = Period::for_use(|at| in_force(changes, at), submitted, charged, zone)?;
    // A test clock may be ahead of a change that is announced after: any cycle could be in force then.
    let was_another = |cycle: Cycle| {
        Period::for_use(|_| cycle, submitted, charged, zone).is_ok_and(|of| of.to_string() == *period)
    };
    if desk.clock.is_none() || !Cycle::ALL.into_iter().any(was_another) {
        desk.compare("charge-period", &charge.id, expected.to_string(), period.clone());
    }
    Ok(())
}

fn pack(desk: &mut Desk<'_>, book: &Book, charge: &Charge) -> anyhow::Result<()> {
    let Some(id) = &charge.pack else { return Ok(()) };
    let Some(pack) = book.packs.iter().find(|pack| pack.id == *id) else {
        desk.find("charge-pack", &charge.id, "a pack of the relying party", id);
        return Ok(());
    };
    desk.compare("charge-pack", &charge.id, &pack.service, &charge.service);
    let submitted = submitted(charge)?.as_microsecond();
    if !(pack.starts_at..pack.expires_at).contains(&submitted) {
        let expected = format!("a use between {} and {}", at(pack.starts_at)?, at(pack.expires_at)?);
        desk.find("charge-pack", &charge.id, expected, at(submitted)?);
    }
    Ok(())
}

fn postings(desk: &mut Desk<'_>, charge: &Charge, service: Service) -> anyhow::Result<()> {
    let expected = match charge.pack {
        Some(_) => Balanced::pack_use(desk.rp, service, 1)?,
        None => Balanced::for_use(desk.rp, service, Micros::new(charge.micros))?,
    };
    let mut found: Vec<_> =
        charge.postings().into_iter().map(|line| (line.account, line.currency, line.micros)).collect();
    found.sort();
    let (expected, kind) = (lines(&expected), charge.kind.as_deref());
    if expected != found || charge.lines != 2 {
        let found = format!("{} lines: {found:?}", charge.lines);
        desk.find("charge-postings", &charge.id, format!("2 lines: {expected:?}"), found);
    }
    if (kind, charge.posted_at) != (Some("use"), Some(charge.charged_at)) {
        let expected = format!("a use, posted at {}", at(charge.charged_at)?);
        let posted_at = charge.posted_at.map(at).transpose()?;
        desk.find("charge-postings", &charge.id, expected, format!("{}, {}", shown(kind), shown(posted_at)));
    }
    Ok(())
}

/// The attempt of a charge, and its receipt: its whole text, which is a leaf of the statement.
fn attempt(desk: &mut Desk<'_>, charge: &Charge) -> anyhow::Result<Option<String>> {
    let found = (charge.attempt_charge.as_deref(), charge.attempt_service.as_deref());
    if found != (Some(&charge.id), Some(&charge.service)) {
        let found = format!("{} of {}", shown(found.0), shown(found.1));
        desk.find("charge-attempt", &charge.id, format!("{} of {}", charge.id, charge.service), found);
    }
    let Some(stored) = &charge.receipt else { return Ok(None) };
    let headers = &desk.rules.headers;
    let Some(token) = tokens::expand_with(stored, |id| headers.get(id).map(String::as_str)) else {
        desk.find("receipt", &charge.id, "a receipt", "a text that is none");
        return Ok(None);
    };
    let charged_at = at(charge.charged_at)?;
    match verify(desk, &token, charged_at) {
        Err(error) => desk.find("receipt", &charge.id, "a receipt that the issuer signed", error),
        Ok(receipt) => {
            let expected = said(desk, charge, charged_at)?;
            let found = serde_json::to_string(&Said::of(&receipt))?;
            desk.compare("receipt", &charge.id, expected, found);
        }
    }
    Ok(Some(token))
}

fn verify(desk: &Desk<'_>, token: &str, at: Timestamp) -> Result<Receipt, ReceiptRefused> {
    let root = desk.audit.root;
    match desk.clock {
        None => Receipt::verify(token, root, at),
        Some(_) => in_the_sandbox([at, desk.audit.now], |at| Receipt::verify_sandbox(token, root, at)),
    }
}

/// What a receipt and a charge must both say.
#[derive(serde::Serialize)]
struct Said<'a> {
    charge: Option<&'a ReceiptCharge>,
    attempt: String,
    occasion: String,
    relying_party: String,
    service: &'a str,
    outcome: &'a str,
    iat: i64,
    not_charged: Option<&'a str>,
}

impl<'a> Said<'a> {
    fn of(receipt: &'a Receipt) -> Said<'a> {
        Said {
            charge: receipt.charge.as_ref(),
            attempt: receipt.attempt.to_string(),
            occasion: receipt.occasion.to_string(),
            relying_party: receipt.relying_party.to_string(),
            service: &receipt.service,
            outcome: &receipt.outcome,
            iat: receipt.iat,
            not_charged: receipt.not_charged.as_deref(),
        }
    }
}

fn said(desk: &Desk<'_>, charge: &Charge, charged_at: Timestamp) -> anyhow::Result<String> {
    let pack: Option<PackId> = charge.pack.as_deref().map(str::parse).transpose()?;
    let billed = ReceiptCharge {
        id: charge.id.parse()?,
        amount: Amount { currency: Currency::Cny, micros: Micros::new(charge.micros) },
        price_version: charge.price_version.clone(),
        transaction: charge.transaction.parse()?,
        pack,
        period: charge.period.clone(),
    };
    Ok(serde_json::to_string(&Said {
        charge: Some(&billed),
        attempt: charge.attempt.clone(),
        occasion: charge.occasion.clone(),
        relying_party: desk.rp.to_string(),
        service: &charge.service,
        outcome: charge.attempt_outcome.as_deref().unwrap_or_default(),
        iat: charged_at.as_second(),
        not_charged: None,
    })?)
}

/// Attempts that no charge is of: they were not charged, and their receipts say so.
pub(super) fn uncharged(conn: &mut Conn, desk: &mut Desk<'_>) -> anyhow::Result<()> {
    for attempt in rows::uncharged(conn, desk.rp)? {
        let attempt = attempt?;
        if let Some(charge) = &attempt.charge {
            desk.find("charge-missing", charge, format!("the charge of {}", attempt.id), "nothing");
            continue;
        }
        let headers = &desk.rules.headers;
        let token = tokens::expand_with(&attempt.receipt, |id| headers.get(id).map(String::as_str));
        let judged_at = at(attempt.judged_at)?;
        match verify(desk, &token.unwrap_or_default(), judged_at) {
            Err(error) => desk.find("receipt", &attempt.id, "a receipt that the issuer signed", error),
            Ok(Receipt { charge: Some(charge), .. }) => {
                desk.find("charge-missing", &charge.id.to_string(), "the charge of the receipt", "nothing");
            }
            Ok(_) => {}
        }
    }
    Ok(())
}
