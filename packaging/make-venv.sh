#!/bin/sh
# Makes the virtual environment. Debian keeps the part of Python that does it (ensurepip) in a package of its own, which
# a fresh machine lacks: it is installed when that is possible without asking, else the command to do so is shown.
# usage: make-venv.sh PYTHON FOLDER
set -eu
python=$1
venv=$2

"$python" - <<'CHECK' || { echo "twinwatch needs Python 3.11 or newer as '$python'; name another with: make PYTHON=/path/to/python3" >&2; exit 1; }
import sys
sys.exit(sys.version_info < (3, 11))
CHECK

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    package=$("$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')
    if [ "$(id -u)" = 0 ]; then as_root=; else as_root="sudo -n"; fi
    echo "installing $package, which makes virtual environments" >&2
    if ! { $as_root apt-get -qq update && $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "$package" ca-certificates; } >&2; then
        echo "could not install it; please run: sudo apt-get install $package ca-certificates" >&2
        exit 1
    fi
fi
rm -rf "$venv"
"$python" -m venv "$venv"
