#!/bin/sh
# Builds the image with buildah, which needs no daemon and no registry: build.sh, from anywhere.
#   IMAGE       its name (flowengine:v0.1.0)
#   IMAGE_BASE  the base, best by digest; without it, one that base.sh has made of Debian's packages
#   CERTIFICATES a folder with the certificates of a company proxy, mounted while the image is built and not kept in it
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
image=${IMAGE:-flowengine:dev}
base=${IMAGE_BASE:-localhost/flowengine-base:bookworm}
set -- --isolation "${BUILDAH_ISOLATION:-chroot}" --format docker --build-arg "BASE=$base" --tag "$image"
if [ -n "${SOURCE_DATE_EPOCH:-}" ]; then
  set -- "$@" --timestamp "$SOURCE_DATE_EPOCH"
fi
if [ -n "${CERTIFICATES:-}" ]; then
  set -- "$@" --volume "$CERTIFICATES:/etc/ssl/certs:ro" --env SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
fi
exec buildah bud "$@" --file "$root/deploy/docker/Dockerfile" "$root"
