#!/usr/bin/env bash
# Brings the source tree of Redis 7.0.15, with its test suite, from Debian's source package to target/redis-suite.
# It is run, never committed. Needs Debian 12, root for the list of sources, and the network.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=target/redis-suite
[ -f $target/tests/test_helper.tcl ] && exit 0

list=/etc/apt/sources.list.d/pollux-suite.list
key=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb-src [signed-by=$key] http://deb.debian.org/debian bookworm main" >$list
trap 'rm -f $list' EXIT
apt-get update -qq >/dev/null
command -v dpkg-source >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends dpkg-dev >/dev/null
work=$(mktemp -d)
(cd "$work" && apt-get source -qq --download-only redis >/dev/null 2>&1 && dpkg-source --no-check -x ./*.dsc tree >/dev/null)
mkdir -p target
mv "$work/tree" $target
rm -rf "$work"
