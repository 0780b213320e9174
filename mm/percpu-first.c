// SPDX-License-Identifier: GPL-2.0
/*
 * percpu-first.c - boot: the geometry of units, and the first chunk
 *
 * All of this runs once, on the boot CPU with interrupts off, before the page
 * allocator, slab, vmalloc and workqueues exist.  Memory comes from memblock
 * and no lock is needed.  Three steps:
 *
 *   1. Plan.     CPUs that are near each other form a group; sizes decide how
 *                many units fill one piece of memory.  The result is a struct
 *                pcpu_alloc_info.
 *   2. Back.     Embedded: each group is one piece of linear memory.  Paged:
 *                single pages, mapped side by side in vmalloc space.  Each unit
 *                gets a copy of the kernel's percpu variables.
 *   3. Hand on.  pcpu_setup_first_chunk() checks the plan, derives from it the
 *                geometry of all chunks to come, and makes the boot chunks.
 *
 * Architectures do step 2 with one of the helpers here, or on their own.
 *
 * A unit of the first chunk:
 *
 *   base_addr (page aligned)
 *   |
 *   +-----------+------------+-------------------------+ - - - - - - - - - +
 *   |  static   |  reserved  |         dynamic         |  not ours         |
 *   +-----------+------------+-------------------------+ - - - - - - - - - +
 *               |            |                         |                   |
 *               slot aligned |                         page aligned        unit_bytes
 *               pa->reserved pa->first
 *
 * The static part never comes back, so it has no chunk.  Neighbouring parts
 * share a page wherever a border is inside one; each boot chunk starts at the
 * page in which its part starts and serves only its own slots.
 */
#define pr_fmt(fmt) "percpu: " fmt

#include "percpu-internal.h"

#include <trace/events/percpu.h>

#if defined(CONFIG_SMP) && defined(CONFIG_NEED_PER_CPU_KM) && \
	defined(CONFIG_NEED_PER_CPU_PAGE_FIRST_CHUNK)
#error "chunks of contiguous memory cannot follow a first chunk of single pages"
#endif

static_assert(PCPU_MIN_ALLOC_SIZE == 1 << PCPU_MIN_ALLOC_SHIFT);

void *pcpu_base_addr __ro_after_init;
const unsigned long *pcpu_unit_offsets __ro_after_init;

/* ---- what is planned, in words --------------------------------------------- */

/* In a cpu_map: the unit is nobody's. */
#define PCPU_PADDING	NR_CPUS

struct pcpu_line {
	bool fatal;
	unsigned int len;
	char text[80];
};

static void __init pcpu_line_end(struct pcpu_line *line)
{
	/* pr_debug(), which checkpatch prefers, would print nothing in most kernels. */
	if (line->len && line->fatal)
		pr_emerg("pcpu-alloc: %s\n", line->text);
	else if (line->len)
		printk(KERN_DEBUG "pcpu-alloc: %s\n", line->text);
	line->len = 0;
}

static void __init pcpu_line_word(struct pcpu_line *line, const char *word)
{
	if (line->len + strlen(word) + 1 >= sizeof(line->text))
		pcpu_line_end(line);
	line->len += scnprintf(line->text + line->len, sizeof(line->text) - line->len,
			       line->len ? " %s" : "%s", word);
}

static int __init pcpu_digits(unsigned int value)
{
	int nr = 1;

	while (value /= 10)
		nr++;
	return nr;
}

/*
 * The group in brackets and its CPUs for each piece of memory, dashes for
 * padding; as many pieces as a line takes.
 */
static void __init pcpu_print_group(struct pcpu_line *line,
				    const struct pcpu_alloc_info *ai, int group)
{
	int cpu_chars = pcpu_digits(num_possible_cpus());
	int per_piece = max_t(int, ai->alloc_size / ai->unit_size, 1);
	const struct pcpu_group_info *gi = &ai->groups[group];
	char word[16];
	int unit;

	for (unit = 0; unit < gi->nr_units; unit++) {
		if (unit % per_piece == 0) {
			if (line->len + per_piece * (cpu_chars + 1) + 8 > sizeof(line->text))
				pcpu_line_end(line);
			snprintf(word, sizeof(word), "[%0*d]",
				 pcpu_digits(ai->nr_groups), group);
			pcpu_line_word(line, word);
		}
		if (gi->cpu_map[unit] == PCPU_PADDING)
			snprintf(word, sizeof(word), "%.*s", cpu_chars, "--------");
		else
			snprintf(word, sizeof(word), "%0*u", cpu_chars, gi->cpu_map[unit]);
		pcpu_line_word(line, word);
	}
}

static void __init pcpu_print_plan(const struct pcpu_alloc_info *ai, bool fatal)
{
	struct pcpu_line line = { .fatal = fatal };
	int group;

	line.len = scnprintf(line.text, sizeof(line.text),
			     "s%zu r%zu d%zu u%zu alloc=%zu*%zu", ai->static_size,
			     ai->reserved_size, ai->dyn_size, ai->unit_size,
			     ai->alloc_size / ai->atom_size, ai->atom_size);
	pcpu_line_end(&line);

	for (group = 0; group < ai->nr_groups; group++)
		pcpu_print_group(&line, ai, group);
	pcpu_line_end(&line);
}

