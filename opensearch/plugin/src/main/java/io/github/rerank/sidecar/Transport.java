package io.github.rerank.sidecar;

import java.net.URI;
import java.util.concurrent.CompletableFuture;

/** Speaks to one address at a time. The futures may end on any thread; cancelling one gives its connection up. */
interface Transport extends AutoCloseable {
    CompletableFuture<Reply> post(URI uri, byte[] body, String requestId);

    CompletableFuture<Reply> get(URI uri);

    @Override
    void close();
}
