-- What each object is, for whoever reads the schema with \d+ or a catalogue of data. `init` runs
-- each statement whose object is there and has another comment (src/db/comments.rs); a view's gets
-- the digest of the view behind it. On public.user_logins, which belongs to the user, only where
-- there is no comment.

-- Schemas -----------------------------------------------------------------------------------------

comment on schema vault is
    'loginetl: data keys, their wraps, rotations, and the gate before every recovered value.';
comment on schema ingest is
    'loginetl: which messages are loaded, and those that could not be.';
comment on schema audit is
    'loginetl: the log of who did what with keys and values; appended to, never changed.';

-- The rows ----------------------------------------------------------------------------------------

comment on table public.user_logins is
    'A row a login event; personal fields are masked so that equal values still match. Written '
    'by loginetl load.';
comment on column public.user_logins.user_id is
    'The user, as the event says; null where the installation masks it.';
comment on column public.user_logins.device_type is
    'Kind of device, as the event says; null where it says none.';
comment on column public.user_logins.masked_ip is
    'Token of the IP address: ip1.<key>.<ciphertext>. Equal addresses have equal tokens; a '
    'rotation rewrites all of them.';
comment on column public.user_logins.masked_device_id is
    'Token of the device id: dev1.<key>.<ciphertext>. Equal devices have equal tokens; a '
    'rotation rewrites all of them.';
comment on column public.user_logins.masked_user_id is
    'Token of the user id: usr1.<key>.<ciphertext>. Equal users have equal tokens; a rotation '
    'rewrites all of them.';
comment on column public.user_logins.locale is
    'Locale, as the event says; null where it says none.';
comment on column public.user_logins.app_version is
    'Version of the app as an integer; by default major * 1000000 + minor * 1000 + patch.';
comment on column public.user_logins.create_date is
    'Day (UTC) on which the message was sent.';
comment on column public.user_logins.ip_hash is
    'Keyed hash of the IP address: the handle for unmask, and for joins over time. Null in rows '
    'from before loginetl.';
comment on column public.user_logins.device_id_hash is
    'Keyed hash of the device id: the handle for unmask, and for joins over time. Null in rows '
    'from before loginetl.';
comment on column public.user_logins.user_id_hash is
    'Keyed hash of the user id: the handle for unmask, and for joins over time. Null in rows '
    'whose user id is not masked.';

-- The vault ---------------------------------------------------------------------------------------

comment on table vault.data_keys is
    'A row a data key. The key itself is not here: its wraps are in vault.wraps. Written by init '
    'and rotate-keys.';
comment on column vault.data_keys.key_id is
    'Number of the key, as tokens name it. Never used again.';
comment on column vault.data_keys.purpose is
    'mask: tokens of values. hash: handles of values. seal: bodies in the quarantine.';
comment on column vault.data_keys.state is
    'pending, active, retiring, retired, destroyed; in this order, and no way back.';
comment on column vault.data_keys.check_value is
    'Tells whether an unwrapped key is the one that was wrapped; tells nothing of the key.';
comment on column vault.data_keys.created_at is
    'When the key was made.';
comment on column vault.data_keys.activated_at is
    'When it became the active key of its purpose.';
comment on column vault.data_keys.retired_at is
    'When nothing was under it any more.';
comment on column vault.data_keys.destroyed_at is
    'When its wraps were deleted.';
comment on sequence vault.key_ids is
    'Numbers of data keys.';

comment on table vault.wraps is
    'Each data key, encrypted by KMS, once for each holder. Written by init, rotate-keys and '
    'keys rewrap.';
comment on column vault.wraps.key_id is
    'The data key.';
comment on column vault.wraps.holder is
    'Who may unwrap it: ingest (loaders) or recovery (unmaskers).';
comment on column vault.wraps.kms_key_arn is
    'The KMS key that encrypted it.';
comment on column vault.wraps.wrapped is
    'The ciphertext of KMS.';
comment on column vault.wraps.created_at is
    'When this wrap was made.';

comment on table vault.rotation is
    'A row a sweep: one masked field moves from one pair of keys to another. Written by '
    'rotate-keys.';
comment on column vault.rotation.field is
    'The masked field.';
comment on column vault.rotation.from_key is
    'The mask key that the sweep replaces.';
comment on column vault.rotation.to_key is
    'The mask key that takes its place.';
comment on column vault.rotation.from_hash_key is
    'The hash key before; the sweep goes in the order of its hashes.';
comment on column vault.rotation.to_hash_key is
    'The hash key after; the same one unless the rotation is for a key that has leaked.';
comment on column vault.rotation.watermark is
    'Values whose hash is not above it have been moved; ffffffff-ffff-ffff-ffff-ffffffffffff: all.';