/* ---- step 3: hand on -------------------------------------------------------- */

/* Each possible CPU has exactly one unit.  NULL, or what is wrong. */
static const char * __init pcpu_fault_of_cpus(const struct pcpu_alloc_info *ai)
{
	static struct cpumask seen __initdata;
	int group, unit;

	cpumask_clear(&seen);
	for (group = 0; group < ai->nr_groups; group++) {
		for (unit = 0; unit < ai->groups[group].nr_units; unit++) {
			unsigned int cpu = ai->groups[group].cpu_map[unit];

			if (cpu == PCPU_PADDING)
				continue;
			if (cpu >= nr_cpu_ids || !cpu_possible(cpu))
				return "a unit is for an impossible CPU";
			if (cpumask_test_and_set_cpu(cpu, &seen))
				return "a CPU has two units";
		}
	}
	return cpumask_equal(&seen, cpu_possible_mask) ? NULL : "a CPU has no unit";
}

static const char * __init pcpu_fault_of_sizes(const struct pcpu_alloc_info *ai)
{
	if (!PAGE_ALIGNED(ai->unit_size))
		return "the unit is not whole pages";
	if (ai->unit_size < PCPU_MIN_UNIT_SIZE)
		return "the unit is too small";
	if (ai->unit_size < ai->static_size + ai->reserved_size + ai->dyn_size)
		return "the parts do not fit into a unit";
	if (ai->dyn_size < PERCPU_DYNAMIC_EARLY_SIZE)
		return "the dynamic part is too small";
	if (!IS_ALIGNED(ai->reserved_size, PCPU_MIN_ALLOC_SIZE))
		return "the reserved part is not whole slots";
	return NULL;
}

static const char * __init pcpu_fault_of_plan(const struct pcpu_alloc_info *ai,
					      const void *base_addr)
{
	const char *fault;

	if (ai->nr_groups <= 0)
		return "there is no group";
	if (IS_ENABLED(CONFIG_NEED_PER_CPU_KM) && ai->nr_groups > 1)
		return "contiguous chunks take one group only";
	if (!base_addr || !PAGE_ALIGNED(base_addr))
		return "the base address is not that of a page";
#ifdef CONFIG_SMP
	if (!ai->static_size)
		return "there is no static part";
	if (!PAGE_ALIGNED(__per_cpu_start))
		return "the image's percpu section is not page aligned";
#endif
	fault = pcpu_fault_of_sizes(ai);
	return fault ?: pcpu_fault_of_cpus(ai);
}

static void __init pcpu_refuse_plan(const struct pcpu_alloc_info *ai, const char *fault)
{
	pr_emerg("cpu_possible_mask=%*pb\n", cpumask_pr_args(cpu_possible_mask));
	if (ai->unit_size && ai->atom_size)
		pcpu_print_plan(ai, true);
	panic("percpu: cannot set up the first chunk: %s\n", fault);
}

/* Chunks of contiguous memory come in powers of two: tell what that costs. */
static void __init pcpu_warn_of_waste(const struct pcpu_geometry *geo)
{
	unsigned long nr_pages = (unsigned long)geo->nr_units * geo->unit_pages;
	unsigned long waste_pages = roundup_pow_of_two(nr_pages) - nr_pages;

	if (IS_ENABLED(CONFIG_NEED_PER_CPU_KM) && waste_pages)
		pr_warn("each chunk wastes %lu pages\n", waste_pages);
}

static void __init pcpu_set_unit_offsets(unsigned long *offsets,
					 const struct pcpu_alloc_info *ai)
{
	int group, unit;

	for (group = 0; group < ai->nr_groups; group++) {
		const struct pcpu_group_info *gi = &ai->groups[group];

		for (unit = 0; unit < gi->nr_units; unit++)
			if (gi->cpu_map[unit] != PCPU_PADDING)
				offsets[gi->cpu_map[unit]] = gi->base_offset +
							     unit * ai->unit_size;
	}
}

/* Without holes in the CPU numbers they are the same as the offsets by number. */
static const unsigned long * __init pcpu_make_copy_offsets(const struct pcpu_geometry *geo)
{
	unsigned long *offsets;
	unsigned int cpu, nr = 0;

	if (cpumask_last(geo->cpus) == geo->nr_cpus - 1)
		return geo->unit_offsets;
	offsets = memblock_alloc_or_panic(geo->nr_cpus * sizeof(*offsets), SMP_CACHE_BYTES);
	for_each_cpu(cpu, geo->cpus)
		offsets[nr++] = geo->unit_offsets[cpu];
	return offsets;
}

/* CPUs that have copies.  Some machines take a few out of cpu_possible_mask later in boot. */
static struct cpumask pcpu_first_cpus __ro_after_init;

