#!/usr/bin/env bash
# Asks every part of the stack how it is, from inside of its own container; 1 if one is not well.
# Takes the compose command with its files.
set -uo pipefail

compose=("$@")
wrong=0

ask() { # ask WHAT SERVICE COMMAND: run it in the container, show its last line
  local told state=ok
  told=$("${compose[@]}" exec -T "$2" bash -c "set -o pipefail; $3" 2>&1) || { state=ERROR; wrong=1; }
  printf '%-6s %-14s %s\n' "$state" "$1" "$(tail -n 1 <<<"$told")"
}

# With TLS, or without where the stack has none. The password stays in the container, and on no
# command line: curl reads it from its standard input.
elasticsearch='get() {
  for scheme in https http; do
    printf "silent\nfail\ncacert = \"config/certs/ca/ca.crt\"\nuser = \"elastic:%s\"\n" "$ELASTIC_PASSWORD" |
      curl --config - "$scheme://localhost:9200$1" && return
  done
  echo no answer
  return 1
}; '
kibana='get() {
  for scheme in https http; do
    curl --silent --fail --cacert config/certs/ca/ca.crt "$scheme://localhost:5601$1" && return
  done
  echo no answer
  return 1
}; '
logstash='get() { curl --silent --fail "http://127.0.0.1:9600$1" || { echo no answer; return 1; }; }; '

ask elasticsearch elasticsearch "$elasticsearch"'get "/_cat/health?h=status,node.total"'
ask licence elasticsearch "$elasticsearch"'get "/_license?filter_path=license.type" | tr -d " \n"'
ask template elasticsearch "$elasticsearch"'get "/_index_template/logs-orchestrator?filter_path=*.name" | tr -d " \n"'
ask records elasticsearch "$elasticsearch"'get "/_cat/count/logs-orchestrator.*-*?h=count"'
ask logstash logstash "$logstash"'get /_health_report | grep -o "\"status\" *: *\"[a-z]*\"" | head -n 1'
ask queue logstash "$logstash"'get /_node/stats/pipelines/main | grep -o "\"queue_size_in_bytes\" *: *[0-9]*" | head -n 1'
ask kibana kibana "$kibana"'get /api/status | grep -o "\"level\" *: *\"[a-z]*\"" | head -n 1'
exit "$wrong"
