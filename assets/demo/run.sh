#!/usr/bin/env bash
# Builds everything, makes a demo project, and serves it until Ctrl-C. `make run` calls this.
#
# TRANSECT_DEMO names the demo's folder (a folder in the cache), TRANSECT_LISTEN the address (127.0.0.1:8080).
# Starting again goes on with the same data; remove the folder to begin anew.
set -euo pipefail
cd "$(dirname "$0")/../.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}
demo=${TRANSECT_DEMO:-$cache/transect-demo}
listen=${TRANSECT_LISTEN:-127.0.0.1:8080}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/transect-target}
export PATH=$PATH:$HOME/.cargo/bin

# The demo has settings and data of its own.
for name in $(compgen -e | grep '^TRANSECT_' || true); do unset "$name"; done

say() { printf '\n%s\n' "$*" >&2; }

bash assets/prerequisites.sh run
say "building the page"
make --no-print-directory ui >&2
say "building the station and the frame worker (some minutes the first time)"
cargo build --release --locked --workspace --bins
transect=$CARGO_TARGET_DIR/release/transect

say "making the clips"
mkdir -p "$demo"
mapfile -t clips < <(python3 assets/demo/make_demo.py "$demo/clips" --footage)
[ ${#clips[@]} -gt 0 ] || { echo "no clip could be made" >&2; exit 1; }

say "starting the station"
mkfifo "$demo/ready.$$"
"$transect" serve --data "$demo/data" --listen "$listen" >"$demo/ready.$$" 2>"$demo/station.log" &
station=$!
trap 'kill "$station" 2>/dev/null || true; rm -f "$demo/ready.$$"; wait "$station" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM HUP
read -r word url <"$demo/ready.$$" || true
rm -f "$demo/ready.$$"
if [ "${word:-}" != ready ]; then
    tail -n 5 "$demo/station.log" >&2
    echo "the station did not start; with another address: TRANSECT_LISTEN=127.0.0.1:0 make run" >&2
    exit 1
fi

command=("$transect" --data "$demo/data")
if ! "${command[@]}" user token demo >/dev/null 2>&1; then
    head -c 24 /dev/urandom | base64 | "${command[@]}" user create demo --admin --password-stdin >/dev/null
fi
if [ ! -e "$demo/imported" ]; then
    say "importing the clips, where they are"
    TOKEN=$("${command[@]}" user token demo) python3 assets/demo/make_project.py "$url" "Demo dive"
    "${command[@]}" import "${clips[@]}" --project "Demo dive" --section "Swimmers and streets" ||
        echo "not every clip could be imported; the demo goes on without it" >&2
    touch "$demo/imported"
fi

cat <<END

  Transect runs at $url

  Open this link to sign in as demo; it works once, within an hour:
  $("${command[@]}" user sign-in-link demo)

  Another link:  $transect user sign-in-link demo --data $demo/data
  The log:       $demo/station.log
  Ctrl-C ends it.
END
wait "$station"
