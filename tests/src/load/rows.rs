//! The rows of a population: the only file of the load that names tables and columns.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use ecert_server::edge::data_keys::{DataKey, Kms as _, Vaults};
use ecert_server::edge::keys::{Keks, Secrets};
use ecert_server::edge::vault::Vault;
use ecert_server::flow::issuance::attributes_context;
use ecert_server::flow::paper::letters_hash;
use ecert_server::flow::templates::template_context;
use ecert_server::store::Conn;
use ecert_server::store::schema;
use jiff::{SignedDuration, Timestamp};
use wallet_core::attributes::Attribute;
use wallet_core::ecert::Disclosure;
use wallet_core::es256::{PublicKey, sha256};
use wallet_core::face::protection::{ProtectionKey, SALT_BYTES, Stored};
use wallet_core::face::{Embedding, Space, Template, Tier};
use wallet_core::ids::{CertificateId, HolderId};
use wallet_core::jws::{base64url, thumbprint};
use wallet_core::pairwise::Eid;
use wallet_core::status_list::CAPACITY;

use super::identities::Identities;

/// Rows of one INSERT in SQLite, which takes at most 32,766 values in a statement.
pub(super) const SQLITE_ROWS: usize = 500;
/// The status lists of the population; those before are left to real enrolments.
const FIRST_STATUS_LIST: i64 = 1_000;
/// Holders enrolled over the last month, four a second.
const APART: SignedDuration = SignedDuration::from_millis(250);
const FIRST_ENROLLED: SignedDuration = SignedDuration::from_hours(30 * 24);
const LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);
/// Who enrols later than this many others began the month anew.
const A_MONTH_OF_HOLDERS: u64 = 10_000_000;

/// One statement each: VACUUM can't be part of a transaction, and several in one message are one.
const POPULATED: [&str; 2] = [
    "VACUUM ANALYZE holders, devices, certificates, handles",
    "VACUUM ANALYZE relying_parties, api_keys, purposes, subscriptions",
];

#[derive(Insertable)]
#[diesel(table_name = schema::holders, treat_none_as_default_value = false)]
struct HolderRow {
    id: String,
    eid: Vec<u8>,
    created_at: i64,
    kek: String,
    wrapped_key: Vec<u8>,
}

#[derive(Insertable)]
#[diesel(table_name = schema::devices, treat_none_as_default_value = false)]
struct DeviceRow {
    jkt: String,
    public_key: Vec<u8>,
    token_hash: Vec<u8>,
    token_expires_at: i64,
}

#[derive(Insertable)]
#[diesel(table_name = schema::certificates, treat_none_as_default_value = false)]
struct CertificateRow {
    id: String,
    holder_id: String,
    device_jkt: String,
    device_key: Vec<u8>,
    status_list: i64,
    status_index: i64,
    assurance: &'static str,
    sealed_attributes: Vec<u8>,
    sealed_template: Vec<u8>,
    revocation_code_hash: Vec<u8>,
    state: &'static str,
    issued_at: i64,
    expires_at: i64,
}

#[derive(Insertable)]
#[diesel(table_name = schema::handles, treat_none_as_default_value = false)]
struct HandleRow {
    handle_hash: Vec<u8>,
    certificate_id: String,
    /// The device key: whoever knows one of a holder's keys knows all, which does for load.
    public_key: Vec<u8>,
    issued_at: i64,
}

#[derive(Insertable)]
#[diesel(table_name = schema::relying_parties, treat_none_as_default_value = false)]
struct RelyingPartyRow {
    id: String,
    name: String,
    state: &'static str,
    created_at: i64,
}

#[derive(Insertable)]
#[diesel(table_name = schema::api_keys, treat_none_as_default_value = false)]
struct ApiKeyRow {
    id: String,
    rp_id: String,
    secret_hash: Vec<u8>,
    created_at: i64,
}

#[derive(Insertable)]
#[diesel(table_name = schema::purposes, treat_none_as_default_value = false)]
struct PurposeRow {
    rp_id: String,
    name: &'static str,
    attributes: &'static str,
}

#[derive(Insertable)]
#[diesel(table_name = schema::subscriptions, treat_none_as_default_value = false)]
struct SubscriptionRow {
    rp_id: String,
    service: &'static str,
    since: i64,
}

/// Writes rows with prepared statements into SQLite, by COPY into PostgreSQL.
macro_rules! put {
    (sqlite $conn:expr, $($table:ident: $rows:expr),+) => {{
        $(for part in $rows.chunks($crate::load::rows::SQLITE_ROWS) {
            diesel::insert_into(schema::$table::table).values(part).execute($conn)?;
        })+
        Ok(())
    }};
    (postgres $conn:expr, $($table:ident: $rows:expr),+) => {{
        $(diesel::copy_from(schema::$table::table).from_insertable(&$rows).execute($conn)?;)+
        Ok(())
    }};
}

pub(super) use put;

