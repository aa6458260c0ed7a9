#!/bin/bash
# What docker-compose.yml uses of the official image's entry point: variables named like settings become settings.
# bash, because other shells drop variables with dots in their names.
set -eu
while IFS='=' read -r name value; do
  [[ ! $name =~ ^[a-z_]+\.[a-z_.]+$ ]] || set -- "$@" "-E$name=$value"
done < <(env)
exec "$@"
