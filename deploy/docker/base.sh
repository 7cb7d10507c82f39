#!/bin/sh
# A base for the image where no registry of images is at hand: Debian's packages, unpacked by mmdebstrap and kept as an archive.
#   base.sh [FOLDER]   FOLDER keeps the archive (.state/image); remove it to get newer packages
#   MIRROR             where the packages come from; without it, where this machine has its own from
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-$root/.state/image}
name=localhost/flowengine-base:bookworm
mkdir -p "$folder"
if [ ! -s "$folder/base.tar" ]; then
  # Half an archive must not be taken for one.
  mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$folder/base.part.tar" ${MIRROR:+"$MIRROR"}
  mv "$folder/base.part.tar" "$folder/base.tar"
fi
container=$(buildah from scratch)
trap 'buildah rm "$container" >/dev/null' EXIT
buildah add --quiet "$container" "$folder/base.tar" / >/dev/null
buildah commit --quiet --format docker "$container" "$name" >/dev/null
echo "$name"
