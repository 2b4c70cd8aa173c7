using System.Collections.Immutable;
using System.Reflection;
using ILGPU;
using ILGPU.IR;
using ILGPU.IR.Analyses;
using ILGPU.IR.Transformations;

namespace Engine.KernelCompiler;

/// <summary>The order of ILGPU's passes.</summary>
internal static class Passes
{
    /// <summary>
    /// Inlines, folds what became constant at once, and optimizes the kernel alone. ILGPU folds only after all is inlined and structures
    /// are taken apart, when each branch on a choice of types has been copied into every caller, and has cost a phi for every field of
    /// every structure that lives across it; and it optimizes the inlined methods as well, though none is called any more.
    /// </summary>
    /// <exception cref="NotSupportedException">
    /// Another version of ILGPU, which holds its passes elsewhere: it has no public way to order them.
    /// </exception>
    public static void FoldFirst(Context context)
    {
        FieldInfo field = typeof(Context).GetField("<ContextTransformer>k__BackingField", BindingFlags.NonPublic | BindingFlags.Instance)
            ?? throw OtherVersion();
        Transformer.Builder optimizations = Transformer.CreateBuilder(TransformerConfiguration.Transformed);
        optimizations.AddOptimizations(InliningMode.Disabled, OptimizationLevel.O2);
        field.SetValue(context, Transformer.Create(
            TransformerConfiguration.Transformed, new InlineAndOptimize(optimizations.ToTransformer().Transformations)));
    }

    private static NotSupportedException OtherVersion() => new("the passes are ordered for ILGPU 1.5.3");

    /// <summary>All passes of a kernel, over as few methods as each needs.</summary>
    private sealed class InlineAndOptimize(ImmutableArray<Transformation> optimizations) : Transformation
    {
        private static readonly ConstructorInfo Methods = typeof(MethodCollection).GetConstructor(
            BindingFlags.NonPublic | BindingFlags.Instance, [typeof(IRContext), typeof(ImmutableArray<Method>)]) ?? throw OtherVersion();

        private readonly Transformation[] _inlining = [new Inliner(), new UnreachableCodeElimination(), new DeadCodeElimination()];

        /// <inheritdoc/>
        public override void Transform(in MethodCollection methods)
        {
            // Callees come before their callers: what a method inlines has been folded.
            foreach (Landscape<object>.Entry entry in Landscape.Create(methods))
            {
                MethodCollection one = Only(methods.Context, entry.Method);
                foreach (Transformation pass in _inlining) pass.Transform(one);
                if (entry.NumUses > 0) continue;
                foreach (Transformation pass in optimizations) pass.Transform(one);
            }
        }

        private static MethodCollection Only(IRContext context, Method method) =>
            (MethodCollection)Methods.Invoke([context, ImmutableArray.Create(method)]);
    }
}
