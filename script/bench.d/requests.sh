# Rows about the request log; sourced by script/bench, which sets requests (how many the log holds
# for the views). They count the clock on the wall.

log_tables=no
log_filled=no

# Nothing folds meanwhile but what a row asks for.
need_log_tables() {
  [ "$log_tables" = no ] || return 0
  need_cluster
  copy_file=$work/requests.copy
  quietly requests sql -v copy_file="$copy_file" -f "$ROOT/tests/bench/sql/requests.sql"
  log_tables=yes
}

need_filled_log() {
  [ "$log_filled" = no ] || return 0
  need_log_tables
  step "filling the log with $requests requests"
  quietly partitions sql -c "SELECT keypool.ensure_request_partitions(current_date - 30, current_date)"
  quietly fill sql -c "CALL requests.fill($requests)"
  quietly fold sql -c 'SELECT keypool.fold_requests()' -c 'VACUUM ANALYZE'
  log_filled=yes
}

# So that nobody's indexes are deeper than the other's.
empty_tables() {
  sql -c 'TRUNCATE keypool.chat_completion_requests, requests.plain, requests.own' \
    -c 'CHECKPOINT' >"$work/empty.log"
}

# With the commit's flush to disk, and without.
row_insert() {
  local flush
  for flush in on off; do
    empty_tables
    export PGOPTIONS="-c synchronous_commit=$flush"
    side_by_side log_insert log_plain 1 4
    report "plain INSERT into the log, synchronous_commit $flush" "$(rate "$ours")" \
      "the same table, no trigger: $(rate "$other")" "$(times "$faster")" '≥ 0.97 ×' \
      "$(at_least "$faster" 0.97)" "PGOPTIONS='$PGOPTIONS' ${command[*]}"
    side_by_side log_insert log_own 1 4
    report "the same, synchronous_commit $flush" "$(rate "$ours")" \
      "no trigger, column xid or its index: $(rate "$other")" "$(times "$faster")" '' '-' \
      "PGOPTIONS='$PGOPTIONS' ${command[*]}"
  done
  unset PGOPTIONS
}

row_log_request() {
  local flush
  for flush in on off; do
    empty_tables
    export PGOPTIONS="-c synchronous_commit=$flush"
    side_by_side log_request log_insert 1 4
    report "log_request, synchronous_commit $flush" "$(rate "$ours")" \
      "plain INSERT into the log: $(rate "$other")" "$(times "$faster")" '≥ 1.05 ×' \
      "$(at_least "$faster" 1.05)" "PGOPTIONS='$PGOPTIONS' ${command[*]}"
    side_by_side log_request log_own 1 4
    report "the same, synchronous_commit $flush" "$(rate "$ours")" \
      "INSERT, no trigger, no column xid: $(rate "$other")" "$(times "$faster")" '' '-' \
      "PGOPTIONS='$PGOPTIONS' ${command[*]}"
  done
  unset PGOPTIONS
}

# Each round writes the same 10,000 rows into both, three times.
row_copy() {
  local way round figures=$work/copy own their
  for way in COPY INSERT; do
    empty_tables
    for ((round = 0; round < 3 * rounds; ++round)); do
      own=$(write_rows "$way" keypool.chat_completion_requests)
      their=$(write_rows "$way" requests.plain)
      echo "$own $their $(quotient "$their" "$own")"
    done >"$figures"
    take_medians "$figures"
    report "$way of 10,000 rows" "$(ns "${ours}e6")" "the same table, no trigger: $(ns "${other}e6")" \
      "$(times "$faster")" '≥ 0.90 ×' "$(at_least "$faster" 0.90)" \
      "psql -c \"SELECT requests.write('$way', …, '$copy_file')\""
  done
}

write_rows() { sql -c "SELECT requests.write('$1', '$2', '$copy_file')"; }

# What one million rows cost to write by COPY, and then to fold.
row_fold() {
  local round written folded figures=$work/folds statement
  statement="SELECT keypool.fold_requests()"
  sql -c 'ALTER SYSTEM SET keypool.worker = off' -c 'SELECT pg_reload_conf()' >"$work/reload.log"
  for ((round = 0; round < 3; ++round)); do
    sql -c "$statement" >"$work/fold.log"
    written=$(sql -c "SELECT sum(requests.write('COPY', 'keypool.chat_completion_requests',
                      '$copy_file')) FROM generate_series(1, 100)")
    folded=$(timed "$statement" | tail -n 1)
    echo "$folded $written $(quotient "$written" "$folded")"
  done >"$figures"
  sql -c 'ALTER SYSTEM RESET keypool.worker' -c 'SELECT pg_reload_conf()' >"$work/reload.log"
  take_medians "$figures"
  report 'folding a million requests' "$(ns "${ours}e6")" "writing them by COPY: $(ns "${other}e6")" \
    "$(times "$faster")" 'at most 10 % of it' "$(at_least "$faster" 10)" "psql -c \"$statement\""
}

