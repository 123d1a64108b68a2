#!/bin/sh
# What dpkg itself reads from a status file: the oracle of the dpkg analyzer.
#
#   dpkg-query.sh STATUS_FILE
#
# Prints one line for each package that is present:
#   name <tab> version <tab> architecture <tab> source <tab> source version
set -eu
status=$1
admindir=$(mktemp -d)
trap 'rm -rf "$admindir"' EXIT
mkdir "$admindir/info" "$admindir/updates"
cp "$status" "$admindir/status"
LC_ALL=C dpkg-query --admindir="$admindir" --show --showformat \
    '${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n' >"$admindir/shown"
awk -F '\t' -v OFS='\t' '$1 != "config-files" && $1 != "not-installed" { print $2, $3, $4, $5, $6 }' "$admindir/shown"
