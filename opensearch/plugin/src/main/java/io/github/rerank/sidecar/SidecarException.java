package io.github.rerank.sidecar;

/** An answer, or the lack of one, that cannot be used. */
final class SidecarException extends Exception {
    private static final long serialVersionUID = 1L;
    private final Failure failure;

    SidecarException(Failure failure, String message) {
        super(message);
        this.failure = failure;
    }

    Failure failure() {
        return failure;
    }
}
