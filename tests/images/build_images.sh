#!/usr/bin/env bash
# Builds the images of docker-compose.yml without a container engine, and runs its services from the built trees.
#
# Where no engine runs, the official base images cannot be had. Each gets a stand-in of its name: Debian with what the Dockerfiles
# use of it (Python and venv; the same Maven release on a JDK; the OpenSearch server with k-NN). The Dockerfiles are built on them as
# they are, by buildah in chroots. docs/docker.md says what this proves and what it does not.
#
#   sudo tests/images/build_images.sh [build|run|clean]     default: build, then run; the work lies in RERANK_IMAGES
#
# Needs root, `apt-get install buildah debootstrap`, a JDK >= 21, Maven, `make env`, and 6 GB of disk. Takes a quarter of an hour and more.
set -euo pipefail
umask 022
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

WORK=${RERANK_IMAGES:-/var/tmp/rerank-images}
PYTHON=.venv/bin/python
SERVICES=(opensearch sidecar setup)

image() { buildah --root "$WORK/storage" --runroot "$WORK/runroot" "$@"; }
inside() { image run --isolation chroot "$@"; }
pinned() { sed -n "s/^ARG $1=//p" "$2"; }
say() { printf '\n== %s\n' "$*"; }

# The stand-in is found under the name that the Dockerfile's FROM has in full.
full_name() { case $1 in */*) echo "docker.io/$1" ;; *) echo "docker.io/library/$1" ;; esac; }
known() { image inspect --type image "$(full_name "$1")" > /dev/null 2>&1; }
commit() { image commit -q "$1" "$(full_name "$2")" > /dev/null && image rm "$1" > /dev/null; }

debian() {
  if [ ! -e "$WORK/tree/.whole" ]; then
    rm -rf "$WORK/tree"
    debootstrap --variant=minbase --include=ca-certificates,python3-venv bookworm "$WORK/tree" > "$WORK/debootstrap.log"
    # A network that re-signs TLS has its own authority on this machine; the stand-ins must trust it too.
    cp -a /etc/ssl/certs/. "$WORK/tree/etc/ssl/certs/"
    [ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$WORK/tree/etc/"
    touch "$WORK/tree/.whole"
  fi
  local container
  container=$(image from scratch)
  image add -q "$container" "$WORK/tree" / > /dev/null
  echo "$container"
}

add_jdk() {
  local jdk
  jdk=$($PYTHON -m cluster.jdk)
  rm -rf "$WORK/jdk"
  # Some packages link files of the JDK to places outside it.
  cp -rL "$jdk" "$WORK/jdk"
  image add -q "$1" "$WORK/jdk" "$2" > /dev/null
}

stand_in_python() {
  local name container
  name=$(pinned PYTHON_IMAGE sidecar/Dockerfile)
  known "$name" && return
  say "stand-in for $name"
  container=$(debian)
  inside "$container" ln -s /usr/bin/python3 /usr/local/bin/python
  commit "$container" "$name"
}

stand_in_maven() {
  local name version container
  name=$(pinned MAVEN_IMAGE opensearch/Dockerfile)
  known "$name" && return
  say "stand-in for $name"
  version=${name#*:}; version=${version%%-*}
  (cd "$WORK" && mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
    -Dartifact="org.apache.maven:apache-maven:$version:tar.gz:bin" -DoutputDirectory="$WORK")
  tar -xzf "$WORK/apache-maven-$version-bin.tar.gz" -C "$WORK"
  container=$(debian)
  add_jdk "$container" /opt/java/openjdk
  image add -q "$container" "$WORK/apache-maven-$version" /usr/share/maven > /dev/null
  inside "$container" ln -s /usr/share/maven/bin/mvn /usr/bin/mvn
  image config --env JAVA_HOME=/opt/java/openjdk --env 'PATH=/opt/java/openjdk/bin:/usr/local/bin:/usr/bin:/bin' "$container"
  commit "$container" "$name"
}

stand_in_opensearch() {
  local name container
  name=$(pinned OPENSEARCH_IMAGE opensearch/Dockerfile)
  known "$name" && return
  say "stand-in for $name"
  rm -rf "$WORK/server"
  $PYTHON - "${name#*:}" "$WORK/server" <<'PYTHON'
import sys
from pathlib import Path
from cluster.installation import unpack
from cluster.maven import fetch
from cluster.releases import release_of

release, folder = release_of(sys.argv[1]), Path(sys.argv[2])
unpack(fetch(release.server_artifact, folder), folder / "home")
for number, artifact in enumerate(release.plugin_artifacts):
    fetch(artifact, folder).rename(folder / "home" / f"plugin-{number}.zip")
PYTHON
  container=$(debian)
  inside "$container" sh -c 'apt-get -q update && apt-get -q install -y --no-install-recommends curl' > "$WORK/apt.log"
  image add -q "$container" "$WORK/server/home" /usr/share/opensearch > /dev/null
  add_jdk "$container" /usr/share/opensearch/jdk
  image add -q --chmod 755 "$container" tests/images/stand_in_entrypoint.sh /usr/share/opensearch/opensearch-docker-entrypoint.sh > /dev/null
  inside "$container" sh -ec 'useradd --uid 1000 --home-dir /usr/share/opensearch opensearch
    cd /usr/share/opensearch && export OPENSEARCH_JAVA_HOME=$PWD/jdk
    for plugin in plugin-*.zip; do bin/opensearch-plugin install --batch "file://$PWD/$plugin"; rm "$plugin"; done
    mkdir -p data logs && chown -R 1000:1000 .'
  image config --workingdir /usr/share/opensearch --user 1000 --env JAVA_HOME=/usr/share/opensearch/jdk \
    --env 'PATH=/usr/local/bin:/usr/bin:/bin:/usr/share/opensearch/jdk/bin:/usr/share/opensearch/bin' \
    --entrypoint '["./opensearch-docker-entrypoint.sh"]' --cmd opensearch "$container"
  commit "$container" "$name"
}

build() {
  mkdir -p "$WORK"
  stand_in_python
  stand_in_maven
  stand_in_opensearch
  say "opensearch/Dockerfile"
  image bud --isolation chroot --pull-never -f opensearch/Dockerfile -t rerank-opensearch .
  for target in setup sidecar; do
    say "sidecar/Dockerfile, target $target"
    image bud --isolation chroot --pull-never --layers -f sidecar/Dockerfile --target "$target" -t "rerank-$target" .
  done
  image images
}

run() {
  local service container trees=()
  trap 'image rm --all > /dev/null' EXIT
  for service in "${SERVICES[@]}"; do
    container=$(image from --pull-never "rerank-$service")
    trees+=("$service=$(image mount "$container")")
    image inspect "$container" > "$WORK/$service.json"
  done
  # Its own network: the ports of the compose file are free in it, and nothing outlives it.
  unshare --net --pid --fork --kill-child --mount --mount-proc "$PYTHON" tests/images/run_stack.py --configs "$WORK" "${trees[@]}"
}

clean() {
  [ ! -d "$WORK/storage" ] || { image rm --all; image rmi --all --force; } > /dev/null
  rm -rf "$WORK"
}

case ${1:-all} in
  build | run | clean) "$1" ;;
  all) build && run ;;
  *) echo "usage: $0 [build|run|clean]" >&2; exit 2 ;;
esac
