-- What \d+ and \df+ say of imports and of the backfill.

COMMENT ON TABLE keypool.request_imports IS
  'Tables whose requests were copied into the log, and how far. Delete a row to forget an import.';
COMMENT ON SEQUENCE keypool.request_imports_id_seq IS 'Ids of imports.';
COMMENT ON COLUMN keypool.request_imports.id IS 'Id of the import.';
COMMENT ON COLUMN keypool.request_imports.source IS 'The table; NULL once it was dropped.';
COMMENT ON COLUMN keypool.request_imports.source_name IS 'Its name when it was last imported.';
COMMENT ON COLUMN keypool.request_imports.importer IS
  'Role that asked for it, and with whose rights the table is read.';
COMMENT ON COLUMN keypool.request_imports.columns IS
  'Where columns of the log come from, as import_requests() was told.';
COMMENT ON COLUMN keypool.request_imports.follow IS 'Whether a trigger copies new rows.';
COMMENT ON COLUMN keypool.request_imports.state IS
  'running, done, stopped (its caller went) or failed (see error). The next call goes on.';
COMMENT ON COLUMN keypool.request_imports.key_columns IS
  'Columns in whose order rows are copied; NULL where there is no key.';
COMMENT ON COLUMN keypool.request_imports.reached IS 'Key of the last row copied.';
COMMENT ON COLUMN keypool.request_imports.up_to IS 'Key of the last row to copy.';
COMMENT ON COLUMN keypool.request_imports.row_statements IS
  'What the trigger runs for a new row: to copy it, to say why not, to note its key.';
COMMENT ON COLUMN keypool.request_imports.row_columns IS 'Columns that it passes to them.';
COMMENT ON COLUMN keypool.request_imports.row_version IS 'Changes when these statements do.';
COMMENT ON COLUMN keypool.request_imports.days IS 'Days (UTC) that are to get partitions first.';
COMMENT ON COLUMN keypool.request_imports.rows_total IS
  'Rows to read when it was last begun; NULL where nobody counted.';
COMMENT ON COLUMN keypool.request_imports.rows_read IS 'Rows read since then.';
COMMENT ON COLUMN keypool.request_imports.rows_copied IS
  'Rows copied in all, without those of the trigger.';
COMMENT ON COLUMN keypool.request_imports.rows_refused IS
  'Rows that could not be copied, without those of the trigger.';
COMMENT ON COLUMN keypool.request_imports.attempts IS
  'How many workers have taken it up since it last got any further.';
COMMENT ON COLUMN keypool.request_imports.error IS 'Why it stopped or failed.';
COMMENT ON COLUMN keypool.request_imports.started_at IS 'When it was last begun.';
COMMENT ON COLUMN keypool.request_imports.updated_at IS 'When it last got any further.';
COMMENT ON COLUMN keypool.request_imports.finished_at IS 'When it ended, well or not.';

COMMENT ON TABLE keypool.request_import_refusals IS
  'Rows that could not be copied: of each import the first 1000, and all that its trigger met.';
COMMENT ON SEQUENCE keypool.request_import_refusals_id_seq IS 'Ids of refusals.';
COMMENT ON COLUMN keypool.request_import_refusals.id IS 'Id of the refusal.';
COMMENT ON COLUMN keypool.request_import_refusals.import_id IS
  'The import, in keypool.request_imports.';
COMMENT ON COLUMN keypool.request_import_refusals.source_key IS
  'The row''s key in its table, as text; NULL where that has none.';
COMMENT ON COLUMN keypool.request_import_refusals.reason IS 'Why.';
COMMENT ON COLUMN keypool.request_import_refusals.followed IS 'Whether it was the trigger.';
COMMENT ON COLUMN keypool.request_import_refusals.refused_at IS 'When.';

COMMENT ON TABLE keypool.request_import_notes IS
  'Rows that a trigger has copied and that the import must pass over; empty once that is done.';
COMMENT ON COLUMN keypool.request_import_notes.import_id IS
  'The import, in keypool.request_imports.';
COMMENT ON COLUMN keypool.request_import_notes.source_key IS
  'The row''s key in its table, as text.';

COMMENT ON TRIGGER stop_restored_import ON keypool.request_imports IS
  'An import that was running when it was dumped is stopped where it is restored.';

COMMENT ON VIEW keypool.import_progress IS 'Imports and how far they are, the latest first.';
COMMENT ON COLUMN keypool.import_progress.import_id IS 'Id of the import.';
COMMENT ON COLUMN keypool.import_progress.source IS 'The table that is imported.';
COMMENT ON COLUMN keypool.import_progress.importer IS 'Role that asked for it.';
COMMENT ON COLUMN keypool.import_progress.state IS
  'running, done, stopped (its caller went) or failed (see error). The next call goes on.';
COMMENT ON COLUMN keypool.import_progress.follow IS 'Whether a trigger copies new rows.';
COMMENT ON COLUMN keypool.import_progress.rows_total IS 'Rows to read when it was last begun.';
COMMENT ON COLUMN keypool.import_progress.rows_read IS 'Rows read since then.';
COMMENT ON COLUMN keypool.import_progress.rows_copied IS
  'Rows copied in all, without those of the trigger.';
COMMENT ON COLUMN keypool.import_progress.rows_refused IS
  'Rows that could not be copied, those of the trigger included.';
