// SPDX-License-Identifier: GPL-2.0
/*
 * percpu-kasan.c - KASAN for percpu objects
 *
 * Only the bytes of live objects are accessible, in each CPU's copy.  To that end
 * a request is enlarged before it reaches the chunks: the object is rounded up to
 * granules, and a redzone follows it.  All else works on the larger area, while
 * hooks, charges and callers see the object's own size:
 *
 *      |<-------------- the area, in each unit -------------->|
 *      +------------------------+-----------------------------+
 *      | object     : rounding  | guard : record : alignment  |
 *      +------------------------+-----------------------------+
 *       0 .. 0        1 .. 7      KASAN_PERCPU_REDZONE           live
 *       KASAN_PERCPU_FREE         KASAN_PERCPU_REDZONE           freed
 *
 * The record, in the lowest unit, tells the size, and who allocated and freed the
 * object.  It stays after the free until its memory is used again, so a report
 * finds it from the shadow alone: it lies a granule behind the redzone's start, so
 * that a write just past the object, once reported, leaves it whole.  Reports look at
 * no bitmap and take no lock.
 *
 * What never was part of an area is KASAN_PERCPU_UNUSED.  The shadow belongs to
 * address space and not to pages: rows come and go beneath it.  That of a chunk
 * in vmalloc space is made and taken down by vmalloc.
 *
 * A freed area waits in a quarantine, first in, first out, before it goes the way of
 * all freed areas.  The quarantine is bounded in bytes and areas; it is drained by
 * the worker when nothing was freed for a while, under memory pressure, and by a
 * request that would fail else.
 *
 * An object that leaves no room for a redzone gets a whole unit, and has no record.
 *
 * Calls the cache and KASAN.  Locks: the quarantine has its own, a leaf.  Compiled with
 * generic and software tag-based KASAN, and not instrumented itself.
 */
#define pr_fmt(fmt) "percpu: " fmt

#include "percpu-internal.h"

#define PCPU_KASAN_MAGIC	0x70637075U

/* What the quarantine holds at most, of each unit; and of all memory. */
#define PCPU_QUARANTINE_BYTES	SZ_64K
#define PCPU_QUARANTINE_RAM_SHIFT 9
#define PCPU_QUARANTINE_AREAS	1024U
/* Areas that are larger than this part of it would only push out others. */
#define PCPU_QUARANTINE_SHARE	8
/* What of it is returned under one hold of the allocator's lock. */
#define PCPU_QUARANTINE_BATCH	16U

/**
 * struct pcpu_kasan_record - what is remembered of an object, behind its copy
 * @size_bytes: its size, as the caller said
 * @check: tells a record from what else may lie there
 * @alloc: who allocated it
 * @free: who freed it, or zero
 */
struct pcpu_kasan_record {
	u32 size_bytes;
	u32 check;
	struct kasan_track alloc;
	struct kasan_track free;
};

#define PCPU_KASAN_GUARD_BYTES	KASAN_GRANULE_SIZE
#define PCPU_KASAN_RECORD_BYTES	round_up(sizeof(struct pcpu_kasan_record), KASAN_GRANULE_SIZE)
#define PCPU_KASAN_REDZONE_BYTES (PCPU_KASAN_GUARD_BYTES + PCPU_KASAN_RECORD_BYTES)

/* ---- sizes and records ------------------------------------------------------------ */

static size_t pcpu_kasan_granules_bytes(size_t size_bytes)
{
	return round_up(size_bytes, KASAN_GRANULE_SIZE);
}

/**
 * pcpu_kasan_enlarge - make room for a redzone
 * @pa: the allocator
 * @want: what is wanted
 * @size_bytes: the size that the caller asked for, not rounded
 *
 * Areas are a multiple of small alignments, so that they can lie side by side.
 */
