//! `loginetl init`: roles, schema, first keys. Run it as often as you like,
//! and twice at once.

use serde::Serialize;

use crate::audit::RecordKind;
use crate::cli::{Format, Global, InitArgs};
use crate::db::{Deviation, Initialised, Remedy};
use crate::error::{Error, Exit};
use crate::settings::Environment;
use crate::token::Field;
use crate::vault::{Created, KmsKeys, Signer, create_missing_keys};
use crate::{commands, output};

/// Creates or upgrades what is missing, and says what it did.
///
/// # Errors
/// When the role may not, an existing table does not fit, or KMS does not wrap.
pub(crate) async fn run(
    args: InitArgs,
    global: Global,
    environment: &Environment,
) -> Result<Exit, Error> {
    let target = super::database(global, environment, "init")?;
    let kms = commands::kms(environment).await?;
    let mut session = target.connect().await?;
    let signer = Signer::new(kms.clone(), environment.audit_key(args.audit_key));
    if !args.mask.0.is_empty() {
        // For good: nothing is begun that could not be signed.
        signer.try_out().await?;
    }
    let done = session.initialise(args.mask.0).await?;
    // The function that masks a field writes these records, and nothing else does.
    signer.catch_up(&session, RecordKind::FieldMask, |_| true).await?;
    let others = session.logins_that_must_sign(RecordKind::FieldMask).await?;
    for login in &others {
        output::warning(&format!(
            "the record of a masked field waits for a signature: run init as {}",
            output::printable(login)
        ));
    }
    let names_keys = args.ingest_key.is_some() || args.recovery_key.is_some();
    let keys = KmsKeys {
        ingest: environment.ingest_key(args.ingest_key),
        recovery: environment.recovery_key(args.recovery_key),
    };
    let beside = target.connect().await?;
    let turn = beside.turn_to_make_keys().await?;
    let created = create_missing_keys(&mut session, &kms, &signer, &keys).await?;
    drop(turn);
    if names_keys && created.is_empty() {
        output::note(
            "the data keys are there already and stay under their KMS keys: --ingest-key and \
             --recovery-key had no effect",
        );
    }
    report(args.format, &done, &created)?;
    let is_done = others.is_empty() && done.left.iter().all(|deviation| deviation.is_privilege);
    Ok(if is_done { Exit::Done } else { Exit::Attention })
}

#[derive(Serialize)]
struct InitReport<'a> {
    migrations: &'a [String],
    table_existed: bool,
    columns_added: &'a [&'static str],
    rows_without_hash: bool,
    repaired: &'a [String],
    left: Vec<&'a str>,
    keys_created: Vec<KeyReport>,
    masked_fields: Vec<&'static str>,
}

impl<'a> InitReport<'a> {
    fn of(done: &'a Initialised, created: &[Created]) -> Self {
        let Initialised { migrations, table, repaired, left, fields, .. } = done;
        let keys = created
            .iter()
            .map(|c| KeyReport { purpose: c.purpose.name(), key_id: c.key_id.to_string() });
        Self {
            migrations,
            table_existed: table.existed,
            columns_added: &table.missing,
            rows_without_hash: table.has_unmasked_rows,
            repaired,
            left: left.iter().map(|deviation| deviation.what.as_str()).collect(),
            keys_created: keys.collect(),
            masked_fields: fields.fields().map(Field::name).collect(),
        }
    }
}

#[derive(Serialize)]
struct KeyReport {
    purpose: &'static str,
    key_id: String,
}

fn report(format: Format, done: &Initialised, created: &[Created]) -> Result<(), Error> {
    if format == Format::Json {
        return output::json(&InitReport::of(done, created));
    }
    let Initialised { migrations, table, repaired, left, newly_masked, .. } = done;
    for migration in migrations {
        output::line(&format!("schema   applied {migration}"))?;
    }
    if !table.existed {
        output::line("table    user_logins was not there; made it")?;
    } else if !table.missing.is_empty() {
        output::line(&format!(
            "table    user_logins was there; added {}",
            table.missing.join(", ")
        ))?;
    }
    if table.has_unmasked_rows {
        output::line(
            "table    user_logins holds rows without hashes: they stay as they are, and match \
             nothing by hash",
        )?;
    }
    for field in newly_masked {
        let (name, column) = (field.name(), field.flags().column);
        output::line(&format!(
            "masked   {name} is masked from now on; loginetl backfill --{column} {name} masks the \
             rows that are there"
        ))?;
    }
    for what in repaired {
        output::line(&format!("repaired {}", output::printable(what)))?;
    }
    for key in created {
        output::line(&format!(
            "keys     {} key {} is active, wrapped for ingest and recovery",
            key.purpose.name(),
            key.key_id
        ))?;
    }
    let is_unchanged = migrations.is_empty()
        && created.is_empty()
        && repaired.is_empty()
        && newly_masked.is_empty();
    if is_unchanged && table.existed && table.missing.is_empty() {
        output::line("nothing to do: schema and keys are up to date")?;
    }
    for Deviation { what, remedy, .. } in left {
        let remedy =
            if let Remedy::Person(remedy) = remedy { remedy } else { "loginetl could not end it" };
        output::warning(&format!("left: {}: {remedy}", output::printable(what)));
    }
    output::line("ready    next: grant loginetl_loader to a login, then: loginetl load")
}
