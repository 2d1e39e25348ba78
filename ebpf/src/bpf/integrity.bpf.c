/* Whether the kernel still leads where it was made to lead: words of its memory for the reader to look at, and who lists the proc
 * file system. */
#include "fields.h"

#define PROC_SUPER_MAGIC 0x9fa0
#define BLOCK_WORDS 32
#define BLOCKS 32

/* Where the kernel's own code is; empty when that is not known. Set before the programs are loaded. */
const volatile u64 kernel_text_start = 0;
const volatile u64 kernel_text_end = 0;

/* Words that the reader wants to see: at most BLOCK_WORDS from an address on; none from address 0. */
struct block {
	u64 address, words;
};
struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, BLOCKS);
	__type(key, u32);
	__type(value, struct block);
} blocks SEC(".maps");

/* Writes each block as BLOCK_WORDS words; those that were not asked for or cannot be read are 0. Of all tasks, only the first
 * makes it do so. */
SEC("iter/task")
int list_words(struct bpf_iter__task *ctx)
{
	if (!ctx->task || ctx->meta->seq_num)
		return 0;
	for (u32 i = 0; i < BLOCKS; i++) {
		u32 key = i;
		struct block *block = bpf_map_lookup_elem(&blocks, &key);
		u64 words[BLOCK_WORDS] = {};
		if (!block || !block->address || !block->words)
			return 0;
		u64 last = (block->words - 1) & (BLOCK_WORDS - 1);
		bpf_probe_read_kernel(words, last * 8 + 8, (void *)block->address);
		bpf_seq_write(ctx->meta->seq, words, sizeof(words));
	}
	return 0;
}

INLINE int is_foreign(u64 function)
{
	return function && (function < kernel_text_start || function >= kernel_text_end);
}

/* The functions that list a directory: iterate_shared, and iterate where the kernel still has it; 0 for the kernel's own. */
INLINE int proc_permission_hook(const u64 *a)
{
	struct file *file = (void *)a[0];
	u64 functions[2] = {};
	if (!kernel_text_end || R(R(R(file, f_inode), i_sb), s_magic) != PROC_SUPER_MAGIC)
		return 0;
	struct file_operations *operations = R(file, f_op);
	functions[0] = (u64)R(operations, iterate_shared);
	if (field_exists(operations->iterate))
		functions[1] = (u64)R(operations, iterate);
	for (int i = 0; i < 2; i++)
		if (!is_foreign(functions[i]))
			functions[i] = 0;
	if (!(functions[0] | functions[1]) || !current_in_scope())
		return 0;
	struct scratch *s = begin_event(EVENT_hooked_proc_fops);
	if (!s)
		return 0;
	put_kernel_block(s, TAG(FORM_NUMBERS, hooked_proc_fops__hooked_fops_pointers), functions, sizeof(functions), 16);
	end(s);
	return 0;
}
HOOK(proc_permission_hook, security_file_permission)