/// Rows that belong together.
pub(super) trait Rows {
    /// Into SQLite; call it in a transaction.
    fn insert_sqlite(&self, conn: &mut SqliteConnection) -> QueryResult<()>;
    /// Into PostgreSQL; call it in a transaction.
    fn insert_postgres(&self, conn: &mut PgConnection) -> QueryResult<()>;
}

/// What people are made with: the secrets of an installation.
pub(super) struct Maker {
    pub(super) identities: Identities,
    pub(super) secrets: Secrets,
    pub(super) vault: Vault,
    pub(super) keks: Keks,
    pub(super) now: Timestamp,
    pub(super) handles: u64,
}

/// Holders with their devices, certificates and handles.
pub(super) struct Holders {
    holders: Vec<HolderRow>,
    devices: Vec<DeviceRow>,
    certificates: Vec<CertificateRow>,
    handles: Vec<HandleRow>,
}

impl Rows for Holders {
    fn insert_sqlite(&self, conn: &mut SqliteConnection) -> QueryResult<()> {
        put!(sqlite conn, holders: self.holders, devices: self.devices, certificates: self.certificates,
            handles: self.handles)
    }

    fn insert_postgres(&self, conn: &mut PgConnection) -> QueryResult<()> {
        put!(postgres conn, holders: self.holders, devices: self.devices, certificates: self.certificates,
            handles: self.handles)
    }
}

/// Relying parties with an API key, the purpose `check` and a subscription each.
pub(super) struct RelyingParties {
    relying_parties: Vec<RelyingPartyRow>,
    api_keys: Vec<ApiKeyRow>,
    purposes: Vec<PurposeRow>,
    subscriptions: Vec<SubscriptionRow>,
}

impl Rows for RelyingParties {
    fn insert_sqlite(&self, conn: &mut SqliteConnection) -> QueryResult<()> {
        put!(sqlite conn, relying_parties: self.relying_parties, api_keys: self.api_keys, purposes: self.purposes,
            subscriptions: self.subscriptions)
    }

    fn insert_postgres(&self, conn: &mut PgConnection) -> QueryResult<()> {
        put!(postgres conn, relying_parties: self.relying_parties, api_keys: self.api_keys,
            purposes: self.purposes, subscriptions: self.subscriptions)
    }
}

impl Maker {
    /// `count` holders from `first` on.
    pub(super) fn holders(&self, first: u64, count: usize) -> anyhow::Result<Holders> {
        let mut made = Holders {
            holders: Vec::with_capacity(count),
            devices: Vec::with_capacity(count),
            certificates: Vec::with_capacity(count),
            handles: Vec::new(),
        };
        for (number, key) in (first..).zip(self.identities.public_keys(first, count)?) {
            self.holder(number, &key, &mut made)?;
        }
        Ok(made)
    }

    fn holder(&self, number: u64, key: &PublicKey, made: &mut Holders) -> anyhow::Result<()> {
        let enrolled = self.enrolled_at(number);
        let expires_at = enrolled.saturating_add(LIFETIME)?.as_microsecond();
        let enrolled_at = enrolled.as_microsecond();
        let holder = HolderId::new(enrolled, &mut self.identities.rng("holder id", number));
        let certificate = CertificateId::new(enrolled, &mut self.identities.rng("certificate id", number));
        let document = document_number(number);
        let data_key = DataKey::fresh();
        let (wrapped, vaults) =
            (self.keks.wrap(holder, &data_key, self.now)?, Vaults { service: &self.vault, kms: &self.keks });
        let vault = vaults.under(&data_key);
        let (jkt, public_key) = (thumbprint(key), key.to_sec1());
        let device_key = public_key.clone();
        let lists = u64::from(CAPACITY / 2);
        // An odd factor visits every place once: neighbours in the list are strangers.
        let index = (number % lists).wrapping_mul(0x9E37_79B1) % u64::from(CAPACITY);
        made.holders.push(HolderRow {
            id: holder.to_string(),
            eid: Eid::derive(&self.secrets.eid, &document).as_bytes().to_vec(),
            created_at: enrolled_at,
            kek: wrapped.kek,
            wrapped_key: wrapped.bytes,
        });
        made.devices.push(DeviceRow {
            jkt: jkt.clone(),
            public_key: device_key.clone(),
            token_hash: self.identities.derive("access token", number).to_vec(),
            token_expires_at: expires_at,
        });
        made.certificates.push(CertificateRow {
            id: certificate.to_string(),
            holder_id: holder.to_string(),
            device_jkt: jkt,
            device_key,
            status_list: FIRST_STATUS_LIST + i64::try_from(number / lists)?,
            status_index: i64::try_from(index)?,
            assurance: "IAL2",
            sealed_attributes: vault
                .seal_json(&attributes_context(certificate), &self.disclosures(number, document))?,
            sealed_template: vault
                .seal(&template_context(certificate), &template(number, &self.secrets.template)?)?,
            revocation_code_hash: letters_hash(&base64url(&self.identities.derive("paper", number))).to_vec(),
            state: "active",
            issued_at: enrolled_at,
            expires_at,
        });
        for handle in 0..self.handles {
            let handle_hash = sha256(&self.identities.handle(number, handle)).to_vec();
            made.handles.push(HandleRow {
                handle_hash,
                certificate_id: certificate.to_string(),
                public_key: public_key.clone(),
                issued_at: enrolled_at,
            });
        }
        Ok(())
    }

