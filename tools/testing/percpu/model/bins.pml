/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bins.pml - freed areas at hand: mm/percpu-cache.c and its part of percpu-internal.h
 *
 * Each step is one access to memory that others share, or a few where what others do
 * between them makes no other outcome.  An inline models the C function of its name with
 * "pcpu_" before it, where no other is named.  What happens under pcpu_allocator.lock is
 * one step.
 *
 * The C code keeps nobody out of a bin: any task, interrupt or worker may come
 * between any two steps of another, and be at any CPU's bin.  So a user picks a bin
 * anew whenever the code reads raw_cpu_ptr(), which is what migration does, and
 * stays with it where the code keeps the pointer.  An interrupt is a user that
 * makes all its steps between two of another's: one of the orders that are tried.
 *
 * Checked:
 *   - an area is in one place: somebody's hands, one entry, or the chunk (@holder)
 *   - a request gets an area of its size, whatever the bin was for before
 *   - as many frees pass as objects were handed out, the others are refused
 *   - what the bins have of the budget is never more than the total
 *   - at rest, which is when the users are done and the worker is not called: the
 *     budget is whole, nothing is at hand, and all areas are in the chunk.  So none
 *     was lost, and whoever left something at hand has the worker called.
 *   - a pass of the worker leaves nothing in a bin that has no budget, unless somebody
 *     who is not done, or has called the worker since, may have put it there: nobody
 *     else would have a reason to come for it.
 *
 * With GIVE or TAKE the last bin is the depot's: this_bin() never picks it.  GIVE begins
 * with full bins and two objects to be freed, TAKE with two areas in the depot, so that a
 * request moves one of them, and an object that may be freed meanwhile.  All three at once,
 * two users and the worker, are too many orders: with LATE it comes when they are done.
 *
 * With TRIM the worker halves bins in use, which else it only rechecks.  Without a depot it
 * begins with a full bin, and an object that a user with no request of its own may free.
 * With FAIL requests that find nothing at hand drain all bins before they ask the chunk.
 * What they get is not freed, which would be too many orders.
 *
 * Left out: weak memory order; that halving lets half of the areas go (here any number
 * goes); how much of the budget a bin takes at a time, and that the depot leaves a part
 * of it; the other bin that a size may have on a CPU; that the depot's bins change their
 * size, and whether it is worth a look (depot_used); batches (areas go back one by one,
 * which leaves the bins in more states); the reserved chunk; cache_max_bytes; what finds
 * the chunk of an area (chunks.pml); how large a refill is, and when there is none;
 * misses, conflicts, patience and hits, which here decide by chance, and all that is only
 * counted; requests about to fail that drain one CPU's bins, as they may not sleep;
 * memory pressure, under which the worker drains all; times: the worker may begin as
 * soon as it is called, and finds a bin idle by chance.  Calls in any context: what the
 * irq_work puts at hand (pcpu_cache_stock()), areas that such a request takes, and puts
 * back or marks as they do not suit it, and frees that are pending (pending.pml).  The
 * quarantine (percpu-kasan.c), through which areas come to the bins later, with a lock of
 * its own.
 *
 * BREAK_x are mistakes that must be found, see run.sh.
 */

#if defined(GIVE) || defined(TAKE)
#define DEPOT		(NR_BINS - 1)
#endif
#ifdef GIVE
#define NR_BINS		3
#define NR_AREAS	6
#define NR_OPS		0
#define TOTAL		5
#endif
#if defined(TRIM) && !defined(DEPOT)
#define NR_AREAS	3
#endif
#ifdef TAKE
#define NR_BINS		2
#define NR_AREAS	3
#define TOTAL		4
#endif
#ifndef NR_BINS
#define NR_BINS		1	/* one a CPU: that for which the sizes contend */
#endif
#ifndef NR_AREAS
#define NR_AREAS	2
#endif
#ifndef NR_USERS
#define NR_USERS	2
#endif
#ifndef NR_OPS
#define NR_OPS		1	/* requests and frees of each user */
#endif
#ifndef DEPTH
#define DEPTH		2	/* PCPU_CACHE_DEPTH */
#endif
#define SPILL		1	/* PCPU_SPILL_AREAS */
#define MORE		2	/* pcpu_bin_more_bytes() */
#ifndef TOTAL
#define TOTAL		3	/* not enough for two bins to get MORE */
#endif

