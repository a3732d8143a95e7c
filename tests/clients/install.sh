#!/usr/bin/env bash
# Installs one family of clients and prints the folder it is in. See README.md.
# Idempotent: the folder's name holds the hash of what it was made from, and a marker says that it is complete.
set -euo pipefail

family=${1:?usage: install.sh go|java|java-2.8|node|python|rust}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${TIDEGATE_CACHE:-$HOME/.cache/tidegate}/clients
mkdir -p "$cache"

case $family in
  go) made_from=("$here"/go/go.* "$here"/go/*/*.go "$here"/go/internal/*/*.go) ;;
  java | java-2.8) made_from=("$here"/java/pom.xml "$here"/java/*.java) ;;
  node) made_from=("$here"/node/package.json "$here"/node/package-lock.json) ;;
  python) made_from=("$here"/python/requirements.txt) ;;
  rust) made_from=("$here"/rust/Cargo.* "$here"/rust/src/*.rs) ;;
  *) echo "install.sh: unknown family $family" >&2; exit 2 ;;
esac
folder=$cache/$family-$(cat "${made_from[@]}" | sha256sum | cut -c1-16)

install_go() { (cd "$here/go" && go build -o "$folder/bin/" ./...); }
install_java() {
  mvn -q -B -f "$here/java/pom.xml" -Dkafka.version="$1" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$folder/lib"
  javac -proc:none -nowarn -Xlint:-removal -cp "$folder/lib/*" -d "$folder/classes" "$here"/java/*.java
}
install_node() {
  cp "$here"/node/package*.json "$folder"
  (cd "$folder" && npm ci --silent --no-audit --no-fund)
}
install_python() {
  python3 -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet -r "$here/python/requirements.txt"
}
# Two to four minutes: librdkafka is compiled, and OpenSSL too where its headers are missing. What was compiled is kept
# beside the folders, so that a change of ours costs seconds.
install_rust() {
  local features=
  pkg-config --exists openssl || features=vendored
  CARGO_TARGET_DIR=$cache/rust-target cargo build --quiet --locked --features "$features" \
    --manifest-path "$here/rust/Cargo.toml"
  mkdir "$folder/bin"
  cp "$cache/rust-target/debug/tidegate-client-rdkafka" "$folder/bin/rdkafka"
}

# One installs, the others wait and find it done; a half-made folder is made again.
exec 9>"$cache/$family.lock"
flock 9
if [[ ! -e $folder/complete ]]; then
  rm -rf "$folder" && mkdir -p "$folder"
  started=$SECONDS
  case $family in
    java) install_java 4.3.1 ;;
    java-2.8) install_java 2.8.2 ;;
    *) "install_$family" ;;
  esac >&2
  echo "installed the $family clients in $((SECONDS - started)) s" >&2
  touch "$folder/complete"
fi
echo "$folder"
