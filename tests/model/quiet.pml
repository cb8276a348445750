/* How a writer that does not look for sleepers is told of one (I11 of docs/protocol.md), for
 * exhaustive search by spin, as lane.pml, which has everything else.
 *
 * One writer commits FRAMES frames; before any of them it may go quiet. The watch, a thread of its
 * process, then waits on the doorbells of READERS readers, which park when there is nothing to read.
 * The lane is a number here: the frames that are committed.
 *
 * What must hold: where nobody can go on, every reader has read every frame (Done). There are no
 * timeouts.
 *
 * Memory. Stores of the writer's thread and of the watch go to a buffer each, and land in order at
 * any later moment; a full fence waits until the thread's own buffer is empty, a process barrier
 * until all are. A reader's `parked` may land late, too, until its own barrier. Loads are not
 * reordered: each that matters stands behind a fence, a barrier, or the watch's lock. A doorbell is
 * kept as whether it was rung since it was loaded.
 *
 * -DM_... breaks one thing each; the search must find out.
 */

#ifndef READERS
#define READERS 2
#endif
#ifndef FRAMES
#define FRAMES 2
#endif

/* Addresses. */
#define LANE 0  /* frames committed */
#define QUIET 1 /* writer_quiet, of the lane page */
#define LOOKS 2 /* not shared memory: of the writer's process */
#define ADDRESSES 3

/* Who stores. */
#define WRITER 0
#define WATCH 1
#define STORERS 2
#define PENDING 4

/* The word `parked` of a cursor page. */
#define AWAKE 0
#define FRESH 1
#define RUNG 2

byte memory[ADDRESSES];
byte pending_count[STORERS];
byte pending_address[STORERS * PENDING]; /* oldest first */
byte pending_value[STORERS * PENDING];

byte parked[READERS];
bool parks[READERS];      /* `parked` was stored, and has not landed */
bool lane_rung[READERS];  /* the lane's doorbell, since the reader loaded it */
bool asleep[READERS];
bool told;                /* a reader's doorbell or the watch's attention, since the watch loaded it */
bool watch_asleep;
bool watch_lock;
bool watched;             /* the lane is on the watch's list */
bool listening;           /* the watch has loaded the readers' doorbells */
byte seen[READERS];       /* frames that the reader has found */

#define fenced(who) (pending_count[who] == 0)
#define barrier (pending_count[WRITER] == 0 && pending_count[WATCH] == 0)

inline store(who, at, what) {
  d_step {
    pending_address[who * PENDING + pending_count[who]] = at;
    pending_value[who * PENDING + pending_count[who]] = what;
    pending_count[who]++
  }
}

/* A thread finds its own stores. */
inline load(who, at, into) {
  d_step {
    into = memory[at];
    n = 0;
    do
    :: n < pending_count[who] ->
       if
       :: pending_address[who * PENDING + n] == at -> into = pending_value[who * PENDING + n]
       :: else
       fi;
       n++
    :: else -> break
    od;
    n = 0
  }
}

inline land(who) {
  memory[pending_address[who * PENDING]] = pending_value[who * PENDING];
  n = 0;
  do
  :: n + 1 < pending_count[who] ->
     pending_address[who * PENDING + n] = pending_address[who * PENDING + n + 1];
     pending_value[who * PENDING + n] = pending_value[who * PENDING + n + 1];
     n++
  :: else -> break
  od;
  pending_address[who * PENDING + n] = 0;
  pending_value[who * PENDING + n] = 0;
  pending_count[who]--;
  n = 0
}

active proctype Memory() {
  byte n;
end:
  do
  :: d_step { pending_count[WRITER] > 0 -> land(WRITER) }
  :: d_step { pending_count[WATCH] > 0 -> land(WATCH) }
  :: d_step { parks[0] -> parked[0] = FRESH; parks[0] = false }
#if READERS > 1
  :: d_step { parks[1] -> parked[1] = FRESH; parks[1] = false }
#endif
  od
}

inline ring_lane() {
  d_step {
    lane_rung[0] = true;
    asleep[0] = false;
#if READERS > 1
    lane_rung[1] = true;
    asleep[1] = false
#endif
  }
}

