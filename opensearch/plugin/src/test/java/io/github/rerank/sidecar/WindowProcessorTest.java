package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.opensearch.OpenSearchException;
import org.opensearch.OpenSearchParseException;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.common.settings.Settings;
import org.opensearch.common.util.concurrent.ThreadContext;
import org.opensearch.common.xcontent.json.JsonXContent;
import org.opensearch.core.action.ActionListener;
import org.opensearch.core.index.Index;
import org.opensearch.core.xcontent.DeprecationHandler;
import org.opensearch.core.xcontent.NamedXContentRegistry;
import org.opensearch.core.xcontent.XContentParser;
import org.opensearch.index.IndexNotFoundException;
import org.opensearch.index.query.QueryBuilders;
import org.opensearch.indices.IndexClosedException;
import org.opensearch.indices.InvalidIndexNameException;
import org.opensearch.search.builder.SearchSourceBuilder;
import org.opensearch.search.pipeline.PipelineProcessingContext;

class WindowProcessorTest {
    private final ThreadContext threadContext = new ThreadContext(Settings.EMPTY);
    private IndexFacts facts = request -> new IndexFacts.Facts(true, 10_000, true);
    private SearchRequest handedOn;

    private static SearchSourceBuilder query() {
        return new SearchSourceBuilder().query(QueryBuilders.matchQuery("title", "red shoe"));
    }

    private Ticket process(SearchSourceBuilder source) {
        NodeServices node = new NodeServices(
            threadContext, Runnable::run, null, null, request -> facts.of(request), new InnerSearches(threadContext), null, null, null,
            new RerankStats());
        WindowSettings settings = new WindowSettings(50, Map.of("title", "name"), 100, 100);
        PipelineProcessingContext context = new PipelineProcessingContext();
        SearchRequest request = new SearchRequest(new String[] { "shop" }, source);
        new WindowProcessor(null, null, false, settings, node).processRequestAsync(request, context, ActionListener.wrap(r -> handedOn = r, e -> {
            throw new AssertionError(e);
        }));
        assertSame(request, handedOn);
        return Ticket.of(context);
    }

    private static Skip reason(Ticket ticket) {
        return assertInstanceOf(Ticket.Skipped.class, ticket).reason();
    }

    @Test
    void aPageBecomesAWindowAndTheClientsSourceStaysAsItWas() {
        SearchSourceBuilder client = query().from(20).size(10).fetchSource("sku", null);
        SearchSourceBuilder before = client.shallowCopy();
        Ticket.Widened ticket = assertInstanceOf(Ticket.Widened.class, process(client));
        assertEquals(before, client);
        assertEquals(0, handedOn.source().from());
        assertEquals(50, handedOn.source().size());
        assertArrayEquals(new String[] { "sku", "name" }, handedOn.source().fetchSource().includes());
        assertEquals(new Page(20, 10), ticket.page());
        assertEquals("red shoe", ticket.text());
        assertEquals(50, ticket.window());
    }

    @Test
    void aWindowIsEnlargedWhereTheRequestAsksForMoreAndTheIndexAllowsIt() throws IOException {
        assertFalse(assertInstanceOf(Ticket.Widened.class, process(query().ext(List.of(section("{\"window\":50}"))))).enlarged());
        assertTrue(assertInstanceOf(Ticket.Widened.class, process(query().ext(List.of(section("{\"window\":51}"))))).enlarged());
        facts = request -> new IndexFacts.Facts(true, 50, true);
        assertFalse(assertInstanceOf(Ticket.Widened.class, process(query().ext(List.of(section("{\"window\":51}"))))).enlarged());
    }

    @Test
    void aPageThatReachesBeyondTheWindowIsFetchedWhole() {
        process(query().from(45).size(10));
        assertEquals(55, handedOn.source().size());
    }

    @Test
    void aRequestThatIsLeftAloneKeepsItsVerySource() {
        SearchSourceBuilder client = query().sort("price");
        assertEquals(Skip.SORT, reason(process(client)));
        assertSame(client, handedOn.source());
    }

    @Test
    void theIndexLimitsTheWindow() {
        facts = request -> new IndexFacts.Facts(true, 30, true);
        assertEquals(30, assertInstanceOf(Ticket.Widened.class, process(query())).window());
        assertEquals(Skip.BEYOND_WINDOW, reason(process(query().from(30))));
    }

    @Test
    void anIndexWithoutSourceOrWithoutExistenceIsLeftAlone() {
        facts = request -> new IndexFacts.Facts(true, 10_000, false);
        assertEquals(Skip.SOURCE_DISABLED, reason(process(query())));
        namesThatAreRefusedWith(new IndexNotFoundException("shop"));
    }

    @Test
    void namesThatLeadToNoOpenIndexAreTheSearchsOwnMistakeAndNoDefect() {
        namesThatAreRefusedWith(new IndexClosedException(new Index("shop", "uuid")));
        namesThatAreRefusedWith(new InvalidIndexNameException("_shop", "must not start with '_'."));
        namesThatAreRefusedWith(new OpenSearchParseException("invalid dynamic name expression [bad]"));
    }

    private void namesThatAreRefusedWith(OpenSearchException refusal) {
        facts = request -> {
            throw refusal;
        };
        SearchSourceBuilder client = query();
        assertEquals(Skip.NO_INDEX, reason(process(client)));
        assertSame(client, handedOn.source());
    }

    @Test
    void aDefectLeavesTheSearchAsItIs() {
        facts = request -> {
            throw new IllegalStateException("defect");
        };
        SearchSourceBuilder client = query();
        assertEquals(Skip.INTERNAL, reason(process(client)));
        assertSame(client, handedOn.source());
    }

    @Test
    void headersAreHeard() {
        threadContext.putHeader("X-Rerank", "best");
        threadContext.putHeader("X-Rerank-User", " u-1 ");
        Ticket.Widened ticket = assertInstanceOf(Ticket.Widened.class, process(query()));
        assertEquals("best", ticket.profile());
        assertEquals("u-1", ticket.user());
    }

    @Test
    void theHeaderSwitchesOff() {
        threadContext.putHeader("X-Rerank", "Off");
        assertEquals(Skip.OFF, reason(process(query())));
    }

    @Test
    void aRequestsOwnSectionIsHeardAndGoesNoFurther() throws IOException {
        RequestOverrides section = section("{\"window\":7,\"profile\":\"fast\",\"query\":\"my words\",\"deadline_ms\":20}");
        Ticket.Widened ticket = assertInstanceOf(Ticket.Widened.class, process(query().ext(List.of(section))));
        assertEquals(7, ticket.window());
        assertEquals("fast", ticket.profile());
        assertEquals("my words", ticket.text());
        assertEquals(20, ticket.deadlineMs());
        assertNull(ticket.user());
        assertEquals(List.of(), handedOn.source().ext());
    }

    private static RequestOverrides section(String json) throws IOException {
        try (XContentParser parser = JsonXContent.jsonXContent.createParser(
            NamedXContentRegistry.EMPTY, DeprecationHandler.IGNORE_DEPRECATIONS, json)) {
            return RequestOverrides.parse(parser);
        }
    }
}
