"""The DMA channel of the stream: two producer sockets that share one ring of buffers.

AUTO_MANY_TO_ONE with producers PIB socket 0 and 1 and one USB consumer (CyU3PDmaMultiChannel):
``count`` buffers a producer, so 2 * 4 = 8 here. Producer k owns every second buffer of the ring;
the consumer takes them strictly in turn.
"""

from __future__ import annotations

from operator import attrgetter


class Ring:
    """Buffers by counting: what each producer has filled, and what the consumer has emptied.

    A producer writes into its own current buffer until that holds ``buffer_words`` words; only
    then is it committed. A word pushed while the producer has no free buffer is lost. A producer
    may therefore be out of step with the state machine (a lost word, a stop in mid buffer without
    a reset); its buffers then end in mid visit, as those of the real sockets would.
    """

    __slots__ = (
        "armed",
        "buffer_words",
        "consumed",
        "consumed_before",
        "debris",
        "depth",
        "filled",
        "first_thread",
        "fresh",
        "latched",
        "live",
        "produced_before",
        "words",
        "wrong_producer_stalls",
    )

    def __init__(self, buffer_count: int, buffer_words: int, wrong_producer_stalls: bool) -> None:
        self.depth = buffer_count // 2
        """Buffers a producer has."""
        self.buffer_words = buffer_words
        self.wrong_producer_stalls = wrong_producer_stalls
        self.produced_before = 0
        """Buffers committed in the sessions before this one."""
        self.consumed_before = 0
        self.filled = [0, 0]
        """Buffers committed since the channel was armed, by place in the turn."""
        self.consumed = 0
        """Buffers emptied since the channel was armed; also the turn the consumer waits for."""
        self.words = [0, 0]
        """Words in each thread's current buffer."""
        self.armed = False
        self.live = False
        """Armed, not stopped by an error and not stalled by the wrong producer."""
        self.fresh = False
        """Armed, and no word taken yet."""
        self.first_thread = 0
        """The thread whose buffer the consumer takes first."""
        self.debris = 0
        """Threads, one bit each, that a forced stop left dirty: a full ring latches them."""
        self.latched = 0
        """Dirty threads that ran out of buffers: not ready until the next reset."""

    def copy(self) -> Ring:
        """A ring of its own in the same state."""
        twin: Ring = object.__new__(Ring)
        for put, value in zip(_PUT_FIELDS, _get_fields(self), strict=True):
            put(twin, value)
        twin.filled = self.filled.copy()
        twin.words = self.words.copy()
        return twin

    @property
    def fails_at_once(self) -> bool:
        """With one buffer a thread every commit fills it, which a dirty thread does not survive."""
        return self.debris != 0 and self.depth == 1

    @property
    def level(self) -> int:
        """Buffers committed and not yet emptied, a partly sent one included."""
        return self.filled[0] + self.filled[1] - self.consumed

    @property
    def produced(self) -> int:
        """Buffers committed since the ring was made."""
        return self.produced_before + self.filled[0] + self.filled[1]

    @property
    def consumed_ever(self) -> int:
        """Buffers emptied since the ring was made."""
        return self.consumed_before + self.consumed

    def ready(self, thread: int) -> bool:
        """DMA_RDY of a thread: its producer has a buffer to write into."""
        if not self.live or self.latched >> thread & 1:
            return False
        place = thread ^ self.first_thread
        return self.filled[place] - ((self.consumed + 1 - place) >> 1) < self.depth

    def push(self, thread: int) -> bool:
        """Take one word from a thread; False where it is lost."""
        if not self.ready(thread):
            return False
        if self.fresh:
            self.fresh = False
            if thread == 1 and self.wrong_producer_stalls:
                # The consumer waits for producer 0, which waits for its turn: nobody moves again.
                self.live = False
                return True
            self.first_thread = thread
        self.words[thread] += 1
        if self.words[thread] == self.buffer_words:
            self.words[thread] = 0
            self.filled[thread ^ self.first_thread] += 1
            if self.debris >> thread & 1 and not self.ready(thread):
                self.latched |= 1 << thread
        return True

    def place(self, thread: int) -> int:
        """Where the thread's next word goes, counted in words over the buffers in their turn."""
        place = thread ^ self.first_thread
        return (2 * self.filled[place] + place) * self.buffer_words + self.words[thread]

    def last_place(self, thread: int) -> int:
        """Where the word is that the thread has just pushed."""
        place = self.place(thread) - 1
        return place if self.words[thread] else place - self.buffer_words

    def waiting(self) -> int:
        """Buffers the consumer can take one after the other, in their turn."""
        turn = self.consumed & 1
        mine = self.filled[turn] - (self.consumed >> 1)
        others = self.filled[turn ^ 1] - ((self.consumed + 1) >> 1)
        return 2 * others + 1 if mine > others else 2 * mine

    def set_filled(self, buffers: int) -> None:
        """Say how many buffers have been committed since the channel was armed, in their turn."""
        self.filled = [(buffers + 1) >> 1, buffers >> 1]

    def in_step(self, thread: int) -> bool:
        """True where the thread about to be visited, or visited now, owns the next buffer."""
        filled_first, filled_second = self.filled
        turn = thread ^ self.first_thread
        return filled_first - filled_second == turn and self.words[thread ^ 1] == 0

    def at_idle(self) -> bool:
        """The state machine came to IDLE: with the lenient order, drop what thread 1 strayed in.

        Returns:
            True where words were dropped.
        """
        if self.first_thread == 0 or self.filled != [0, 0]:
            return False
        self.first_thread = 0
        self.fresh = True
        self.words = [0, 0]
        return True

    def arm(self) -> None:
        """SetXfer, endless, from buffer 0 of producer 0."""
        self.armed = self.live = self.fresh = True

    def reset(self) -> None:
        """Drop all buffers and stop the sockets."""
        self.produced_before = self.produced
        self.consumed_before = self.consumed_ever
        self.filled = [0, 0]
        self.words = [0, 0]
        self.consumed = self.first_thread = self.latched = 0
        self.armed = self.live = self.fresh = False

    def fail(self) -> None:
        """Hardware error: the sockets are disabled where they are."""
        self.live = self.fresh = False


_get_fields = attrgetter(*Ring.__slots__)
_PUT_FIELDS = tuple(getattr(Ring, name).__set__ for name in Ring.__slots__)
