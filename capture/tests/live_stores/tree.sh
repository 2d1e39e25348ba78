#!/bin/sh
# A family of processes. Each notes what procfs says about it: a line "name pid ppid pid-in-its-own-namespace", where the first
# two numbers are those of the root pid namespace.
#
# usage: tree.sh ROLE, with TREE=this file, NOTES=file to write, HELPER=test program, CGROUP=directory of a cgroup hierarchy,
# CONTAINER=64 hexadecimal digits

note() {
    read -r pid comm state parent rest < /proc/self/stat
    while read -r key values; do
        [ "$key" = NSpid: ] && namespaces=$values
    done < /proc/self/status
    echo "$1 $pid $parent ${namespaces##*[!0-9]}" >> "$NOTES"
}

as() { sh "$TREE" "$@"; }

wait_for() {
    while [ ! -e "$NOTES.$1" ]; do sleep 0.01; done
}

case $1 in
main)
    note main
    as chain-1
    as daemon
    wait_for orphan-of-daemon
    setsid sh "$TREE" session
    TREE_ROLE=thread "$HELPER" tree_helper --exact --ignored > /dev/null
    TREE_ROLE=subreaper "$HELPER" tree_helper --exact --ignored > /dev/null
    unshare -pf sh "$TREE" init
    as container
    note main-again
    ;;
chain-1)
    note chain-1
    as chain-2
    note chain-1-again
    ;;
chain-2)
    note chain-2
    (note subshell)
    true
    ;;
daemon)
    # The one in the middle ends at once, and somebody else takes over its child.
    note "$2daemon"
    sh "$TREE" middle "$2"
    ;;
middle)
    note "$2middle"
    sh "$TREE" orphan "$2" $$ &
    ;;
orphan)
    parent=$3
    while [ "$parent" = "$3" ]; do
        sleep 0.01
        read -r pid comm state parent rest < /proc/self/stat
    done
    exec sh "$TREE" adopted "$2"
    ;;
adopted)
    note "$2adopted"
    : > "$NOTES.orphan-of-$2daemon"
    ;;
session) note session ;;
init)
    note init
    as in-namespace
    true
    ;;
in-namespace) note in-namespace ;;
thread) note thread ;;
container)
    mkdir "$CGROUP" "$CGROUP/docker" "$CGROUP/docker/$CONTAINER"
    # Without these, nothing can run in a cpuset.
    for directory in "$CGROUP" "$CGROUP/docker" "$CGROUP/docker/$CONTAINER"; do
        for file in cpuset.cpus cpuset.mems; do
            [ ! -e "$directory/$file" ] || [ -e "$directory/cgroup.controllers" ] || cat "$directory/../$file" > "$directory/$file"
        done
    done
    ls -di "$CGROUP/docker/$CONTAINER" > "$NOTES.inode"
    # In a mount namespace of its own, so that it counts as started.
    unshare -m sh "$TREE" move-in
    rmdir "$CGROUP/docker/$CONTAINER" "$CGROUP/docker" "$CGROUP"
    ;;
move-in)
    note container-moved
    echo $$ > "$CGROUP/docker/$CONTAINER/cgroup.procs"
    as contained
    echo $$ > "$CGROUP/../cgroup.procs"
    ;;
contained)
    note contained
    # Further down is no other container.
    mkdir "$CGROUP/docker/$CONTAINER/inner"
    cat /dev/null
    rmdir "$CGROUP/docker/$CONTAINER/inner"
    ;;
esac
