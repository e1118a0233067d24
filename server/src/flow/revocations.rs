//! Revoking many at once: from a CSV file, and all certificates of a holder.

use std::collections::HashMap;

use base16ct::lower;
use csv::{ReaderBuilder, StringRecord};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use wallet_core::es256::sha256;
use wallet_core::ids::{AdminId, CertificateId, HolderId};
use wallet_core::refusal::Refusal;

use super::admin_actions::{self, Asked, Decided, Kind};
use super::certificates::{self, Said};
use super::{Context, sponsorships::AllRevoked};
use crate::edge::clock::Clock;
use crate::progress::Progress;
use crate::stop::Flow;
use crate::store::revocations::{self, Ended, Revocation};
use crate::store::{Store, audit, holders};

/// What a file begins with.
pub const HEADER: [&str; 3] = ["certificate_id", "reason", "note"];
/// Lines of one file, without the header.
pub const MAX_LINES: usize = 100_000;
/// Bytes of one file: each line with a short note in Chinese.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Certificates that are ended in one transaction, beside which a service goes on.
const AT_ONCE: usize = 1000;

/// An admin ends all certificates of a holder, and with them a hold.
pub fn revoke_holder(ctx: &Context, admin: AdminId, holder: HolderId, said: &Said) -> Flow<AllRevoked> {
    let (ended, now) = (Ended::Revoked(said.check()?), ctx.now());
    ctx.holder_store.write(|conn| {
        if !revocations::holder_exists(conn, holder)? {
            return Err(Refusal::NotFound.into());
        }
        let open = revocations::open_of_holder(conn, holder)?;
        for certificate in &open {
            certificates::end_and_tell(conn, *certificate, &ended, now)?;
            audit::append(conn, admin, "certificate.revoke", certificate.id, "done", now)?;
        }
        holders::release(conn, holder)?;
        audit::append(conn, admin, "holder.revoke", holder, "done", now)?;
        Ok(AllRevoked { revoked: open.len() })
    })
}

/// A file, every line of it checked.
#[derive(Debug)]
pub struct Checked {
    revocations: Vec<Revocation>,
    lines: HashMap<CertificateId, u64>,
}

/// Checks a whole file; the refusal names the first line that is not right.
pub fn check(file: &[u8]) -> Result<Checked, Refusal> {
    let text = std::str::from_utf8(file).map_err(|error| {
        let line = file.get(..error.valid_up_to()).unwrap_or_default().iter().filter(|byte| **byte == b'\n');
        wrong(u64::try_from(line.count()).unwrap_or(u64::MAX).saturating_add(1), "is not UTF-8")
    })?;
    // Spreadsheets write a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut records = reader.records();
    let header = records.next().and_then(Result::ok);
    if header.is_none_or(|header| header.iter().ne(HEADER)) {
        return Err(wrong(1, &format!("must be the header {}", HEADER.join(","))));
    }
    let mut checked = Checked { revocations: Vec::new(), lines: HashMap::new() };
    let mut lines = Lines { text: text.as_bytes(), at: 0, line: 1 };
    for record in records {
        let record = record.map_err(|error| wrong(lines.of(error.position()), "is not CSV"))?;
        let line = lines.of(record.position());
        if checked.revocations.len() == MAX_LINES {
            return Err(wrong(line, &format!("is one more than the {MAX_LINES} that a file may have")));
        }
        let revocation = revocation(&record).map_err(|what| wrong(line, &what))?;
        if let Some(before) = checked.lines.insert(revocation.certificate, line) {
            return Err(wrong(line, &format!("names the same certificate as line {before}")));
        }
        checked.revocations.push(revocation);
    }
    Ok(checked)
}

/// Counts lines as an editor does. The reader's own count is of where it went on, before blank lines and the second half of CR LF.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of a record behind those that were asked for before.
    fn of(&mut self, position: Option<&csv::Position>) -> u64 {
        let from = position.and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(self.at);
        while let Some(byte) = self.text.get(self.at) {
            if self.at >= from && !matches!(byte, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(*byte == b'\n');
            self.at += 1;
        }
        self.line
    }
}

fn revocation(record: &StringRecord) -> Result<Revocation, String> {
    let mut fields = record.iter();
    let (Some(id), Some(reason), Some(note), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(format!("has {} fields and not 3", record.len()));
    };
    let certificate =
        id.parse().map_err(|_| "does not begin with the id of a certificate, crt_…".to_owned())?;
    let said = Said { reason: reason.to_owned(), note: Some(note.to_owned()) };
    let why = said.check().map_err(|refusal| refusal.detail())?;
    Ok(Revocation { certificate, why })
}

fn wrong(line: u64, what: &str) -> Refusal {
    Refusal::RequestInvalid { field: "body", expected: format!("line {line} {what}; nothing was done") }
}

/// What became of a file.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = RevocationReport)]
pub struct Report {
    /// Certificates that were named.
    pub lines: usize,
    /// Revoked now.
    pub revoked: usize,
    /// Ended before, and left as they are.
    pub already_ended: usize,
    /// There is no such certificate.
    pub unknown: usize,
    /// The lines that changed nothing.
    pub unchanged: Vec<Unchanged>,
}

/// A line that changed nothing.
#[derive(Debug, Serialize, ToSchema)]
pub struct Unchanged {
    /// Where it stands in the file, from 1.
    pub line: u64,
    /// What it names.
    pub certificate_id: CertificateId,
    /// `already-ended` or `unknown`.
    pub outcome: &'static str,
}

