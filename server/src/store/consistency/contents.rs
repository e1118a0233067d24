//! What is looked into row by row: receipts, and values that are sealed.

use diesel::QueryResult;
use serde::Deserialize;
use serde_json::Value;
use wallet_core::ids::HolderId;

use super::super::Conn;
use super::super::columns::{damaged, parse};
use super::super::data_keys::WrappedKey;
use super::super::rows::{self, Rows};
use super::typed;

/// How many of the rows to look at.
#[derive(Debug, Clone, Copy)]
pub enum Sample {
    /// Each.
    All,
    /// About so many, chosen at random.
    About(u64),
}

impl Sample {
    /// A condition for `WHERE`, of so many rows.
    pub(super) fn condition(self, rows: u64) -> String {
        match self {
            Sample::About(some) if some < rows => {
                format!("{{chance}} < {}", (some.saturating_mul(1_000_000) / rows).max(1))
            }
            _ => "1 = 1".to_owned(),
        }
    }
}

/// An attempt with its charge, as the tables have it.
#[derive(Debug, serde::Deserialize)]
pub struct Attempted {
    /// Ids of the attempt, the redemption, the relying party.
    pub ids: (String, String, String),
    /// Whether the relying party is of the sandbox.
    pub sandbox: bool,
    /// What was metered, how it ended, and why.
    pub said: (String, String, Option<String>),
    /// The receipt, and when it was signed, in microseconds.
    pub receipt: (String, i64),
    /// The charge, if there is one.
    pub charge: Option<Charged>,
}

/// A charge, as the tables have it.
#[derive(Debug, Deserialize)]
pub struct Charged {
    /// Its id.
    pub id: String,
    /// Of `micros`.
    pub currency: String,
    /// What it adds to what is owed.
    pub micros: i64,
    /// The price list.
    pub price_version: String,
    /// Where it stands in the ledger.
    pub transaction: String,
    /// The pack that it was drawn from.
    pub pack: Option<String>,
    /// The billing period, of charges that have one.
    pub period: Option<String>,
}

/// Attempts to be compared with their receipts.
pub fn attempts(conn: &mut Conn, sample: Sample) -> QueryResult<Rows<'_, Attempted>> {
    let total = rows::number(conn, "SELECT COUNT(*) AS n FROM attempts")?;
    let condition = sample.condition(u64::try_from(total).unwrap_or(0));
    let query = format!(
        "SELECT {{row(}}a.id, a.redemption_id, a.rp_id, a.service, a.outcome, a.reason, a.receipt, a.judged_at, COALESCE(r.sandbox, 0), \
           c.id, c.currency, c.micros, c.price_version, c.transaction_id, c.pack_id, c.period{{)row}} AS line \
         FROM attempts a LEFT JOIN relying_parties r ON r.id = a.rp_id LEFT JOIN charges c \
           ON c.rp_id = a.rp_id AND c.redemption_id = a.redemption_id AND c.id = a.charge_id WHERE {condition}"
    );
    type Row = (String, String, String, String, String, Option<String>, String, i64, i64);
    let read = |values: QueryResult<Vec<Value>>| -> QueryResult<Attempted> {
        let mut attempt = values?;
        let charge = attempt.split_off(9.min(attempt.len()));
        let wrong = |_| damaged(&"a row has another form");
        let (id, redemption, rp, service, outcome, reason, receipt, judged_at, sandbox): Row =
            serde_json::from_value(Value::Array(attempt)).map_err(wrong)?;
        let is_charged = charge.first().is_some_and(|id| !id.is_null());
        let charge = is_charged.then(|| serde_json::from_value(Value::Array(charge)).map_err(wrong));
        let charge = charge.transpose()?;
        Ok(Attempted {
            ids: (id, redemption, rp),
            sandbox: sandbox == 1,
            said: (service, outcome, reason),
            receipt: (receipt, judged_at),
            charge,
        })
    };
    Ok(Box::new(rows::stream(conn, &query)?.map(read)))
}

/// Columns with sealed values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// `certificates.sealed_attributes`
    Attributes,
    /// `certificates.sealed_portrait`
    Portrait,
    /// `certificates.sealed_template`
    Template,
    /// `enrolments.sealed_document`
    Document,
    /// `enrolments.sealed_answer`
    Issued,
    /// `devices.sealed_signals`
    Signals,
    /// `redemptions.sealed_answer`
    Answer,
    /// `idempotency_keys.sealed_answer`
    KeyAnswer,
    /// `group_faces.sealed_template`
    GroupFace,
    /// `endpoints.sealed_target`
    Target,
}

