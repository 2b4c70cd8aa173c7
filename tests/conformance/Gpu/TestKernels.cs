using Engine.KernelCompiler;
using Engine.Kernels.Gpu;

namespace Conformance.Gpu;

/// <summary>Kernels that are compiled while tests run: once, and kept beside the tests.</summary>
internal static class TestKernels
{
    public static string Cache { get; } = Path.Combine(AppContext.BaseDirectory, "kernels");

    public static KernelLibrary Library() => new(new IlgpuKernelCompiler(Cache));
}
