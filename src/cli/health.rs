//! The flags of `health`.

use std::net::SocketAddr;

use clap::Args;

/// `health`.
#[derive(Args)]
#[command(after_help = "\
For images without a shell: what curl would ask of load --listen. It ends within
four seconds, and needs neither database nor AWS. Whatever is not 200 is exit 4.

Examples:
  loginetl health                     does the process work?
  loginetl health --ready             does it load, or could it?
  loginetl health '[::1]:9464'")]
pub(crate) struct HealthArgs {
    /// Where a load with --listen answers
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:9464")]
    pub address: SocketAddr,
    /// Ask /readyz and not /healthz
    #[arg(long)]
    pub ready: bool,
}
