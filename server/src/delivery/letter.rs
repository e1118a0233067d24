//! What a mail says: plain text in Chinese and English, the figures of the event, and nothing about any person.

use std::fmt::Write as _;

use serde_json::Value;

use super::event::Kind;

/// A mail without its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
}

/// What stands before every subject.
const FROM_US: &str = "[E-Cert]";

/// What an event is in a sentence, in Chinese and in English.
fn sentence(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::RedemptionJudged => ("一次核验已有结果", "A redemption was judged"),
        Kind::RedemptionCancelled => ("持有人未同意一次核验", "A holder did not agree to a redemption"),
        Kind::ConsentWithdrawn => (
            "一位持有人撤回了同意，请按期删除其数据并确认",
            "A holder took their consent back; delete their data in time and confirm it",
        ),
        Kind::PackLow => ("资源包余量不足", "A pack runs low"),
        Kind::CapReached => ("已达到您设置的消费上限提醒", "A soft cap on spending is reached"),
        Kind::Payment => ("款项已到账", "A payment came in"),
        Kind::OrderPaid => ("订单已支付，资源包已发放", "An order was paid and its packs are there"),
        Kind::StatementClosed => ("账单已出具", "A statement was made"),
        Kind::ArrearsBegun => (
            "账户欠费，24 小时后将暂停服务",
            "A statement is not covered; service stops 24 hours after it fell due",
        ),
        Kind::ArrearsEnded => ("欠费已结清，服务正常", "Nothing is owed any more; service goes on"),
        Kind::PriceAnnounced => ("价格调整预告", "A change of prices was announced"),
        Kind::CycleAnnounced => ("计费周期调整预告", "A change of a billing cycle was announced"),
        Kind::KeyCreated => (
            "新建了 API 密钥；若非本人操作，请立即吊销",
            "An API key was made; revoke it if that was not you",
        ),
        Kind::Suspended => ("服务已被管理员暂停", "The service was suspended by an admin"),
        Kind::Resumed => ("服务已恢复", "The service goes on"),
        Kind::WebhookDisabled => {
            ("Webhook 持续失败，已停用", "A webhook was switched off after failing persistently")
        }
        Kind::ContactDisabled => (
            "联系邮箱持续无法送达，已停用",
            "A contact was switched off after mail to it failed persistently",
        ),
        Kind::ContactConfirmation => {
            ("请确认是否接收 E-Cert 账户通知", "Please confirm that you want to be told of an E-Cert account")
        }
    }
}

/// The letter about an event.
pub fn about(kind: Kind, data: &Value) -> Letter {
    let (zh, en) = sentence(kind);
    let mut text = format!("{zh}。\n{en}.\n\n");
    figures(&mut text, "", data);
    text.push_str("\n详情见依赖方控制台或 GET /v1/messages。此邮件由系统自动发送，请勿回复。\n");
    text.push_str(
        "See the console or GET /v1/messages. This mail was sent by a machine; do not answer it.\n",
    );
    Letter { subject: format!("{FROM_US} {zh} / {en}"), text }
}

/// The letter that asks an address whether it wants to be told.
pub fn confirmation(token: &str) -> Letter {
    let (zh, en) = sentence(Kind::ContactConfirmation);
    let text = format!(
        "{zh}：将下面的确认码交给请求添加此邮箱的人，24 小时内有效。如果您未曾请求，请忽略此邮件，不会再收到任何邮件。\n\
         {en}: give this token to whoever asked for it, within 24 hours. If nobody did, do nothing; no other mail will follow.\n\n    \
         {token}\n"
    );
    Letter { subject: format!("{FROM_US} {zh} / {en}"), text }
}

/// Each figure in a line, by its path.
fn figures(text: &mut String, path: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, member) in members {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                figures(text, &below, member);
            }
        }
        Value::Array(members) => {
            for member in members {
                figures(text, path, member);
            }
        }
        Value::String(word) => line(text, path, word),
        Value::Bool(_) | Value::Number(_) => line(text, path, &value.to_string()),
    }
}

fn line(text: &mut String, path: &str, value: &str) {
    // A line of a mail is a line: what breaks one could pass for something that we said.
    let value: String = value.chars().filter(|letter| !letter.is_control()).collect();
    // Writing into a text does not fail.
    let _ = writeln!(text, "  {path}: {value}");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_letter_has_both_languages_and_the_figures() {
        let letter =
            about(Kind::PackLow, &json!({ "service": "face.compare", "threshold": 30, "remaining": 3 }));
        assert_eq!(letter.subject, "[E-Cert] 资源包余量不足 / A pack runs low");
        for line in [
            "资源包余量不足。",
            "A pack runs low.",
            "  remaining: 3",
            "  service: face.compare",
            "  threshold: 30",
        ] {
            assert!(letter.text.lines().any(|found| found == line), "{line} in {}", letter.text);
        }
    }

    #[test]
    fn a_figure_can_not_break_its_line() {
        let letter =
            about(Kind::Payment, &json!({ "order": "x\r\n.\r\nMAIL FROM:<a@b>", "amount": { "micros": 1 } }));
        assert!(
            letter.text.contains("  order: x.MAIL FROM:<a@b>\n  ")
                || letter.text.contains("  amount.micros: 1\n")
        );
        assert!(!letter.text.contains('\r') && !letter.text.lines().any(|line| line == "."));
    }

    #[test]
    fn every_kind_has_a_subject_of_one_line() {
        for kind in Kind::ALL {
            let subject = about(kind, &json!({})).subject;
            assert!(
                subject.starts_with(FROM_US) && !subject.contains('\n') && subject.contains(" / "),
                "{subject}"
            );
        }
        assert!(confirmation("abc").text.contains("\n    abc\n"));
    }
}