static void __init pcpu_set_geometry(struct pcpu_geometry *geo,
				     const struct pcpu_alloc_info *ai)
{
	unsigned long *unit_offsets, *group_offsets;
	size_t *group_bytes;
	unsigned int cpu;
	int group;

	unit_offsets = memblock_alloc_or_panic(nr_cpu_ids * sizeof(*unit_offsets),
					       SMP_CACHE_BYTES);
	group_offsets = memblock_alloc_or_panic(ai->nr_groups * sizeof(*group_offsets),
						SMP_CACHE_BYTES);
	group_bytes = memblock_alloc_or_panic(ai->nr_groups * sizeof(*group_bytes),
					      SMP_CACHE_BYTES);
	geo->unit_offsets = unit_offsets;
	geo->group_offsets = group_offsets;
	geo->group_bytes = group_bytes;

	cpumask_copy(&pcpu_first_cpus, cpu_possible_mask);
	geo->cpus = &pcpu_first_cpus;
	geo->nr_cpus = num_possible_cpus();
	geo->unit_pages = PFN_DOWN(ai->unit_size);
	geo->unit_bytes = ai->unit_size;
	geo->atom_bytes = ai->atom_size;
	geo->nr_groups = ai->nr_groups;
	geo->nr_units = 0;
	for (group = 0; group < ai->nr_groups; group++) {
		group_offsets[group] = ai->groups[group].base_offset;
		group_bytes[group] = ai->groups[group].nr_units * ai->unit_size;
		geo->nr_units += ai->groups[group].nr_units;
	}

	pcpu_set_unit_offsets(unit_offsets, ai);
	geo->copy_offsets = pcpu_make_copy_offsets(geo);
	geo->low_cpu = cpumask_first(geo->cpus);
	geo->high_cpu = geo->low_cpu;
	for_each_cpu(cpu, geo->cpus) {
		if (unit_offsets[cpu] < unit_offsets[geo->low_cpu])
			geo->low_cpu = cpu;
		if (unit_offsets[cpu] > unit_offsets[geo->high_cpu])
			geo->high_cpu = cpu;
	}
}

/* Let the part of the first chunk's units from @addr on be served. */
static void __init pcpu_add_boot_part(struct pcpu_allocator *pa, unsigned long addr,
				      size_t size_bytes, bool reserved)
{
	size_t lead_bytes = offset_in_page(addr);
	unsigned int nr_rows = PFN_UP(lead_bytes + size_bytes);
	struct pcpu_chunk *chunk;
	void *storage;

	storage = memblock_alloc_or_panic(pcpu_chunk_bytes(nr_rows, false),
					  SMP_CACHE_BYTES);
	chunk = pcpu_chunk_init(storage, nr_rows, false);
	chunk->base_addr = addr - lead_bytes;
	pcpu_chunk_add_boot(pa, chunk, lead_bytes >> PCPU_MIN_ALLOC_SHIFT,
			    size_bytes >> PCPU_MIN_ALLOC_SHIFT, reserved);
	pcpu_kasan_add_chunk(pa, chunk);
}

static void __init pcpu_add_boot_chunks(struct pcpu_allocator *pa, unsigned long base_addr)
{
	size_t sum_bytes = pa->static_bytes + pa->reserved_bytes + pa->dyn_bytes;
	size_t start_bytes = ALIGN(pa->static_bytes, PCPU_MIN_ALLOC_SIZE);

	pa->boot_pages = PFN_DOWN(sum_bytes);

	if (pa->reserved_bytes)
		pcpu_add_boot_part(pa, base_addr + start_bytes, pa->reserved_bytes, true);
	/* The dynamic part pays for what the static one was rounded up by. */
	start_bytes += pa->reserved_bytes;
	pcpu_add_boot_part(pa, base_addr + start_bytes, sum_bytes - start_bytes, false);
}

/**
 * pcpu_setup_first_chunk - take over the memory of the first chunk
 * @ai: how it is laid out; only read, and not needed any more afterwards
 * @base_addr: address of the unit at offset 0
 *
 * The memory is mapped, zeroed where it is not static, and the static part of
 * each unit is filled in.  The offsets of the groups in @ai are how every later
 * chunk is laid out, too.  A layout that cannot work stops the boot.
 *
 * From here on percpu objects can be allocated; the caller sets the offsets of
 * CPUs from pcpu_base_addr and pcpu_unit_offsets[].
 *
 * Context: boot CPU, memblock is up, the page allocator is not.
 */
