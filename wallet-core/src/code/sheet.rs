//! The sheet that a holder prints: the paper code and what to do with it. A page of HTML that needs nothing from elsewhere.
//!
//! It names no person: whoever finds it can end the certificate, and learns nothing.

use std::fmt::Write as _;

use jiff::civil::Date;

use super::paper::PaperCode;
use super::qr::Symbol;
use crate::ids::CertificateId;

/// What stands on a sheet.
#[derive(Debug)]
pub struct Sheet<'a> {
    /// The code.
    pub code: &'a PaperCode,
    /// What it ends.
    pub certificate: CertificateId,
    /// Until when that holds.
    pub expires_on: Date,
    /// The address of the service, without a slash at its end.
    pub service: &'a str,
}

const STYLE: &str = "body{font-family:sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem;color:#000;background:#fff;\
line-height:1.5}.code{font:700 2rem monospace;letter-spacing:.1em;border:2px solid #000;padding:1rem;text-align:center}\
svg{display:block;width:40mm;height:40mm;margin:1rem auto}code{word-break:break-all}\
@media print{@page{size:A5;margin:12mm}body{margin:0;max-width:none}section{break-inside:avoid}}";

impl Sheet<'_> {
    /// The page: UTF-8, one file, no script, nothing that is fetched.
    pub fn to_html(&self) -> String {
        let address = format!("{}/revoke", self.service);
        let link = format!("{address}?certificate={}", self.certificate);
        let (code, certificate, expires) = (self.code.grouped(), self.certificate, self.expires_on);
        let address = escape(&address);
        format!(
            "<!doctype html>\n<html lang=\"zh\"><head><meta charset=\"utf-8\">\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
<title>E-Cert 吊销码 / revocation code</title><style>{STYLE}</style></head><body>\n\
<section lang=\"zh\"><h1>电子证吊销码</h1>\
<p>手机丢失或被盗时，用下面的 18 位数字立即作废您的电子证，无需手机。请打印后与手机分开保管，不要拍照，不要告诉任何人。</p>\
</section>\n<p class=\"code\">{code}</p>\n{qr}\
<section lang=\"zh\"><ol><li>在任何设备上打开 <code>{address}</code>，或扫描上方二维码。</li><li>输入上面的 18 位数字。</li>\
<li>电子证在一秒内失效，不能恢复；之后可用新手机重新申领。</li></ol></section>\n\
<section lang=\"en\"><h1>Revocation code of your E-cert</h1>\
<p>If your phone is lost or stolen, these 18 digits end your E-cert at once, without the phone. Print this page and keep it apart from \
the phone; take no picture of it and tell the digits to nobody.</p><ol><li>Open <code>{address}</code> on any device, or scan the \
square above.</li><li>Type the 18 digits.</li><li>The E-cert ends within a second, for good. You may then enrol anew with another \
phone.</li></ol></section>\n\
<p>证书编号 / certificate: <code>{certificate}</code><br>有效期至 / valid until: {expires}</p>\n</body></html>\n",
            qr = qr(&link),
        )
    }
}

/// The address as a QR, drawn as SVG; nothing where it is too long for one.
fn qr(text: &str) -> String {
    let Ok(symbol) = Symbol::of(text) else { return String::new() };
    let modules = symbol.modules();
    // Four modules of white around it (ISO/IEC 18004 §9.1).
    let side = modules.len() + 8;
    let mut path = String::new();
    for (y, row) in modules.iter().enumerate() {
        for (x, _) in row.iter().enumerate().filter(|(_, dark)| **dark) {
            // Writing to a String does not fail.
            let _ = write!(path, "M{} {}h1v1h-1z", x + 4, y + 4);
        }
    }
    format!("<svg viewBox=\"0 0 {side} {side}\" role=\"img\" aria-label=\"QR\"><path d=\"{path}\"/></svg>\n")
}

/// Text as it may stand in HTML, also inside a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn html(service: &str) -> String {
        let code = PaperCode::mint(&mut StdRng::seed_from_u64(1));
        let certificate = CertificateId::new(jiff::Timestamp::UNIX_EPOCH, &mut StdRng::seed_from_u64(2));
        let expires_on = jiff::civil::date(2027, 11, 22);
        let html = Sheet { code: &code, certificate, expires_on, service }.to_html();
        assert!(html.contains(&code.grouped()) && html.contains(&certificate.to_string()));
        html
    }

    #[test]
    fn it_has_what_a_person_needs_and_fetches_nothing() {
        let html = html("https://id.example.org");
        for needed in [
            "https://id.example.org/revoke",
            "2027-11-22",
            "lang=\"zh\"",
            "lang=\"en\"",
            "@media print",
            "<svg",
        ] {
            assert!(html.contains(needed), "{needed}");
        }
        for fetched in ["<script", "src=", "href=", "url(", "@import", "xmlns"] {
            assert!(!html.contains(fetched), "{fetched}");
        }
    }

    #[test]
    fn nothing_that_is_put_in_becomes_markup() {
        let html = html("https://x/\"><script>alert('1')</script>&");
        assert!(!html.contains("<script"));
        assert!(
            html.contains("https://x/&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;/revoke")
        );
        assert!(!super::qr(&"x".repeat(5000)).contains("svg"));
    }
}
