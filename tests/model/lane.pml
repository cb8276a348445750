/* The lane protocol of docs/protocol.md, for exhaustive search by spin (lane_model_test.py runs it;
 * the page says what is covered and what is not).
 *
 * One writer, READERS readers, three segments. The writer commits numbered frames, rolls, recycles
 * the segments that every cursor has left, waits for cursors when none is free, and closes; with
 * DRAINS it waits before that until everything is read; with ABANDONS it leaves segments empty.
 * Readers read, follow END, publish their cursors, and park when there is nothing. With JOINS the
 * last reader joins while all this goes on; with ALONE the first one has left before.
 * With SPINS readers look again instead of parking.
 *
 * What must hold, in every reachable state:
 *   - a reader finds the frames in order, whole, each once, to the last (assertions in Reader);
 *   - a segment that is freed is not being read by anybody (I9, assertion in free_left_segments);
 *   - no wake is lost: where nobody can go on, nobody sleeps but readers that have read everything
 *     (Quiet). With STOPS the writer may go silent after any commit. The model knows no timeouts,
 *     so the 100 ms bound on real sleeps is not leant on.
 *
 * Memory. A store of the writer first goes to `pending`; it lands in `memory` at any later moment,
 * in an order that C++ allows: a release store together with everything before it, relaxed ones in
 * any order. (Landing relaxed stores before the release that follows them is left out: it could
 * only help, since whoever looks at such a word too early finds LEFT_OVER.) A fence of the writer
 * waits until nothing is pending; a process barrier of a reader waits for that as well. A reader's
 * store of its position may land late, too; it stores `parked` only beside a barrier or after a
 * sleep, and that lands at once. Loads are not reordered: those that matter are acquires. Local
 * steps are glued to the shared access before them, which takes no behaviour away.
 *
 * Doorbells and numbers of sleeps grow for 2^32 steps before a value comes again; the model keeps
 * what can be learnt from them: whether a doorbell was rung since it was loaded (`rung`), and
 * whether the writer has rung for this sleep before (FRESH, RUNG).
 *
 * -DM_... breaks one thing each; the search must find out.
 */

#ifndef READERS
#define READERS 2
#endif
#ifndef FRAMES
#define FRAMES 4
#endif
#ifndef FRAMES_PER_SEGMENT
#define FRAMES_PER_SEGMENT 1
#endif
#define SEGMENTS 3
#define SLOTS (FRAMES_PER_SEGMENT + 1) /* header words of a segment: the last is for END */

/* Header words. */
#define NOTHING 0
#define DATA 1
#define END 2
#define CLOSE 3
/* What an earlier use may have left where nothing was stored since; as a header word, DATA. */
#define LEFT_OVER 99

/* Addresses. */
#define CELLS (SLOTS + FRAMES_PER_SEGMENT + 2)
#define WORD(s, i) ((s) * CELLS + (i))
#define PAYLOAD(s, i) ((s) * CELLS + SLOTS + (i))
#define GENERATION(s) ((s) * CELLS + SLOTS + FRAMES_PER_SEGMENT) /* and base position */
#define NEXT(s) (GENERATION(s) + 1)
#define OLDEST (SEGMENTS * CELLS)
#define WRITER_PARKED (OLDEST + 1)
#define POSITION(r) (WRITER_PARKED + 1 + (r))
#define ADDRESSES POSITION(READERS)

/* Positions: 0 holds everything, and each segment's end lies behind all positions in it. */
#define SEGMENT_LENGTH (1 + SLOTS)
#define POSITION_IN(generation, slot) (((generation) - 1) * SEGMENT_LENGTH + 1 + (slot))
#define END_POSITION(generation) ((generation) * SEGMENT_LENGTH)
#define PAST_ALL 255

/* The word `parked` of a cursor page. */
#define AWAKE 0
#define FRESH 1
#define RUNG 2

#define PENDING 7   /* stores of a roll and a commit */
#define NOWHERE SEGMENTS
#define MIN(a, b) ((a) < (b) -> (a) : (b))

byte memory[ADDRESSES];