#ifdef SIZES			/* the last area is larger */
#define SIZE(a)		((a) == NR_AREAS - 1 -> 2 : 1)
#define MAX_SIZE	2
#else
#define SIZE(a)		1
#define MAX_SIZE	1
#endif

#ifdef ALIGN			/* what is at hand may be not as aligned as a request wants */
#define MISALIGNED	true
#else
#define MISALIGNED	false
#endif

#define NOBODY		255	/* the area is in an entry or in the chunk */
#define THE_OWNER	254	/* it is live: its owner may free it */

/* struct pcpu_bin */
byte nr_slots[NR_BINS];
byte top[NR_BINS];
short bin_budget[NR_BINS];
byte entry[NR_BINS * DEPTH];	/* 0, or an area's number plus 1 */

/* struct pcpu_allocator */
short budget = TOTAL;
bool balance_drain;
bool queued;			/* balance_work */

/* the chunk: its map of busy slots, and what the byte with an area's length says */
bool taken[NR_AREAS];
bool live[NR_AREAS];		/* PCPU_AREA_LIVE */

/* not in the code, to check it */
byte holder[NR_AREAS] = NOBODY;
byte nr_objects;		/* handed out and not freed */
byte nr_refused;
byte nr_done;
bool working;

inline own(a)
{
	assert(taken[a] && !live[a] && holder[a] == NOBODY);
	holder[a] = _pid
}

inline disown(a, to)
{
	assert(taken[a] && !live[a] && holder[a] == _pid);
	holder[a] = to
}

/* In place of a sum over the bins. */
#if NR_BINS > 2
#define BIN_BUDGETS	(bin_budget[0] + bin_budget[1] + bin_budget[2])
#elif NR_BINS > 1
#define BIN_BUDGETS	(bin_budget[0] + bin_budget[1])
#else
#define BIN_BUDGETS	bin_budget[0]
#endif
#define check_budget()	assert(BIN_BUDGETS <= TOTAL)

/* ---- entries and stacks (percpu-internal.h) ---- */

inline entry_take(e, got)
{
	got = entry[e];
	if
	:: got == 0
	:: got != 0 ->
		d_step {
			if
#ifdef BREAK_TAKE	/* a plain store */
			:: entry[e] = 0; own(got - 1)
#else
			:: entry[e] == got -> entry[e] = 0; own(got - 1)
			:: else -> got = 0
#endif
			fi
		}
	fi
}

/* An area that finds the entry free is 0 then. */
inline entry_put(e, moved)
{
#ifdef BREAK_PLACE	/* a look, and a plain store */
	if
	:: entry[e] == 0 -> d_step { disown(moved - 1, NOBODY); entry[e] = moved; moved = 0 }
	:: else
	fi
#else
	d_step {
		if
		:: entry[e] == 0 -> disown(moved - 1, NOBODY); entry[e] = moved; moved = 0
		:: else
		fi
	}
#endif
}

inline bin_pop(c, got)
{
	t = top[c];
	if
	:: t == 0 || t > DEPTH -> got = 0
	:: else ->
		entry_take(c * DEPTH + t - 1, got);
		top[c] = t - 1
	fi;
	t = 0
}

inline bin_push(c, a, ok)
{
	t = top[c];
	if
	:: t >= DEPTH -> ok = false
	:: else ->
#ifdef BREAK_PUSH	/* a look, and a plain store */
		ok = entry[c * DEPTH + t] == 0;
		if
		:: ok -> d_step { disown(a, NOBODY); entry[c * DEPTH + t] = a + 1 }
		:: else
		fi;
#else
		d_step {
			ok = entry[c * DEPTH + t] == 0;
			if
			:: ok -> disown(a, NOBODY); entry[c * DEPTH + t] = a + 1
			:: else
			fi
		};
#endif
		top[c] = t + 1
	fi;
	t = 0
}

