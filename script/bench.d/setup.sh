# What the rows of script/bench stand on, each made when the first row asks for it; sourced by
# script/bench, which sets work (the throw-away folder) and PG_CONFIG.

cluster=no
yardstick=no
users_loaded=no

# What the caller's shell knows of servers and keys must change nothing here.
clean_environment() {
  local name
  for name in $(compgen -e); do
    case $name in PG_CONFIG) ;; PG* | *_API_KEY | *_API_KEY_* | HF_TOKEN) unset "$name" ;; esac
  done
  export LC_ALL=C.UTF-8
}

clean_up() {
  [ -z "${stand_in_pid:-}" ] || kill "$stand_in_pid" 2>/dev/null || true
  if [ "$keep" = yes ] && [ "$cluster" = yes ]; then
    printf '\nthe cluster runs: %s\nto end it: kill %s && rm -rf %s\n' \
      "$(bindir)/psql -h $work -p $port -U postgres" "$(head -n 1 "$work/data/postmaster.pid")" \
      "$work"
    return
  fi
  [ "$cluster" = no ] || stop_cluster "$work"
  rm -rf "$work"
}

bindir() { "$PG_CONFIG" --bindir; }

# quietly NAME COMMAND…: shows the output only when the command fails. Not as part of a condition:
# that would switch -e off inside.
quietly() {
  local log=$work/$1.setup status
  shift
  set +e
  (
    set -e
    "$@"
  ) >"$log" 2>&1
  status=$?
  set -e
  [ "$status" -eq 0 ] || {
    cat "$log" >&2
    die "could not prepare the measurement"
  }
}

# sql ARGUMENT…: psql in the cluster, plain output.
sql() { "$(bindir)/psql" -h "$work" -p "$port" -U postgres -XAtq -v ON_ERROR_STOP=1 "$@"; }

make_server() {
  build_extension
  mkdir -p "$work/server" "$work/yardstick"
  private_server "$work/server" >"$work/pg_config"
  make -s -C "$work/yardstick" -f "$ROOT/tests/bench/yardstick/Makefile" PG_CONFIG="$PG_CONFIG"
}

# A server with keys in it and nothing that would disturb: no checks, no autovacuum, no checkpoint
# in the middle. A million user keys and their indexes fit into its buffers.
need_cluster() {
  [ "$cluster" = no ] || return 0
  step "building a server with pg_keypool"
  quietly server make_server
  PG_CONFIG=$(cat "$work/pg_config")
  port=$(free_port)
  cluster=yes
  quietly cluster start_cluster "$work" "$port" "shared_buffers = '1536MB'" 'max_wal_size = 16GB' \
    'checkpoint_timeout = 1h' 'autovacuum = off' 'jit = off' 'keypool.max_keys = 32768' \
    'keypool.health_check_interval = 0' "log_min_messages = warning"
  quietly objects load_objects
}

load_objects() {
  local folder=$ROOT/tests/bench/sql
  sql -c 'CREATE EXTENSION pg_keypool' -c 'CREATE EXTENSION pgcrypto'
  sql -v yardstick="$work/yardstick/yardstick" -f "$folder/bench.sql" -f "$folder/keys.sql" \
    -f "$folder/today.sql" -f "$folder/vault.sql" -c 'VACUUM (FREEZE, ANALYZE)'
}

# A million keys by add_key() take minutes, and only some are picked here: so many are added, spread
# over the table, and the rest of it is filled with rows of the same size.
need_users() {
  [ "$users_loaded" = no ] || return 0
  need_cluster
  step "filling the table with keys of $users users"
  known_users=$((users < 60000 ? users : 60000))
  quietly users load_users
  users_loaded=yes
}

load_users() {
  local half=$((known_users / 2)) first second
  sql -v users="$users" -v known_users="$known_users" -f "$ROOT/tests/bench/sql/users.sql"
  sql -c "SELECT bench.add_users(1, $half)" & first=$!
  sql -c "SELECT bench.add_users($half + 1, $known_users - 1)" & second=$!
  wait "$first"
  wait "$second"
  sql -f "$ROOT/tests/bench/sql/settle_users.sql"
}
