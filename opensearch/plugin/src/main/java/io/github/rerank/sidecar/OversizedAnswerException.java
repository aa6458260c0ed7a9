package io.github.rerank.sidecar;

import java.io.IOException;

/** The answer is longer than any right one. */
final class OversizedAnswerException extends IOException {
    private static final long serialVersionUID = 1L;

    OversizedAnswerException() {
        super("answer of more than " + HttpTransport.MAX_ANSWER_BYTES + " bytes");
    }
}
