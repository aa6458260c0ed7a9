package io.github.rerank.sidecar;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.opensearch.action.ActionRequest;
import org.opensearch.action.support.ActionFilter;
import org.opensearch.cluster.metadata.IndexNameExpressionResolver;
import org.opensearch.cluster.node.DiscoveryNodes;
import org.opensearch.cluster.service.ClusterService;
import org.opensearch.common.settings.ClusterSettings;
import org.opensearch.common.settings.IndexScopedSettings;
import org.opensearch.common.settings.Setting;
import org.opensearch.common.settings.Settings;
import org.opensearch.common.settings.SettingsFilter;
import org.opensearch.common.unit.TimeValue;
import org.opensearch.common.util.concurrent.OpenSearchExecutors;
import org.opensearch.core.action.ActionResponse;
import org.opensearch.core.common.io.stream.NamedWriteableRegistry;
import org.opensearch.core.xcontent.NamedXContentRegistry;
import org.opensearch.env.Environment;
import org.opensearch.env.NodeEnvironment;
import org.opensearch.plugins.ActionPlugin;
import org.opensearch.plugins.Plugin;
import org.opensearch.plugins.ReloadablePlugin;
import org.opensearch.plugins.SearchPipelinePlugin;
import org.opensearch.plugins.SearchPlugin;
import org.opensearch.repositories.RepositoriesService;
import org.opensearch.rest.RestController;
import org.opensearch.rest.RestHandler;
import org.opensearch.rest.RestHeaderDefinition;
import org.opensearch.script.ScriptService;
import org.opensearch.search.pipeline.Processor;
import org.opensearch.search.pipeline.SearchRequestProcessor;
import org.opensearch.search.pipeline.SearchResponseProcessor;
import org.opensearch.threadpool.ExecutorBuilder;
import org.opensearch.threadpool.ScalingExecutorBuilder;
import org.opensearch.threadpool.ThreadPool;
import org.opensearch.transport.client.Client;
import org.opensearch.watcher.ResourceWatcherService;

/**
 * The plugin's one entry: {@code rerank_window} widens a search, {@code sidecar_rerank} re-ranks it and cuts it to the client's
 * page, and {@code GET /_plugins/_rerank/stats} tells how that goes.
 */
public final class RerankPlugin extends Plugin implements SearchPipelinePlugin, SearchPlugin, ActionPlugin, ReloadablePlugin {
    private final SidecarToken token;
    private NodeServices node;

    public RerankPlugin(Settings settings) {
        token = new SidecarToken(settings);
    }

    @Override
    public Collection<Object> createComponents(
        Client client,
        ClusterService clusterService,
        ThreadPool threadPool,
        ResourceWatcherService resourceWatcherService,
        ScriptService scriptService,
        NamedXContentRegistry xContentRegistry,
        Environment environment,
        NodeEnvironment nodeEnvironment,
        NamedWriteableRegistry namedWriteableRegistry,
        IndexNameExpressionResolver resolver,
        Supplier<RepositoriesService> repositoriesService
    ) {
        node = NodeServices.of(threadPool, clusterService, resolver, token, client::search);
        clusterService.addListener(new StoredPipelines(node.sidecars()));
        return List.of(new NodeServicesHolder(node));
    }

    @Override
    public List<ExecutorBuilder<?>> getExecutorBuilders(Settings settings) {
        int threads = Math.max(4, 2 * OpenSearchExecutors.allocatedProcessors(settings));
        TimeValue keepAlive = TimeValue.timeValueMinutes(5);
        return List.of(
            new ScalingExecutorBuilder(NodeServices.EXECUTOR, 1, threads, keepAlive),
            new ScalingExecutorBuilder(NodeServices.DEADLINES, 1, threads, keepAlive)
        );
    }

    @Override
    public Map<String, Processor.Factory<SearchRequestProcessor>> getRequestProcessors(Parameters parameters) {
        return Map.of(WindowProcessor.TYPE, new WindowProcessor.Factory(node));
    }

    @Override
    public Map<String, Processor.Factory<SearchResponseProcessor>> getResponseProcessors(Parameters parameters) {
        return Map.of(RerankProcessor.TYPE, new RerankProcessor.Factory(node));
    }

    @Override
    public List<SearchExtSpec<?>> getSearchExts() {
        return List.of(
            new SearchExtSpec<>(RequestOverrides.NAME, RequestOverrides::new, RequestOverrides::parse),
            new SearchExtSpec<>(RerankAnnotation.NAME, RerankAnnotation::new, RerankAnnotation::parse)
        );
    }

    @Override
    public List<Setting<?>> getSettings() {
        return List.of(SidecarToken.SETTING);
    }

    @Override
    public void reload(Settings settings) {
        token.reload(settings);
    }

    @Override
    public Collection<RestHeaderDefinition> getRestHeaders() {
        return RequestHeaders.definitions();
    }

    @Override
    public List<ActionFilter> getActionFilters() {
        return List.of(new PipelinePairFilter(), node.innerSearches());
    }

    @Override
    public List<ActionHandler<? extends ActionRequest, ? extends ActionResponse>> getActions() {
        return List.of(new ActionHandler<>(StatsAction.TYPE, StatsAction.class));
    }

    @Override
    public List<RestHandler> getRestHandlers(
        Settings settings,
        RestController restController,
        ClusterSettings clusterSettings,
        IndexScopedSettings indexScopedSettings,
        SettingsFilter settingsFilter,
        IndexNameExpressionResolver resolver,
        Supplier<DiscoveryNodes> nodesInCluster
    ) {
        return List.of(new RestStatsAction());
    }

    @Override
    public void close() {
        if (node != null) {
            node.sidecars().close();
        }
    }
}
