//! Statements that write several rows to several tables at once, for PostgreSQL: a round trip where there would be tens. Values
//! come as columns, one array each, and `unnest` makes rows of them. SQLite runs in our own process and needs none of this.
//!
//! Diesel's `sql_query` has its text parsed and planned by the server each time; this is prepared once a connection.

use std::marker::PhantomData;

use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text};

/// A column of values.
pub(super) enum Column<'a> {
    Texts(Vec<String>),
    Strs(Vec<&'a str>),
    MaybeStrs(Vec<Option<&'a str>>),
    MaybeTexts(Vec<Option<String>>),
    Ints(Vec<i64>),
    Bytes(Vec<&'a [u8]>),
    MaybeBytes(Vec<Option<&'a [u8]>>),
}

/// A statement with `?` where each column belongs. It answers with rows of the SQL type `S`.
pub(super) struct Statement<'a, S> {
    text: &'static str,
    columns: Vec<Column<'a>>,
    answers: PhantomData<S>,
}

impl<'a, S> Statement<'a, S> {
    pub(super) fn new(text: &'static str, columns: Vec<Column<'a>>) -> Self {
        Self { text, columns, answers: PhantomData }
    }
}

impl<S> QueryFragment<Pg> for Statement<'_, S> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut columns = self.columns.iter();
        for (place, piece) in self.text.split('?').enumerate() {
            if place > 0 {
                match columns.next() {
                    Some(Column::Texts(texts)) => out.push_bind_param::<Array<Text>, Vec<String>>(texts)?,
                    Some(Column::Strs(texts)) => out.push_bind_param::<Array<Text>, Vec<&str>>(texts)?,
                    Some(Column::MaybeStrs(texts)) => {
                        out.push_bind_param::<Array<Nullable<Text>>, Vec<Option<&str>>>(texts)?
                    }
                    Some(Column::MaybeTexts(texts)) => {
                        out.push_bind_param::<Array<Nullable<Text>>, Vec<Option<String>>>(texts)?
                    }
                    Some(Column::Ints(numbers)) => out.push_bind_param::<Array<BigInt>, Vec<i64>>(numbers)?,
                    Some(Column::Bytes(bytes)) => out.push_bind_param::<Array<Binary>, Vec<&[u8]>>(bytes)?,
                    Some(Column::MaybeBytes(bytes)) => {
                        out.push_bind_param::<Array<Nullable<Binary>>, Vec<Option<&[u8]>>>(bytes)?
                    }
                    None => return Err(diesel::result::Error::QueryBuilderError("too few columns".into())),
                }
            }
            out.push_sql(piece);
        }
        Ok(())
    }
}

impl<S> QueryId for Statement<'_, S> {
    type QueryId = ();
    // Known by its text.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<S> Query for Statement<'_, S> {
    type SqlType = S;
}

impl<S> RunQueryDsl<PgConnection> for Statement<'_, S> {}
