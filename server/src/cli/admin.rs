//! `ecert admin`

use clap::Subcommand;

use crate::app::open_stores;
use crate::config::Config;
use crate::edge::clock::SystemClock;
use crate::flow::admins;

#[derive(Subcommand)]
pub(super) enum AdminAction {
    /// Add an admin and print their token, once
    #[command(after_help = "Example:\n  ecert admin add --name alice")]
    Add {
        /// Who it is, for the record
        #[arg(long)]
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(config: &Config, action: AdminAction) -> anyhow::Result<()> {
    let AdminAction::Add { name, json } = action;
    let admin = admins::add(&open_stores(config, 1)?.rps, &SystemClock, &name)?;
    if json {
        println!("{}", serde_json::json!({ "id": admin.id, "token": admin.token }));
    } else {
        println!("{} may use this bearer token; it is not shown again:\n{}", admin.id, admin.token);
    }
    Ok(())
}
