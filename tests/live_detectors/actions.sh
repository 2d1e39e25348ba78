#!/bin/sh
# What the built-in detectors watch for, and its harmless twins, acted out. Nothing here changes the machine: what would is done
# to file systems in memory, in mount namespaces of their own.
#
# Every action is a process of its own, which notes a line "PLACE NAME PID". Names that begin with "harmless" are those of twins.
#
# usage: actions.sh ROLE, with ACTIONS=this file, ACTOR=actor.pl, NOTES=file to write, WORK=empty directory,
# HIERARCHY=where control groups are mounted, GROUP=name for a new one, CONTAINER=64 hexadecimal digits
set -eu

act() {
    sh -c "echo \"\$PLACE $1 \$\$\" >> \"\$NOTES\"; $2" sh
}

# What no container is needed for.
host() {
    export PLACE=host
    act socket-duplicated 'perl "$ACTOR" duplicate-socket 0'
    act harmless-socket-duplicated 'perl "$ACTOR" duplicate-socket 7'
    act socket-connected 'perl "$ACTOR" connect-as-input'
    act harmless-socket-connected 'perl "$ACTOR" connect 127.0.0.1'
    act traced 'perl "$ACTOR" trace-me'
    act word-poked 'perl "$ACTOR" attach poke'
    act harmless-word-peeked 'perl "$ACTOR" attach peek'
    act memory-sealed 'perl "$ACTOR" seal-memory'
    act memory-file 'perl "$ACTOR" run-memory-file'
    cp /bin/true "$SHARED"
    act shared-memory '"$SHARED"'
    act harmless-program '"$WORK/true"'
    act preload 'LD_PRELOAD=libc.so.6 "$WORK/true"'
    act library-path 'LD_LIBRARY_PATH=/nowhere "$WORK/true"'
    act harmless-environment 'LD_PRELOADED=libc.so.6 "$WORK/true"'
    act randomisation 'cat /proc/sys/kernel/randomize_va_space'
    act harmless-setting 'cat /proc/sys/kernel/osrelease'
    act web-server 'exec "$WORK/apache2" -c "exec sh -c :"'
    act harmless-web-server 'exec "$WORK/apache2" -c "exec $WORK/true"'
    act harmless-worker 'exec "$WORK/worker" -c "exec sh -c :"'
    act memory-read 'perl "$ACTOR" open-memory read'
    act memory-written 'perl "$ACTOR" open-memory write'
    act memory-both 'perl "$ACTOR" open-memory both'
    act harmless-maps 'cat /proc/self/maps'
    act memory-of-another 'perl "$ACTOR" write-memory another'
    act harmless-own-memory 'perl "$ACTOR" write-memory own'
    # Through a pipe: what cat copies from file to file by itself, the kernel copies without a write.
    act hidden-file 'cat "$WORK/true" | cat > "$WORK/.hidden"'
    act harmless-hidden-text 'echo text > "$WORK/.text"'
    act run-level-tool '"$WORK/update-rc.d"'
    act schedule-tool '"$WORK/crontab"'
}

# File systems in memory where the system's files are, seen by nobody else.
cover() {
    for directory in /usr/lib/dpkg /usr/lib/systemd /usr/lib/apt; do
        [ ! -d "$directory" ] || export LIBRARIES=$directory
    done
    for directory in "$LIBRARIES" /etc /proc; do
        mount -n -t tmpfs none "$directory"
        : > "$directory/covered"
    done
    mkdir -p /etc/init.d /etc/sudoers.d /etc/cron.d /etc/kubernetes/pki /proc/sys/kernel
    for file in /proc/kcore /proc/sched_debug /proc/sysrq-trigger /proc/sys/kernel/core_pattern /proc/sys/kernel/sysrq \
        /etc/kubernetes/pki/ca.key "$LIBRARIES/libc.so"; do
        echo covered > "$file"
    done
}

