//! Name constraints (RFC 5280 §4.2.1.10).
//!
//! Directory names are judged. A constraint on another kind of name can't be judged here, so a certificate below it that
//! has a name of that kind is refused, as the RFC asks.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, GeneralSubtree, NameConstraints};
use x509_parser::x509::{AttributeTypeAndValue, RelativeDistinguishedName, X509Name};

use super::ChainRefused;

/// Whether every name of `below` is one that `ca` may certify.
pub(super) fn may_certify(ca: &X509Certificate<'_>, below: &X509Certificate<'_>) -> Result<(), ChainRefused> {
    let constraints = ca.name_constraints().map_err(|_| ChainRefused::Malformed)?;
    let Some(constraints) = constraints.map(|constraints| constraints.value) else { return Ok(()) };
    let alternatives = below.subject_alternative_name().map_err(|_| ChainRefused::Malformed)?;
    let alternatives = alternatives.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    let allowed = is_allowed(&GeneralName::DirectoryName(below.subject().clone()), constraints)
        && alternatives.iter().all(|name| is_allowed(name, constraints));
    if allowed { Ok(()) } else { Err(ChainRefused::Name) }
}

fn is_allowed(name: &GeneralName<'_>, constraints: &NameConstraints<'_>) -> bool {
    let permitted = of_kind(name, constraints.permitted_subtrees.as_deref());
    let excluded = of_kind(name, constraints.excluded_subtrees.as_deref());
    if let GeneralName::DirectoryName(name) = name {
        let is_in = |base: &GeneralName<'_>, in_doubt| match base {
            GeneralName::DirectoryName(base) => is_within(name, base, in_doubt),
            _ => in_doubt,
        };
        let is_permitted = permitted.is_empty() || permitted.iter().any(|base| is_in(base, false));
        is_permitted && !excluded.iter().any(|base| is_in(base, true))
    } else {
        permitted.is_empty() && excluded.is_empty()
    }
}

/// The subtrees of the kind of `name`.
fn of_kind<'t, 'a>(
    name: &GeneralName<'_>,
    trees: Option<&'t [GeneralSubtree<'a>]>,
) -> Vec<&'t GeneralName<'a>> {
    let kind = std::mem::discriminant(name);
    let bases = trees.unwrap_or_default().iter().map(|tree| &tree.base);
    bases.filter(|base| std::mem::discriminant(*base) == kind).collect()
}

/// Whether `name` begins with the parts of `base`. Where a part can't be compared the answer is `in_doubt`.
fn is_within(name: &X509Name<'_>, base: &X509Name<'_>, in_doubt: bool) -> bool {
    let parts: Vec<_> = name.iter_rdn().collect();
    let bases: Vec<_> = base.iter_rdn().collect();
    parts.len() >= bases.len() && parts.iter().zip(&bases).all(|(part, base)| is_same(part, base, in_doubt))
}

fn is_same(
    part: &RelativeDistinguishedName<'_>,
    base: &RelativeDistinguishedName<'_>,
    in_doubt: bool,
) -> bool {
    let (part, base): (Vec<_>, Vec<_>) = (part.iter().collect(), base.iter().collect());
    part.len() == base.len() && base.iter().all(|base| part.iter().any(|part| is_equal(part, base, in_doubt)))
}

/// RFC 5280 §7.1: without regard to case and to how much space there is.
fn is_equal(a: &AttributeTypeAndValue<'_>, b: &AttributeTypeAndValue<'_>, in_doubt: bool) -> bool {
    if a.attr_type() != b.attr_type() {
        return false;
    }
    match (a.as_str(), b.as_str()) {
        (Ok(a), Ok(b)) => folded(a) == folded(b),
        _ => in_doubt || a == b,
    }
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}