byte pending_count;            /* of the writer, oldest first */
byte pending_address[PENDING];
byte pending_value[PENDING];
bool pending_release[PENDING];
byte pending_position[READERS]; /* 0: nothing pending */

byte parked[READERS];
bool rung[READERS] = true;      /* the lane's doorbell, since the reader loaded it */
bool reader_sleeps[READERS];
bool writer_rung = true;        /* any doorbell that the writer waits on, likewise */
bool writer_sleeps;

/* Not shared memory: of the writer's process. */
byte roster;                    /* the number of readers that the writer obeys */
byte roster_version;            /* in the lane page, stored by the event thread alone */

/* Known to the model alone. */
byte reading[READERS];          /* the segment that the reader looks at */
byte first_frame[SEGMENTS];     /* of the segment's present use */
byte expected[READERS];         /* number of the frame that the reader must find next */
byte committed;                 /* frames so far */
bool stopped;                   /* the writer commits nothing more, and does not close */
byte promised;                  /* the joining reader must see every frame after this one */

/* ---- Stores and fences --------------------------------------------------------------------- */

inline store(at, what, is_release) {
  d_step {
    pending_count < PENDING ->
    pending_address[pending_count] = at;
    pending_value[pending_count] = what;
    pending_release[pending_count] = is_release;
    pending_count++
  }
}
#define store_relaxed(at, what) store(at, what, false)
#define store_release(at, what) store(at, what, true)
#define nothing_pending (pending_count == 0)

/* Entries `first` to `last` of pending land; the others move up. */
inline land(first, last) {
  d_step {
    i = first;
    do
    :: i <= last -> memory[pending_address[i]] = pending_value[i]; i++
    :: else -> break
    od;
    n = last + 1 - first;
    pending_count = pending_count - n;
    i = first;
    do
    :: i < pending_count ->
       pending_address[i] = pending_address[i + n];
       pending_value[i] = pending_value[i + n];
       pending_release[i] = pending_release[i + n];
       i++
    :: else -> break
    od;
    do
    :: i < pending_count + n ->
       pending_address[i] = 0; pending_value[i] = 0; pending_release[i] = false;
       i++
    :: else -> break
    od;
    i = 0; j = 0; n = 0
  }
}

#define DIFFER(a, b) (pending_address[a] != pending_address[b])

active proctype Memory() {
  byte i, j, n;
end:
  do
  :: d_step { pending_position[0] != 0 ->
       memory[POSITION(0)] = pending_position[0]; pending_position[0] = 0 }
#if READERS > 1
  :: d_step { pending_position[1] != 0 ->
       memory[POSITION(1)] = pending_position[1]; pending_position[1] = 0 }
#endif
  :: atomic { pending_count > 0 ->
       do
       :: j < pending_count && !pending_release[j] -> j++
       :: else -> break
       od;
       if
       :: j < pending_count -> land(0, j)
       :: else -> /* all relaxed */
          if
          :: land(0, 0)
          :: pending_count > 1 && DIFFER(0, 1) -> land(1, 1)
          :: pending_count > 2 && DIFFER(0, 2) && DIFFER(1, 2) -> land(2, 2)
          fi
       fi
     }
  od
}

/* ---- The writer ---------------------------------------------------------------------------- */

inline leave_over(s) {
  memory[WORD(s, 0)] = DATA;
  memory[WORD(s, 1)] = DATA;
  memory[PAYLOAD(s, 0)] = LEFT_OVER;
#if FRAMES_PER_SEGMENT > 1
  memory[WORD(s, 2)] = DATA;
  memory[PAYLOAD(s, 1)] = LEFT_OVER;
#endif
  memory[GENERATION(s)] = LEFT_OVER;
  memory[NEXT(s)] = LEFT_OVER;
}

inline load_lowest(into) {
  into = memory[POSITION(0)];
#if READERS > 1
  if
  :: roster > 1 -> into = MIN(into, memory[POSITION(1)])
  :: else
  fi
#endif
}

