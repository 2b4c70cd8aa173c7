using System.Reflection;
using ILGPU;
using ILGPU.IR.Transformations;

namespace Engine.KernelCompiler;

/// <summary>The order of ILGPU's passes.</summary>
internal static class Passes
{
    /// <summary>
    /// Folds branches on constants right after inlining. ILGPU does so only after it has taken structures apart, when each branch on a
    /// choice of types has cost a phi for every field of every structure that lives across it: compilation takes a third of the time
    /// without them.
    /// </summary>
    /// <exception cref="NotSupportedException">
    /// Another version of ILGPU, which holds its passes elsewhere: it has no public way to order them.
    /// </exception>
    public static void FoldFirst(Context context)
    {
        FieldInfo field = typeof(Context).GetField("<ContextTransformer>k__BackingField", BindingFlags.NonPublic | BindingFlags.Instance)
            ?? throw new NotSupportedException("the passes are ordered for ILGPU 1.5.3");
        Transformer.Builder builder = Transformer.CreateBuilder(TransformerConfiguration.Transformed);
        builder.Add(new Inliner());
        builder.Add(new UnreachableCodeElimination());
        builder.Add(new DeadCodeElimination());
        builder.AddOptimizations(InliningMode.Disabled, OptimizationLevel.O2);
        field.SetValue(context, builder.ToTransformer());
    }
}