    fn enrolled_at(&self, number: u64) -> Timestamp {
        let place = i32::try_from(number % A_MONTH_OF_HOLDERS).unwrap_or(0);
        let enrolled =
            self.now.saturating_sub(FIRST_ENROLLED).and_then(|first| first.saturating_add(APART * place));
        enrolled.unwrap_or(self.now)
    }

    fn disclosures(&self, number: u64, document: String) -> Vec<Disclosure> {
        let values = [
            (Attribute::Name, format!("样本{}", number % 1_000)),
            (Attribute::Sex, if number.is_multiple_of(2) { "女" } else { "男" }.to_owned()),
            (Attribute::Ethnicity, "汉".to_owned()),
            (Attribute::BirthDate, "1990-03-07".to_owned()),
            (Attribute::Address, format!("样本省示例市测试区虚构路{number}号9栋1单元302室")),
            (Attribute::DocumentNumber, document),
        ];
        let salts = [
            self.identities.derive("salts 1", number),
            self.identities.derive("salts 2", number),
            self.identities.derive("salts 3", number),
        ];
        let salts = salts.as_flattened().chunks(16).map(base64url);
        let disclosure = |((name, value), salt)| Disclosure { name, value, salt };
        values.into_iter().zip(salts).map(disclosure).collect()
    }

    /// `count` relying parties from `first` on.
    pub(super) fn relying_parties(&self, first: u64, count: u64) -> RelyingParties {
        let at = self.now.as_microsecond();
        let mut made = RelyingParties {
            relying_parties: Vec::new(),
            api_keys: Vec::new(),
            purposes: Vec::new(),
            subscriptions: Vec::new(),
        };
        for number in first..first + count {
            let party = self.identities.relying_party(number);
            let id = party.id.to_string();
            let name = format!("Shop {number}");
            made.relying_parties.push(RelyingPartyRow {
                id: id.clone(),
                name,
                state: "active",
                created_at: at,
            });
            made.api_keys.push(ApiKeyRow {
                id: party.key.to_string(),
                rp_id: id.clone(),
                secret_hash: party.secret_hash.to_vec(),
                created_at: at,
            });
            made.purposes.push(PurposeRow { rp_id: id.clone(), name: "check", attributes: "over_18 name" });
            made.subscriptions.push(SubscriptionRow { rp_id: id, service: "ecert.redeem", since: at });
        }
        made
    }
}

/// Eighteen digits, one for each number. Nobody checks the check digit of what is stored.
fn document_number(number: u64) -> String {
    format!("990000{number:012}")
}

/// As large as a protected template of two embedders is, and told apart by its signs from place to place.
fn template(number: u64, key: &ProtectionKey) -> anyhow::Result<Vec<u8>> {
    let sign = |place: usize| if (number >> (place % 64)) & 1 == 1 { -1.0 } else { 1.0 };
    let embedding =
        |width: usize| Embedding::normalise(Space::UNKNOWN, &(0..width).map(sign).collect::<Vec<f32>>());
    let mut template = Template::of(Tier::Main, embedding(128)?);
    template.put(Tier::Quick, embedding(192)?);
    let mut salt = [0; SALT_BYTES];
    salt.iter_mut().zip(number.to_le_bytes()).for_each(|(place, byte)| *place = byte);
    Ok(Stored::protect(&template, key, salt).to_bytes().to_vec())
}

/// Brings the population's tables into the state that those of a running database are in: statistics known, rows marked
/// visible. The others stay as they are: PostgreSQL plans whole scans of a table that was seen empty.
pub(super) fn tidy(conn: &mut Conn) -> QueryResult<()> {
    use diesel::connection::SimpleConnection as _;
    match conn {
        Conn::Sqlite(sqlite) => sqlite.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)"),
        Conn::Postgres(postgres) => {
            postgres.batch_execute("SET statement_timeout = 0")?;
            POPULATED.iter().chain(&["CHECKPOINT"]).try_for_each(|sql| postgres.batch_execute(sql))
        }
    }
}

/// Speed before durability, for this connection and while the population is put in.
pub(super) fn hurry(conn: &mut Conn) -> QueryResult<()> {
    use diesel::connection::SimpleConnection as _;
    match conn {
        Conn::Sqlite(sqlite) => {
            sqlite.batch_execute("PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000")
        }
        Conn::Postgres(postgres) => {
            postgres.batch_execute("SET synchronous_commit = off; SET statement_timeout = 0")?;
            // Foreign keys are not looked up one by one; they hold, since rows come with what they name. Only a superuser
            // may say so, and for others it merely takes longer.
            let _ = postgres.batch_execute("SET session_replication_role = replica");
            Ok(())
        }
    }
}
