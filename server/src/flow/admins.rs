//! Admins.

use wallet_core::es256::sha256;
use wallet_core::ids::AdminId;
use wallet_core::jws::base64url;

use super::random;
use crate::edge::clock::Clock;
use crate::stop::Flow;
use crate::store::{Store, admins, audit};

/// A new admin, with the token that is shown once.
pub struct NewAdmin {
    /// Who.
    pub id: AdminId,
    /// The bearer token.
    pub token: String,
}

/// Adds an admin. Only the command line calls this: whoever can run it on the machine is trusted with it.
/// It needs no models and no keys, so it takes only what it uses.
pub fn add(store: &Store, clock: &dyn Clock, name: &str) -> Flow<NewAdmin> {
    let now = clock.now();
    let id = AdminId::new(now, &mut rand::rng());
    let token = format!("ea_{}", base64url(&random::<32>()));
    store.write(|conn| {
        admins::insert(conn, id, name, &sha256(token.as_bytes()), now)?;
        audit::append(conn, "cli", "admin.add", id, "done", now)?;
        Ok(())
    })?;
    Ok(NewAdmin { id, token })
}
