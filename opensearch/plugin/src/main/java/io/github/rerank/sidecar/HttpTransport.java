package io.github.rerank.sidecar;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;
import org.opensearch.secure_sm.AccessController;

/**
 * HTTP/1.1 with kept connections. The client's own timeouts end with the headers, so the caller bounds the whole exchange by
 * cancelling its future; only the connect timeout is the client's.
 */
final class HttpTransport implements Transport {
    static final int MAX_ANSWER_BYTES = 1 << 20;
    private final HttpClient client;
    private final SidecarToken token;

    /** The client keeps its own threads: it looks names up on them, which may block, and pages must not wait for that. */
    HttpTransport(int connectTimeoutMs, SidecarToken token) {
        this.token = token;
        client = AccessController.doPrivileged(
            () -> HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER)
                .connectTimeout(Duration.ofMillis(connectTimeoutMs))
                .build()
        );
    }

    @Override
    public CompletableFuture<Reply> post(URI uri, byte[] body, String requestId) {
        HttpRequest.Builder request = HttpRequest.newBuilder(uri)
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofByteArray(body));
        if (requestId != null) {
            request.header("X-Request-Id", requestId);
        }
        return send(request);
    }

    @Override
    public CompletableFuture<Reply> get(URI uri) {
        return send(HttpRequest.newBuilder(uri).GET());
    }

    private CompletableFuture<Reply> send(HttpRequest.Builder request) {
        request.header("Accept", "application/json");
        token.authorization().ifPresent(value -> request.header("Authorization", value));
        return AccessController.doPrivileged(() -> new Exchange(client.sendAsync(request.build(), info -> new BoundedBody())));
    }

    @Override
    public void close() {
        client.shutdownNow();
    }

    /** Carries a cancellation through to the exchange itself: cancelling a dependent stage would leave the connection busy. */
    private static final class Exchange extends CompletableFuture<Reply> {
        private final CompletableFuture<HttpResponse<byte[]>> sent;

        Exchange(CompletableFuture<HttpResponse<byte[]>> sent) {
            this.sent = sent;
            sent.whenComplete((response, error) -> {
                if (error == null) {
                    complete(new Reply(response.statusCode(), response.body()));
                } else {
                    completeExceptionally(error);
                }
            });
        }

        @Override
        public boolean cancel(boolean mayInterrupt) {
            boolean cancelled = super.cancel(mayInterrupt);
            sent.cancel(true);
            return cancelled;
        }
    }

    /** Gives up on an answer that is longer than any right one. */
    private static final class BoundedBody implements HttpResponse.BodySubscriber<byte[]> {
        private final HttpResponse.BodySubscriber<byte[]> whole = HttpResponse.BodySubscribers.ofByteArray();
        private Flow.Subscription subscription;
        private long received;

        @Override
        public CompletionStage<byte[]> getBody() {
            return whole.getBody();
        }

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            this.subscription = subscription;
            whole.onSubscribe(subscription);
        }

        @Override
        public void onNext(List<ByteBuffer> buffers) {
            for (ByteBuffer buffer : buffers) {
                received += buffer.remaining();
            }
            if (received > MAX_ANSWER_BYTES) {
                subscription.cancel();
                whole.onError(new OversizedAnswerException());
            } else {
                whole.onNext(buffers);
            }
        }

        @Override
        public void onError(Throwable error) {
            whole.onError(error);
        }

        @Override
        public void onComplete() {
            whole.onComplete();
        }
    }
}
