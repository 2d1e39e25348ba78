/* Which tasks' events are told, beside those that the process tree and the containers are made of: filters that run before anything is
 * read for an event. They let pass at least what the reader keeps, which decides exactly. */
#pragma once
#include "task.h"

enum filter_kind {
	FILTER_HOST_PID = 0, /* thread group, in the root pid namespace */
	FILTER_HOST_TID = 1,
	FILTER_PID = 2, /* thread group, in the task's own pid namespace */
	FILTER_UID = 3,
	FILTER_COMM = 4,
	FILTER_CGROUP = 5,
	FILTER_MNT_NS = 6,
	FILTER_PID_NS = 7,
	FILTER_CONTAINER = 8, /* no values: whether the task is in one */
};

/* Kinds with values of which one must match; kinds with values none of which may. Set before the programs are loaded. */
const volatile u32 filters_in = 0, filters_out = 0;

struct filter_key {
	u32 kind, reserved;
	u64 value[2]; /* a number and 0, or the 16 bytes of a name */
};
enum { VALUE_IN = 1, VALUE_OUT = 2 };
struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 4096);
	__type(key, struct filter_key);
	__type(value, u8);
} filter_values SEC(".maps");

INLINE int passes(struct filter_key *key)
{
	u8 *found = bpf_map_lookup_elem(&filter_values, key);
	if (found && *found == VALUE_OUT)
		return 0;
	return !(filters_in & 1 << key->kind) || found;
}

INLINE int number_passes(u32 kind, u64 value)
{
	struct filter_key key = { kind, 0, { value, 0 } };
	return passes(&key);
}

/* ---- containers ---- */

#define CGROUP_NAME 128
#define CGROUP_LEVELS 12
#define CONTAINER_ID 64 /* hexadecimal digits */
#define SHORTEST_NAME 28 /* bytes: the reader takes no shorter name for that of a container */

/* What a cgroup's name says of the tasks in it and below. */
enum cgroup_place { PLACE_HOST = 1, PLACE_UNCERTAIN = 2, PLACE_CONTAINER = 3 };

struct cgroup_name {
	char text[CGROUP_NAME];
};
/* Room for a name. */
struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cgroup_name);
} cgroup_names SEC(".maps");

/* By cgroup id: the enum's values. */
struct {
	__uint(type, MAP_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, u8);
} cgroup_places SEC(".maps");

INLINE int is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* There is no memcmp to call. */
INLINE int begins(const char *text, const char *with, u32 len)
{
#pragma unroll
	for (u32 i = 0; i < len; i++)
		if (text[i] != with[i])
			return 0;
	return 1;
}
#define BEGINS(text, with) begins(text, with, sizeof(with) - 1)

/* Where the id of a container begins in a name, if it is one. */
INLINE u32 id_begins(const char *text)
{
	if (BEGINS(text, "docker-") || BEGINS(text, "libpod-"))
		return 7;
	if (BEGINS(text, "crio-"))
		return 5;
	if (BEGINS(text, "cri-containerd-"))
		return 15;
	return 0;
}

/* What a name says. The reader knows more forms of names; of a long one that has none of the common forms nothing is said. */
GLOBAL int place_of_name(u64 name)
{
	u32 zero = 0;
	struct cgroup_name *room = bpf_map_lookup_elem(&cgroup_names, &zero);
	if (!room || bpf_probe_read_kernel_str(room->text, CGROUP_NAME, (void *)name) <= SHORTEST_NAME)
		return PLACE_HOST;
	u32 begin = id_begins(room->text);
	for (u32 i = 0; i < CONTAINER_ID; i++)
		if (!is_hex(room->text[(begin + i) & (CGROUP_NAME - 1)]))
			return PLACE_UNCERTAIN;
	/* What has no prefix is an id, or something else of which one is a part. */
	return begin || !room->text[CONTAINER_ID] ? PLACE_CONTAINER : PLACE_UNCERTAIN;
}

INLINE struct kernfs_node *parent_of(struct kernfs_node *node)
{
	struct kernfs_node___6_15 *newer = (void *)node;
	return field_exists(newer->__parent) ? R(newer, __parent) : R(node, parent);
}

INLINE u8 place_of(struct task_struct *task)
{
	struct kernfs_node *node = cgroup_node_of(task);
	u64 id = R(node, id);
	u8 *known = bpf_map_lookup_elem(&cgroup_places, &id);
	if (known)
		return *known;
	u8 place = PLACE_HOST;
	for (u32 i = 0; i < CGROUP_LEVELS && node; i++) {
		u8 level = place_of_name((u64)R(node, name));
		if (level > place)
			place = level;
		node = parent_of(node);
	}
	if (node && place == PLACE_HOST)
		place = PLACE_UNCERTAIN;
	bpf_map_update_elem(&cgroup_places, &id, &place, 0);
	return place;
}

/* Whether events of the current task are wanted. */
INLINE int filters_pass(void)
{
	u32 kinds = filters_in | filters_out;
	if (!kinds)
		return 1;
	struct task_struct *task = current_task();
	u64 ids = bpf_get_current_pid_tgid();
	if (kinds & 1 << FILTER_HOST_PID && !number_passes(FILTER_HOST_PID, ids >> 32))
		return 0;
	if (kinds & 1 << FILTER_HOST_TID && !number_passes(FILTER_HOST_TID, (u32)ids))
		return 0;
	if (kinds & 1 << FILTER_PID && !number_passes(FILTER_PID, own_upid(R(task, group_leader)).nr))
		return 0;
	if (kinds & 1 << FILTER_UID && !number_passes(FILTER_UID, R(R(task, real_cred), uid.val)))
		return 0;
	if (kinds & 1 << FILTER_CGROUP && !number_passes(FILTER_CGROUP, cgroup_id_of(task)))
		return 0;
	if (kinds & 1 << FILTER_MNT_NS && !number_passes(FILTER_MNT_NS, R(R(R(task, nsproxy), mnt_ns), ns.inum)))
		return 0;
	if (kinds & 1 << FILTER_PID_NS && !number_passes(FILTER_PID_NS, R(own_upid(task).ns, ns.inum)))
		return 0;
	if (kinds & 1 << FILTER_COMM) {
		struct filter_key key = { FILTER_COMM, 0, {} };
		bpf_get_current_comm(key.value, sizeof(key.value));
		if (!passes(&key))
			return 0;
	}
	if (kinds & 1 << FILTER_CONTAINER) {
		/* Where it is not certain, the reader decides. */
		u8 unwanted = filters_out & 1 << FILTER_CONTAINER ? PLACE_CONTAINER : PLACE_HOST;
		if (place_of(task) == unwanted)
			return 0;
	}
	return 1;
}

/* Whether what the current task does is told: it is in scope, and the filters let it pass. */
INLINE int current_in_scope(void)
{
	return current_is_recorded() && filters_pass();
}
