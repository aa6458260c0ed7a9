package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.opensearch.common.settings.Settings;

@Timeout(30)
class HttpTransportTest {
    private final ExecutorService executor = Executors.newCachedThreadPool();
    private final SidecarToken token = new SidecarToken(Settings.EMPTY);
    private final HttpTransport transport = new HttpTransport(1000, token);
    private HttpServer server;
    private volatile HttpHandler behaviour;

    @BeforeEach
    void start() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/v1/hits", exchange -> behaviour.handle(exchange));
        server.setExecutor(executor);
        server.start();
    }

    @AfterEach
    void stop() {
        transport.close();
        server.stop(0);
        executor.shutdownNow();
    }

    private CompletableFuture<Reply> post(String body) {
        URI uri = URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/v1/hits");
        return transport.post(uri, body.getBytes(StandardCharsets.UTF_8), "id-1");
    }

    private static void answer(HttpExchange exchange, int status, byte[] body) throws IOException {
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    @Test
    void bodyAndHeadersGoOutAndTheAnswerComesBack() throws Exception {
        behaviour = exchange -> answer(exchange, 429, exchange.getRequestBody().readAllBytes());
        Reply reply = post("hello").get();
        assertEquals(429, reply.status());
        assertEquals("hello", new String(reply.body(), StandardCharsets.UTF_8));
    }

    @Test
    void theRequestIdIsSentAndNoTokenWhereThereIsNone() throws Exception {
        behaviour = exchange -> answer(exchange, 200, headers(exchange).getBytes(StandardCharsets.UTF_8));
        assertEquals("id-1 null", new String(post("").get().body(), StandardCharsets.UTF_8));
    }

    private static String headers(HttpExchange exchange) {
        return exchange.getRequestHeaders().getFirst("X-Request-Id") + " " + exchange.getRequestHeaders().getFirst("Authorization");
    }

    @Test
    void aGreetingGoesOutWithoutABody() throws Exception {
        behaviour = exchange -> answer(exchange, 200, exchange.getRequestMethod().getBytes(StandardCharsets.UTF_8));
        URI uri = URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/v1/hits");
        assertEquals("GET", new String(transport.get(uri).get().body(), StandardCharsets.UTF_8));
    }

    @Test
    void anAnswerOfAnyLengthIsGivenUpAtTheLimit() throws Exception {
        behaviour = exchange -> answer(exchange, 200, new byte[HttpTransport.MAX_ANSWER_BYTES + 1]);
        ExecutionException error = assertThrows(ExecutionException.class, () -> post("").get());
        assertInstanceOf(OversizedAnswerException.class, error.getCause());
    }

    @Test
    void cancellingEndsAnExchangeThatHangs() throws Exception {
        CountDownLatch asked = new CountDownLatch(1);
        CountDownLatch ended = new CountDownLatch(1);
        behaviour = exchange -> {
            asked.countDown();
            await(ended);
        };
        CompletableFuture<Reply> reply = post("");
        asked.await();
        assertTrue(reply.cancel(true));
        assertThrows(CancellationException.class, reply::get);
        ended.countDown();
    }

    @Test
    void nobodyListeningIsAFailure() {
        server.stop(0);
        assertThrows(ExecutionException.class, () -> post("").get());
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