void pcpu_kasan_enlarge(const struct pcpu_allocator *pa, struct pcpu_want *want,
			size_t size_bytes)
{
	size_t area_bytes = pcpu_kasan_granules_bytes(size_bytes) + PCPU_KASAN_REDZONE_BYTES;

	want->align_bytes = max_t(size_t, want->align_bytes, KASAN_GRANULE_SIZE);
	area_bytes = round_up(area_bytes, min_t(size_t, want->align_bytes, SMP_CACHE_BYTES));
	want->exact_bytes = size_bytes;
	want->size_bytes = area_bytes;
	if (area_bytes >= pa->geo.unit_bytes) {
		want->exact_bytes = pa->geo.unit_bytes;
		want->size_bytes = pa->geo.unit_bytes;
	}
}

static size_t pcpu_kasan_area_bytes(const struct pcpu_area *area)
{
	return pcpu_slots_to_bytes(area->nr_slots);
}

/* A copy of the record that lies at an address in the lowest unit is right for it. */
static u32 pcpu_kasan_check_of(const struct pcpu_kasan_record *record, unsigned long addr)
{
	return PCPU_KASAN_MAGIC ^ (u32)addr ^ record->size_bytes;
}

/* Behind an object of that size in an area; the lowest unit has it. */
static unsigned long pcpu_kasan_record_addr(const struct pcpu_allocator *pa,
					    const struct pcpu_area *area, size_t size_bytes)
{
	return pcpu_area_addr(area) + pa->geo.unit_offsets[pa->geo.low_cpu] +
	       pcpu_kasan_granules_bytes(size_bytes) + PCPU_KASAN_GUARD_BYTES;
}

static struct pcpu_kasan_record *pcpu_kasan_record_make(const struct pcpu_allocator *pa,
							const struct pcpu_area *area,
							size_t size_bytes)
{
	unsigned long addr = pcpu_kasan_record_addr(pa, area, size_bytes);
	struct pcpu_kasan_record *record = (struct pcpu_kasan_record *)addr;

	*record = (struct pcpu_kasan_record){ .size_bytes = size_bytes };
	record->check = pcpu_kasan_check_of(record, addr);
	return record;
}

/*
 * The record of an area that is taken.  Where it begins depends on the object's
 * size, so it is looked for from the end of the area: it is in one of few places.
 * NULL if the area has none, or it was overwritten.
 */
static struct pcpu_kasan_record *pcpu_kasan_record_of(const struct pcpu_allocator *pa,
						      const struct pcpu_area *area)
{
	size_t area_bytes = pcpu_kasan_area_bytes(area), object_bytes;
	struct pcpu_kasan_record *record;
	unsigned int i;

	if (area_bytes >= pa->geo.unit_bytes)
		return NULL;
	object_bytes = area_bytes - PCPU_KASAN_REDZONE_BYTES;
	for (i = 0; i < SMP_CACHE_BYTES / KASAN_GRANULE_SIZE && object_bytes; i++) {
		unsigned long addr = pcpu_kasan_record_addr(pa, area, object_bytes);

		record = (struct pcpu_kasan_record *)addr;
		if (record->check == pcpu_kasan_check_of(record, addr) &&
		    pcpu_kasan_granules_bytes(record->size_bytes) == object_bytes)
			return record;
		object_bytes -= KASAN_GRANULE_SIZE;
	}
	return NULL;
}

/* ---- the shadow -------------------------------------------------------------------- */

/*
 * The first chunk may lie in vmalloc space, too, made of single pages; not all
 * architectures give it a shadow of its own.  For later ones vmalloc does.
 */
static bool pcpu_kasan_covers(const struct pcpu_chunk *chunk)
{
	if (!is_vmalloc_addr((void *)chunk->base_addr))
		return true;
	return IS_ENABLED(CONFIG_KASAN_VMALLOC) && !chunk->boot;
}

static void pcpu_kasan_poison(const struct pcpu_allocator *pa, unsigned long addr,
			      size_t bytes, u8 value)
{
	unsigned int cpu;

	for_each_cpu(cpu, pa->geo.cpus)
		kasan_poison((void *)(addr + pa->geo.unit_offsets[cpu]), bytes, value, false);
}

