//! Who may do what, in one table: every act of an admin, the roles that may, whether a passkey is shown once more for it, and whether it
//! takes a second person. A leaf: it knows nobody, and is asked wherever an admin asks for something.
//!
//! Invariant: an act that only the auditor's role allows changes nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::refusal::Refusal;

/// What somebody is here for. One admin may have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads, and changes nothing.
    Auditor,
    /// Prices and money.
    Finance,
    /// Relying parties, certificates, and who works here.
    Operator,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 3] = [Role::Auditor, Role::Finance, Role::Operator];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Auditor => "auditor",
            Role::Finance => "finance",
            Role::Operator => "operator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Role, &'static str> {
        Role::ALL.into_iter().find(|role| role.as_str() == word).ok_or("no role")
    }
}

/// The roles of one admin.
pub type Roles = BTreeSet<Role>;

/// What an act asks of whoever does it.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Any of these.
    pub roles: &'static [Role],
    /// A session in which a passkey was shown within the last minutes.
    pub step_up: bool,
    /// Somebody else who approves: asking alone changes nothing.
    pub second_person: bool,
}

impl Policy {
    const fn of(roles: &'static [Role]) -> Policy {
        Policy { roles, step_up: false, second_person: false }
    }

    const fn step_up(self) -> Policy {
        Policy { step_up: true, ..self }
    }

    const fn second_person(self) -> Policy {
        Policy { second_person: true, ..self }
    }
}

/// An act as a type, which a handler has to name.
pub trait Permission: 'static {
    /// Which.
    const ACT: Act;
}

macro_rules! table {
    ($($name:ident: $roles:ident $($needs:ident)*;)*) => {
        /// Everything that an admin may ask for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[schema(as = AdminAct)]
        #[allow(missing_docs, reason = "each says by its name what it is")]
        pub enum Act { $($name),* }

        impl Act {
            /// All of them.
            pub const ALL: &[Act] = &[$(Act::$name),*];

            /// What it asks for.
            pub const fn policy(self) -> Policy {
                match self {
                    $(Act::$name => Policy::of($roles)$(.$needs())*),*
                }
            }
        }

        /// The acts as types.
        #[allow(missing_docs, reason = "each says by its name what it is")]
        pub mod acts {
            use super::{Act, Permission};

            $(
                pub struct $name;

                impl Permission for $name {
                    const ACT: Act = Act::$name;
                }
            )*
        }
    };
}

const ANY: &[Role] = &Role::ALL;
const OPERATOR: &[Role] = &[Role::Operator];
const FINANCE: &[Role] = &[Role::Finance];
const DECIDES: &[Role] = &[Role::Finance, Role::Operator];
const READS_PEOPLE: &[Role] = &[Role::Auditor, Role::Operator];
const READS_MONEY: &[Role] = &[Role::Auditor, Role::Finance];

table! {
    ListRelyingParties: ANY;
    ShowRelyingParty: ANY;
    AdmitRelyingParty: OPERATOR;
    SuspendRelyingParty: OPERATOR;
    ResumeRelyingParty: OPERATOR;
    ListApiKeys: READS_PEOPLE;
    CreateApiKey: OPERATOR;
    RevokeApiKey: OPERATOR;
    RevokeSponsored: OPERATOR second_person;
    ShowCertificate: READS_PEOPLE;
    SuspendCertificate: OPERATOR;
    ReactivateCertificate: OPERATOR;
    RevokeCertificate: OPERATOR;
    RevokeStandingNumber: OPERATOR;
    RevokeHolder: OPERATOR;
    RevokeCertificates: OPERATOR second_person;
    ShowLedger: READS_MONEY;
    ListPrices: ANY;
    AnnouncePrices: FINANCE second_person;
    ListBillingCycles: READS_MONEY;
    ChangeBillingCycle: FINANCE;
    AddOffer: FINANCE;
    AddPromotion: FINANCE;
    ListPayments: READS_MONEY;
    RecordPayment: FINANCE;
    ApprovePayment: FINANCE step_up;
    RejectPayment: FINANCE;
    RequestRefund: FINANCE;
    ApproveRefund: FINANCE step_up;
    RejectRefund: FINANCE;
    ListAdmins: ANY;
    InviteAdmin: OPERATOR step_up second_person;
    ChangeRoles: OPERATOR step_up second_person;
    EndAdmin: OPERATOR step_up second_person;
    ReadActions: ANY;
    ApproveAction: DECIDES step_up;
    RejectAction: DECIDES;
}

/// By what an admin proved themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A bearer token, which a script has. It never steps up.
    Token,
    /// A session that a passkey began; and whether one was shown again a short while ago.
    Session {
        /// Whether it was.
        stepped_up: bool,
    },
}

/// What somebody with these roles may do or ask a second person for, once they have shown what it wants.
pub fn allowed(roles: &Roles) -> Vec<Act> {
    Act::ALL.iter().filter(|act| permits(roles, **act)).copied().collect()
}

/// Whether one of these roles allows this.
pub fn permits(roles: &Roles, act: Act) -> bool {
    act.policy().roles.iter().any(|role| roles.contains(role))
}

/// Whether somebody with these roles, so proven, may do this, or ask a second person for it.
///
/// # Errors
/// What is missing, roles first: nobody is asked for a passkey in vain.
pub fn permit(roles: &Roles, proof: Proof, act: Act) -> Result<(), Refusal> {
    if !permits(roles, act) {
        return Err(Refusal::RoleMissing);
    }
    if act.policy().step_up && proof != (Proof::Session { stepped_up: true }) {
        return Err(Refusal::StepUpNeeded);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_only_reads_has_no_act_for_themselves_and_none_with_a_step_up() {
        let auditor = Roles::from([Role::Auditor]);
        for act in Act::ALL {
            let policy = act.policy();
            let words = format!("{act:?}");
            let reads = ["List", "Show", "Read"].iter().any(|verb| words.starts_with(verb));
            let may = permit(&auditor, Proof::Session { stepped_up: true }, *act).is_ok();
            assert_eq!(may, reads, "{act:?}");
            assert!(!policy.roles.is_empty() && !(reads && (policy.step_up || policy.second_person)));
        }
    }

    #[test]
    fn roles_are_asked_for_before_a_passkey_is() {
        let (none, finance) = (Roles::new(), Roles::from([Role::Finance]));
        let act = Act::ApprovePayment;
        assert_eq!(permit(&none, Proof::Token, act), Err(Refusal::RoleMissing));
        for proof in [Proof::Token, Proof::Session { stepped_up: false }] {
            assert_eq!(permit(&finance, proof, act), Err(Refusal::StepUpNeeded));
        }
        assert_eq!(permit(&finance, Proof::Session { stepped_up: true }, act), Ok(()));
    }
}
