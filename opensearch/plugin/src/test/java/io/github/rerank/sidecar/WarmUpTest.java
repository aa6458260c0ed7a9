package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

class WarmUpTest {
    private final List<URI> greeted = new ArrayList<>();
    private final List<Runnable> timed = new ArrayList<>();
    private final CompletableFuture<Reply> greeting = new CompletableFuture<>();

    private void warmUp(String uri) {
        WarmUp.of(new Endpoint(URI.create(uri), new Transport() {
            @Override
            public CompletableFuture<Reply> post(URI uri, byte[] body, String requestId) {
                throw new AssertionError("nobody searched");
            }

            @Override
            public CompletableFuture<Reply> get(URI uri) {
                greeted.add(uri);
                return greeting;
            }

            @Override
            public void close() {}
        }), (ms, task) -> {
            timed.add(task);
            return () -> {};
        });
    }

    @Test
    void theSidecarIsGreetedWhereItTellsThatItLives() {
        warmUp("http://a:8080/v1/hits");
        warmUp("https://b/behind/a/proxy/v1/hits");
        assertEquals(List.of(URI.create("http://a:8080/live"), URI.create("https://b/behind/a/proxy/live")), greeted);
    }

    @Test
    void aGreetingThatIsNotAnsweredIsGivenUp() {
        warmUp("http://a/v1/hits");
        timed.get(0).run();
        assertTrue(greeting.isCancelled());
    }
}
