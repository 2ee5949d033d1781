# What the tour of script/demo stands on: builds, a private server, its cluster, the stand-in
# provider, and the keys of the play. Sourced by script/demo, which sets folder and PG_CONFIG.

# The secrets of the play. They reach SQL as psql variables taken from the environment, as yours
# should, so that neither the screen nor a process list nor psql's history holds them.
export DEMO_SYSTEM_1=sk-proj-DemoSystemPrimary0000000000000001
export DEMO_SYSTEM_2=sk-proj-DemoSystemSecondary00000000000002
export DEMO_ANTHROPIC=sk-ant-api03-DemoAnthropicPrimary00000000000000000000000003
export DEMO_GEMINI=AIzaDemoGemini0000000000000000000000004
export DEMO_ACME=sk-proj-DemoOrganizationAcme0000000000005
export DEMO_ALICE=sk-proj-DemoUserAlice00000000000000000006
demo_secrets=(DEMO_SYSTEM_1 DEMO_SYSTEM_2 DEMO_ANTHROPIC DEMO_GEMINI DEMO_ACME DEMO_ALICE)

# quietly WHAT COMMAND…: one line with the time it took; the output is kept for when it fails.
quietly() {
  local what=$1 start=$SECONDS
  shift
  printf '%-62s' "$what"
  ("$@") >>"$folder/demo.log" 2>&1
  printf '%4d s\n' $((SECONDS - start))
}

copy_server() {
  mkdir "$folder/server"
  private_server "$folder/server" >"$folder/pg_config"
  [ "$(id -u)" -ne 0 ] || chown -R postgres: "$folder"
}

# Provider keys of the environment stay out of the server unless they are to be imported.
start_demo_cluster() {
  local name port
  for name in $(real_keys); do unset "$name"; done
  port=$(free_port)
  start_cluster "$folder" "$port" "cluster_name = 'pg_keypool demo'"
  echo "$port" | as_postgres tee "$folder/port"
}

start_stand_in() {
  cp "$(build_stand_in)" "$folder/stand_in_provider"
  as_postgres setsid sh -c 'echo $$ >"$1/stand_in.pid"
    exec "$1/stand_in_provider" --port-file "$1/stand_in.port"' sh "$folder" </dev/null &
  await '[ -s "$folder/stand_in.port" ]'
}

# The number may have become another process's meanwhile: its program must be ours.
stop_stand_in() {
  local pid
  pid=$(cat "$folder/stand_in.pid" 2>/dev/null) || return 0
  [ "$(readlink "/proc/$pid/exe")" != "$folder/stand_in_provider" ] || kill "$pid"
}

# await CONDITION: a shell condition that comes true within 20 seconds.
await() {
  local tries
  for ((tries = 0; tries < 200; tries++)); do
    if eval "$1"; then return; fi
    sleep 0.1
  done
  echo "waited in vain for: $1" >&2
  return 1
}

# tell VARIABLE BEHAVIOUR: has the stand-in provider treat that key so from now on (JSON).
tell() {
  perl -MHTTP::Tiny -MJSON::PP -e '
    my ($port, $key, $behaviour) = @ARGV;
    my $order = encode_json({ key => $key, behaviour => decode_json($behaviour) });
    my $url = "http://127.0.0.1:$port/control/keys";
    my $answer = HTTP::Tiny->new->post($url, { content => $order });
    die "stand-in: $answer->{status} $answer->{content}" unless $answer->{success};
  ' "$(cat "$folder/stand_in.port")" "${!1}" "$2"
}

# run_sql DATABASE [PSQL OPTION…]: SQL from stdin, with the secrets as psql variables.
run_sql() {
  local database=$1 name
  shift
  {
    for name in "${demo_secrets[@]}"; do
      printf '\\getenv %s %s\n' "$(tr '[:upper:]' '[:lower:]' <<<"${name#DEMO_}")" "$name"
    done
    printf '\\set stand_in http://127.0.0.1:%s\n' "$(cat "$folder/stand_in.port")"
    printf '\\pset %s\n' 'footer off' 'null -' 'columns 100'
    cat
  } | as_postgres "$(dirname "$(cat "$folder/pg_config")")/psql" -X -q -h "$folder" \
    -p "$(cat "$folder/port")" -U postgres -d "$database" "$@" 2>&1
}

set_the_stage() {
  echo "pg_keypool demo, in $folder"
  echo
  quietly "building the extension" build_extension
  quietly "copying the server, and installing the extension into the copy" copy_server
  PG_CONFIG=$(cat "$folder/pg_config")
  quietly "starting a private cluster" start_demo_cluster
  quietly "building and starting the stand-in provider" start_stand_in
}
