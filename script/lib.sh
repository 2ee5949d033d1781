# Shell functions shared by the scripts; sourced by bash, never run. Sets ROOT, the checkout.
#
# Clusters made here are private: data, socket and log lie in one throw-away folder, on a free port,
# and listen on that socket only. A system cluster is never touched.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# step TEXT: what happens next, for whoever watches.
step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

die() {
  printf '%s\n' "$*" >&2
  exit 1
}

# as_root COMMAND…: needs root, or a user with sudo.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo -- "$@"
  else
    die "this needs root: run as root, or install sudo"
  fi
}

# as_postgres COMMAND…: the server refuses to run as root, so root becomes postgres; anybody else
# stays who they are. The working directory must be readable by postgres, which / is.
as_postgres() {
  if [ "$(id -u)" -eq 0 ]; then
    (cd / && runuser -u postgres -- "$@")
  else
    "$@"
  fi
}

# Prints the pg_config of the newest server (15 or later) whose headers are installed; KEYPOOL_PG_CONFIG
# decides otherwise.
find_pg_config() {
  if [ -n "${KEYPOOL_PG_CONFIG:-}" ]; then
    printf '%s\n' "$KEYPOOL_PG_CONFIG"
    return
  fi
  local candidate major best=0
  for candidate in /usr/lib/postgresql/*/bin/pg_config; do
    [ -x "$candidate" ] || continue
    [ -f "$("$candidate" --pgxs)" ] || continue
    major=${candidate#/usr/lib/postgresql/}
    major=${major%%/*}
    if [ "$major" -ge 15 ] && [ "$major" -gt "$best" ]; then best=$major; fi
  done
  [ "$best" -gt 0 ] || die "no PostgreSQL 15 or later with server headers found: run script/bootstrap"
  printf '%s\n' "/usr/lib/postgresql/$best/bin/pg_config"
}

# Prints a TCP port that was free a moment ago.
free_port() {
  perl -MIO::Socket::INET -e '
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die "no port: $!";
    print $socket->sockport, "\n"'
}

# build_extension: both shared objects and the install script, in the checkout.
build_extension() { make -s -C "$ROOT" -j"$(nproc)" PG_CONFIG="$PG_CONFIG" all; }

# build_and_install: the extension, into the server that PG_CONFIG names.
build_and_install() {
  build_extension
  if [ -w "$("$PG_CONFIG" --pkglibdir)" ]; then
    make -s -C "$ROOT" PG_CONFIG="$PG_CONFIG" install
  else
    as_root make -s -C "$ROOT" PG_CONFIG="$PG_CONFIG" install
  fi
}

# private_server FOLDER: makes FOLDER a server of its own with this checkout's extension in it, so
# that neither root's rights nor a change to the system's server is needed; prints its pg_config.
# Postgres finds its files relative to its programs, links resolved: programs are copied, the rest
# is linked. Needs build_extension before.
private_server() {
  local folder=$1 bin lib share
  bin=$("$PG_CONFIG" --bindir)
  lib=$("$PG_CONFIG" --pkglibdir)
  share=$("$PG_CONFIG" --sharedir)
  mkdir -p "$folder$(dirname "$bin")" "$folder$lib" "$folder$share/extension"
  cp -R "$bin" "$folder$(dirname "$bin")/"
  find "$lib" -mindepth 1 -maxdepth 1 ! -path "$bin" ! -name bitcode ! -name 'pg_keypool*' \
    -exec ln -sfn -t "$folder$lib" {} +
  find "$share" -mindepth 1 -maxdepth 1 ! -name extension -exec ln -sfn -t "$folder$share" {} +
  find "$share/extension" -mindepth 1 ! -name 'pg_keypool*' \
    -exec ln -sfn -t "$folder$share/extension" {} +
  make -s -C "$ROOT" PG_CONFIG="$PG_CONFIG" DESTDIR="$folder" install >&2
  printf '%s\n' "$folder$bin/pg_config"
}

# build_stand_in: the stand-in provider of tests/support; prints the path of the program.
build_stand_in() {
  cmake -S "$ROOT/tests/support/provider" -B "$ROOT/build/stand_in" >&2
  cmake --build "$ROOT/build/stand_in" -j"$(nproc)" >&2
  printf '%s\n' "$ROOT/build/stand_in/stand_in_provider"
}

# make_folder: prints a new throw-away folder that the server's user owns.
make_folder() {
  local folder
  folder=$(mktemp -d "${TMPDIR:-/tmp}/pg_keypool.XXXXXX")
  if [ "$(id -u)" -eq 0 ]; then chown postgres: "$folder"; fi
  printf '%s\n' "$folder"
}

# start_cluster FOLDER PORT [LINE…]: makes a cluster in FOLDER/data with the given lines added to its
# configuration, and starts it. Connect with: psql -h FOLDER -p PORT -U postgres
start_cluster() {
  local folder=$1 port=$2 bin line
  shift 2
  bin=$("$PG_CONFIG" --bindir)
  as_postgres "$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --no-locale \
    --no-sync >"$folder/initdb.log" || die "initdb failed, see $folder/initdb.log"
  {
    echo "port = $port"
    echo "listen_addresses = ''"
    echo "unix_socket_directories = '$folder'"
    echo "shared_preload_libraries = 'pg_keypool'"
    for line in "$@"; do printf '%s\n' "$line"; done
  } | as_postgres tee -a "$folder/data/postgresql.conf" >/dev/null
  restart_cluster "$folder"
}

# restart_cluster FOLDER: starts it, or stops it first when it runs.
restart_cluster() {
  local bin
  bin=$("$PG_CONFIG" --bindir)
  stop_cluster "$1"
  as_postgres "$bin/pg_ctl" -D "$1/data" -l "$1/server.log" -w -s start || {
    tail -n 20 "$1/server.log" >&2
    die "the server did not start, see $1/server.log"
  }
}

# stop_cluster FOLDER: at once and for good; nothing happens when it does not run.
stop_cluster() {
  local bin
  bin=$("$PG_CONFIG" --bindir)
  if [ -f "$1/data/postmaster.pid" ]; then
    as_postgres "$bin/pg_ctl" -D "$1/data" -m fast -w -s stop
  fi
}
