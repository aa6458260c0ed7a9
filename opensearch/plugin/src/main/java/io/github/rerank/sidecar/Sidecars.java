package io.github.rerank.sidecar;

import java.net.URI;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.IntFunction;

/**
 * The sidecars that this node's stored pipelines name. Their state outlives a pipeline's update. A pipeline written into a
 * search body finds its sidecars here and adds none, or every reader could make the node post to any address.
 */
final class Sidecars implements AutoCloseable {
    private record Key(URI uri, int connectTimeoutMs) {}

    private final IntFunction<Transport> transportFor;
    private final Consumer<Endpoint> newcomer;
    private final Map<Key, Endpoint> endpoints = new ConcurrentHashMap<>();
    private final Map<Integer, Transport> transports = new ConcurrentHashMap<>();
    private final AtomicInteger turn = new AtomicInteger();

    /**
     * @param transportFor makes the transport for a connect timeout in milliseconds
     * @param newcomer is told of each sidecar that a stored pipeline names for the first time
     */
    Sidecars(IntFunction<Transport> transportFor, Consumer<Endpoint> newcomer) {
        this.transportFor = transportFor;
        this.newcomer = newcomer;
    }

    List<Endpoint> open(CallSettings settings) {
        return settings.urls().stream().map(uri -> endpoints.computeIfAbsent(key(uri, settings), this::endpoint)).toList();
    }

    /** The sidecars of the settings as far as a stored pipeline has named them with the same connect timeout. */
    List<Endpoint> known(CallSettings settings) {
        List<Endpoint> known = new ArrayList<>();
        for (URI uri : settings.urls()) {
            Endpoint endpoint = endpoints.get(key(uri, settings));
            if (endpoint != null) {
                known.add(endpoint);
            }
        }
        return known;
    }

    /** Forgets all others: nobody asks a sidecar that no stored pipeline names, so an open circuit of it would never close. */
    void keepOnly(Collection<CallSettings> stored) {
        Set<Key> named = new HashSet<>();
        stored.forEach(settings -> settings.urls().forEach(uri -> named.add(key(uri, settings))));
        endpoints.keySet().retainAll(named);
    }

    Collection<Endpoint> all() {
        return List.copyOf(endpoints.values());
    }

    /** The sidecars in the order in which the next call is to try them: each call begins with another one. */
    List<Endpoint> inTurn(List<Endpoint> sidecars) {
        int first = Math.floorMod(turn.getAndIncrement(), sidecars.size());
        List<Endpoint> order = new ArrayList<>(sidecars.subList(first, sidecars.size()));
        order.addAll(sidecars.subList(0, first));
        return order;
    }

    @Override
    public void close() {
        transports.values().forEach(Transport::close);
    }

    private static Key key(URI uri, CallSettings settings) {
        return new Key(uri, settings.connectTimeoutMs());
    }

    private Endpoint endpoint(Key key) {
        Endpoint endpoint = new Endpoint(key.uri(), transports.computeIfAbsent(key.connectTimeoutMs(), transportFor::apply));
        newcomer.accept(endpoint);
        return endpoint;
    }
}
