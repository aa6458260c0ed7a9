package io.github.rerank.sidecar;

import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;

/** Counts durations by their upper bound in milliseconds; the last bucket has none. */
final class Histogram {
    static final int[] BOUNDS_MS = { 1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000 };
    private final LongAdder[] buckets = new LongAdder[BOUNDS_MS.length + 1];
    private final LongAdder sumNanos = new LongAdder();

    Histogram() {
        Arrays.setAll(buckets, i -> new LongAdder());
    }

    void record(long nanos) {
        sumNanos.add(nanos);
        buckets[bucket(nanos)].increment();
    }

    long[] counts() {
        return Arrays.stream(buckets).mapToLong(LongAdder::sum).toArray();
    }

    double sumMs() {
        return sumNanos.sum() / 1e6;
    }

    private static int bucket(long nanos) {
        for (int i = 0; i < BOUNDS_MS.length; i++) {
            if (nanos <= TimeUnit.MILLISECONDS.toNanos(BOUNDS_MS[i])) {
                return i;
            }
        }
        return BOUNDS_MS.length;
    }
}
