// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz.c - libFuzzer: bytes to operations, compared with the model
 *
 * The first bytes choose the machine; then each operation takes one byte and
 * its arguments.  All invariants are checked after each.
 */
#include "test.h"

#define MAX_OBJECTS	128

static struct object objects[MAX_OBJECTS];
static unsigned int nr_objects;
static const u8 *input;
static size_t left;

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

void test_register(struct test *test) { }

static u8 next_byte(void)
{
	if (!left)
		return 0;
	left--;
	return *input++;
}

static unsigned int next_number(void)
{
	unsigned int low = next_byte();

	return low | next_byte() << 8;
}

static const struct {
	gfp_t gfp;
	enum ctx ctx;
} requests[] = {
	{ GFP_KERNEL, CTX_TASK },
	{ GFP_KERNEL_ACCOUNT, CTX_NOFS_SCOPE },
	{ GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN, CTX_NOIO_SCOPE },
	{ GFP_NOIO | __GFP_RETRY_MAYFAIL, CTX_TASK },
	{ GFP_NOWAIT | __GFP_ACCOUNT, CTX_IRQS_OFF },
	{ GFP_ATOMIC, CTX_HARDIRQ },
	{ GFP_ATOMIC | __GFP_HIGH, CTX_SOFTIRQ },
	{ GFP_NOWAIT, CTX_TASK },
};

static void do_alloc(void)
{
	unsigned int what = next_byte(), size = next_number();
	size_t align = 1UL << what / 8 % (PAGE_SHIFT + 1);
	bool reserved = pcpu_main.reserved && what >= 0xe0;
	struct object object;

	size = size < 0xc000 ? size % 512 + 1 : size % pcpu_main.geo.unit_bytes + 1;
	if (nr_objects == MAX_OBJECTS)
		return;
	if (model_alloc(&object, size, align, reserved, requests[what % 8].gfp,
			requests[what % 8].ctx)) {
		/* A window may have taken the last place. */
		if (nr_objects == MAX_OBJECTS)
			model_free(&object, CTX_TASK);
		else
			objects[nr_objects++] = object;
	} else {
		EXPECT(what % 8 > 3 || reserved || sim.nr_failed || current->killed);
	}
}

static void do_free(void)
{
	unsigned int i = next_byte();
	struct object object;

	if (!nr_objects)
		return;
	i %= nr_objects;
	object = objects[i];
	objects[i] = objects[--nr_objects];
	model_free(&object, i % CTX_NR);
}

static void do_bad_free(void)
{
	unsigned int i = next_byte(), offset = next_byte() + 1;
	char *ptr;

	if (!nr_objects)
		return;
	i %= nr_objects;
	if (offset >= ALIGN(objects[i].size, 4))
		return;
	ptr = objects[i].ptr;
	sim_expect_warnings(1);
	free_percpu(ptr + offset);
	EXPECT(sim_expected());
}

static void window(void)
{
	u8 what = next_byte();

	if (what < 0x30)
		do_alloc();
	else if (what < 0x60)
		do_free();
	else if (what < 0x68)
		sim_run_due_work();
}

static void do_one(void)
{
	u8 what = next_byte();

	if (what < 0x60) {
		do_alloc();
	} else if (what < 0xb0) {
		do_free();
	} else if (what < 0xb8) {
		do_bad_free();
	} else if (what < 0xc8) {
		sim_run_due_work();
	} else if (what < 0xd0) {
		sim_advance(next_byte() * 8);
		sim_run_due_work();
	} else if (what < 0xd4) {
		sim_rcu_quiesce();
	} else if (what < 0xe0) {
		sim.fail_nth = next_byte();
	} else if (what < 0xe8) {
		struct shrink_control sc = { .gfp_mask = GFP_KERNEL, .nr_to_scan = 128 };

		sim_shrinker()->scan_objects(sim_shrinker(), &sc);
	} else if (what < 0xf0) {
		sim.on_window = sim.on_window ? NULL : window;
	} else if (what < 0xf4) {
		current->killed = !current->killed;
	} else if (nr_objects) {
		model_check_pattern(&objects[next_byte() % nr_objects]);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u8 shape;

	input = data;
	left = size;
	shape = next_byte();
	nr_objects = 0;
	world_boot(&(struct world){
		.nr_cpus = shape % 3 + 1,
		.nodes = shape & 4 ? NODES_EACH : NODES_ONE,
		.reserved_bytes = shape & 8 ? 1024 : 0,
		.no_memcg = shape & 16,
		.paged = (shape & 0xe0) == 0xe0,
		.static_bytes = 100,
		.ram_pages = (256UL << 20) >> PAGE_SHIFT,
	});
	while (left) {
		do_one();
		EXPECT_EQ(pcpu_validate(&pcpu_main), 0);
		world_check_used();
	}
	sim.fail_nth = 0;
	sim.on_window = NULL;
	current->killed = false;
	while (nr_objects)
		model_free(&objects[--nr_objects], CTX_TASK);
	world_shutdown();
	return 0;
}
