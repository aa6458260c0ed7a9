package io.github.rerank.sidecar;

import java.util.concurrent.Executor;
import java.util.function.LongSupplier;
import org.opensearch.cluster.metadata.IndexNameExpressionResolver;
import org.opensearch.cluster.service.ClusterService;
import org.opensearch.common.unit.TimeValue;
import org.opensearch.common.util.concurrent.ThreadContext;
import org.opensearch.threadpool.Scheduler;
import org.opensearch.threadpool.ThreadPool;

/** What lives once per node and is shared by all processors of all pipelines. */
record NodeServices(
    ThreadContext threadContext,
    Executor executor,
    SidecarCall.Timer timer,
    LongSupplier clock,
    IndexFacts indexFacts,
    InnerSearches innerSearches,
    Sidecars sidecars,
    NeighbourSearch.Searcher searcher,
    SparseWarnings warnings,
    RerankStats stats
) {
    /** Pages are finished here: not on the HTTP client's threads, and not among searches that wait for a queue. */
    static final String EXECUTOR = "rerank_sidecar";
    /** Deadlines have threads of their own: they may not queue behind the questions and answers of a busy node. */
    static final String DEADLINES = "rerank_deadline";

    static NodeServices of(
        ThreadPool threadPool,
        ClusterService clusterService,
        IndexNameExpressionResolver resolver,
        SidecarToken token,
        NeighbourSearch.Searcher searcher
    ) {
        Executor executor = threadPool.executor(EXECUTOR);
        SidecarCall.Timer timer = (ms, task) -> schedule(threadPool, ms, task);
        return new NodeServices(
            threadPool.getThreadContext(),
            executor,
            timer,
            System::nanoTime,
            new ClusterIndexFacts(clusterService, resolver),
            new InnerSearches(threadPool.getThreadContext()),
            new Sidecars(ms -> new HttpTransport(ms, token), endpoint -> executor.execute(() -> WarmUp.of(endpoint, timer))),
            searcher,
            new SparseWarnings(System::nanoTime),
            new RerankStats()
        );
    }

    SidecarCall.Tools callTools() {
        return new SidecarCall.Tools(executor, timer, clock, stats);
    }

    private static Runnable schedule(ThreadPool threadPool, long ms, Runnable task) {
        Scheduler.ScheduledCancellable scheduled = threadPool.schedule(task, TimeValue.timeValueMillis(ms), DEADLINES);
        return scheduled::cancel;
    }
}