/**
 * pcpu_kasan_add_chunk - let nothing of a new chunk be accessible
 * @pa: the allocator
 * @chunk: the chunk, nobody else knows it
 *
 * Context: as it was made in; no lock.
 */
void pcpu_kasan_add_chunk(const struct pcpu_allocator *pa, const struct pcpu_chunk *chunk)
{
	unsigned long start = chunk->base_addr + pcpu_slots_to_bytes(chunk->first_slot);
	unsigned long end = chunk->base_addr + pcpu_slots_to_bytes(chunk->end_slot);

	start = round_up(start, KASAN_GRANULE_SIZE);
	end = round_down(end, KASAN_GRANULE_SIZE);
	if (pcpu_kasan_covers(chunk))
		pcpu_kasan_poison(pa, start, end - start, KASAN_PERCPU_UNUSED);
}

/* A stack is saved where its memory may be taken, else only if it is known. */
static gfp_t pcpu_kasan_stack_gfp(gfp_t gfp)
{
	if (!slab_is_available())
		return 0;
	if (IS_ENABLED(CONFIG_PREEMPT_RT) && !gfpflags_allow_blocking(gfp))
		return 0;
	return gfp & ~__GFP_ACCOUNT;
}

/*
 * Remember the stack.  The depot only tries its lock if @gfp forbids to wait; but on
 * UP that is always had, and an NMI has no business there at all.
 */
static void pcpu_kasan_track(struct kasan_track *track, gfp_t gfp)
{
	if (in_nmi() || (!IS_ENABLED(CONFIG_SMP) && irqs_disabled()))
		kasan_set_track(track, 0);
	else
		kasan_save_track(track, gfp);
}

/* Modules are linked with addresses of theirs, which have to stay near the kernel image. */
static u8 pcpu_kasan_new_tag(const struct pcpu_allocator *pa, const struct pcpu_chunk *chunk)
{
	return chunk == pa->reserved ? KASAN_TAG_KERNEL : kasan_random_tag();
}

/**
 * pcpu_kasan_alloc - let an object be accessible, before it is zeroed
 * @pa: the allocator
 * @area: its area, the caller's own
 * @want: what it was asked for
 *
 * Context: any; may sleep as the mask says.
 */
void pcpu_kasan_alloc(const struct pcpu_allocator *pa, const struct pcpu_area *area,
		      const struct pcpu_want *want)
{
	size_t size_bytes = want->exact_bytes, area_bytes = pcpu_kasan_area_bytes(area);
	size_t object_bytes = pcpu_kasan_granules_bytes(size_bytes);
	unsigned long addr = pcpu_area_addr(area), record_addr;
	struct pcpu_kasan_record *record;
	unsigned int cpu;

	if (pcpu_kasan_covers(area->chunk)) {
		u8 tag = pcpu_kasan_new_tag(pa, area->chunk);

		for_each_cpu(cpu, pa->geo.cpus)
			kasan_unpoison(set_tag((void *)(addr + pa->geo.unit_offsets[cpu]), tag),
				       size_bytes, false);
		pcpu_kasan_poison(pa, addr + object_bytes, area_bytes - object_bytes,
				  KASAN_PERCPU_REDZONE);
	}
	if (area_bytes >= pa->geo.unit_bytes)
		return;
	record = pcpu_kasan_record_make(pa, area, size_bytes);
	pcpu_kasan_track(&record->alloc, pcpu_kasan_stack_gfp(want->gfp));
	/* Objects that were here before may have left another one on either side. */
	WRITE_ONCE(*(u64 *)((unsigned long)record - PCPU_KASAN_GUARD_BYTES), 0);
	for (record_addr = (unsigned long)record + PCPU_KASAN_RECORD_BYTES;
	     record_addr < addr + pa->geo.unit_offsets[pa->geo.low_cpu] + area_bytes;
	     record_addr += KASAN_GRANULE_SIZE)
		WRITE_ONCE(*(u64 *)record_addr, 0);
}

