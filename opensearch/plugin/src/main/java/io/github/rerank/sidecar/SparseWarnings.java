package io.github.rerank.sidecar;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import org.apache.logging.log4j.Logger;

/** Warnings of what may go wrong with every search: the first at once, then one a minute. */
final class SparseWarnings {
    static final long INTERVAL_NANOS = TimeUnit.MINUTES.toNanos(1);
    private final LongSupplier nanoTime;
    private final AtomicLong next;

    SparseWarnings(LongSupplier nanoTime) {
        this.nanoTime = nanoTime;
        this.next = new AtomicLong(nanoTime.getAsLong());
    }

    void warn(Logger logger, String message, Object detail) {
        long now = nanoTime.getAsLong();
        long due = next.get();
        if (now - due >= 0 && next.compareAndSet(due, now + INTERVAL_NANOS)) {
            logger.warn(message, detail);
        }
    }
}
