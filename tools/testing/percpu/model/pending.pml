/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pending.pml - frees that must wait: mm/percpu-nolock.c, and the end of a chunk
 * (pcpu_chunk_retire_spare() in mm/percpu-chunk.c)
 *
 * Each step is one access to memory that others share, or a few where nobody can tell
 * the difference.  An inline models the C function of its name with "pcpu_" before it;
 * llist_add() is that of lib/llist.c.  What happens under pcpu_allocator.lock is one step.
 *
 * Users take areas and free them in a context where the lock must not be waited for:
 * they mark them.  A user is a task, an interrupt or an NMI: one that makes all its
 * steps between two of another's is one of the orders that are tried.  Nothing that
 * a user does waits.  Beside them the worker completes what is marked and destroys
 * chunks, and a request that would fail completes what is marked, once.
 *
 * A chunk is a block of metadata, which is used again, zeroed, as soon as no reader is
 * left that RCU has to wait for.
 *
 * Checked:
 *   - an area is in one place: the chunk, somebody's hands, or a mark (@holder).  So no
 *     free is completed twice, nor one that was not marked
 *   - a chunk's metadata is not looked at after it was freed, by whoever it is
 *   - a chunk that is destroyed has no area and no mark, and is on no list
 *   - a chunk that is put on the list is on none; what is taken off was put on, once
 *   - nr_pending never goes below zero
 *   - at rest, which is when users and the request are done and the worker is not called:
 *     nothing is marked, the list is empty, all chunks can be destroyed.  So no free was
 *     lost, nor left to a worker that nobody calls.
 *
 * Left out: weak memory order, but for BREAK_EARLY, which is what a store in place of
 * the exchange could come to; how a chunk is found (chunks.pml); rows, which a chunk must
 * have given back before (rows.pml); bins (bins.pml), and so what is marked as it did not
 * suit a request, whose worker is that which looks after bins; frees that need no mark;
 * what the irq_work puts at hand, and that it may run once for several marks, or call the
 * worker for a drain of bins: here one looks at the list after each mark, and calls the
 * worker for that alone; the flags that keep the worker from being called twice; boot,
 * when there is no worker; the quarantine, which a marked area never enters; hooks.
 *
 * BREAK_x are mistakes that must be found, see run.sh.
 */

#ifndef NR_CHUNKS
#define NR_CHUNKS	1	/* blocks of metadata */
#endif
#ifndef NR_AREAS
#define NR_AREAS	2	/* in each */
#endif
#ifndef NR_USERS
#define NR_USERS	2
#endif
#ifndef NR_OPS
#define NR_OPS		1	/* areas that a user takes and frees */
#endif
#ifndef NR_PASSES
#define NR_PASSES	1	/* of the worker, called for something else */
#endif
#define BATCH		1	/* PCPU_PENDING_BATCH */

#define MARKED		255	/* in place of a holder */

mtype = { IDLE, LISTED, DEAD };

/* struct pcpu_chunk */
mtype state[NR_CHUNKS] = IDLE;
byte next[NR_CHUNKS];		/* 0, or a chunk's number plus 1 */
bool pending[NR_CHUNKS * NR_AREAS];

/* struct pcpu_allocator */
byte head;			/* .pending */
byte nr_pending;
bool queued;			/* balance_work */

/* RCU: a bit for each that reads, and those of them that a chunk's memory waits for */
byte reading;
byte readers[NR_CHUNKS];
bool allocated[NR_CHUNKS];
bool published[NR_CHUNKS];	/* its areas can be handed out */

/* not in the code, to check it */
byte holder[NR_CHUNKS * NR_AREAS];	/* a process, MARKED, or 0: in the chunk */
bool on_list[NR_CHUNKS];		/* or on one that somebody has taken */
byte nr_done;
bool working;

/* What each user has at first; those who have the same to do need not have it in turn. */
#define FIRST_AREA(pid)	((pid) - 1)

#define AREA(c, a)	((c) * NR_AREAS + (a))

inline touch(c)		{ assert(allocated[c]) }

/* ---- RCU ---- */

inline read_lock()	{ reading = reading | (1 << _pid) }

inline chunk_gone(c)
{
	assert(!published[c] && !on_list[c]);
	i = 0;
	do
	:: i < NR_AREAS -> assert(!holder[AREA(c, i)] && !pending[AREA(c, i)]); i++
	:: else -> break
	od;
	i = 0;
	allocated[c] = false; state[c] = IDLE; next[c] = 0
}

/*
 * What waited for this one alone is freed, as early as can be.  @nr is what has been
 * completed: nobody is told of that sooner.
 */
