#!/usr/bin/env bash
# Causes every event on stock Debian kernels in qemu, without KVM, and on this machine's own kernel, and prints a table: which hooks
# told the event, on which kernel. In the guests the hooks that this machine's kernel may refuse (trampolines, kprobes) are used.
#
# On one of them, $more, more tests run, too: every program before the verifier, hooks of the sensor by itself, and stores.
#
# usage: tests/kernels/run.sh [--write FILE] [VERSION[:best]…]    versions: 5.10 6.1 6.12 6.18; default: all
# needs: apt-get install qemu-system-x86 busybox-static cpio xz-utils
# :best          of this kernel only the best hooks: a third of the time
# --write FILE   writes the table as a document. A kernel that has passed before, in a run of its own, is not booted again as long as
#                the sensor, the causes of events and the kernel are the same.
# TRACEE_CAP_KERNEL_PATIENCE   seconds that a guest may take, by default 1200
#
# What is missing is skipped, loudly. An event that a kernel has a hook for and that is not told as it was caused, a test that fails, or
# a kernel that does not come to its end, is a failure. Kernels and what passed on them are kept in target/kernels; remove it to look
# for newer ones.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() { echo "SKIPPED kernel tests: $*" >&2; exit 0; }
for tool in qemu-system-x86_64 busybox cpio dpkg-deb xz objcopy; do
  command -v "$tool" >/dev/null || skip "no $tool (apt-get install qemu-system-x86 busybox-static cpio xz-utils binutils)"