inline look_for_sleepers(found) {
  found = parked[0] != AWAKE;
#if READERS > 1
  found = found || parked[1] != AWAKE
#endif
}

inline tell_watch() {
  d_step { told = true; watch_asleep = false }
}

/* ---- The writer's thread ------------------------------------------------------------------- */

inline go_quiet() {
  atomic { !watch_lock -> watch_lock = true }
  look_for_sleepers(ring);
  if
  :: ring -> ring = false
  :: else ->
     atomic {
       store(WRITER, LOOKS, false);
       store(WRITER, QUIET, true);
       watched = true
     }
#ifndef M_WATCH_NOT_TOLD
     tell_watch()
#endif
  fi;
  /* Unlocking is a release, and the next one to lock acquires. */
  atomic { fenced(WRITER) -> watch_lock = false }
}

proctype Writer() {
  byte frame, looks, n;
  bool ring;
  do
  :: frame < FRAMES ->
     load(WRITER, LOOKS, looks);
     if
     :: looks && !watched -> go_quiet()
     :: true
     fi;
     atomic { frame++; store(WRITER, LANE, frame) }
     load(WRITER, LOOKS, looks);
     if
     :: looks ->
        d_step { if :: parked[0] == FRESH -> parked[0] = RUNG; ring = true :: else fi }
#if READERS > 1
        d_step { if :: parked[1] == FRESH -> parked[1] = RUNG; ring = true :: else fi }
#endif
        if
        :: ring -> atomic { fenced(WRITER) -> ring = false; ring_lane() }
        :: else
        fi
     :: else
     fi
  :: frame == FRAMES -> break
  :: frame > 0 -> break /* It may do nothing more, for ever. */
  od
}

/* ---- The watch ----------------------------------------------------------------------------- */

inline resume() {
  store(WATCH, QUIET, false);
#ifdef M_RINGS_BEFORE_IT_LOOKS
  atomic { fenced(WATCH) -> ring_lane() }
#endif
  store(WATCH, LOOKS, true);
#if !defined(M_RINGS_BEFORE_IT_LOOKS) && !defined(M_RESUMES_SILENTLY)
  /* The increment is a full fence. */
  atomic { fenced(WATCH) -> ring_lane() }
#endif
  d_step { watched = false; listening = false }
}

proctype Watch() {
  bool sleeper;
  do
  :: atomic { !watch_lock -> watch_lock = true }
#ifdef M_WATCH_LOOKS_FIRST
     look_for_sleepers(sleeper);
     d_step { told = false; listening = watched }
#else
     d_step { told = false; listening = watched }
     look_for_sleepers(sleeper);
#endif
     if
     :: watched && sleeper -> resume()
     :: else
     fi;
     atomic { fenced(WATCH) -> sleeper = false; watch_lock = false; watch_asleep = !told }
end_asleep:
     !watch_asleep
  od
}

/* ---- A reader ------------------------------------------------------------------------------ */

proctype Reader(byte reader) {
  bool quiet, found;
  do
  :: memory[LANE] > seen[reader] -> seen[reader]++
  :: else ->
     d_step { lane_rung[reader] = false; parks[reader] = true }
#ifdef M_QUIET_BEFORE_BARRIER
     quiet = memory[QUIET];
#endif
     !parks[reader] && barrier;
     found = memory[LANE] > seen[reader];
#ifndef M_QUIET_BEFORE_BARRIER
     quiet = memory[QUIET];
#endif
#ifndef M_NOBODY_RINGS_THE_WATCH
     if
     :: quiet && !found && listening -> tell_watch()
     :: else
     fi;
#endif
     d_step { asleep[reader] = !found && !lane_rung[reader]; quiet = false; found = false }
end_asleep:
     !asleep[reader];
     parked[reader] = AWAKE
  od
}

active proctype Done() {
end:
  timeout ->
  assert(seen[0] == memory[LANE]);
#if READERS > 1
  assert(seen[1] == memory[LANE])
#endif
}

init {
  atomic {
    memory[LOOKS] = true;
    run Writer();
    run Watch();
    run Reader(0);
#if READERS > 1
    run Reader(1)
#endif
  }
}
