# Rows measured within one server process; sourced by script/bench. They count CPU time, less that
# of the same loop without the call (tests/bench/sql/bench.sql).

# compare OURS OTHER TIMES [OTHER_TIMES [IDLE]]: two expressions, evaluated so many times a round.
# Sets ours, other (nanoseconds), faster, and the statement that was run.
compare() {
  local quote='$$' other_times=${4:-$3} idle=${5:-1}
  statement="SELECT * FROM bench.compare($quote$1$quote, $quote$2$quote, $3, $other_times,"
  statement+=" $quote$idle$quote, $rounds)"
  IFS='|' read -r ours other faster < <(sql -c "$statement")
  [ -n "$faster" ] || die "could not measure $1"
}

row_pick() {
  pick_of 16 500 ' and every limit'
  pick_of 1000 700 ', least used'
  pick_of 10000 1400 ', least used'
}

# pick_of KEYS GOAL REMARK
pick_of() {
  compare "pick_key('bench_$1')" "bench.constant_text('bench_$1')" 500000
  report "pick_key in the server, $1 keys$3 (CPU)" "$(ns "$ours")" \
    "a C function, constant text: $(ns "$other")" "$(times "$faster")" "≤ $2 ns" \
    "$(at_most "$ours" "$2")" "psql -c \"$statement\""
}

# Every round asks for other users, in an order that follows no index; more of them than the pool
# has room for, so that each one pushes another out.
row_user() {
  local user picks=$((known_users / (rounds + 1)))
  user="bench.known_user($picks * \$2 + g)"
  compare "pick_key('bench_users', $user)" "bench.user_key($user)" "$picks" "$picks" "$user"
  report "a user's key among $users, first time (CPU)" "$(ns "$ours")" \
    "PL/pgSQL and pgcrypto's AES: $(ns "$other")" "$(times "$faster")" '≤ 5 µs' \
    "$(at_most "$ours" 5000)" "psql -c \"$statement\""

  user="bench.known_user(g % 1000)"
  compare "pick_key('bench_users', $user)" "bench.user_key($user)" 200000 50000 "$user"
  report "the keys of 1,000 of them, again (CPU)" "$(ns "$ours")" \
    "PL/pgSQL and pgcrypto's AES: $(ns "$other")" "$(times "$faster")" '≤ 1 µs' \
    "$(at_most "$ours" 1000)" "psql -c \"$statement\""
}

row_pgcrypto() {
  # Each secret was given its own number of hash rounds: all sixteen take part.
  compare "pick_key('bench_16')" \
    "pgp_sym_decrypt((ARRAY(SELECT secret FROM today.api_keys))[1 + g % 16], 'passphrase')" \
    500000 1600
  report 'pick_key in the server, 16 keys (CPU)' "$(ns "$ours")" \
    "pgp_sym_decrypt alone: $(ns "$other")" "$(times "$faster")" '≥ 100 ×' \
    "$(at_least "$faster" 100)" "psql -c \"$statement\""
}

# Debian has no Vault. A bound that is reached decides; one that is not says nothing.
row_vault() {
  compare "pick_key('bench_16')" "vault.key('key-' || g % 16)" 500000 100000
  local verdict
  verdict=$(at_least "$faster" 10)
  [ "$verdict" = yes ] ||
    verdict='not decided: Vault is not in Debian, this is a lower bound of its cost'
  report 'pick_key in the server, 16 keys (CPU)' "$(ns "$ours")" \
    "a view by name, nothing decrypted: $(ns "$other")" "$(times "$faster")" \
    '≥ 10 × Vault' "$verdict" "psql -c \"$statement\""
}

# What a million picks leave behind: shared memory, memory contexts of the session, and anonymous
# memory of its process, where C++ and OpenSSL allocate. The first million only warms the session.
memory_script() {
  local when
  for when in warm before after; do
    cat <<SQL
SELECT count(pick_key('bench_1000')) FROM generate_series(1, 1000000) \g /dev/null
SELECT sum(allocated_size) AS shared FROM pg_shmem_allocations \gset ${when}_
SELECT sum(total_bytes) AS contexts FROM pg_backend_memory_contexts \gset ${when}_
SELECT 1024 * substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\s+(\d+)')::int AS heap
  \gset ${when}_
SQL
  done
  echo "SELECT :after_shared - :before_shared, :after_contexts - :before_contexts,
               :after_heap - :before_heap;"
}

slot_size() {
  local program=$work/slot_size
  echo '#include <cstdio>
    #include "core/slot.hpp"
    int main() { std::printf("%zu", sizeof(keypool::core::Slot)); }' |
    g++ -std=c++20 -I"$ROOT/src" -x c++ -o "$program" - && "$program"
}

row_memory() {
  local slot shared contexts anonymous
  slot=$(slot_size)
  report 'sizeof(core::Slot)' "$slot B" 'a kibibyte' \
    "$(times "$(quotient 1024 "$slot")")" '≤ 1024 B' "$(at_most "$slot" 1024)" \
    'std::printf("%zu", sizeof(keypool::core::Slot))'
  IFS='|' read -r shared contexts anonymous < <(memory_script | sql)
  report 'a million picks: growth of all memory' "$((shared + contexts + anonymous)) B" \
    "shared $shared, contexts $contexts, heap $anonymous" '' 'nothing grows' \
    "$(at_most $((shared + contexts + anonymous)) 0)" \
    'the statements of memory_script in script/bench.d/server.sh'
}
