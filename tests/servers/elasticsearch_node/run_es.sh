#!/usr/bin/env bash
# Becomes a real Elasticsearch node on 127.0.0.1, made of the jars that Maven Central has.
#   run_es.sh PORT HOME       PORT 0: the system picks one; HOME/logs/http.ports tells it
# HOME (config, data, logs) is made if it is not there; the same HOME again keeps its data. The node
# ends with its standard input. Runs as any user.
# ES_DIST: where the jars are laid out, once.  ES_JDK: a JDK of version 21 or newer.
# ES_HEAP (512m), ES_JAVA_OPTS, ES_YML (more lines for elasticsearch.yml).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
die() { echo "$*" >&2; exit 1; }

port=${1:?usage: run_es.sh PORT HOME}
home=${2:?usage: run_es.sh PORT HOME}
dist=${ES_DIST:?where the jars are laid out}

jdk=
for folder in "${ES_JDK:-}" "${JAVA_HOME:-}" /usr/lib/jvm/*; do
  [ -x "$folder/bin/javac" ] || continue
  release=$("$folder/bin/javac" -version 2>&1 | sed 's/javac \([0-9]*\).*/\1/')
  [ "$release" -lt 21 ] || { jdk=$folder; break; }
done
[ -n "$jdk" ] || die "no JDK of version 21 or newer was found; set ES_JDK"

# ---- lay the jars out, once per (pom, sources, JDK, this script) ----
stamp=$(cat "$here/pom.xml" "$here"/src/*.java "$here"/src/testnode/*.java "$jdk/release" \
  "${BASH_SOURCE[0]}" | sha256sum | cut -c1-16)

fetch() { # fetch FOLDER [-o]
  JAVA_HOME=$jdk mvn -B -q "${@:2}" -f "$here/pom.xml" \
    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -DoutputDirectory="$1/all" >"$1/mvn.log" 2>&1
}

describe() { # describe FOLDER NAME CLASS VERSION: how the server finds a module
  printf '%s\n' "name=$2" "description=$2" "version=$4" "elasticsearch.version=$4" \
    java.version=21 "classname=$3" has.native.controller=false \
    >"$1/modules/$2/plugin-descriptor.properties"
}

build_module() { # build_module FOLDER NAME CLASS VERSION: one of ours
  describe "$1" "$2" "testnode.$3" "$4"
  "$jdk/bin/javac" -nowarn -cp "$1/lib/*" -d "$1/$2" "$here/src/testnode/$3.java"
  "$jdk/bin/jar" cf "$1/modules/$2/$2.jar" -C "$1/$2" .
}

sort_jars() { # sort_jars FOLDER: a module has its jars to itself, the server has the rest
  local jar x_pack=$1/modules/x-pack-core netty=$1/modules/transport-netty4
  for jar in "$1"/all/*.jar; do
    case ${jar##*/} in
      elasticsearch-ssl-config-*) cp "$jar" "$netty/"; mv "$jar" "$x_pack/" ;;
      transport-netty4-* | netty-*) mv "$jar" "$netty/" ;;
      x-pack-core-* | http* | commons-codec-* | commons-logging-* | icu4j-* | unboundid-* | slf4j-* | \
        log4j-slf4j* | log4j-1.2-*) mv "$jar" "$x_pack/" ;;
      *) mv "$jar" "$1/lib/" ;;
    esac
  done
  rmdir "$1/all"
}

lay_out() {
  local new=$dist.new.$$ version zstd
  rm -rf "$new"
  mkdir -p "$new"/{all,lib,native,app,modules/{transport-netty4,x-pack-core,root-endpoint,analysis}}
  fetch "$new" -o || fetch "$new" || { cat "$new/mvn.log" >&2; die "Maven could not fetch the jars"; }
  sort_jars "$new"
  version=$(basename "$new"/lib/elasticsearch-[0-9]*.jar .jar)
  version=${version#elasticsearch-}
  describe "$new" transport-netty4 org.elasticsearch.transport.netty4.Netty4Plugin "$version"
  describe "$new" x-pack-core org.elasticsearch.xpack.core.XPackPlugin "$version"
  "$jdk/bin/javac" -nowarn -cp "$new/lib/*" -d "$new/app" "$here/src/EsNode.java"
  "$jdk/bin/jar" cf "$new/lib/es-node.jar" -C "$new/app" .
  build_module "$new" root-endpoint RootEndpoint "$version"
  build_module "$new" analysis Analysis "$version"
  # the server compresses with the system's zstd (Debian: libzstd1, which is always there)
  zstd=$(ls /usr/lib/*-linux-gnu/libzstd.so.1 /lib/*-linux-gnu/libzstd.so.1 2>/dev/null | head -1)
  cp -L "$zstd" "$new/native/libzstd.so"
  echo "$stamp" >"$new/stamp"
  rm -rf "$dist"
  mv "$new" "$dist"
}

laid_out() { [ "$(cat "$dist/stamp" 2>/dev/null)" = "$stamp" ]; }

if ! laid_out; then # one at a time: tests may start several nodes at once
  mkdir -p "$(dirname "$dist")"
  exec 9>"$dist.lock"
  flock 9
  laid_out || lay_out
  exec 9>&-
fi

# ---- one node ----
mkdir -p "$home"/{config,data,logs,plugins,tmp,repo}
home=$(cd "$home" && pwd)
cat >"$home/config/elasticsearch.yml" <<YML
cluster.name: test
node.name: test-node
discovery.type: single-node
network.host: 127.0.0.1
http.port: $port
transport.port: 0
node.portsfile: true
path.data: $home/data
path.logs: $home/logs
path.repo: $home/repo
cluster.routing.allocation.disk.threshold_enabled: false
${ES_YML:-}
YML
cat >"$home/config/log4j2.properties" <<'PROPERTIES'
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %-5p %c{1.} %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
PROPERTIES
rm -f "$home/logs/http.ports"
heap=${ES_HEAP:-512m}
unsafe=--sun-misc-unsafe-memory-access=allow # no warning; older ones do not know the option
[ "$release" -ge 23 ] || unsafe=
# shellcheck disable=SC2086 -- several options
exec "$jdk/bin/java" -Xms"$heap" -Xmx"$heap" -XX:+UseSerialGC -Xlog:disable -Xlog:all=error:stderr \
  -XX:+AutoCreateSharedArchive -XX:SharedArchiveFile="$dist/es.jsa" \
  $unsafe -Dfile.encoding=UTF-8 -Djava.awt.headless=true \
  -Djava.io.tmpdir="$home/tmp" -Djna.nosys=true -Dio.netty.noUnsafe=true \
  -Des.path.home="$home" -Des.nativelibs.path="$dist/native" \
  -Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false \
  ${ES_JAVA_OPTS:-} -cp "$dist/lib/*" EsNode "$home" "$dist/modules"
