//! `ecert admin`

use clap::Subcommand;
use jiff::SignedDuration;
use wallet_core::ids::AdminId;

use crate::app::open_stores;
use crate::config::Config;
use crate::edge::clock::SystemClock;
use crate::edge::passkeys::Passkeys;
use crate::flow::admins;
use crate::roles::{Role, Roles};

#[derive(Subcommand)]
pub(super) enum AdminAction {
    /// Invite the first admin, who invites the others: print the link where they make a passkey, once
    #[command(
        after_help = "Example:\n  ecert admin bootstrap --name alice --public-url https://id.example.com"
    )]
    Bootstrap {
        /// Who it is, for the record
        #[arg(long)]
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Add a script and print its bearer token, once
    #[command(
        after_help = "Example:\n  ecert admin add --name nightly-report --role auditor --expires-in-days 30"
    )]
    Add {
        /// What it is, for the record
        #[arg(long)]
        name: String,
        /// What for; several times for several roles
        #[arg(long = "role", value_enum, required = true)]
        roles: Vec<Role>,
        /// After how many days the token ends
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..))]
        expires_in_days: u16,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// End an admin at once, when nobody with a passkey can: it is lost, or in wrong hands
    #[command(after_help = "Example:\n  ecert admin end adm_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    End {
        /// Whom
        id: AdminId,
    },
}

pub(super) fn run(config: &Config, action: AdminAction) -> anyhow::Result<()> {
    let store = open_stores(config, 1)?.rps;
    match action {
        AdminAction::Bootstrap { name, json } => {
            let url = config.public_url.clone().unwrap_or_else(|| format!("http://{}", config.listen));
            let passkeys = Passkeys::of(&url)?;
            anyhow::ensure!(
                passkeys.are_available(),
                "a passkey is made for a host name, and {url} is an IP address: set --public-url to https:// and the service's name"
            );
            let secret = admins::bootstrap(&store, &SystemClock, &name)?;
            let link = admins::invitation_link(passkeys.address(), &secret);
            if json {
                println!("{}", serde_json::json!({ "link": link, "invitation": secret }));
            } else {
                println!("{name} may open this link within an hour, once, and make a passkey:\n{link}");
            }
        }
        AdminAction::Add { name, roles, expires_in_days, json } => {
            let (roles, lasts) =
                (Roles::from_iter(roles), SignedDuration::from_hours(24 * i64::from(expires_in_days)));
            let admin = admins::add(&store, &SystemClock, &name, &roles, lasts)?;
            if json {
                println!("{}", serde_json::json!({ "id": admin.id, "token": admin.token }));
            } else {
                println!("{} may use this bearer token; it is not shown again:\n{}", admin.id, admin.token);
            }
        }
        AdminAction::End { id } => {
            admins::end_at_once(&store, &SystemClock, id)?;
            println!("{id} is ended: passkeys, sessions and token are refused from now on");
        }
    }
    Ok(())
}