#ifdef CONFIG_KASAN_SW_TAGS
/**
 * pcpu_kasan_object_addr - the address that an object's percpu pointer is made of
 * @pa: the allocator
 * @area: its area, after pcpu_kasan_alloc()
 *
 * Offsets to the copies of CPUs leave a tag as it is, so all copies have the same.
 *
 * Context: any.
 * Return: that of the area, with the object's tag
 */
unsigned long pcpu_kasan_object_addr(const struct pcpu_allocator *pa,
				     const struct pcpu_area *area)
{
	unsigned long addr = pcpu_area_addr(area);
	void *copy = (void *)(addr + pa->geo.unit_offsets[pa->geo.low_cpu]);

	if (!pcpu_kasan_covers(area->chunk) || area->chunk == pa->reserved)
		return addr;
	return (unsigned long)set_tag((void *)addr, *(u8 *)kasan_mem_to_shadow(copy));
}

/**
 * pcpu_kasan_may_free - has a pointer the tag of the object that it points to?
 * @pa: the allocator
 * @area: the object's area, claimed
 * @ptr: the pointer
 *
 * Context: any.
 * Return: false if it is of a former object in the same place
 */
bool pcpu_kasan_may_free(const struct pcpu_allocator *pa, const struct pcpu_area *area,
			 void __percpu *ptr)
{
	u8 tag = get_tag(__pcpu_ptr_to_addr(ptr));

	return tag == KASAN_TAG_KERNEL ||
	       tag == get_tag((void *)pcpu_kasan_object_addr(pa, area));
}
#endif

/* Something that KASAN does not see, or a bug it has reported, wrote over the record. */
static size_t pcpu_kasan_lost_size(const struct pcpu_area *area, unsigned long addr)
{
	size_t size_bytes = 0, max_bytes = pcpu_kasan_area_bytes(area) - PCPU_KASAN_REDZONE_BYTES;
	u8 shadow = 0;

	WARN_ONCE(1, "percpu: the memory behind object %p was overwritten\n",
		  (void __force *)__addr_to_pcpu_ptr(pcpu_area_addr(area)));
	if (!IS_ENABLED(CONFIG_KASAN_GENERIC) || !pcpu_kasan_covers(area->chunk))
		return max_bytes;
	for (; size_bytes < max_bytes && !shadow; size_bytes += KASAN_GRANULE_SIZE)
		shadow = *(u8 *)kasan_mem_to_shadow((void *)(addr + size_bytes));
	if (shadow >= KASAN_GRANULE_SIZE)
		return size_bytes - KASAN_GRANULE_SIZE;
	return shadow ? size_bytes - KASAN_GRANULE_SIZE + shadow : size_bytes;
}

/**
 * pcpu_kasan_free - let an object be accessible no longer
 * @pa: the allocator
 * @area: its area, the caller's own
 *
 * Context: any.
 * Return: the size that the object is accounted with
 */
size_t pcpu_kasan_free(const struct pcpu_allocator *pa, const struct pcpu_area *area)
{
	struct pcpu_kasan_record *record = pcpu_kasan_record_of(pa, area);
	size_t area_bytes = pcpu_kasan_area_bytes(area), size_bytes = area_bytes;

	if (record) {
		size_bytes = record->size_bytes;
	} else if (area_bytes < pa->geo.unit_bytes) {
		size_bytes = pcpu_kasan_lost_size(area, pcpu_area_addr(area) +
						  pa->geo.unit_offsets[pa->geo.low_cpu]);
		/* Who completes a pending free finds it again. */
		record = pcpu_kasan_record_make(pa, area, size_bytes);
	}
	if (record)
		pcpu_kasan_track(&record->free, 0);
	if (pcpu_kasan_covers(area->chunk))
		pcpu_kasan_poison(pa, pcpu_area_addr(area), pcpu_kasan_granules_bytes(size_bytes),
				  KASAN_PERCPU_FREE);
	return ALIGN(size_bytes, PCPU_MIN_ALLOC_SIZE);
}

