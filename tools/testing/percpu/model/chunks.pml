/* SPDX-License-Identifier: GPL-2.0 */
/*
 * chunks.pml - chunks that come and go, and lookups: mm/percpu-chunk.c, percpu-internal.h
 *
 * A chunk is a block of metadata, which is what RCU keeps, and a range of addresses.
 * Both are used again when they are free.  Chunks have one area each.  An inline models
 * the C function of its name with "pcpu_" before it; what is done under
 * pcpu_allocator.lock is one step.
 *
 * Users allocate and free.  One has kept the address of an area that it has freed, and
 * frees it again, at any time.  The worker destroys spare chunks.
 *
 * Checked:
 *   - a free finds the chunk of its area; one that finds none, or no live area, is refused
 *   - metadata is not looked at after it was freed
 *   - a chunk that is destroyed has no area and is not handed out of; no two that can be
 *     found are at one address, and no address is used again while it is
 *   - at rest: no area, no chunk but those on the list of spares
 *
 * Left out: rows (rows.pml); hashing; bins (bins.pml), the irq_work's stock of them and the
 * quarantine, which keep areas and so chunks; pending frees, for which a chunk must not
 * be destroyed (pending.pml); weak memory order; kvfree_rcu() as it is: a grace period
 * is over when all lookups have left that were there when it began, and here the worker
 * waits for that.
 *
 * BREAK_x are mistakes that must be found, see run.sh.
 */

#ifndef NR_OPS
#define NR_OPS		2
#endif
#define NR_BLOCKS	3	/* of metadata */
#define NR_ADDRS	2	/* ranges of addresses */
#define NONE		255

/* metadata */
bool allocated[NR_BLOCKS];
byte addr[NR_BLOCKS];		/* base_addr */
bool indexed[NR_BLOCKS];	/* in pcpu_allocator.index */
bool taken[NR_BLOCKS];		/* its area */
bool live[NR_BLOCKS];		/* PCPU_AREA_LIVE in the byte with its length */
bool spare[NR_BLOCKS];
byte nr_spare;

bool addr_used[NR_ADDRS];

bool reading[3];		/* users 1 and 2: between rcu_read_lock() and _unlock() */

/* not in the code */
bool objects[NR_ADDRS];		/* is the area there somebody's? */
bool stolen[NR_ADDRS];		/* the second free came when the address was in use again */
byte nr_done;

/* A lookup that begins later does not matter: here it is waited for as well, or not. */
#define wait_for(p)	!reading[p]

inline touch(k)		{ assert(allocated[k]) }

/* pcpu_request_get_chunk(): k is NONE if there is no memory or no address */
inline get_chunk(k)
{
	atomic {
		select(k : 0 .. NR_BLOCKS - 1);
		if
		:: allocated[k] -> k = NONE
		:: else ->
			if
			:: !addr_used[0] -> addr[k] = 0
			:: !addr_used[1] -> addr[k] = 1
			:: addr_used[0] && addr_used[1] -> k = NONE
			fi;
			if
			:: k != NONE ->
				allocated[k] = true; addr_used[addr[k]] = true;
				assert(!taken[k] && !live[k] && !spare[k])
			:: else
			fi
		fi
	}
}

/* Under the lock.  No other that can be found has its address. */
inline publish_chunk(k)
{
	assert(allocated[k] && !indexed[k]);
	assert(!indexed[0] || addr[0] != addr[k]);
	assert(!indexed[1] || addr[1] != addr[k]);
	assert(!indexed[2] || addr[2] != addr[k]);
	indexed[k] = true;
	spare[k] = true;
	nr_spare++
}

/* pcpu_try(): publishes new first, then takes an area of any chunk that has room */
inline try()
{
	atomic {
		if
		:: new != NONE -> publish_chunk(new); new = NONE
		:: else
		fi;
		if
		:: spare[0] -> got = 0
		:: spare[1] -> got = 1
		:: spare[2] -> got = 2
		:: !spare[0] && !spare[1] && !spare[2] -> got = NONE
		fi;
		if
		:: got != NONE ->
			assert(allocated[got] && indexed[got] && !taken[got]);
			spare[got] = false; nr_spare--;
			taken[got] = true
		:: else
		fi
	}
}

/* pcpu_later_chunk_of(), under RCU: entry by entry */
inline chunk_of(a, k)
{
	k = 0;
	do
	:: k < NR_BLOCKS ->
		found = indexed[k];	/* on its way it comes to this entry */
		if
		:: found -> d_step { touch(k); found = addr[k] == a }
		:: else
		fi;
		if
		:: found -> break
		:: else -> k++
		fi
	:: else -> k = NONE; break
	od;
	found = false
}

