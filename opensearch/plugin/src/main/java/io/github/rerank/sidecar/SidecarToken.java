package io.github.rerank.sidecar;

import java.util.Optional;
import org.opensearch.common.settings.SecureSetting;
import org.opensearch.common.settings.Setting;
import org.opensearch.common.settings.Settings;
import org.opensearch.core.common.settings.SecureString;

/**
 * The bearer token that the sidecars ask for. It lies in the node's keystore because whoever may read a pipeline's settings
 * would read it there; {@code POST _nodes/reload_secure_settings} takes a new one over.
 */
final class SidecarToken {
    static final Setting<SecureString> SETTING = SecureSetting.secureString("rerank_sidecar.token", null);
    private volatile String authorization;

    SidecarToken(Settings settings) {
        reload(settings);
    }

    /** The header's value, empty where the keystore holds no token. */
    Optional<String> authorization() {
        return Optional.ofNullable(authorization);
    }

    void reload(Settings settings) {
        try (SecureString token = SETTING.get(settings)) {
            authorization = token.length() == 0 ? null : "Bearer " + token;
        }
    }
}
