// SPDX-License-Identifier: GPL-2.0
/*
 * model.c - objects through the public doors, against a map of bytes
 *
 * The model is one byte for each slot of address space that an object can have:
 * 1 while some object has it.
 */
#include <sys/mman.h>

#include "test.h"

#define MODEL_BOOT_BYTES	SHIM_BOOT_MAX
#define MODEL_SPACE_BYTES	SHIM_SPACE_MAX

static unsigned char *boot_map, *space_map;
static unsigned long nr_used_slots;
static u32 next_pattern;

static unsigned char *map_reserve(size_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	SHIM_ASSERT(map != MAP_FAILED, "mmap");
	return map;
}

void model_reset(void)
{
	if (!boot_map) {
		boot_map = map_reserve(MODEL_BOOT_BYTES / PCPU_MIN_ALLOC_SIZE);
		space_map = map_reserve(MODEL_SPACE_BYTES / PCPU_MIN_ALLOC_SIZE);
	} else {
		madvise(boot_map, MODEL_BOOT_BYTES / PCPU_MIN_ALLOC_SIZE, MADV_DONTNEED);
		madvise(space_map, MODEL_SPACE_BYTES / PCPU_MIN_ALLOC_SIZE, MADV_DONTNEED);
	}
	nr_used_slots = 0;
}

unsigned long model_used_slots(void)
{
	return nr_used_slots;
}

static unsigned char *model_bytes(const void __percpu *ptr)
{
	unsigned long addr = (unsigned long)__pcpu_ptr_to_addr(ptr);

	if (is_vmalloc_addr((void *)addr))
		return space_map + (addr - VMALLOC_START) / PCPU_MIN_ALLOC_SIZE;
	SHIM_ASSERT(shim_is_boot_memory((void *)addr), "object at %#lx, outside all memory", addr);
	return boot_map + (addr - shim_boot_start()) / PCPU_MIN_ALLOC_SIZE;
}

static void model_mark(const struct object *object, unsigned char from, unsigned char to)
{
	unsigned int nr = DIV_ROUND_UP(object->size, PCPU_MIN_ALLOC_SIZE), i;
	unsigned char *bytes = model_bytes(object->ptr);

	for (i = 0; i < nr; i++) {
		SHIM_ASSERT(bytes[i] == from, "object of %u bytes at %p: slot %u is %s",
			    object->size, object->ptr, i, from ? "not in use" : "in use");
		bytes[i] = to;
	}
	nr_used_slots += to ? nr : -(unsigned long)nr;
}

/* ---- contents --------------------------------------------------------------- */

/* All bytes of all copies if that is not too much, else ends and samples. */
#define FULL_BYTES	(32UL << 10)
#define END_BYTES	16U

static u8 pattern_of(const struct object *object, unsigned int cpu)
{
	return (object->pattern * 2654435761u + cpu * 40503u) >> 13 | 1;
}

static void check_bytes(const u8 *bytes, size_t n, u8 want, const char *what)
{
	size_t i = 0;
	u64 word, wide = want * 0x0101010101010101ull;

	for (; i + 8 <= n; i += 8) {
		memcpy(&word, bytes + i, 8);
		if (word != wide)
			break;
	}
	for (; i < n; i++)
		SHIM_ASSERT(bytes[i] == want, "%s: byte %zu of %zu is %#x, not %#x", what, i, n,
			    bytes[i], want);
}

static bool is_sample(const struct object *object, unsigned int cpu)
{
	return (size_t)object->size * shim_nr_cpus <= FULL_BYTES || object->size <= 2 * END_BYTES ||
	       !((cpu + object->pattern) % 61);
}

static void check_copy(const struct object *object, unsigned int cpu, u8 want, const char *what)
{
	const u8 *bytes = per_cpu_ptr((u8 *)object->ptr, cpu);

	if (is_sample(object, cpu)) {
		check_bytes(bytes, object->size, want, what);
		return;
	}
	check_bytes(bytes, END_BYTES, want, what);
	check_bytes(bytes + object->size - END_BYTES, END_BYTES, want, what);
}

static void fill_copy(const struct object *object, unsigned int cpu, u8 with)
{
	u8 *bytes = per_cpu_ptr((u8 *)object->ptr, cpu);

	if (is_sample(object, cpu)) {
		memset(bytes, with, object->size);
		return;
	}
	memset(bytes, with, END_BYTES);
	memset(bytes + object->size - END_BYTES, with, END_BYTES);
}

void model_check_pattern(const struct object *object)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		check_copy(object, cpu, pattern_of(object, cpu), "contents");
}

/* ---- contexts ------------------------------------------------------------------ */

static __thread unsigned int ctx_scope;

void ctx_enter(enum ctx ctx)
{
	switch (ctx) {
	case CTX_TASK:
		break;
	case CTX_NOFS_SCOPE:
		ctx_scope = memalloc_nofs_save();
		break;
	case CTX_NOIO_SCOPE:
		ctx_scope = memalloc_noio_save();
		break;
	case CTX_IRQS_OFF:
		current->irqs_off = true;
		break;
	case CTX_SOFTIRQ:
		current->softirq = true;
		break;
	case CTX_HARDIRQ:
		current->hardirq = true;
		break;
	case CTX_RAW_LOCK:
		current->raw_locked = true;
		current->preempt++;
		break;
	case CTX_NMI:
		current->nmi = true;
		break;
	case CTX_ANY_NR:
		break;
	}
}

