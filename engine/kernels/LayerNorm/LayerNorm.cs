namespace Engine.Kernels;

/// <summary>
/// Layer normalisation over the last axis: <c>y = (x − mean(x)) / sqrt(var(x) + eps) · weight + bias</c> with the biased variance,
/// computed in two passes in fp32. x, y: [rows, width]; y may be x. Where the backward pass needs them, mean and 1 / sqrt(var + eps) of
/// each row are kept: statistics [rows, 2].
///
/// Backward, with <c>n = (x − mean) · scale</c> and <c>d = dy · weight</c>: <c>dx = scale · (d − mean(d) − n · mean(d · n))</c>,
/// <c>dweight += Σ_rows dy · n</c>, <c>dbias += Σ_rows dy</c>.
/// </summary>
internal static partial class LayerNorm
{
}
