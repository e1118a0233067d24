//! The list of all tables, for whatever works on each of them alike: copying, checking, comparing the two databases. What
//! columns a table has comes from `schema.rs`; a test asks both databases whether one was forgotten here.

use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::{Column as _, Expression, Table as _};

use super::schema;

/// What a column holds. Both databases have a type for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// BIGINT, INTEGER.
    Integer,
    /// TEXT.
    Text,
    /// BYTEA, BLOB.
    Bytes,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may hold nothing.
    pub nullable: bool,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns, as in the migrations.
    pub columns: Vec<Column>,
    /// Its primary key.
    pub key: Vec<&'static str>,
}

impl Table {
    /// The columns' names, as in an `INSERT`.
    pub fn column_names(&self) -> Vec<&'static str> {
        self.columns.iter().map(|column| column.name).collect()
    }
}

/// Tables that belong to the schema and not to what is kept in it: migrations and triggers write them.
pub const OF_THE_SCHEMA: [&str; 3] = ["changes", "schema_floor", "__diesel_schema_migrations"];

macro_rules! tables {
    ($($table:ident ($($key:ident),+);)*) => {
        /// All tables that hold data, each after those that it refers to.
        pub fn all() -> Vec<Table> {
            vec![$(Table {
                name: stringify!($table),
                columns: columns(schema::$table::table::all_columns()),
                key: vec![$(schema::$table::$key::NAME),+],
            }),*]
        }
    };
}

tables! {
    jobs (name);
    admins (id);
    passkeys (id);
    ceremonies (id);
    admin_sessions (id);
    admin_actions (id);
    relying_parties (id);
    test_clocks (rp_id);
    api_keys (id);
    terminals (rp_id, id);
    purposes (rp_id, name);
    subscriptions (rp_id, service);
    prices (service, valid_from);
    devices (jkt);
    proofs (jkt, jti);
    sponsorships (id);
    enrolments (id);
    consents (id);
    register_entries (person_mac);
    holders (id);
    erasures (holder_id);
    blocks (holder_id, rp_id);
    withdrawals (holder_id, id);
    withdrawal_notices (rp_id, id);
    notices (holder_id, id);
    certificates (holder_id, id);
    handles (handle_hash);
    numeric_codes (code_mac);
    spent_codes (certificate_id, code_id);
    standing_numbers (number_mac);
    past_uses (certificate_id, redemption_id);
    over_askings (certificate_id, code_id, rp_id);
    jws_headers (id);
    redemptions (rp_id, id);
    approvals (rp_id, redemption_id);
    attempts (rp_id, redemption_id, id);
    postings (book, transaction_id, line);
    ledger_transactions (book, id);
    charges (rp_id, redemption_id);
    packs (rp_id, id);
    balances (rp_id);
    billing_cycles (service, since);
    announcements (id);
    statements (rp_id, period);
    statement_items (rp_id, period, line);
    settlement_payments (rp_id, period, transaction_id);
    closed_periods (period);
    cap_days (rp_id, cap_id, usage_date);
    pack_alerts (rp_id, service);
    messages (rp_id, id);
    endpoints (rp_id, id);
    deliveries (rp_id, endpoint_id, id);
    event_cursors (name);
    offers (id, valid_from);
    promotions (id);
    orders (rp_id, id);
    payments (rp_id, id);
    refunds (rp_id, id);
    chargebacks (provider, reference);
    liveness_sessions (rp_id, id);
    face_groups (rp_id, id);
    group_faces (rp_id, group_id, number);
    idempotency_keys (rp_id, key);
    throttles (subject, window_start);
    audit (actor, id);
    outbox (id);
    status_lists (number);
    log_queue (id);
    log_entries (log_index);
    log_tiles (level, tile_index);
    log_heads (name);
}

/// The SQL types that occur.
trait OfKind {
    const KIND: Kind;
    const NULLABLE: bool = false;
}

impl OfKind for BigInt {
    const KIND: Kind = Kind::Integer;
}

impl OfKind for Text {
    const KIND: Kind = Kind::Text;
}

impl OfKind for Binary {
    const KIND: Kind = Kind::Bytes;
}

impl<T: OfKind + diesel::sql_types::SqlType<IsNull = diesel::sql_types::is_nullable::NotNull>> OfKind
    for Nullable<T>
{
    const KIND: Kind = T::KIND;
    const NULLABLE: bool = true;
}

fn column<C>(_: C) -> Column
where
    C: diesel::Column + Expression<SqlType: OfKind>,
{
    Column { name: C::NAME, kind: C::SqlType::KIND, nullable: C::SqlType::NULLABLE }
}

/// A tuple of columns, as Diesel gives them.
trait Columns {
    fn list(self) -> Vec<Column>;
}

fn columns(columns: impl Columns) -> Vec<Column> {
    columns.list()
}

macro_rules! tuples {
    ($($first:ident $($rest:ident)*;)*) => {$(
        impl<$first, $($rest),*> Columns for ($first, $($rest,)*)
        where
            $first: diesel::Column + Expression<SqlType: OfKind>,
            $($rest: diesel::Column + Expression<SqlType: OfKind>,)*
        {
            #[allow(non_snake_case, reason = "a type parameter names its value here")]
            fn list(self) -> Vec<Column> {
                let ($first, $($rest,)*) = self;
                vec![column($first), $(column($rest)),*]
            }
        }
    )*};
}

tuples! {
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
    A B C D E F G H I;
    A B C D E F G H I J;
    A B C D E F G H I J K;
    A B C D E F G H I J K L;
    A B C D E F G H I J K L M;
    A B C D E F G H I J K L M N;
    A B C D E F G H I J K L M N O;
    A B C D E F G H I J K L M N O P;
    A B C D E F G H I J K L M N O P Q;
    A B C D E F G H I J K L M N O P Q R;
    A B C D E F G H I J K L M N O P Q R S;
    A B C D E F G H I J K L M N O P Q R S T;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_listed_as_the_schema_has_it() {
        let charges = all().into_iter().find(|table| table.name == "charges").unwrap();
        assert_eq!(charges.key, ["rp_id", "redemption_id"]);
        assert!(charges.columns.contains(&Column { name: "micros", kind: Kind::Integer, nullable: false }));
        let certificates = all().into_iter().find(|table| table.name == "certificates").unwrap();
        assert!(certificates.columns.contains(&Column { name: "reason", kind: Kind::Text, nullable: true }));
    }
}
