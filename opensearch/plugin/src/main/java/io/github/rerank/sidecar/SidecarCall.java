package io.github.rerank.sidecar;

import java.io.IOException;
import java.net.ConnectException;
import java.net.UnknownHostException;
import java.net.http.HttpTimeoutException;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.LongFunction;
import java.util.function.LongSupplier;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/**
 * One search's question to the sidecars. It tries one after the other as long as they fail quickly, and ends exactly once: with
 * a right answer, with the last failure, or at the deadline, whatever the HTTP client does. An exchange that outlives the
 * deadline keeps its place among those in flight until it ends or is given up, so that a hanging sidecar is not asked for ever.
 */
final class SidecarCall {
    private static final Logger logger = LogManager.getLogger(SidecarCall.class);
    /** How long an exchange may go on after the page has left: long enough to see late answers, short enough to free the place. */
    static final int LATE_MS = 1_000;

    /** How a call ends; exactly one of the two methods is called, once. */
    interface Listener {
        void answered(HitsAnswer answer);

        void failed(Failure failure);
    }

    /** Runs a task after a while; the returned task takes it back. */
    interface Timer {
        Runnable after(long ms, Runnable task);
    }

    /** What a call needs of its node. */
    record Tools(Executor executor, Timer timer, LongSupplier nanoTime, RerankStats stats) {}

    /**
     * @param deadlineNanos when the call ends at the latest
     * @param counts whether missing the deadline speaks against the sidecar: not where the request allowed less than the pipeline
     */
    record Limits(long deadlineNanos, boolean counts, int maxInFlight, int failures, int openMs) {}

    private final Tools tools;
    private final Limits limits;
    private final Iterator<Endpoint> untried;
    private final LongFunction<byte[]> body;
    private final int hits;
    private final String requestId;
    private final Listener listener;

    private boolean ended;
    private Attempt current;
    private Runnable cancelDeadline = () -> {};

    SidecarCall(
        Tools tools,
        Limits limits,
        List<Endpoint> order,
        LongFunction<byte[]> body,
        int hits,
        String requestId,
        Listener listener
    ) {
        this.tools = tools;
        this.limits = limits;
        this.untried = order.iterator();
        this.body = body;
        this.hits = hits;
        this.requestId = requestId;
        this.listener = listener;
    }

    void start() {
        cancelDeadline = tools.timer().after(remainingMs(), this::expire);
        next(Failure.UNREACHABLE, false);
    }

    private void next(Failure last, boolean tried) {
        Failure reason = last;
        while (untried.hasNext()) {
            Endpoint endpoint = untried.next();
            Failure refusal = refusal(endpoint);
            if (refusal == null) {
                send(new Attempt(endpoint, false));
                return;
            }
            reason = tried ? last : refusal;
        }
        fail(reason);
    }

    private Failure refusal(Endpoint endpoint) {
        if (endpoint.enter(limits.maxInFlight()) == false) {
            return Failure.BUSY;
        }
        if (endpoint.breaker().tryAcquire(tools.nanoTime().getAsLong()) == false) {
            endpoint.leave();
            return Failure.CIRCUIT_OPEN;
        }
        return null;
    }

    private void send(Attempt attempt) {
        if (takeOver(attempt) == false) {
            attempt.abandonUnsent();
            return;
        }
        tools.stats().inFlight.increment();
        attempt.send();
    }

    private synchronized boolean takeOver(Attempt attempt) {
        if (ended) {
            return false;
        }
        current = attempt;
        return true;
    }

    private void expire() {
        Attempt pending;
        synchronized (this) {
            if (ended) {
                return;
            }
            ended = true;
            pending = current;
        }
        if (pending != null) {
            pending.judge(limits.counts() ? Failure.DEADLINE : Failure.REJECTED);
            tools.timer().after(LATE_MS, pending::giveUp);
        }
        listener.failed(Failure.DEADLINE);
    }

    private void fail(Failure failure) {
        if (end()) {
            listener.failed(failure);
        }
    }

    private boolean end() {
        synchronized (this) {
            if (ended) {
                return false;
            }
            ended = true;
        }
        cancelDeadline.run();
        return true;
    }

    private synchronized boolean hasEnded() {
        return ended;
    }

