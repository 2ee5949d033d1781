# Rows measured with clients, by pgbench; sourced by script/bench. They count the clock on the wall.

# pgbench_command CLIENTS SECONDS SCRIPT[@WEIGHT]…: sets command. Of several scripts, each
# transaction takes one at random. In the database $bench_database, if that is set.
pgbench_command() {
  local clients=$1 seconds=$2 script
  shift 2
  command=("$(bindir)/pgbench" -h "$work" -p "$port" -U postgres -n -M prepared -c "$clients"
    -j $((clients < 2 ? clients : 2)) -T "$seconds")
  for script in "$@"; do
    command+=(-f "$ROOT/tests/bench/pgbench/${script%@*}.sql${script#"${script%@*}"}")
  done
  command+=("${bench_database:-postgres}")
}

# Microseconds from the question to the answer, on average, of script number $1 in a pgbench log on
# stdin. The slowest hundredth, in which something else had the processor, is left out.
mean_latency() {
  awk -v script="$1" '$4 == script { print $3 }' | sort -n |
    awk '{ v[NR] = $1 } END { n = int(NR * 0.99); for (i = 1; i <= n; ++i) s += v[i]; print s / n }'
}

# side_by_side OURS OTHER CLIENTS SECONDS: both in one run, so that whatever disturbs it disturbs
# both. Sets ours, other (a second, had it run alone) and faster, medians of the rounds. The time
# that pgbench itself takes between transactions belongs to both.
side_by_side() {
  local round folder=$work/latencies figures=$work/side_by_side
  pgbench_command "$3" "$4" "$1" "$2"
  command+=(-l --sampling-rate=0.2)
  for ((round = 0; round < rounds; ++round)); do
    rm -rf "$folder" && mkdir "$folder"
    "${command[@]}" --log-prefix="$folder/log" >"$work/pgbench.log" 2>&1 || die "pgbench failed"
    cat "$folder"/* >"$work/latencies.log"
    awk -v clients="$3" -v own="$(mean_latency 0 <"$work/latencies.log")" \
      -v their="$(mean_latency 1 <"$work/latencies.log")" '
      FNR == NR { if ($1 == "tps") cycle = clients * 1e6 / $3; next }
      { sum += $3; ++count }
      END {
        between = cycle - sum / count
        own += between; their += between
        print clients * 1e6 / own, clients * 1e6 / their, their / own
      }' "$work/pgbench.log" "$work/latencies.log"
  done >"$figures"
  take_medians "$figures"
}

# take_medians FILE: of lines "ours other faster".
take_medians() {
  ours=$(cut -d' ' -f1 "$1" | median)
  other=$(cut -d' ' -f2 "$1" | median)
  faster=$(cut -d' ' -f3 "$1" | median)
}

row_socket() {
  local clients
  for clients in 1 2 4; do
    side_by_side pick constant "$clients" 4
    report "pick_key over a socket, clients: $clients" "$(rate "$ours")" \
      "a C function, constant text: $(rate "$other")" "$(times "$faster")" '≥ 0.97 ×' \
      "$(at_least "$faster" 0.97)" "${command[*]}"
  done
}

# throughput SCRIPT CLIENTS SECONDS: transactions a second.
throughput() {
  pgbench_command "$2" "$3" "$1"
  "${command[@]}" 2>&1 | sed -n 's/^tps = \([0-9.]*\) .*/\1/p'
}

# in_turn OURS OTHER CLIENTS SECONDS: as side_by_side, in a run of its own each. Slow transactions
# would hold up quick ones in the same run.
in_turn() {
  local round own their figures=$work/in_turn
  for ((round = 0; round < rounds; ++round)); do
    own=$(throughput "$1" "$3" "$4")
    their=$(throughput "$2" "$3" "$4")
    echo "$own $their $(quotient "$own" "$their")"
  done >"$figures"
  take_medians "$figures"
  pgbench_command "$3" "$4" "$1"
}

# Over a socket the messages cost more than the pick, which hides it; there the row has no goal, and
# says how far a text that costs nothing gets.
row_today() {
  local today='UPDATE … SKIP LOCKED, pgcrypto' bound
  in_turn pick_in_server today_in_server 8 2
  report 'pick_key, a transaction each, 8 sessions' "$(rate "${ours}e2")" \
    "$today: $(rate "${other}e2")" "$(times "$faster")" '≥ 30 ×' "$(at_least "$faster" 30)" \
    "${command[*]}"
  in_turn constant today 8 2
  bound=$(times "$faster")
  in_turn pick today 8 2
  report 'the same over a socket, clients: 8' "$(rate "$ours")" "$today: $(rate "$other")" \
    "$(times "$faster")" "a constant text: $bound" '-' "${command[*]}"
}
