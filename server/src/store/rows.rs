//! Rows of any table, streamed: one at a time in memory, whatever the table holds.
//!
//! Each database writes a row as one JSON array (bytes as hexadecimal digits), so one reader serves every query. Order and
//! encoding are the same on both, and so is a checksum over them.

use base16ct::{lower, mixed};
use diesel::connection::DefaultLoadingMode;
use diesel::pg::{Pg, PgRowByRowLoadingMode};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::Sqlite;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Conn;
use super::columns::damaged;
use super::tables::{Column, Kind, Table};

/// A value of any column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// Rows as they come.
pub(super) type Rows<'a, T> = Box<dyn Iterator<Item = QueryResult<T>> + 'a>;

/// Runs a query that selects `{row(}…{)row} AS line`, and gives the values of its rows one row after another. What the two
/// databases call differently it names `{hex(}…{)hex}`, and `{chance}`, a random number below a million.
pub(super) fn stream<'a>(conn: &'a mut Conn, query: &str) -> QueryResult<Rows<'a, Vec<Value>>> {
    let read = |line: QueryResult<Line>| match serde_json::from_str(&line?.line) {
        Ok(Value::Array(values)) => Ok(values),
        _ => Err(damaged(&"a row is not a JSON array")),
    };
    Ok(match conn {
        Conn::Sqlite(sqlite) => {
            let query = diesel::sql_query(in_words(query, &OF_SQLITE));
            Box::new(query.load_iter::<Line, DefaultLoadingMode>(sqlite)?.map(read))
        }
        Conn::Postgres(postgres) => {
            let query = diesel::sql_query(in_words(query, &OF_POSTGRES));
            Box::new(query.load_iter::<Line, PgRowByRowLoadingMode>(postgres)?.map(read))
        }
    })
}

const WORDS: [&str; 5] = ["{row(}", "{)row}", "{hex(}", "{)hex}", "{chance}"];
const OF_SQLITE: [&str; 5] = ["json_array(", ")", "hex(", ")", "abs(random() % 1000000)"];
const OF_POSTGRES: [&str; 5] = ["json_build_array(", ")::text", "encode(", ", 'hex')", "random() * 1000000"];

fn in_words(query: &str, of: &[&str; 5]) -> String {
    WORDS.iter().zip(of).fold(query.to_owned(), |query, (word, meant)| query.replace(word, meant))
}

/// The number that a query selects as `n`.
pub(super) fn number(conn: &mut Conn, query: &str) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    Ok(diesel::sql_query(query).get_result::<Number>(conn)?.n)
}

/// How many rows a table has.
pub(super) fn count(conn: &mut Conn, table: &Table) -> QueryResult<u64> {
    let rows = number(conn, &format!("SELECT COUNT(*) AS n FROM {}", table.name))?;
    Ok(u64::try_from(rows).unwrap_or(0))
}

/// All rows of a table, by its primary key, bytewise.
pub(super) fn rows<'a>(conn: &'a mut Conn, table: &'a Table) -> QueryResult<Rows<'a, Vec<Cell>>> {
    let is_postgres = matches!(conn, Conn::Postgres(_));
    let selected: Vec<String> = table.columns.iter().map(selected).collect();
    let key: Vec<String> = table.key.iter().map(|name| ordered(table, name, is_postgres)).collect();
    let query = format!(
        "SELECT {{row(}}{}{{)row}} AS line FROM {} ORDER BY {}",
        selected.join(", "),
        table.name,
        key.join(", ")
    );
    let cells = |values: QueryResult<Vec<Value>>| -> QueryResult<Vec<Cell>> {
        table.columns.iter().zip(values?).map(|(column, value)| cell(column, value)).collect()
    };
    Ok(Box::new(stream(conn, &query)?.map(cells)))
}

fn selected(column: &Column) -> String {
    let name = column.name;
    match column.kind {
        // SQLite's hex() makes an empty text of nothing.
        Kind::Bytes => format!("CASE WHEN {name} IS NOT NULL THEN {{hex(}}{name}{{)hex}} END"),
        Kind::Integer | Kind::Text => name.to_owned(),
    }
}

fn ordered(table: &Table, name: &str, is_postgres: bool) -> String {
    let is_text = table.columns.iter().any(|column| column.name == name && column.kind == Kind::Text);
    if is_text && is_postgres { format!("{name} COLLATE \"C\"") } else { name.to_owned() }
}

