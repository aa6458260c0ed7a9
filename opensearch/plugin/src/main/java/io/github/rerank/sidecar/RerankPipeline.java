package io.github.rerank.sidecar;

import java.util.List;
import java.util.Objects;

/**
 * The sidecars of one pipeline, and the terms on which a search may ask them.
 *
 * @param stored whether the pipeline is the cluster's, and not a search's own
 */
record RerankPipeline(CallSettings settings, boolean stored, List<Endpoint> sidecars) {

    String profile(Ticket.Widened ticket) {
        return ticket.profile() == null ? settings.profile() : ticket.profile();
    }

    int deadlineMs(Ticket.Widened ticket) {
        return ticket.deadlineMs() == null ? settings.deadlineMs() : ticket.deadlineMs();
    }

    SidecarCall.Limits limits(Ticket.Widened ticket, long deadlineNanos) {
        return limits(blame(ticket), deadlineNanos);
    }

    /** For a question beside the one that judges: a sidecar that is quick to answer it may still be too slow at judging. */
    SidecarCall.Limits unheard(long deadlineNanos) {
        return limits(SidecarCall.Blame.UNHEARD, deadlineNanos);
    }

    private SidecarCall.Limits limits(SidecarCall.Blame blame, long deadlineNanos) {
        return new SidecarCall.Limits(deadlineNanos, blame, settings.maxInFlight(), settings.failures(), settings.openMs());
    }

    private SidecarCall.Blame blame(Ticket.Widened ticket) {
        if (stored == false) {
            return SidecarCall.Blame.NONE;
        }
        boolean ownProfile = Objects.equals(profile(ticket), settings.profile()) == false;
        boolean asksForMore = deadlineMs(ticket) < settings.deadlineMs() || ticket.enlarged() || ownProfile;
        return asksForMore ? SidecarCall.Blame.NOT_SLOWNESS : SidecarCall.Blame.ALL;
    }
}
