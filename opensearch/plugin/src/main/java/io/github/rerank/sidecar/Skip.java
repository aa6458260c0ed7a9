package io.github.rerank.sidecar;

import java.util.Locale;

/** Why a search was left untouched: nothing was widened, and nothing was sent. */
enum Skip {
    OFF,
    INNER_SEARCH,
    CROSS_CLUSTER,
    SCROLL,
    POINT_IN_TIME,
    SEARCH_AFTER,
    SLICE,
    SIZE_0,
    SORT,
    COLLAPSE,
    RESCORE,
    TERMINATE_AFTER,
    STORED_FIELDS_NONE,
    SCRIPT_FIELDS,
    BEYOND_WINDOW,
    NO_TEXT,
    NO_INDEX,
    SOURCE_DISABLED,
    NO_WINDOW,
    NO_HITS,
    NO_FIELDS,
    INTERNAL;

    String code() {
        return name().toLowerCase(Locale.ROOT);
    }
}