comment on column vault.rotation.started_at is
    'When the rotation began.';
comment on column vault.rotation.finished_at is
    'When it ended; null while it is unfinished.';

comment on table vault.mask_runs is
    'A row a run that masks or rewrites events outside of this database. Written by mask plan, '
    'mask commit and archive drop.';
comment on column vault.mask_runs.run is
    'The run, as its plan names it.';
comment on column vault.mask_runs.archive is
    'The archive that it adds to, or rewrites.';
comment on column vault.mask_runs.location is
    'Where that lies, as people find it.';
comment on column vault.mask_runs.keys is
    'The mask and hash keys that its tokens and hashes are under.';
comment on column vault.mask_runs.replaces is
    'Of a run that brings an archive under these keys: the committed runs that were there when it '
    'was planned. Null of any other.';
comment on column vault.mask_runs.plan_digest is
    'SHA-256 of the plan, by which commit knows it.';
comment on column vault.mask_runs.db_user is
    'The login that planned it.';
comment on column vault.mask_runs.planned_at is
    'When it was planned.';
comment on column vault.mask_runs.expires_at is
    'After this, no process begins to work by the plan.';
comment on column vault.mask_runs.state is
    'open; committed; waived: given up while it was open; replaced: a rewrite took its place; '
    'dropped: its archive is not there any more. The first two keep their keys.';
comment on column vault.mask_runs.ended_at is
    'When it left the state open, or the one after that.';
comment on column vault.mask_runs.row_count is
    'Masked lines, as its job says.';
comment on column vault.mask_runs.rejected_count is
    'Lines that were rejected, as its job says.';
comment on column vault.mask_runs.unopened_count is
    'Lines that a rewrite could not open, as its job says.';

comment on table vault.fields is
    'The fields that this installation masks, a row each. Written by init; a field never leaves '
    'it.';
comment on column vault.fields.field is
    'Name of the field.';
comment on column vault.fields.token_prefix is
    'What its tokens begin with.';
comment on column vault.fields.position is
    'Its place among the fields, from 1 on.';
comment on column vault.fields.masked_at is
    'From when on it is masked.';

comment on table vault.fence is
    'Loaders hold its lock shared for a batch, a rotation exclusively for a step. Has no columns '
    'and no rows.';

comment on table vault.schema_version is
    'The migrations that were applied, a row each; version 0 is the functions, views and '
    'triggers. Written by init.';
comment on column vault.schema_version.version is
    'Number of the migration.';
comment on column vault.schema_version.name is
    'Its name.';
comment on column vault.schema_version.applied_on is
    'When it was applied (RFC 3339).';
comment on column vault.schema_version.checksum is
    'Checksum of its text; of version 0, the SHA-256 of all files of functions.';

comment on view vault.plan is
    'The keys in force in one row, for the builds that know two masked fields; no row where '
    'there are more, or no keys.';
comment on view vault.field_plans is
    'The keys in force, a row a masked field; no row before the first keys.';
comment on column vault.field_plans.watermark is
    'Values whose hash under from_hash is not above it are under to_mask and to_hash; all others '
    'under from_mask and from_hash.';
comment on view vault.ingest_keys is
    'Wraps that a loader may have unwrapped: of keys in force, and of retired sealing keys for '
    'quarantine retry.';
comment on view vault.keys is
    'The data keys without wraps and check values.';
comment on view vault.wrap_holders is
    'The data keys with their holders and KMS keys, without the wraps.';
comment on view vault.archive_runs is
    'Runs that mask or rewrite events outside of this database, while they keep keys: open ones, '
    'and committed ones whose archive is there.';
comment on view vault.fence_holders is
    'Sessions that hold the fence or wait for it.';
comment on view vault.census is
    'How many rows are under which mask key, for each field. Reads the whole table.';
comment on column vault.census.key_id is
    'The key that tokens name; null for rows without a hash, which were there before loginetl.';

-- Ingest ------------------------------------------------------------------------------------------

comment on table ingest.ledger is
    'A row a message or file chunk whose effect is committed; a partition a day. Written by load '
    'in the transaction of its rows.';
comment on column ingest.ledger.sent_day is
    'Day (UTC) on which the message was sent; 1970-01-01 where that is not known, and for file '
    'chunks.';
comment on column ingest.ledger.message_id is
    'Id of the message, or of the chunk.';
comment on table ingest.ledger_19700101 is
    'Messages without a credible time, and file chunks. Never dropped.';

comment on table ingest.days is
    'The days for which the ledger has a partition. Written by ingest.ensure_day and '
    'ingest.drop_old_days.';
comment on column ingest.days.day is
    'The day (UTC).';
comment on column ingest.days.made_at is
    'When its partition was made.';

