using System.Text;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime;
using Engine.Runtime.Cuda;

namespace Engine.KernelCompiler;

/// <summary>Compiles attention with a score modification of one's own, while the program runs.</summary>
public static class ScoreModificationCompiler
{
    /// <summary>
    /// Compiles the forward and the backward pass of attention, in every element type, and gives them to a backend. Afterwards
    /// <see cref="Backend.Attention{TMod}"/> takes the modification there. It takes a second or two.
    /// </summary>
    /// <typeparam name="TMod">The modification; no other one has its name, whatever the namespace and the case of letters.</typeparam>
    /// <param name="backend">A backend on a GPU.</param>
    /// <param name="dropout">Whether to compile the forms that drop probabilities, too.</param>
    /// <exception cref="ArgumentException">The backend is on no GPU, or it has a modification of this name.</exception>
    /// <exception cref="NotSupportedException">The compiler refuses the modification; the message says why.</exception>
    public static void Compile<TMod>(Backend backend, bool dropout = false)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        if (backend is not CudaBackend gpu) throw new ArgumentException($"{backend?.Description ?? "null"}: only for a GPU a modification is compiled so");
        var list = new KernelList();
        string name = typeof(TMod).Name.ToLowerInvariant();
        AttentionKernels.Add<TMod>(list, name);
        AttentionGradientKernels.Add<TMod>(list, name);
        AttentionTensorCoreKernels.Add<TMod>(list, name);
        AttentionTensorCoreGradientKernels.Add<TMod>(list, name);
        if (dropout)
        {
            AttentionKernels.AddDropout<TMod>(list, name);
            AttentionGradientKernels.AddDropout<TMod>(list, name);
            AttentionTensorCoreKernels.AddDropout<TMod>(list, name);
            AttentionTensorCoreGradientKernels.AddDropout<TMod>(list, name);
        }

        foreach ((CompiledKernel kernel, string text) in Compiler.Compile(list)) gpu.Add(kernel, [.. Encoding.ASCII.GetBytes(text), 0]);
    }
}
