package io.github.rerank.sidecar;

import java.util.Locale;
import java.util.concurrent.TimeUnit;

/**
 * Leaves a sidecar alone that has failed several times in a row. When the pause is over, one call is let through to try; the
 * others wait for how it ends.
 */
final class CircuitBreaker {
    enum State {
        CLOSED,
        OPEN,
        HALF_OPEN;

        String code() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    private State state = State.CLOSED;
    private int failuresInARow;
    private long openUntilNanos;

    /** Whether a call may be made now; whoever gets true reports how it ended, once. */
    synchronized boolean tryAcquire(long nowNanos) {
        if (state == State.CLOSED) {
            return true;
        }
        if (state == State.HALF_OPEN || nowNanos - openUntilNanos < 0) {
            return false;
        }
        state = State.HALF_OPEN;
        return true;
    }

    /** True when this closes an open circuit. */
    synchronized boolean succeeded() {
        failuresInARow = 0;
        boolean closes = state != State.CLOSED;
        state = State.CLOSED;
        return closes;
    }

    /** True when this opens the circuit. */
    synchronized boolean failed(long nowNanos, int limit, int openMs) {
        failuresInARow++;
        boolean opens = state == State.HALF_OPEN || (state == State.CLOSED && failuresInARow >= limit);
        if (opens) {
            state = State.OPEN;
            openUntilNanos = nowNanos + TimeUnit.MILLISECONDS.toNanos(openMs);
        }
        return opens;
    }

    /** The call ended without telling anything about the sidecar's health; a trial may be made again at once. */
    synchronized void undecided() {
        if (state == State.HALF_OPEN) {
            state = State.OPEN;
        }
    }

    synchronized State state() {
        return state;
    }

    synchronized int failuresInARow() {
        return failuresInARow;
    }
}
