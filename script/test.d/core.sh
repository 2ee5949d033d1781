# The suites that need no server; sourced by script/test, which sets work and fuzz_seconds.
#
# A suite function prints its runner's output and appends counts to $work/SUITE.tally. It runs under
# set -e in a subshell: whatever fails there ends the suite.

# count KIND REPORT SUITE: see script/test.d/tally.
count() { "$ROOT/script/test.d/tally" "$1" "$2" >>"$work/$3.tally"; }

suite_lint() {
  local status=0
  "$ROOT/tests/lint/lint" >"$work/lint.tap" || status=$?
  cat "$work/lint.tap"
  count tap "$work/lint.tap" lint
  return "$status"
}

# fixed_layout COMMAND…: sanitizers of gcc 12 and clang 14 lay memory out at fixed places, which the
# address randomization of newer kernels may have taken. A container may forbid turning it off.
fixed_layout() {
  if setarch -R true 2>/dev/null; then setarch -R "$@"; else "$@"; fi
}

# build_core FOLDER TARGET [CMAKE OPTION…]
build_core() {
  local folder=$ROOT/build/$1 target=$2
  shift 2
  # -O1: with sanitizers, the optimizer takes longer than the tests it speeds up.
  cmake -S "$ROOT" -B "$folder" -DCMAKE_CXX_FLAGS_RELWITHDEBINFO='-O1 -g1' "$@"
  # The build runs the tests too, to list them.
  fixed_layout cmake --build "$folder" -j"$(nproc)" --target "$target"
}

# run_gtest SUITE PROGRAM FILTER
run_gtest() {
  local status=0
  (cd "$work" &&
    fixed_layout "$2" --gtest_brief=1 --gtest_filter="$3" --gtest_output="json:$work/$1.json") ||
    status=$?
  count gtest "$work/$1.json" "$1"
  return "$status"
}

# gtest_filter [NAME…]: tests whose full name contains one of the names.
gtest_filter() {
  local filter
  filter=$(printf '*%s*:' "$@")
  printf '%s' "${filter%:}"
}

suite_unit() {
  build_core asan unit_tests -DKEYPOOL_SANITIZE=address
  ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 \
    run_gtest unit "$ROOT/build/asan/unit_tests" "$(gtest_filter "$@")"
}

suite_race() {
  build_core tsan race_tests -DKEYPOOL_SANITIZE=thread
  TSAN_OPTIONS=halt_on_error=1 \
    run_gtest race "$ROOT/build/tsan/race_tests" "$(gtest_filter "$@")"
}

# run_fuzzer NOUN: one test, passed when the time ran out and nothing was found. What it learned
# stays in build/ and starts the next run; the seeds in the repository are not written to.
run_fuzzer() {
  local noun=$1 seeds=$ROOT/tests/fuzz/corpus/$1 learned=$ROOT/build/corpus/$1
  mkdir -p "$learned" "$work/fuzz"
  fixed_layout "$ROOT/build/fuzz/${noun}_fuzz" -max_total_time="$fuzz_seconds" -timeout=10 \
    -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$work/fuzz/$noun-" \
    "$learned" "$seeds" >"$work/fuzz/$noun.log" 2>&1 &&
    grep -q '^stat::number_of_executed_units: *[1-9]' "$work/fuzz/$noun.log" &&
    : >"$work/fuzz/$noun.passed"
}

suite_fuzz() {
  local noun nouns=("$@")
  if [ ${#nouns[@]} -eq 0 ]; then
    mapfile -t nouns < <(cd "$ROOT/tests/fuzz" && ls -- *_fuzz.cpp | sed 's/_fuzz\.cpp$//')
  fi
  build_core fuzz fuzzers -DCMAKE_CXX_COMPILER=clang++ -DKEYPOOL_FUZZ=ON
  for noun in "${nouns[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
    run_fuzzer "$noun" &
  done
  wait
  for noun in "${nouns[@]}"; do
    if [ -f "$work/fuzz/$noun.passed" ]; then
      echo "passed 1" >>"$work/fuzz.tally"
    else
      cat "$work/fuzz/$noun.log"
      echo "failed 1" >>"$work/fuzz.tally"
    fi
  done
}
