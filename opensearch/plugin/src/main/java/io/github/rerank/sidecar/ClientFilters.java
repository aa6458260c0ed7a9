package io.github.rerank.sidecar;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.opensearch.index.query.BoolQueryBuilder;
import org.opensearch.index.query.BoostingQueryBuilder;
import org.opensearch.index.query.ConstantScoreQueryBuilder;
import org.opensearch.index.query.DisMaxQueryBuilder;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.index.query.QueryStringQueryBuilder;
import org.opensearch.index.query.SimpleQueryStringBuilder;
import org.opensearch.index.query.functionscore.FunctionScoreQueryBuilder;
import org.opensearch.index.query.functionscore.ScriptScoreQueryBuilder;
import org.opensearch.search.builder.SearchSourceBuilder;

/**
 * What a search demands of its hits besides the reader's words. A document that the words did not find may only join the window
 * if it meets all of it, so a query that is not wholly understood gets none: one required text, anywhere in what is scored, and
 * around it filters, {@code must_not} and clauses without text.
 */
final class ClientFilters {
    private static final Set<String> WORDS = Set.of(
        "match", "match_phrase", "match_phrase_prefix", "match_bool_prefix", "multi_match", "combined_fields");
    /** Searches by vector of the client's own; as a demand they would be none. */
    private static final Set<String> VECTORS = Set.of("knn", "neural", "neural_sparse", "hybrid");

    /** Signs that {@link QuerySyntax} reads as a part of a word, as people write them, but the parsers as signs. */
    private static final Pattern INNER_SIGNS = Pattern.compile("!\\S|[:<>]");
    private static final Pattern SIMPLE_INNER_SIGNS = Pattern.compile("\\+|(?:^|\\s)--");

    private final BoolQueryBuilder found = new BoolQueryBuilder();

    private ClientFilters() {}

    /** The demands as one query without scores, which may be without clauses; empty where they are not understood. */
    static Optional<BoolQueryBuilder> of(SearchSourceBuilder source) throws IOException {
        ClientFilters filters = new ClientFilters();
        boolean otherLimits = source.minScore() != null || hasDerivedFields(source);
        if (otherLimits || filters.readWhole(source.query()) == false) {
            return Optional.empty();
        }
        if (source.postFilter() != null) {
            filters.found.filter(source.postFilter());
        }
        return Optional.of(filters.found);
    }

    private static boolean hasDerivedFields(SearchSourceBuilder source) {
        Map<String, Object> inMapping = source.getDerivedFieldsObject();
        return inMapping != null && inMapping.isEmpty() == false
            || source.getDerivedFields() != null && source.getDerivedFields().isEmpty() == false;
    }

    /** Without text, where the request brings the words itself, the query is a demand as a whole: its alternatives, too. */
    private boolean readWhole(QueryBuilder query) throws IOException {
        if (query == null || query.getName().equals("match_all") || isWorded(query)) {
            return read(query);
        }
        if (VECTORS.contains(query.getName()) || query instanceof BoolQueryBuilder bool && hasVector(bool)) {
            return false;
        }
        found.filter(query);
        return true;
    }

    private static boolean hasVector(BoolQueryBuilder bool) {
        return bool.must().stream().anyMatch(must -> VECTORS.contains(must.getName()));
    }

    /** Takes the demands of a clause that holds the words; false where it is not understood. */
    private boolean read(QueryBuilder query) throws IOException {
        return switch (query) {
            case null -> true;
            case BoolQueryBuilder bool -> readBool(bool);
            case ConstantScoreQueryBuilder constant -> read(constant.innerQuery());
            case BoostingQueryBuilder boosting -> read(boosting.positiveQuery());
            case FunctionScoreQueryBuilder function -> function.getMinScore() == null && read(function.query());
            case ScriptScoreQueryBuilder script -> script.getMinScore() == null && read(script.query());
            case DisMaxQueryBuilder disMax -> alternatives(disMax.innerQueries());
            case QueryStringQueryBuilder words -> isPlain(words.queryString(), QuerySyntax.ofQueryString(words.queryString()), INNER_SIGNS);
            case SimpleQueryStringBuilder words -> isPlain(words.value(), QuerySyntax.ofSimple(words.value()), SIMPLE_INNER_SIGNS);
            default -> WORDS.contains(query.getName()) || query.getName().equals("match_all");
        };
    }

    /** A text with signs may exclude words or name fields. */
    private static boolean isPlain(String text, String wished, Pattern innerSigns) {
        return innerSigns.matcher(text).find() == false
            && text.strip().replaceAll("\\s+", " ").equals(wished.strip().replaceAll("\\s+", " "));
    }

    private boolean readBool(BoolQueryBuilder bool) throws IOException {
        if (hasVector(bool)) {
            return false;
        }
        bool.filter().forEach(found::filter);
        bool.mustNot().forEach(found::mustNot);
        QueryBuilder words = null;
        for (QueryBuilder must : bool.must()) {
            if (isWorded(must) && words != null) {
                return false;
            }
            if (isWorded(must)) {
                words = must;
            } else {
                found.filter(must);
            }
        }
        return words == null
            ? alternatives(bool.should()) && wordsAlone(bool)
            : read(words) && sameWords(words, bool.should()) && optional(bool);
    }

    /** Where the words are among the alternatives, a number of these that has to match is a demand unless all are words. */
    private static boolean wordsAlone(BoolQueryBuilder bool) throws IOException {
        if (bool.minimumShouldMatch() == null || bool.should().isEmpty()) {
            return true;
        }
        for (QueryBuilder should : bool.should()) {
            if (isWorded(should) == false) {
                return false;
            }
        }
        return bool.minimumShouldMatch().equals("1") || sameWords(bool.should().get(0), bool.should());
    }

    /** Beside another text a required one may be a demand, such as a brand or {@code "true"}: no clause says which the reader typed. */
    private static boolean sameWords(QueryBuilder required, List<QueryBuilder> others) throws IOException {
        String words = QueryText.of(required, Integer.MAX_VALUE);
        for (QueryBuilder other : others) {
            if (isWorded(other) && QueryText.of(other, Integer.MAX_VALUE).equalsIgnoreCase(words) == false) {
                return false;
            }
        }
        return true;
    }

    /** Beside required words alternatives only add to the score, unless a number of them has to match. */
    private boolean optional(BoolQueryBuilder bool) throws IOException {
        if (bool.minimumShouldMatch() == null || bool.should().isEmpty()) {
            return true;
        }
        BoolQueryBuilder some = new BoolQueryBuilder().minimumShouldMatch(bool.minimumShouldMatch());
        for (QueryBuilder should : bool.should()) {
            if (isWorded(should)) {
                return false;
            }
            some.should(should);
        }
        found.filter(some);
        return true;
    }

    /** Alternatives demand nothing of a document as long as those with words demand nothing else. */
    private static boolean alternatives(List<QueryBuilder> queries) throws IOException {
        for (QueryBuilder query : queries) {
            ClientFilters own = new ClientFilters();
            if (isWorded(query) && (own.read(query) == false || own.found.hasClauses())) {
                return false;
            }
        }
        return true;
    }

    private static boolean isWorded(QueryBuilder query) throws IOException {
        // Of one character nothing is left where it is half a surrogate pair.
        return QueryText.of(query, 2).isEmpty() == false;
    }
}
