# Rows about limits and budgets; sourced by script/bench.

limit_kinds=(none limits budget budgets)
limit_databases=no

need_limit_databases() {
  [ "$limit_databases" = no ] || return 0
  need_cluster
  local kind
  for kind in "${limit_kinds[@]}"; do
    quietly "$kind" sql -c "CREATE DATABASE $kind"
    quietly "$kind" sql -d "$kind" -v yardstick="$work/yardstick/yardstick" -v kind="$kind" \
      -f "$ROOT/tests/bench/sql/bench.sql" -f "$ROOT/tests/bench/sql/limits.sql"
  done
  limit_databases=yes
}

# cost_in DATABASE EXPRESSION TIMES: CPU nanoseconds of one evaluation. Warmed by a first round.
cost_in() {
  local quote='$$'
  sql -d "$1" -c "SELECT bench.cost($quote$2$quote, $3, round) - bench.cost('g', $3, round)
                  FROM generate_series(0, 1) AS round" | tail -n 1
}

# The same pick where nothing limits it and where everything does: CPU time, a session each a round.
row_limits() {
  local kind round own their figures=$work/limits
  local pick="pick_key('bench_16', 'user-1', 'org-1', 'model-1')"
  for kind in limits budget budgets; do
    for ((round = 0; round < rounds; ++round)); do
      own=$(cost_in "$kind" "$pick" 300000)
      their=$(cost_in none "$pick" 300000)
      echo "$own $their $(quotient "$their" "$own")"
    done >"$figures"
    take_medians "$figures"
    report "pick_key in the server, every limit$(with_budgets "$kind") (CPU)" "$(ns "$ours")" \
      "no limit: $(ns "$other")" "$(times "$faster")" 'at most 1.3 × its time' \
      "$(at_least "$faster" "$(quotient 1 1.3)")" \
      "psql -d $kind -c \"SELECT bench.cost(\$\$$pick\$\$, 300000, 0)\""
  done
}

with_budgets() {
  case $1 in
    budget) printf ', a budget' ;;
    budgets) printf ', six budgets' ;;
  esac
}

# A request from the choice of its key to its row in the log, without waiting for the disk: CPU time
# of the server process over a socket, medians of the transactions of a run that takes the ways at
# random. pick_key is followed by a log_request that knows the key's id from elsewhere, which is as
# cheap as it gets; the last row is what whoever has nothing but the secret does.
row_settle() {
  local kind round bench_database figures=$work/settle
  export PGOPTIONS="-c synchronous_commit=off"
  for kind in "${limit_kinds[@]}"; do
    bench_database=$kind
    for ((round = 0; round < rounds; ++round)); do settle_once "$kind"; done >"$figures"
    cut -d' ' -f1,3,5 "$figures" >"$figures.id"
    take_medians "$figures.id"
    report "acquire_key and log_request, $kind (CPU)" "$(ns "$ours")" \
      "pick_key, log_request(api_key_id): $(ns "$other")" "$(times "$faster")" '≥ 0.9 ×' \
      "$(at_least "$faster" 0.9)" "PGOPTIONS='$PGOPTIONS' ${command[*]}"
  done
  cut -d' ' -f1,2,4 "$figures" >"$figures.secret"
  take_medians "$figures.secret"
  report "the same, $kind (CPU)" "$(ns "$ours")" "pick_key, log_request(api_key): $(ns "$other")" \
    "$(times "$faster")" '' '-' "PGOPTIONS='$PGOPTIONS' ${command[*]}"
  unset PGOPTIONS
}

# One run: nanoseconds of acquiring, of picking and logging by secret and by id, and the ratios.
settle_once() {
  sql -d "$1" -c 'TRUNCATE bench.noted, keypool.chat_completion_requests'
  pgbench_command 1 5 acquire_and_log pick_and_log pick_and_log_by_id
  "${command[@]}" >"$work/pgbench.log" 2>&1 || die "pgbench failed"
  sql -d "$1" -F ' ' -c "
    SELECT own, by_secret, by_id, by_secret / own, by_id / own
    FROM (SELECT $(median_of acquire) AS own, $(median_of pick) AS by_secret,
                 $(median_of 'by id') AS by_id
          FROM bench.noted) AS medians"
}

median_of() { echo "percentile_cont(0.5) WITHIN GROUP (ORDER BY ns) FILTER (WHERE way = '$1')"; }
