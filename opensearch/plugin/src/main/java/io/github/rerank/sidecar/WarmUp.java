package io.github.rerank.sidecar;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.opensearch.core.common.bytes.BytesArray;
import org.opensearch.core.common.bytes.BytesReference;
import org.opensearch.search.SearchHit;
import org.opensearch.search.builder.SearchSourceBuilder;

/**
 * The first search after a node's start would miss its deadline: loading classes, looking the sidecar's name up and opening a
 * connection take longer than all later searches. So this is done when a stored pipeline names a sidecar that the node does
 * not know yet. Nothing depends on how it ends.
 */
final class WarmUp {
    static final String PATH = "../live";
    private static final Logger logger = LogManager.getLogger(WarmUp.class);
    private static final int HITS = 100;
    /** The virtual machine compiles a method after some hundred calls; a round reads that many hits. */
    private static final int ROUNDS = 5;
    private static final int GREETING_MS = 5_000;

    private WarmUp() {}

    static void of(Endpoint endpoint, SidecarCall.Timer timer) {
        try {
            greet(endpoint, timer);
            for (int round = 0; round < ROUNDS; round++) {
                rehearse();
            }
        } catch (IOException | SidecarException | RuntimeException e) {
            logger.debug("sidecar {} was not warmed up: {}", endpoint.uri(), e.toString());
        }
    }

    /** Its liveness asks nothing of the models. */
    private static void greet(Endpoint endpoint, SidecarCall.Timer timer) {
        CompletableFuture<Reply> greeting = endpoint.transport().get(endpoint.uri().resolve(PATH));
        timer.after(GREETING_MS, () -> greeting.cancel(true));
    }

    /** All that a search does by itself: question, answer, order. */
    private static void rehearse() throws IOException, SidecarException {
        SearchHit[] hits = new SearchHit[HITS];
        Arrays.setAll(hits, WarmUp::hit);
        Map<SearchHit, BytesReference> sources = Arrays.stream(hits).collect(Collectors.toMap(hit -> hit, SearchHit::getSourceRef));
        HitsRequest.of(ticket(), null, Window.of(hits, HITS), sources).body(1);
        byte[] answer = ("{\"scores\":" + Arrays.toString(new float[HITS]) + "}").getBytes(StandardCharsets.US_ASCII);
        Ranking.of(HitsAnswer.of(new Reply(200, answer), HITS).scores(), new float[HITS], 0);
    }

    private static SearchHit hit(int number) {
        SearchHit hit = new SearchHit(number, Integer.toString(number), Map.of(), Map.of());
        hit.score(number);
        return hit.sourceRef(new BytesArray("{\"title\":\"warm-up\"}"));
    }

    private static Ticket.Widened ticket() {
        SourceView source = SourceView.of(new SearchSourceBuilder(), List.of("title"));
        return new Ticket.Widened("warm-up", new Page(0, 10), HITS, false, source, Map.of("title", "title"), 100, null, null, null, false);
    }
}