inline look_at_sleep(r) {
  d_step {
    if
    :: parked[r] == FRESH -> parked[r] = RUNG; ring = true
    :: else
    fi
  }
}

inline ring_for_sleepers() {
  look_at_sleep(0);
#if READERS > 1
  if
  :: roster > 1 -> look_at_sleep(1)
  :: else
  fi;
#endif
  if
  :: ring ->
#ifdef M_WAKE_BEFORE_RING
     wake_readers();
#endif
     /* The increment is a full fence. */
     atomic { nothing_pending -> ring = false; ring_doorbell() }
#ifndef M_WAKE_BEFORE_RING
     wake_readers()
#endif
  :: else
  fi
}

inline ring_doorbell() {
  rung[0] = true;
#if READERS > 1
  rung[1] = true
#endif
}

inline wake_readers() {
  d_step {
    reader_sleeps[0] = false;
#if READERS > 1
    reader_sleeps[1] = false
#endif
  }
}

/* I7. Sleeps unless the lowest cursor is another one than lowest_seen. */
inline wait_for_cursors() {
#ifndef M_NO_RING_BEFORE_PARKING
  ring_for_sleepers();
#endif
  atomic { writer_rung = attention_raised; store_relaxed(WRITER_PARKED, 1) }
#ifndef M_WRITER_PARKS_UNFENCED
  nothing_pending;
#endif
  atomic {
    load_lowest(lowest);
    attention_raised = false;
    if
    :: lowest == lowest_seen -> lowest = 0; lowest_seen = 0
    :: else -> lowest = 0; lowest_seen = 0; writer_rung = true
    fi
  }
  d_step { writer_sleeps = !writer_rung; writer_rung = true }
  !writer_sleeps;
  store_relaxed(WRITER_PARKED, 0)
}

/* Of the retained segments, but for the current one, those that end at or before `lowest`. */
inline count_left() {
  left = 0;
  do
  :: left + 1 < retained_count &&
     END_POSITION(generation - (retained_count - 1 - left)) <= lowest -> left++
  :: else -> break
  od;
  lowest = 0
}

inline free_left_segments() {
  d_step {
#ifdef M_RECYCLE_BLINDLY
    lowest = PAST_ALL;
#else
    load_lowest(lowest);
#endif
#ifdef JOINS
    roster_seen = roster;
#endif
    count_left()
  }
#ifdef JOINS
  if
  :: left > 0 ->
     /* I5. */
     store_release(OLDEST, retained[left]);
#ifndef M_FREES_UNFENCED
     nothing_pending;
#endif
#ifndef M_NO_SECOND_LOOK_AT_ROSTER
     atomic {
       if
       :: roster != roster_seen ->
          still = left;
          load_lowest(lowest);
          count_left();
          if
          :: left < still -> store_release(OLDEST, retained[left])
          :: else -> left = still
          fi;
          still = 0
       :: else
       fi
     }
#endif
  :: else
  fi;
  roster_seen = 0;
#endif
  d_step {
    do
    :: left > 0 ->
       assert(reading[0] != retained[0]); /* I9 */
#if READERS > 1
       assert(reading[1] != retained[0]);
#endif
       leave_over(retained[0]);
       available[available_count] = retained[0];
       available_count++;
       retained[0] = retained[1];
       retained[1] = retained[2];
       retained[2] = 0;
       retained_count--;
       left--
    :: else -> break
    od
  }
}

bool attention_raised; /* since the writer began to wait; of its process */

