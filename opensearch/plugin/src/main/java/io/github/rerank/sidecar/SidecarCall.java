package io.github.rerank.sidecar;

import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.UnknownHostException;
import java.net.http.HttpTimeoutException;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongFunction;
import java.util.function.LongSupplier;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/**
 * One search's question to the sidecars, for an answer of type {@code A}. It tries one after the other as long as they fail quickly, and ends exactly once: with
 * a right answer, with the last failure, or at the deadline, whatever the HTTP client does. The deadline waits for nothing: not
 * for the question to be written, nor for a client that is slow to send it. An exchange that outlives the deadline keeps its
 * place among those in flight until it ends or is given up, so that a hanging sidecar is not asked for ever.
 */
final class SidecarCall<A> {
    private static final Logger logger = LogManager.getLogger(SidecarCall.class);
    /** How long an exchange may go on after the page has left: long enough to see late answers, short enough to free the place. */
    static final int LATE_MS = 1_000;

    /** How a call ends; exactly one of the two methods is called, once. */
    interface Listener<A> {
        void answered(A answer);

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
     * @param blame which failures speak against the sidecar, for all searches of this node
     */
    record Limits(long deadlineNanos, Blame blame, int maxInFlight, int failures, int openMs) {}

    /** Makes an answer of what came over HTTP. */
    interface Reading<A> {
        A of(Reply reply) throws SidecarException;
    }

    /** What the end of this call says of the sidecar. */
    enum Blame {
        /** All of them count. */
        ALL,
        /** Not being slow: the request allowed less time, or asked for more, than its pipeline. */
        NOT_SLOWNESS,
        /** No failure counts: the pipeline came with the search, and whoever may search must not open the circuit for all. */
        NONE,
        /** Nothing at all counts, not even an answer: another call of the same search will say how the sidecar is. */
        UNHEARD
    }

    /**
     * @param path where the question goes, relative to the endpoint's address
     * @param body writes the question for a call that may still take so many milliseconds
     * @param reading what a right answer is
     */
    record Question<A>(String path, LongFunction<byte[]> body, Reading<A> reading, String requestId) {}

    private final Tools tools;
    private final Limits limits;
    private final Listener<A> listener;
    private Question<A> question;
    private Iterator<Endpoint> untried;

    private boolean ended;
    private Attempt current;
    private Runnable cancelDeadline = () -> {};

    SidecarCall(Tools tools, Limits limits, Listener<A> listener) {
        this.tools = tools;
        this.limits = limits;
        this.listener = listener;
    }

    /** From here on it ends at the deadline, asked or not. */
    void start() {
        cancelDeadline = tools.timer().after(remainingMs(), this::expire);
    }

    void ask(Question<A> question, List<Endpoint> order) {
        this.question = question;
        this.untried = order.iterator();
        next(Failure.UNREACHABLE, false);
    }

    /** Ends it without telling the listener; false where the listener has heard already. */
    boolean abandon() {
        return end();
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
        // On a busy node the timer may be late: nothing is sent that nobody will wait for.
        if (ended || isPast(tools.nanoTime().getAsLong())) {
            return false;
        }
        current = attempt;
        return true;
    }

    private void expire() {
        if (end() == false) {
            return;
        }
        Attempt pending = pending();
        if (pending != null) {
            pending.expire();
        }
        listener.failed(Failure.DEADLINE);
    }

    /** What a failure says of the sidecar: that it is slow, or sends work away for lack of time, may be the request's own doing. */
    private Failure verdict(Failure failure) {
        boolean slow = failure == Failure.DEADLINE || failure == Failure.OVERLOADED;
        return switch (limits.blame()) {
            case ALL -> failure;
            case NOT_SLOWNESS -> slow ? Failure.REJECTED : failure;
            case NONE, UNHEARD -> Failure.REJECTED;
        };
    }

    private boolean isPast(long nanos) {
        return nanos - limits.deadlineNanos() >= 0;
    }

    private synchronized Attempt pending() {
        return current;
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

    private long remainingMs() {
        return Math.max(0, TimeUnit.NANOSECONDS.toMillis(limits.deadlineNanos() - tools.nanoTime().getAsLong()));
    }

    /** One exchange with one sidecar. */
    private final class Attempt {
        private final Endpoint endpoint;
        private final boolean second;
        // No lock: sending may take long, and neither the deadline nor the giving up may wait for it.
        private final AtomicBoolean judged = new AtomicBoolean();
        private volatile CompletableFuture<Reply> exchange;
        private volatile boolean givenUp;
        private volatile boolean cameInTime;

        Attempt(Endpoint endpoint, boolean second) {
            this.endpoint = endpoint;
            this.second = second;
        }

        void send() {
            long began = tools.nanoTime().getAsLong();
            CompletableFuture<Reply> sent = posted();
            exchange = sent;
            if (givenUp) {
                sent.cancel(true);
            }
            // The client completes its future on a thread that belongs to nobody; nothing but the hand-over may run there.
            sent.whenComplete((reply, error) -> {
                long arrived = tools.nanoTime().getAsLong();
                cameInTime = isPast(arrived) == false;
                tools.executor().execute(() -> completed(reply, error, began, arrived));
            });
        }

        private CompletableFuture<Reply> posted() {
            try {
                URI uri = endpoint.uri().resolve(question.path());
                return endpoint.transport().post(uri, question.body().apply(remainingMs()), question.requestId());
            } catch (RuntimeException e) {
                return CompletableFuture.failedFuture(e);
            }
        }

        private void completed(Reply reply, Throwable error, long began, long arrived) {
            endpoint.leave();
            tools.stats().inFlight.decrement();
            if (reply != null) {
                tools.stats().sidecar.record(arrived - began);
            }
            // Where the deadline has judged it. One that merely waited for this thread goes on, and ends where the call has ended.
            if (judged.get()) {
                countLate(reply);
            } else if (isStaleConnection(error) && second == false) {
                retry();
            } else {
                judgeAnswer(reply, error, arrived);
            }
        }

        /** A page that leaves without a sidecar's answer speaks against it, unless the answer only waits for a thread of this node. */
        void expire() {
            if (cameInTime == false) {
                judge(verdict(Failure.DEADLINE));
                tools.timer().after(LATE_MS, this::giveUp);
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

        private void judgeAnswer(Reply reply, Throwable error, long arrived) {
            try {
                A answer = answer(reply, error);
                judge(isPast(arrived) ? verdict(Failure.DEADLINE) : null);
                if (end()) {
                    listener.answered(answer);
                }
            } catch (SidecarException e) {
                logger.debug("sidecar {} failed: {} ({})", endpoint.uri(), e.failure().code(), e.getMessage());
                judge(verdict(e.failure()));
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

        private A answer(Reply reply, Throwable error) throws SidecarException {
            if (reply != null) {
                return question.reading().of(reply);
            }
            Throwable cause = unwrapped(error);
            Failure failure = cause instanceof OversizedAnswerException ? Failure.GARBAGE : Failure.UNREACHABLE;
            throw new SidecarException(failure, String.valueOf(cause));
        }

        /** Tells the breaker how it went, once; null is success. */
        void judge(Failure failure) {
            if (judged.compareAndSet(false, true) == false) {
                return;
            }
            if (failure == null && limits.blame() != Blame.UNHEARD) {
                if (endpoint.breaker().succeeded()) {
                    logger.info("sidecar {} answers again", endpoint.uri());
                }
            } else if (failure != null && failure.blamesSidecar()) {
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

        private void giveUp() {
            givenUp = true;
            CompletableFuture<Reply> sent = exchange;
            if (sent != null) {
                sent.cancel(true);
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
