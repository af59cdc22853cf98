#!/usr/bin/env bash
# Installs what building and running Transect needs and this machine lacks: Debian packages.
# Rust and Node are not installed, for people have their own ways; it says what to type.
#
#     bash assets/prerequisites.sh [run|test|bench]     (also what the tests or the benchmarks need)
set -euo pipefail

packages=(
    pkg-config clang libclang-dev cmake ffmpeg bubblewrap fonts-dejavu-core python3 python3-venv python3-pip
    libavcodec-dev libavformat-dev libavfilter-dev libavdevice-dev libavutil-dev
    libswscale-dev libswresample-dev libpostproc-dev
)
if [ "${1:-run}" = test ]; then
    packages+=(chromium postgresql rclone s3cmd)
elif [ "${1:-run}" = bench ]; then
    packages+=(curl nginx-light)
fi

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

if ! command -v cargo >/dev/null && [ ! -x "$HOME/.cargo/bin/cargo" ]; then
    fail "Rust is missing. Install it with:" \
        "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" \
        "then open a new shell and try again."
fi
# Vite wants Node 20.19 or later.
if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null; then
    fail "Node.js 20.19 or later is missing (found: $(node --version 2>/dev/null || echo none)). Install it with:" \
        "    curl -fsSL https://deb.nodesource.com/setup_22.x | sudo bash - && sudo apt-get install -y nodejs" \
        "or from https://nodejs.org, and try again."
fi
command -v npm >/dev/null || fail "npm is missing; it comes with Node.js: https://nodejs.org"

if ! command -v dpkg-query >/dev/null; then
    echo "This is no Debian: make sure that you have what these Debian packages hold: ${packages[*]}" >&2
    exit 0
fi
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

install=(apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=900 "${missing[@]}")
root=()
if [ "$(id -u)" != 0 ]; then
    root=(sudo)
    sudo -n true 2>/dev/null || [ -t 0 ] || fail "Packages are missing. Install them with:" "    sudo apt-get update && sudo ${install[*]}"
fi
echo "installing: ${missing[*]}" >&2
"${root[@]}" apt-get update -qq >&2
"${root[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}" >&2
