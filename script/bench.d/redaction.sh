# Rows about redaction; sourced by script/bench. Ordinary statements, none of which shows a secret.

# statements: psql input that measures a statement's CPU time in the server, with redaction and
# without it in turn, in one session. Prints lines "on nanoseconds" and "off nanoseconds".
statements() {
  local turn state times=2000
  echo '\o /dev/null'
  for ((turn = 0; turn < 4 * rounds; ++turn)); do
    # Who comes second finds warm caches: each does, every other time.
    for state in $([ $((turn % 2)) = 0 ] && echo on off || echo off on); do
      echo "SET keypool.redact = $state;"
      echo 'SELECT bench.cpu_ns() AS before \gset'
      awk -v n="$times" -v seed="$turn" 'BEGIN {
        srand(seed)
        for (i = 0; i < n; ++i)
          printf "SELECT abalance FROM pgbench_accounts WHERE aid = %d;\n", 1 + rand() * 10000
      }'
      echo "SELECT (bench.cpu_ns() - :before) / $times AS cost \\gset"
      echo "\\echo $state :cost"
    done
  done
}

row_redact() {
  sql -c 'CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, abalance int)' \
    -c 'INSERT INTO pgbench_accounts SELECT g, g FROM generate_series(1, 10000) g' \
    -c 'VACUUM ANALYZE pgbench_accounts'
  statements >"$work/redact.sql"
  redact_of all 'a SELECT with log_statement = all (CPU)' '≥ 0.98 ×'
  redact_of none 'a SELECT that is not logged (CPU)' '≥ 0.98 ×'
  sql -c 'DROP TABLE pgbench_accounts'
}

# redact_of LOG_STATEMENT PATH GOAL
redact_of() {
  local figures=$work/redact
  PGOPTIONS="-c log_statement=$1" sql -f "$work/redact.sql" |
    awk 'NR > 4 { cost[$1] = $2 } NR > 4 && NR % 2 == 0 {
      print cost["on"], cost["off"], cost["off"] / cost["on"] }' >"$figures"
  take_medians "$figures"
  report "$2" "$(ns "$ours")" "keypool.redact off: $(ns "$other")" "$(times "$faster")" "$3" \
    "$(at_least "$faster" 0.98)" "psql -f redact.sql"
}
