package io.github.rerank.sidecar;

import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Function;

/** This node's counters since it started. Every search that both processors saw ends up in applied, skipped or failed. */
final class RerankStats {
    final LongAdder searches = new LongAdder();
    final LongAdder applied = new LongAdder();
    final LongAdder late = new LongAdder();
    final LongAdder inFlight = new LongAdder();
    /** From the end of the first pass to the finished page, for searches that were applied or failed. */
    final Histogram latency = new Histogram();
    /** From sending a request to having its answer. */
    final Histogram sidecar = new Histogram();
    final Neighbours neighbours = new Neighbours();
    private final Map<Skip, LongAdder> skipped = adders(Skip.class);
    private final Map<Failure, LongAdder> failed = adders(Failure.class);

    /** Searches for documents near the query in meaning. */
    static final class Neighbours {
        final LongAdder asked = new LongAdder();
        final LongAdder failed = new LongAdder();
        /** Hits that joined a window that was re-ranked. */
        final LongAdder added = new LongAdder();
    }

    void skipped(Skip reason) {
        skipped.get(reason).increment();
    }

    void failed(Failure reason) {
        failed.get(reason).increment();
    }

    Map<String, Long> skippedByReason() {
        return counts(skipped, Skip::code);
    }

    Map<String, Long> failedByReason() {
        return counts(failed, Failure::code);
    }

    private static <E extends Enum<E>> Map<E, LongAdder> adders(Class<E> reasons) {
        Map<E, LongAdder> adders = new EnumMap<>(reasons);
        for (E reason : reasons.getEnumConstants()) {
            adders.put(reason, new LongAdder());
        }
        return adders;
    }

    private static <E extends Enum<E>> Map<String, Long> counts(Map<E, LongAdder> adders, Function<E, String> code) {
        Map<String, Long> counts = new LinkedHashMap<>();
        adders.forEach((reason, adder) -> counts.put(code.apply(reason), adder.sum()));
        return counts;
    }
}
