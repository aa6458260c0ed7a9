package io.github.rerank.sidecar;

/** What came back over HTTP, not yet judged. */
record Reply(int status, byte[] body) {

    /** The body of an answer that is none of the errors of the sidecar's contract. */
    byte[] accepted() throws SidecarException {
        if (status == 200) {
            return body;
        }
        Failure failure = switch (status) {
            case 400, 401, 413, 422 -> Failure.REJECTED;
            case 429 -> Failure.OVERLOADED;
            case 503 -> Failure.UNAVAILABLE;
            case 504 -> Failure.DEADLINE;
            // Other 4xx too: a 404 says that no sidecar is at this address, not that the request is wrong.
            default -> Failure.SIDECAR_ERROR;
        };
        throw new SidecarException(failure, "status " + status);
    }
}
