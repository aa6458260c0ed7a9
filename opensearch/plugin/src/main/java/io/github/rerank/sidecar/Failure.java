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

    /** Whether it speaks against the sidecar's health: a request that the sidecar refuses as malformed does not. */
    boolean blamesSidecar() {
        return this != BUSY && this != CIRCUIT_OPEN && this != REJECTED && this != OVERLOADED && this != INTERNAL;
    }

    /**
     * Whether it speaks for the sidecar's health. One that sends away what it cannot do in time does the rest: leaving it alone
     * would turn ten times the traffic that it can carry into hardly any that it does.
     */
    boolean provesSidecarAlive() {
        return this == OVERLOADED;
    }
}