row_views() {
  view_against api_key_tracking_quality quality
  view_against api_key_tracking_trend trend
  view_against key_source_usage usage
  view_against request_costs costs
  view_against model_comparison models
}

# warm STATEMENT: milliseconds of the third time in one session, as a dashboard's connection has it.
warm() {
  sql -o /dev/null -c '\timing on' -c "$1" -c "$1" -c "$1" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' |
    tail -n 1
}

# view_against OURS OTHER: the scan of the whole log is measured once a row, ours in every round.
view_against() {
  local round other statement="SELECT * FROM keypool.$1"
  other=$(warm "SELECT * FROM requests.$2")
  ours=$(for ((round = 0; round < rounds; ++round)); do warm "$statement"; done | median)
  faster=$(quotient "$other" "$ours")
  report "keypool.$1, $requests requests" "$(ns "${ours}e6")" \
    "GROUP BY over the log: $(ns "${other}e6")" "$(times "$faster")" '≤ 5 ms' \
    "$(at_most "$ours" 5)" "psql -c '\\timing on' -c \"$statement\""
}

# A gateway's table of requests, imported, and copied by hand; each round into a log without them.
row_import() {
  local round figures=$work/imports statement
  need_worker
  step "making a table of $imports requests to import"
  quietly source sql -v count="$imports" -f "$ROOT/tests/bench/sql/import_source.sql"
  statement="SELECT import_requests('requests.source')"
  for ((round = 0; round < 3; ++round)); do
    empty_log
    own=$(timed "$statement" | tail -n 1)
    empty_log
    their=$(timed "SELECT requests.copy_by_hand()" | tail -n 1)
    echo "$own $their $(quotient "$their" "$own")"
  done >"$figures"
  take_medians "$figures"
  report "import_requests of $imports requests" "$(ns "${ours}e6")" \
    "INSERT … SELECT into the log: $(ns "${other}e6")" "$(times "$faster")" '≥ 0.7 ×' \
    "$(at_least "$faster" 0.7)" "psql -c \"$statement\""
}

empty_log() {
  sql -c 'TRUNCATE keypool.chat_completion_requests' -c 'DELETE FROM keypool.request_imports' \
    -c 'CHECKPOINT' >"$work/empty.log"
}

# The longest any statement of four writers and two readers took while a day was dropped from among
# thirty, and the longest while nothing of the kind happened: the machine itself makes some wait.
row_retention() {
  need_filled_log
  local days calm dropped
  calm=$(longest_statement :)
  days=$(sql -c "SELECT count(*) FROM pg_inherits
                 WHERE inhparent = 'keypool.chat_completion_requests'::regclass")
  dropped=$(longest_statement drop_oldest_day)
  [ "$(sql -c "SELECT count(*) FROM pg_inherits
               WHERE inhparent = 'keypool.chat_completion_requests'::regclass")" -lt "$days" ] ||
    die 'no day was dropped'
  report 'longest statement while a day of the log is dropped' "$(ns "${dropped}e3")" \
    "while none is: $(ns "${calm}e3")" '' 'no wait over 50 ms' \
    "$(at_most "$dropped" "$(awk -v calm="$calm" 'BEGIN { print calm + 50000 }')")" \
    'ALTER SYSTEM SET keypool.request_retention = …, beside pgbench'
}

# The worker sees the setting, and drops what has become too old.
drop_oldest_day() {
  local minutes
  minutes=$(sql -c "SELECT extract(epoch FROM now() - min(created_at))::bigint / 60 - 1500
                    FROM keypool.chat_completion_requests")
  sql -c "ALTER SYSTEM SET keypool.request_retention = '${minutes}min'" -c 'SELECT pg_reload_conf()'
}

# longest_statement COMMAND: microseconds, while the command and what follows from it go on.
longest_statement() {
  local folder=$work/latencies
  rm -rf "$folder" && mkdir "$folder"
  pgbench_command 6 6 log_insert@8 log_read@1
  command+=(-l --log-prefix="$folder/log")
  "${command[@]}" >"$work/pgbench.log" 2>&1 &
  sleep 2
  "$@" >"$work/retention.log"
  wait "$!" || die "pgbench failed"
  cat "$folder"/* | awk '$3 > most { most = $3 } END { print most }'
}
