/* Programs and maps like these: what others load. */
#include "fields.h"
#include "syscall.h"

#define BPF_PROG_LOAD 5

INLINE void bpf_command(u32 command)
{
	struct scratch *s = begin_event(EVENT_security_bpf);
	if (!s)
		return;
	put_number(s, security_bpf__cmd, (s64)(s32)command);
	end(s);
}

INLINE void map_used(struct bpf_map *map)
{
	struct scratch *s = begin_event(EVENT_security_bpf_map);
	if (!s)
		return;
	put_number(s, security_bpf_map__map_id, R(map, id));
	put_kernel_string(s, security_bpf_map__map_name, &map->name);
	end(s);
}

INLINE void program_used(struct bpf_prog *program, int loaded)
{
	struct bpf_prog_aux *aux = R(program, aux);
	struct scratch *s = begin_event(EVENT_security_bpf_prog);
	if (!s)
		return;
	put_number(s, security_bpf_prog__type, R(program, type));
	put_kernel_string(s, security_bpf_prog__name, &aux->name);
	put_number(s, security_bpf_prog__id, R(aux, id));
	put_number(s, security_bpf_prog__load, loaded);
	end(s);
}

INLINE int bpf_hook(const u64 *a)
{
	if (current_in_scope())
		bpf_command(a[0]);
	return 0;
}
HOOK(bpf_hook, security_bpf)

INLINE int bpf_map_hook(const u64 *a)
{
	if (current_in_scope())
		map_used((void *)a[0]);
	return 0;
}
HOOK(bpf_map_hook, security_bpf_map)

INLINE int bpf_prog_hook(const u64 *a)
{
	if (!current_in_scope())
		return 0;
	struct call call;
	current_call(&call);
	program_used((void *)a[0], call.nr == NR_bpf && (u32)call.args[0] == BPF_PROG_LOAD);
	return 0;
}
HOOK(bpf_prog_hook, security_bpf_prog)

/* ---- as calls show it ---- */

/* The descriptor that a call gave is of a program or a map if it is called so. */
INLINE void bpf_returned(struct call *call, s64 ret, u64 derived)
{
	u32 command = call->args[0];
	if (derived & DERIVE_BPF)
		bpf_command(command);
	switch (command) {
	case 0 /* BPF_MAP_CREATE */:
	case BPF_PROG_LOAD:
	case 7 /* BPF_OBJ_GET */:
	case 13 /* BPF_PROG_GET_FD_BY_ID */:
	case 14 /* BPF_MAP_GET_FD_BY_ID */:
		break;
	default:
		return;
	}
	struct file *file = ret >= 0 ? file_of(ret) : 0;
	if (!file)
		return;
	char name[16] = {};
	bpf_probe_read_kernel_str(name, sizeof(name), R(R(file, f_path.dentry), d_name.name));
	if (name[0] != 'b' || name[1] != 'p' || name[2] != 'f' || name[3] != '-')
		return;
	void *of = R(file, private_data);
	if (derived & DERIVE_BPF_MAP && name[4] == 'm' && name[5] == 'a' && name[6] == 'p')
		map_used(of);
	if (derived & DERIVE_BPF_PROG && name[4] == 'p' && name[5] == 'r')
		program_used(of, command == BPF_PROG_LOAD);
}
