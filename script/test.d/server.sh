# The suites that need a server; sourced by script/test, which sets work.
#
# What the server's user must read is copied into $work: the checkout may lie in a home that only
# its owner enters. $work/server is the private server, $work/tree the tests, $work itself holds one
# cluster for regress, isolation and pgtap; tap makes clusters of its own.

needs_server() { case $1 in regress | isolation | pgtap | tap) ;; *) return 1 ;; esac; }

# Ends with the name of the private server's pg_config in $work/server.pg_config.
build_server() {
  build_extension
  make -s -C "$ROOT/tests/support/guard" -j"$(nproc)" PG_CONFIG="$PG_CONFIG" all
  local stand_in folder
  stand_in=$(build_stand_in)
  mkdir -p "$work/tree/tests"
  for folder in sql expected examples tests/tap tests/pgtap tests/isolation tests/support; do
    [ ! -d "$ROOT/$folder" ] || cp -R "$ROOT/$folder" "$work/tree/$(dirname "$folder")/"
  done
  cp "$stand_in" "$work/stand_in_provider"
  mkdir "$work/server"
  private_server "$work/server" >"$work/server.pg_config"
  [ "$(id -u)" -ne 0 ] || chown -R postgres: "$work/tree"
}

# The cluster of regress, isolation and pgtap. Nothing here may reach out by itself: checks are made
# only when asked for.
cluster_ready() {
  [ ! -f "$work/data/postmaster.pid" ] || return 0
  local port
  port=$(free_port)
  start_cluster "$work" "$port" 'max_prepared_transactions = 4' 'fsync = off' \
    'keypool.health_check_interval = 0' "log_min_messages = warning"
  echo "$port" >"$work/port"
}

# in_cluster COMMAND…: with the private server's programs, connected to that cluster.
in_cluster() {
  as_postgres env PATH="$("$PG_CONFIG" --bindir):$PATH" PGHOST="$work" \
    PGPORT="$(cat "$work/port")" PGUSER=postgres PGDATABASE=postgres "$@"
}

# chosen FOLDER SUFFIX [NAME…]: the tests of a folder, without suffix, or those of the names.
chosen() {
  local folder=$1 suffix=$2
  shift 2
  if [ $# -gt 0 ]; then
    printf '%s\n' "$@"
  else
    find "$folder" -maxdepth 1 -name "*$suffix" -printf '%f\n' | sed "s/\\$suffix\$//" | sort
  fi
}

# The folder that holds pg_regress, isolationtester and the Perl modules of the server's own tests.
pgxs_tests() { echo "$(dirname "$("$PG_CONFIG" --pgxs)")/../test"; }

# run_regress SUITE PROGRAM INPUT NAME…
run_regress() {
  local suite=$1 program=$2 input=$3 output=$work/$1 status=0
  shift 3
  as_postgres mkdir -p "$output"
  in_cluster "$(pgxs_tests)/$program" --bindir="$("$PG_CONFIG" --bindir)" --inputdir="$input" \
    --outputdir="$output" --host="$work" --port="$(cat "$work/port")" --user=postgres \
    --dbname="keypool_$suite" "$@" >"$output.report" 2>&1 || status=$?
  cat "$output.report"
  [ "$status" -eq 0 ] || cat "$output/regression.diffs" 2>/dev/null || true
  count regress "$output.report" "$suite"
  return "$status"
}

suite_regress() {
  local names
  mapfile -t names < <(chosen "$work/tree/sql" .sql "$@" | grep '^[0-9]')
  cluster_ready
  run_regress regress regress/pg_regress "$work/tree" "${names[@]}"
}

suite_isolation() {
  local names
  mapfile -t names < <(chosen "$work/tree/tests/isolation/specs" .spec "$@")
  cluster_ready
  run_regress isolation isolation/pg_isolation_regress "$work/tree/tests/isolation" "${names[@]}"
}

# Each file in a database of its own, where pgTAP lies in a schema apart, so that every other
# schema is as a user's would be.
suite_pgtap() {
  local name names status=0
  mapfile -t names < <(chosen "$work/tree/tests/pgtap" .sql "$@")
  cluster_ready
  in_cluster psql -X -q -v ON_ERROR_STOP=1 -c 'CREATE DATABASE pgtap'
  in_cluster psql -X -q -v ON_ERROR_STOP=1 -d pgtap -c 'CREATE SCHEMA tap' \
    -c 'CREATE EXTENSION pgtap SCHEMA tap'
  for name in "${names[@]}"; do
    in_cluster psql -X -q -v ON_ERROR_STOP=1 -c "CREATE DATABASE \"$name\" TEMPLATE pgtap"
    in_cluster env PGOPTIONS='-c search_path=public,tap' pg_prove --verbose -d "$name" \
      "$work/tree/tests/pgtap/$name.sql" >"$work/pgtap.report" 2>&1 || status=$?
    cat "$work/pgtap.report"
    count tap "$work/pgtap.report" pgtap
  done
  return "$status"
}

# run_tap FILE: one file by prove, in a folder of its own.
run_tap() {
  local file=$1 name folder status=0
  name=$(basename "$file" .t)
  folder=$work/tap/$name
  as_postgres mkdir -p "$folder"
  as_postgres env PATH="$("$PG_CONFIG" --bindir):$PATH" TESTDIR="$folder" TESTDATADIR="$folder" \
    TESTLOGDIR="$folder/log" PG_REGRESS="$(pgxs_tests)/regress/pg_regress" \
    PERL5LIB="$(pgxs_tests)/perl:$work/tree/tests/tap:$work/tree/tests/support" \
    KEYPOOL_GUARD_MODULE="$work/tree/tests/support/guard/keypool_guard.so" \
    STAND_IN_PROVIDER="$work/stand_in_provider" \
    prove --verbose "$file" >"$work/tap/$name.report" 2>&1 || status=$?
  echo "$status" >"$work/tap/$name.status"
}

# Two at a time: most of a test's life it waits for a server.
suite_tap() {
  local name names status=0 file
  mapfile -t names < <(
    chosen "$work/tree/tests/tap" .t "$@"
    [ $# -gt 0 ] || echo selftest
  )
  as_postgres mkdir -p "$work/tap"
  for name in "${names[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n || true; done
    file=$work/tree/tests/tap/$name.t
    [ -f "$file" ] || file=$work/tree/tests/support/$name.t
    run_tap "$file" &
  done
  wait
  for name in "${names[@]}"; do
    if [ "$(cat "$work/tap/$name.status")" -ne 0 ]; then
      cat "$work/tap/$name.report"
      status=1
    fi
    count tap "$work/tap/$name.report" tap
  done
  return "$status"
}
