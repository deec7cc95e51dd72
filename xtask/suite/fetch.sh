#!/usr/bin/env bash
# Brings the source tree of Redis 7.0.15, with its test suite, from Debian's source package to target/redis-suite.
# It is run, never committed. Needs the network and Debian's apt, with lists of its own: those of the machine stay as they are.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=target/redis-suite
[ -f $target/tests/test_helper.tcl ] && exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
key=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb-src [signed-by=$key] http://deb.debian.org/debian bookworm main" >"$work/sources.list"
apt=(apt-get -qq -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
command -v dpkg-source >/dev/null || {
    echo "missing: dpkg-source. Install it and run this again, on Debian: sudo apt-get install dpkg-dev" >&2
    exit 1
}
"${apt[@]}" update >/dev/null
(cd "$work" && "${apt[@]}" source --download-only redis >/dev/null && dpkg-source --no-check -x ./*.dsc tree >/dev/null)
mkdir -p target
mv "$work/tree" $target
