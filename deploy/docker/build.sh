#!/bin/sh
# Builds the image with buildah, which needs no daemon and no registry: build.sh, from anywhere.
#   IMAGE       its name (flowengine:v0.1.0)
#   IMAGE_BASE  the base by digest (docs/operate/day-two.md says how to find it); without it, one that base.sh makes of Debian's packages
#   CERTIFICATES a folder with the certificates of a company proxy, mounted while the image is built and not kept in it
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
image=${IMAGE:-flowengine:dev}
if [ -z "${IMAGE_BASE:-}" ]; then
  IMAGE_BASE=$("$root/deploy/docker/base.sh")
elif ! echo "$IMAGE_BASE" | grep -Eq '^[^@]+@sha256:[0-9a-f]{64}$'; then
  echo "IMAGE_BASE=$IMAGE_BASE names no digest; a tag is another image tomorrow: name@sha256:..." >&2
  exit 2
fi
set -- --isolation "${BUILDAH_ISOLATION:-chroot}" --format docker --build-arg "BASE=$IMAGE_BASE" --tag "$image"
if [ -n "${SOURCE_DATE_EPOCH:-}" ]; then
  set -- "$@" --timestamp "$SOURCE_DATE_EPOCH"
fi
if [ -n "${CERTIFICATES:-}" ]; then
  set -- "$@" --volume "$CERTIFICATES:/etc/ssl/certs:ro"
fi
exec buildah bud "$@" --file "$root/deploy/docker/Dockerfile" "$root"
