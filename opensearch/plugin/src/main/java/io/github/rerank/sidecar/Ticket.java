package io.github.rerank.sidecar;

import java.util.Map;
import org.opensearch.search.pipeline.PipelineProcessingContext;

/** What the request processor hands to the response processor of the same search. */
sealed interface Ticket {
    String ATTRIBUTE = "sidecar_rerank.ticket";

    static Ticket of(PipelineProcessingContext context) {
        return context.getAttribute(ATTRIBUTE) instanceof Ticket ticket ? ticket : new Skipped(Skip.NO_WINDOW);
    }

    default void keep(PipelineProcessingContext context) {
        context.setAttribute(ATTRIBUTE, this);
    }

    /** The search went to the first pass as the client sent it. */
    record Skipped(Skip reason) implements Ticket {}

    /**
     * The search was widened and has to be brought back to the client's page.
     *
     * @param text the query text
     * @param page the client's page
     * @param window how many hits are re-ranked
     * @param enlarged whether that is more than the pipeline's, because this request asked for it
     * @param source the client's view of {@code _source}
     * @param fields role to source field
     * @param maxFieldChars longer field texts are cut
     * @param profile profile asked for by this request, null for the pipeline's
     * @param deadlineMs deadline asked for by this request, null for the pipeline's
     * @param user the reader's id, null where there is none
     * @param profiled whether the client asked for profile results
     */
    record Widened(
        String text,
        Page page,
        int window,
        boolean enlarged,
        SourceView source,
        Map<String, String> fields,
        int maxFieldChars,
        String profile,
        Integer deadlineMs,
        String user,
        boolean profiled
    ) implements Ticket {}
}
