package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class SidecarCallTest {
    private static final int DEADLINE_MS = 200;
    private final RerankStats stats = new RerankStats();
    private final FakeTimer timer = new FakeTimer();
    private final Outcome outcome = new Outcome();
    private Executor executor = Runnable::run;
    private SidecarCall.Blame blame = SidecarCall.Blame.ALL;

    private SidecarCall<HitsAnswer> started() {
        SidecarCall.Tools tools = new SidecarCall.Tools(executor, timer, () -> timer.nanos, stats);
        SidecarCall.Limits limits = new SidecarCall.Limits(TimeUnit.MILLISECONDS.toNanos(DEADLINE_MS), blame, 2, 3, 1000);
        SidecarCall<HitsAnswer> call = new SidecarCall<>(tools, limits, outcome);
        call.start();
        return call;
    }

    private static void ask(SidecarCall<HitsAnswer> call, FakeSidecar... sidecars) {
        List<Endpoint> order = Arrays.stream(sidecars).map(each -> each.endpoint).toList();
        call.ask(
            new SidecarCall.Question<>(HitsAnswer.PATH, ms -> Long.toString(ms).getBytes(StandardCharsets.UTF_8), reply -> HitsAnswer.of(reply, 2), "id"),
            order
        );
    }

    private void ask(FakeSidecar... sidecars) {
        ask(started(), sidecars);
    }

    @Test
    void aRightAnswerIsHandedOnAndTheDeadlineTakenBack() {
        FakeSidecar sidecar = new FakeSidecar();
        ask(sidecar);
        sidecar.answer("{\"scores\":[1,2]}");
        assertArrayEquals(new float[] { 1, 2 }, outcome.answer.scores());
        assertEquals(0, timer.pending());
        assertEquals(0, sidecar.endpoint.inFlight());
        assertEquals(0, stats.inFlight.sum());
    }

    @Test
    void atTheDeadlineItEndsWhateverTheClientDoes() {
        FakeSidecar sidecar = new FakeSidecar();
        ask(sidecar);
        timer.advance(DEADLINE_MS);
        assertEquals(List.of(Failure.DEADLINE), outcome.failures);
        assertEquals(1, sidecar.endpoint.breaker().failuresInARow());
        assertEquals(1, sidecar.endpoint.inFlight());
    }

    @Test
    void itEndsAtTheDeadlineThoughNothingWasAskedYet() {
        SidecarCall<HitsAnswer> call = started();
        timer.advance(DEADLINE_MS);
        assertEquals(List.of(Failure.DEADLINE), outcome.failures);
        FakeSidecar sidecar = new FakeSidecar();
        ask(call, sidecar);
        assertEquals(List.of(), sidecar.bodies);
        assertEquals(0, sidecar.endpoint.inFlight());
        assertEquals(1, outcome.notifications());
    }

    @Test
    void nothingIsSentAfterTheDeadlineThoughTheTimerIsLate() {
        FakeSidecar sidecar = new FakeSidecar();
        SidecarCall<HitsAnswer> call = started();
        timer.nanos += TimeUnit.MILLISECONDS.toNanos(DEADLINE_MS);
        ask(call, sidecar);
        assertEquals(List.of(), sidecar.bodies);
        timer.advance(0);
        assertEquals(List.of(Failure.DEADLINE), outcome.failures);
        assertEquals(0, sidecar.endpoint.breaker().failuresInARow());
    }

    @Test
    void theDeadlineDoesNotWaitForAClientThatIsSlowToSend() {
        FakeSidecar sidecar = new FakeSidecar();
        sidecar.sending = () -> onAnotherThread(() -> timer.advance(DEADLINE_MS));
        ask(sidecar);
        assertEquals(List.of(Failure.DEADLINE), outcome.failures);
    }

    @Test
    void anExchangeThatIsGivenUpBeforeItWasSentIsCancelled() {
        FakeSidecar sidecar = new FakeSidecar();
        sidecar.sending = () -> onAnotherThread(() -> {
            timer.advance(DEADLINE_MS);
            timer.advance(SidecarCall.LATE_MS);
        });
        ask(sidecar);
        assertTrue(sidecar.exchange().isCancelled());
        assertEquals(0, sidecar.endpoint.inFlight());
    }

    @Test
    void whatIsUnheardNeitherOpensACircuitNorHoldsItClosed() {
        FakeSidecar sidecar = new FakeSidecar();
        sidecar.endpoint.breaker().failed(0, 3, 1000);
        blame = SidecarCall.Blame.UNHEARD;
        ask(sidecar);
        sidecar.answer("{\"scores\":[1,2]}");
        assertEquals(1, sidecar.endpoint.breaker().failuresInARow());
        ask(sidecar);
        timer.advance(DEADLINE_MS);
        assertEquals(1, sidecar.endpoint.breaker().failuresInARow());
    }

    @Test
    void anAbandonedCallNeverNotifies() {
        SidecarCall<HitsAnswer> call = started();
        assertTrue(call.abandon());
        timer.advance(DEADLINE_MS);
        assertEquals(0, outcome.notifications());
        assertEquals(0, timer.pending());
    }

    @Test
    void aBusyNodeIsNotTheSidecarsFault() {
        List<Runnable> waiting = new ArrayList<>();
        executor = waiting::add;
        FakeSidecar sidecar = new FakeSidecar();
        ask(sidecar);
        sidecar.answer("{\"scores\":[1,2]}");
        timer.nanos += TimeUnit.MILLISECONDS.toNanos(DEADLINE_MS);
        waiting.get(0).run();
        assertEquals(0, sidecar.endpoint.breaker().failuresInARow());
    }

    @Test
    void norIsADeadlineThatPassesWhileAnAnswerWaitsForAThread() {
        List<Runnable> waiting = new ArrayList<>();
        executor = waiting::add;
        FakeSidecar sidecar = new FakeSidecar();
        ask(sidecar);
        timer.advance(DEADLINE_MS - 1);
        sidecar.answer("{\"scores\":[1,2]}");
        timer.advance(1);
        assertEquals(List.of(Failure.DEADLINE), outcome.failures);
        waiting.get(0).run();
        assertEquals(0, sidecar.endpoint.breaker().failuresInARow());
        assertEquals(0, stats.late.sum());
        assertEquals(1, outcome.notifications());
        assertEquals(0, sidecar.endpoint.inFlight());
    }

    @Test
    void anAnswerThatWaitedForAThreadStillTellsHowTheSidecarIs() {
        List<Runnable> waiting = new ArrayList<>();
        executor = waiting::add;
        FakeSidecar sidecar = new FakeSidecar();
        sidecar.endpoint.breaker().failed(-1_000_000, 1, 1);
        ask(sidecar);
        sidecar.answer("{\"scores\":[1,2]}");
        timer.advance(DEADLINE_MS);
        assertEquals(CircuitBreaker.State.HALF_OPEN, sidecar.endpoint.breaker().state());
        waiting.get(0).run();
        assertEquals(CircuitBreaker.State.CLOSED, sidecar.endpoint.breaker().state());
    }

    @Test
    void aConnectionThatBrokeBeforeTheDeadlineIsNotTriedAgainAfterIt() {
        List<Runnable> waiting = new ArrayList<>();
        executor = waiting::add;
        FakeSidecar sidecar = new FakeSidecar();
        ask(sidecar);
        sidecar.fail(new IOException("reset"));
        timer.advance(DEADLINE_MS);
        waiting.get(0).run();
        assertEquals(1, sidecar.bodies.size());
        assertEquals(0, sidecar.endpoint.breaker().failuresInARow());
        assertEquals(0, sidecar.endpoint.inFlight());
    }

    @Test
    void anAnswerThatArrivesLateIsTheSidecarsFaultThoughTheTimerIsLateToo() {
        FakeSidecar sidecar = new FakeSidecar();
        ask(sidecar);
        timer.nanos += TimeUnit.MILLISECONDS.toNanos(DEADLINE_MS);
        sidecar.answer("{\"scores\":[1,2]}");
        assertEquals(1, sidecar.endpoint.breaker().failuresInARow());
    }

    @Test
    void anExchangeThatOutlivesTheDeadlineIsGivenUp() {
        FakeSidecar sidecar = new FakeSidecar();
        ask(sidecar);
        timer.advance(DEADLINE_MS);
        timer.advance(SidecarCall.LATE_MS);
        assertTrue(sidecar.exchange().isCancelled());
        assertEquals(0, sidecar.endpoint.inFlight());
        assertEquals(0, stats.late.sum());
    }

    @Test
    void aLateAnswerIsCountedAndNothingElse() {
        FakeSidecar sidecar = new FakeSidecar();
        ask(sidecar);
        timer.advance(DEADLINE_MS);
        sidecar.answer("{\"scores\":[1,2]}");
        assertEquals(1, stats.late.sum());
        assertEquals(1, outcome.notifications());
        assertEquals(1, sidecar.endpoint.breaker().failuresInARow());
    }

    @Test
    void aRequestThatAsksForMoreThanThePipelineDoesNotBlameTheSidecarForBeingSlow() {
        blame = SidecarCall.Blame.NOT_SLOWNESS;
        FakeSidecar sidecar = new FakeSidecar();
        ask(sidecar);
        timer.advance(DEADLINE_MS);
        assertEquals(0, sidecar.endpoint.breaker().failuresInARow());
    }

    @ParameterizedTest
    @ValueSource(ints = { 429, 504 })
    void norForSendingItAwayAndTheNextIsAskedAllTheSame(int status) {
        blame = SidecarCall.Blame.NOT_SLOWNESS;
        FakeSidecar first = new FakeSidecar();
        FakeSidecar second = new FakeSidecar();
        ask(first, second);
        first.status(status);
        second.answer("{\"scores\":[1,2]}");
        assertEquals(0, first.endpoint.breaker().failuresInARow());
        assertArrayEquals(new float[] { 1, 2 }, outcome.answer.scores());
    }

    @ParameterizedTest
    @ValueSource(ints = { 500, 503 })
    void butItDoesForAnAnswerThatCannotBeUsed(int status) {
        blame = SidecarCall.Blame.NOT_SLOWNESS;
        FakeSidecar sidecar = new FakeSidecar();
        ask(sidecar);
        sidecar.status(status);
        assertEquals(1, sidecar.endpoint.breaker().failuresInARow());
    }

    @ParameterizedTest
    @ValueSource(ints = { 429, 500, 503, 504 })
    void aPipelineThatCameWithTheSearchOpensNoCircuit(int status) {
        blame = SidecarCall.Blame.NONE;
        FakeSidecar refusing = new FakeSidecar();
        ask(refusing);
        refusing.status(status);
        assertEquals(0, refusing.endpoint.breaker().failuresInARow());
        FakeSidecar hanging = new FakeSidecar();
        ask(hanging);
        timer.advance(DEADLINE_MS);
        assertEquals(0, hanging.endpoint.breaker().failuresInARow());
    }

    @Test
    void theNextSidecarIsAskedWithTheTimeThatIsLeft() {
        FakeSidecar first = new FakeSidecar();
        FakeSidecar second = new FakeSidecar();
        ask(first, second);
        timer.advance(50);
        first.status(500);
        second.answer("{\"scores\":[1,2]}");
        assertEquals(List.of("200"), first.bodies);
        assertEquals(List.of("150"), second.bodies);
        assertArrayEquals(new float[] { 1, 2 }, outcome.answer.scores());
    }

    @Test
    void theLastFailureIsTheReason() {
        FakeSidecar first = new FakeSidecar();
        FakeSidecar second = new FakeSidecar();
        ask(first, second);
        first.fail(new ConnectException("refused"));
        second.answer("{\"scores\":[1]}");
        assertEquals(List.of(Failure.WRONG_COUNT), outcome.failures);
    }

    @Test
    void aRefusedRequestIsNotTakenElsewhere() {
        FakeSidecar first = new FakeSidecar();
        FakeSidecar second = new FakeSidecar();
        ask(first, second);
        first.status(422);
        assertEquals(List.of(Failure.REJECTED), outcome.failures);
        assertEquals(List.of(), second.bodies);
        assertEquals(0, first.endpoint.breaker().failuresInARow());
    }

    @ParameterizedTest
    @ValueSource(ints = { 403, 404, 405, 408 })
    void anotherRefusalSaysThatTheAddressIsWrongAndTheNextIsAsked(int status) {
        FakeSidecar first = new FakeSidecar();
        FakeSidecar second = new FakeSidecar();
        ask(first, second);
        first.status(status);
        assertEquals(1, first.endpoint.breaker().failuresInARow());
        second.status(status);
        assertEquals(List.of(Failure.SIDECAR_ERROR), outcome.failures);
    }

    @Test
    void aConnectionThatBreaksIsTriedOnceMore() {
        FakeSidecar sidecar = new FakeSidecar();
        ask(sidecar);
        sidecar.fail(new IOException("HTTP/1.1 header parser received no bytes"));
        sidecar.answer("{\"scores\":[1,2]}");
        assertEquals(2, sidecar.bodies.size());
        assertArrayEquals(new float[] { 1, 2 }, outcome.answer.scores());
        assertEquals(0, sidecar.endpoint.inFlight());
    }

    @Test
    void aConnectionThatBreaksTwiceIsAFailure() {
        FakeSidecar sidecar = new FakeSidecar();
        ask(sidecar);
        sidecar.fail(new IOException("reset"));
        sidecar.fail(new IOException("reset"));
        assertEquals(List.of(Failure.UNREACHABLE), outcome.failures);
        assertEquals(1, sidecar.endpoint.breaker().failuresInARow());
    }

    @Test
    void anAnswerTooLongIsNotAskedForAgain() {
        FakeSidecar sidecar = new FakeSidecar();
        ask(sidecar);
        sidecar.fail(new OversizedAnswerException());
        assertEquals(List.of(Failure.GARBAGE), outcome.failures);
        assertEquals(1, sidecar.bodies.size());
    }

    @Test
    void aTransportThatThrowsIsAFailure() {
        FakeSidecar sidecar = new FakeSidecar();
        sidecar.throwing = true;
        ask(sidecar);
        assertEquals(List.of(Failure.UNREACHABLE), outcome.failures);
        assertEquals(0, sidecar.endpoint.inFlight());
    }

    @Test
    void noMoreCallsThanAllowedAreUnderWay() {
        FakeSidecar sidecar = new FakeSidecar();
        ask(sidecar);
        ask(sidecar);
        ask(sidecar);
        assertEquals(List.of(Failure.BUSY), outcome.failures);
        assertEquals(2, sidecar.bodies.size());
        assertEquals(2, sidecar.endpoint.inFlight());
    }

    @Test
    void anOpenCircuitIsNotAsked() {
        FakeSidecar sidecar = new FakeSidecar();
        for (int i = 0; i < 3; i++) {
            ask(sidecar);
            sidecar.status(500);
        }
        ask(sidecar);
        assertEquals(3, sidecar.bodies.size());
        assertEquals(Failure.CIRCUIT_OPEN, outcome.failures.get(3));
        assertEquals(0, sidecar.endpoint.inFlight());
    }

    @Test
    void theOtherSidecarIsAskedWhereOneIsLeftAlone() {
        FakeSidecar broken = new FakeSidecar();
        broken.endpoint.breaker().failed(0, 1, 1000);
        FakeSidecar sidecar = new FakeSidecar();
        ask(broken, sidecar);
        sidecar.answer("{\"scores\":[1,2]}");
        assertEquals(1, outcome.notifications());
        assertEquals(List.of(), broken.bodies);
    }

    @Test
    void itNeverAsksAnotherSidecarAfterTheDeadline() {
        FakeSidecar first = new FakeSidecar();
        FakeSidecar second = new FakeSidecar();
        ask(first, second);
        timer.advance(DEADLINE_MS);
        first.fail(new ConnectException("refused"));
        assertEquals(List.of(), second.bodies);
        assertEquals(1, outcome.notifications());
    }

    private static void onAnotherThread(Runnable task) {
        Thread thread = new Thread(task);
        thread.start();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static final class Outcome implements SidecarCall.Listener<HitsAnswer> {
        private final List<Failure> failures = new ArrayList<>();
        private HitsAnswer answer;
        private int answers;

        @Override
        public void answered(HitsAnswer answer) {
            this.answer = answer;
            answers++;
        }

        @Override
        public void failed(Failure failure) {
            failures.add(failure);
        }

        int notifications() {
            return answers + failures.size();
        }
    }

    /** A sidecar whose answers the test gives. */
    private static final class FakeSidecar implements Transport {
        private final Endpoint endpoint = new Endpoint(URI.create("http://sidecar/v1/hits"), this);
        private final List<String> bodies = new ArrayList<>();
        private final List<CompletableFuture<Reply>> exchanges = new ArrayList<>();
        private boolean throwing;
        private Runnable sending = () -> {};

        @Override
        public CompletableFuture<Reply> post(URI uri, byte[] body, String requestId) {
            sending.run();
            if (throwing) {
                throw new IllegalArgumentException("not sendable");
            }
            bodies.add(new String(body, StandardCharsets.UTF_8));
            exchanges.add(new CompletableFuture<>());
            return exchange();
        }

        @Override
        public CompletableFuture<Reply> get(URI uri) {
            throw new AssertionError("a search only posts");
        }

        @Override
        public void close() {}

        CompletableFuture<Reply> exchange() {
            return exchanges.get(exchanges.size() - 1);
        }

        void answer(String json) {
            exchange().complete(new Reply(200, json.getBytes(StandardCharsets.UTF_8)));
        }

        void status(int status) {
            exchange().complete(new Reply(status, new byte[0]));
        }

        void fail(Exception error) {
            exchange().completeExceptionally(error);
        }
    }

    /** Time passes when the test says so. */
    private static final class FakeTimer implements SidecarCall.Timer {
        private final List<Entry> entries = new ArrayList<>();
        private long nanos;

        private record Entry(long at, Runnable task) {}

        @Override
        public Runnable after(long ms, Runnable task) {
            Entry entry = new Entry(nanos + TimeUnit.MILLISECONDS.toNanos(ms), task);
            entries.add(entry);
            return () -> entries.remove(entry);
        }

        void advance(long ms) {
            nanos += TimeUnit.MILLISECONDS.toNanos(ms);
            for (Entry entry : List.copyOf(entries)) {
                if (entry.at <= nanos && entries.remove(entry)) {
                    entry.task.run();
                }
            }
        }

        int pending() {
            return entries.size();
        }
    }
}
