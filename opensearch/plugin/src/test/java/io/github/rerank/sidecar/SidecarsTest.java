package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.net.URI;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class SidecarsTest {
    private final List<Endpoint> newcomers = new ArrayList<>();
    private final Sidecars sidecars = new Sidecars(ms -> null, newcomers::add);

    private static CallSettings settings(int connectTimeoutMs, String... urls) {
        List<URI> uris = Arrays.stream(urls).map(URI::create).toList();
        return new CallSettings(uris, null, 200, connectTimeoutMs, 1, 1, 1, 0, false, null);
    }

    @Test
    void pipelinesThatNameTheSameUrlShareItsState() {
        assertSame(sidecars.open(settings(5, "http://a")).get(0), sidecars.open(settings(5, "http://b", "http://a")).get(1));
    }

    @Test
    void onlyWhatAStoredPipelineNamedIsKnown() {
        sidecars.open(settings(5, "http://a"));
        assertEquals(1, sidecars.known(settings(5, "http://a", "http://elsewhere")).size());
        assertEquals(0, sidecars.known(settings(6, "http://a")).size());
        assertEquals(1, sidecars.all().size());
    }

    @Test
    void whatNoPipelineNamesAnyMoreIsForgotten() {
        Endpoint kept = sidecars.open(settings(5, "http://a", "http://b")).get(0);
        sidecars.open(settings(6, "http://a"));
        sidecars.keepOnly(List.of(settings(5, "http://a"), settings(7, "http://c")));
        assertEquals(List.of(kept), List.copyOf(sidecars.all()));
    }

    @Test
    void aNewcomerIsAnnouncedOnce() {
        List<Endpoint> opened = sidecars.open(settings(5, "http://a", "http://b"));
        sidecars.open(settings(5, "http://b", "http://a"));
        assertEquals(opened, newcomers);
    }

    @Test
    void eachCallBeginsWithAnotherSidecar() {
        List<Endpoint> all = sidecars.open(settings(5, "http://a", "http://b", "http://c"));
        for (int first : List.of(0, 1, 2, 0)) {
            List<Endpoint> wanted = List.of(all.get(first), all.get((first + 1) % 3), all.get((first + 2) % 3));
            assertEquals(wanted, sidecars.inTurn(all));
        }
    }
}
