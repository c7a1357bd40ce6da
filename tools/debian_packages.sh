#!/usr/bin/env bash
# Unpacks packages of another Debian release into a folder. Signatures are checked; dependencies are not followed, and nothing is installed.
set -euo pipefail
[ $# -ge 4 ] || { echo "usage: tools/debian_packages.sh FOLDER RELEASE COMPONENT PACKAGE..." >&2; exit 2; }
folder=$1 release=$2 component=$3
shift 3

mkdir -p "$folder"
folder=$(realpath "$folder")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir -p lists/partial archives/partial
mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -m 1 '/debian/\?$' || echo https://deb.debian.org/debian/)
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release $component" >"$release.list"
apt=(apt-get -qq -o Dir::Etc::SourceList="$work/$release.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$work/lists" \
  -o Dir::Cache="$work" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root -o Acquire::Languages=none \
  -o APT::Architectures="$(dpkg --print-architecture)")
"${apt[@]}" update
"${apt[@]}" download "$@"
for package in *.deb; do dpkg -x "$package" "$folder"; done