impl Sealed {
    /// Those that holders' tables have.
    pub const OF_HOLDERS: [Sealed; 6] = [
        Sealed::Attributes,
        Sealed::Portrait,
        Sealed::Template,
        Sealed::Document,
        Sealed::Issued,
        Sealed::Signals,
    ];
    /// Those that relying parties' tables have.
    pub const OF_RPS: [Sealed; 4] = [Sealed::Answer, Sealed::KeyAnswer, Sealed::GroupFace, Sealed::Target];

    /// The table, the column, and what names a row: the relying party, if it is one's, and the row's own id.
    fn place(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Sealed::Attributes => ("certificates", "sealed_attributes", "'', t.id"),
            Sealed::Portrait => ("certificates", "sealed_portrait", "'', t.id"),
            Sealed::Template => ("certificates", "sealed_template", "'', t.id"),
            Sealed::Document => ("enrolments", "sealed_document", "'', t.id"),
            Sealed::Issued => ("enrolments", "sealed_answer", "'', t.id"),
            Sealed::Signals => ("devices", "sealed_signals", "'', t.jkt"),
            Sealed::Answer => ("redemptions", "sealed_answer", "t.rp_id, t.id"),
            Sealed::KeyAnswer => ("idempotency_keys", "sealed_answer", "t.rp_id, t.key"),
            Sealed::GroupFace => ("group_faces", "sealed_template", "t.rp_id, t.id"),
            Sealed::Target => ("endpoints", "sealed_target", "t.rp_id, t.id"),
        }
    }

    /// Whose data key it is under, as a join; nothing where it is under the service's own.
    fn holder(self) -> Option<&'static str> {
        match self {
            Sealed::Attributes | Sealed::Portrait | Sealed::Template | Sealed::Signals => {
                Some("LEFT JOIN holders h ON h.id = t.holder_id")
            }
            Sealed::Issued => Some(
                "LEFT JOIN certificates c ON c.id = t.certificate_id LEFT JOIN holders h ON h.id = c.holder_id",
            ),
            _ => None,
        }
    }
}

/// A sealed value.
#[derive(Debug)]
pub struct SealedRow {
    /// Of which relying party; empty for holders.
    pub rp: String,
    /// Of which row.
    pub id: String,
    /// The holder under whose data key it is, if they have one yet.
    pub owner: Option<(HolderId, Option<WrappedKey>)>,
    /// The value.
    pub sealed: Vec<u8>,
}

/// Sealed values of one column.
pub fn sealed(conn: &mut Conn, column: Sealed, sample: Sample) -> QueryResult<Rows<'_, SealedRow>> {
    let (table, value, row) = column.place();
    let total = rows::number(conn, &format!("SELECT COUNT(*) AS n FROM {table} WHERE LENGTH({value}) > 0"))?;
    let condition = sample.condition(u64::try_from(total).unwrap_or(0));
    let (key, join) = match column.holder() {
        Some(join) => {
            ("h.id, h.kek, CASE WHEN h.wrapped_key IS NOT NULL THEN {hex(}h.wrapped_key{)hex} END", join)
        }
        None => ("NULL, NULL, NULL", ""),
    };
    let query = format!(
        "SELECT {{row(}}{row}, {{hex(}}t.{value}{{)hex}}, {key}{{)row}} AS line FROM {table} t {join} \
         WHERE LENGTH(t.{value}) > 0 AND {condition}"
    );
    type Row = (String, String, String, Option<String>, Option<String>, Option<String>);
    let read = |row: QueryResult<Row>| {
        let (rp, id, sealed, holder, kek, key) = row?;
        let key = key.map(|key| bytes(&key)).transpose()?;
        let key = kek.zip(key).map(|(kek, bytes)| WrappedKey { kek, bytes });
        let owner = holder.map(|holder| QueryResult::Ok((parse(&holder)?, key))).transpose()?;
        Ok(SealedRow { rp, id, owner, sealed: bytes(&sealed)? })
    };
    Ok(Box::new(typed(conn, &query)?.map(read)))
}

fn bytes(digits: &str) -> QueryResult<Vec<u8>> {
    base16ct::mixed::decode_vec(digits).map_err(|_| damaged(&"bytes that are none"))
}
