# The table that script/bench prints; sourced by it.

met=0
missed=0
undecided=0

print_machine() {
  printf '%s, %s processors, %s\n' \
    "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)" "$(nproc)" \
    "$("$PG_CONFIG" --version)"
}

print_heading() {
  printf '\n%-54s %11s  %-40s %9s  %-24s %s\n' path measured 'compared with' ratio goal met
}

# report PATH MEASURED COMPARED RATIO GOAL VERDICT COMMAND: one row. The ratio says how many times
# as fast as the other ours is.
report() {
  printf '%-54s %11s  %-40s %9s  %-24s %s\n    $ %s\n' "$@"
  case $6 in
    yes) met=$((met + 1)) ;;
    NO) missed=$((missed + 1)) ;;
    -) ;;
    *) undecided=$((undecided + 1)) ;;
  esac
}

print_summary() {
  printf '\n%d goals met, %d missed, %d not decided\n' "$met" "$missed" "$undecided"
}

# at_most VALUE BOUND, at_least VALUE BOUND: the verdict.
at_most() { awk -v a="$1" -v b="$2" 'BEGIN { print (a + 0 <= b + 0) ? "yes" : "NO" }'; }
at_least() { at_most "$2" "$1"; }

# Numbers for people: nanoseconds, ratios, things a second.
ns() {
  awk -v v="$1" 'BEGIN {
    if (v >= 1e9) printf "%.2f s", v / 1e9
    else if (v >= 1e6) printf "%.3g ms", v / 1e6
    else if (v >= 1e3) printf "%.3g µs", v / 1e3
    else printf "%.0f ns", v }'
}
times() {
  awk -v v="$1" 'BEGIN { printf (v >= 100 ? "%.0f ×" : v >= 0.1 ? "%.3g ×" : "%.2g ×"), v }'
}
rate() {
  awk -v v="$1" 'BEGIN { if (v >= 1e4) printf "%.3gk/s", v / 1e3; else printf "%.0f/s", v }'
}

quotient() { awk -v a="$1" -v b="$2" 'BEGIN { print a / b }'; }

# median: of the numbers on stdin, one a line.
median() {
  sort -g | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}
