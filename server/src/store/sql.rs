//! One statement that writes to several tables at once, for PostgreSQL: a round trip where there would be ten. SQLite runs
//! in our own process, has no such statements and needs none.
//!
//! Diesel's `sql_query` has its text parsed and planned by the server each time; this is prepared once a connection.

use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Nullable, Text};

/// A value in a statement.
pub(super) enum Value<'a> {
    Text(String),
    Str(&'a str),
    MaybeText(Option<String>),
    Int(i64),
    Bytes(&'a [u8]),
}

/// A statement with `?` where each value belongs. It answers with one number a row.
pub(super) struct Statement<'a> {
    text: &'static str,
    values: Vec<Value<'a>>,
}

impl<'a> Statement<'a> {
    pub(super) fn new(text: &'static str, values: Vec<Value<'a>>) -> Self {
        Self { text, values }
    }

    /// Runs it; the numbers that it answers with.
    pub(super) fn numbers(self, postgres: &mut PgConnection) -> QueryResult<Vec<i64>> {
        self.load(postgres)
    }
}

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut values = self.values.iter();
        for (place, piece) in self.text.split('?').enumerate() {
            if place > 0 {
                match values.next() {
                    Some(Value::Text(text)) => out.push_bind_param::<Text, String>(text)?,
                    Some(Value::Str(text)) => out.push_bind_param::<Text, &str>(text)?,
                    Some(Value::MaybeText(text)) => {
                        out.push_bind_param::<Nullable<Text>, Option<String>>(text)?
                    }
                    Some(Value::Int(number)) => out.push_bind_param::<BigInt, i64>(number)?,
                    Some(Value::Bytes(bytes)) => out.push_bind_param::<Binary, &[u8]>(bytes)?,
                    None => return Err(diesel::result::Error::QueryBuilderError("too few values".into())),
                }
            }
            out.push_sql(piece);
        }
        Ok(())
    }
}

impl QueryId for Statement<'_> {
    type QueryId = ();
    // Known by its text.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement<'_> {
    type SqlType = BigInt;
}

impl RunQueryDsl<PgConnection> for Statement<'_> {}
