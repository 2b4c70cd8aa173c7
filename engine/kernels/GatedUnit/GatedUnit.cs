using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>
/// A gated linear unit, <c>u[:, j] = f(g[:, j]) · g[:, I + j]</c> (Shazeer, arXiv 2002.05202): of twice as many columns as the result has
/// the first half is activated and multiplied by the second.
/// </summary>
/// <param name="g">[rows, 2 · I].</param>
/// <param name="activation">f: <see cref="Activation.Geglu"/> or <see cref="Activation.Swiglu"/>.</param>
/// <param name="u">[rows, I].</param>
public readonly unsafe struct GatedUnitForward(Tensor g, Activation activation, Tensor u) : IOperation
{
    static string IOperation.Name => "gated unit";

    OperationCost IOperation.Cost => new(u.Shape, 0, 12.0 * u.Count);

    void IOperation.Check(OperandCheck operands)
    {
        activation.ExpectGated();
        operands.Expect(u, g.DType, new Shape(u.Shape[0], u.Shape[1]));
        operands.Expect(g, operands.TypeOf(g), new Shape(u.Shape[0], 2 * u.Shape[1]));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        if (activation == Activation.Geglu)
            cpu.Run(new GatedUnitJob<T, GeluFunction>(g.Pointer<float>(), u.Pointer<float>(), u.Shape[0], u.Shape[1]));
        else cpu.Run(new GatedUnitJob<T, SiluFunction>(g.Pointer<float>(), u.Pointer<float>(), u.Shape[0], u.Shape[1]));
    }

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int rows = u.Shape[0], width = u.Shape[1];
        gpu.Launch(
            (activation == Activation.Geglu ? GpuKernels.Geglu : GpuKernels.Swiglu).For(g.DType, width),
            new() { G = g, Y = u, Rows = rows, Width = width }, Blocks((long)rows * Chunks(width), WarpsPerBlock));
    }
}

/// <summary>The gradient of a gated linear unit.</summary>
/// <param name="g">[rows, 2 · I], what was gated.</param>
/// <param name="activation">See <see cref="GatedUnitForward"/>.</param>
/// <param name="du">[rows, I].</param>
/// <param name="dg">[rows, 2 · I]; may be g.</param>
public readonly unsafe struct GatedUnitBackward(Tensor g, Activation activation, Tensor du, Tensor dg) : IOperation
{
    static string IOperation.Name => "gated unit, gradient";

    OperationCost IOperation.Cost => new(du.Shape, 0, 20.0 * du.Count);

    void IOperation.Check(OperandCheck operands)
    {
        activation.ExpectGated();
        operands.Expect(du, operands.TypeOf(du), new Shape(du.Shape[0], du.Shape[1]));
        operands.Expect(g, du.DType, new Shape(du.Shape[0], 2 * du.Shape[1]));
        operands.Expect(dg, du.DType, g.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        if (activation == Activation.Geglu)
            cpu.Run(new GatedUnitGradientJob<T, GeluFunction, GeluGradient>(
                g.Pointer<float>(), du.Pointer<float>(), dg.Pointer<float>(), du.Shape[0], du.Shape[1]));
        else
            cpu.Run(new GatedUnitGradientJob<T, SiluFunction, SiluGradient>(
                g.Pointer<float>(), du.Pointer<float>(), dg.Pointer<float>(), du.Shape[0], du.Shape[1]));
    }

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int rows = du.Shape[0], width = du.Shape[1];
        gpu.Launch(
            (activation == Activation.Geglu ? GpuKernels.GegluGradient : GpuKernels.SwigluGradient).For(g.DType, width),
            new() { G = g, Du = du, Dg = dg, Rows = rows, Width = width }, Blocks((long)rows * Chunks(width), WarpsPerBlock));
    }
}