/**
 * pcpu_kasan_freed_bytes - what the last call of pcpu_kasan_free() returned
 * @pa: the allocator
 * @area: its area, which has not been used since
 *
 * Context: any.
 * Return: bytes; of an area that had no object, some number
 */
size_t pcpu_kasan_freed_bytes(const struct pcpu_allocator *pa, const struct pcpu_area *area)
{
	const struct pcpu_kasan_record *record = pcpu_kasan_record_of(pa, area);

	return ALIGN(record ? record->size_bytes : pcpu_kasan_area_bytes(area),
		     PCPU_MIN_ALLOC_SIZE);
}

/* ---- the quarantine ----------------------------------------------------------------- */

/**
 * struct pcpu_quarantine - freed areas that are not used again yet
 * @lock: guards all that follows
 * @pa: the allocator that they are of, NULL before pcpu_kasan_enable()
 * @limit_bytes: what it may hold, of each unit
 * @held_bytes: what it holds
 * @nr_put: areas that were ever put in
 * @seen_put: the same when the worker looked last
 * @first: the oldest
 * @nr: how many
 * @areas: a ring; they are taken in their chunks, and so keep them
 */
static struct pcpu_quarantine {
	spinlock_t lock;	/* a leaf */
	struct pcpu_allocator *pa;
	unsigned int limit_bytes;
	unsigned int held_bytes;
	unsigned long nr_put;
	unsigned long seen_put;
	unsigned int first;
	unsigned int nr;
	struct pcpu_area areas[PCPU_QUARANTINE_AREAS];
} pcpu_quarantine;

/* The quarantine of an allocator, or NULL. */
static struct pcpu_quarantine *pcpu_quarantine_of(const struct pcpu_allocator *pa)
{
	/* Pairs with pcpu_kasan_enable(): all of it is initialized. */
	return smp_load_acquire(&pcpu_quarantine.pa) == pa ? &pcpu_quarantine : NULL;
}

/* Take the oldest out, one batch at most, until no more than @keep_bytes are held. */
static unsigned int pcpu_quarantine_take(struct pcpu_quarantine *q, struct pcpu_area *areas,
					 unsigned int keep_bytes)
{
	unsigned int nr = 0;

	lockdep_assert_held(&q->lock);
	while (nr < PCPU_QUARANTINE_BATCH && q->nr &&
	       (q->held_bytes > keep_bytes || q->nr == PCPU_QUARANTINE_AREAS)) {
		areas[nr] = q->areas[q->first];
		q->first = (q->first + 1) % PCPU_QUARANTINE_AREAS;
		q->nr--;
		q->held_bytes -= pcpu_kasan_area_bytes(&areas[nr++]);
	}
	return nr;
}

/**
 * pcpu_kasan_swap - put a freed area into the quarantine, and get older ones out
 * @pa: the allocator
 * @area: the area, the caller's own; set to the one that it has to return instead
 *
 * Context: any but NMI; takes the quarantine's lock, and the allocator's.
 * Return: false if there is none to return
 */
bool pcpu_kasan_swap(struct pcpu_allocator *pa, struct pcpu_area *area)
{
	struct pcpu_area areas[PCPU_QUARANTINE_BATCH];
	struct pcpu_quarantine *q = pcpu_quarantine_of(pa);
	size_t bytes = pcpu_kasan_area_bytes(area);
	unsigned long flags;
	unsigned int nr;

	/* Modules come back to a full reserved chunk else. */
	if (!q || area->chunk == pa->reserved ||
	    bytes > q->limit_bytes / PCPU_QUARANTINE_SHARE)
		return true;
	spin_lock_irqsave(&q->lock, flags);
	q->areas[(q->first + q->nr++) % PCPU_QUARANTINE_AREAS] = *area;
	q->held_bytes += bytes;
	q->nr_put++;
	while ((nr = pcpu_quarantine_take(q, areas, q->limit_bytes)) > 1) {
		spin_unlock_irqrestore(&q->lock, flags);
		pcpu_cache_release(pa, areas, nr);
		spin_lock_irqsave(&q->lock, flags);
	}
	spin_unlock_irqrestore(&q->lock, flags);
	if (nr)
		*area = *areas;
	return nr;
}

