//! `loginetl init`: roles, schema, first keys. Run it as often as you like, and twice at once.

use serde::Serialize;

use crate::cli::{Format, Global, InitArgs};
use crate::db::TableFinding;
use crate::error::{Error, Exit};
use crate::kms::Kms;
use crate::settings::Environment;
use crate::vault::{Created, KmsKeys, Signer, create_missing_keys};
use crate::{aws, output};

/// Creates or upgrades what is missing, and says what it did.
///
/// # Errors
/// When the role may not, an existing table does not fit, or KMS does not wrap.
pub async fn run(args: InitArgs, global: Global, environment: &Environment) -> Result<Exit, Error> {
    let target = super::database(global, environment, "init")?;
    let kms = Kms::new(&aws::configuration().await?);
    let mut lock = target.connect().await?.lock_init().await?;
    let (migrations, finding) = lock.upgrade().await?;
    let names_keys = args.ingest_key.is_some() || args.recovery_key.is_some();
    let keys = KmsKeys { ingest: environment.ingest_key(args.ingest_key), recovery: environment.recovery_key(args.recovery_key) };
    let signer = Signer::new(kms.clone(), environment.audit_key(args.audit_key));
    let created = create_missing_keys(&mut lock, &kms, &signer, &keys).await?;
    if names_keys && created.is_empty() {
        output::note(
            "the data keys are there already and stay under their KMS keys: --ingest-key and --recovery-key had no effect",
        );
    }
    report(args.format, &migrations, &finding, &created)?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Report<'a> {
    migrations: &'a [String],
    table_existed: bool,
    columns_added: &'a [&'static str],
    rows_without_hash: bool,
    keys_created: Vec<KeyReport>,
}

#[derive(Serialize)]
struct KeyReport {
    purpose: &'static str,
    key_id: String,
}

fn report(format: Format, migrations: &[String], finding: &TableFinding, created: &[Created]) -> Result<(), Error> {
    if format == Format::Json {
        let keys = created.iter().map(|c| KeyReport { purpose: c.purpose.name(), key_id: c.key_id.to_string() });
        return output::json(&Report {
            migrations,
            table_existed: finding.existed,
            columns_added: &finding.missing,
            rows_without_hash: finding.has_unmasked_rows,
            keys_created: keys.collect(),
        });
    }
    for migration in migrations {
        output::line(&format!("schema   applied {migration}"))?;
    }
    if finding.existed && !finding.missing.is_empty() {
        output::line(&format!("table    user_logins was there; added {}", finding.missing.join(", ")))?;
    }
    if finding.has_unmasked_rows {
        output::line("table    user_logins holds rows without hashes: they stay as they are, and match nothing by hash")?;
    }
    for key in created {
        output::line(&format!("keys     {} key {} is active, wrapped for ingest and recovery", key.purpose.name(), key.key_id))?;
    }
    if migrations.is_empty() && created.is_empty() {
        output::line("nothing to do: schema and keys are up to date")?;
    }
    output::line("ready    next: grant loginetl_loader to a login, then: loginetl load")
}
