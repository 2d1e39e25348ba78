/* All programs in one object: they share maps, and the kernel's BTF is read once. Each program is optional: the loader
 * keeps those that the running kernel takes. */
#include "process.bpf.c"
#include "cgroup.bpf.c"
#include "file.bpf.c"
#include "packet.bpf.c"
#include "net.bpf.c"
#include "path.bpf.c"
#include "task.bpf.c"
#include "memory.bpf.c"
#include "write.bpf.c"
#include "module.bpf.c"
#include "bpf.bpf.c"
#include "integrity.bpf.c"
#include "syscall.bpf.c"

/* Kernel functions that read tasks may only be called from programs under this licence. */
char sensor_license[] SEC("license") = "Dual MIT/GPL";