/* pcpu_chunk_claim(), pcpu_chunk_release(); good says that the caller owns the area */
inline free(a, good)
{
	reading[_pid] = true;
	chunk_of(a, k);
#ifdef BREAK_LATE	/* the lookup ends before the claim */
	reading[_pid] = false;
#endif
	if
	:: k != NONE ->
#ifdef BREAK_CLAIM	/* nobody asks whether the area is live */
		d_step { touch(k); claimed = true; live[k] = false; objects[a] = false };
#else
		d_step {
			touch(k);
			claimed = live[k];
			live[k] = false;
			if
			:: claimed -> assert(addr[k] == a); objects[a] = false; stolen[a] = stolen[a] || !good
			:: else
			fi
		};
#endif
	:: else
	fi;
	reading[_pid] = false;
	assert(!good || claimed || stolen[a]);
	if
	:: claimed ->
		/* The hooks read the chunk: the area keeps it. */
		touch(k);
		d_step {	/* under the lock */
			touch(k);
			assert(taken[k] && !live[k] && indexed[k]);
			taken[k] = false;
			spare[k] = true;
			nr_spare++
		}
	:: else
	fi;
	claimed = false;
	k = NONE
}

proctype user(bool twice)
{
	byte n, new, got, a, k;
	bool found, claimed;

	new = NONE; got = NONE; k = NONE;
	do
	:: n < NR_OPS ->
		n++;
		try();		/* pcpu_chunk_alloc(): once, then with a chunk if it takes one */
		if
		:: got == NONE ->
			get_chunk(new);
			if
			:: new != NONE -> try()
			:: else
			fi
		:: else
		fi;
		if
		:: got != NONE ->
			/* pcpu_object_finish() */
			d_step {
				touch(got);
				a = addr[got];
				assert(!objects[a]);
				objects[a] = true; live[got] = true;
				got = NONE
			};
			free(a, true);
			if
			:: twice -> free(a, false)
			:: else
			fi;
			a = 0
		:: else
		fi
	:: else -> break
	od;
	n = 0;
	nr_done++
}

proctype worker()
{
	byte n, k;
	bool gone;

	k = NONE;
	do
	:: n < NR_OPS ->
		n++;
		/* pcpu_chunk_retire_spare() */
#ifdef BREAK_LOCK	/* picked without the lock */
		if
		:: spare[0] -> k = 0
		:: spare[1] -> k = 1
		:: spare[2] -> k = 2
		:: true
		fi;
#endif
#ifdef BREAK_ORDER	/* the address goes before the index forgets it */
		atomic {
			if
			:: spare[0] -> k = 0
			:: spare[1] -> k = 1
			:: spare[2] -> k = 2
			:: else
			fi;
			if
			:: k != NONE -> spare[k] = false; nr_spare--
			:: else
			fi
		};
		if
		:: k != NONE -> addr_used[addr[k]] = false; indexed[k] = false
		:: else
		fi;
#else
		atomic {
#ifndef BREAK_LOCK
			if
			:: spare[0] -> k = 0
			:: spare[1] -> k = 1
			:: spare[2] -> k = 2
			:: else
			fi;
#endif
			if
			:: k != NONE ->		/* pcpu_unpublish_chunk() */
				spare[k] = false; nr_spare--;
				indexed[k] = false
			:: else
			fi
		};
		if
		:: k != NONE ->	/* pcpu_backend.destroy() */
			d_step { assert(!taken[k] && !live[k]); addr_used[addr[k]] = false }
		:: else
		fi;
#endif
		if
		:: k != NONE ->
#ifndef BREAK_GRACE	/* freed at once */
			wait_for(1);
			wait_for(2);
#endif
			d_step {	/* kvfree_rcu() */
				assert(allocated[k] && !taken[k] && !live[k] && !indexed[k]);
				allocated[k] = false;
				k = NONE
			}
		:: else
		fi
	:: else -> break
	od;
	n = 0;
	nr_done++
}

init
{
	atomic { run user(true); run user(false); run worker() };
	d_step {
		nr_done == 3 ->
		assert(!taken[0] && !taken[1] && !taken[2]);
		assert(!live[0] && !live[1] && !live[2]);
		assert(!objects[0] && !objects[1]);
		assert(allocated[0] == spare[0] && allocated[1] == spare[1]);
		assert(allocated[2] == spare[2]);
		assert(allocated[0] == indexed[0] && allocated[1] == indexed[1]);
		assert(allocated[2] == indexed[2]);
		assert(nr_spare == spare[0] + spare[1] + spare[2]);
	}
}
