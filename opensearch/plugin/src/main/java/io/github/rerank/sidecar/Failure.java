package io.github.rerank.sidecar;

import java.util.Locale;

/** Why a search that should have been re-ranked shows its first-pass page. */
enum Failure {
    BUSY,
    CIRCUIT_OPEN,
    UNREACHABLE,
    DEADLINE,
    OVERLOADED,
    UNAVAILABLE,
    REJECTED,
    SIDECAR_ERROR,
    GARBAGE,
    WRONG_COUNT,
    NOT_FINITE,
    INTERNAL;

    String code() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Whether it speaks of the sidecar's health: a request that the sidecar refuses as malformed does not. */
    boolean blamesSidecar() {
        return this != BUSY && this != CIRCUIT_OPEN && this != REJECTED && this != INTERNAL;
    }
}
