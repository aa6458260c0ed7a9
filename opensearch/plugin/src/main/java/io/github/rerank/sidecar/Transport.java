package io.github.rerank.sidecar;

import java.net.URI;
import java.util.concurrent.CompletableFuture;

/** Sends one body to one address. The future may end on any thread; cancelling it gives the connection up. */
interface Transport extends AutoCloseable {
    CompletableFuture<Reply> post(URI uri, byte[] body, String requestId);

    @Override
    void close();
}
