#!/usr/bin/env bash
# Installs one family of clients and prints the folder it is in. See README.md.
# Idempotent: the folder's name holds the hash of what it was made from, and a marker says that it is complete.
set -euo pipefail

family=${1:?usage: install.sh go|node|python}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${TIDEGATE_CACHE:-$HOME/.cache/tidegate}/clients
mkdir -p "$cache"

case $family in
  go) made_from=("$here"/go/go.* "$here"/go/*/*.go "$here"/go/internal/*/*.go) ;;
  node) made_from=("$here"/node/package.json "$here"/node/package-lock.json) ;;
  python) made_from=("$here"/python/requirements.txt) ;;
  *) echo "install.sh: unknown family $family" >&2; exit 2 ;;
esac
folder=$cache/$family-$(cat "${made_from[@]}" | sha256sum | cut -c1-16)

install_go() { (cd "$here/go" && go build -o "$folder/bin/" ./...); }
install_node() {
  cp "$here"/node/package*.json "$folder"
  (cd "$folder" && npm ci --silent --no-audit --no-fund)
}
install_python() {
  python3 -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet -r "$here/python/requirements.txt"
}

# One installs, the others wait and find it done; a half-made folder is made again.
exec 9>"$cache/$family.lock"
flock 9
if [[ ! -e $folder/complete ]]; then
  rm -rf "$folder" && mkdir -p "$folder"
  started=$SECONDS
  "install_$family" >&2
  echo "installed the $family clients in $((SECONDS - started)) s" >&2
  touch "$folder/complete"
fi
echo "$folder"