comment on table ingest.quarantine is
    'Messages that could not be loaded, each with its body encrypted. Written by load; emptied '
    'by quarantine retry and purge.';
comment on column ingest.quarantine.id is
    'Number of the message here.';
comment on column ingest.quarantine.message_id is
    'Its id in the queue, or one made from the file.';
comment on column ingest.quarantine.source is
    'queue or file.';
comment on column ingest.quarantine.sent_at is
    'When it was sent; null where that is not known.';
comment on column ingest.quarantine.received_at is
    'When loginetl read it.';
comment on column ingest.quarantine.receive_count is
    'How often it had been received by then; null for a file.';
comment on column ingest.quarantine.row_day is
    'The create_date that its row gets when it is loaded after all.';
comment on column ingest.quarantine.reason is
    'Why it could not be loaded, as a code.';
comment on column ingest.quarantine.field is
    'The field to blame; null where it is none.';
comment on column ingest.quarantine.length is
    'Length of what was too long or too short; null where that is not the reason.';
comment on column ingest.quarantine.seal_key_id is
    'The data key of the encryption.';
comment on column ingest.quarantine.sealed is
    'The body, encrypted under the sealing key.';
comment on column ingest.quarantine.quarantined_at is
    'When it came here.';
comment on view ingest.quarantine_summary is
    'How many messages are in the quarantine for which reason, and since when.';
comment on view ingest.bodies_by_key is
    'How many bodies are under which sealing key.';

-- The audit log -----------------------------------------------------------------------------------

comment on table audit.log is
    'A row a record; each carries the hash of the one before. Written by audit.append alone, '
    'never changed.';
comment on column audit.log.seq is
    'Number of the record, from 1 on, without gaps.';
comment on column audit.log.at is
    'When it was written, by the clock of the server.';
comment on column audit.log.xid is
    'The transaction that wrote it.';
comment on column audit.log.db_user is
    'The login that wrote it.';
comment on column audit.log.client is
    'Address of the client; null for a local socket.';
comment on column audit.log.application_name is
    'The program, as it calls itself.';
comment on column audit.log.kind is
    'What kind of record it is: key.create, unmask.request and so on.';
comment on column audit.log.record is
    'The record, as JSON text.';
comment on column audit.log.prev_hash is
    'The hash of the record before; 32 zero bytes for the first.';
comment on column audit.log.hash is
    'SHA-256 over all of the above; docs/audit-log.md says how.';

comment on table audit.head is
    'The last record. Whoever appends locks this row, so that the chain has no gap and no fork.';
comment on column audit.head.one is
    'Keeps it to one row.';
comment on column audit.head.seq is
    'Number of the last record; 0 before the first.';
comment on column audit.head.hash is
    'Its hash.';

comment on table audit.signatures is
    'KMS signatures of records, each over a hash that covers all records before. Written by '
    'audit.sign, never changed.';
comment on column audit.signatures.seq is
    'The record.';
comment on column audit.signatures.key_arn is
    'The KMS key that signed.';
comment on column audit.signatures.signature is
    'The signature: ECDSA on P-256, DER.';
comment on column audit.signatures.at is
    'When it was stored.';
comment on column audit.signatures.xid is
    'The transaction that stored it.';
comment on view audit.state is
    'The last record, and the last one that is signed.';
comment on column audit.state.last_signed is
    'Number of the last record with a signature; null where there is none.';
comment on view audit.created_keys is
    'The data keys whose creation is on record.';

-- Triggers ----------------------------------------------------------------------------------------

comment on trigger append_only on audit.log is
    'A record is never changed or deleted.';
comment on trigger append_only on audit.signatures is
    'A signature is never changed or deleted.';
comment on trigger stays on audit.head is
    'The one row is never deleted.';
comment on trigger legal_moves on vault.data_keys is
    'A key goes from state to state in one order, and is never deleted.';
comment on trigger stays on vault.fields is
    'A field that is masked stays masked.';
comment on trigger only_on on vault.rotation is
    'A watermark only rises, and what is finished stays finished.';

-- Functions ---------------------------------------------------------------------------------------

comment on function audit.refuse_change is
    'Trigger: refuses every change of the log.';
comment on function audit.append is
    'Adds a record to the chain. For functions of loginetl alone.';
comment on function audit.record is
    'Adds a record of a load, a key or a rotation, for the groups that may. For loaders, '
    'rotators and the owner.';
comment on function audit.sign is
    'Stores the signature of a committed record of the same login, once.';
comment on function audit.is_kept is
    'Whether a record of the same login stands in the log with a signature, both committed '
    'before this transaction.';
comment on function audit.own_unsigned is
    'Records of the same login that are due to be signed and are not.';