done
document=
[ "${1-}" != --write ] || { document=$2; shift 2; }
versions=("$@")
[ ${#versions[@]} -gt 0 ] || versions=(5.10 6.1 6.12 6.18)
declare -A only=()
for index in "${!versions[@]}"; do
  version=${versions[$index]%:best}
  [ "$version" = "${versions[$index]}" ] || only[$version]=--best-only
  versions[index]=$version
done
[ -z "$document" ] || [ ${#only[@]} -eq 0 ] || { echo "the document is of all hooks: leave out :best" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cache=$PWD/target/kernels
mkdir -p "$cache/passed"

# ---- kernels ----

# The suites that have these kernels, in lists of our own: the machine's apt stays as it is.
apt_options=()
update_lists() {
  local key=/usr/share/keyrings/debian-archive-keyring.gpg suite
  [ ${#apt_options[@]} -eq 0 ] || return 0
  mkdir -p "$cache/lists/partial"
  for suite in "debian-security bullseye-security" "debian bookworm" "debian-security bookworm-security" "debian trixie-backports"; do
    echo "deb [signed-by=$key] http://deb.debian.org/${suite/ / } main"
  done > "$cache/sources.list"
  apt_options=(-o "Dir::Etc::sourcelist=$cache/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$cache/lists"
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Acquire::Languages=none)
  apt-get "${apt_options[@]}" -qq update >/dev/null 2>&1 || true
}

# Puts the kernel of a version, its release and a module into the cache: the newest package that downloads.
fetch() {
  local version=$1 place=$cache/$1 pattern package
  [ ! -e "$place/vmlinuz" ] || return 0
  case $version in
    5.10|6.1) pattern="linux-image-$version.0-[0-9]+-cloud-amd64-unsigned" ;;
    6.12) pattern="linux-image-6.12.[0-9]+[+]deb12-cloud-amd64-unsigned" ;;
    *) pattern="linux-image-$version.[0-9]+[+]deb13-cloud-amd64" ;;
  esac
  update_lists
  mapfile -t packages < <(apt-cache "${apt_options[@]}" pkgnames linux-image- | grep -Ex "${pattern//./[.]}" | sort -rV | head -6)
  for package in "${packages[@]}"; do
    rm -rf "$work/package"
    mkdir "$work/package"
    (cd "$work/package" && apt-get "${apt_options[@]}" -qq download "$package" >/dev/null 2>&1) || continue
    dpkg-deb -x "$work/package"/*.deb "$work/package"
    mkdir -p "$place"
    local module
    module=$(find "$work/package" -name 'dummy.ko*' | head -1)
    case $module in
      *.xz) xz -dc "$module" > "$place/dummy.ko" ;;
      ?*) cp "$module" "$place/dummy.ko" ;;
    esac
    basename "$(find "$work/package" -path '*/modules/*' -maxdepth 5 -name "$version*" | head -1)" > "$place/release"
    cp "$(find "$work/package" -name 'vmlinuz*' | head -1)" "$place/vmlinuz"
    return 0
  done
  return 1
}

# ---- what runs in them ----

# Of the whole workspace, so that nothing is compiled anew that `cargo test --workspace` has compiled.
program=$(cargo test --locked --workspace --test events --no-run 2>&1 | sed -n 's/.*Executable .*(\(.*\))$/\1/p')
[ -x "$program" ] || { echo "the test of all events does not compile" >&2; exit 1; }
# A stock kernel with all kinds of hooks.
more=6.1
mapfile -t others < <(cargo test --locked --workspace --test programs --test live_stores --test hooks --no-run 2>&1 \
  | sed -n 's/.*Executable .*(\(.*\))$/\1/p')
[ ${#others[@]} -eq 3 ] || { echo "the other live tests do not compile: ${others[*]}" >&2; exit 1; }

root=$work/root
mkdir -p "$root"/{bin,usr/bin,etc,proc,sys,dev,tmp}
cp "$(command -v busybox)" "$root/bin/busybox"
for applet in sh grep mount ifconfig cat uname reboot true mkdir rmdir stat ls sleep setsid unshare; do ln -s busybox "$root/bin/$applet"; done
ln -s ../../bin/busybox "$root/usr/bin/env"
echo guest > "$root/etc/hostname"
objcopy --strip-debug "$program" "$root/events"
libraries() {
  ldd "$1" | grep -o '/[^ ]*\.so[^ ]*' | while read -r library; do
    mkdir -p "$2$(dirname "$library")"
    cp -L "$library" "$2$library"
  done
}
libraries "$program" "$root"
cat > "$root/init" <<'INIT'
#!/bin/sh
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev
mount -t tracefs none /sys/kernel/tracing; mount -t securityfs none /sys/kernel/security
mount -t bpf none /sys/fs/bpf; mount -t cgroup2 none /sys/fs/cgroup; mount -t tmpfs none /tmp
ifconfig lo 127.0.0.1 up
best=
grep -q best-only /proc/cmdline && best=--best-only
/events $best > /dev/ttyS1 2>&1
status=$?
for test in /more/*; do
  [ -x "$test" ] || continue
  "$test" --test-threads 1 > /dev/ttyS1 2>&1 || { echo "FAILED test $test" > /dev/ttyS1; status=1; }
done
echo "exit $status" > /dev/ttyS1
reboot -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) > "$work/initrd"

# Where the output of a kernel is kept that told all events: named by all that decides what is told.
sources=$(git ls-files -z ebpf capture/tests/events | xargs -0 sha256sum)
kept() {
  echo "$cache/passed/$1-$( (echo "$sources"; sha256sum < "$cache/$1/vmlinuz") | sha256sum | cut -c1-16)"
}

passed() {
  [ "$(tail -1 "$1")" = "exit 0" ] && ! grep -q '^SKIPPED' "$1"
}

boot() {
  local version=$1 place=$work/$1
  mkdir -p "$place/module"
  if [ -n "$document" ] && [ -e "$(kept "$version")" ]; then
    echo "passed before: $version" >&2
    cp "$(kept "$version")" "$place/output"
    return
  fi
  # A second archive on top of the first.
  cp "$work/initrd" "$place/initrd"
  if [ -e "$cache/$version/dummy.ko" ]; then
    mkdir -p "$place/module/lib/modules"
    cp "$cache/$version/dummy.ko" "$place/module/lib/modules/dummy.ko"
  fi
  if [ "$version" = "$more" ]; then
    mkdir "$place/module/more"
    for other in "${others[@]}"; do
      objcopy --strip-debug "$other" "$place/module/more/$(basename "$other")"
      libraries "$other" "$place/module"
    done
  fi
  (cd "$place/module" && find . | cpio -o -H newc --quiet | gzip -1) >> "$place/initrd"
  timeout "${TRACEE_CAP_KERNEL_PATIENCE:-1200}" qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 768 \
    -kernel "$cache/$version/vmlinuz" -initrd "$place/initrd" -append "console=ttyS0 quiet panic=-1 ${only[$version]-}" \
    -display none -no-reboot -nodefaults -serial "file:$place/console" -serial "file:$place/serial" || true
  tr -d '\r' < "$place/serial" > "$place/output"
  # Best hooks alone are not all that the table shows.
  if [ -z "${only[$version]-}" ] && passed "$place/output"; then cp "$place/output" "$(kept "$version")"; fi
}

# ---- all of them ----

names=() failed=0
for version in "${versions[@]}"; do
  if fetch "$version"; then
    names+=("$version")
  else
    echo "SKIPPED kernel $version: it cannot be downloaded" >&2
  fi
done
# Two at a time.
printf '%s\n' "${names[@]}" > "$work/names"
running=0
for version in "${names[@]}"; do
  boot "$version" &
  running=$((running + 1))
  [ $running -lt 2 ] || { wait -n; running=$((running - 1)); }
done
wait
mkdir -p "$work/own"
"$program" > "$work/own/output" 2>&1 && own=0 || own=$?
echo "exit $own" >> "$work/own/output"
names+=(own)
for version in "${names[@]}"; do
  output=$work/$version/output
  if passed "$output"; then
    continue
  elif [ "$version" = own ] && grep -q '^SKIPPED' "$output"; then
    echo "SKIPPED this machine's own kernel: $(grep '^SKIPPED' "$output")" >&2
  else
    echo "FAILED  $version" >&2
    grep -v -P '\t(seen|not available|not caused: [^\t]*)(\t|$)' "$output" >&2 || true
    tail -20 "$work/$version/console" >&2 2>/dev/null || true
    failed=$((failed + 1))
  fi
done

# ---- the table ----

title() {
  if [ "$1" != own ]; then
    cat "$cache/$1/release"
  elif [ -e /sys/bus/event_source/devices/kprobe/type ]; then
    uname -r
  else
    echo "$(uname -r | cut -d- -f1), without kprobes and trampolines"
  fi
}
for version in "${names[@]}"; do
  printf 'kernel\t%s\t%s\n' "$version" "$(title "$version")"
  grep -P '^(Trampoline|Breakpoint|Tracepoint)\t' "$work/$version/output" | sed "s/^/$version\t/" || true
done > "$work/all"
awk -F'\t' -f tests/kernels/table.awk "$work/all" > "$work/table.md"
cat "$work/table.md"
if [ -n "$document" ]; then
  if [ $failed -eq 0 ]; then cp "$work/table.md" "$document"; else echo "$document is not written: there were failures" >&2; fi
fi
echo "$((${#names[@]} - failed)) kernels passed, $failed failed"
exit $((failed > 0))