void __init pcpu_setup_first_chunk(const struct pcpu_alloc_info *ai, void *base_addr)
{
	const char *fault = pcpu_fault_of_plan(ai, base_addr);
	struct pcpu_allocator *pa = &pcpu_main;

	if (fault)
		pcpu_refuse_plan(ai, fault);
	pcpu_print_plan(ai, false);

	pcpu_set_geometry(&pa->geo, ai);
	pcpu_warn_of_waste(&pa->geo);
	pa->static_bytes = ai->static_size;
	pa->reserved_bytes = ai->reserved_size;
	pa->dyn_bytes = ai->dyn_size;
	pa->alloc_bytes = ai->alloc_size;

	pcpu_allocator_init(pa, &pcpu_backend);
	pcpu_add_boot_chunks(pa, (unsigned long)base_addr);
	trace_percpu_create_chunk(base_addr);

	pcpu_unit_offsets = pa->geo.unit_offsets;
	/* Last: it says that there is a first chunk. */
	pcpu_base_addr = base_addr;
}

/**
 * pcpu_alloc_alloc_info - get an empty plan
 * @nr_groups: groups that it will have
 * @nr_units: units of all groups together
 *
 * The map of group 0 has room for all @nr_units and says that all of them are
 * padding; whoever uses more groups gives each its share of it.
 *
 * Context: boot, memblock.
 * Return: the plan, to be freed with pcpu_free_alloc_info(), or NULL
 */
struct pcpu_alloc_info * __init pcpu_alloc_alloc_info(int nr_groups, int nr_units)
{
	struct pcpu_alloc_info *ai = NULL;
	size_t head_bytes = struct_size(ai, groups, nr_groups);
	size_t bytes = PFN_ALIGN(head_bytes + nr_units * sizeof(unsigned int));
	unsigned int *map;

	ai = memblock_alloc(bytes, PAGE_SIZE);
	if (!ai)
		return NULL;

	map = (void *)ai + head_bytes;
	ai->groups[0].cpu_map = map;
	ai->nr_groups = nr_groups;
	ai->__ai_size = bytes;
	while (nr_units--)
		*map++ = PCPU_PADDING;
	return ai;
}

/**
 * pcpu_free_alloc_info - free a plan
 * @ai: what pcpu_alloc_alloc_info() returned
 *
 * Context: boot, memblock.
 */
void __init pcpu_free_alloc_info(struct pcpu_alloc_info *ai)
{
	memblock_free(ai, ai->__ai_size);
}

#ifdef CONFIG_SMP

const char * const pcpu_fc_names[PCPU_FC_NR] __initconst = {
	[PCPU_FC_PAGE]	= "page",
	[PCPU_FC_EMBED]	= "embed",
	[PCPU_FC_AUTO]	= "auto",
};

enum pcpu_fc pcpu_chosen_fc __initdata;

static int __init pcpu_choose_fc(char *name)
{
	if (!name)
		return -EINVAL;

	if (IS_ENABLED(CONFIG_NEED_PER_CPU_EMBED_FIRST_CHUNK) &&
	    !strcmp(name, pcpu_fc_names[PCPU_FC_EMBED]))
		pcpu_chosen_fc = PCPU_FC_EMBED;
	else if (IS_ENABLED(CONFIG_NEED_PER_CPU_PAGE_FIRST_CHUNK) &&
		 !strcmp(name, pcpu_fc_names[PCPU_FC_PAGE]))
		pcpu_chosen_fc = PCPU_FC_PAGE;
	else
		pr_warn("percpu_alloc=%s is unknown to this kernel\n", name);
	return 0;
}
early_param("percpu_alloc", pcpu_choose_fc);

#if !defined(CONFIG_HAVE_SETUP_PER_CPU_AREA) || \
	defined(CONFIG_NEED_PER_CPU_EMBED_FIRST_CHUNK)
#define PCPU_HAS_EMBED
#endif

#if defined(PCPU_HAS_EMBED) || defined(CONFIG_NEED_PER_CPU_PAGE_FIRST_CHUNK)

/* ---- step 1: plan ------------------------------------------------------------ */

/**
 * struct pcpu_grouping - which CPUs belong together
 * @nr_groups: groups in use
 * @leader: the first CPU of each group; nearness to it decides
 * @nr_cpus: CPUs in each group
 * @group_of: group of each CPU
 *
 * Groups are in the order of their leaders.
 */
struct pcpu_grouping {
	unsigned int nr_groups;
	unsigned int leader[NR_CPUS];
	unsigned int nr_cpus[NR_CPUS];
	unsigned int group_of[NR_CPUS];
};

/* Too large for the stack. */
static struct pcpu_grouping pcpu_grouping __initdata;

static bool __init pcpu_cpus_are_near(unsigned int a, unsigned int b,
				      pcpu_fc_cpu_distance_fn_t distance)
{
	if (!distance)
		return true;
	return distance(a, b) == LOCAL_DISTANCE && distance(b, a) == LOCAL_DISTANCE;
}

static void __init pcpu_find_groups(struct pcpu_grouping *g,
				    pcpu_fc_cpu_distance_fn_t distance)
{
	unsigned int cpu, group;

	g->nr_groups = 0;
	for_each_possible_cpu(cpu) {
		for (group = 0; group < g->nr_groups; group++)
			if (pcpu_cpus_are_near(g->leader[group], cpu, distance))
				break;
		if (group == g->nr_groups) {
			g->leader[group] = cpu;
			g->nr_cpus[group] = 0;
			g->nr_groups++;
		}
		g->group_of[cpu] = group;
		g->nr_cpus[group]++;
	}
}

