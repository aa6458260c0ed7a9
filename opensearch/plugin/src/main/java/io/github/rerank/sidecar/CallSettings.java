package io.github.rerank.sidecar;

import java.net.URI;
import java.net.URISyntaxException;
import java.util.List;
import java.util.Locale;

/**
 * Settings of {@code sidecar_rerank}.
 *
 * @param urls the sidecars' base addresses, {@code /v1/hits} already appended
 * @param profile the sidecar's model profile, null for its default
 * @param deadlineMs total time from the end of the first pass to the finished page
 * @param connectTimeoutMs how long a new connection to one url may take
 * @param maxInFlight calls under way at one url from one node
 * @param failures consecutive failures after which a url is left alone
 * @param openMs for how long it is left alone
 * @param blend weight of the normalised first-pass score, 0 to 1
 * @param annotate whether responses carry an {@code ext.rerank} section
 * @param neighbours how documents near the query in meaning join the window, null where they do not
 */
record CallSettings(
    List<URI> urls,
    String profile,
    int deadlineMs,
    int connectTimeoutMs,
    int maxInFlight,
    int failures,
    int openMs,
    double blend,
    boolean annotate,
    NeighbourSettings neighbours
) {
    static final String DEADLINE_MS = "deadline_ms";
    static final String PROFILE = "profile";
    static final String URL = "url";
    static final int MAX_DEADLINE_MS = 60_000;
    static final int MAX_PROFILE_CHARS = 128;
    private static final int MAX_PORT = 65_535;
    private static final String PATH = "/v1/hits";

    static CallSettings read(Config config) {
        return new CallSettings(
            config.texts(URL).stream().map(url -> address(config, url)).distinct().toList(),
            config.text(PROFILE, MAX_PROFILE_CHARS),
            config.integer(DEADLINE_MS, 200, 1, MAX_DEADLINE_MS),
            config.integer("connect_timeout_ms", 100, 1, 10_000),
            config.integer("max_in_flight", 64, 1, 10_000),
            config.integer("failures", 5, 1, 1_000),
            config.integer("open_ms", 5_000, 1, 600_000),
            config.fraction("blend", 0),
            config.flag("annotate", false),
            NeighbourSettings.read(config)
        );
    }

    private static URI address(Config config, String url) {
        URI uri = parse(config, url);
        String scheme = uri.getScheme() == null ? "" : uri.getScheme().toLowerCase(Locale.ROOT);
        if (scheme.equals("http") == false && scheme.equals("https") == false) {
            throw config.complaint(URL, "must begin with http:// or https://, got [" + url + "]");
        }
        if (uri.getHost() == null && uri.getAuthority() != null && uri.getAuthority().contains("_")) {
            String remedy = "give the service a name or a network alias with a hyphen";
            throw config.complaint(URL, "must hold no underscore in its host name (" + remedy + "), got [" + url + "]");
        }
        if (uri.getHost() == null || uri.getUserInfo() != null || uri.getQuery() != null || uri.getFragment() != null) {
            throw config.complaint(URL, "must be scheme, host, optional port and path only, got [" + url + "]");
        }
        if (uri.getPort() == 0 || uri.getPort() > MAX_PORT) {
            throw config.complaint(URL, "must have a port from 1 to " + MAX_PORT + ", got [" + url + "]");
        }
        String path = uri.getRawPath().replaceAll("/+$", "");
        return uri.resolve(path.endsWith(PATH) ? path : path + PATH);
    }

    private static URI parse(Config config, String url) {
        try {
            return new URI(url);
        } catch (URISyntaxException e) {
            throw config.complaint(URL, "is not a url: " + e.getMessage());
        }
    }
}
