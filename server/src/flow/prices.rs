//! Price lists.

use super::Context;
use crate::billing::price::first_list;
use crate::stop::Flow;
use crate::store::charges;

/// Gives an empty installation its first price list.
pub fn install_first_list(ctx: &Context) -> Flow<()> {
    ctx.store.write(|conn| {
        if charges::any_price(conn)? {
            return Ok(());
        }
        for price in first_list() {
            charges::insert_price(conn, &price)?;
        }
        Ok(())
    })
}
