// SPDX-License-Identifier: GPL-2.0
/*
 * test-gfp.c - the mask of every backing allocation
 *
 * The table that the masks are held to is lib/tests/percpu_gfp.h; here it is also
 * compared with Documentation/mm/percpu.rst.
 */
#include "test.h"
#include "../../../lib/tests/percpu_gfp.h"

#define MAX_OBJECTS	64

static struct object objects[MAX_OBJECTS];
static unsigned int nr_objects;

static void free_all(void)
{
	while (nr_objects)
		model_free(&objects[--nr_objects], CTX_TASK);
}

/* Each chunk needs page tables of its own. */
static const struct world small = {
	.nr_cpus = IS_ENABLED(CONFIG_SMP) ? 2 : 1,
	.atom_bytes = PMD_SIZE,
	.vmalloc_bytes = 32UL << 30,
};

/* ---- masks ----------------------------------------------------------------------- */

/* What the request under test may ask for, and what it has asked for. */
static struct expected {
	gfp_t backing;
	enum pcpu_gfp_tables tables;
	unsigned int nr_rows;		/* pages of rows, or blocks that are chunks */
	unsigned int nr_ext;
	unsigned int nr_tried;
	unsigned int nr_metadata;
	unsigned int nr_spaces;
	unsigned int nr_tables;
} expected;

static void expect_page(gfp_t gfp)
{
	bool fixed = pcpu_main.backend->rows_fixed;

	switch (gfp & ~expected.backing) {
	case __GFP_HIGHMEM:
		EXPECT(!fixed);
		expected.nr_rows++;
		break;
	case __GFP_ZERO:
		expected.nr_ext++;
		break;
	case 0:
		if (fixed) {
			expected.nr_rows++;
			break;
		}
		EXPECT_EQ(expected.tables, PCPU_TABLES_TRIED);
		expected.nr_tried++;
		break;
	default:
		SHIM_ASSERT(0, "a page with mask %#x, not %#x", gfp, expected.backing);
	}
}

static void expect_table(gfp_t gfp)
{
	bool noreclaim = current->flags & PF_MEMALLOC;

	expected.nr_tables++;
	EXPECT_EQ(noreclaim, expected.tables == PCPU_TABLES_TRIED);
	if (noreclaim)
		EXPECT(expected.nr_tried >= expected.nr_tables);
	else
		EXPECT_EQ(gfp, (expected.backing & ~__GFP_NOMEMALLOC) | __GFP_ZERO);
}

static void expect_backing(unsigned int kind, gfp_t gfp)
{
	if (kind != SIM_TABLES) {
		SHIM_ASSERT((gfp & expected.backing) == expected.backing,
			    "kind %u with mask %#x, not %#x", kind, gfp, expected.backing);
	}
	switch (kind) {
	case SIM_PAGES:
		expect_page(gfp);
		break;
	case SIM_METADATA:
		EXPECT_EQ(gfp & ~__GFP_ZERO, expected.backing);
		expected.nr_metadata++;
		break;
	case SIM_SPACE:
		EXPECT_EQ(gfp, expected.backing);
		expected.nr_spaces++;
		break;
	case SIM_TABLES:
		expect_table(gfp);
		break;
	}
}

static void watch(gfp_t backing, enum pcpu_gfp_tables tables)
{
	expected = (struct expected){ .backing = backing | __GFP_NOMEMALLOC, .tables = tables };
	sim.on_backing = expect_backing;
}

/* Of all that there is to be seen, everything was. */
static void unwatch(void)
{
	bool creates = expected.tables != PCPU_TABLES_NONE;
	bool fixed = pcpu_main.backend->rows_fixed;

	sim.on_backing = NULL;
	EXPECT_EQ(expected.nr_rows > 0, creates || !fixed);
	EXPECT_EQ(expected.nr_ext > 0, PCPU_HAS_EXT && expected.nr_rows);
	EXPECT_EQ(expected.nr_metadata > 0, creates);
	EXPECT_EQ(expected.nr_spaces > 0, creates && !fixed);
	EXPECT_EQ(expected.nr_tables > 0, creates && !fixed);
	EXPECT_EQ(expected.nr_tried > 0, expected.tables == PCPU_TABLES_TRIED && !fixed);
}

static bool alloc_unit(gfp_t gfp)
{
	if (!model_alloc(&objects[nr_objects], pcpu_main.geo.unit_bytes, 8, false, gfp, CTX_TASK))
		return false;
	nr_objects++;
	return true;
}

