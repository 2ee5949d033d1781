# Row about re-encryption; sourced by script/bench. It counts the clock on the wall.

sealed_loaded=no

need_sealed_keys() {
  [ "$sealed_loaded" = no ] || return 0
  need_cluster
  step "storing $keys keys"
  quietly sealed load_sealed_keys
  sealed_loaded=yes
}

load_sealed_keys() {
  sql -v keys="$keys" -f "$ROOT/tests/bench/sql/reencrypt.sql"
  local half=$((keys / 2))
  sql -c "SELECT bench.add_sealed(1, $half)" &
  local other=$!
  sql -c "SELECT bench.add_sealed($half + 1, $keys)"
  wait "$other"
  sql -c "INSERT INTO bench.plain (id, provider, name, user_id, envelope, fingerprint, hint)
          SELECT id, provider, name, user_id, envelope, fingerprint, hint FROM keypool.api_keys
          WHERE provider = 'bench_sealed'" \
    -c 'VACUUM (FREEZE, ANALYZE) bench.plain' -c 'VACUUM (FREEZE, ANALYZE) keypool.api_keys' \
    -c CHECKPOINT
}

# Waits until the old data key and its ciphertext are gone: each round begins alike.
settle_reencryption() {
  local state="SELECT state FROM keypool.reencryption_progress WHERE what = 'data_key'"
  until [ "$(sql -c "$state")" = done ]; do sleep 0.5; done
  sql -c 'VACUUM keypool.api_keys' -c 'VACUUM bench.plain' -c CHECKPOINT
}

row_reencrypt() {
  need_worker
  local round plain ours ticks before meanwhile figures=$work/reencrypt pid
  pid=$(worker_pid worker)
  : >"$figures"
  for ((round = 0; round < rounds; ++round)); do
    plain=$(sql -c "SELECT bench.update_plainly($round)")
    ticks=$(cpu_ticks "$pid")
    ours=$(sql -c 'CALL bench.reencrypt(NULL)')
    ticks=$(($(cpu_ticks "$pid") - ticks))
    settle_reencryption
    before=$(sql -c 'SELECT bench.picks_a_second(1)')
    sql -c 'CALL bench.reencrypt(NULL)' >/dev/null &
    meanwhile=$(sql -c 'SELECT bench.picks_a_second(1)')
    wait $!
    settle_reencryption
    echo "$ours $plain $before $meanwhile $ticks" >>"$figures"
  done
  report_reencryption
}

report_reencryption() {
  local seconds ratio picks speed
  seconds=$(cut -d ' ' -f 1 "$figures" | median)
  plain=$(cut -d ' ' -f 2 "$figures" | median)
  ratio=$(awk '{ print $2 / $1 }' "$figures" | median)
  picks=$(awk '{ print $4 / $3 }' "$figures" | median)
  speed=$(awk -v keys="$keys" '{ print keys / ($5 / 100) }' "$figures" | median)
  report "$keys keys sealed anew" "$(rate "$(quotient "$keys" "$seconds")")" \
    "plain UPDATE, same layout: $(rate "$(quotient "$keys" "$plain")")" "$(times "$ratio")" \
    'at least 0.9 ×' "$(at_least "$ratio" 0.9)" 'psql -c "CALL bench.reencrypt(NULL)"'
  report 'the same in CPU time of the worker' "$(rate "$speed")" '' '' 'at least 200k/s' \
    "$(at_least "$speed" 200000)" 'fields 14, 15 of /proc/PID/stat'
  report 'picks of one session meanwhile' "$(rate "$(cut -d ' ' -f 4 "$figures" | median)")" \
    'the same before' "$(times "$picks")" 'at least 0.8 ×' "$(at_least "$picks" 0.8)" \
    'psql -c "SELECT bench.picks_a_second(1)"'
}
