# Rows about the background worker; sourced by script/bench. They count the clock on the wall.

answer_ms=500

need_stand_in() {
  need_cluster
  step "building the stand-in provider"
  quietly stand_in build_stand_in
}

# The stand-in provider, every answer of which takes answer_ms.
start_stand_in() {
  "$ROOT/build/stand_in/stand_in_provider" --port-file "$work/stand_in.port" --with-parent &
  stand_in_pid=$!
  until [ -s "$work/stand_in.port" ]; do sleep 0.05; done
  stand_in=http://127.0.0.1:$(cat "$work/stand_in.port")
  tell_stand_in "{\"key\": \"*\", \"behaviour\": {\"kind\": \"slow\", \"ms\": $answer_ms}}"
}

# The core modules of Perl have an HTTP client; curl need not be installed.
tell_stand_in() {
  perl -MHTTP::Tiny -e '
    my $answer = HTTP::Tiny->new->post($ARGV[0], { content => $ARGV[1] });
    $answer->{success} or die "$answer->{status} $answer->{content}"' "$stand_in/control/keys" "$1"
}

# Waits until a worker serves the database.
need_worker() {
  local tries
  for ((tries = 0; tries < 100; ++tries)); do
    [ -z "$(worker_pid worker)" ] || return 0
    sleep 0.1
  done
  die "no worker came, see $work/server.log"
}

# worker_pid KIND: of the launcher or the worker.
worker_pid() { sql -c "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_keypool $1'"; }

row_check_keys() {
  need_worker
  start_stand_in
  sql -c "UPDATE keypool.providers SET base_url = '$stand_in/bench_1000/v1', check_path = '/models'
          WHERE name = 'bench_1000'"
  local statement round milliseconds healthy figures=$work/checks
  statement="SELECT count(*) FILTER (WHERE healthy) FROM check_keys('bench_1000')"
  : >"$figures"
  for ((round = 0; round < rounds; ++round)); do
    { read -r healthy; read -r milliseconds; } < <(timed "$statement")
    [ "$healthy" = 1000 ] || die "only $healthy of 1000 keys were found healthy"
    echo "$milliseconds" >>"$figures"
  done
  milliseconds=$(median <"$figures")
  report 'check_keys() over 1,000 keys' "$(ns "${milliseconds}e6")" \
    "the slowest answer: $answer_ms ms" "$(times "$(quotient "$answer_ms" "$milliseconds")")" 'at most twice its time' \
    "$(at_most "$milliseconds" $((2 * answer_ms)))" "psql -c \"$statement\""
  kill "$stand_in_pid"
  unset stand_in_pid
}

# timed STATEMENT: its answer, then the milliseconds it took.
timed() {
  sql -c '\timing on' -c "$1" | sed 's/^Time: \([0-9.]*\) ms.*/\1/'
}

# cpu_ticks PID: hundredths of a second of CPU. wakeups PID: how often it went to sleep by itself.
cpu_ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
wakeups() { awk '$1 == "voluntary_ctxt_switches:" { print $2 }' "/proc/$1/status"; }

row_idle() {
  need_worker
  sleep 5 # what the rows before left to write down is written down
  local kind pid seconds=30 kinds=(worker launcher) pids=() cpu=() wakes=() i
  for kind in "${kinds[@]}"; do
    pid=$(worker_pid "$kind")
    pids+=("$pid")
    cpu+=("$(cpu_ticks "$pid")")
    wakes+=("$(wakeups "$pid")")
  done
  sleep "$seconds"
  for i in 0 1; do
    pid=${pids[i]}
    local used=$(($(cpu_ticks "$pid") - cpu[i])) woken=$(($(wakeups "$pid") - wakes[i]))
    report "idle ${kinds[i]}, $seconds s" "$((used * 10)) ms CPU" "its wake-ups: $woken" '' \
      'no CPU, no wake-up' "$(at_most $((used + woken)) 0)" \
      'fields 14, 15 of /proc/PID/stat, voluntary_ctxt_switches of /proc/PID/status'
  done
}
