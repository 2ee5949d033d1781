# Rows about the audit log; sourced by script/bench.

# audit_picks MODE: what new sessions of the server do from here on.
audit_picks() {
  sql -c "ALTER SYSTEM SET keypool.audit_picks = '$1'" -c 'SELECT pg_reload_conf()' >"$work/mode.log"
  until [ "$(sql -c 'SHOW keypool.audit_picks')" = "$1" ]; do sleep 0.05; done
}

# The setting is the whole server's: what is compared takes turns, a session each.
row_audit() {
  local round own their figures=$work/audit
  for ((round = 0; round < 2 * rounds; ++round)); do
    audit_picks aggregated
    own=$(cost_in postgres "pick_key('bench_16')" 500000)
    audit_picks off
    their=$(cost_in postgres "pick_key('bench_16')" 500000)
    echo "$own $their $(quotient "$their" "$own")"
  done >"$figures"
  sql -c 'ALTER SYSTEM RESET keypool.audit_picks' -c 'SELECT pg_reload_conf()' >"$work/mode.log"
  take_medians "$figures"
  report 'pick_key in the server, audit of picks aggregated (CPU)' "$(ns "$ours")" \
    "off: $(ns "$other")" "$(times "$faster")" '≥ 0.95 ×' "$(at_least "$faster" 0.95)" \
    "psql -c \"SELECT bench.cost(\$\$pick_key('bench_16')\$\$, 500000, 0)\""
  row_audited_keys
}

# Everything that manages keys is audited; without, it is as the entries alone: a transaction that
# changes a limit of one key, against the same with the trigger out of the way.
row_audited_keys() {
  local round own their figures=$work/audited_keys
  local edit="UPDATE keypool.api_keys SET rate_limit = 100000 + g WHERE id = 1"
  for ((round = 0; round < rounds; ++round)); do
    own=$(cost_of_edits ENABLE "$edit")
    their=$(cost_of_edits DISABLE "$edit")
    echo "$own $their $(quotient "$their" "$own")"
  done >"$figures"
  sql -c 'ALTER TABLE keypool.api_keys ENABLE ALWAYS TRIGGER note_row_change'
  take_medians "$figures"
  report 'a limit of a key changed and committed (CPU)' "$(ns "$ours")" \
    "without its audit entry: $(ns "$other")" "$(times "$faster")" '' '-' "$edit"
}

# cost_of_edits ENABLE|DISABLE STATEMENT: CPU nanoseconds of a transaction that nobody waits for.
cost_of_edits() {
  local state=DISABLE
  [ "$1" = DISABLE ] || state='ENABLE ALWAYS'
  sql <<SQL
ALTER TABLE keypool.api_keys $state TRIGGER note_row_change;
SET synchronous_commit = off;
CREATE PROCEDURE pg_temp.edits(times int) LANGUAGE plpgsql AS
  \$\$ BEGIN FOR g IN 1 .. times LOOP $2; COMMIT; END LOOP; END \$\$;
CALL pg_temp.edits(100);
SELECT bench.cpu_ns() AS before \gset
CALL pg_temp.edits(2000);
SELECT (bench.cpu_ns() - :before) / 2000;
SQL
}
