package io.github.rerank.sidecar;

import java.util.Arrays;
import java.util.Comparator;

/**
 * The order of the window after re-ranking.
 *
 * @param order positions in the first pass, best first; ties keep the order of the first pass
 * @param scores the score shown for each position of the first pass
 */
record Ranking(int[] order, float[] scores) {

    /**
     * With {@code blend} 0 the sidecar's scores decide and are shown. Otherwise both sides are brought to 0..1 over the window
     * (lowest 0, highest 1, all equal 0) and {@code (1 - blend) * sidecar + blend * firstPass} decides and is shown.
     */
    static Ranking of(float[] sidecar, float[] firstPass, double blend) {
        float[] scores = blend == 0 ? sidecar.clone() : blended(sidecar, firstPass, blend);
        int[] order = new int[scores.length];
        Integer[] positions = new Integer[scores.length];
        Arrays.setAll(positions, i -> i);
        // Subtracting, not negating: a zero of either sign has to tie with the other.
        Arrays.sort(positions, Comparator.comparingDouble(i -> 0.0 - scores[i]));
        Arrays.setAll(order, i -> positions[i]);
        return new Ranking(order, scores);
    }

    float best() {
        return scores[order[0]];
    }

    float worst() {
        return scores[order[order.length - 1]];
    }

    private static float[] blended(float[] sidecar, float[] firstPass, double blend) {
        double[] judged = normalised(sidecar);
        double[] found = normalised(firstPass);
        float[] scores = new float[sidecar.length];
        for (int i = 0; i < scores.length; i++) {
            scores[i] = (float) ((1 - blend) * judged[i] + blend * found[i]);
        }
        return scores;
    }

    /** Scores that are not finite (a first pass without scores) count as the lowest. */
    private static double[] normalised(float[] scores) {
        double low = Double.POSITIVE_INFINITY;
        double high = Double.NEGATIVE_INFINITY;
        for (float score : scores) {
            if (Float.isFinite(score)) {
                low = Math.min(low, score);
                high = Math.max(high, score);
            }
        }
        double[] normalised = new double[scores.length];
        for (int i = 0; i < scores.length; i++) {
            normalised[i] = high > low && Float.isFinite(scores[i]) ? (scores[i] - low) / (high - low) : 0;
        }
        return normalised;
    }
}