fn cell(column: &Column, value: Value) -> QueryResult<Cell> {
    let wrong = || damaged(&format_args!("a value of {} is of another kind", column.name));
    Ok(match (column.kind, value) {
        (_, Value::Null) => Cell::Null,
        (Kind::Integer, Value::Number(number)) => Cell::Integer(number.as_i64().ok_or_else(wrong)?),
        (Kind::Text, Value::String(text)) => Cell::Text(text),
        (Kind::Bytes, Value::String(digits)) => Cell::Bytes(mixed::decode_vec(&digits).map_err(|_| wrong())?),
        _ => return Err(wrong()),
    })
}

/// Sha256 over rows in the order of their keys.
#[derive(Default)]
pub(super) struct Checksum(Sha256);

impl Checksum {
    /// Adds a row: each value with its kind and its length, so that no two rows look alike.
    pub(super) fn add(&mut self, row: &[Cell]) {
        for cell in row {
            match cell {
                Cell::Null => self.0.update(b"0"),
                Cell::Integer(value) => {
                    self.0.update(b"i");
                    self.0.update(value.to_be_bytes());
                }
                Cell::Text(text) => self.add_bytes(b"t", text.as_bytes()),
                Cell::Bytes(bytes) => self.add_bytes(b"b", bytes),
            }
        }
    }

    fn add_bytes(&mut self, kind: &[u8; 1], bytes: &[u8]) {
        self.0.update(kind);
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// In hexadecimal digits.
    pub(super) fn end(self) -> String {
        lower::encode_string(&self.0.finalize())
    }
}

/// Adds rows in one statement.
pub(super) fn insert(conn: &mut Conn, table: &Table, rows: &[Vec<Cell>]) -> QueryResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let width = table.columns.len();
    let places = |row: usize| -> String {
        let places: Vec<String> = (1..=width).map(|column| format!("${}", row * width + column)).collect();
        format!("({})", places.join(", "))
    };
    let places: Vec<String> = (0..rows.len()).map(places).collect();
    let names = table.column_names().join(", ");
    let statement = format!("INSERT INTO {} ({names}) VALUES {}", table.name, places.join(", "));
    // The databases have nothing in common by which one function could bind for both.
    macro_rules! execute {
        ($conn:expr, $database:ty) => {{
            let mut statement = diesel::sql_query(statement).into_boxed::<$database>();
            for (column, cell) in rows.iter().flat_map(|row| table.columns.iter().zip(row)) {
                statement = match (cell, column.kind) {
                    (Cell::Integer(value), _) => statement.bind::<BigInt, _>(*value),
                    (Cell::Text(text), _) => statement.bind::<Text, _>(text.as_str()),
                    (Cell::Bytes(bytes), _) => statement.bind::<Binary, _>(bytes.as_slice()),
                    (Cell::Null, Kind::Integer) => statement.bind::<Nullable<BigInt>, _>(None::<i64>),
                    (Cell::Null, Kind::Text) => statement.bind::<Nullable<Text>, _>(None::<&str>),
                    (Cell::Null, Kind::Bytes) => statement.bind::<Nullable<Binary>, _>(None::<&[u8]>),
                };
            }
            statement.execute($conn)
        }};
    }
    let added = match conn {
        Conn::Sqlite(sqlite) => execute!(sqlite, Sqlite),
        Conn::Postgres(postgres) => execute!(postgres, Pg),
    }?;
    if added == rows.len() { Ok(()) } else { Err(damaged(&"not every row was added")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checksum(rows: &[&[Cell]]) -> String {
        let mut checksum = Checksum::default();
        rows.iter().for_each(|row| checksum.add(row));
        checksum.end()
    }

    #[test]
    fn a_checksum_tells_neighbours_and_kinds_apart() {
        let text = |text: &str| Cell::Text(text.to_owned());
        let one = checksum(&[&[text("ab"), text("c")]]);
        assert_eq!(one, checksum(&[&[text("ab"), text("c")]]));
        assert_ne!(one, checksum(&[&[text("a"), text("bc")]]));
        assert_ne!(one, checksum(&[&[Cell::Bytes(b"ab".to_vec()), text("c")]]));
        assert_ne!(checksum(&[&[Cell::Null, text("")]]), checksum(&[&[text(""), Cell::Null]]));
        assert_ne!(checksum(&[&[Cell::Integer(0)]]), checksum(&[&[Cell::Null]]));
    }
}
