#!/usr/bin/env bash
# Makes a CA and three certificates in CERTS, unless they are there: for Elasticsearch, Logstash
# and Kibana. Runs in the image of Elasticsearch, as root.
#
# The key of the CA stays for root alone; the other keys are for user 1000, which is whom all three
# images run as. `complete` is written last, so half a set is made anew.
set -euo pipefail

certs=${CERTS:-/certs}
certutil=${CERTUTIL:-/usr/share/elasticsearch/bin/elasticsearch-certutil}
owner=${OWNER:-1000:0}

if [ -f "$certs/complete" ]; then
  echo "the certificates are there"
  exit 0
fi
rm -rf "$certs"/*
umask 077

list() { # list KEY VALUES: the comma-separated values as a YAML list
  echo "    $1:"
  tr ', ' '\n' <<<"$2" | sed '/^$/d; s/^/      - "/; s/$/"/' | sort -u
}

{
  echo "instances:"
  for name in elasticsearch logstash kibana; do
    echo "  - name: $name"
    list dns "$name,localhost,${STACK_DNS:-}"
    list ip "127.0.0.1,${STACK_IP:-}"
  done
} >"$certs/instances.yml"

# Logstash reads keys of the form PKCS #8 alone; certutil writes PKCS #1, and the image has no
# openssl. The former is the latter in a wrapping of fixed bytes and two lengths:
#   SEQUENCE { INTEGER 0, SEQUENCE { OID rsaEncryption, NULL }, OCTET STRING { the PKCS #1 key } }
pkcs8() {
  if ! grep -q 'BEGIN RSA PRIVATE KEY' "$1"; then
    cat "$1"
    return
  fi
  local body length
  body=$(mktemp)
  sed '/-----/d' "$1" | base64 -d >"$body"
  length=$(wc -c <"$body")
  echo '-----BEGIN PRIVATE KEY-----'
  {
    bytes "3082$(printf '%04x' $((length + 22)))020100300d06092a864886f70d01010105000482$(printf '%04x' "$length")"
    cat "$body"
  } | base64 -w 64
  echo '-----END PRIVATE KEY-----'
  rm -f "$body"
}

bytes() { # bytes HEX
  local hex=$1
  while [ -n "$hex" ]; do
    # shellcheck disable=SC2059
    printf "\\x${hex:0:2}"
    hex=${hex:2}
  done
}

unpack() { # unpack ARCHIVE: unzip is in the image; python stands in for it elsewhere
  if command -v unzip >/dev/null; then unzip -q "$1" -d "$certs"; else python3 -m zipfile -e "$1" "$certs"; fi
  rm "$1"
}

"$certutil" ca --silent --pem --days 3650 --out "$certs/ca.zip"
unpack "$certs/ca.zip"
"$certutil" cert --silent --pem --days 825 --in "$certs/instances.yml" \
  --ca-cert "$certs/ca/ca.crt" --ca-key "$certs/ca/ca.key" --out "$certs/certs.zip"
unpack "$certs/certs.zip"
pkcs8 "$certs/logstash/logstash.key" >"$certs/logstash/logstash.pkcs8.key"

chown -R "$owner" "$certs"/{elasticsearch,logstash,kibana}
chmod 755 "$certs" "$certs"/{ca,elasticsearch,logstash,kibana}
chmod 444 "$certs"/*/*.crt
chmod 400 "$certs"/*/*.key
touch "$certs/complete"
chmod 444 "$certs/complete"
echo "made the certificates"
