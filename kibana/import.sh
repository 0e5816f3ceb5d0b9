#!/usr/bin/env bash
# Puts the data view, the dashboards and the Discover sessions of this folder into a Kibana of
# version 9.4 or newer, in its default space:  kibana/import.sh https://localhost:5601
#
# KIBANA_USER and KIBANA_PASSWORD log in (or KIBANA_API_KEY); CA is the certificate of the CA, if it
# is not one that this machine trusts. It may run any number of times: what is there under the same
# ids is replaced. `shipper setup --kibana` does the same, in any space, and shows what changes. No
# password is on a command line.
set -euo pipefail

url=${1:-${KIBANA_URL:?usage: import.sh URL}}
url=${url%/}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

quoted() { # quoted TEXT: as curl reads it between quotes
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

options() { # curl's options, read from its standard input
  echo 'silent'
  echo 'show-error'
  echo 'fail-with-body'
  echo 'header = "kbn-xsrf: true"'
  [ -z "${CA:-}" ] || echo "cacert = $(quoted "$CA")"
  if [ -n "${KIBANA_API_KEY:-}" ]; then
    echo "header = $(quoted "authorization: ApiKey $KIBANA_API_KEY")"
  elif [ -n "${KIBANA_USER:-}" ]; then
    echo "user = $(quoted "$KIBANA_USER:${KIBANA_PASSWORD:?}")"
  fi
}

send() { # send WHAT ARGUMENTS…: the answer goes to standard output
  local answer
  answer=$(options | curl --config - "${@:2}") || { echo "$1: refused: $answer" >&2; exit 1; }
  case $answer in
    *'"success":false'* | *'"warnings":[{'*) echo "$1: $answer" >&2; exit 1 ;;
  esac
  echo "$1" >&2
}

for file in data-view discover-sessions; do # as saved objects: their ids stay, twice as well as once
  send "$file" --form "file=@$here/$file.ndjson" "$url/api/saved_objects/_import?overwrite=true"
done
for file in "$here"/dashboards/*.json; do
  id=$(basename "$file" .json)
  send "$id" --request PUT --header 'content-type: application/json' --data-binary "@$file" \
    "$url/api/dashboards/$id"
  send "$id is read back" "$url/api/dashboards/$id"
done
