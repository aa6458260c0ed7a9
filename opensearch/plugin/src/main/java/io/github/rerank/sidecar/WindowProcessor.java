package io.github.rerank.sidecar;

import java.io.IOException;
import java.util.Map;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.opensearch.OpenSearchException;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.core.action.ActionListener;
import org.opensearch.search.builder.SearchSourceBuilder;
import org.opensearch.search.pipeline.AbstractProcessor;
import org.opensearch.search.pipeline.PipelineProcessingContext;
import org.opensearch.search.pipeline.Processor;
import org.opensearch.search.pipeline.SearchRequestProcessor;

/**
 * {@code rerank_window}: takes the query text and widens the first pass to the window, or leaves the request exactly as it is.
 * The client's own source object is never changed: the request gets a widened copy.
 */
final class WindowProcessor extends AbstractProcessor implements SearchRequestProcessor {
    static final String TYPE = "rerank_window";
    private static final Logger logger = LogManager.getLogger(WindowProcessor.class);

    private final WindowSettings settings;
    private final NodeServices node;

    WindowProcessor(String tag, String description, boolean ignoreFailure, WindowSettings settings, NodeServices node) {
        super(tag, description, ignoreFailure);
        this.settings = settings;
        this.node = node;
    }

    @Override
    public String getType() {
        return TYPE;
    }

    @Override
    public SearchRequest processRequest(SearchRequest request) {
        throw new UnsupportedOperationException("needs the context of the pipeline");
    }

    @Override
    public void processRequestAsync(
        SearchRequest request,
        PipelineProcessingContext context,
        ActionListener<SearchRequest> listener
    ) {
        node.stats().searches.increment();
        ticketFor(request).keep(context);
        listener.onResponse(request);
    }

    private Ticket ticketFor(SearchRequest request) {
        try {
            Skip reason = Eligibility.check(request);
            if (reason == null && node.innerSearches().here()) {
                reason = Skip.INNER_SEARCH;
            }
            return reason == null ? widen(request) : new Ticket.Skipped(reason);
        } catch (IOException | RuntimeException e) {
            logger.warn("search left as it is: the window could not be prepared", e);
            return new Ticket.Skipped(Skip.INTERNAL);
        }
    }

    private Ticket widen(SearchRequest request) throws IOException {
        SearchSourceBuilder source = request.source();
        RequestOverrides asked = RequestOverrides.of(source);
        RequestHeaders headers = RequestHeaders.of(node.threadContext());
        if (headers.off() || Boolean.FALSE.equals(asked.enabled)) {
            return new Ticket.Skipped(Skip.OFF);
        }
        Page page = Page.of(source);
        int window = asked.window == null ? settings.window() : asked.window;
        if (page.from() >= window) {
            return new Ticket.Skipped(Skip.BEYOND_WINDOW);
        }
        String text = text(source, asked);
        if (text.isEmpty()) {
            return new Ticket.Skipped(Skip.NO_TEXT);
        }
        return withinLimits(request, page, window, text, asked, headers);
    }

    private String text(SearchSourceBuilder source, RequestOverrides asked) throws IOException {
        return asked.query == null
            ? QueryText.of(source.query(), settings.maxQueryChars())
            : Texts.cut(asked.query, settings.maxQueryChars());
    }

    private Ticket withinLimits(
        SearchRequest request,
        Page page,
        int askedWindow,
        String text,
        RequestOverrides asked,
        RequestHeaders headers
    ) {
        IndexFacts.Facts facts = facts(request);
        if (facts.known() == false) {
            return new Ticket.Skipped(Skip.NO_INDEX);
        }
        if (facts.source() == false) {
            return new Ticket.Skipped(Skip.SOURCE_DISABLED);
        }
        int window = Math.min(askedWindow, facts.maxResultWindow());
        if (page.from() >= window) {
            return new Ticket.Skipped(Skip.BEYOND_WINDOW);
        }
        SourceView view = SourceView.of(request.source(), settings.fields().values());
        boolean profiled = request.source().profile();
        request.source(widened(request.source(), page.reach(window), view));
        return new Ticket.Widened(
            text,
            page,
            window,
            window > settings.window(),
            view,
            settings.fields(),
            settings.maxFieldChars(),
            asked.profile == null ? headers.profile() : asked.profile,
            asked.deadlineMs,
            asked.user == null ? headers.user() : asked.user,
            profiled
        );
    }

    /** Names that lead to no open index (missing, closed, malformed) are the search's own mistake, which it tells its client itself. */
    private IndexFacts.Facts facts(SearchRequest request) {
        try {
            return node.indexFacts().of(request);
        } catch (OpenSearchException e) {
            return IndexFacts.Facts.UNKNOWN;
        }
    }

    /** Our own section goes no further: a shard on a node that is still without the plugin could not read it. */
    private static SearchSourceBuilder widened(SearchSourceBuilder client, int reach, SourceView view) {
        SearchSourceBuilder wide = client.shallowCopy().from(0).size(reach);
        wide.ext(client.ext().stream().filter(ext -> ext instanceof RequestOverrides == false).toList());
        return view.fetched() == null ? wide : wide.fetchSource(view.fetched());
    }

    /** Reads the settings when a pipeline is put and when a node takes it over. */
    record Factory(NodeServices node) implements Processor.Factory<SearchRequestProcessor> {
        @Override
        public SearchRequestProcessor create(
            Map<String, Processor.Factory<SearchRequestProcessor>> factories,
            String tag,
            String description,
            boolean ignoreFailure,
            Map<String, Object> config,
            Processor.PipelineContext pipelineContext
        ) {
            WindowSettings settings = WindowSettings.read(new Config(TYPE, tag, config));
            return new WindowProcessor(tag, description, ignoreFailure, settings, node);
        }
    }
}