proctype Writer() {
  byte segment = 0;
  byte slot = 0;
  byte generation = 1;
  byte retained[SEGMENTS]; /* in the lane's order; the last is the current one */
  byte retained_count = 1;
  byte available[SEGMENTS]; /* the last was used last */
  byte available_count = 2;
  byte frame = 1;
  byte lowest, lowest_seen, left, still, roster_seen, next;
  byte abandoned;
  bool ring;

  d_step { available[0] = 2; available[1] = 1 }
  do
  :: frame <= FRAMES ->
     if
     :: slot == FRAMES_PER_SEGMENT ->
roll:
        do
        :: atomic { load_lowest(lowest_seen); attention_raised = false }
           free_left_segments();
           if
           :: available_count > 0 -> lowest_seen = 0; break
           :: else -> wait_for_cursors()
           fi
        od;
        atomic {
          d_step {
            available_count--;
            next = available[available_count];
            available[available_count] = 0;
            retained[retained_count] = next;
            retained_count++;
            generation++;
            first_frame[next] = frame
          }
          store_relaxed(GENERATION(next), generation);
#ifndef M_FIRST_WORD_NOT_ZEROED
          store_relaxed(WORD(next, 0), NOTHING);
#endif
#ifndef M_END_BEFORE_NEXT
          store_relaxed(NEXT(segment), next);
#endif
#ifdef M_END_RELAXED
          store_relaxed(WORD(segment, slot), END);
#else
          store_release(WORD(segment, slot), END); /* I3 */
#endif
#ifdef M_END_BEFORE_NEXT
          store_relaxed(NEXT(segment), next);
#endif
          segment = next; slot = 0; next = 0
        }
#ifdef ABANDONS
        /* The claim is given back, and another one made that does not fit here: twice at most. */
        if
        :: abandoned < 2 -> abandoned++; goto roll
        :: true
        fi
#endif
     :: else
     fi;
     /* Commit. */
#ifdef M_LOOK_BEFORE_COMMIT
     ring_for_sleepers();
#endif
     atomic {
#ifdef M_HEADER_BEFORE_PAYLOAD
       store_release(WORD(segment, slot), DATA);
#endif
       store_relaxed(PAYLOAD(segment, slot), frame);
#ifndef M_NEXT_WORD_NOT_ZEROED
       store_relaxed(WORD(segment, slot + 1), NOTHING); /* I1 */
#endif
#ifdef M_HEADER_RELAXED
       store_relaxed(WORD(segment, slot), DATA);
#endif
#if !defined(M_HEADER_BEFORE_PAYLOAD) && !defined(M_HEADER_RELAXED)
       store_release(WORD(segment, slot), DATA); /* I2 */
#endif
       slot++; frame++;
       committed++
     }
#ifndef M_LOOK_BEFORE_COMMIT
     ring_for_sleepers(); /* I4 */
#endif
#ifdef STOPS
     /* It may do nothing more, for ever. */
     if
     :: stopped = true; goto stop
     :: true
     fi
#endif
  :: else -> break
  od;
#ifdef DRAINS
  do
  :: atomic {
       load_lowest(lowest_seen);
       attention_raised = false;
       if
       :: lowest_seen >= POSITION_IN(generation, slot) -> lowest_seen = 0; break
       :: else
       fi
     }
     wait_for_cursors()
  od;
#endif
  store_release(WORD(segment, slot), CLOSE);
  ring_for_sleepers();
stop:
  skip
}

/* ---- The event thread of the writer's process: a reader has come ---------------------------- */

#ifdef JOINS
proctype EventThread() {
  /* Stores and fence are one step each: what is stored before a fence has landed behind it. */
#ifdef M_VERSION_BEFORE_ROSTER
  d_step { roster_version = 1; promised = committed }
  roster = 2;
#else
  roster = 2;
  d_step { roster_version = 1; promised = committed }
#endif
  d_step { attention_raised = true; writer_rung = true; writer_sleeps = false }
}
#endif

/* ---- A reader ------------------------------------------------------------------------------ */

inline publish(position) {
  pending_position[reader] == 0; /* Stores of one word keep their order. */
  pending_position[reader] = position;
  unpublished = false
}

/* I7. */
inline ring_waiting_writer() {
  untold = false;
#ifndef M_READER_RINGS_UNFENCED
  pending_position[reader] == 0;
#endif
  if
  :: memory[WRITER_PARKED] != 0 ->
     atomic { pending_position[reader] == 0 -> writer_rung = true }
     writer_sleeps = false
  :: else
  fi
}

inline nothing_yet() {
  if
  :: untold && memory[WRITER_PARKED] != 0 -> ring_waiting_writer()
  :: else
  fi
}

