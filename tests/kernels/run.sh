#!/usr/bin/env bash
# Runs the live tests of the sensor and the recorder on stock Debian kernels in qemu, without KVM: some minutes a kernel.
# There the hooks that this machine's kernel may refuse (trampolines, kprobes) are used.
#
# usage: tests/kernels/run.sh [KERNEL-PACKAGE…]     default: what linux-image-cloud-amd64 stands for
# needs: apt-get install qemu-system-x86 busybox-static cpio
# What is missing is skipped, loudly; a test that fails, or a kernel that does not come to its end, is a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() { echo "SKIPPED kernel tests: $*" >&2; exit 0; }
for tool in qemu-system-x86_64 busybox cpio dpkg-deb; do
  command -v "$tool" >/dev/null || skip "no $tool (apt-get install qemu-system-x86 busybox-static cpio)"
done
packages=("$@")
if [ ${#packages[@]} -eq 0 ]; then
  mapfile -t packages < <(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends:/ { print $2 "-unsigned" }')
  [ ${#packages[@]} -gt 0 ] || skip "apt knows no linux-image-cloud-amd64 (apt-get update)"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,usr/bin,etc,proc,sys,dev,tmp}
cp "$(command -v busybox)" "$root/bin/busybox"
for applet in sh mount ifconfig cat true reboot mkdir rmdir stat ls sleep setsid unshare; do ln -s busybox "$root/bin/$applet"; done
ln -s ../../bin/busybox "$root/usr/bin/env"
echo guest > "$root/etc/hostname"

# Of the whole workspace, so that nothing is compiled anew that `cargo test --workspace` has compiled.
mapfile -t programs < <(cargo test --locked --workspace --test live --test live_stores --no-run 2>&1 | sed -n 's/.*Executable .*(\(.*\))$/\1/p')
[ ${#programs[@]} -eq 3 ] || { echo "the three live tests of two crates do not compile" >&2; exit 1; }
for number in 0 1 2; do
  program=${programs[number]}
  cp "$program" "$root/live-$number"
  ldd "$program" | grep -o '/[^ ]*\.so[^ ]*' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done
done
# A timing test has no place in an emulated machine, so the recorder is killed on real ones only.
cat > "$root/init" <<'INIT'
#!/bin/sh
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev
mount -t tracefs none /sys/kernel/tracing; mount -t securityfs none /sys/kernel/security
mount -t bpf none /sys/fs/bpf; mount -t cgroup2 none /sys/fs/cgroup; mount -t tmpfs none /tmp
ifconfig lo 127.0.0.1 up
for number in 0 1 2; do
  /live-$number --test-threads 1 --skip what_was_acknowledged > /dev/ttyS1 2>&1
  echo "exit $number $?" > /dev/ttyS1
done
reboot -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) > "$work/initrd"

failed=0 ran=0
for package in "${packages[@]}"; do
  if ! (cd "$work" && apt-get download -qq "$package" >/dev/null 2>&1); then
    echo "SKIPPED $package: it cannot be downloaded" >&2
    continue
  fi
  dpkg-deb -x "$work/$package"_*.deb "$work/$package"
  kernel=$(find "$work/$package" -name 'vmlinuz*' | head -1)
  timeout 300 qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 768 -kernel "$kernel" -initrd "$work/initrd" \
    -append "console=ttyS0 quiet panic=-1" -display none -no-reboot -nodefaults \
    -serial "file:$work/console" -serial "file:$work/output" || true
  ran=$((ran + 1))
  if [ "$(tr -d '\r' < "$work/output" | grep -c '^exit [012] 0$')" -eq 3 ] && ! grep -q SKIPPED "$work/output"; then
    echo "ok      $package"
  else
    echo "FAILED  $package"
    cat "$work/output"
    tail -20 "$work/console"
    failed=$((failed + 1))
  fi
done
echo "$((ran - failed)) passed, $failed failed"
exit $((failed > 0))
