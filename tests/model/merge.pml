/* How a reader that merges lanes by timestamp knows that an idle lane holds back nothing older:
 * invariant I12 of docs/protocol.md, with one writer, one reader and a clock. lane_model_test.py
 * searches every state.
 *
 * The writer's stores land late, in the order in which they were made: each is at least a release
 * behind the one before. The reader's barrier makes those land that were made before it, as
 * membarrier(2) does on the writer's processor. What the mutations M_* break stands where they are.
 */

#ifndef FRAMES
#define FRAMES 2
#endif
#ifndef TICKS
#define TICKS 3
#endif
#ifndef LOOKS
#define LOOKS 4
#endif

/* The stores that are on their way to memory. */
#define STAMPING_1 100
#define STAMPING_0 101
/* Less than these: the header word of that frame. */
chan on_their_way = [4] of { byte };

/* Memory, and the clock that everybody sees. */
bit stamping;
bit word[FRAMES + 1];
byte clock;

/* For the assertions alone. */
byte timestamp[FRAMES];
byte taken;     /* timestamps, so far */
byte seen;      /* frames read */
byte watermark; /* the reader's: nothing that it has not seen is older */

inline land(store) {
  if
  :: store == STAMPING_1 -> stamping = 1
  :: store == STAMPING_0 -> stamping = 0
  :: else -> word[store] = 1
  fi
}

active proctype Memory() {
  byte store;
end:
  do
  :: atomic { on_their_way ? store -> land(store) }
  od
}

active proctype Clock() {
  do
  :: clock < TICKS -> clock++
  :: clock == TICKS -> break
  od
}

inline look_at_the_clock() {
  atomic {
    timestamp[frame] = clock;
    taken = frame + 1;
    assert(timestamp[frame] >= watermark);
  }
}

active proctype Writer() {
  byte frame;
  do
  :: frame < FRAMES ->
#ifdef M_CLOCK_BEFORE_STAMPING
    look_at_the_clock();
    on_their_way ! STAMPING_1;
#else
    on_their_way ! STAMPING_1;
    look_at_the_clock();
#endif
#ifdef M_STAMPING_ENDS_BEFORE_WORD
    on_their_way ! STAMPING_0;
    on_their_way ! frame;
#else
    on_their_way ! frame;
    on_their_way ! STAMPING_0;
#endif
    frame++
  :: else -> break
  od
}

inline barrier() {
  atomic {
    do
    :: nempty(on_their_way) -> on_their_way ? store; land(store)
    :: empty(on_their_way) -> break
    od
  }
}

active proctype Reader() {
  byte now, store, looks, i;
  bit is_stamping, has_frame;
  do
  :: looks < LOOKS ->
#ifdef M_CLOCK_AFTER_BARRIER
    barrier();
    now = clock;
#else
    now = clock;
#ifndef M_MERGES_WITHOUT_BARRIER
    barrier();
#endif
#endif
#ifdef M_WORD_BEFORE_STAMPING
    has_frame = word[seen];
    is_stamping = stamping;
#else
    is_stamping = stamping;
    has_frame = word[seen];
#endif
#ifdef M_NO_LOOK_AT_STAMPING
    is_stamping = 0;
#endif
    atomic {
      if
      :: has_frame ->
        assert(timestamp[seen] >= watermark);
        seen++
      :: !has_frame && !is_stamping ->
        watermark = now;
        i = seen;
        do
        :: i < taken -> assert(timestamp[i] >= watermark); i++
        :: else -> break
        od
      :: else -> skip
      fi
    }
    looks++
  :: else -> break
  od
}