proctype Reader(byte reader) {
  byte slot = 0;
  byte generation = 1;
  bool unpublished = true;
  bool untold = true; /* A waiting writer has not been rung for at this position. */
  byte word;

#ifdef JOINS
  if
  :: reader == 1 ->
     roster_version == 1; /* Waiting for it is left out. */
     /* I5. */
     atomic {
       reading[reader] = memory[OLDEST];
       expected[reader] = first_frame[reading[reader]];
       assert(expected[reader] <= promised + 1);
       generation = memory[GENERATION(reading[reader])];
       assert(generation != LEFT_OVER)
     }
  :: else
  fi;
#endif

look:
  atomic {
    word = memory[WORD(reading[reader], slot)];
    if
    :: word == DATA ->
       assert(slot < FRAMES_PER_SEGMENT && memory[PAYLOAD(reading[reader], slot)] == expected[reader]);
       word = 0;
       expected[reader]++; slot++;
       unpublished = true; untold = true;
       goto look
    :: word == END ->
       word = 0;
#ifdef M_POSITION_BEFORE_LEAVING
       publish(POSITION_IN(generation + 1, 0));
       pending_position[reader] == 0;
#endif
       reading[reader] = memory[NEXT(reading[reader])];
       generation++; slot = 0;
       assert(reading[reader] < SEGMENTS && memory[GENERATION(reading[reader])] == generation);
       publish(POSITION_IN(generation, 0))
    :: word == CLOSE -> goto closed
    :: else -> goto nothing
    fi
  }
  ring_waiting_writer();
  goto look;

nothing:
  if
  :: unpublished -> atomic { publish(POSITION_IN(generation, slot)) }
  :: else
  fi;
  nothing_yet();
#ifdef SPINS
  word = 0;
  goto look;
#endif
  /* Park. */
  atomic {
    pending_position[reader] == 0;
#ifndef M_DOORBELL_AFTER_LOOK
    rung[reader] = false;
#endif
#ifndef M_PARKED_AFTER_LOOK
    parked[reader] = FRESH
#endif
  }
#ifndef M_NO_BARRIER
  nothing_pending; /* I4: the process barrier. */
#endif
  word = memory[WORD(reading[reader], slot)];
#ifdef M_PARKED_AFTER_LOOK
  parked[reader] = FRESH;
#endif
#ifdef M_DOORBELL_AFTER_LOOK
  rung[reader] = false;
#endif
#ifndef M_NO_SECOND_LOOK_AT_WRITER
  nothing_yet();
#endif
  if
  :: word == NOTHING ->
     d_step { reader_sleeps[reader] = !rung[reader]; rung[reader] = true }
end_asleep:
     !reader_sleeps[reader]
  :: else -> d_step { rung[reader] = true; word = 0 }
  fi;
  parked[reader] = AWAKE;
  goto look;

closed:
  assert(expected[reader] == FRAMES + 1);
  reading[reader] = NOWHERE;
  publish(PAST_ALL);
  ring_waiting_writer()
}

/* ---- Once nobody can go on, everything is read ---------------------------------------------- */

#define SERVED(r) (expected[r] == committed + 1 && (stopped || reading[r] == NOWHERE))

active proctype Quiet() {
end:
  timeout ->
  assert(!writer_sleeps);
#ifndef ALONE
  assert(SERVED(0));
#endif
#if READERS > 1
  assert(SERVED(1))
#endif
}

init {
  atomic {
    leave_over(0);
    leave_over(1);
    leave_over(2);
    memory[GENERATION(0)] = 1;
    memory[WORD(0, 0)] = NOTHING;
    first_frame[0] = 1;
    run Writer();
#ifdef ALONE
    reading[0] = NOWHERE;
    memory[POSITION(0)] = PAST_ALL;
#else
    expected[0] = 1;
    run Reader(0);
#endif
#ifdef JOINS
    roster = 1;
    reading[1] = NOWHERE;
    run EventThread();
#else
    roster = READERS;
#endif
#if READERS > 1
    expected[1] = 1;
    run Reader(1)
#endif
  }
}
