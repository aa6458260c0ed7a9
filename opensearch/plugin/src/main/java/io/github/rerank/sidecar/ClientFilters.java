package io.github.rerank.sidecar;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
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
 * if it meets all of it, so a query that is not wholly understood gets none: one text clause, anywhere in what is scored, and
 * around it filters, {@code must_not} and clauses without text.
 */
final class ClientFilters {
    private static final Set<String> WORDS = Set.of(
        "match", "match_phrase", "match_phrase_prefix", "match_bool_prefix", "multi_match", "combined_fields");
    /** Searches by vector of the client's own; as a demand they would be none. */
    private static final Set<String> VECTORS = Set.of("knn", "neural", "neural_sparse", "hybrid");

    private final BoolQueryBuilder found = new BoolQueryBuilder();

    private ClientFilters() {}

    /** The demands as one query without scores, which may be without clauses; empty where they are not understood. */
    static Optional<BoolQueryBuilder> of(SearchSourceBuilder source) throws IOException {
        ClientFilters filters = new ClientFilters();
        boolean otherLimits = source.minScore() != null || hasDerivedFields(source);
        if (otherLimits || filters.read(source.query()) == false) {
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
            case QueryStringQueryBuilder syntax -> isPlain(syntax.queryString(), QuerySyntax.ofQueryString(syntax.queryString()));
            case SimpleQueryStringBuilder syntax -> isPlain(syntax.value(), QuerySyntax.ofSimple(syntax.value()));
            default -> WORDS.contains(query.getName()) || query.getName().equals("match_all");
        };
    }

    /** A text with signs may exclude words or name fields. */
    private static boolean isPlain(String text, String wished) {
        return text.strip().replaceAll("\\s+", " ").equals(wished.strip().replaceAll("\\s+", " "));
    }

    private boolean readBool(BoolQueryBuilder bool) throws IOException {
        bool.filter().forEach(found::filter);
        bool.mustNot().forEach(found::mustNot);
        QueryBuilder words = null;
        for (QueryBuilder must : bool.must()) {
            if (VECTORS.contains(must.getName()) || isWorded(must) && words != null) {
                return false;
            }
            if (isWorded(must)) {
                words = must;
            } else {
                found.filter(must);
            }
        }
        return words == null ? alternatives(bool.should()) && wordsAlone(bool) : read(words) && optional(bool);
    }

    /** Where the words are among the alternatives, a number of these that has to match is a demand unless all are words. */
    private static boolean wordsAlone(BoolQueryBuilder bool) throws IOException {
        if (bool.minimumShouldMatch() == null) {
            return true;
        }
        for (QueryBuilder should : bool.should()) {
            if (isWorded(should) == false) {
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
        return QueryText.of(query, 1).isEmpty() == false;
    }
}