/*
 * How many units share a piece of @alloc_bytes?  Many waste little memory behind
 * each unit, but a group must be whole pieces, and what is left of its last one
 * is padding.  Address space of padding is lost in every chunk, so at most a
 * third of the CPUs' number is accepted, and one unit a piece always is.  Of what
 * is left the fewest pieces win, and among equals the largest units.
 */
static unsigned int __init pcpu_pick_units_per_alloc(const struct pcpu_grouping *g,
						     size_t alloc_bytes, size_t min_unit_bytes)
{
	unsigned int best = 1, best_allocs = UINT_MAX;
	unsigned int units, group;

	for (units = alloc_bytes / min_unit_bytes; units; units--) {
		unsigned int allocs = 0;

		if (alloc_bytes % units || !PAGE_ALIGNED(alloc_bytes / units))
			continue;
		for (group = 0; group < g->nr_groups; group++)
			allocs += DIV_ROUND_UP(g->nr_cpus[group], units);
		if (allocs * units - num_possible_cpus() > num_possible_cpus() / 3)
			continue;
		/* Fewer units in a piece never make fewer pieces. */
		if (allocs > best_allocs)
			break;
		best = units;
		best_allocs = allocs;
	}
	return best;
}

/* Deal the CPUs out to the maps of their groups. */
static void __init pcpu_fill_maps(struct pcpu_alloc_info *ai, const struct pcpu_grouping *g,
				  unsigned int units_per_alloc)
{
	unsigned int *map = ai->groups[0].cpu_map;
	struct pcpu_group_info *gi;
	unsigned int cpu, group;

	for (group = 0; group < g->nr_groups; group++) {
		ai->groups[group].cpu_map = map;
		map += roundup(g->nr_cpus[group], units_per_alloc);
	}
	for_each_possible_cpu(cpu) {
		gi = &ai->groups[g->group_of[cpu]];
		gi->cpu_map[gi->nr_units++] = cpu;
	}
	for (group = 0; group < g->nr_groups; group++) {
		gi = &ai->groups[group];
		gi->nr_units = roundup(gi->nr_units, units_per_alloc);
	}
}

/*
 * Plan a first chunk.  The groups' offsets stay zero: they are known when their
 * memory is.  NULL if there is no memory for the plan.
 */
static struct pcpu_alloc_info * __init pcpu_make_plan(size_t reserved_bytes, size_t dyn_bytes,
						      size_t atom_bytes,
						      pcpu_fc_cpu_distance_fn_t distance)
{
	const size_t static_bytes = __per_cpu_end - __per_cpu_start;
	struct pcpu_grouping *g = &pcpu_grouping;
	unsigned int units_per_alloc, group, nr_units = 0;
	size_t sum_bytes, min_unit_bytes, alloc_bytes;
	struct pcpu_alloc_info *ai;

	dyn_bytes = max_t(size_t, dyn_bytes, PERCPU_DYNAMIC_EARLY_SIZE);
	sum_bytes = PFN_ALIGN(static_bytes + reserved_bytes + dyn_bytes);
	min_unit_bytes = max_t(size_t, sum_bytes, PCPU_MIN_UNIT_SIZE);
	alloc_bytes = roundup(min_unit_bytes, atom_bytes);

	pcpu_find_groups(g, distance);
	units_per_alloc = pcpu_pick_units_per_alloc(g, alloc_bytes, min_unit_bytes);
	for (group = 0; group < g->nr_groups; group++)
		nr_units += roundup(g->nr_cpus[group], units_per_alloc);

	ai = pcpu_alloc_alloc_info(g->nr_groups, nr_units);
	if (!ai)
		return NULL;

	ai->static_size = static_bytes;
	ai->reserved_size = reserved_bytes;
	ai->dyn_size = sum_bytes - static_bytes - reserved_bytes;
	ai->atom_size = atom_bytes;
	ai->alloc_size = alloc_bytes;
	ai->unit_size = alloc_bytes / units_per_alloc;
	pcpu_fill_maps(ai, g, units_per_alloc);
	return ai;
}

static size_t __init pcpu_plan_sum_bytes(const struct pcpu_alloc_info *ai)
{
	return ai->static_size + ai->reserved_size + ai->dyn_size;
}

/* ---- step 2: back ------------------------------------------------------------- */

/*
 * Zeroed memory on the node of @cpu, above what old devices reach where there
 * is a choice.
 */