/// Revokes what a file names, a thousand at a time. The same file again changes nothing, so it may be sent anew when it was
/// interrupted.
pub fn revoke_file(
    store: &Store,
    clock: &dyn Clock,
    actor: &str,
    file: &Checked,
    progress: &Progress,
) -> Flow<Report> {
    let mut report = Report { lines: file.revocations.len(), ..Report::default() };
    let piece = progress.begin("certificates", u64::try_from(report.lines).ok());
    for chunk in file.revocations.chunks(AT_ONCE) {
        let done = revoke_chunk(store, actor, chunk, clock.now())?;
        report.revoked += done.revoked.len();
        for certificate_id in chunk.iter().map(|revocation| revocation.certificate) {
            if done.revoked.contains(&certificate_id) {
                continue;
            }
            let ended = done.already_ended.contains(&certificate_id);
            report.already_ended += usize::from(ended);
            report.unknown += usize::from(!ended);
            let line = file.lines.get(&certificate_id).copied().unwrap_or_default();
            let outcome = if ended { "already-ended" } else { "unknown" };
            report.unchanged.push(Unchanged { line, certificate_id, outcome });
        }
        piece.steps(u64::try_from(chunk.len()).unwrap_or_default());
    }
    piece.end(&format!("{} revoked", report.revoked));
    Ok(report)
}

fn revoke_chunk(
    store: &Store,
    actor: &str,
    chunk: &[Revocation],
    now: Timestamp,
) -> Flow<revocations::Batch> {
    // Whether a certificate has ended is a condition of the statement that ends it.
    store.write_guarded(|conn| {
        let done = revocations::revoke_all(conn, chunk, actor, now)?;
        for list in &done.lists {
            certificates::republish(conn, *list, now)?;
        }
        Ok(done)
    })
}

/// Asks for what a file names to be revoked, once every line of it was checked; a second person agrees.
pub fn ask(ctx: &Context, admin: AdminId, file: &[u8], why: Option<&str>) -> Flow<Decided> {
    let lines = check(file)?.revocations.len();
    let asked = Asked {
        kind: Kind::RevokeCertificates,
        subject: "-".to_owned(),
        parameters: json!({ "lines": lines, "sha256": lower::encode_string(&sha256(file)) }),
        why,
        file: Some(file),
    };
    admin_actions::ask(ctx, admin, &asked).map(Decided::of)
}

/// Revokes what was asked for and agreed to.
pub(super) fn carry_out(ctx: &Context, admin: AdminId, file: &[u8]) -> Flow<Report> {
    let checked = check(file)?;
    let actor = admin.to_string();
    let report = revoke_file(&ctx.holder_store, ctx.clock.as_ref(), &actor, &checked, &Progress::hidden())?;
    let (now, outcome) = (ctx.now(), format!("{} of {}", report.revoked, report.lines));
    ctx.holder_store.write_guarded(|conn| {
        Ok(audit::append(conn, admin, "certificate.revoke_many", "-", &outcome, now)?)
    })?;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> String {
        format!("crt_01ARZ3NDEKTSV4RRFFQ6{number:06}")
    }

    fn refused(body: &str) -> String {
        check(format!("certificate_id,reason,note\n{body}").as_bytes()).unwrap_err().detail()
    }

    #[test]
    fn a_good_file_is_read_with_quotes_marks_and_windows_lines() {
        let file = format!(
            "\u{feff}certificate_id,reason,note\r\n{},misuse,\"a, \"\"b\"\"\"\r\n\r\n{},deceased,\r\n",
            id(1),
            id(2)
        );
        let checked = check(file.as_bytes()).unwrap();
        assert_eq!(checked.revocations[0].why.note.as_deref(), Some("a, \"b\""));
        assert_eq!((checked.revocations.len(), checked.lines[&id(2).parse().unwrap()]), (2, 4));
    }

    #[test]
    fn every_wrong_line_is_named() {
        let good = format!("{},misuse,\n", id(1));
        let cases = [
            (format!("{good}nonsense,misuse,\n"), "line 3 does not begin"),
            (format!("{good}hol_01ARZ3NDEKTSV4RRFFQ69G5FAV,misuse,\n"), "line 3 does not begin"),
            (format!("{good}{},Misuse,\n", id(2)), "line 3 `reason`"),
            (format!("{good}{},misuse,{}\n", id(2), "字".repeat(201)), "line 3 `note`"),
            (format!("{good}{},misuse,\"a\nb\"\n", id(2)), "line 3 `note`"),
            (format!("{good}{},misuse\n", id(2)), "line 3 has 2 fields"),
            (format!("{good}{},misuse,,\n", id(2)), "line 3 has 4 fields"),
            (format!("{good}{good}"), "line 3 names the same certificate as line 2"),
            (format!("{good}=HYPERLINK(1),misuse,\n"), "line 3 does not begin"),
        ];
        for (body, expected) in cases {
            assert!(refused(&body).contains(expected), "{}", refused(&body));
        }
        let broken = [b"certificate_id,reason,note\n".as_slice(), b"crt_\xff,misuse,\n"].concat();
        assert!(check(&broken).unwrap_err().detail().contains("line 2 is not UTF-8"));
        for header in ["", "id,reason,note\n", "certificate_id,reason\n", "certificate_id;reason;note\n"] {
            assert!(check(header.as_bytes()).unwrap_err().detail().contains("line 1 must be"), "{header}");
        }
    }

    #[test]
    fn one_line_too_many_is_refused() {
        let mut body = String::new();
        for number in 0..=MAX_LINES {
            body.push_str(&format!("{},other,\n", id(u32::try_from(number).unwrap())));
        }
        assert!(refused(&body).contains(&format!("line {} is one more", MAX_LINES + 2)));
    }
}
