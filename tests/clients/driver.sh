#!/usr/bin/env bash
# Runs one driver: driver.sh NAME consume|produce ARGS... (see README.md).
set -euo pipefail

name=${1:?usage: driver.sh NAME consume|produce ARGS...}
shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case $name in
  franz | sarama) exec "$("$here/install.sh" go)/bin/$name" "$@" ;;
  kafkajs) NODE_PATH=$("$here/install.sh" node)/node_modules exec node "$here/node/kafkajs.js" "$@" ;;
  aiokafka | librdkafka | kafka-python)
    exec "$("$here/install.sh" python)/venv/bin/python" "$here/python/${name//-/_}_driver.py" "$@" ;;
  *) echo "driver.sh: unknown client $name" >&2; exit 2 ;;
esac