static void * __init pcpu_boot_alloc(unsigned int cpu, size_t bytes, size_t align_bytes,
				     pcpu_fc_cpu_to_node_fn_t node_of)
{
	int node = NUMA_NO_NODE;
	void *mem;

#ifdef CONFIG_NUMA
	if (node_of) {
		node = node_of(cpu);
		if (node == NUMA_NO_NODE || !node_online(node) || !NODE_DATA(node)) {
			pr_info("cpu %u: node %d has no memory, taking any\n", cpu, node);
			node = NUMA_NO_NODE;
		}
	}
#endif
	mem = memblock_alloc_try_nid(bytes, align_bytes, __pa(MAX_DMA_ADDRESS),
				     MEMBLOCK_ALLOC_ACCESSIBLE, node);
	if (!mem)
		return NULL;
	pr_debug("cpu %u: %zu bytes on node %d at 0x%llx\n", cpu, bytes, node,
		 (u64)__pa(mem));
	/* Objects in it are reported to kmemleak one by one. */
	kmemleak_ignore_phys(__pa(mem));
	return mem;
}

#ifdef PCPU_HAS_EMBED

/*
 * While an embedded first chunk is being put together, base_offset of a group is
 * its address, and 0 where it has no memory yet.
 */
static void * __init pcpu_embedded_group(const struct pcpu_alloc_info *ai, int group)
{
	return (void *)ai->groups[group].base_offset;
}

static void __init pcpu_embed_drop(struct pcpu_alloc_info *ai)
{
	int group;

	for (group = 0; group < ai->nr_groups; group++)
		if (ai->groups[group].base_offset)
			memblock_free(pcpu_embedded_group(ai, group),
				      ai->groups[group].nr_units * ai->unit_size);
}

static int __init pcpu_embed_get(struct pcpu_alloc_info *ai,
				 pcpu_fc_cpu_to_node_fn_t node_of)
{
	int group;

	for (group = 0; group < ai->nr_groups; group++) {
		struct pcpu_group_info *gi = &ai->groups[group];
		void *mem;

		/* CPUs come first in a map, padding last. */
		mem = pcpu_boot_alloc(gi->cpu_map[0], gi->nr_units * ai->unit_size,
				      ai->atom_size, node_of);
		if (!mem)
			return -ENOMEM;
		gi->base_offset = (unsigned long)mem;
	}
	return 0;
}

/*
 * The lowest group's address, and whether later chunks can be as far spread as
 * this one: they need the same distances inside the vmalloc space.
 */
static int __init pcpu_embed_measure(const struct pcpu_alloc_info *ai, unsigned long *base)
{
	unsigned long top = 0, span;
	int group, highest = 0;

	*base = ULONG_MAX;
	for (group = 0; group < ai->nr_groups; group++) {
		*base = min(*base, ai->groups[group].base_offset);
		if (ai->groups[group].base_offset > top) {
			top = ai->groups[group].base_offset;
			highest = group;
		}
	}

	span = top - *base + ai->groups[highest].nr_units * ai->unit_size;
	if (IS_ENABLED(CONFIG_NEED_PER_CPU_KM) || span <= VMALLOC_TOTAL / 4 * 3)
		return 0;
	pr_warn("units span 0x%lx bytes, too many for a vmalloc space of 0x%lx\n",
		span, VMALLOC_TOTAL);
	/* Carry on only where there is nothing better. */
	return IS_ENABLED(CONFIG_NEED_PER_CPU_PAGE_FIRST_CHUNK) ? -EINVAL : 0;
}

/*
 * Fill in the static part, and give back padding units and what is left of a
 * unit.  Not before all groups have their memory, or a later group might get
 * what an earlier one gave back.
 */
static void __init pcpu_embed_fill(const struct pcpu_alloc_info *ai, int group)
{
	const struct pcpu_group_info *gi = &ai->groups[group];
	size_t used_bytes = pcpu_plan_sum_bytes(ai);
	int i;

	for (i = 0; i < gi->nr_units; i++) {
		void *unit = pcpu_embedded_group(ai, group) + i * ai->unit_size;

		if (gi->cpu_map[i] == PCPU_PADDING) {
			memblock_free(unit, ai->unit_size);
			continue;
		}
		memcpy(unit, __per_cpu_start, ai->static_size);
		memblock_free(unit + used_bytes, ai->unit_size - used_bytes);
	}
}

/**
 * pcpu_embed_first_chunk - set up the first chunk in linear memory
 * @reserved_size: bytes a unit for the percpu variables of modules
 * @dyn_size: bytes a unit for objects, at least; rounding adds to it
 * @atom_size: alignment of groups, of the first and of all later chunks; with
 *	the size of a large page here, large pages map the units
 * @cpu_distance_fn: tells which CPUs are on one node; NULL: all are
 * @cpu_to_nd_fn: tells the node of a CPU; NULL: it does not matter
 *
 * Each group is one block of memblock memory on the node of its first CPU.  The
 * distances between groups become those of every later chunk, so nodes far apart
 * take much address space.
 *
 * Context: boot, memblock.
 * Return: 0, -ENOMEM, or -EINVAL if the groups are too far apart and
 * pcpu_page_first_chunk() can be used instead; then all memory was given back
 */