inline read_unlock(nr)
{
	d_step {
		assert(nr_pending >= nr);
		nr_pending = nr_pending - nr;
		assert(reading & (1 << _pid));
		reading = reading - (1 << _pid);
		k = 0;
		do
		:: k < NR_CHUNKS ->
			if
			:: readers[k] & (1 << _pid) ->
				readers[k] = readers[k] - (1 << _pid);
				if
				:: readers[k] == 0 -> chunk_gone(k)
				:: else
				fi
			:: else
			fi;
			k++
		:: else -> break
		od;
		k = 0
	}
}

inline kvfree_rcu(c)
{
	d_step {
		touch(c);
#ifdef BREAK_GRACE	/* freed at once */
		chunk_gone(c)
#else
		readers[c] = reading;
		if
		:: reading == 0 -> chunk_gone(c)
		:: else
		fi
#endif
	}
}

/* pcpu_balance_kick(), if there is anything on the list */
inline kick_if_listed()
{
	d_step {
		if
		:: head != 0 -> queued = true
		:: else
		fi
	}
}

/* ---- who marks ---- */

inline llist_add(c)
{
	do
	:: d_step { touch(c); assert(!on_list[c]); first = head; next[c] = first };
#ifdef BREAK_ADD	/* a plain store */
		d_step { head = c + 1; on_list[c] = true; first = 0 };
		break
#else
		d_step {
			ok = head == first;
			if
			:: ok -> head = c + 1; on_list[c] = true
			:: else
			fi;
			first = 0
		};
		if
		:: ok -> break
		:: else
		fi
#endif
	od;
	ok = false
}

inline pending_list(c)
{
#ifdef BREAK_STATE	/* whatever its state */
	ok = true;
#else
#ifdef BREAK_LIST	/* a look, and a store */
	d_step { touch(c); ok = state[c] == IDLE };
	if
	:: ok -> touch(c); state[c] = LISTED
	:: else
	fi;
#else
	d_step {
		touch(c);
		ok = state[c] == IDLE;
		if
		:: ok -> state[c] = LISTED
		:: else
		fi
	};
#endif
#endif
	if
	:: ok -> llist_add(c)
	:: else
	fi
}

inline set_mark(x)
{
	d_step {
		touch(x / NR_AREAS);
		assert(holder[x] == _pid && !pending[x]);
		holder[x] = MARKED; pending[x] = true
	}
}

inline pending_mark(x)
{
#ifdef BREAK_COUNT	/* counted when it can be completed already */
	read_lock();
	set_mark(x);
	pending_list(x / NR_AREAS);
	nr_pending++;
	read_unlock(0)
#else
#ifdef BREAK_RCU	/* the mark alone has to keep the chunk */
	nr_pending++;
#else
	d_step { read_lock(); nr_pending++ };
#endif
#ifdef BREAK_MARK	/* listed first, and then marked */
	pending_list(x / NR_AREAS);
	set_mark(x);
#else
	set_mark(x);
	pending_list(x / NR_AREAS);
#endif
#ifndef BREAK_RCU
	read_unlock(0)
#endif
#endif
}


/* pcpu_chunk_alloc(): an area of any chunk, which may be new; under the lock */
inline chunk_alloc(x)
{
	atomic {
		select(x : 0 .. NR_CHUNKS * NR_AREAS - 1);
		if
		:: !allocated[x / NR_AREAS] ->	/* zeroed */
			allocated[x / NR_AREAS] = true; published[x / NR_AREAS] = true
		:: else
		fi;
		ok = published[x / NR_AREAS] && holder[x] == 0;
		if
		:: ok -> assert(!pending[x]); holder[x] = _pid
		:: else -> x = 0; n++
		fi
	}
}

proctype user()
{
	byte n, x, first, k, i;
	bool ok;

	x = FIRST_AREA(_pid);
	ok = true;
	do
	:: ok ->
		ok = false;
		pending_mark(x);
		kick_if_listed();	/* pcpu_near_work(), at once or some time later */
		x = 0; n++
	:: !ok && n < NR_OPS -> chunk_alloc(x)
	:: !ok && n == NR_OPS -> break
	od;
	n = 0;
	nr_done++
}

/* ---- who completes ---- */

/*
 * A look at a bit, and what comes of it: it is taken, or ok says that there is no room
 * for it.  Who looks, and finds it changed, might as well have looked later.
 */