    private long remainingMs() {
        return Math.max(0, TimeUnit.NANOSECONDS.toMillis(limits.deadlineNanos() - tools.nanoTime().getAsLong()));
    }

    /** One exchange with one sidecar. */
    private final class Attempt {
        private final Endpoint endpoint;
        private final boolean second;
        private CompletableFuture<Reply> exchange;
        private boolean judged;

        Attempt(Endpoint endpoint, boolean second) {
            this.endpoint = endpoint;
            this.second = second;
        }

        void send() {
            long began = tools.nanoTime().getAsLong();
            synchronized (this) {
                exchange = posted();
            }
            // The client completes its future on a thread that belongs to nobody; nothing but the hand-over may run there.
            exchange.whenComplete((reply, error) -> tools.executor().execute(() -> completed(reply, error, began)));
        }

        private CompletableFuture<Reply> posted() {
            try {
                return endpoint.transport().post(endpoint.uri(), body.apply(remainingMs()), requestId);
            } catch (RuntimeException e) {
                return CompletableFuture.failedFuture(e);
            }
        }

        private void completed(Reply reply, Throwable error, long began) {
            endpoint.leave();
            tools.stats().inFlight.decrement();
            boolean late = hasEnded();
            if (reply != null) {
                tools.stats().sidecar.record(tools.nanoTime().getAsLong() - began);
            }
            if (late) {
                countLate(reply);
            } else if (isStaleConnection(error) && second == false) {
                retry();
            } else {
                judgeAnswer(reply, error);
            }
        }

        private void countLate(Reply reply) {
            if (reply != null) {
                tools.stats().late.increment();
            }
        }

        /** A kept connection that the sidecar has just closed says nothing about its health: asking once more opens a new one. */
        private void retry() {
            if (endpoint.enter(limits.maxInFlight())) {
                SidecarCall.this.send(new Attempt(endpoint, true));
            } else {
                judge(Failure.BUSY);
                next(Failure.BUSY, true);
            }
        }

        private void judgeAnswer(Reply reply, Throwable error) {
            try {
                HitsAnswer answer = answer(reply, error);
                judge(null);
                if (end()) {
                    listener.answered(answer);
                }
            } catch (SidecarException e) {
                logger.debug("sidecar {} failed: {} ({})", endpoint.uri(), e.failure().code(), e.getMessage());
                judge(e.failure());
                afterFailure(e.failure());
            }
        }

        private void afterFailure(Failure failure) {
            // Another sidecar would refuse the same request for the same reason.
            if (failure == Failure.REJECTED) {
                fail(failure);
            } else {
                next(failure, true);
            }
        }

        private HitsAnswer answer(Reply reply, Throwable error) throws SidecarException {
            if (reply != null) {
                return HitsAnswer.of(reply, hits);
            }
            Throwable cause = unwrapped(error);
            Failure failure = cause instanceof OversizedAnswerException ? Failure.GARBAGE : Failure.UNREACHABLE;
            throw new SidecarException(failure, String.valueOf(cause));
        }

        /** Tells the breaker how it went, once; null is success. */
        synchronized void judge(Failure failure) {
            if (judged) {
                return;
            }
            judged = true;
            if (failure == null) {
                if (endpoint.breaker().succeeded()) {
                    logger.info("sidecar {} answers again", endpoint.uri());
                }
            } else if (failure.blamesSidecar()) {
                if (endpoint.breaker().failed(tools.nanoTime().getAsLong(), limits.failures(), limits.openMs())) {
                    logger.warn("sidecar {} is left alone for {} ms: {}", endpoint.uri(), limits.openMs(), failure.code());
                }
            } else {
                endpoint.breaker().undecided();
            }
        }

        void abandonUnsent() {
            endpoint.leave();
            judge(Failure.REJECTED);
        }

        synchronized void giveUp() {
            if (exchange != null) {
                exchange.cancel(true);
            }
        }
    }

    private static boolean isStaleConnection(Throwable error) {
        Throwable cause = unwrapped(error);
        return cause instanceof IOException
            && cause instanceof ConnectException == false
            && cause instanceof UnknownHostException == false
            && cause instanceof HttpTimeoutException == false
            && cause instanceof OversizedAnswerException == false;
    }

    private static Throwable unwrapped(Throwable error) {
        return error instanceof CompletionException && error.getCause() != null ? error.getCause() : error;
    }
}
