package io.github.rerank.sidecar;

import java.util.List;
import org.opensearch.common.util.concurrent.ThreadContext;
import org.opensearch.rest.RestHeaderDefinition;
import org.opensearch.tasks.Task;

/**
 * What clients may say in HTTP headers; the REST layer copies these into the thread context.
 *
 * @param off whether this search is not to be re-ranked
 * @param profile profile asked for, null where there is none
 * @param user the reader's id, null where there is none
 */
record RequestHeaders(boolean off, String profile, String user) {
    private static final String RERANK = "X-Rerank";
    private static final String USER = "X-Rerank-User";
    private static final String OFF = "off";
    private static final int MAX_ID_CHARS = 128;

    static List<RestHeaderDefinition> definitions() {
        return List.of(new RestHeaderDefinition(RERANK, false), new RestHeaderDefinition(USER, false));
    }

    static RequestHeaders of(ThreadContext context) {
        String rerank = stripped(context.getHeader(RERANK));
        boolean off = OFF.equalsIgnoreCase(rerank);
        return new RequestHeaders(off, off ? null : rerank, stripped(context.getHeader(USER)));
    }

    /** The id under which the client, or the server itself, logs this search; null where there is none. */
    static String requestId(ThreadContext context) {
        String id = stripped(context.getHeader(Task.X_REQUEST_ID));
        return sendable(id == null ? stripped(context.getHeader(Task.X_OPAQUE_ID)) : id);
    }

    private static String sendable(String id) {
        return id != null && id.length() <= MAX_ID_CHARS && id.chars().allMatch(c -> c > ' ' && c < 127) ? id : null;
    }

    private static String stripped(String value) {
        return value == null || value.isBlank() ? null : value.strip();
    }
}