int __init pcpu_embed_first_chunk(size_t reserved_size, size_t dyn_size, size_t atom_size,
				  pcpu_fc_cpu_distance_fn_t cpu_distance_fn,
				  pcpu_fc_cpu_to_node_fn_t cpu_to_nd_fn)
{
	struct pcpu_alloc_info *ai;
	unsigned long base;
	int group, err;

	ai = pcpu_make_plan(reserved_size, dyn_size, atom_size, cpu_distance_fn);
	if (!ai)
		return -ENOMEM;

	err = pcpu_embed_get(ai, cpu_to_nd_fn);
	if (!err)
		err = pcpu_embed_measure(ai, &base);
	if (err) {
		pcpu_embed_drop(ai);
		pcpu_free_alloc_info(ai);
		return err;
	}

	for (group = 0; group < ai->nr_groups; group++) {
		pcpu_embed_fill(ai, group);
		ai->groups[group].base_offset -= base;
	}
	pr_info("Embedded %zu pages/cpu s%zu r%zu d%zu u%zu\n",
		PFN_DOWN(pcpu_plan_sum_bytes(ai)), ai->static_size,
		ai->reserved_size, ai->dyn_size, ai->unit_size);
	pcpu_setup_first_chunk(ai, (void *)base);
	pcpu_free_alloc_info(ai);
	return 0;
}
#endif /* PCPU_HAS_EMBED */

#ifdef CONFIG_NEED_PER_CPU_PAGE_FIRST_CHUNK

/* Architectures whose tables are not pages say so. */
#ifndef PTE_TABLE_SIZE
#define PTE_TABLE_SIZE	PAGE_SIZE
#endif
#ifndef PMD_TABLE_SIZE
#define PMD_TABLE_SIZE	PAGE_SIZE
#endif
#ifndef PUD_TABLE_SIZE
#define PUD_TABLE_SIZE	PAGE_SIZE
#endif
#ifndef P4D_TABLE_SIZE
#define P4D_TABLE_SIZE	PAGE_SIZE
#endif

static void * __init pcpu_new_table(size_t bytes)
{
	return memblock_alloc_or_panic(bytes, bytes);
}

/**
 * pcpu_populate_pte - make the page tables down to the PTE of an address
 * @addr: kernel address inside the vmalloc space
 *
 * An architecture that has its own way at boot overrides it.
 *
 * Context: boot, memblock.  Panics without memory.
 */
void __init __weak pcpu_populate_pte(unsigned long addr)
{
	pgd_t *pgd = pgd_offset_k(addr);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;

	if (pgd_none(*pgd))
		pgd_populate_kernel(addr, pgd, (p4d_t *)pcpu_new_table(P4D_TABLE_SIZE));
	p4d = p4d_offset(pgd, addr);

	if (p4d_none(*p4d))
		p4d_populate_kernel(addr, p4d, (pud_t *)pcpu_new_table(PUD_TABLE_SIZE));
	pud = pud_offset(p4d, addr);

	if (pud_none(*pud))
		pud_populate(&init_mm, pud, (pmd_t *)pcpu_new_table(PMD_TABLE_SIZE));
	pmd = pmd_offset(pud, addr);

	if (!pmd_present(*pmd))
		pmd_populate_kernel(&init_mm, pmd, (pte_t *)pcpu_new_table(PTE_TABLE_SIZE));
}

/*
 * struct page is not written to here: it may be set up only later.
 */
static void __init pcpu_paged_drop(struct page **pages, unsigned int nr)
{
	while (nr--)
		memblock_free(page_address(pages[nr]), PAGE_SIZE);
}

static int __init pcpu_paged_get(const struct pcpu_alloc_info *ai, struct page **pages,
				 pcpu_fc_cpu_to_node_fn_t node_of)
{
	unsigned int unit_pages = PFN_DOWN(ai->unit_size);
	unsigned int nr_pages = unit_pages * num_possible_cpus();
	unsigned int i;

	for (i = 0; i < nr_pages; i++) {
		unsigned int cpu = ai->groups[0].cpu_map[i / unit_pages];
		void *mem = pcpu_boot_alloc(cpu, PAGE_SIZE, PAGE_SIZE, node_of);

		if (!mem) {
			pr_warn("no page for cpu %u\n", cpu);
			pcpu_paged_drop(pages, i);
			return -ENOMEM;
		}
		pages[i] = virt_to_page(mem);
	}
	return 0;
}

static void __init pcpu_paged_map_unit(const struct pcpu_alloc_info *ai, unsigned long start,
				       struct page **pages)
{
	unsigned long end = start + ai->unit_size;
	unsigned long addr;
	int err;

	for (addr = start; addr < end; addr += PAGE_SIZE)
		pcpu_populate_pte(addr);

	/* All tables are there, so that this does not allocate. */
	err = vmap_pages_range_noflush(start, end, PAGE_KERNEL, pages, PAGE_SHIFT,
				       GFP_KERNEL);
	if (err)
		panic("percpu: cannot map a unit of the first chunk, err=%d\n", err);
	flush_cache_vmap_early(start, end);

