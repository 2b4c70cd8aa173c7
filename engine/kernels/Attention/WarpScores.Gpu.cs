using Engine.Kernels.Gpu;

namespace Engine.Kernels;

/// <summary>A score modification on a warp's scores.</summary>
internal static class WarpScores
{
    /// <summary>The scores scaled and modified; row and column are the positions of the lane's first.</summary>
    /// <typeparam name="TTransposed">Whether the rows are keys and the columns queries.</typeparam>
    /// <typeparam name="TMod">The modification.</typeparam>
    public static WarpSums Modified<TTransposed, TMod>(WarpSums s, TMod mod, float row, float column, float scale)
        where TTransposed : struct, IChoice
        where TMod : unmanaged, IScoreModification<TMod>
        => new()
        {
            C0 = Modified<TTransposed, TMod>(s.C0 * scale, mod, row, column),
            C1 = Modified<TTransposed, TMod>(s.C1 * scale, mod, row, column + 8),
            C2 = Modified<TTransposed, TMod>(s.C2 * scale, mod, row, column + 16),
            C3 = Modified<TTransposed, TMod>(s.C3 * scale, mod, row, column + 24),
        };

    /// <summary>The gradients of the scores, <c>p · (dp − delta) · mod'</c>; s are the products before scaling.</summary>
    public static WarpSums Gradients<TTransposed, TMod>(
        WarpSums p, WarpSums dp, WarpSums delta, WarpSums s, TMod mod, float row, float column, float scale)
        where TTransposed : struct, IChoice
        where TMod : unmanaged, IScoreModification<TMod>
        => new()
        {
            C0 = p.C0 * (dp.C0 - delta.C0) * Derivative<TTransposed, TMod>(s.C0 * scale, mod, row, column),
            C1 = p.C1 * (dp.C1 - delta.C1) * Derivative<TTransposed, TMod>(s.C1 * scale, mod, row, column + 8),
            C2 = p.C2 * (dp.C2 - delta.C2) * Derivative<TTransposed, TMod>(s.C2 * scale, mod, row, column + 16),
            C3 = p.C3 * (dp.C3 - delta.C3) * Derivative<TTransposed, TMod>(s.C3 * scale, mod, row, column + 24),
        };

    private static Float4 Modified<TTransposed, TMod>(Float4 s, TMod mod, float row, float column)
        where TTransposed : struct, IChoice
        where TMod : unmanaged, IScoreModification<TMod>
        => new(
            Modified<TTransposed, TMod>(s.X, mod, row, column), Modified<TTransposed, TMod>(s.Y, mod, row, column + 1),
            Modified<TTransposed, TMod>(s.Z, mod, row + 8, column), Modified<TTransposed, TMod>(s.W, mod, row + 8, column + 1));

    private static float Modified<TTransposed, TMod>(float s, TMod mod, float row, float column)
        where TTransposed : struct, IChoice
        where TMod : unmanaged, IScoreModification<TMod>
        => TMod.Score<GpuFloat>(mod, s, TTransposed.Value ? column : row, TTransposed.Value ? row : column).Value;

    private static Float4 Derivative<TTransposed, TMod>(Float4 s, TMod mod, float row, float column)
        where TTransposed : struct, IChoice
        where TMod : unmanaged, IScoreModification<TMod>
        => new(
            Derivative<TTransposed, TMod>(s.X, mod, row, column), Derivative<TTransposed, TMod>(s.Y, mod, row, column + 1),
            Derivative<TTransposed, TMod>(s.Z, mod, row + 8, column), Derivative<TTransposed, TMod>(s.W, mod, row + 8, column + 1));

    private static float Derivative<TTransposed, TMod>(float s, TMod mod, float row, float column)
        where TTransposed : struct, IChoice
        where TMod : unmanaged, IScoreModification<TMod>
        => TMod.Derivative<GpuFloat>(mod, s, TTransposed.Value ? column : row, TTransposed.Value ? row : column).Value;
}