void ctx_leave(enum ctx ctx)
{
	switch (ctx) {
	case CTX_TASK:
		break;
	case CTX_NOFS_SCOPE:
		memalloc_nofs_restore(ctx_scope);
		break;
	case CTX_NOIO_SCOPE:
		memalloc_noio_restore(ctx_scope);
		break;
	case CTX_IRQS_OFF:
		current->irqs_off = false;
		break;
	case CTX_SOFTIRQ:
		current->softirq = false;
		break;
	case CTX_HARDIRQ:
		current->hardirq = false;
		break;
	case CTX_RAW_LOCK:
		current->preempt--;
		current->raw_locked = false;
		break;
	case CTX_NMI:
		current->nmi = false;
		break;
	case CTX_ANY_NR:
		break;
	}
}

/* What of a caller's mask backing allocations may have, and must have. */
#define MODEL_PASSES	(__GFP_RECLAIM | __GFP_IO | __GFP_FS | __GFP_NORETRY | \
			 __GFP_RETRY_MAYFAIL | __GFP_NOWARN | __GFP_NOLOCKDEP)

static void model_enter(gfp_t gfp, enum ctx ctx)
{
	ctx_enter(ctx);
	current->backing_gfp = (current_gfp_context(gfp) & MODEL_PASSES) | __GFP_NOMEMALLOC;
	current->backing_known = true;
	current->objcg = gfp & __GFP_ACCOUNT ? &test_objcg : NULL;
}

static void model_leave(enum ctx ctx)
{
	current->backing_known = false;
	current->objcg = NULL;
	ctx_leave(ctx);
}

/* Check an object that is new, and fill in a pattern. */
static void model_adopt(struct object *object, void __percpu *ptr, size_t size, size_t align,
			bool reserved, gfp_t gfp)
{
	unsigned int cpu;

	*object = (struct object){
		.ptr = ptr,
		.size = size,
		.pattern = __atomic_add_fetch(&next_pattern, 1, __ATOMIC_RELAXED),
		.reserved = reserved,
		.accounted = gfp & __GFP_ACCOUNT,
	};
	EXPECT(IS_ALIGNED((unsigned long)ptr, PCPU_MIN_ALLOC_SIZE));
#ifndef SHIM_THREADS
	model_mark(object, 0, 1);
#endif
	for_each_possible_cpu(cpu) {
		EXPECT(IS_ALIGNED((unsigned long)per_cpu_ptr(ptr, cpu), max_t(size_t, align, 1)));
		check_copy(object, cpu, 0, "new object");
		fill_copy(object, cpu, pattern_of(object, cpu));
	}
}

bool model_alloc(struct object *object, size_t size, size_t align, bool reserved,
		 gfp_t gfp, enum ctx ctx)
{
	void __percpu *ptr;

	model_enter(gfp, ctx);
	ptr = alloc_hooks(pcpu_alloc_noprof(size, align, reserved, gfp));
	model_leave(ctx);
	if (ptr)
		model_adopt(object, ptr, size, align, reserved, gfp);
	return ptr;
}

bool model_alloc_bulk(struct object *objects, unsigned int nr, size_t size, size_t align,
		      gfp_t gfp, enum ctx ctx)
{
	void __percpu **ptrs = malloc((nr + 1) * sizeof(*ptrs));
	unsigned int i;
	bool got;

	memset(ptrs, 0xff, (nr + 1) * sizeof(*ptrs));
	model_enter(gfp, ctx);
	got = __alloc_percpu_bulk(size, align, gfp, nr, ptrs);
	model_leave(ctx);
	EXPECT_EQ((unsigned long)ptrs[nr], ~0UL);
	for (i = 0; i < nr; i++) {
		EXPECT_EQ(!!ptrs[i], got);
		if (got)
			model_adopt(&objects[i], ptrs[i], size, align, false, gfp);
	}
	free(ptrs);
	return got;
}

/* What is done to an object before it is freed. */
static void model_abandon(struct object *object)
{
	unsigned int cpu;

	model_check_pattern(object);
	for_each_possible_cpu(cpu)
		fill_copy(object, cpu, 0xdd);
#ifndef SHIM_THREADS
	model_mark(object, 1, 0);
#endif
}

void model_free(struct object *object, enum ctx ctx)
{
	model_abandon(object);
	ctx_enter(ctx);
	free_percpu(object->ptr);
	ctx_leave(ctx);
	object->ptr = NULL;
}

void model_free_bulk(struct object *objects, unsigned int nr, enum ctx ctx)
{
	void __percpu **ptrs = malloc((nr + 1) * sizeof(*ptrs));
	unsigned int i;

	for (i = 0; i < nr; i++) {
		model_abandon(&objects[i]);
		ptrs[i] = objects[i].ptr;
		objects[i].ptr = NULL;
	}
	ctx_enter(ctx);
	free_percpu_bulk(nr, ptrs);
	ctx_leave(ctx);
	free(ptrs);
}

bool model_alloc_nolock(struct object *object, size_t size, size_t align, gfp_t gfp,
			enum ctx ctx)
{
	void __percpu *ptr;

	model_enter(gfp, ctx);
	ptr = __alloc_percpu_nolock(size, align, gfp);
	model_leave(ctx);
	if (ptr)
		model_adopt(object, ptr, size, align, false, gfp);
	return ptr;
}

void model_free_nolock(struct object *object, enum ctx ctx)
{
	model_abandon(object);
	/* The shim's kmemleak is always there. */
	if (!IS_ENABLED(CONFIG_DEBUG_KMEMLEAK))
		sim_leak_forget(object->ptr);
	ctx_enter(ctx);
	free_percpu_nolock(object->ptr);
	ctx_leave(ctx);
	object->ptr = NULL;
}
