#!/bin/sh
# A base for the image where no registry of images is at hand: Debian's packages, by mmdebstrap. Prints its name. One that is there
# already is taken; `buildah rmi localhost/flowengine-base:bookworm` gets newer packages.
#   MIRROR  where the packages come from, and what the image then names as its source; without it, where this machine has its own from
set -eu
name=localhost/flowengine-base:bookworm
if ! buildah inspect --type image "$name" >/dev/null 2>&1; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$folder/base.tar" ${MIRROR:+"$MIRROR"}
  container=$(buildah from scratch)
  trap 'buildah rm "$container" >/dev/null; rm -rf "$folder"' EXIT
  buildah add --quiet "$container" "$folder/base.tar" / >/dev/null
  buildah commit --quiet --format docker "$container" "$name" >/dev/null
fi
echo "$name"
