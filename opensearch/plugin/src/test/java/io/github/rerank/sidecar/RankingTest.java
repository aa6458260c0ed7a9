package io.github.rerank.sidecar;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class RankingTest {
    private static final float[] FIRST_PASS = { 30, 20, 10 };

    @Test
    void theSidecarsScoresDecideAndAreShown() {
        Ranking ranking = Ranking.of(new float[] { -1, 3, 2 }, FIRST_PASS, 0);
        assertArrayEquals(new int[] { 1, 2, 0 }, ranking.order());
        assertArrayEquals(new float[] { -1, 3, 2 }, ranking.scores());
        assertEquals(3, ranking.best());
        assertEquals(-1, ranking.worst());
    }

    @Test
    void tiesKeepTheOrderOfTheFirstPass() {
        assertArrayEquals(new int[] { 0, 1, 2 }, Ranking.of(new float[] { 5, 5, 5 }, FIRST_PASS, 0).order());
        assertArrayEquals(new int[] { 0, 1, 2 }, Ranking.of(new float[] { 0f, -0f, 0f }, FIRST_PASS, 0).order());
    }

    @Test
    void blendWeighsBothNormalisedScores() {
        Ranking ranking = Ranking.of(new float[] { 0, 1, 2 }, new float[] { 30, 25, 10 }, 0.25);
        assertArrayEquals(new float[] { 0.25f, 0.75f * 0.5f + 0.25f * 0.75f, 0.75f }, ranking.scores(), 1e-6f);
        assertArrayEquals(new int[] { 2, 1, 0 }, ranking.order());
    }

    @Test
    void blendOneIsTheFirstPass() {
        assertArrayEquals(new int[] { 0, 1, 2 }, Ranking.of(new float[] { 0, 1, 2 }, FIRST_PASS, 1).order());
    }

    @Test
    void aSideWithoutDifferencesDoesNotDecide() {
        assertArrayEquals(new int[] { 2, 1, 0 }, Ranking.of(new float[] { 0, 1, 2 }, new float[] { 1, 1, 1 }, 0.9).order());
        float[] none = { Float.NaN, Float.NaN, Float.NaN };
        assertArrayEquals(new int[] { 2, 1, 0 }, Ranking.of(new float[] { 0, 1, 2 }, none, 0.9).order());
    }
}