inline bin_affords(c, size, ok)
{
	ok = (top[c] + 1) * size <= bin_budget[c]
}

/* ---- the chunk, under its lock ---- */

inline chunk_release(a)
{
	d_step { disown(a, NOBODY); taken[a] = false }
}

/* An area for the caller (pcpu_chunk_alloc()), or got is 0. */
inline chunk_take(size, got)
{
	atomic {
		select(got : 1 .. NR_AREAS);
		if
		:: taken[got - 1] || SIZE(got - 1) != size -> got = 0
		:: else -> taken[got - 1] = true; own(got - 1)
		fi
	}
}

/* ---- the worker is called (percpu-balance.c, percpu.c) ---- */

inline balance_drain_later()
{
	d_step { was = balance_drain; balance_drain = true };
	if
	:: !was -> queued = true	/* pcpu_balance_kick() */
	:: else
	fi;
	was = false
}

inline note_kept()
{
#ifdef BREAK_NOTE	/* who puts an area into a bin tells nobody */
	skip
#else
	if
	:: !balance_drain -> balance_drain_later()
	:: else
	fi
#endif
}

inline balance_watch_cache()
{
	if
	:: budget != TOTAL -> note_kept()
	:: else
	fi
}

/* ---- bins (percpu-cache.c) ---- */

/*
 * Room for one more.  What is looked at first is one step: others may take it before
 * the next, so more steps would not make more outcomes.
 */
inline bin_has_room(c, size, ok)
{
	if
	:: top[c] < DEPTH && (top[c] + 1) * size <= bin_budget[c] -> ok = true
	:: top[c] < DEPTH && (top[c] + 1) * size > bin_budget[c] &&
	   budget - MORE >= bin_budget[c] ->	/* pcpu_bin_may_grow() */
#ifdef BREAK_BUDGET	/* it was enough a moment ago */
		budget = budget - MORE; ok = true;
#else
		d_step { budget = budget - MORE; ok = budget >= 0 };
#endif
		if
		:: ok -> d_step { bin_budget[c] = bin_budget[c] + MORE; check_budget() }
		:: else -> budget = budget + MORE
		fi
	:: else -> ok = false
	fi
}