comment on function ingest.ensure_day is
    'Makes the partition of a day in the ledger, if there is none.';
comment on function ingest.drop_old_days is
    'Drops days whose messages SQS can no longer deliver; how many it dropped.';
comment on function ingest.count_written is
    'How many of these rows stand in the table as they were sent, written by the same transaction.';

comment on function ingest.estimate_quarantine is
    'How many messages are in quarantine, by reason and by sealing key, with margins: from a '
    'sample where the quarantine is large.';
comment on function ingest.accepts is
    'The guard: whether rows and bodies are under the keys in force, with just the masked fields '
    'masked. For loaders.';

comment on function vault.refuse_unmasking is
    'Trigger: refuses every change of a masked field.';
comment on function vault.lost_fields is
    'Fields that the log says are masked, and that vault.fields does not have any more.';
comment on function vault.mask_field is
    'Masks a field from now on, and records it; nothing if it is masked already. For init.';
comment on function vault.check_key_move is
    'Trigger: the legal states of a data key, and when it came to each.';
comment on function vault.check_watermark is
    'Trigger: a sweep only goes on.';
comment on function vault.replace_active is
    'Makes the pending key of a purpose the active one, and the active one retiring. For '
    'vault.start_rotation.';
comment on function vault.start_rotation is
    'Starts a rotation of these purposes, unless one runs, and records it. For rotators.';
comment on function vault.finish_rotation is
    'Ends a rotation that is through, retires keys that nothing is under, and records it. For '
    'rotators.';
comment on function vault.is_unused is
    'Whether nothing is under a key any more. Reads the whole table where that is so.';
comment on function vault.destroy_key is
    'Deletes the wraps of a retired key that nothing is under, and records it. For rotators.';
comment on function vault.replace_wrap is
    'Puts a wrap under another KMS key in the place of one, and records it. For rotators.';

comment on function vault.plan_mask_run is
    'Writes down that a run begins to mask or rewrite events outside of this database, and '
    'records it. For loaders and rotators.';
comment on function vault.commit_mask_run is
    'Registers what a run has made, if its keys are still there, and records it. For loaders and '
    'rotators.';
comment on function vault.drop_archive is
    'Lets an archive, or its open runs, keep no key any more, and records it. For rotators.';
comment on function vault.runs_to_drop is
    'Which runs of an archive are meant. For vault.drop_archive.';
comment on function vault.is_archived is
    'Whether something outside of this database is, or may come to be, under a key.';

comment on function vault.request_unmask is
    'Records who wants to recover what and why; granted to unmaskers, and to all others refused '
    'on record.';
comment on function vault.open_request is
    'A request of the same login that is committed, signed and not yet answered. For functions '
    'of the gate.';
comment on function vault.is_closed is
    'Whether a request of the same login has its outcome, or was withdrawn. For functions of the '
    'gate.';
comment on function vault.own_request is
    'A committed request of the same login and how it stands, to take it up again. For unmaskers.';
comment on function vault.release_key is
    'Records that a key is released for a request of the last five minutes. For unmaskers.';
comment on function vault.check_release is
    'Refuses a release that its request does not allow. For functions of the gate.';
comment on function vault.released_wrap is
    'The recovery wrap of a key whose release is committed and on disk. For unmaskers.';
comment on function vault.withdraw_request is
    'Closes a request for which no key was released, and records it. For unmaskers.';
comment on function vault.record_outcome is
    'Records what came of a request, and so closes it. For unmaskers.';

comment on function vault.blind_spots is
    'What keeps a role from seeing or writing all rows, a line each; none where nothing does.';
comment on function vault.refusing_publications is
    'Publications for which the server would refuse the updates of a rotation.';
comment on function vault.require_sight is
    'Ends the statement if the owner of these functions cannot see all rows.';
comment on function vault.count_rows is
    'How many rows are under which mask key, for each field. Behind vault.census.';
comment on function vault.is_sampled is
    'Whether a table has more blocks than are counted, and can be sampled.';
comment on function vault.sample_blocks is
    'Sums over a table from blocks chosen at random, each with its margin at 99.9 %. For the '
    'estimates.';
comment on function vault.estimate_rows is
    'How many rows are under which mask key, for each field, with margins: from a sample where '
    'the table is large. Nothing decides by it.';
comment on function vault.remember_rows is
    'Remembers rows until the end of the transaction, where triggers of others run on a step of '
    'a rotation.';
comment on function vault.are_rows_as_remembered is
    'Whether the rows are what they were when they were remembered, but for the columns that the '
    'step changes.';
comment on function vault.summarise_rows is
    'A count of rows and a sum over the columns that a step leaves alone. For the two functions '
    'that remember.';
