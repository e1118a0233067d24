//! The table of `roles.rs`, held against every route for admins: each role, by token and by session, with and without a step-up.

use ecert_server::openapi::API;
use ecert_server::openapi::operation::{Caller, Operation};
use ecert_server::roles::{Act, Role};
use ecert_tests::app::TestApp;
use ecert_tests::clients::{Admin, Answer};
use reqwest::Method;

type Test = anyhow::Result<()>;

/// Routes of admins that no role is asked for: one's own session, and how it begins.
const OF_NO_ROLE: [&str; 7] = [
    "/v1/admin/registrations",
    "/v1/admin/registrations/{id}",
    "/v1/admin/session",
    "/v1/admin/session/step-ups",
    "/v1/admin/session/step-ups/{id}",
    "/v1/admin/sign-ins",
    "/v1/admin/sign-ins/{id}",
];

fn of_admins() -> impl Iterator<Item = &'static Operation> {
    API.operations().filter(|operation| operation.path.starts_with("/v1/admin/"))
}

#[test]
fn every_route_of_admins_is_one_act_of_the_table_and_every_act_has_a_route() {
    let mut acts = Vec::new();
    for operation in of_admins() {
        match operation.act {
            Some(act) => acts.push(act),
            None => assert!(OF_NO_ROLE.contains(&operation.path), "{} asks for no role", operation.path),
        }
    }
    for act in Act::ALL {
        // The list of actions and one of them are read by one act.
        let routes = if *act == Act::ReadActions { 2 } else { 1 };
        assert_eq!(acts.iter().filter(|found| *found == act).count(), routes, "{act:?}");
    }
    let others = API.operations().filter(|operation| !operation.path.starts_with("/v1/admin/"));
    let strays: Vec<_> =
        others.filter(|operation| matches!(operation.caller, Caller::Admin | Caller::SignedIn)).collect();
    assert!(strays.is_empty());
}

/// What a route says to an admin who sends nothing; what it would change does not exist.
async fn asked(admin: &Admin, operation: &Operation) -> anyhow::Result<String> {
    let method: Method = operation.method.to_uppercase().parse()?;
    let mut path = operation.path.to_owned();
    for parameter in operation.parameters.iter().filter(|parameter| parameter["in"] == "path") {
        let schema = parameter["schema"]["$ref"].as_str().unwrap_or_default();
        let prefix = match schema.rsplit('/').next().unwrap_or_default() {
            "AdminActionId" => "act",
            "AdminId" => "adm",
            "ApiKeyId" => "key",
            "CertificateId" => "crt",
            "HolderId" => "hol",
            "PaymentId" => "pay",
            "RelyingPartyId" => "rp",
            other => anyhow::bail!("an id of a kind that this story does not know: {other}"),
        };
        let name = format!("{{{}}}", parameter["name"].as_str().unwrap_or_default());
        path = path.replacen(&name, &format!("{prefix}_01ARZ3NDEKTSV4RRFFQ69G5FAV"), 1);
    }
    Ok(Answer::to(admin.request(method, &path)).await?.refusal())
}

#[actix_web::test]
async fn each_role_may_do_what_the_table_says_and_nothing_else() -> Test {
    let app = TestApp::start().await?;
    for role in Role::ALL {
        let signed_in = app.staff(&[role]).await?.admin;
        let stepped_up = app.staff(&[role]).await?.stepped_up().await?;
        let callers = [(app.script(&[role])?, false), (signed_in, false), (stepped_up, true)];
        for operation in of_admins() {
            let Some(act) = operation.act else { continue };
            let policy = act.policy();
            for (admin, stepped_up) in &callers {
                let said = asked(admin, operation).await?;
                let expected = match (policy.roles.contains(&role), policy.step_up && !stepped_up) {
                    (false, _) => Some("403 role-missing"),
                    (true, true) => Some("403 step-up-needed"),
                    (true, false) => None,
                };
                let refused = ["403 role-missing", "403 step-up-needed"].contains(&said.as_str());
                assert_eq!(expected, refused.then_some(said.as_str()), "{role:?} {act:?}");
                assert!(!said.starts_with("401") && !said.starts_with('5'), "{act:?} {said}");
            }
        }
    }
    Ok(())
}

#[test]
fn the_table_keeps_apart_what_one_person_must_not_do_alone() {
    let may = |role: Role, act: Act| act.policy().roles.contains(&role);
    for money in [Act::AnnouncePrices, Act::RecordPayment, Act::ApprovePayment, Act::ApproveRefund] {
        assert!(may(Role::Finance, money) && !may(Role::Operator, money), "{money:?}");
    }
    for people in [Act::RevokeCertificates, Act::RevokeHolder, Act::AdmitRelyingParty, Act::InviteAdmin] {
        assert!(may(Role::Operator, people) && !may(Role::Finance, people), "{people:?}");
    }
    let by_two: Vec<Act> = Act::ALL.iter().copied().filter(|act| act.policy().second_person).collect();
    assert_eq!(
        by_two,
        [
            Act::RevokeSponsored,
            Act::RevokeCertificates,
            Act::AnnouncePrices,
            Act::InviteAdmin,
            Act::ChangeRoles,
            Act::EndAdmin,
        ]
    );
}
