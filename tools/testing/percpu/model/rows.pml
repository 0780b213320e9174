/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rows.pml - rows that come and go: mm/percpu-chunk.c
 *
 * One chunk; a row of it has two slots and needs one page (of one CPU).  An inline
 * models the C function of its name with "pcpu_" before it.  pcpu_allocator.lock is
 * a lock here, so that what waits for it is seen to wait; what is done under it is one
 * step.  A search may find any place that there is, or miss them all.
 *
 * Users take an area, touch it and free it.  Areas of three slots cross a border between
 * rows.  One user cannot sleep.  An allocation of pages may fail, and in a user that
 * may sleep it may never return: it reclaims, which can wait for anything.
 *
 * Checked:
 *   - pages are in one place: free, in somebody's hands, in a row, or unmapped; none
 *     is mapped over another, none is lost
 *   - areas lie in rows that are PRESENT or that the taker has COMING, and no slot in
 *     two of them; what an owner touches is mapped
 *   - a row that is COMING or GOING is moved on by the task that moves it, and no other
 *   - no page is freed while a CPU may still know its address
 *   - all but those that never return from the page allocator come to their end
 *     (spin looks for ends that are not valid)
 *
 * Left out: lists and hints, which choose among places; fatal signals; rows_fixed; the
 * reserve (the worker gives back and adds as many rows as it likes, but not for ever);
 * other chunks (chunks.pml); the first chunk; bins (bins.pml), refills and batches, which
 * take runs of present slots; calls in any context, which take present slots if the lock
 * is free, and areas whose free is pending (pending.pml); the quarantine; weak memory order.
 *
 * BREAK_x are mistakes that must be found, see run.sh.
 */

#ifndef NR_ROWS
#define NR_ROWS		2
#endif
#ifndef NR_PAGES
#define NR_PAGES	2
#endif
#ifndef NR_PASSES
#define NR_PASSES	1	/* of the worker */
#endif
#define NR_TASKS	3	/* two users, one of which cannot sleep, and one more */
#define NR_SLOTS	(2 * NR_ROWS)
#define LARGE		3	/* slots */
#define MAX_PAUSES	1	/* PCPU_MAX_PAUSES */
#define PREPARE_CAP	1	/* PCPU_PREPARE_CAP */
#define MAX_TRIES	2	/* PCPU_NONBLOCK_TRIES; the others give up later */
#define NOBODY		255

mtype = { ABSENT, COMING, PRESENT, GOING };

bool lock;
mtype state[NR_ROWS] = ABSENT;
bool busy[NR_SLOTS] = true;	/* the area map: used, or closed */
bool publish_seq;		/* its last bit */
byte nr_preparing;

/* where pages are; a request's own are in its task */
byte nr_free = NR_PAGES;
bool mapped[NR_ROWS];

/* not in the code */
byte owner[NR_SLOTS] = NOBODY;	/* whose area the slot is in */
byte mover[NR_ROWS] = NOBODY;	/* who moves the row */
bool in_tlb[NR_ROWS];		/* a CPU may know the address of its page */
byte nr_in_hand;		/* pages that are neither free nor mapped */
byte nr_done;			/* tasks at their end */

#define ROW(slot)	((slot) / 2)

#if NR_ROWS == 2
#define NR_MAPPED	(mapped[0] + mapped[1])
#else
#define NR_MAPPED	(mapped[0] + mapped[1] + mapped[2])
#endif

/* At the end of each task. */
inline check_pages()
{
	d_step {
		nr_done++;
		assert(nr_free + NR_MAPPED + nr_in_hand == NR_PAGES);
		assert(nr_done < NR_TASKS || nr_in_hand == 0)
	}
}

inline take_lock()	{ atomic { !lock -> lock = true } }
inline drop_lock()	{ lock = false }

/* pcpu_row_update() */
inline row_update(r, from, to)
{
	assert(lock && state[r] == from);
	assert(mover[r] == (from == COMING || from == GOING -> _pid : NOBODY));
	state[r] = to;
	mover[r] = (to == COMING || to == GOING -> _pid : NOBODY)
}

