namespace Engine.Kernels;

/// <summary>
/// Layer normalisation over the last axis: <c>y = (s − mean(s)) / sqrt(var(s) + eps) · weight + bias</c> with
/// <c>s = x + residual</c> and the biased variance, computed in two passes in fp32. x, residual, y: [rows, width]; y may be x.
/// </summary>
internal static partial class LayerNorm
{
}