/* With a spare chunk there, so that those who may not create one get pages as well. */
static void gfp_case(const struct pcpu_gfp_case *line)
{
	unsigned int flags, nr_chunks;

	world_boot(&small);
	sim_run_all_work(100);
	nr_chunks = pcpu_main.nr_chunks;

	flags = memalloc_flags_save(line->scope);
	watch(line->backing, line->tables);
	while (pcpu_main.nr_chunks == nr_chunks && alloc_unit(line->gfp))
		EXPECT(nr_objects < MAX_OBJECTS);
	unwatch();
	memalloc_flags_restore(flags);
	EXPECT_EQ(pcpu_main.nr_chunks > nr_chunks, line->tables != PCPU_TABLES_NONE);
	free_all();
	world_shutdown();
}

TEST(gfp_table)
{
	unsigned int step = 1, i;

	/* Where a chunk is 64 MiB, a few: one for each kind of page tables. */
	if (PAGE_SIZE != SZ_4K)
		step = 5;
	for (i = 0; i < ARRAY_SIZE(pcpu_gfp_cases); i += step) {
		if (sim_verbose)
			fprintf(stderr, "%s\n", pcpu_gfp_cases[i].name);
		gfp_case(&pcpu_gfp_cases[i]);
	}
}

TEST(gfp_of_worker)
{
	world_boot(&small);
	watch(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN, PCPU_TABLES_TRIED);
	sim_run_all_work(100);
	/* Rows are there from boot on: use them up, as one whose masks are not looked at. */
	sim.on_backing = NULL;
	while (pcpu_main.nr_empty_rows) {
		EXPECT(nr_objects < MAX_OBJECTS);
		EXPECT(model_alloc(&objects[nr_objects++], PAGE_SIZE, PAGE_SIZE, false, GFP_NOWAIT,
				   CTX_TASK));
	}
	sim.on_backing = expect_backing;
	sim_run_all_work(100);
	unwatch();
	free_all();
	world_shutdown();
}

/* The next column of a line of a simple table, without its marks; NULL at the end. */
static char *next_column(char **line)
{
	static char text[128];
	unsigned int len = 0;
	char *at = *line;

	while (*at == ' ')
		at++;
	while (*at && *at != '\n' && !(at[0] == ' ' && at[1] == ' ') && len < sizeof(text) - 1) {
		if (*at != '`')
			text[len++] = *at;
		at++;
	}
	text[len] = '\0';
	*line = at;
	return len ? text : NULL;
}

static void expect_column(char **line, const char *want)
{
	char *text = next_column(line);

	SHIM_ASSERT(text && !strcmp(text, want), "percpu.rst has '%s' for '%s'", text, want);
}

/* Documentation has the same table, line by line. */
TEST(gfp_table_is_documented)
{
	static const char * const tables[] = {
		[PCPU_TABLES_NONE] = "none",
		[PCPU_TABLES_SAME] = "the same",
		[PCPU_TABLES_TRIED] = "noreclaim",
	};
	FILE *file = fopen(PERCPU_RST, "r");
	unsigned int i, nr_borders = 0;
	char line[256], *at;

	if (!file)
		test_skip("cannot read " PERCPU_RST);
	do {
		SHIM_ASSERT(fgets(line, sizeof(line), file), "percpu.rst has no such table");
	} while (strncmp(line, "caller's mask, scope  ", 22));
	for (i = 0; nr_borders < 2 && fgets(line, sizeof(line), file);) {
		if (line[0] == '=') {
			nr_borders++;
			continue;
		}
		at = line;
		/* The worker is not a caller; its line is the last. */
		if (i == ARRAY_SIZE(pcpu_gfp_cases)) {
			expect_column(&at, "the worker");
			expect_column(&at, "GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN");
			expect_column(&at, "noreclaim");
			i++;
			continue;
		}
		EXPECT(i < ARRAY_SIZE(pcpu_gfp_cases));
		expect_column(&at, pcpu_gfp_cases[i].name);
		expect_column(&at, pcpu_gfp_cases[i].backing_name);
		expect_column(&at, tables[pcpu_gfp_cases[i].tables]);
		i++;
	}
	EXPECT_EQ(i, ARRAY_SIZE(pcpu_gfp_cases) + 1);
	fclose(file);
}