/**
 * pcpu_kasan_drain - return as much as is in the quarantine to the chunks
 * @pa: the allocator
 *
 * Context: any but NMI; takes the allocator's lock for a few areas at a time.
 * Return: true if there was anything
 */
bool pcpu_kasan_drain(struct pcpu_allocator *pa)
{
	struct pcpu_area areas[PCPU_QUARANTINE_BATCH];
	struct pcpu_quarantine *q = pcpu_quarantine_of(pa);
	unsigned int nr;
	int nr_left;
	unsigned long flags;
	bool drained = false;

	if (!q)
		return false;
	spin_lock_irqsave(&q->lock, flags);
	nr_left = q->nr;
	spin_unlock_irqrestore(&q->lock, flags);
	/* What others put in meanwhile stays: it might have no end. */
	for (; nr_left > 0; nr_left -= nr) {
		spin_lock_irqsave(&q->lock, flags);
		nr = pcpu_quarantine_take(q, areas, 0);
		spin_unlock_irqrestore(&q->lock, flags);
		if (!nr)
			break;
		pcpu_cache_release(pa, areas, nr);
		drained = true;
	}
	return drained;
}

/**
 * pcpu_kasan_age - drain the quarantine if nothing was put in since the last call
 * @pa: the allocator
 *
 * Context: the worker.
 * Return: true if it is to be looked at later
 */
bool pcpu_kasan_age(struct pcpu_allocator *pa)
{
	struct pcpu_quarantine *q = pcpu_quarantine_of(pa);
	unsigned long flags;
	bool idle, left;

	if (!q)
		return false;
	/*
	 * By the lock, who puts one in after this look finds balance_drain cleared, and
	 * calls the worker; see pcpu_note_kept().
	 */
	spin_lock_irqsave(&q->lock, flags);
	idle = q->nr_put == q->seen_put;
	q->seen_put = q->nr_put;
	left = q->nr;
	spin_unlock_irqrestore(&q->lock, flags);
	if (!idle)
		return left;
	pcpu_kasan_drain(pa);
	return false;
}

/**
 * pcpu_kasan_held_bytes - what the quarantine holds
 * @pa: the allocator
 *
 * Return: bytes of each unit
 */
unsigned int pcpu_kasan_held_bytes(const struct pcpu_allocator *pa)
{
	struct pcpu_quarantine *q = pcpu_quarantine_of(pa);

	return q ? READ_ONCE(q->held_bytes) : 0;
}

/**
 * pcpu_kasan_nr_held - areas in the quarantine
 * @pa: the allocator
 *
 * Return: their number
 */
unsigned int pcpu_kasan_nr_held(const struct pcpu_allocator *pa)
{
	struct pcpu_quarantine *q = pcpu_quarantine_of(pa);

	return q ? READ_ONCE(q->nr) : 0;
}

/**
 * pcpu_kasan_enable - begin to put freed areas into the quarantine
 * @pa: the allocator, pcpu_main
 * @ram_pages: memory of the machine
 *
 * Context: once the worker runs, which drains it.
 */
void pcpu_kasan_enable(struct pcpu_allocator *pa, unsigned long ram_pages)
{
	unsigned long share_pages = (ram_pages >> PCPU_QUARANTINE_RAM_SHIFT) / pa->geo.nr_cpus;
	struct pcpu_quarantine *q = &pcpu_quarantine;

	share_pages = min(share_pages, PCPU_QUARANTINE_BYTES >> PAGE_SHIFT);
	spin_lock_init(&q->lock);
	q->limit_bytes = share_pages << PAGE_SHIFT;
	/* Pairs with pcpu_quarantine_of(). */
	smp_store_release(&q->pa, pa);
}

