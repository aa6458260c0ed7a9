package io.github.rerank.sidecar;

import java.io.IOException;
import java.util.Optional;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.common.unit.TimeValue;
import org.opensearch.common.xcontent.json.JsonXContent;
import org.opensearch.core.common.bytes.BytesReference;
import org.opensearch.core.xcontent.XContentBuilder;
import org.opensearch.index.query.BoolQueryBuilder;
import org.opensearch.index.query.WrapperQueryBuilder;
import org.opensearch.search.builder.SearchSourceBuilder;
import org.opensearch.search.fetch.subphase.highlight.HighlightBuilder;

/**
 * The questions by which a search's neighbours are found.
 *
 * @param k how many documents are asked for
 * @param client the client's search as the first pass ran it
 * @param filters what it demands of every hit
 * @param text the query text
 */
record NeighbourRequest(NeighbourSettings settings, int k, SearchRequest client, BoolQueryBuilder filters, String text) {
    private static final String NO_PIPELINE = "_none";

    /** Empty where a document that the client's words did not find might be one that its query means to leave out. */
    static Optional<NeighbourRequest> of(NeighbourSettings settings, SearchRequest client, Ticket.Widened ticket) throws IOException {
        if (areOwnWords(client, ticket.text()) == false) {
            return Optional.empty();
        }
        // More than the window has no place in it, and might be more than the index allows.
        int k = Math.min(settings.k(), ticket.window());
        return ClientFilters.of(client.source()).map(filters -> new NeighbourRequest(settings, k, client, filters, ticket.text()));
    }

    /** Where the request brings other words than its query, those of the query may be a demand, such as a category. */
    private static boolean areOwnWords(SearchRequest client, String words) throws IOException {
        String own = QueryText.of(client.source().query(), Integer.MAX_VALUE);
        String asked = words.strip().replaceAll("\\s+", " ");
        // The words may be cut.
        return own.isEmpty() || own.regionMatches(true, 0, asked, 0, asked.length());
    }

    byte[] embedding(long remainingMs) {
        return QueryVector.question(text, settings.embedder(), remainingMs);
    }

    /** Same indices, routing and preference, and the same parts of every hit, but nothing that counts or sums up. */
    SearchRequest nearest(QueryVector vector, TimeValue timeout) throws IOException {
        SearchSourceBuilder source = new SearchSourceBuilder().query(knn(vector))
            .size(k)
            .trackTotalHits(false)
            .timeout(timeout);
        if (settings.minScore() > 0) {
            source.minScore((float) settings.minScore());
        }
        copyParts(client.source(), source);
        return new SearchRequest(client).source(source).pipeline(NO_PIPELINE);
    }

    /** The clause belongs to another plugin, whose classes this one cannot see. */
    private WrapperQueryBuilder knn(QueryVector vector) throws IOException {
        try (XContentBuilder json = JsonXContent.contentBuilder()) {
            json.startObject().startObject("knn").startObject(settings.field());
            json.field("vector", vector.numbers()).field("k", k);
            if (filters.hasClauses()) {
                json.field("filter", filters);
            }
            return new WrapperQueryBuilder(BytesReference.bytes(json.endObject().endObject().endObject()));
        }
    }

    private static void copyParts(SearchSourceBuilder from, SearchSourceBuilder to) {
        to.fetchSource(from.fetchSource()).version(from.version()).seqNoAndPrimaryTerm(from.seqNoAndPrimaryTerm());
        if (from.storedFields() != null) {
            to.storedFields(from.storedFields());
        }
        if (from.docValueFields() != null) {
            from.docValueFields().forEach(field -> to.docValueField(field.field, field.format));
        }
        if (from.fetchFields() != null) {
            from.fetchFields().forEach(field -> to.fetchField(field.field, field.format));
        }
        if (from.scriptFields() != null) {
            from.scriptFields().forEach(field -> to.scriptField(field.fieldName(), field.script(), field.ignoreFailure()));
        }
        if (from.highlighter() != null) {
            to.highlighter(highlighter(from));
        }
    }

    /** Marks the words of the client's query; that of the vector has none. */
    private static HighlightBuilder highlighter(SearchSourceBuilder from) {
        HighlightBuilder client = from.highlighter();
        HighlightBuilder own = new HighlightBuilder(client, client.highlightQuery(), client.fields());
        return client.highlightQuery() == null ? own.highlightQuery(from.query()) : own;
    }
}
