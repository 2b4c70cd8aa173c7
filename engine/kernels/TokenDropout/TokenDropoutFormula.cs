namespace Engine.Kernels;

/// <summary>The factor of the tokens that are not masked.</summary>
internal static class TokenDropoutFormula
{
    // What pre-training leaves of the embeddings: 15 % of the tokens are chosen, and 80 % of those masked.
    private const float Kept = 0.88f;

    public static float Scale(float masks, float tokens) => Kept / (1 - (masks / tokens));
}
