package io.github.rerank.sidecar;

import java.io.IOException;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import org.opensearch.common.regex.Regex;
import org.opensearch.common.xcontent.XContentHelper;
import org.opensearch.core.common.Strings;
import org.opensearch.core.common.bytes.BytesReference;
import org.opensearch.core.xcontent.MediaType;
import org.opensearch.core.xcontent.MediaTypeRegistry;
import org.opensearch.core.xcontent.XContentBuilder;
import org.opensearch.index.mapper.SourceFieldMapper;
import org.opensearch.search.SearchHit;
import org.opensearch.search.builder.SearchSourceBuilder;
import org.opensearch.search.fetch.StoredFieldsContext;
import org.opensearch.search.fetch.subphase.FetchSourceContext;

/**
 * What the client asked to see of {@code _source}. The first pass fetches the union of that and of the model's fields;
 * {@link #restore} takes the surplus away again, by the very filter that a shard would have used.
 *
 * @param client the client's filter; not fetching means that the client sees no {@code _source} at all
 * @param fetched what the first pass has to fetch, null where the client's own request brings everything needed
 */
record SourceView(FetchSourceContext client, FetchSourceContext fetched) {

    static SourceView of(SearchSourceBuilder source, Collection<String> paths) {
        FetchSourceContext client = effective(source);
        return new SourceView(client, union(client, paths));
    }

    /** The rules by which the fetch phase decides whether hits carry {@code _source}. */
    private static FetchSourceContext effective(SearchSourceBuilder source) {
        FetchSourceContext asked = source.fetchSource();
        if (namesSource(source.storedFields())) {
            return asked == null ? FetchSourceContext.FETCH_SOURCE : new FetchSourceContext(true, asked.includes(), asked.excludes());
        }
        if (asked != null) {
            return asked;
        }
        boolean otherFields = source.storedFields() != null || hasScriptFields(source);
        return otherFields ? FetchSourceContext.DO_NOT_FETCH_SOURCE : FetchSourceContext.FETCH_SOURCE;
    }

    private static boolean namesSource(StoredFieldsContext stored) {
        return stored != null && stored.fetchFields() && stored.fieldNames().contains(SourceFieldMapper.NAME);
    }

    private static boolean hasScriptFields(SearchSourceBuilder source) {
        return source.scriptFields() != null && source.scriptFields().isEmpty() == false;
    }

    private static FetchSourceContext union(FetchSourceContext client, Collection<String> paths) {
        if (client.fetchSource() == false) {
            return new FetchSourceContext(true, paths.toArray(String[]::new), Strings.EMPTY_ARRAY);
        }
        String[] includes = withPaths(client.includes(), paths);
        String[] excludes = withoutThoseHiding(paths, client.excludes());
        boolean enough = includes == client.includes() && excludes.length == client.excludes().length;
        return enough ? null : new FetchSourceContext(true, includes, excludes);
    }

    private static String[] withPaths(String[] includes, Collection<String> paths) {
        if (includes.length == 0) {
            return includes;
        }
        Set<String> union = new LinkedHashSet<>(Arrays.asList(includes));
        return union.addAll(paths) ? union.toArray(String[]::new) : includes;
    }

    private static String[] withoutThoseHiding(Collection<String> paths, String[] excludes) {
        return Arrays.stream(excludes).filter(exclude -> hides(exclude, paths) == false).toArray(String[]::new);
    }

    private static boolean hides(String exclude, Collection<String> paths) {
        return paths.stream().anyMatch(path -> hides(exclude, path));
    }

    /**
     * A pattern hides a path when it matches the path itself or an object above it, and a part of it when it goes on where the path
     * ends. One whose wildcard comes earlier ({@code *_vector}) might hide a part of any path; it is kept, since such patterns mostly
     * keep vectors from being fetched.
     */
    private static boolean hides(String exclude, String path) {
        for (int end = path.indexOf('.'); end >= 0; end = path.indexOf('.', end + 1)) {
            if (Regex.simpleMatch(exclude, path.substring(0, end))) {
                return true;
            }
        }
        return Regex.simpleMatch(exclude, path) || exclude.startsWith(path + ".");
    }

    void restore(SearchHit hit) throws IOException {
        if (fetched == null || hit.hasSource() == false) {
            return;
        }
        hit.sourceRef(client.fetchSource() ? filtered(hit.getSourceRef()) : null);
    }

    private BytesReference filtered(BytesReference source) throws IOException {
        if (client.includes().length == 0 && client.excludes().length == 0) {
            return source;
        }
        MediaType type = SourceFormat.of(source);
        Map<String, Object> all = XContentHelper.convertToMap(source, false, type).v2();
        try (XContentBuilder builder = MediaTypeRegistry.contentBuilder(type)) {
            return BytesReference.bytes(builder.value(client.getFilter().apply(all)));
        }
    }
}