/* ---- this_cpu operations ----------------------------------------------------------------- */

#ifdef CONFIG_SMP
/**
 * __pcpu_kasan_check - check an access by a this_cpu operation
 * @ptr: what is accessed
 * @size_bytes: how much of it
 * @write: it is written
 *
 * The access itself may happen on another CPU: the copies of all of them are
 * accessible, or none is.
 *
 * Context: any, even where nothing may be instrumented; there only with variables
 * of the kernel image, of which no shadow is looked at.
 */
noinstr void __pcpu_kasan_check(const void __percpu *ptr, unsigned long size_bytes,
				int write)
{
	unsigned long offset = (unsigned long)ptr - (unsigned long)__per_cpu_start;

	if (offset < (unsigned long)__per_cpu_end - (unsigned long)__per_cpu_start)
		return;
	instrumentation_begin();
	kasan_check_range((void *)raw_cpu_ptr(ptr), size_bytes, write, _RET_IP_);
	instrumentation_end();
}
EXPORT_SYMBOL(__pcpu_kasan_check);
#endif

/* ---- reports ------------------------------------------------------------------------- */

static u8 pcpu_kasan_shadow(unsigned long addr)
{
	return *(u8 *)kasan_mem_to_shadow((void *)addr);
}

/*
 * Read the record of an object with the redzone at an address, of a CPU's whose units
 * are @offset from the first.  The row may be gone, or another object lie there.  One
 * that was not zeroed may have kept a record from before, inside of it.
 */
static bool pcpu_kasan_read_record(const struct pcpu_allocator *pa, unsigned long redzone,
				   unsigned long offset, struct pcpu_kasan_record *record)
{
	unsigned long addr = redzone + PCPU_KASAN_GUARD_BYTES - offset +
			     pa->geo.unit_offsets[pa->geo.low_cpu];

	return pcpu_kasan_shadow(redzone + PCPU_KASAN_GUARD_BYTES) == KASAN_PERCPU_REDZONE &&
	       !copy_from_kernel_nofault(record, (void *)addr, sizeof(*record)) &&
	       record->check == pcpu_kasan_check_of(record, addr);
}

/* The chunk at an address of any CPU's, and that CPU; or NULL. */
static struct pcpu_chunk *pcpu_kasan_chunk_of(struct pcpu_allocator *pa, unsigned long addr,
					      unsigned int *cpu_found)
{
	struct pcpu_chunk *chunk;
	unsigned int cpu;

	for_each_cpu(cpu, pa->geo.cpus) {
		unsigned long low = addr - pa->geo.unit_offsets[cpu];

		chunk = pcpu_chunk_of(pa, low);
		*cpu_found = cpu;
		if (chunk)
			return chunk;
	}
	return NULL;
}

#ifdef CONFIG_KASAN_GENERIC
/*
 * Where the redzone begins that tells of a granule in [low, high): that behind the
 * object it is in, the one it is in, or before it the one it is not far from.
 */
static unsigned long pcpu_kasan_redzone_at(const struct pcpu_allocator *pa, unsigned long addr,
					   unsigned long low, unsigned long high,
					   unsigned long offset)
{
	unsigned long far = addr - low > SZ_1K ? addr - SZ_1K : low;

	if (pcpu_kasan_shadow(addr) == KASAN_PERCPU_UNUSED)
		while (addr > far && pcpu_kasan_shadow(addr) == KASAN_PERCPU_UNUSED)
			addr -= KASAN_GRANULE_SIZE;
	else
		while (addr + KASAN_GRANULE_SIZE < high &&
		       pcpu_kasan_shadow(addr) != KASAN_PERCPU_REDZONE)
			addr += KASAN_GRANULE_SIZE;
	if (pcpu_kasan_shadow(addr) != KASAN_PERCPU_REDZONE)
		return 0;
	while (addr > low &&
	       pcpu_kasan_shadow(addr - KASAN_GRANULE_SIZE) == KASAN_PERCPU_REDZONE)
		addr -= KASAN_GRANULE_SIZE;
	return addr;
}
#else
/* Redzones are no longer than this, but where alignment makes them. */
#define PCPU_KASAN_NEAR_BYTES	(PCPU_KASAN_REDZONE_BYTES + SMP_CACHE_BYTES)

