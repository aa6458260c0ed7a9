package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class CircuitBreakerTest {
    private static final int LIMIT = 3;
    private static final int OPEN_MS = 10;
    private static final long PAUSE = 10_000_000;
    private final CircuitBreaker breaker = new CircuitBreaker();

    private void fail(long now, int times) {
        for (int i = 0; i < times; i++) {
            assertTrue(breaker.tryAcquire(now));
            breaker.failed(now, LIMIT, OPEN_MS);
        }
    }

    @Test
    void itOpensAfterSoManyFailuresInARow() {
        fail(0, LIMIT);
        assertEquals(CircuitBreaker.State.OPEN, breaker.state());
        assertFalse(breaker.tryAcquire(PAUSE - 1));
    }

    @Test
    void aSuccessInBetweenStartsTheCountAnew() {
        fail(0, LIMIT - 1);
        breaker.succeeded();
        fail(0, LIMIT - 1);
        assertEquals(CircuitBreaker.State.CLOSED, breaker.state());
    }

    @Test
    void afterThePauseOneCallTries() {
        fail(0, LIMIT);
        assertTrue(breaker.tryAcquire(PAUSE));
        assertFalse(breaker.tryAcquire(PAUSE));
        assertTrue(breaker.succeeded());
        assertTrue(breaker.tryAcquire(PAUSE));
    }

    @Test
    void aFailedTrialOpensItAgainAtOnce() {
        fail(0, LIMIT);
        fail(PAUSE, 1);
        assertFalse(breaker.tryAcquire(2 * PAUSE - 1));
        assertTrue(breaker.tryAcquire(2 * PAUSE));
    }

    @Test
    void aTrialThatTellsNothingMayBeRepeatedAtOnce() {
        fail(0, LIMIT);
        assertTrue(breaker.tryAcquire(PAUSE));
        breaker.undecided();
        assertTrue(breaker.tryAcquire(PAUSE));
    }

    @Test
    void failuresOfOlderCallsDoNotProlongThePause() {
        fail(0, LIMIT);
        breaker.failed(PAUSE / 2, LIMIT, OPEN_MS);
        assertTrue(breaker.tryAcquire(PAUSE));
    }

    @Test
    void itWorksAcrossTheOverflowOfTheClock() {
        long almost = Long.MAX_VALUE - 5;
        fail(almost, LIMIT);
        assertFalse(breaker.tryAcquire(almost + PAUSE - 1));
        assertTrue(breaker.tryAcquire(almost + PAUSE));
    }
}
