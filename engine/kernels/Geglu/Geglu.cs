using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>The gated linear unit, <c>u[:, j] = gelu(g[:, j]) · g[:, I + j]</c>.</summary>
/// <param name="g">[rows, 2 · I].</param>
/// <param name="u">[rows, I].</param>
public readonly unsafe struct GegluForward(Tensor g, Tensor u) : IOperation
{
    static string IOperation.Name => "geglu";

    OperationCost IOperation.Cost => new(u.Shape, 0, 12.0 * u.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(u, g.DType, new Shape(u.Shape[0], u.Shape[1]));
        operands.Expect(g, operands.TypeOf(g), new Shape(u.Shape[0], 2 * u.Shape[1]));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new GegluJob<T>(g.Pointer<float>(), u.Pointer<float>(), u.Shape[0], u.Shape[1]));

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int rows = u.Shape[0], width = u.Shape[1];
        gpu.Launch(
            GpuKernels.Geglu.For(g.DType, width), new() { G = g, Y = u, Rows = rows, Width = width },
            Blocks((long)rows * Chunks(width), WarpsPerBlock));
    }
}

/// <summary>The gradient of GEGLU.</summary>
/// <param name="g">[rows, 2 · I], what was gated.</param>
/// <param name="du">[rows, I].</param>
/// <param name="dg">[rows, 2 · I]; may be g.</param>
public readonly unsafe struct GegluBackward(Tensor g, Tensor du, Tensor dg) : IOperation
{
    static string IOperation.Name => "geglu, gradient";

    OperationCost IOperation.Cost => new(du.Shape, 0, 20.0 * du.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(du, operands.TypeOf(du), new Shape(du.Shape[0], du.Shape[1]));
        operands.Expect(g, du.DType, new Shape(du.Shape[0], 2 * du.Shape[1]));
        operands.Expect(dg, du.DType, g.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new GegluGradientJob<T>(g.Pointer<float>(), du.Pointer<float>(), dg.Pointer<float>(), du.Shape[0], du.Shape[1]));

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int rows = du.Shape[0], width = du.Shape[1];
        gpu.Launch(
            GpuKernels.GegluGradient.For(g.DType, width), new() { G = g, Du = du, Dg = dg, Rows = rows, Width = width },
            Blocks((long)rows * Chunks(width), WarpsPerBlock));
    }
}