/*
 * Tags do not tell redzones from what is free, but records can be recognized: that
 * whose redzone a granule in [low, high) is in, else that of the object it is in, else
 * the one not far before it.  Where a tag changes another object begins, and what
 * is recorded behind that is of former ones.
 */
static unsigned long pcpu_kasan_redzone_at(const struct pcpu_allocator *pa, unsigned long addr,
					   unsigned long low, unsigned long high,
					   unsigned long offset)
{
	unsigned long redzone = addr - low > PCPU_KASAN_NEAR_BYTES ?
				addr - PCPU_KASAN_NEAR_BYTES : low, before = 0;
	struct pcpu_kasan_record record;

	high -= PCPU_KASAN_REDZONE_BYTES;
	for (; redzone <= min(addr, high); redzone += KASAN_GRANULE_SIZE)
		if (pcpu_kasan_read_record(pa, redzone, offset, &record))
			before = redzone;
	if (before && addr < before + PCPU_KASAN_REDZONE_BYTES &&
	    pcpu_kasan_shadow(addr) == KASAN_PERCPU_REDZONE)
		return before;
	for (; redzone <= high; redzone += KASAN_GRANULE_SIZE) {
		if (pcpu_kasan_read_record(pa, redzone, offset, &record) &&
		    pcpu_kasan_granules_bytes(record.size_bytes) >= redzone - addr)
			return redzone;
		if (pcpu_kasan_shadow(redzone) != pcpu_kasan_shadow(addr))
			break;
	}
	return before;
}
#endif

static bool pcpu_kasan_find_in(struct pcpu_allocator *pa, unsigned long addr,
			       struct kasan_percpu_object *object)
{
	unsigned long low, high, offset;
	struct pcpu_kasan_record record;
	struct pcpu_chunk *chunk;

	chunk = pcpu_kasan_chunk_of(pa, addr, &object->cpu);
	if (!chunk || !pcpu_kasan_covers(chunk))
		return false;
	offset = pa->geo.unit_offsets[object->cpu];
	low = chunk->base_addr + offset + pcpu_slots_to_bytes(chunk->first_slot);
	high = chunk->base_addr + offset + pcpu_slots_to_bytes(chunk->end_slot);
	low = round_up(low, KASAN_GRANULE_SIZE);
	addr = max(round_down(addr, KASAN_GRANULE_SIZE), low);

	addr = pcpu_kasan_redzone_at(pa, addr, low, high, offset);
	if (!addr || !pcpu_kasan_read_record(pa, addr, offset, &record))
		return false;
	object->start = (void *)(addr - pcpu_kasan_granules_bytes(record.size_bytes));
	object->ptr = __addr_to_pcpu_ptr((unsigned long)object->start - offset);
	object->size = record.size_bytes;
	object->alloc_track = record.alloc;
	object->free_track = record.free;
	return true;
}

/**
 * kasan_find_percpu_object - find the percpu object that a bad access concerns
 * @addr: the first address that must not be accessed
 * @object: set to what is known of it
 *
 * Context: any; called while KASAN reports.
 * Return: false if @addr is not in percpu memory, or nothing is known
 */
bool kasan_find_percpu_object(const void *addr, struct kasan_percpu_object *object)
{
	bool found;

	if (!pcpu_base_addr || !rcu_is_watching())
		return false;
	rcu_read_lock();
	found = pcpu_kasan_find_in(&pcpu_main, (unsigned long)kasan_reset_tag(addr), object);
	rcu_read_unlock();
	return found;
}