inline take(x)
{
#ifdef BREAK_TAKE	/* a look, and a store */
	d_step { touch(c); ok = pending[x] };
	d_step {
		touch(c);
		if
		:: ok && nr < BATCH ->
#else
	d_step {
		touch(c);
		ok = pending[x];
		if
		:: ok && nr < BATCH ->
#endif
			assert(holder[x] == MARKED);
			pending[x] = false; holder[x] = _pid;
			got = x + 1; nr++;
			ok = false
		:: else
		fi
	}
}

inline pending_take_from()
{
#ifdef BREAK_EARLY	/* the state is changed when the map was looked at */
	read_lock();
#else
	d_step { read_lock(); touch(c); state[c] = IDLE };
#endif
	do
	:: s == NR_AREAS -> break
	:: else ->
		take(AREA(c, s));
		s++;
		if
		:: ok ->
			ok = false;
#ifndef BREAK_RELIST	/* what is left is forgotten */
			pending_list(c);
#endif
			break
		:: else
		fi
	od;
	s = 0;
#ifdef BREAK_EARLY
	d_step { touch(c); state[c] = IDLE };
#endif
	read_unlock(nr)
}

/* pcpu_cache_release(), under the lock; the areas are only as many as one here. */
inline chunk_release()
{
	d_step {
		touch(c);
		assert(published[c] && holder[got - 1] == _pid);
		holder[got - 1] = 0;
		got = 0
	}
}

inline off_list()
{
	d_step {
		touch(c);
		assert(on_list[c]);
		on_list[c] = false; left = next[c]
	}
}

inline pending_drain_list()
{
	do
	:: left == 0 -> break
	:: else ->
		c = left - 1;
		nr = 0;
#ifdef BREAK_NEXT	/* the next is looked for when this one is done */
		pending_take_from();
		off_list();
#else
		off_list();
		pending_take_from();
#endif
		if
		:: got -> chunk_release()
		:: else
		fi;
		drained = drained + nr;
		c = 0
	od
}

inline pending_drain()
{
	budget = nr_pending;
	do
	:: head == 0 -> break
	:: else ->
#ifdef BREAK_DEL	/* read and cleared by two operations */
		left = head;
		head = 0;
#else
		d_step { left = head; head = 0 };
#endif
		drained = 0;
		pending_drain_list();
		budget = budget - (drained > 1 -> drained : 1);
		nr = 0; drained = 0;
		if
		:: budget <= 0 -> break
		:: else
		fi
	od;
	budget = 0;
#ifdef BREAK_BOUND	/* as if who marked what is left had called the worker */
	skip
#else
	kick_if_listed()
#endif
}

proctype request()
{
	byte left, c, s, nr, got, drained, first, k, i;
	short budget;
	bool ok;

	pending_drain();
	nr_done++
}

/* An empty chunk, if the state lets it go; what users know of it they have from before. */
inline chunk_retire_spare()
{
	atomic {
		select(c : 0 .. NR_CHUNKS - 1);
		do
		:: s < NR_AREAS && holder[AREA(c, s)] == 0 -> s++
		:: else -> break
		od;
		ok = published[c] && s == NR_AREAS;
		s = 0;
#ifndef BREAK_KEEP	/* listed or not */
		ok = ok && state[c] == IDLE;
#endif
		if
		:: ok ->		/* pcpu_unpublish_chunk() */
			published[c] = false;
#if !defined(BREAK_DEAD) && !defined(BREAK_RETIRE)
			state[c] = DEAD
#endif
		:: else
		fi
	};
#ifdef BREAK_RETIRE	/* a look, and a store; with BREAK_DEAD a look and no more */
	if
	:: ok -> state[c] = DEAD
	:: else
	fi;
#endif
	if
	:: ok -> kvfree_rcu(c); ok = false
	:: else
	fi;
	c = 0
}

/* pcpu_balance_pass() */
proctype worker()
{
	byte n, left, c, s, nr, got, drained, first, k, i;
	short budget;
	bool ok;

end:	do
	:: atomic {
		if
		:: queued -> queued = false
		:: n < NR_PASSES -> n++
		fi;
		working = true
	   };
		pending_drain();
		if
		:: chunk_retire_spare()
		:: true
		fi;
		d_step {
			queued = queued || head != 0;
			working = false
		}
	od
}

/* ---- at rest ---- */

proctype rest()
{
	byte i;

	d_step {
		nr_done == NR_USERS + 1 && !queued && !working ->
		assert(head == 0 && nr_pending == 0 && reading == 0);
		do
		:: i < NR_CHUNKS * NR_AREAS -> assert(holder[i] == 0 && !pending[i]); i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < NR_CHUNKS ->
			assert(!on_list[i] && state[i] == IDLE && allocated[i] == published[i]);
			i++
		:: else -> break
		od;
		i = 0
	}
}

init
{
	atomic {
		byte i;

		for (i : 1 .. NR_USERS) {
			run user();
			holder[FIRST_AREA(i)] = i;
			allocated[FIRST_AREA(i) / NR_AREAS] = true;
			published[FIRST_AREA(i) / NR_AREAS] = true
		};
		i = 0;
#ifdef NO_REQUEST
		nr_done++;
#else
		run request();
#endif
		run worker(); run rest()
	}
}
