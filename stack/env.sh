#!/usr/bin/env bash
# Makes .env of .env.example: every empty value becomes 40 random letters and digits. A .env that is
# there stays as it is: the volumes were made with its passwords.
set -euo pipefail

template=${1:?the template}
target=${2:?the file to make}

random() {
  # 512 random bytes have 40 letters and digits but for one time in 10^40.
  head -c 512 /dev/urandom | LC_ALL=C tr -dc 'A-Za-z0-9' | cut -c 1-40
}

umask 077
set -o noclobber
if ! : >"$target"; then
  echo "$target is there already and stays as it is" >&2
  exit 1
fi
while IFS= read -r line; do
  case $line in
    [A-Z]*=) printf '%s%s\n' "$line" "$(random)" ;;
    *) printf '%s\n' "$line" ;;
  esac
done <"$template" >>"$target"
echo "made $target; its passwords are known to nobody else"
