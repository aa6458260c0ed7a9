package io.github.rerank.sidecar;

import java.net.URI;
import java.util.concurrent.atomic.AtomicInteger;

/** One sidecar as this node sees it: its health and what is under way, shared by all pipelines that name it. */
final class Endpoint {
    private final URI uri;
    private final Transport transport;
    private final CircuitBreaker breaker = new CircuitBreaker();
    private final AtomicInteger inFlight = new AtomicInteger();

    Endpoint(URI uri, Transport transport) {
        this.uri = uri;
        this.transport = transport;
    }

    URI uri() {
        return uri;
    }

    Transport transport() {
        return transport;
    }

    CircuitBreaker breaker() {
        return breaker;
    }

    int inFlight() {
        return inFlight.get();
    }

    boolean enter(int maxInFlight) {
        if (inFlight.incrementAndGet() <= maxInFlight) {
            return true;
        }
        inFlight.decrementAndGet();
        return false;
    }

    void leave() {
        inFlight.decrementAndGet();
    }
}
