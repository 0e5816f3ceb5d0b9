#!/usr/bin/env bash
# Makes what the stack needs in Elasticsearch: templates, lifecycle policy, roles, and the accounts
# of Kibana, Logstash, the alert job and the dashboards. Every request puts what is wanted in place
# of what is there, so it may run at any time; `…@custom` component templates are never touched.
#
# It is what `shipper setup` does from any machine, for a cluster that is known to have everything,
# and with nothing but curl. No password is on a command line.
set -euo pipefail

url=${ELASTICSEARCH_URL:?}
templates=${TEMPLATES:-/stack/templates}
security=${SECURITY:-true}

options() { # curl's options, read from its standard input
  echo 'silent'
  echo 'show-error'
  echo 'fail-with-body'
  echo 'header = "content-type: application/json"'
  if [ "$security" = true ]; then
    echo "cacert = \"${CA:?}\""
    echo "user = \"elastic:${ELASTIC_PASSWORD:?}\""
  fi
}

send() { # send METHOD PATH FILE
  options | curl --config - --request "$1" --data-binary "@$3" "$url$2" >&2
  echo " $2" >&2
}

put_all() { # put_all FOLDER ENDPOINT: each file under its own name
  local file name
  for file in "$templates/$1"/*.json; do
    name=$(basename "$file" .json)
    # Only for clusters without the lifecycle management that the policy is for.
    [ "${name##*@}" = lifecycle ] && continue
    send PUT "$2/$name" "$file"
  done
}

write_body() { # write_body PASSWORD FURTHER: the body that sets a password
  printf '{"password":"%s"%s}' "$1" "${2:-}" >"$body"
}

body=$(mktemp)
trap 'rm -f "$body"' EXIT

put_all lifecycle_policies /_ilm/policy
put_all component_templates /_component_template
put_all index_templates /_index_template

if [ "$security" = true ]; then
  put_all roles /_security/role
  write_body "${KIBANA_PASSWORD:?}"
  send POST /_security/user/kibana_system/_password "$body"
  write_body "${LOGSTASH_PASSWORD:?}" ',"roles":["logs-orchestrator-writer"]'
  send PUT /_security/user/logstash_writer "$body"
  write_body "${ALERTS_PASSWORD:?}" ',"roles":["logs-orchestrator-alerts"]'
  send PUT /_security/user/alert_job "$body"
  write_body "${DASHBOARDS_PASSWORD:?}" ',"roles":["logs-orchestrator-kibana"]'
  send PUT /_security/user/dashboards "$body"
fi
echo 'Elasticsearch is set up' >&2
