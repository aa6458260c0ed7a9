package io.github.rerank.sidecar;

/**
 * Setting {@code neighbours} of {@code sidecar_rerank}: documents near the query in meaning join the window.
 *
 * @param field the index's {@code knn_vector} field, filled by the same embedder
 * @param k how many documents the vector search brings at most
 * @param minScore those that score lower in it are left out
 * @param embedder profile of the sidecar that makes the query's vector, null for its default
 */
record NeighbourSettings(String field, int k, double minScore, String embedder) {
    private static final int MAX_FIELD_CHARS = 1_000;

    /** Null where the pipeline has no such setting. */
    static NeighbourSettings read(Config config) {
        Config own = config.part("neighbours");
        if (own == null) {
            return null;
        }
        String field = own.text("field", MAX_FIELD_CHARS);
        if (field == null) {
            throw own.complaint("field", "required property is missing");
        }
        int k = own.integer("k", 50, 1, WindowSettings.MAX_WINDOW);
        double minScore = own.fraction("min_score", 0);
        String embedder = own.text("embedder", CallSettings.MAX_PROFILE_CHARS);
        own.end();
        return new NeighbourSettings(field, k, minScore, embedder);
    }
}