/* Could [slot, slot + nr) be an area?  If so, need is what it lacks, in rows. */
inline look_at(slot, nr)
{
	need = 0; i = slot;
	do
	:: i < slot + nr ->
		if
		:: i >= NR_SLOTS -> slot = NR_SLOTS; break
		:: else
		fi;
		if
		:: state[ROW(i)] == ABSENT -> need = need + (i == slot || i % 2 == 0)
#ifdef BREAK_PLACE	/* a row that is coming anyway would do as well */
		:: state[ROW(i)] == COMING && owner[i] == NOBODY
#endif
		:: state[ROW(i)] != ABSENT && !busy[i]
		:: else -> slot = NR_SLOTS; break
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

/* pcpu_area_commit(), and before it what pcpu_claim_place() does */
inline claim_place(slot, nr)
{
	i = slot;
	do
	:: i < slot + nr ->
		if
		:: state[ROW(i)] == ABSENT -> row_update(ROW(i), ABSENT, COMING)
		:: else
		fi;
		assert(owner[i] == NOBODY);
		assert(state[ROW(i)] == PRESENT || mover[ROW(i)] == _pid);
		owner[i] = _pid; busy[i] = true;
		i++
	:: else -> break
	od;
	i = 0
}

/* pcpu_publish_row() */
inline publish_row(r)
{
	row_update(r, COMING, PRESENT);
	busy[2 * r] = owner[2 * r] != NOBODY;
	busy[2 * r + 1] = owner[2 * r + 1] != NOBODY
}

inline map_row(r)
{
	d_step {
		assert(hand > 0 && !mapped[r] && mover[r] == _pid);
		mapped[r] = true; hand--; nr_in_hand--
	}
}

inline request_drop()
{
	d_step {
#ifndef BREAK_DROP	/* what is not needed is forgotten */
		nr_free = nr_free + hand; nr_in_hand = nr_in_hand - hand;
#endif
		hand = 0
	}
}

/* pcpu_map_and_publish() */
inline map_and_publish(slot, nr)
{
#ifdef BREAK_PUBLISH	/* before it is mapped */
	take_lock();
	d_step {
		i = ROW(slot);
		do
		:: i <= ROW(slot + nr - 1) ->
			if
			:: state[i] == COMING -> publish_row(i)
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0
	};
	drop_lock();
#endif
	i = ROW(slot);
	do
	:: i <= ROW(slot + nr - 1) ->		/* pcpu_map_coming() */
		if
		:: state[i] == COMING -> map_row(i)
		:: else
		fi;
		i++
	:: else -> break
	od;
	take_lock();
	d_step {
		i = ROW(slot);
		do
		:: i <= ROW(slot + nr - 1) ->
			if
			:: state[i] == COMING -> publish_row(i)
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		publish_seq = !publish_seq
	};
	drop_lock()
}

/* pcpu_pause(); it takes a jiffy at most */
inline pause()
{
	if
	:: nr_pauses < MAX_PAUSES && nr_preparing >= PREPARE_CAP ->
		nr_pauses++;
		paused = true;
		if
		:: publish_seq != seq || nr_preparing < PREPARE_CAP
#ifndef BREAK_WAIT	/* without an end to it */
		:: true
#endif
		fi
	:: else -> paused = false
	fi
}

/* ---- a user ---- */

proctype user(bool may_block)
{
	byte slot, nr, need, hand, i, nr_pauses, nr_tries;
	bool seq, paused;

#ifdef THREE_USERS	/* less to choose from, or there are too many states */
	nr = (may_block -> LARGE : 1);
#else
	if
	:: nr = 1
	:: nr = LARGE
	fi;
#endif

	/* pcpu_chunk_alloc() */
	do
	:: nr_tries <= MAX_TRIES ->
		take_lock();
		atomic {	/* pcpu_try() */
#ifdef BREAK_AGAIN	/* the place that was found before is still good */
			if
			:: hand == 0 -> select(slot : 0 .. NR_SLOTS); look_at(slot, nr)
			:: else
			fi;
#else
			select(slot : 0 .. NR_SLOTS); look_at(slot, nr);
#endif
			if
			:: slot < NR_SLOTS && need <= hand -> claim_place(slot, nr)
			:: else
			fi;
			seq = publish_seq
		};
#ifdef BREAK_LOCK	/* held while pages are allocated */
		if
		:: slot < NR_SLOTS && need > hand
		:: else -> drop_lock()
		fi;
#else
		drop_lock();
#endif
		if
		:: slot == NR_SLOTS -> break		/* no place, or one was missed */
		:: slot < NR_SLOTS && owner[slot] == _pid -> map_and_publish(slot, nr); break
		:: else
		fi;
		nr_tries++;
		/* pcpu_prepare() */
		if
		:: may_block -> pause()
		:: else -> paused = false
		fi;
		if
		:: paused
		:: else ->
			nr_preparing++;
			do	/* pcpu_request_get_rows() */
			:: hand < need ->
				if
				:: d_step { nr_free > 0 -> nr_free--; hand++; nr_in_hand++ }
				:: slot = NR_SLOTS; break
				:: may_block ->
end_reclaim:				false
				fi
			:: else -> break
			od;
			nr_preparing--
		fi;
#ifdef BREAK_LOCK
		drop_lock();
#endif
		need = 0;
		if
		:: slot == NR_SLOTS -> break		/* no pages */
		:: else
		fi
	:: else -> slot = NR_SLOTS; break
	od;
	request_drop();
	if
	:: slot == NR_SLOTS -> goto out
	:: else
	fi;

	/* its owner touches it all, and frees it */
	i = slot;
	do
	:: i < slot + nr ->
		d_step {
			assert(owner[i] == _pid && mapped[ROW(i)] && state[ROW(i)] == PRESENT);
			in_tlb[ROW(i)] = true;
			i++
		}
	:: else -> break
	od;
	take_lock();
	d_step {	/* pcpu_chunk_release() */
		i = slot;
		do
		:: i < slot + nr ->
			assert(owner[i] == _pid && busy[i] && state[ROW(i)] == PRESENT);
			owner[i] = NOBODY; busy[i] = false;
			i++
		:: else -> break
		od;
		i = 0
	};
	drop_lock();
out:
	i = 0; slot = 0; nr = 0; need = 0; nr_tries = 0; nr_pauses = 0; seq = false; paused = false;
	check_pages()
}

/* ---- the worker ---- */

/* Under the lock: empty rows, as many as it likes. */
inline pick_going()
{
	r = 0;
	do
	:: r < NR_ROWS && state[r] == PRESENT && owner[2 * r] == NOBODY &&
	   owner[2 * r + 1] == NOBODY ->
		row_update(r, PRESENT, GOING);
#ifndef BREAK_CLOSE	/* its slots can still be found */
		busy[2 * r] = true; busy[2 * r + 1] = true;
#endif
		r++
	:: r < NR_ROWS -> r++
	:: else -> break
	od;
	r = 0
}

#define MINE(r)		(state[r] == GOING && mover[r] == _pid)

/* pcpu_chunk_give_back() */
inline give_back()
{
	take_lock();
	atomic { pick_going() };
	drop_lock();
	r = 0;
	do	/* pcpu_unmap_going() */
	:: r < NR_ROWS ->
		if
		:: MINE(r) ->
			d_step { assert(mapped[r]); mapped[r] = false; hand++; nr_in_hand++ }
		:: else
		fi;
		r++
	:: else -> break
	od;
	r = 0;
#ifdef BREAK_FLUSH	/* pages first */
	check_flushed();
	request_drop();
#endif
	d_step {
		r = 0;
		do
		:: r < NR_ROWS ->
			in_tlb[r] = in_tlb[r] && !MINE(r);
			r++
		:: else -> break
		od;
		r = 0
	};
	check_flushed();
	request_drop();
	take_lock();
	d_step {
		r = 0;
		do
		:: r < NR_ROWS ->
			if
			:: MINE(r) -> row_update(r, GOING, ABSENT)
			:: else
			fi;
			r++
		:: else -> break
		od;
		r = 0
	};
	drop_lock()
}

inline check_flushed()
{
	d_step {
		r = 0;
		do
		:: r < NR_ROWS -> assert(!MINE(r) || !in_tlb[r]); r++
		:: else -> break
		od;
		r = 0
	}
}

/* pcpu_balance_add_row(), pcpu_chunk_add_row() */
inline add_row()
{
	if
	:: d_step { nr_free > 0 -> nr_free--; hand++; nr_in_hand++ };
		take_lock();
		atomic {
			r = 0;
			do
			:: r < NR_ROWS && state[r] != ABSENT -> r++
			:: else -> break
			od;
			if
			:: r < NR_ROWS -> row_update(r, ABSENT, COMING)
			:: else
			fi
		};
		drop_lock();
		if
		:: r < NR_ROWS ->
			map_row(r);
			take_lock();
			d_step { publish_row(r); publish_seq = !publish_seq };
			drop_lock()
		:: else
		fi;
		request_drop();
		r = 0
	:: true
	fi
}

proctype worker()
{
	byte r, hand, n;

	do
	:: n < NR_PASSES ->
		n++;
		if
		:: give_back()
		:: add_row()
		fi
	:: else -> break
	od;
	n = 0;
	check_pages()
}

init
{
	atomic {
#ifndef THREE_USERS	/* The first row is there, and empty. */
		state[0] = PRESENT; mapped[0] = true; in_tlb[0] = true; nr_free--;
		busy[0] = false; busy[1] = false;
#endif
		run user(true);
		run user(false);
#ifdef THREE_USERS
		run user(true)
#else
		run worker()
#endif
	}
}
