# Rows measured without a server, by Google Benchmark (tests/bench/*_bench.cpp); sourced by
# script/bench. They count CPU time.

core_bench=$ROOT/build/bench/core_bench
core_bench_built=no

# Optimized as the extension is.
build_core_bench() {
  cmake -S "$ROOT" -B "$ROOT/build/bench" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_CXX_FLAGS_RELEASE='-O2 -DNDEBUG'
  cmake --build "$ROOT/build/bench" -j"$(nproc)" --target core_bench
}

need_core_bench() {
  [ "$core_bench_built" = no ] || return 0
  step "building core_bench"
  quietly core_bench build_core_bench
  core_bench_built=yes
}

# run_core_bench FILTER: prints lines "name median-of-CPU-nanoseconds". The repetitions of all
# benchmarks are interleaved.
run_core_bench() {
  "$core_bench" --benchmark_filter="$1" --benchmark_repetitions="$rounds" \
    --benchmark_enable_random_interleaving=true --benchmark_min_time=0.2 \
    --benchmark_report_aggregates_only=true --benchmark_format=csv 2>/dev/null |
    sed -n 's/^"\([^"]*\)_median",[^,]*,[^,]*,\([^,]*\),ns.*/\1 \2/p'
}

row_open() {
  local figures kept fresh
  figures=$(run_core_bench '^open_with_')
  kept=$(awk '$1 == "open_with_kept_context" { print $2 }' <<<"$figures")
  fresh=$(awk '$1 == "open_with_fresh_context" { print $2 }' <<<"$figures")
  report 'AES-256-GCM open of a 60-byte key (CPU)' "$(ns "$kept")" \
    "fresh cipher context: $(ns "$fresh")" "$(times "$(quotient "$fresh" "$kept")")" '≤ 300 ns' \
    "$(at_most "$kept" 300)" "$core_bench --benchmark_filter=open_with_"
}

# The slowest strategy counts, with every limit set on every key.
row_selection() {
  local figures scan keys goal slowest cost
  figures=$(run_core_bench '^(take_with_all_limits/.*/(16|1000)|scan_of_slots/1000)$')
  scan=$(awk '$1 == "scan_of_slots/1000" { print $2 }' <<<"$figures")
  while read -r keys goal; do
    read -r slowest cost < <(grep "^take_with_all_limits/.*/$keys " <<<"$figures" |
      sort -g -k 2 | tail -n 1)
    slowest=${slowest#*/}
    report "selection alone, $keys keys, ${slowest%/*} (CPU)" "$(ns "$cost")" \
      "a scan of 1,000 slots: $(ns "$scan")" "$(times "$(quotient "$scan" "$cost")")" \
      "≤ $goal ns, any strategy" "$(at_most "$cost" "$goal")" \
      "$core_bench --benchmark_filter=take_with_all_limits"
  done <<<$'16 60\n1000 150'
}
