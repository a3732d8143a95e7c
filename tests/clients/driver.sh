#!/usr/bin/env bash
# Runs one driver: driver.sh NAME consume|produce|admin ARGS... (see README.md).
set -euo pipefail

name=${1:?usage: driver.sh NAME consume|produce|admin ARGS...}
shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Little memory and a quick start, beside brokers on two cores; the log is the client's own, with times.
jvm=(-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto
  -Dorg.slf4j.simpleLogger.showDateTime=true "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss,SSS")
case $name in
  java | java-2.8)
    folder=$("$here/install.sh" "$name")
    exec java "${jvm[@]}" -cp "$folder/classes:$folder/lib/*" Driver "$@"
    ;;
  franz | sarama) exec "$("$here/install.sh" go)/bin/$name" "$@" ;;
  kafkajs) NODE_PATH=$("$here/install.sh" node)/node_modules exec node "$here/node/kafkajs.js" "$@" ;;
  aiokafka | librdkafka | kafka-python)
    exec "$("$here/install.sh" python)/venv/bin/python" "$here/python/${name//-/_}_driver.py" "$@"
    ;;
  rdkafka) exec "$("$here/install.sh" rust)/bin/rdkafka" "$@" ;;
  *) echo "driver.sh: unknown client $name" >&2; exit 2 ;;
esac