	memcpy((void *)start, __per_cpu_start, ai->static_size);
}

/**
 * pcpu_page_first_chunk - set up the first chunk from single pages
 * @reserved_size: bytes a unit for the percpu variables of modules
 * @cpu_to_nd_fn: tells the node of a CPU; NULL: it does not matter
 *
 * The units lie side by side in the vmalloc space, whatever the nodes; the
 * dynamic part is as small as the kernel can start with.  It is for systems on
 * which embedding fails or takes too much address space.
 *
 * Context: boot, memblock.  Panics if it cannot map what it has.
 * Return: 0, or -ENOMEM or -EINVAL; then all memory was given back
 */
int __init pcpu_page_first_chunk(size_t reserved_size, pcpu_fc_cpu_to_node_fn_t cpu_to_nd_fn)
{
	static struct vm_struct area;
	struct pcpu_alloc_info *ai;
	struct page **pages;
	size_t pages_bytes;
	unsigned int unit, unit_pages;
	int err = -EINVAL;

	ai = pcpu_make_plan(reserved_size, 0, PAGE_SIZE, NULL);
	if (!ai)
		return -ENOMEM;
	unit_pages = PFN_DOWN(ai->unit_size);
	/* memblock gives back whole pages only. */
	pages_bytes = PFN_ALIGN(num_possible_cpus() * unit_pages * sizeof(*pages));
	pages = memblock_alloc_or_panic(pages_bytes, SMP_CACHE_BYTES);

	/* With pieces of a page there is no padding. */
	if (!WARN_ON(ai->groups[0].nr_units != num_possible_cpus()))
		err = pcpu_paged_get(ai, pages, cpu_to_nd_fn);
	if (err)
		goto out;

	area.flags = VM_ALLOC | VM_NO_GUARD;
	area.size = num_possible_cpus() * ai->unit_size;
	vm_area_register_early(&area, PAGE_SIZE);
	for (unit = 0; unit < num_possible_cpus(); unit++)
		pcpu_paged_map_unit(ai, (unsigned long)area.addr + unit * ai->unit_size,
				    pages + unit * unit_pages);

	pr_info("%u %luK pages/cpu s%zu r%zu d%zu\n", unit_pages, PAGE_SIZE >> 10,
		ai->static_size, ai->reserved_size, ai->dyn_size);
	pcpu_setup_first_chunk(ai, area.addr);
out:
	memblock_free(pages, pages_bytes);
	pcpu_free_alloc_info(ai);
	return err;
}
#endif /* CONFIG_NEED_PER_CPU_PAGE_FIRST_CHUNK */

#endif /* PCPU_HAS_EMBED || CONFIG_NEED_PER_CPU_PAGE_FIRST_CHUNK */

/* ---- architectures without a way of their own ------------------------------------ */

#ifndef CONFIG_HAVE_SETUP_PER_CPU_AREA

unsigned long __per_cpu_offset[NR_CPUS] __read_mostly;
EXPORT_SYMBOL(__per_cpu_offset);

/*
 * Embedding keeps the units in reach of relocations against the image, which
 * some architectures need, and in memory that large pages may map.
 */
void __init setup_per_cpu_areas(void)
{
	unsigned int cpu;

	if (pcpu_embed_first_chunk(PERCPU_MODULE_RESERVE, PERCPU_DYNAMIC_RESERVE,
				   PAGE_SIZE, NULL, NULL))
		panic("percpu: no memory for the first chunk\n");

	for_each_possible_cpu(cpu)
		__per_cpu_offset[cpu] = (unsigned long)pcpu_base_addr +
					pcpu_unit_offsets[cpu] -
					(unsigned long)__per_cpu_start;
}
#endif /* !CONFIG_HAVE_SETUP_PER_CPU_AREA */

#else /* !CONFIG_SMP */

/*
 * The kernel's percpu variables are ordinary variables here, and a percpu pointer
 * is an address: the first chunk is all dynamic.
 */
void __init setup_per_cpu_areas(void)
{
	const size_t unit_bytes = roundup_pow_of_two(max_t(size_t, PERCPU_DYNAMIC_RESERVE,
							   PCPU_MIN_UNIT_SIZE));
	struct pcpu_alloc_info *ai = pcpu_alloc_alloc_info(1, 1);
	void *unit = memblock_alloc_from(unit_bytes, PAGE_SIZE, __pa(MAX_DMA_ADDRESS));

	if (!ai || !unit)
		panic("percpu: no memory for the first chunk\n");
	/* Objects in it are reported to kmemleak one by one. */
	kmemleak_ignore_phys(__pa(unit));

	ai->dyn_size = unit_bytes;
	ai->unit_size = unit_bytes;
	ai->alloc_size = unit_bytes;
	ai->atom_size = unit_bytes;
	ai->groups[0].cpu_map[0] = 0;
	ai->groups[0].nr_units = 1;

	pcpu_setup_first_chunk(ai, unit);
	pcpu_free_alloc_info(ai);
}

#endif /* CONFIG_SMP */
