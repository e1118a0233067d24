//! The copy as a page: one file, no script, nothing that is fetched but the pictures beside it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;
use wallet_core::attributes::Attribute;
use wallet_core::code::sheet::escape;

use super::{Export, Exported};
use crate::edge::print::Language;

const STYLE: &str = "body{font-family:sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#000;background:#fff;\
line-height:1.5}table{border-collapse:collapse;width:100%}th,td{border:1px solid #999;padding:.3rem .6rem;text-align:left;\
vertical-align:top;overflow-wrap:anywhere}th{background:#eee}img{max-width:12rem;display:block}";

/// The page in one of the wallet's languages.
pub(super) fn of(export: &Export, language: Language) -> String {
    let mut page = Page { language, html: String::new() };
    let title = page.say("您在 E-Cert 的数据", "Your data at E-Cert");
    page.html = format!(
        "<!doctype html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\">\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' file:\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title><style>{STYLE}</style></head><body>\n\
<h1>{title}</h1>\n",
        language.as_str(),
    );
    page.line("p", &format!("{} · {} · {}", export.service, minute(export.exported_at), export.holder));
    page.line("p", page.say(
        "同一数据的机器可读版本见 data.json。请妥善保管：其中有您的证件信息和人脸模板。",
        "data.json holds the same for machines. Keep it safe: your document's data and your face template are in it.",
    ));
    for certificate in &export.certificates {
        page.certificate(certificate);
    }
    page.phones(export);
    page.uses(export);
    page.html + "</body></html>\n"
}

/// A page as far as it is written.
struct Page {
    language: Language,
    html: String,
}

impl Page {
    fn say(&self, zh: &'static str, en: &'static str) -> &'static str {
        match self.language {
            Language::Zh => zh,
            Language::En => en,
        }
    }

    fn line(&mut self, tag: &str, text: &str) {
        // Writing to a String does not fail.
        let _ = writeln!(self.html, "<{tag}>{}</{tag}>", escape(text));
    }

    fn table<const N: usize>(&mut self, head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
        let cells = |tag: &str, cells: &[&str]| -> String {
            cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect()
        };
        let _ = writeln!(self.html, "<table><tr>{}</tr>", cells("th", &head));
        for row in rows {
            let _ = writeln!(self.html, "<tr>{}</tr>", cells("td", &row.each_ref().map(String::as_str)));
        }
        self.html.push_str("</table>\n");
    }

    fn certificate(&mut self, certificate: &Exported) {
        self.line("h2", &format!("{} {}", self.say("电子证", "E-cert"), certificate.shown.id));
        if let Some(file) = &certificate.portrait {
            let alt = self.say("证件照片", "Picture on the card");
            let _ = writeln!(self.html, "<img src=\"{}\" alt=\"{alt}\">", escape(file));
        }
        let mut rows: Vec<[String; 2]> = Vec::new();
        for name in Attribute::ALL {
            rows.extend(certificate.value(name).map(|value| [self.attribute(name).into(), value.into()]));
        }
        let template = match certificate.face_template {
            Some(_) => self.say("已保存，见 data.json", "kept, see data.json"),
            None => self.say("已删除", "erased"),
        };
        rows.extend([
            [self.say("状态", "State").into(), certificate.shown.state.into()],
            [self.say("签发", "Issued").into(), minute(certificate.shown.issued_at)],
            [self.say("有效期至", "Valid until").into(), minute(certificate.shown.expires_at)],
            [self.say("保证级别", "Assurance level").into(), certificate.assurance_level.clone()],
            [self.say("手机密钥", "Key of the phone").into(), certificate.device_jkt.clone()],
            [self.say("人脸模板", "Face template").into(), template.into()],
        ]);
        self.table([self.say("项目", "What"), self.say("内容", "Value")], rows);
    }

    fn phones(&mut self, export: &Export) {
        self.line("h2", self.say("手机", "Phones"));
        let rows = export.devices.iter().map(|device| {
            [device.jkt.clone(), device.state.into(), device.risk.clone(), device.reasons.join(", ")]
        });
        let head = [
            self.say("密钥", "Key"),
            self.say("状态", "State"),
            self.say("风险", "Risk"),
            self.say("原因", "Why"),
        ];
        self.table(head, rows);
        self.line("h2", self.say("同意", "Consents"));
        let rows = export.consents.iter().map(|consent| {
            let at = minute(consent.agreed_at);
            [at, consent.text_version.clone(), consent.kind.clone(), consent.state.clone()]
        });
        let head = [
            self.say("时间", "When"),
            self.say("文本版本", "Text"),
            self.say("用于", "For"),
            self.say("结果", "How it ended"),
        ];
        self.table(head, rows);
        self.line("h2", self.say("通知", "Notices"));
        let rows = export.notices.iter().map(|notice| [minute(notice.at), notice.kind.clone()]);
        self.table([self.say("时间", "When"), self.say("内容", "What")], rows);
    }

    fn uses(&mut self, export: &Export) {
        self.line("h2", self.say("谁使用过您的电子证", "Who used your E-cert"));
        let rows = export.redemptions.iter().map(|seen| {
            let (who, purpose) = (seen.relying_party.name.clone(), seen.purpose.clone());
            [minute(seen.at), who, purpose, seen.state.into(), self.attributes(&seen.given)]
        });
        let rows: Vec<_> = rows.collect();
        let (when, who) = (self.say("时间", "When"), self.say("机构", "Who"));
        let purpose = self.say("目的", "Purpose");
        self.table([when, who, purpose, self.say("结果", "Outcome"), self.say("给出", "Given")], rows);
        if export.older_redemptions_left_out {
            self.line("p", self.say("更早的记录未列出。", "Older ones are not listed."));
        }
        self.line("h2", self.say("谁请求过多", "Who asked for too much"));
        let rows = export.over_asked.iter().map(|seen| {
            let who = seen.relying_party.name.clone();
            [minute(seen.at), who, seen.purpose.clone(), self.attributes(&seen.asked)]
        });
        let rows: Vec<_> = rows.collect();
        self.table([when, who, purpose, self.say("请求", "Asked for")], rows);
    }

    fn attributes(&self, names: &BTreeSet<Attribute>) -> String {
        let separator = self.say("、", ", ");
        names.iter().map(|name| self.attribute(*name)).collect::<Vec<_>>().join(separator)
    }

    /// What people call an attribute: the wallet's words (`mobile/src/lib/i18n/attributes.ts`).
    fn attribute(&self, name: Attribute) -> &'static str {
        let (zh, en) = match name {
            Attribute::Over18 => ("是否年满 18 岁", "Whether you are over 18"),
            Attribute::Over16 => ("是否年满 16 岁", "Whether you are over 16"),
            Attribute::Over14 => ("是否年满 14 岁", "Whether you are over 14"),
            Attribute::Name => ("姓名", "Name"),
            Attribute::MaskedName => ("姓氏（名隐去）", "Family name, the rest hidden"),
            Attribute::Sex => ("性别", "Sex"),
            Attribute::Ethnicity => ("民族", "Ethnicity"),
            Attribute::BirthDate => ("出生日期", "Date of birth"),
            Attribute::Address => ("住址", "Address"),
            Attribute::DocumentNumber => ("公民身份号码", "Document number"),
            Attribute::MaskedNumber => ("公民身份号码（大部分隐去）", "Document number, mostly hidden"),
            Attribute::Portrait => ("证件照片", "Picture on the card"),
        };
        self.say(zh, en)
    }
}

fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