# What may be done to those alone.
covered() {
    for directory in "$LIBRARIES" /etc /proc; do
        [ -e "$directory/covered" ] || exit 1
    done
    act notify-on-release 'echo 1 > "$WORK/notify_on_release"'
    act harmless-notify-on-release 'cat "$WORK/notify_on_release"'
    act release-agent 'echo /x > "$WORK/release_agent"'
    act harmless-release-agent 'cat "$WORK/release_agent"'
    act release-agent-replaced 'mv "$WORK/release_agent" "$WORK/x"; mv "$WORK/x" "$WORK/release_agent"'
    act service-account 'cat "$WORK/secrets/kubernetes.io/serviceaccount/token"'
    act harmless-service-account '"$WORK/kubectl" "$WORK/secrets/kubernetes.io/serviceaccount/token"'
    act harmless-certificate 'cat "$WORK/secrets/kubernetes.io/serviceaccount/ca.crt"'
    act core-pattern 'echo "|/x" > /proc/sys/kernel/core_pattern'
    act harmless-core-pattern 'cat /proc/sys/kernel/core_pattern'
    act loader 'echo x > "$LIBRARIES/ld-linux.so.2"'
    act loader-replaced 'mv "$LIBRARIES/ld-linux.so.2" "$LIBRARIES/x"; mv "$LIBRARIES/x" "$LIBRARIES/ld-linux.so.2"'
    act harmless-loader 'cat "$LIBRARIES/ld-linux.so.2"'
    act harmless-library 'echo x > "$LIBRARIES/libc.so"'
    act device 'perl "$ACTOR" mount /dev/tracee-cap-test'
    act harmless-mount 'perl "$ACTOR" mount tracee-cap-test'
    act certificate 'cat /etc/kubernetes/pki/ca.key'
    act certificate-moved 'mv /etc/kubernetes/pki/ca.key /etc/x; mv /etc/x /etc/kubernetes/pki/ca.key'
    act harmless-owner '"$WORK/etcd" /etc/kubernetes/pki/ca.key'
    act harmless-new-certificate 'echo x > /etc/kubernetes/pki/ca.key'
    act docker 'perl "$ACTOR" connect "$WORK/docker.sock"'
    act docker-written 'echo x >> "$WORK/written-docker.sock"'
    act harmless-log 'perl "$ACTOR" connect "$WORK/log.sock"'
    act kernel-memory 'cat /proc/kcore'
    act harmless-kernel-memory 'echo x > /proc/kcore'
    act scheduler 'cat /proc/sched_debug'
    act harmless-scheduler 'echo x > /proc/sched_debug'
    act system-request 'echo x > /proc/sysrq-trigger'
    act system-request-setting 'echo x > /proc/sys/kernel/sysrq'
    act harmless-system-request 'cat /proc/sys/kernel/sysrq'
    act cluster 'KUBERNETES_SERVICE_HOST=127.0.0.1 perl "$ACTOR" connect 127.0.0.1'
    act harmless-cluster 'KUBERNETES_SERVICE_HOST=127.0.0.1 perl "$ACTOR" connect 127.0.0.2'
    act run-level 'echo x > /etc/init.d/x'
    act run-level-replaced 'mv /etc/init.d/x /etc/x; mv /etc/x /etc/init.d/x'
    act harmless-run-level 'cat /etc/init.d/x'
    act schedule 'echo x > /etc/crontab'
    act schedule-replaced 'mv /etc/crontab /etc/x; mv /etc/x /etc/crontab'
    act harmless-schedule 'cat /etc/crontab'
    act sudoers 'echo x > /etc/sudoers'
    act sudoers-replaced 'mv /etc/sudoers /etc/x; mv /etc/x /etc/sudoers'
    act harmless-sudoers 'cat /etc/sudoers'
    act dropped 'cat "$WORK/true" | cat > "$WORK/dropped"'
    act harmless-dropped-text 'echo text > "$WORK/text"'
    # From here on every program would try to load it.
    act preload-file ': > /etc/ld.so.preload'
    act preload-file-replaced 'mv /etc/ld.so.preload /etc/x; mv /etc/x /etc/ld.so.preload'
    act harmless-preload-file 'cat /etc/ld.so.preload'
}

case $1 in
main)
    export SHARED="/dev/shm/$GROUP"
    group=$HIERARCHY/$GROUP
    trap 'rm -f "$SHARED"; rmdir "$group/docker/$CONTAINER" "$group/docker" "$group" 2> /dev/null || true' EXIT
    for name in true update-rc.d crontab; do cp /bin/true "$WORK/$name"; done
    for name in apache2 worker; do cp /bin/sh "$WORK/$name"; done
    for name in kubectl etcd; do cp /bin/cat "$WORK/$name"; done
    mkdir -p "$WORK/secrets/kubernetes.io/serviceaccount"
    for name in token ca.crt; do echo secret > "$WORK/secrets/kubernetes.io/serviceaccount/$name"; done
    : > "$WORK/notify_on_release"
    host
    # In a container's place, but in none: what only containers must not do is nobody's business.
    PLACE=outside unshare -m sh "$ACTIONS" outside
    for directory in "$group" "$group/docker" "$group/docker/$CONTAINER"; do
        mkdir "$directory"
        # Without these, nothing can run in a cpuset.
        for file in cpuset.cpus cpuset.mems; do
            [ ! -e "$directory/$file" ] || [ -e "$directory/cgroup.controllers" ] || cat "$directory/../$file" > "$directory/$file"
        done
    done
    unshare -m sh "$ACTIONS" enter
    ;;
outside)
    cover
    covered
    ;;
enter)
    cover
    echo $$ > "$HIERARCHY/$GROUP/docker/$CONTAINER/cgroup.procs"
    # As a runtime would, before the container's own program runs.
    PLACE=starting covered
    PLACE=container exec sh "$ACTIONS" inside
    ;;
inside)
    covered
    ;;
esac