COMMENT ON COLUMN keypool.import_progress.percent IS 'Share of rows_total that was read, 0 to 100.';
COMMENT ON COLUMN keypool.import_progress.rows_per_second IS 'Rows read a second.';
COMMENT ON COLUMN keypool.import_progress.eta IS 'When it will be done at that rate.';
COMMENT ON COLUMN keypool.import_progress.error IS 'Why it stopped or failed.';
COMMENT ON COLUMN keypool.import_progress.started_at IS 'When it was last begun.';
COMMENT ON COLUMN keypool.import_progress.updated_at IS 'When it last got any further.';
COMMENT ON COLUMN keypool.import_progress.finished_at IS 'When it ended, well or not.';

COMMENT ON FUNCTION @extschema@.import_requests(regclass, jsonb, bool)
IS 'Copies requests of another table into the log; again: what is new there. Returns how many.';
COMMENT ON FUNCTION @extschema@.backfill_requests(int)
IS 'Marks logged requests as anonymous, attaches keys and prices them, where that became known.';
COMMENT ON FUNCTION keypool.stop_following(regclass)
IS 'Removes the trigger of import_requests(follow => true). False: there was none.';
COMMENT ON FUNCTION keypool.follow_request() IS 'Trigger: copies a new row of an imported table.';
COMMENT ON FUNCTION keypool.is_followed(regclass) IS 'Whether that trigger is on a table.';
COMMENT ON FUNCTION keypool.import_days(date[])
IS 'Of some days, those that could have partitions and have none, at most 400.';
COMMENT ON FUNCTION keypool.make_import_days(bigint)
IS 'Makes partitions for an import, a few at a time; returns how many are left to make.';
COMMENT ON FUNCTION keypool.tell_import_gaps(regclass, jsonb)
IS 'Notices of what an import leaves out.';
COMMENT ON FUNCTION keypool.prepare_import(regclass, name, jsonb, bool)
IS 'Checks what import_requests() was asked for, and looks up what was imported earlier.';
COMMENT ON FUNCTION keypool.import_order(
  regclass, name, jsonb, bool, text[], bigint, date[])
IS 'An import on its way to whoever does it.';
COMMENT ON FUNCTION keypool.begin_import(jsonb, bool) IS 'Begins an import, or goes on with it.';
COMMENT ON FUNCTION keypool.change_import(regclass, jsonb)
IS 'Other columns for an import whose trigger is all that goes on.';
COMMENT ON FUNCTION keypool.finish_import(bigint) IS 'Ends an import.';
COMMENT ON FUNCTION keypool.stop_restored_import()
IS 'Trigger: an import is not running where it was restored.';
COMMENT ON FUNCTION keypool.import_targets() IS 'Columns of the log that can be imported.';
COMMENT ON FUNCTION keypool.import_source_columns(regclass)
IS 'Columns of a table and the types that an import reads them as.';
COMMENT ON FUNCTION keypool.import_key(regclass)
IS 'Columns in whose order a table is imported, and whether new rows come last in it.';
COMMENT ON FUNCTION keypool.import_value(text, regtype, text)
IS 'SQL for an expression of some type as a value of some kind; NULL: it cannot be one.';
COMMENT ON FUNCTION keypool.import_origins(regclass, jsonb)
IS 'Where each column of the log comes from in an import.';
COMMENT ON FUNCTION keypool.import_expression(text, text, regtype, jsonb, jsonb, text[])
IS 'SQL for the value of one column of the log.';
COMMENT ON FUNCTION keypool.is_import_spec(text, jsonb)
IS 'Whether a member of a mapping has one of the forms it may have.';
COMMENT ON FUNCTION keypool.named_in_import(text, jsonb)
IS 'Columns of the source that a member of a mapping names.';
COMMENT ON FUNCTION keypool.check_import_column(regclass, text, jsonb)
IS 'Refuses a member of a mapping that makes no sense.';
COMMENT ON FUNCTION keypool.check_import(regclass, jsonb)
IS 'Refuses a mapping, or a table, that cannot be imported.';
COMMENT ON FUNCTION keypool.import_rows(regclass, jsonb, text, bool)
IS 'SQL for a batch as rows of the log.';
COMMENT ON FUNCTION keypool.import_refusal() IS 'SQL for why a row cannot be one of the log.';
COMMENT ON FUNCTION keypool.import_insertion()
IS 'Columns of the log, and SQL for what an import puts into them.';
COMMENT ON FUNCTION keypool.careful_import(text, text)
IS 'SQL that inserts rows, passes over those logged already, and says which it did not insert.';
COMMENT ON FUNCTION keypool.import_reads(regclass, jsonb) IS 'Columns that an import reads.';
COMMENT ON FUNCTION keypool.plan_import_reading(regclass, jsonb)
IS 'Statements that read a table to be imported.';
COMMENT ON FUNCTION keypool.plan_import_writing(bigint, regclass, jsonb, bool)
IS 'Statements that write what was read into the log.';
COMMENT ON FUNCTION keypool.plan_import_row(bigint, regclass, jsonb)
IS 'Statements of the trigger that follows a table.';
COMMENT ON FUNCTION keypool.backfill_steps() IS 'Statements of backfill_requests().';
COMMENT ON FUNCTION keypool.backfill_partition(regclass, text, int, text)
IS 'One step of backfill_requests() on one partition.';
COMMENT ON FUNCTION keypool.backfill(int) IS 'All steps of backfill_requests().';
