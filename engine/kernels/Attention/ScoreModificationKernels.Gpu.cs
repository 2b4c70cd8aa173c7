using Engine.Kernels.Gpu;

namespace Engine.Kernels;

/// <summary>The kernels of attention with a score modification.</summary>
internal static class ScoreModificationKernels
{
    /// <summary>
    /// Adds all of them: forward and backward, in either type, with and without dropout, under the name of the modification.
    /// </summary>
    public static void Add<TMod>(KernelList list)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        AttentionKernels.Add<TMod>(list);
        AttentionGradientKernels.Add<TMod>(list);
        AttentionTensorCoreKernels.Add<TMod>(list);
        AttentionTensorCoreGradientKernels.Add<TMod>(list);
        if (TMod.Tables > 0) AttentionTableGradientKernels.Add<TMod>(list);
    }
}
