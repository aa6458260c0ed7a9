package io.github.rerank.sidecar;

/** What came back over HTTP, not yet judged. */
record Reply(int status, byte[] body) {}
