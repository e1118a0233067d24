//! Alerts on what is left of packs: what relying parties set, and which were given.

use std::collections::BTreeMap;

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::RelyingPartyId;

use super::columns::{damaged, parse};
use super::relying_parties::Whose;
use super::schema::pack_alerts as a;
use super::{Conn, rows};
use crate::billing::alerts::{AlertState, Recurrence, Setting, Threshold};
use crate::billing::price::Service;

/// What is known of the alerts for one service.
#[derive(Debug, Clone, Default)]
pub struct Alerts {
    /// What was set.
    pub setting: Setting,
    /// Of packs that were bought once.
    pub once: AlertState,
    /// Of monthly packs.
    pub monthly: AlertState,
}

impl Alerts {
    /// The state of packs that recur so.
    pub fn state(&mut self, recurrence: Recurrence) -> &mut AlertState {
        match recurrence {
            Recurrence::Once => &mut self.once,
            Recurrence::Monthly => &mut self.monthly,
        }
    }
}

/// The alerts of a relying party, by service; none where nothing was set and nothing given.
pub fn of(conn: &mut Conn, rp: RelyingPartyId) -> QueryResult<BTreeMap<Service, Alerts>> {
    type Row = (String, i64, i64, Option<String>, Option<String>);
    let found = a::table.filter(a::rp_id.eq(rp.to_string())).select((
        a::service,
        a::enabled,
        a::threshold,
        a::once_state,
        a::monthly_state,
    ));
    let rows = found.load::<Row>(conn)?.into_iter();
    rows.map(|(service, enabled, threshold, once, monthly)| {
        let service = Service::parse(&service).ok_or_else(|| damaged(&"pack_alerts.service"))?;
        let threshold = Threshold::try_from(threshold).map_err(|error| damaged(&error))?;
        let setting = Setting { on: enabled == 1, threshold };
        Ok((service, Alerts { setting, once: state(once)?, monthly: state(monthly)? }))
    })
    .collect()
}

fn state(text: Option<String>) -> QueryResult<AlertState> {
    let state = text.map_or_else(|| Ok(AlertState::default()), |text| serde_json::from_str(&text));
    state.map_err(|_| damaged(&"a state of pack_alerts"))
}

/// Puts the alerts for a service in place of what there was.
pub fn put(conn: &mut Conn, rp: RelyingPartyId, service: Service, alerts: &Alerts) -> QueryResult<()> {
    let text = |state: &AlertState| serde_json::to_string(state).map_err(|error| damaged(&error));
    let values = (
        a::enabled.eq(i64::from(alerts.setting.on)),
        a::threshold.eq(i64::from(alerts.setting.threshold)),
        a::once_state.eq(text(&alerts.once)?),
        a::monthly_state.eq(text(&alerts.monthly)?),
    );
    let key = (a::rp_id.eq(rp.to_string()), a::service.eq(service.as_str()));
    let found = a::table.find((rp.to_string(), service.as_str()));
    if diesel::update(found).set(values.clone()).execute(conn)? == 0 {
        diesel::insert_into(a::table).values((key, values)).execute(conn)?;
    }
    Ok(())
}

/// Relying parties that have packs of a service with less left than they want to be told of, or as little as nothing.
pub fn low(conn: &mut Conn, whose: Whose, now: Timestamp) -> QueryResult<Vec<(RelyingPartyId, Service)>> {
    let (now, theirs) = (now.as_microsecond(), whose.condition("p.rp_id"));
    let query = format!(
        "SELECT {{row(}}p.rp_id, p.service{{)row}} AS line FROM packs p \
         LEFT JOIN pack_alerts a ON a.rp_id = p.rp_id AND a.service = p.service \
         WHERE {theirs} AND p.voided_at IS NULL AND p.starts_at <= {now} AND COALESCE(a.enabled, 1) = 1 \
         GROUP BY p.rp_id, p.service, p.monthly, a.threshold \
         HAVING SUM(CASE WHEN p.expires_at > {now} THEN p.remaining ELSE 0 END) * 100 \
             <= SUM(CASE WHEN p.expires_at > {now} THEN p.units ELSE 0 END) * COALESCE(a.threshold, 30)"
    );
    let found = rows::stream(conn, &query)?.map(|row| {
        let row = serde_json::from_value::<(String, String)>(row?.into());
        let (rp, service) = row.map_err(|_| damaged(&"a row has another form"))?;
        Ok((parse(&rp)?, Service::parse(&service).ok_or_else(|| damaged(&"packs.service"))?))
    });
    found.collect()
}