inline bin_spill_range(c, from, to)
{
	i = from;
	do
	:: i < to ->
		entry_take(c * DEPTH + i, spilled);
		if
		:: spilled -> chunk_release(spilled - 1); spilled = 0
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

inline bin_spill(c, from)
{
	bin_spill_range(c, from, DEPTH)
}

inline bin_drain(c)
{
#ifdef BREAK_DRAIN	/* read and cleared by two operations */
	b = bin_budget[c];
	bin_budget[c] = 0;
#else
	d_step { b = bin_budget[c]; bin_budget[c] = 0 };
#endif
#ifdef BREAK_HINT	/* as if no entry above the hint could be in use */
	d_step { i = top[c]; top[c] = 0; budget = budget + b; b = 0 };
	do
	:: i > 0 && i <= DEPTH ->
		i--;
		entry_take(c * DEPTH + i, spilled);
		if
		:: spilled -> chunk_release(spilled - 1); spilled = 0
		:: else
		fi
	:: else -> break
	od;
	i = 0
#else
	d_step { top[c] = 0; budget = budget + b; b = 0 };
	bin_spill(c, 0)
#endif
}

/* Where the worker may have passed by, and nobody calls it again. */
inline bin_recheck(c)
{
#ifdef BREAK_KEEP
	skip
#else
	if
	:: bin_budget[c] == 0 -> bin_spill(c, 0)
	:: else
	fi
#endif
}

inline bin_keep(c, a, ok)
{
	bin_push(c, a, ok);
	if
	:: ok -> bin_recheck(c)
	:: else
	fi
}

#define bin_in_use(c)	(bin_budget[c] != 0 || top[c] != 0)

/* This CPU's bin: any, see above. */
inline this_bin(c)
{
	if
	:: c = 0
#if NR_BINS > 2 || (NR_BINS > 1 && !defined(DEPOT))
	:: c = 1
#endif
	fi
}

/* pcpu_bins_refuse() and pcpu_bin_get(): c is a bin for the size, or NR_BINS */
inline bin_search(c, size)
{
	this_bin(c);
	bin_of_size(c, size)
}

inline bin_of_size(c, size)
{
	if
	:: nr_slots[c] == size
	:: nr_slots[c] != size ->
		if
		:: bin_in_use(c) -> bin_drain(c)	/* its patience is at an end */
		:: bin_in_use(c) -> c = NR_BINS		/* or not */
		:: !bin_in_use(c)
		fi;
		if
		:: c < NR_BINS -> nr_slots[c] = size
		:: else
		fi
	fi
}

inline cache_drain()
{
	c = 0;
	do
	:: c < NR_BINS ->
		if
		:: nr_slots[c] -> bin_drain(c)
		:: else
		fi;
		c++
	:: else -> break
	od;
	c = 0
}

/* ---- the depot ---- */

#ifdef DEPOT
/* Give what is in [from, DEPTH) of bin c. */
inline depot_give(c, from)
{
	/* pcpu_depot_room() */
	end = top[DEPOT] + SPILL;
	if
	:: end > DEPTH -> end = 0
	:: end <= DEPTH && end <= bin_budget[DEPOT]
	:: end <= DEPTH && end > bin_budget[DEPOT] ->
		b = end - bin_budget[DEPOT];
		if
		:: b <= 0
		:: b > 0 ->
			d_step { budget = budget - b; ok = budget >= 0 };
			if
			:: ok -> d_step { bin_budget[DEPOT] = bin_budget[DEPOT] + b; check_budget() }
			:: else -> budget = budget + b; end = 0
			fi
		fi;
		b = 0; ok = false
	fi;
	at = (end -> end - SPILL : 0);
	i = from;
	do
	:: i < DEPTH ->
		entry_take(c * DEPTH + i, spilled);
		if
		:: spilled -> depot_put(spilled)
		:: else
		fi;
		if
		:: spilled -> chunk_release(spilled - 1); spilled = 0
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0;
	if
	:: end -> top[DEPOT] = at; at = 0; end = 0; bin_recheck(DEPOT)
	:: else
	fi
}

/* An area that finds a place is 0 then. */
inline depot_put(moved)
{
	do
	:: at < end && moved ->
		entry_put(DEPOT * DEPTH + at, moved);
		at++
	:: else -> break
	od
}

/* pcpu_depot_serve(), pcpu_depot_take() of two areas at most; they are of one size */
inline depot_serve(size, have)
{
	at = top[DEPOT];
	if
	:: at == 0
	:: else ->
		bin_search(c, size);
		at = top[DEPOT];
		do
		:: at > 0 && have == 0 -> at--; entry_take(DEPOT * DEPTH + at, have)
		:: else -> break
		od;
		if
		:: at > 0 && c < NR_BINS ->
			bin_has_room(c, size, ok);
			if
			:: ok ->
				at--;
				entry_take(DEPOT * DEPTH + at, next);
				if
				:: next ->
					bin_keep(c, next - 1, ok);
					if
#ifndef BREAK_BACK	/* an area that finds no place in the bin is forgotten */
					:: !ok -> chunk_release(next - 1)
#endif
					:: else
					fi
				:: else
				fi;
				next = 0
			:: else
			fi
		:: else
		fi;
		top[DEPOT] = at;
		at = 0; ok = false
	fi
}
#endif

/* ---- a task or an interrupt ---- */

/* pcpu_cache_get(), pcpu_cache_get_slow(): have is 0 if nothing suits */
inline cache_get(size, have)
{
	this_bin(c);
	if
	:: nr_slots[c] == size ->
		bin_pop(c, have);
		if
		:: !have && top[c] == 0
#ifdef BREAK_SIZE	/* what is in a bin is of its size */
		:: have
#endif
		:: have && SIZE(have - 1) == size
		:: (have -> MISALIGNED || SIZE(have - 1) != size : top[c] != 0) ->
			cache_get_slow(size, have)
		fi
	:: else
	fi
}

inline cache_get_slow(size, have)
{
	this_bin(c);
	ok = nr_slots[c] == size;
	if
	:: ok
	:: else -> c = NR_BINS
	fi;
	do
	:: have && SIZE(have - 1) == size && c < NR_BINS ->	/* pcpu_bin_refuse() */
		bin_keep(c, have - 1, ok);
		if
		:: ok
		:: else -> chunk_release(have - 1)
		fi;
		have = 0;
		break
	:: have && SIZE(have - 1) == size && c == NR_BINS ->
		chunk_release(have - 1);
		have = 0;
		break
	:: have && SIZE(have - 1) != size ->
		chunk_release(have - 1);
		have = 0
	:: have == 0 ->
		if
		:: c == NR_BINS -> break
		:: else ->
			if
			:: top[c] == 0 -> break
			:: else
			fi
		fi;
		bin_pop(c, have);
		if
		:: have && SIZE(have - 1) == size -> break
		:: MISALIGNED || !have || SIZE(have - 1) != size
		fi
	od
}

/* The first area is have, the second goes into the bin; there may be none. */
inline cache_refill(size, have)
{
	bin_search(c, size);
	if
	:: c == NR_BINS
	:: else -> chunk_take(size, have)
	fi;
	if
	:: c == NR_BINS || have == 0
	:: else -> chunk_take(size, next)
	fi;
	if
	:: next == 0
	:: else ->
		bin_has_room(c, size, ok);
		if
		:: ok -> bin_keep(c, next - 1, ok)
		:: else
		fi;
		if
		:: ok
		:: else -> chunk_release(next - 1)
		fi;
		next = 0
	fi
}

/* pcpu_want_serve(); before a request fails, what is at hand anywhere goes */
inline want_serve(size, have)
{
#ifdef DEPOT
	depot_serve(size, have);
#endif
	if
	:: have
#ifdef REFILL
	:: !have -> cache_refill(size, have)
#endif
	:: !have
	fi;
	if
	:: have
	:: else ->
#ifdef FAIL
		cache_drain();
#endif
		chunk_take(size, have)
	fi;
	balance_watch_cache()
}

inline alloc(size, have)
{
	have = 0;
	cache_get(size, have);
	if
	:: have
	:: else -> want_serve(size, have)
	fi;
	if
	:: have ->
		assert(SIZE(have - 1) == size);
		/* pcpu_object_finish() */
		d_step { disown(have - 1, THE_OWNER); live[have - 1] = true; nr_objects++ }
	:: else
	fi
}

inline cache_put(a, ok)
{
	ok = false;
	this_bin(c);
	if
	:: nr_slots[c] == SIZE(a) -> bin_affords(c, SIZE(a), ok)
	:: else
	fi;
	if
	:: ok -> bin_push(c, a, ok)
	:: else
	fi;
	if
	:: ok
	:: else -> cache_put_slow(a, ok)
	fi
}

inline cache_put_slow(a, ok)
{
	bin_search(c, SIZE(a));
	if
	:: c == NR_BINS -> ok = false
	:: else ->
		bin_has_room(c, SIZE(a), ok);
		if
		:: ok
		:: else ->	/* with may_spill */
			s = top[c];
			if
			:: s <= SPILL || s > DEPTH -> s = 0
			:: else ->
				s = s - SPILL;
				top[c] = s;
#ifdef DEPOT
				depot_give(c, s);
#else
				bin_spill(c, s);
#endif
				s = 0;
				ok = true
			fi
		fi;
		if
		:: ok -> bin_push(c, a, ok)
		:: else
		fi
	fi
}

inline free(a)
{
	/* pcpu_area_claim() */
#ifdef BREAK_CLAIM	/* a look, and a plain store */
	ok = live[a];
	if
	:: ok -> d_step { live[a] = false; holder[a] = _pid; nr_objects--; assert(nr_objects < NR_AREAS) }
	:: else
	fi;
#else
	d_step {
		ok = live[a];
		live[a] = false;
		if
		:: ok -> assert(holder[a] == THE_OWNER); holder[a] = _pid; nr_objects--
		:: else
		fi
	};
#endif
	if
	:: ok ->
		cache_put(a, ok);
		if
		:: ok -> note_kept()
		:: else ->
			chunk_release(a);
			balance_watch_cache()	/* pcpu_balance_after_free() */
		fi
	:: else -> nr_refused++		/* pcpu_refuse_free() */
	fi
}

proctype user(byte have, nr_left)
{
	byte next, spilled, size, c, t, i, s, at, end;
	short b;
	bool ok, was;

	do
	:: have -> free(have - 1); have = 0; ok = false; c = 0
	:: have == 0 && nr_left ->
		nr_left--;
		if
		:: size = 1
		:: MAX_SIZE > 1 -> size = 2
		fi;
		alloc(size, have);
#ifdef FAIL			/* fewer orders: its owner does not free it */
		have = 0;
#endif
		size = 0; ok = false; c = 0
#ifdef TWICE
	:: have == 0 && nr_left == 0 -> break
#else
	:: nr_left == 0 -> have = 0; break	/* what it has stays live */
#endif
	od;
	nr_done++
}

/* ---- the worker ---- */

/* Put what is in [from, DEPTH) side by side at the bottom; to is behind it then. */
inline bin_move_down(c, from, to)
{
	to = 0;
	i = from;
	do
	:: i < DEPTH ->
		entry_take(c * DEPTH + i, spilled);
		do
		:: spilled && to < DEPTH -> entry_put(c * DEPTH + to, spilled); to++
		:: else -> break
		od;
		if
#ifndef BREAK_MOVE	/* an area that finds no place at the bottom is forgotten */
		:: spilled -> chunk_release(spilled - 1); spilled = 0
#endif
		:: else -> spilled = 0
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

inline bin_return_budget(c)
{
#ifdef BREAK_RETURN	/* a look, and a plain store */
	b = bin_budget[c];
	if
	:: b > keep -> bin_budget[c] = keep; b = b - keep
	:: else -> b = 0
	fi;
#else
	d_step {
		if
		:: bin_budget[c] > keep -> b = bin_budget[c] - keep; bin_budget[c] = keep
		:: else -> b = 0
		fi
	};
#endif
	d_step { budget = budget + b; b = 0 }
}

/* How many go is by chance: what is counted while others put and take may be any number. */
inline bin_trim(c)
{
#ifdef TRIM
	size = nr_slots[c];
	atomic { select(n : 0 .. DEPTH) };
	bin_spill_range(c, 0, n);
	bin_move_down(c, n, to);
	top[c] = to;
	keep = (to -> to * size : size);
	bin_return_budget(c);
	n = 0; to = 0; size = 0; keep = 0;
#endif
#ifdef BREAK_TRIM	/* as if nobody could have drained it meanwhile */
	skip
#else
	bin_recheck(c)
#endif
}

/* pcpu_cache_age_one() for all; that a bin has not served is by chance */
inline cache_age()
{
	left = false;
	c = 0;
	do
	:: c < NR_BINS ->
		if
		:: bin_in_use(c) ->
			if
			:: bin_drain(c)
			:: bin_trim(c); left = true
			fi
#ifdef BREAK_HIDDEN
		:: else		/* as if nothing could be there without budget and hint */
#else
		:: else ->
			if
			:: nr_slots[c] -> bin_spill(c, 0)
			:: else
			fi
#endif
		fi;
		c++
	:: else -> break
	od;
	c = 0;
	check_pass()
}

/* If nobody has called it again, it leaves nothing in a bin without budget. */
inline check_pass()
{
	d_step {
		do
		:: nr_done == NR_USERS && !balance_drain && i < NR_BINS * DEPTH ->
			assert(entry[i] == 0 || bin_budget[i / DEPTH] != 0);
			i++
		:: else -> break
		od;
		i = 0
	}
}

#ifdef LATE			/* only when the users are done */
#define MAY_WORK	(nr_done == NR_USERS)
#else
#define MAY_WORK	true
#endif

proctype worker()
{
	byte c, i, n, to, size, keep, spilled;
	short b;
	bool left;

end:	do
	:: atomic { queued && MAY_WORK -> queued = false; working = true };
#ifdef BREAK_FLAG	/* drains, and then says that all is drained */
		if
		:: balance_drain -> cache_age(); balance_drain = left
		:: else
		fi;
#else
		d_step { left = balance_drain; balance_drain = false };
		if
		:: left ->
			cache_age();
			if
			:: left -> balance_drain = true
			:: else
			fi
		:: else
		fi;
#endif
		left = false;
		if
		:: balance_drain -> queued = true	/* pcpu_balance_workfn() */
		:: else
		fi;
		working = false
	od
}

/* ---- at rest ---- */

proctype rest()
{
	byte i;

	d_step {
		nr_done == NR_USERS && !queued && !working ->
		check_budget();
		assert(budget == TOTAL);
		i = 0;
		do
		:: i < NR_BINS * DEPTH -> assert(entry[i] == 0); i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < NR_AREAS ->
			assert(live[i] == taken[i]);
			assert(holder[i] == (live[i] -> THE_OWNER : NOBODY));
			nr_objects = nr_objects - live[i];
			i++
		:: else -> break
		od;
		assert(nr_objects == 0);
#ifdef TWICE
		assert(nr_refused == NR_USERS - 1)
#else
		assert(nr_refused == 0)
#endif
	}
}

/* An area is at hand, and the worker has been called for it: what one free leaves. */
init
{
	d_step {
		balance_drain = true; queued = true;
		budget = TOTAL - MORE;
#if defined(GIVE)
		nr_slots[0] = 1; top[0] = 2; entry[0] = 1; entry[1] = 2; bin_budget[0] = MORE;
		nr_slots[1] = 1; top[1] = 2; entry[2] = 3; entry[3] = 4; bin_budget[1] = MORE;
		taken[0] = true; taken[1] = true; taken[2] = true; taken[3] = true;
		budget = TOTAL - 2 * MORE;
		nr_slots[DEPOT] = 1;
		taken[4] = true; live[4] = true; holder[4] = THE_OWNER;
		taken[5] = true; live[5] = true; holder[5] = THE_OWNER;
		nr_objects = 2;
#elif defined(TAKE)
		nr_slots[DEPOT] = 1; top[DEPOT] = 2; bin_budget[DEPOT] = MORE;
		entry[DEPOT * DEPTH] = 1; entry[DEPOT * DEPTH + 1] = 2;
		taken[0] = true; taken[1] = true;
		nr_slots[0] = 1;
		taken[2] = true; live[2] = true; holder[2] = THE_OWNER; nr_objects = 1;
#elif defined(TRIM)
		nr_slots[0] = 1; top[0] = 2; entry[0] = 1; entry[1] = 2; bin_budget[0] = MORE;
		taken[0] = true; taken[1] = true;
		taken[2] = true; live[2] = true; holder[2] = THE_OWNER; nr_objects = 1;
#else
		nr_slots[0] = 1; top[0] = 1; entry[0] = 1; taken[0] = true; bin_budget[0] = MORE;
#endif
#ifdef TWICE		/* both users have a pointer to the last one */
		taken[NR_AREAS - 1] = true; live[NR_AREAS - 1] = true;
		holder[NR_AREAS - 1] = THE_OWNER; nr_objects = 1;
#endif
	};
	atomic {
#if defined(TWICE)
		run user(NR_AREAS, NR_OPS); run user(NR_AREAS, NR_OPS);
#elif defined(GIVE)
		run user(NR_AREAS, NR_OPS);
#if NR_USERS > 1
		run user(NR_AREAS - 1, NR_OPS);
#endif
#elif defined(TAKE)
		run user(0, NR_OPS);
#if NR_USERS > 1
		run user(NR_AREAS, NR_OPS);
#endif
#elif defined(TRIM)
		run user(0, NR_OPS);
#if NR_USERS > 1
		run user(NR_AREAS, 0);
#endif
#else
		run user(0, NR_OPS); run user(0, NR_OPS);
#endif
		run worker(); run rest()
	}
}
